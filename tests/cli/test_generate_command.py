"""`leadline generate`: a sheet or single files, by class and seed, never over what is there; and the verbs that send to it."""

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
QUICK = {
    "data.task": "generate",
    "model.width": 4,
    "model.latent": 4,
    "training.epochs": 1,
    "training.learning_rate": 0.02,  # so that an epoch moves the two classes apart
    "training.threads": 1,
    "training.layout": "contiguous",
    "training.device": "cpu",
}


def noise(rows: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (rows, 8, 8, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    names = np.array(["ankle boot", "bag"])[np.arange(120) % 2]
    return leadline.train((noise(120), names), changes=QUICK, folder=tmp_path_factory.mktemp("runs") / "things")


def test_a_sheet_with_a_column_for_each_class(run: Run, type_in: TypeIn, workplace: Path) -> None:
    status, said, _ = type_in("generate", run.folder, "--number", 6, "--scale", 1)
    assert status == 0
    assert "sheet.png: 6 pictures" in said
    with Image.open("sheet.png") as sheet:
        assert sheet.size == (2 * 8 + 1, 3 * 8 + 2)
        shown = np.asarray(sheet.convert("RGB"))
    drawn = run.generate(6)
    assert np.array_equal(shown[:8, :8], drawn[0])
    assert np.array_equal(shown[:8, 9:], drawn[1])
    status, _, wrong = type_in("generate", run.folder)
    assert status == 2
    assert "sheet.png exists already" in wrong


def test_one_class_and_another_seed(run: Run, type_in: TypeIn, workplace: Path) -> None:
    for at, words in enumerate(
        (["--class", "bag"], ["--class", "bag", "--seed", 1], ["--class", "bag", "--class", "ankle boot"])
    ):
        status, said, _ = type_in("generate", run.folder, "--number", 2, "--out", f"new/{at}.png", *words, "--json")
        assert status == 0
        assert json.loads(said)["path"] == f"new/{at}.png"
    files = [Path(f"new/{at}.png").read_bytes() for at in range(3)]
    assert len(set(files)) == 3
    status, _, wrong = type_in("generate", run.folder, "--class", "bog", "--out", "x.png")
    assert status == 2
    assert "Did you mean 'bag'?" in " ".join(wrong.split())


def test_single_pictures_in_a_folder(run: Run, type_in: TypeIn, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, said, _ = type_in("generate", run.folder, "--number", 12, "--out", "pictures")
    assert status == 0
    assert "12 pictures in pictures" in said
    names = sorted(path.name for path in Path("pictures").iterdir())
    assert len(names) == 12
    assert names[:3] == ["01-ankle-boot.png", "02-bag.png", "03-ankle-boot.png"]
    with Image.open("pictures/02-bag.png") as picture:
        assert np.array_equal(np.asarray(picture), run.generate(12)[1])
    # What is there is seen before minutes are spent on drawing.
    monkeypatch.delattr("leadline.runs.making_up.made_inputs")
    status, _, wrong = type_in("generate", run.folder, "--number", 12, "--out", "pictures")
    assert status == 2
    assert "exists already" in wrong


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--out", "sheet.tiff"], "cannot be written as .tiff"),
        (["--number", "0"], "number"),
        (["--number", "100000"], "no such sheet"),
        (["--scale", "5000"], "at most 170,000,000 pixels. Give a folder"),
        (["--out", "s.jpg", "--columns", "1", "--number", "1200"], "it would have 56 × 70,797 pixels. Expected at most"),
        (["--out", "folder", "--columns", "3"], "are for a sheet"),
        (["--steps", "5"], "Boltzmann"),
    ],
)
def test_what_cannot_be_asked_is_told(words: list[str], told: str, run: Run, type_in: TypeIn, workplace: Path) -> None:
    status, _, wrong = type_in("generate", run.folder, *words)
    assert status == 2
    assert told in " ".join(wrong.split())
    assert not list(workplace.iterdir())


def test_a_network_that_only_answers_is_told_apart(type_in: TypeIn, workplace: Path) -> None:
    quick = {"model": "linear", "training.epochs": 1, "training.threads": 1}
    leadline.train("digits", changes=quick, folder="run")
    status, _, wrong = type_in("generate", "run")
    assert status == 2
    assert "makes nothing up" in " ".join(wrong.split())
    assert not Path("sheet.png").exists()


def test_other_verbs_send_to_it(run: Run, type_in: TypeIn, workplace: Path) -> None:
    Image.fromarray(noise(1)[0]).save("picture.png")
    for verb in ("predict", "explain"):
        status, _, wrong = type_in(verb, run.folder, "picture.png")
        assert status == 2, verb
        assert "leadline generate" in " ".join(wrong.split())
    status, _, wrong = type_in("explain", run.folder)
    assert status == 2
    Path("album").mkdir()
    status, _, wrong = type_in("similar", run.folder, "picture.png", "--among", "album")
    assert status == 2


def test_train_plan_and_evaluate_by_words(type_in: TypeIn, workplace: Path) -> None:
    np.savez("noise.npz", inputs=noise(120))
    settings = [word for key, value in QUICK.items() if key != "data.task" for word in ("--set", f"{key}={value}")]
    status, said, wrong = type_in("train", "noise.npz", "--task", "generate", "--folder", "run", *settings)
    assert status == 0, wrong
    assert "leadline generate run --number 64 --out sheet.png" in said
    status, said, _ = type_in("evaluate", "run", "noise.npz")
    assert status == 0
    assert "Fréchet distance" in said
    assert "only its test split counts" in " ".join(said.split())
    status, said, _ = type_in("plan", "noise.npz", "--task", "generate")
    assert status == 0
    assert 'changes = "color, shift, cutout"' in said
    np.savez("few.npz", inputs=noise(50))
    status, _, wrong = type_in("train", "few.npz", "--task", "generate")
    assert status == 2
    assert "too few pictures to learn to draw from" in " ".join(wrong.split())
