"""Test rows that the weights to start from have learned from are counted and said; a head says what it does not use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from small_trainings import QUICK

import leadline
from leadline.data import load
from leadline.plan.starts import StartPlan
from leadline.runs import Observer
from leadline.runs.seen_rows import about_seen_rows


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty pictures of two classes, no two alike."""
    folder, generator = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for at in range(60):
        kind = "red" if at % 2 else "green"
        (folder / kind).mkdir(exist_ok=True)
        coarse = generator.integers(0, 255, (6, 6, 3), dtype=np.uint8)
        coarse[..., 0 if at % 2 else 1] |= 128
        Image.fromarray(coarse).resize((48, 48), Image.Resampling.BICUBIC).save(folder / kind / f"{at}.png")
    return folder


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> leadline.runs.Run:
    changes = {**QUICK, "data.size": 32}
    return leadline.train(str(photos), folder=tmp_path_factory.mktemp("runs") / "run", changes=changes)


def counted(run: leadline.runs.Run, seed: int, size: int = 32) -> list[str]:
    return about_seen_rows(StartPlan(weights=str(run.folder)), load(run.plan.data.source, seed=seed, size=size))


def test_the_same_split_has_nothing_to_say(run: leadline.runs.Run) -> None:
    assert counted(run, seed=0) == []


@pytest.mark.parametrize("size", [32, 40])
def test_another_split_of_the_same_photos_is_counted(run: leadline.runs.Run, photos: Path, size: int) -> None:
    ours = load(str(photos), seed=3, size=size)
    theirs = load(str(photos), seed=0, size=32)
    shared = len(set(ours.test.ids) & ({*theirs.train.ids} | {*theirs.valid.ids}))
    assert shared > 3
    (note,) = counted(run, seed=3, size=size)
    assert note.startswith(f"{shared} of {len(ours.test)} test rows are among those that the Run {run.folder}")
    assert note.endswith("--set data.seed=0.")


def test_other_pictures_were_never_seen(run: leadline.runs.Run) -> None:
    assert about_seen_rows(StartPlan(weights=str(run.folder)), load("digits")) == []
    assert about_seen_rows(StartPlan(), load("digits")) == []


def test_a_training_says_both_and_its_record_keeps_it(run: leadline.runs.Run, photos: Path, tmp_path: Path) -> None:
    class Noting(Observer):
        said: list[str] = []  # noqa: RUF012

        def note(self, label: str, text: str) -> None:
            self.said.append(text)

    changes: dict[str, Any] = {"data.size": 32, "data.seed": 3, "start.weights": str(run.folder), "start.transfer": "head"}
    changes |= {"training.epochs": 2, "training.threads": 1}
    made = leadline.train(str(photos), folder=tmp_path / "run", changes=changes, observer=Noting())
    assert any("the score is too good" in text for text in Noting.said)
    assert any("training.epochs = 2 is not used" in text for text in Noting.said)
    assert any("the score is too good" in note for note in made.results["notes"])
