"""Test rows that the weights to start from have learned from are counted and said; a head says what it does not use."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from small_trainings import QUICK, AtStep

import leadline
from leadline.data import load
from leadline.errors import Interrupted
from leadline.models import PUBLISHED
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


def unchecked(weights: Path | str, **start: Any) -> str:
    (note,) = about_seen_rows(StartPlan(weights=str(weights), **start), load("digits"))
    assert note.startswith("Whether test rows are among those that ")
    assert note.endswith("If they are, the score is too good.")
    return note


@pytest.fixture
def trained(tmp_path: Path, photos: Path) -> leadline.runs.Run:
    """A Run whose data can be taken away."""
    shutil.copytree(photos, tmp_path / "photos")
    changes = {**QUICK, "training.epochs": 1, "data.size": 32}
    return leadline.train(str(tmp_path / "photos"), folder=tmp_path / "first", changes=changes)


def test_data_that_are_gone_or_changed_cannot_be_checked(trained: leadline.runs.Run, tmp_path: Path) -> None:
    assert about_seen_rows(StartPlan(weights=str(trained.folder)), load("digits")) == []
    picture = next((tmp_path / "photos" / "red").iterdir())
    picture.rename(tmp_path / "taken.png")
    assert f"its data, {tmp_path / 'photos'}, have changed since" in unchecked(trained.folder)
    shutil.rmtree(tmp_path / "photos")
    assert f"its data, {tmp_path / 'photos'}, are gone" in unchecked(trained.folder)
    assert about_seen_rows(StartPlan(weights=str(trained.folder), transfer="scratch"), load("digits")) == []


def test_arrays_cannot_be_checked_unless_they_are_the_same(tmp_path: Path) -> None:
    digits = load("digits").train
    inputs, targets = np.asarray(digits.inputs)[:200], np.asarray(digits.targets)[:200]
    run = leadline.train(inputs, targets=targets, folder=tmp_path / "run", changes={**QUICK, "training.epochs": 1})
    assert "its data were arrays, which no name leads to" in unchecked(run.folder)
    start = StartPlan(weights=str(run.folder))
    assert about_seen_rows(start, load(inputs, targets)) == [], "the same split"
    assert len(about_seen_rows(start, load(inputs, targets, seed=5))) == 1, "another one"


def test_of_a_file_it_is_not_known_and_of_published_weights_it_is(tmp_path: Path) -> None:
    torch.save({}, tmp_path / "mine.pt")
    assert "a file of weights does not say it" in unchecked(tmp_path / "mine.pt")
    torch.save({}, tmp_path / PUBLISHED["resnet18"].file)
    for weights in ("resnet18", str(tmp_path / PUBLISHED["resnet18"].file)):
        assert about_seen_rows(StartPlan(weights=weights), load("digits")) == []


def test_what_came_before_the_run_is_asked_as_well(trained: leadline.runs.Run, tmp_path: Path) -> None:
    """Digits → photos → digits in another split: the middle one has not seen them, the first one has."""
    first = leadline.train("digits", folder=tmp_path / "digits", changes={**QUICK, "training.epochs": 1})
    plan = trained.plan.but({"start.weights": str(first.folder), "start.transfer": "head"})
    leadline.files.write_json(trained.folder / "plan.json", plan.to_json())
    (note,) = about_seen_rows(StartPlan(weights=str(trained.folder)), load("digits", seed=9))
    assert str(first.folder) in note
    assert "the score is too good" in note
    shutil.rmtree(first.folder)
    assert f"the weights in {first.folder} learned from could not be checked" in unchecked(trained.folder)


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals reach the main thread only")
@pytest.mark.parametrize("data_gone", [False, True])
def test_the_note_outlives_a_pause_and_the_run_it_speaks_of(
    data_gone: bool, trained: leadline.runs.Run, photos: Path, tmp_path: Path
) -> None:
    if data_gone:
        shutil.rmtree(tmp_path / "photos")
    changes: dict[str, Any] = {"data.size": 32, "data.seed": 3, "training.epochs": 2, "training.threads": 1}
    changes |= {"start.weights": str(trained.folder), "start.transfer": "fine-tune", "training.layout": "contiguous"}
    stop = AtStep(2, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(Interrupted):
        leadline.train(str(photos), folder=tmp_path / "run", changes=changes, observer=stop)
    shutil.rmtree(trained.folder)
    said: list[str] = []

    class Noting(Observer):
        def note(self, label: str, text: str) -> None:
            said.append(text)

    run = leadline.resume(tmp_path / "run", observer=Noting())
    expected = "could not be checked, because its data" if data_gone else "so the score is too good"
    (note,) = [note for note in run.results["notes"] if expected in note]
    assert str(trained.folder) in note
    assert said.count(note) == 1
    assert expected in (run.folder / "report.html").read_text(encoding="utf-8")
