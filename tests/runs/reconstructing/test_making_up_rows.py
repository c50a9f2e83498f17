"""Runs on inputs alone that make new ones up: pictures like those that were learned from, rows of numbers, rows of a table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

import leadline
from leadline.data import UnitPictures
from leadline.errors import ArgumentError
from leadline.runs import Run

TypeIn = Callable[..., tuple[int, str, str]]
QUICK = {"data.task": "reconstruct", "training.threads": 1, "training.device": "cpu"}
MAKERS: dict[str, dict[str, Any]] = {
    "variational_autoencoder": {"model.hidden": "128-64", "model.code": 8, "training.epochs": 40},
    "rbm": {"model.hidden": 64, "training.epochs": 40},
    "deep_belief_net": {"model.hidden": "64-32", "training.epochs": 40},
}


@pytest.fixture(scope="module", params=list(MAKERS))
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    changes = {**QUICK, "model": request.param, **MAKERS[request.param]}
    return leadline.train("digits", changes=changes, folder=tmp_path_factory.mktemp("a") / "run")


def test_pictures_are_like_those_that_were_learned_from(run: Run) -> None:
    made: Any = run.generate(200, seed=1)
    assert made.shape == (200, 8, 8, 1)
    assert made.dtype == np.uint8
    assert made.max() <= 16
    learned = np.asarray(leadline.data.load("digits").train.inputs, float)
    # Ink lies where digits have it: untrained networks of all three families give less than 0.9.
    assert np.corrcoef(made.mean(axis=0).ravel(), learned.mean(axis=0).ravel())[0, 1] > 0.95
    # They differ from one another nearly as digits do, and not pixel by pixel: nearer to some digit than noise like them is.
    assert made.std(axis=0).mean() > 0.4 * learned.std(axis=0).mean()
    shuffled = np.random.default_rng(0).permuted(made, axis=0)
    assert _to_nearest(made, learned) < 0.8 * _to_nearest(shuffled, learned)


def _to_nearest(rows: Any, learned: Any) -> float:
    a, b = np.asarray(rows, float).reshape(len(rows), -1), learned.reshape(len(learned), -1)
    squares = (a**2).sum(1)[:, None] - 2 * a @ b.T + (b**2).sum(1)
    return float(np.sqrt(squares.min(axis=1)).mean())


def test_a_seed_makes_the_same_again_in_an_opened_run(run: Run) -> None:
    made: Any = run.generate(5, seed=3)
    again: Any = leadline.open(run.folder).generate(5, seed=3)
    assert np.array_equal(made, again)
    assert not np.array_equal(made, run.generate(5, seed=4))
    with pytest.raises(ArgumentError, match="knows no classes"):
        run.generate(2, classes=["7"])


def test_the_same_command_writes_the_sheet(run: Run, type_in: TypeIn, workplace: Path) -> None:
    status, said, wrong = type_in("generate", run.folder, "--number", 9, "--out", "sheet.png", "--scale", 1)
    assert status == 0, wrong
    assert "sheet.png: 9 pictures" in said
    inputs, made = run.schema.inputs, run.generate(9)
    assert isinstance(inputs, UnitPictures)
    with Image.open("sheet.png") as sheet:
        shown = np.asarray(sheet.convert("L"))
    # 0 to 16 of digits become 0 to 255.
    np.testing.assert_allclose(shown[:8, :8], np.asarray(made, float)[0, :, :, 0] * 255 / 16, atol=0.51)
    status, _, wrong = type_in("generate", run.folder, "--number", 2, "--steps", 3, "--out", "few.png")
    if run.plan.model.name == "variational_autoencoder":
        assert status == 2
        assert "Boltzmann" in wrong
    else:
        assert status == 0
        assert not np.array_equal(run.generate(2, steps=3), run.generate(2, steps=200))


def test_an_autoencoder_makes_nothing_up_and_says_what_does(type_in: TypeIn, workplace: Path) -> None:
    leadline.train("digits", changes={**QUICK, "model.code": 4, "training.epochs": 1}, folder="run")
    status, _, wrong = type_in("generate", "run")
    assert status == 2
    assert "makes nothing up" in " ".join(wrong.split())
    assert "model=variational_autoencoder" in " ".join(wrong.split())
    assert not Path("sheet.png").exists()
    leadline.train("iris", changes={**QUICK, "training.epochs": 1}, folder="iris")
    status, _, wrong = type_in("generate", "iris")
    assert status == 2
    assert "model.variational=true" in " ".join(wrong.split())


def test_rows_of_numbers_in_their_own_units(type_in: TypeIn, workplace: Path) -> None:
    chance = np.random.default_rng(0)
    cause = chance.normal(size=(300, 1))
    np.save("rows.npy", 100 + 20 * np.hstack([cause, -cause]) + chance.normal(size=(300, 2)))
    changes = {**QUICK, "model": "variational_autoencoder", "model.code": 2, "training.epochs": 60}
    run = leadline.train("rows.npy", changes=changes, folder="run")
    made: Any = run.generate(300)
    assert made.shape == (300, 2)
    assert made.mean(axis=0) == pytest.approx([100, 100], abs=6)
    assert np.corrcoef(made.T)[0, 1] < -0.8
    assert type_in("generate", "run", "--number", 300)[0] == 0
    np.testing.assert_allclose(np.loadtxt("rows.csv", delimiter=","), made, rtol=1e-5)
    assert max(len(cell) for line in Path("rows.csv").read_text().split() for cell in line.split(",")) < 13
    assert type_in("generate", "run", "--number", 300, "--out", "new/made.npy")[0] == 0
    assert np.array_equal(np.load("new/made.npy"), made)
    for words, told in (
        (["--out", "sheet.png"], "FILE.csv or FILE.npy"),
        (["--out", "rows.csv"], "exists already"),
        (["--scale", "2"], "these are rows"),
    ):
        status, _, wrong = type_in("generate", "run", *words)
        assert status == 2
        assert told in " ".join(wrong.split())


def test_values_from_0_to_1_stay_there(workplace: Path) -> None:
    rows = (np.random.default_rng(0).random((200, 6)) < 0.7).astype(np.float32)
    rows[:, 3:] = rows[:, :3]
    run = leadline.train(
        rows, changes={**QUICK, "model": "rbm", "model.hidden": 16, "training.learning_rate": 0.2, "training.epochs": 60}
    )
    made: Any = run.generate(400, steps=200)
    assert made.min() >= 0
    assert made.max() <= 1
    assert all(np.corrcoef(made[:, at], made[:, at + 3])[0, 1] > 0.5 for at in range(3))


def test_rows_of_a_table_with_its_columns(type_in: TypeIn, workplace: Path) -> None:
    chance = np.random.default_rng(0)
    size = chance.normal(size=400)
    lines = [f"{value:.3f},{-2 * value + 0.1 * chance.normal():.3f},{'up' if value > 0 else 'down'}" for value in size]
    Path("rows.csv").write_text("\n".join(["a,b,kind", *lines]))
    leadline.train("rows.csv", changes={**QUICK, "model.variational": True, "training.epochs": 60}, folder="run")
    status, said, wrong = type_in("generate", "run", "--number", 200, "--out", "made.csv")
    assert status == 0, wrong
    assert "made.csv: 200 rows" in said
    made = pl.read_csv("made.csv")
    assert made.columns == ["a", "b", "kind"]
    assert made.height == 200
    # Cells are drawn, each with the spread that the network leaves open: what columns have in common stays, blurred.
    assert np.corrcoef(made["a"], made["b"])[0, 1] < -0.4
    assert np.mean((made["a"].to_numpy() > 0) == (made["kind"] == "up").to_numpy()) > 0.65
    status, _, wrong = type_in("generate", "run", "--out", "made.npy")
    assert status == 2
    assert "FILE.csv" in wrong
