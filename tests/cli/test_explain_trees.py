"""`leadline explain` for trees: every node in the terminal and on a page, one paragraph a mistake."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

import leadline
from leadline.cli.explain_trees import tree_lines
from leadline.runs import Run
from leadline.text.brackets import tree_from_brackets

TypeIn = Callable[..., tuple[int, str, str]]
QUICK = {"training.epochs": 1, "training.threads": 1, "training.device": "cpu", "model.hidden": 4, "model.embedding": 4}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    chance, folder = random.Random(0), tmp_path_factory.mktemp("trees")
    lines = [f"({chance.randrange(3)} (1 film) ({chance.randrange(3)} word{number % 9}))" for number in range(60)]
    (folder / "some.txt").write_text("\n".join(lines))
    return leadline.train(folder / "some.txt", changes=QUICK, folder=folder / "run")


def test_a_tree_line_by_line() -> None:
    tree = tree_from_brackets("(1 (0 a) (2 (2 (0 b) (1 c)) (1 d)))")
    row = {"words": tree.words, "distances": tree.distances, "said": [0] * 7, "sure": [0.5] * 7, "truth": [0] * 6 + [None]}
    drawn = [before + str(node) + behind for before, node, behind in tree_lines(row, "012")]
    assert drawn == ["6  50 %", "├ 0 a", "└ 5  50 %", "  ├ 3  50 %", "  │ ├ 1 b", "  │ └ 2 c", "  └ 4 d"]


def test_it_draws_what_it_says_of_every_node(run: Run, workplace: Path, type_in: TypeIn) -> None:
    status, out, _ = type_in("explain", run.folder, "((film) ((word1) (<b>)))", "--out", "page.html")
    assert status == 0
    said = tree_from_brackets(run.predict("((film) ((word1) (<b>)))").tree)  # type: ignore[union-attr]
    film, word, strange, inner, root = said.labels
    lines = out.splitlines()
    assert lines[0].startswith(f"film word1 <b>  {root} (")
    assert lines[1].startswith(f"    {root}  ")
    assert lines[2] == f"    ├ {film} film"
    assert lines[3].startswith(f"    └ {inner}  ")
    assert lines[4:6] == [f"      ├ {word} word1", f"      └ {strange} <b>"]
    page = Path("page.html").read_text(encoding="utf-8")
    assert page.count('class="branch"') == 4
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert "stroke-dasharray" not in page  # nobody said what is true
    status, out, _ = type_in("explain", run.folder, "(0 (0 film) (0 word1))", "--json")
    row = json.loads(out)
    assert status == 0
    assert row["truth"] == [0, 0, 0]
    assert tree_from_brackets(row["tree"]).labels == tuple(row["names"][label] for label in row["said"])
    assert Path(row["file"]) == run.folder / "explained" / "trees.html"


def test_a_deep_tree_is_written_and_not_drawn(run: Run, workplace: Path, type_in: TypeIn) -> None:
    (workplace / "deep.txt").write_text("(1 " * 3000 + "(1 film)" + ")" * 3000)
    status, out, _ = type_in("explain", run.folder, "deep.txt", "--out", "pages")
    assert status == 0
    assert "├" not in out
    assert "└" not in out
    assert (workplace / "pages" / "trees.html").exists()


def test_what_cannot_be_explained_is_one_paragraph(run: Run, workplace: Path, type_in: TypeIn) -> None:
    for words, told in (
        ([], "Nothing was named to explain"),
        (["((film)"], "line 1: 1 bracket is never closed"),
        (["a film"], "There is no tree in this text"),
        (["((film))", "--method", "gradcam"], "only --out and --json"),
        (["((film))", "--out", "a.png"], "name a folder or an .html file"),
    ):
        status, _, err = type_in("explain", run.folder, *words)
        assert status == 2, words
        assert told in " ".join(err.split()), words
        assert "Traceback" not in err
    (workplace / "mine.html").write_text("mine")
    status, _, err = type_in("explain", run.folder, "((film))", "--out", "mine.html")
    assert status == 2
    assert "exists already" in err
    assert (workplace / "mine.html").read_text() == "mine"
    (workplace / "some.txt").write_text("((film) (word1))\n((film)\n")
    status, out, err = type_in("explain", run.folder, "some.txt", "--out", "pages")
    assert status == 2
    assert "word1" in out
    assert "line 2: 1 bracket is never closed" in err
    assert "1 of 2 trees could not be used" in " ".join(err.split())
