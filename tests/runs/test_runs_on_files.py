"""Files as a person has them, for a network that is trained: of series with and without classes, of texts in tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import leadline
from leadline.errors import LeadlineError
from leadline.runs import Run

TypeIn = Callable[..., tuple[int, str, str]]
QUICK = {"training.epochs": 8, "training.threads": 1, "training.device": "cpu", "training.batch": 16}
STEPS = 30
HEAD = "@problemName waves\n@univariate true\n@classLabel {}\n@data\n"


def waves(rows: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Lines of series, and their classes."""
    random = np.random.default_rng(seed)
    classes = ["slow" if row % 2 else "fast" for row in range(rows)]
    speeds = {"slow": 0.3, "fast": 0.9}
    lines = [np.sin(speeds[name] * np.arange(STEPS) + random.uniform(0, 6)) for name in classes]
    return [",".join(f"{value:.4f}" for value in line) for line in lines], classes


def labelled(lines: list[str], classes: list[str]) -> str:
    return HEAD.format("true slow fast") + "".join(f"{line}:{name}\n" for line, name in zip(lines, classes, strict=True))


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("waves")
    lines, classes = waves(80)
    path = folder / "waves.ts"
    path.write_text(labelled(lines, classes))
    return leadline.train(path, changes=QUICK, folder=folder / "run")


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("texts")
    path = folder / "train.csv"
    path.write_text("id,mark,said\n" + "".join(f"{at},{mark},{said}\n" for at, (mark, said) in enumerate(reviews(80))))
    return leadline.train(path, target="mark", changes=QUICK, folder=folder / "run")


def reviews(rows: int, seed: int = 0) -> list[tuple[str, str]]:
    random = np.random.default_rng(seed)
    lines = {"good": "lovely warm happy film with a fine end", "bad": "dull cold sad film with a weak end"}
    words = {mark: line.split() for mark, line in lines.items()}
    marks = ["good", "bad"] * (rows // 2)
    return [(mark, " ".join(random.choice(words[mark], 8))) for mark in marks]


def test_a_file_of_series_is_answered_line_by_line_with_and_without_classes(series: Run, tmp_path: Path) -> None:
    lines, classes = waves(12, seed=1)
    alone = [series.predict(np.array(line.split(","), float)).answer for line in lines]
    files = {
        "labelled.ts": labelled(lines, classes),
        "plain.ts": HEAD.format("false") + "".join(f"{line}\n" for line in lines),
        "first.csv": "".join(f"{b},{a}\n" for a, b in zip(lines, classes, strict=True)),
        "last.csv": "".join(f"{a},{b}\n" for a, b in zip(lines, classes, strict=True)),
        "plain.csv": "".join(f"{line}\n" for line in lines),
        "plain.txt": "".join(line.replace(",", " ") + "\n" for line in lines),
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content)
        for given in (tmp_path / name, str(tmp_path / name)):
            found = series.predict(given)
            assert found.answers == alone, name
            assert len(series.features(given)) == 12
    assert sum(answer == truth for answer, truth in zip(alone, classes, strict=True)) >= 10
    both = series.predict([tmp_path / "plain.ts", tmp_path / "first.csv"])
    assert both.answers == alone * 2
    assert both.ids[0] == f"{tmp_path / 'plain.ts'}:5"
    assert len(series.predict(tmp_path)) == 5 * 12  # a folder of them; .txt could be anything
    for name in ("labelled.ts", "first.csv", "last.csv"):
        assert series.evaluate(tmp_path / name)["rows"] == 12
    for name in ("plain.ts", "plain.csv"):
        with pytest.raises(LeadlineError, match="Not one row has a label"):
            series.evaluate(tmp_path / name)


def test_a_single_line_with_its_class_is_judged(series: Run, tmp_path: Path) -> None:
    (line,), (name,) = waves(1)
    (tmp_path / "one.csv").write_text(f"{name},{line}\n")
    assert series.evaluate(tmp_path / "one.csv")["rows"] == 1


def test_series_of_another_length_name_their_line_when_they_are_judged(series: Run, tmp_path: Path) -> None:
    lines, classes = waves(40)
    lines[6] = lines[6].rpartition(",")[0]
    path = tmp_path / "new.ts"
    path.write_text(labelled(lines, classes))
    with pytest.raises(LeadlineError, match=r"new\.ts:11 is not like the series of the training\. .*30 steps; got 29"):
        series.evaluate(path)
    found = series.predict(path)
    assert (len(found), len(found.excluded)) == (39, 1)
    assert "got 29 steps" in found.excluded[0].reason


def test_series_on_the_command_line(series: Run, workplace: Path, type_in: TypeIn) -> None:
    lines, classes = waves(6, seed=1)
    lines[2] = ",".join(["NaN"] * STEPS)
    lines[4] = lines[4].replace(",", ",oh", 1)
    Path("new.ts").write_text(labelled(lines, classes))
    Path("gaps.csv").write_text("".join(line.rpartition(",")[0] + ",?\n" for line in lines[:2]))
    status, out, err = type_in("predict", series.folder, "new.ts", "--json")
    assert status == 2
    assert [json.loads(line)["id"] for line in out.splitlines()] == [f"new.ts:{line}" for line in (5, 6, 8, 10)]
    said = " ".join(err.split())
    assert "new.ts:7 cannot be used: the series holds nothing but gaps" in said
    assert "new.ts:9 cannot be used: it holds 'oh" in said
    assert "2 of 6 inputs could not be used" in said
    status, out, err = type_in("predict", series.folder, "gaps.csv")
    assert (status, len(out.splitlines())) == (0, 2)
    assert "2 values are missing in 2 series" in " ".join(err.split())
    assert type_in("predict", series.folder, "new.ts:5")[1].startswith("new.ts:5  ")
    Path("ok.ts").write_text(HEAD.format("false") + lines[0] + "\n" + lines[1] + "\n")
    assert type_in("evaluate", series.folder, "ok.ts")[0] == 2
    status, out, err = type_in("explain", series.folder, "ok.ts", "--out", "out")
    assert (status, err) == (0, "")
    assert len(list(Path("out").iterdir())) == 2
    assert type_in("predict", series.folder, "ok.ts", "--features")[0] == 0


def test_explaining_many_series_stops_and_says_so(
    series: Run, workplace: Path, type_in: TypeIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leadline.cli.explain_sequences._MOST", 2)
    Path("new.ts").write_text(HEAD.format("false") + "\n".join(waves(5)[0]) + "\n")
    status, _, err = type_in("explain", series.folder, "new.ts", "--out", "out")
    assert status == 0
    assert "The first 2 of 5 series are explained" in " ".join(err.split())
    assert len(list(Path("out").iterdir())) == 2


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("short.csv", "1,2,3\n4,5,6\n", "30 values in each line"),
        ("short.ts", HEAD.format("false") + "1,2,3\n", "expected series of 30 steps; got 3 steps"),
        ("two.ts", HEAD.format("false") + "1,2:3,4\n", "it has 2 channels where the network was trained on 1"),
        ("empty.ts", HEAD.format("false"), "holds no series"),
        ("empty.csv", "", "holds no series"),
        ("code.ts", "const x = 1\nlet y = 2\n", "is not numbers"),
        ("words.csv", "a,b,c\nd,e,f\n", "not numbers"),
    ],
)
def test_a_bad_file_of_series_is_one_paragraph(
    name: str, content: str, says: str, series: Run, workplace: Path, type_in: TypeIn
) -> None:
    Path(name).write_text(content)
    status, out, err = type_in("predict", series.folder, name)
    assert (status, out) == (2, "")
    assert says.casefold() in " ".join(err.split()).casefold()
    assert max(map(len, err.splitlines())) <= 80


