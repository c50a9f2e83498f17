"""`leadline explain`: sheets and a table for pictures, figures of the network, and one paragraph for each mistake."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import leadline
from leadline.runs import Run

TypeIn = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    changes = {"training.epochs": 2, "model": "convnet", "model.width": 4, "model.stages": 2, "training.threads": 1}
    return leadline.train("digits", folder=tmp_path_factory.mktemp("runs") / "digits", changes=changes)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 20), np.uint8)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_a_picture_gets_a_sheet_and_a_line(run: Run, picture: Path, type_in: TypeIn, tmp_path: Path) -> None:
    status, out, err = type_in("explain", run.folder, picture, "--out", tmp_path / "out", "--top", 2)
    assert (status, err) == (0, "")
    assert out.startswith(f"{picture}")
    said = out.split("saved ")[0]
    assert said.count("%") == 2
    assert said.count("box") == 1
    with Image.open(tmp_path / "out" / "a.png") as sheet:
        assert sheet.width > 500
    assert type_in("explain", run.folder, picture, "--out", tmp_path / "out", "--method", "saliency")[0] == 0  # its own


@pytest.mark.parametrize("columns", [50, 80])
@pytest.mark.parametrize("long", [False, True])
def test_lines_keep_to_the_width_of_the_terminal(
    long: bool, columns: int, run: Run, picture: Path, type_in: TypeIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.chdir(picture.parent)
    name = Path(f"{'long' * 9 if long else 'b'}.png")
    picture.rename(name)
    (name.parent / "c.png").write_bytes(name.read_bytes())
    status, out, _ = type_in("explain", run.folder, name, "c.png", "--top", 10, "--method", "occlusion", "--out", "o")
    lines = out.splitlines()
    assert status == 0
    assert max(map(len, lines)) <= columns
    assert lines[-1] == "saved     2 sheets in o"
    assert sum(line.startswith(f"{name}") for line in lines) == 1
    rows = " ".join(line.strip() for line in lines[:-1])
    assert rows.count(" %, ") == 18
    assert rows.count("%") == 20
    ends = [line.rstrip(",") for line in lines[:-1] if "box" not in line and ".png" not in line]
    assert not any(line.endswith(tuple("0123456789")) for line in ends), "no class is parted from its number"
    if not long:
        assert [line[:7].strip() for line in lines[:-1] if line[:1] != " "] == ["b.png", "c.png"]
        assert {line[5:7] for line in lines[:-1]} == {"  "}, "what is said stands in a column"


def test_a_source_in_the_place_of_a_picture_gets_the_option_that_takes_it(run: Run, type_in: TypeIn, workplace: Path) -> None:
    np.savez(workplace / "some data.npz", x=np.zeros(3))
    for word, what in (("digits", "the name of a data set"), ("some data.npz", "a file of data")):
        status, out, err = type_in("explain", run.folder, word)
        said = " ".join(err.split())
        assert (status, out) == (2, "")
        assert f"{word} is {what}, not of a picture" in said
        quoted = f"'{word}'" if " " in word else word
        assert f"leadline explain {run.folder} --source {quoted}." in said
    (workplace / "digits").mkdir()  # a folder of that name is one of pictures
    assert "--source" not in type_in("explain", run.folder, "digits")[2]


def test_json_and_several_pictures_one_of_them_bad(run: Run, picture: Path, type_in: TypeIn, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_text("no picture")
    words = ("--out", tmp_path / "out", "--method", "cam, gradcam", "--class", "3", "--json")
    status, out, err = type_in("explain", run.folder, picture, tmp_path / "bad.png", *words)
    (row,) = [json.loads(line) for line in out.splitlines()]
    assert status == 2
    assert list(row["explained"]) == ["3"]
    assert Path(row["file"]) == tmp_path / "out" / "a.png"
    assert set(row["box"] or {"top", "left", "bottom", "right"}) == {"top", "left", "bottom", "right"}
    assert "bad.png cannot be read as a picture" in err.replace("\n", " ")
    assert "1 of 2 pictures" in err.replace("\n", " ")


def test_without_pictures_the_network_is_drawn_into_the_run(run: Run, type_in: TypeIn) -> None:
    status, out, err = type_in("explain", run.folder, "--json")
    files = [json.loads(line)["file"] for line in out.splitlines()]
    assert (status, err) == (0, "")
    assert sorted(Path(file).name for file in files) == sorted(path.name for path in (run.folder / "explained").iterdir())
    assert len(files) == 5
    leadline.open(run.folder)  # the Run is still whole


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--method", "gradcm"), "Did you mean 'gradcam'"),
        (("--class", "33"), "There is no class '33'"),
        (("--layer", "0x"), "There is no layer with a map '0x'"),
        (("--source", "digits"), "--source is for the figures of the network"),
    ],
)
def test_a_mistake_is_one_paragraph(
    words: tuple[str, ...], said: str, run: Run, picture: Path, type_in: TypeIn, tmp_path: Path
) -> None:
    status, out, err = type_in("explain", run.folder, picture, "--out", tmp_path / "out", *words)
    assert (status, out) == (2, "")
    assert said in " ".join(err.split())
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


def test_a_method_needs_a_picture_and_a_file_of_yours_is_safe(run: Run, picture: Path, type_in: TypeIn) -> None:
    assert "name at least one INPUT" in type_in("explain", run.folder, "--method", "cam")[2]
    before = picture.read_bytes()
    status, _, err = type_in("explain", run.folder, picture, "--out", picture.parent)
    assert status == 2
    assert "not from leadline explain" in " ".join(err.split())
    assert picture.read_bytes() == before
