"""What a person is told of a Plan that is no mistake, and yet not what they may think."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import leadline
from leadline.data import Dataset, load
from leadline.plan import propose
from leadline.plan.notes import plan_notes
from leadline.runs import Observer

pytestmark = pytest.mark.usefixtures("brief")

LINEAR_ROWS = [{"flatten": True}, {"dense": 2}]
DEEP_ROWS = [{"dense": 4, "activation": "relu"}, {"dense": 2}]


@pytest.fixture(scope="module")
def rows() -> Dataset:
    inputs = np.random.default_rng(0).normal(size=(80, 3)).astype(np.float32)
    return load(inputs, (inputs[:, 0] > 0).astype(np.int64))


def notes(dataset: Dataset, **changes: Any) -> list[str]:
    return plan_notes(propose(dataset, {key.replace("__", "."): value for key, value in changes.items()}), dataset.schema)


@pytest.mark.parametrize("optimizer", ["lbfgs", "lbfgs(iterations=5)"])
@pytest.mark.parametrize(
    "network",
    [
        {"model": "mlp"},
        {"model": "mlp", "model__depth": 1, "model__batch_norm": False},
        {"model": "layers", "model__rows": DEEP_ROWS},
    ],
)
def test_lbfgs_on_what_is_not_convex_is_said(network: dict[str, Any], optimizer: str, rows: Dataset) -> None:
    (note,) = notes(rows, training__optimizer=optimizer, **network)
    assert f"convex, such as model = linear, and {network['model']} has" in note
    assert "Set training.optimizer to adamw" in note
    assert "2 layers that learn" in note or "depth" not in str(network)


@pytest.mark.parametrize(
    "network",
    [
        {"model": "linear"},
        {"model": "perceptron", "training__loss": "cross_entropy"},
        {"model": "mlp", "model__depth": 0},
        {"model": "layers", "model__rows": LINEAR_ROWS},
    ],
)
def test_where_the_loss_is_convex_there_is_nothing_to_say(network: dict[str, Any], rows: Dataset) -> None:
    assert notes(rows, training__optimizer="lbfgs", **network) == []


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "muon"])
def test_of_other_optimizers_nothing_is_said(optimizer: str, rows: Dataset) -> None:
    assert notes(rows, model="mlp", training__optimizer=optimizer) == []


def test_looking_draws_no_random_numbers(rows: Dataset) -> None:
    before = torch.get_rng_state()
    assert notes(rows, model="mlp", training__optimizer="lbfgs")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_training_says_it_and_goes_on(rows: Dataset, tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []

    class Noting(Observer):
        def note(self, label: str, text: str) -> None:
            told.append((label, text))

    changes = {"model": "mlp", "model.width": 4, "training.optimizer": "lbfgs", "training.epochs": 1, "training.threads": 1}
    run = leadline.train(rows, changes=changes, folder=tmp_path / "run", observer=Noting())
    said = [label for label, text in told if text.startswith("lbfgs is for networks whose loss is convex")]
    assert said == ["note"]
    assert run.plan.training.optimizer == "lbfgs"
