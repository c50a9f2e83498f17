"""`leadline explain` for texts and series: words and stretches in the terminal, files, one page, one paragraph a mistake."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import leadline
from leadline.runs import Run

TypeIn = Callable[..., tuple[int, str, str]]
QUICK = {"training.epochs": 4, "training.threads": 1, "training.device": "cpu", "training.batch": 16}


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Run:
    said = [f"{mark} film with number {number}" for number in range(60) for mark in ("good", "bad")]
    folder = tmp_path_factory.mktemp("runs") / "films"
    return leadline.train(said, targets=["yes", "no"] * 60, changes=QUICK, folder=folder)


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Run:
    rows = [np.sin((0.3 + 0.6 * (row % 2)) * np.arange(30 + row % 3) + row)[:, None] for row in range(60)]
    changes = {"model": "recurrent", "model.hidden": 5, **QUICK}
    folder = tmp_path_factory.mktemp("runs") / "waves"
    return leadline.train(rows, targets=["slow", "fast"] * 30, changes=changes, folder=folder)


@pytest.fixture
def wave(workplace: Path) -> Path:
    np.savetxt(workplace / "wave.csv", np.sin(0.3 * np.arange(30.0)))
    return Path("wave.csv")  # no longer than a person would type it


def test_words_are_printed_with_what_they_are_worth(texts: Run, type_in: TypeIn, workplace: Path) -> None:
    status, out, err = type_in("explain", texts.folder, "A GOOD film!", "bad zyzx", "--out", "out")
    assert (status, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    lines = out.splitlines()
    at = next(number for number, line in enumerate(lines) if "A GOOD film!" in line)
    assert lines[at + 1][6:10] == "++++"
    assert "for yes: GOOD ×" in out
    assert "text 1  yes" in out
    assert "text 2  no" in out
    assert "read as unknown words: zyzx" in out
    assert {path.name for path in (workplace / "out").iterdir()} == {"text-1.png", "text-2.png"}
    assert "saved     2 pictures in" in out


def test_a_run_explains_into_its_folder_and_only_its_own_files_are_written_over(texts: Run, type_in: TypeIn) -> None:
    assert type_in("explain", texts.folder, "good")[0] == 0
    assert type_in("explain", texts.folder, "good")[0] == 0
    path = texts.folder / "explained" / "text.png"
    with Image.open(path) as picture:
        assert picture.info["Software"] == "Leadline explain"
    Image.new("L", (2, 2)).save(path)
    status, _, err = type_in("explain", texts.folder, "good")
    assert (status, "not from leadline explain" in " ".join(err.split())) == (2, True)
    path.unlink()


def test_one_page_and_one_picture(texts: Run, type_in: TypeIn, tmp_path: Path) -> None:
    page = tmp_path / "a" / "page.html"
    assert type_in("explain", texts.folder, "good film", "bad", "--out", page)[0] == 0
    written = page.read_text(encoding="utf-8")
    assert written.count("<section>") == 2
    assert "<script" not in written
    assert type_in("explain", texts.folder, "good film", "--out", page)[0] == 0
    assert page.read_text(encoding="utf-8").count("<section>") == 1
    page.write_text("my own page")
    status, _, err = type_in("explain", texts.folder, "good", "--out", page)
    assert (status, "not from leadline explain" in " ".join(err.split())) == (2, True)
    assert page.read_text() == "my own page"
    assert type_in("explain", texts.folder, "good", "--out", tmp_path / "one.png")[0] == 0
    assert (tmp_path / "one.png").exists()
    assert "several inputs" in type_in("explain", texts.folder, "good", "bad", "--out", tmp_path / "one.png")[2]


def test_json_and_files_one_of_them_bad(texts: Run, type_in: TypeIn, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a good film")
    (tmp_path / "b.txt").write_bytes(bytes(range(256)) * 9)
    status, out, err = type_in(
        "explain", texts.folder, tmp_path / "a.txt", tmp_path / "b.txt", "", "--json", "--out", tmp_path / "o", "--class", "no"
    )
    (row,) = [json.loads(line) for line in out.splitlines()]
    assert status == 2
    assert (list(row["explained"]), row["words"], row["unknown"]) == (["no"], ["a", "good", "film"], ["a"])
    assert row["files"] == [str(tmp_path / "o" / "a.png")]
    said = " ".join(err.split())
    assert "2 of 3 inputs could not be used" in said
    assert "binary file" in said
    assert "has not one word" in said


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([""], "There is nothing to explain in text: it has not one word in it"),
        (["gone.txt"], "There is no file gone.txt"),
        (["gone.csv"], "There is no file gone.csv"),
        (["data.csv"], "data.csv is a file of data, not one text"),
        (["good", "--class", "maybe"], "There is no class 'maybe'"),
        (["good", "--method", "cam"], "--method and --source are for pictures"),
        (["good", "--window", "3"], "--window is for series"),
        (["good", "--unit", "3"], "has no recurrent layer, and so no gates"),
        ([], "Nothing was named to explain"),
    ],
)
def test_each_mistake_is_one_paragraph(words: list[str], expected: str, texts: Run, type_in: TypeIn, workplace: Path) -> None:
    (workplace / "data.csv").write_text("a,b\n1,2\n")
    status, out, err = type_in("explain", texts.folder, *words)
    assert (status, out) == (2, "")
    assert expected in " ".join(err.split())
    assert "Traceback" not in err


def test_a_text_of_strangers_is_told_to_be_one(texts: Run, type_in: TypeIn, tmp_path: Path) -> None:
    status, out, _ = type_in("explain", texts.folder, "zyzx qwrt", "--out", tmp_path)
    assert status == 0
    assert "knows not one of its words" in " ".join(out.split())


def test_stretches_gates_and_units_of_a_series(series: Run, wave: Path, type_in: TypeIn, workplace: Path) -> None:
    out_folder = workplace / "out"
    status, out, err = type_in("explain", series.folder, wave, "--out", "out", "--unit", "3", "--window", "5")
    assert (status, err) == (0, "")
    assert "wave.csv  " in out
    assert "of 30 steps from 0 on, 5 covered at a time" in " ".join(out.split()) or "No stretch counted" in out
    names = {path.name for path in out_folder.iterdir()}
    assert {"wave.png", "wave-gates.png", "wave-cells.png"} <= names
    assert f"saved     {len(names)} pictures in" in out
    status, out, _ = type_in("explain", series.folder, wave, "--out", "page.html")
    page = (workplace / "page.html").read_text(encoding="utf-8")
    assert status == 0
    assert page.count("data:image/png;base64") == len(names) - 1
    assert page.count("<polyline") == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["gone.csv"], "There is no file 'gone.csv'"),
        (["wave.csv", "--unit", "99"], "There is no cell 99"),
        (["wave.csv", "--layer", "recurrent.ahead.9"], "no recurrent layer 'recurrent.ahead.9'"),
        (["wave.csv", "--window", "99"], "do not fit the series"),
        (["text.csv"], "text.csv"),
        (["digits"], "digits is the name of a data set"),
    ],
)
def test_mistakes_with_series(words: list[str], expected: str, series: Run, wave: Path, type_in: TypeIn) -> None:
    Path("text.csv").write_text("this is\nno series\n")
    status, out, err = type_in("explain", series.folder, *words)
    assert (status, out) == (2, "")
    assert expected in " ".join(err.split())
    assert "Traceback" not in err


def test_other_runs_are_told_what_can_be_explained(type_in: TypeIn, tmp_path: Path) -> None:
    quick: dict[str, Any] = {"training.epochs": 1, "model": "linear", "training.threads": 1}
    rows = np.random.default_rng(0).normal(size=(80, 4)).astype(np.float32)
    run = leadline.train(rows, targets=(rows[:, 0] > 0).astype(int), changes=quick, folder=tmp_path / "run")
    status, _, err = type_in("explain", run.folder, "good film")
    assert status == 2
    assert "was not trained on pictures" in " ".join(err.split())
    assert "--unit and --window are for texts and series" in type_in("explain", run.folder, "a", "--unit", "1")[2]


def test_in_a_terminal_with_colours_words_have_them(
    texts: Run, type_in: TypeIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    status, out, _ = type_in("explain", texts.folder, "a good film", "--out", tmp_path)
    assert status == 0
    assert "\x1b[" in out
    assert "++++" not in out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "++++" in type_in("explain", texts.folder, "a good film", "--out", tmp_path)[1]
