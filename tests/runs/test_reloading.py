"""Few photos without published weights are kept at the size at which learning pays most; nobody's choice is overruled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from leadline.data import Dataset, load
from leadline.models import PUBLISHED
from leadline.plan import Plan, propose
from leadline.plan.small_pictures import PHOTO, fast_epochs
from leadline.runs import Observer
from leadline.runs.planning import known_early, planned
from leadline.runs.reloading import load_for, load_to_propose


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty photos of two classes, large enough to be kept at 96 pixels."""
    folder, generator = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for at in range(40):
        (folder / "ab"[at % 2]).mkdir(exist_ok=True)
        Image.fromarray(generator.integers(0, 255, (120, 130, 3), dtype=np.uint8)).save(folder / "ab"[at % 2] / f"{at}.png")
    return folder


@pytest.fixture(autouse=True)
def nothing_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Whatever other tests have put into the caches must not count."""
    for name in ("LEADLINE_WEIGHTS", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    (folder := tmp_path / "LEADLINE_WEIGHTS").mkdir()
    return folder


class Noting(Observer):
    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, label: str, text: str) -> None:
        self.said.append(text)


def proposed(source: Any, targets: Any = None, **changes: Any) -> tuple[Dataset, Plan, list[str]]:
    changes = {key.replace("__", "."): value for key, value in changes.items()}
    known, heard = known_early(None, changes), Noting()
    dataset = load_to_propose(known, changes, source, targets, heard)
    return dataset, planned(known, dataset, changes, proposed=True, observer=heard), heard.said


def test_everything_is_learned_from_smaller_photos_and_it_is_said_once(photos: Path) -> None:
    dataset, plan, said = proposed(str(photos))
    assert dataset.schema.inputs.shape == (3, PHOTO, PHOTO)
    assert (plan.model.name, plan.data.size, plan.start.weights) == ("fast_convnet", PHOTO, "")
    assert plan.training.epochs == fast_epochs(dataset) == 60
    (note,) = said
    assert "--from resnet18 fetches them (44.7 MB)" in note
    assert "from scratch" in note
    assert f"kept at {PHOTO} pixels" in note
    assert plan.why["model.name"].startswith("28 photos of 64 × 64 pixels")
    assert "%" in plan.why["model.name"]
    assert load_for(plan).fingerprint() == plan.data.hash, "as resume and evaluate load them"


@pytest.mark.parametrize(
    ("changes", "model", "side"),
    [
        ({"data__size": 96}, "resnet18", 96),
        ({"model": "resnet18"}, "resnet18", 96),
        ({"start__restarts": 2}, "resnet18", 96),
        ({"start__initialize": "he"}, "resnet18", 96),
    ],
)
def test_what_a_person_has_chosen_stays(changes: dict[str, Any], model: str, side: int, photos: Path) -> None:
    dataset, plan, _ = proposed(str(photos), **changes)
    assert dataset.schema.inputs.shape == (3, side, side)
    assert plan.model.name == model


def test_with_weights_at_hand_they_keep_their_size(photos: Path, nothing_at_hand: Path) -> None:
    (nothing_at_hand / PUBLISHED["resnet18"].file).write_bytes(b"weights")
    dataset, plan, said = proposed(str(photos))
    assert dataset.schema.inputs.shape == (3, 96, 96)
    assert plan.model.name == "resnet18"
    assert plan.start.weights.startswith(str(nothing_at_hand))
    assert said == []


def test_arrays_have_a_size_of_their_own() -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (40, 72, 72, 3), dtype=np.uint8)
    dataset, plan, said = proposed(pictures, np.arange(40) % 2)
    assert dataset.schema.inputs.shape == (3, 72, 72)
    assert plan.model.name == "resnet18"
    assert len(said) == 1


def test_epochs_of_photos_keep_to_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (100, 64, 64, 3), dtype=np.uint8)
    dataset = load(pictures, np.arange(100) % 2)
    assert propose(dataset).training.epochs == 60
    monkeypatch.setattr("leadline.plan.small_pictures._PHOTOS_TO_SEE", 70 * 23)
    assert propose(dataset).training.epochs == 23
    assert propose(load("iris"), {"training.epochs": 4}).training.epochs == 4


@pytest.mark.parametrize("task", ["tokens", "words"])
def test_a_share_that_a_person_chose_counts_though_it_is_what_other_sources_have(task: str, tmp_path: Path) -> None:
    text = tmp_path / "rhyme.txt"
    text.write_text("Twinkle, twinkle, little star,\n" * 400)
    of_task = {"data.task": task, "data.unit": "words"}

    def shares(**chosen: float) -> tuple[Plan, list[float]]:
        plan = known_early(None, {**of_task, **{f"data.{part}": share for part, share in chosen.items()}})
        dataset = load_for(plan, text)
        lengths = [len(split.inputs.values) for split in (dataset.train, dataset.valid, dataset.test)]  # type: ignore[union-attr]
        return propose(dataset), [length / sum(lengths) for length in lengths]

    plan, usual = shares()
    assert usual[1] == pytest.approx(usual[2], abs=0.002)
    assert usual[1] < 0.12
    assert (plan.data.valid, plan.data.test) == pytest.approx(usual[1:], abs=0.002)  # what it is, and not what rows would have
    plan, chosen = shares(valid=0.15)
    assert chosen[1:] == pytest.approx([0.15, usual[2]], abs=0.002)
    dataset = load_for(plan)
    assert dataset.fingerprint() == plan.data.hash
