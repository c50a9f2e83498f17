"""Many small pictures go through the network that learns in few passes; the test score beside is that of mirrored ones too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import leadline
from leadline.data import Dataset, load
from leadline.data.pictures.augment import Augment
from leadline.models import fast_convnet
from leadline.optim.muon import Muon
from leadline.plan import Plan, build, propose
from leadline.plan.small_pictures import MANY
from leadline.runs.results import seen_mirrored_too

pytestmark = pytest.mark.usefixtures("brief")


def striped(rows: int, side: int = 8, channels: int = 1) -> Dataset:
    """Noise with a bright row or column, at a place of its own: two classes that a mirror leaves as they are."""
    generator = np.random.default_rng(0)
    pictures = generator.integers(0, 100, (rows, side, side, channels), dtype=np.uint8)
    classes, places = generator.integers(0, 2, rows), generator.integers(0, side, rows)
    for kind in (0, 1):
        of_kind = np.flatnonzero(classes == kind)
        where = (of_kind, places[of_kind]) if kind == 0 else (of_kind, slice(None), places[of_kind])
        pictures[where] = 230
    return load(pictures, np.array(["rows", "columns"])[classes])


@pytest.fixture(scope="module")
def many() -> Dataset:
    return striped(int(MANY / 0.7) + 10, side=16)


def test_many_small_pictures_get_the_fast_network(many: Dataset) -> None:
    plan = propose(many)
    assert plan.model.name == "fast_convnet"
    assert plan.start.initialize == "whiten_patches"
    assert plan.training.optimizer == "muon"
    assert f"{len(many.train):,}" in plan.why["model.name"]
    for key in ("model.width", "model.scale", "training.optimizer", "training.learning_rate", "start.initialize"):
        assert plan.why[key], key


@pytest.mark.parametrize(("rows", "side"), [(8_000, 8), (300, 40)])
def test_few_pictures_keep_the_small_network(rows: int, side: int) -> None:
    assert propose(striped(rows, side)).model.name == "convnet"


def test_another_optimizer_keeps_the_rates_that_suit_it(many: Dataset) -> None:
    plan = propose(many, {"training.optimizer": "adamw"})
    assert plan.model.name == "fast_convnet"
    assert plan.training.learning_rate < 0.01
    assert plan.training.weight_decay > 0


def test_weights_of_another_training_are_not_turned_by_muon(tmp_path: Path) -> None:
    """A new head alone is nothing for it, and its rate is for filters that have everything to learn."""
    changes = {"model": "fast_convnet", "model.width": 8, "training.epochs": 1, "training.threads": 1}
    first = leadline.train(striped(200), folder=tmp_path / "first", changes=changes)
    assert first.plan.training.optimizer.startswith("muon")
    own = {"start.weights": str(first.folder), "start.transfer": "head", "training.epochs": 1, "training.threads": 1}
    run = leadline.train(striped(200, channels=1), folder=tmp_path / "second", changes=own)
    assert (run.plan.model.name, run.plan.start.transfer) == ("fast_convnet", "head")
    assert run.plan.training.optimizer == "adamw"


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_it_learns_what_it_is_proposed_for(channels: int) -> None:
    dataset = striped(600, channels=channels)
    changes = {"model": "fast_convnet", "model.width": 8, "training.epochs": 3, "training.threads": 1}
    plan: Plan = propose(dataset, changes | {"training.device": "cpu", "training.layout": "contiguous"})
    built = build(plan, dataset)
    assert any(isinstance(part, Muon) for part in [built.step.step.optimizer]), "an average wraps a step with Muon"
    first = next(module for module in built.model.modules() if isinstance(module, torch.nn.Conv2d))
    drawn = next(
        module
        for module in fast_convnet(dataset.schema.inputs.shape, 2, width=8).modules()
        if isinstance(module, torch.nn.Conv2d)
    )
    assert not torch.equal(first.weight, drawn.weight)
    assert not first.weight.requires_grad
    before = first.weight.clone()
    history = leadline.training.run_loop(built.step, built.batches, epochs=3, evaluate=built.evaluate, best=built.best)
    assert torch.equal(first.weight, before)
    assert max(history["valid_accuracy"]) > 0.95


def test_the_score_of_mirrored_pictures_too() -> None:
    dataset = striped(200)
    right = np.eye(2)[dataset.test.targets]
    seen = []

    def mirror_is_wrong(pictures: np.ndarray) -> np.ndarray:
        seen.append(pictures)
        return 1.5 - 2 * right

    plain = seen_mirrored_too(dataset, Augment(flip=True), right, lambda pictures: right)
    both = seen_mirrored_too(dataset, Augment(flip="alternating"), right, mirror_is_wrong)
    assert plain is not None
    assert both is not None
    assert plain["scores"]["accuracy"]["value"] == 1
    assert both["scores"]["accuracy"]["value"] == 0
    assert np.array_equal(seen[0][:, :, ::-1], dataset.test.inputs)
    assert seen_mirrored_too(dataset, Augment(), right, mirror_is_wrong) is None


def test_a_run_tells_both_scores(tmp_path: Path) -> None:
    changes = {"model": "linear", "training.epochs": 1, "training.threads": 1}
    run = leadline.train(striped(200), folder=tmp_path / "run", changes=changes | {"training.augment.flip": True})
    assert 0 <= run.results["mirrored"]["scores"]["accuracy"]["value"] <= 1
    assert "mirrored too" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    other = leadline.train(striped(200), folder=tmp_path / "other", changes=changes | {"training.augment.flip": False})
    assert "mirrored" not in other.results