def test_texts_of_a_table_are_answered_row_by_row(texts: Run, workplace: Path, type_in: TypeIn) -> None:
    pl = pytest.importorskip("polars")
    rows = reviews(20, seed=1)
    alone = texts.predict([said for _, said in rows]).answers
    Path("new.csv").write_text("said\n" + "".join(f"{said}\n" for _, said in rows))
    Path("marked.tsv").write_text("mark\tsaid\n" + "".join(f"{mark}\t{said}\n" for mark, said in rows))
    frame = pl.DataFrame({"said": [said for _, said in rows], "id": range(20)})
    for given in ("new.csv", Path("new.csv"), Path("marked.tsv"), frame):
        assert texts.predict(given).answers == alone
    assert texts.predict("new.csv").ids[1] == "new.csv:3"
    assert texts.evaluate(["marked.tsv"])["rows"] == 20
    assert texts.predict("new.csv is a lovely file").id == "new.csv is a lovely file"  # a text
    status, out, _ = type_in("predict", texts.folder, "marked.tsv", "--csv")
    assert (status, [line.split(",")[1] for line in out.splitlines()[1:]]) == (0, alone)
    Path("holes.csv").write_text("id,said\n1,a lovely end\n2,\n3,a dull end\n")
    status, out, err = type_in("predict", texts.folder, "holes.csv")
    assert (status, len(out.splitlines())) == (2, 2)
    assert "holes.csv:3: The text is empty" in " ".join(err.split())
    assert type_in("explain", texts.folder, "holes.csv:2", "--out", "out")[0] == 0


@pytest.mark.parametrize("word", ["", "  "])
def test_an_empty_text_is_no_input_and_no_folder(word: str, texts: Run, series: Run, workplace: Path, type_in: TypeIn) -> None:
    Path("a.txt").write_text("a lovely end")
    for run, expected in ((texts, "at least one character or word"), (series, "the name of a file or folder")):
        status, out, err = type_in("predict", run.folder, word)
        assert (status, out) == (2, "")
        assert f"An INPUT is an empty text. Expected {expected}" in " ".join(err.split()).replace("a text with at", "at")
        with pytest.raises(LeadlineError, match="The input is an empty text"):
            run.predict(word)
        for verb in ("evaluate",):
            status, _, err = type_in(verb, run.folder, word, "--json")
            assert (status, "name of the source is an empty text" in " ".join(err.split())) == (2, True)
    for words in (("train", word), ("plan", word)):
        status, _, err = type_in(*words)
        assert (status, "name of the source is an empty text" in " ".join(err.split())) == (2, True)
    found = texts.predict(["a lovely end", word])
    assert (len(found), found.excluded[0].reason) == (1, "The text is empty. Expected at least one word.")
