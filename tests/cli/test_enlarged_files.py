"""`leadline predict --out`: each picture enlarged in a file of its own, never over another, and what cannot be is named."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import leadline
from leadline.runs import Run

TypeIn = Callable[..., tuple[int, str, str]]
QUICK = {
    "data.task": "pairs",
    "data.size": 32,
    "model.width": 4,
    "training.epochs": 1,
    "training.threads": 1,
    "training.layout": "contiguous",
    "training.step": "plain",
    "training.device": "cpu",
}


def noise(seed: int, height: int, width: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def pixels(path: Path) -> NDArray[Any]:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("photos")
    for number in range(8):
        noise(number, 40, 44).save(root / f"{number}.png")
    return leadline.train(root, changes=QUICK, folder=tmp_path_factory.mktemp("runs") / "pairs")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    noise(1, 10, 12).save(tmp_path / "in" / "a.b.jpg")
    noise(2, 9, 7).save(tmp_path / "in" / "deep" / "c.png")
    return tmp_path / "in"


def test_a_folder_is_enlarged_with_its_sub_folders(run: Run, photos: Path, tmp_path: Path, type_in: TypeIn) -> None:
    out = tmp_path / "new" / "bigger"
    status, said, wrong = type_in("predict", str(run.folder), str(photos), "--out", str(out))
    assert (status, wrong) == (0, "")
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.*")) == ["a.b.png", "deep/c.png"]
    assert pixels(out / "a.b.png").shape == (20, 24, 3)
    expected = run.predict(photos / "deep" / "c.png").pixels
    np.testing.assert_array_equal(pixels(out / "deep" / "c.png"), expected)
    assert "14 × 18 pixels in" in said


def test_nothing_is_written_over(run: Run, photos: Path, tmp_path: Path, type_in: TypeIn) -> None:
    out = tmp_path / "bigger"
    out.mkdir()
    (out / "a.b.png").write_text("mine")
    status, said, wrong = type_in("predict", str(run.folder), str(photos), "--out", str(out))
    assert status == 2
    assert "exists already" in wrong
    assert "1 of 2 pictures could not be enlarged" in wrong.replace("\n", " ")
    assert (out / "a.b.png").read_text() == "mine"
    assert (out / "deep" / "c.png").exists()
    assert said.count("pixels in") == 1


def test_what_cannot_be_read_is_named_and_the_others_go_on(run: Run, photos: Path, tmp_path: Path, type_in: TypeIn) -> None:
    (photos / "bad.jpg").write_text("no picture")
    words = [str(photos / name) for name in ("bad.jpg", "missing.png", "a.b.jpg")]
    status, said, wrong = type_in("predict", str(run.folder), *words, "--out", str(tmp_path / "out"), "--json")
    assert status == 2
    assert "bad.jpg" in wrong
    assert "missing.png" in wrong
    told = json.loads(said)
    assert told == {"id": words[2], "path": str(tmp_path / "out" / "a.b.png"), "height": 20, "width": 24}


def test_bytes_on_standard_input(
    run: Run, photos: Path, tmp_path: Path, type_in: TypeIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = (photos / "deep" / "c.png").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert type_in("predict", str(run.folder), "-", "--out", str(tmp_path / "out"))[0] == 0
    assert pixels(tmp_path / "out" / "picture.png").shape == (18, 14, 3)


def test_rows_of_an_array(run: Run, tmp_path: Path, type_in: TypeIn) -> None:
    np.save(tmp_path / "some.v2.npy", np.stack([np.asarray(noise(seed, 8, 9)) for seed in range(2)]))
    assert type_in("predict", str(run.folder), str(tmp_path / "some.v2.npy"), "--out", str(tmp_path / "out"))[0] == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["some.v2-0.png", "some.v2-1.png"]


def test_pictures_of_one_name_get_files_of_their_own(run: Run, tmp_path: Path, type_in: TypeIn) -> None:
    for seed, name in enumerate(("in/a.png", "in/A.bmp", "other/a.png")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        noise(seed, 8 + seed, 9).save(tmp_path / name)
    words = (str(tmp_path / "in"), str(tmp_path / "other" / "a.png"), "--out", str(tmp_path / "out"), "--json")
    status, said, wrong = type_in("predict", str(run.folder), *words)
    assert (status, wrong) == (0, "")
    made = [json.loads(line) for line in said.splitlines()]
    assert sorted(Path(each["path"]).name for each in made) == ["A.png", "a-2.png", "a-3.png"]
    assert all(pixels(Path(each["path"])).shape[0] == each["height"] for each in made)
    assert sorted(each["height"] for each in made) == [16, 18, 20]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Give --out FOLDER"),
        (("--csv", "--out", "x"), "--csv, --features and --top say nothing"),
        (("--top", "2", "--out", "x"), "--csv, --features and --top say nothing"),
    ],
)
def test_options_that_do_not_suit_pictures(run: Run, photos: Path, type_in: TypeIn, words: tuple[str, ...], said: str) -> None:
    status, _, wrong = type_in("predict", str(run.folder), str(photos), *words)
    assert status == 2
    assert said in wrong.replace("\n", " ")


def test_a_file_is_no_folder(run: Run, photos: Path, type_in: TypeIn) -> None:
    status, _, wrong = type_in("predict", str(run.folder), str(photos), "--out", str(photos / "a.b.jpg"))
    assert status == 2
    assert "is a file" in wrong.replace("\n", " ")


def test_other_networks_have_no_pictures_to_put_anywhere(tmp_path: Path, type_in: TypeIn) -> None:
    quick = {"model": "linear", "training.epochs": 1, "training.threads": 1}
    digits = leadline.train("digits", changes=quick, folder=tmp_path / "digits")
    status, _, wrong = type_in("predict", str(digits.folder), "x.png", "--out", str(tmp_path / "out"))
    assert status == 2
    assert "--out is for enlarged pictures" in wrong.replace("\n", " ")


def test_train_and_evaluate_speak_of_decibels(run: Run, photos: Path, tmp_path: Path, type_in: TypeIn) -> None:
    for number in range(20, 26):
        noise(number, 40, 40).save(tmp_path / f"{number}.png")
    words = ["--set", "training.epochs=1", "--set", "model.width=4", "--set", "training.threads=1"]
    status, said, _ = type_in(
        "train", str(tmp_path), "--task", "pairs", "--upscale", "4", "--folder", str(tmp_path / "run"), *words
    )
    assert status == 0
    assert "reduced 4 times" in said
    assert "test PSNR" in said
    assert "bicubic" in said
    assert "PHOTO… --out FOLDER" in said
    status, said, _ = type_in("evaluate", str(tmp_path / "run"), str(run.plan.data.source))
    assert status == 0
    assert "PSNR" in said
    assert " dB" in said
    assert "the network is" in said.replace("\n", " ")
    status, said, _ = type_in("plan", str(tmp_path), "--task", "pairs")
    assert status == 0
    assert 'name = "espcn"' in said
    assert "upscale = 2" in said
