"""Every network of `models`, on pictures, vectors and tables: the script gives the same weights to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scripted import assert_same_weights, dataset, plan_for

from leadline.models import MODELS

SMALL = {"model": "convnet", "model.width": 8}
ROWS = [
    {"conv": 8, "kernel": 2, "activation": "relu"},
    {"pool": 2},
    {"residual": [{"conv": 8}, {"batch_norm": True}], "activation": "swiglu"},
    {"dropout": 0.3},
    {"dense": 20, "activation": "maxout(pieces=3)"},
]
CASES: list[tuple[str, dict[str, Any]]] = [
    ("digits classes", {"model": "linear"}),
    ("digits classes", {"model": "mlp", "model.width": 32, "model.activation": "leaky_relu(0.2)"}),
    ("digits classes", SMALL),
    ("pictures labels", SMALL),
    ("pictures number", SMALL | {"model.activation": "swiglu"}),
    ("large classes", {"model": "resnet18", "training.batch": 16, "training.epochs": 1}),
    ("digits classes", {"model": "layers", "model.rows": ROWS, "training.epochs": 2}),
    ("digits classes", {"model": "perceptron"}),
    ("vectors classes", {"model": "mlp", "model.activation": "maxout(pieces=3)"}),
    ("vectors labels", {"model": "mlp"}),
    ("vectors number", {"model": "mlp", "model.depth": 1}),
    ("table classes", {"model": "mlp"}),
    ("table classes", {"model": "perceptron", "training.patience": 1, "training.epochs": 6}),
    ("table labels", {"model": "linear"}),
    ("table classes", {}),
    ("table labels", {"model": "tabular", "model.members": 1}),
    ("table number", {"model": "tabular", "model.block": "gated", "model.embedding": "periodic", "model.activation": "silu"}),
]


@pytest.mark.parametrize(("data", "changes"), CASES, ids=lambda value: value if isinstance(value, str) else str(value)[:60])
def test_the_weights_are_the_same(data: str, changes: dict[str, Any], tmp_path: Path) -> None:
    plan = plan_for(data, changes)
    text = assert_same_weights(plan, dataset(data), tmp_path)
    assert "start." not in text, "the weights to begin with come from the seed, not from the file"


def test_no_network_is_left_out() -> None:
    assert {plan_for(data, changes).model.name for data, changes in CASES} == set(MODELS)
