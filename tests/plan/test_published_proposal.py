"""Published weights are proposed for few photos: used where they are at hand, named with their price where they are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leadline import data
from leadline.data.dataset import Dataset
from leadline.models import PUBLISHED
from leadline.plan import Plan, propose
from leadline.plan.published_proposal import at_hand, proposed_weights
from leadline.runs.observer import Observer
from leadline.runs.planning import known_early, planned


@pytest.fixture(autouse=True)
def nothing_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Whatever lies in the caches of this machine must not count."""
    for name in ("LEADLINE_CACHE", "TORCH_HOME", "XDG_CACHE_HOME", "LEADLINE_WEIGHTS"):
        monkeypatch.setenv(name, str(tmp_path / name))
    (folder := tmp_path / "LEADLINE_WEIGHTS").mkdir()
    return folder


def photos(side: int = 72, rows: int = 60) -> Dataset:
    pictures = np.random.default_rng(0).integers(0, 255, (rows, side, side, 3)).astype(np.uint8)
    return data.load(pictures, np.arange(rows) % 2)


def put(folder: Path, name: str) -> Path:
    (path := folder / PUBLISHED[name].file).write_bytes(b"weights")
    return path


def plan_for(dataset: Dataset, **changes: Any) -> tuple[Plan, str]:
    said: list[str] = []

    class Noting(Observer):
        def note(self, label: str, text: str) -> None:
            said.append(f"{label}: {text}")

    known = known_early(None, changes, loaded=True)
    return planned(known, dataset, changes, proposed=True, observer=Noting()), "\n".join(said)


def test_weights_at_hand_are_used_with_their_reason(nothing_at_hand: Path) -> None:
    path = put(nothing_at_hand, "resnet18")
    plan, said = plan_for(photos())
    assert (plan.start.weights, plan.start.transfer, plan.model.name) == (str(path), "auto", "resnet18")
    assert plan.why["start.weights"].startswith("42 photos are fewer than 20,000")
    assert said == ""


def test_another_network_of_which_there_are_weights(nothing_at_hand: Path) -> None:
    path = put(nothing_at_hand, "vgg11_bn")
    plan, _ = plan_for(photos(), **{"model": "vgg11", "model.batch_norm": True})
    assert plan.start.weights == str(path)
    assert dict(plan.model.arguments) == {"batch_norm": True}
    plain, said = plan_for(photos(), model="vgg11")
    assert plain.start.weights == "", "the file is of the other one"
    assert "--from vgg11 fetches them (506.8 MB)" in said


def test_where_there_are_none_a_line_says_size_command_and_cost() -> None:
    plan, said = plan_for(photos())
    assert plan.start.weights == ""
    assert said.startswith("note: 42 photos are few")
    assert "--from resnet18 fetches them (44.7 MB)" in said
    assert "from scratch" in said


@pytest.mark.parametrize(
    ("dataset", "changes"),
    [
        (lambda: photos(side=32), {}),
        (lambda: photos(), {"start.transfer": "scratch"}),
        (lambda: photos(), {"start.initialize": "he"}),
        (lambda: photos(), {"start.restarts": 2}),
        (lambda: photos(), {"model": "convnet"}),
        (lambda: data.load("iris"), {}),
    ],
)
def test_nothing_is_proposed_for_other_data_or_other_wishes(
    dataset: Any, changes: dict[str, Any], nothing_at_hand: Path
) -> None:
    for name in ("resnet18", "squeezenet"):
        put(nothing_at_hand, name)
    plan, said = plan_for(dataset(), **changes)
    assert plan.start.weights == ""
    assert said == ""


def test_with_many_photos_nothing_is_proposed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leadline.plan.published_proposal._FEW", 42)
    assert proposed_weights(propose(photos()), photos(), {}) == ({}, "")


def test_the_places_that_are_looked_at(nothing_at_hand: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert at_hand("resnet34") is None
    (torch_home := tmp_path / "TORCH_HOME" / "hub" / "checkpoints").mkdir(parents=True)
    assert put(torch_home, "resnet34") == at_hand("resnet34")
    assert put(nothing_at_hand, "resnet34") == at_hand("resnet34"), "the folder that a person names comes first"
    monkeypatch.setenv("LEADLINE_DATA", str(tmp_path / "data"))
    (tmp_path / "data" / "weights").mkdir(parents=True)
    assert put(tmp_path / "data" / "weights", "resnet50") == at_hand("resnet50")
