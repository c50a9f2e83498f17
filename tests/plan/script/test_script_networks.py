"""Every network of `models`, on pictures, vectors and tables: the script gives the same weights to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from scripted import assert_same_weights, dataset, plan_for
from torch import nn

from leadline.models import MODELS, OF_ANY_LENGTH, OF_INPUTS_ALONE, OF_STREAMS, OF_TREES, OF_WORDS
from leadline.plan.script.network_calls import watched

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
    ("digits classes", {"model": "perceptron", "training.augment.shift": 0.2, "training.batch": 139}),
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


def _small(data: str, model: str, **arguments: Any) -> tuple[str, dict[str, Any]]:
    given = {f"model.{name}": value for name, value in arguments.items()}
    return data, {"model": model, **given, "training.batch": 16, "training.epochs": 1, "start.initialize": ""}


CASES += [
    _small("large classes", "fast_convnet", width=8),
    _small("large classes", "fast_convnet", width=8, convolutions=3),
    _small("large classes", "lenet5"),
    _small("large classes", "three_convolutions", hidden=20),
    _small("large classes", "squeezenet"),
    *(_small("large classes", f"resnet{depth}", width=4) for depth in (20, 32, 44, 56, 110, 34, 50, 101, 152)),
    *(_small("large classes", f"vgg{depth}", width=4, hidden=16) for depth in (11, 13, 16)),
    _small("large classes", "vgg19", width=4, hidden=16, batch_norm=True),
    _small("larger classes", "alexnet", hidden=16),
    _small("larger classes", "alexnet_2012", hidden=16),
]


@pytest.mark.parametrize(("data", "changes"), CASES, ids=lambda value: value if isinstance(value, str) else str(value)[:60])
def test_the_weights_are_the_same(data: str, changes: dict[str, Any], tmp_path: Path) -> None:
    plan = plan_for(data, changes)
    text = assert_same_weights(plan, dataset(data), tmp_path)
    assert "start." not in text, "the weights to begin with come from the seed, not from the file"


def test_a_frozen_first_convolution_stays_as_the_pictures_made_it(tmp_path: Path) -> None:
    changes = {"start.initialize": "whiten_patches", "training.batch": 16, "training.epochs": 1}
    plan = plan_for("large classes", {"model": "fast_convnet", "model.width": 8} | changes)
    assert_same_weights(plan, dataset("large classes"), tmp_path)


def test_no_network_is_left_out() -> None:
    of_others = {"espcn", "forecaster", *OF_WORDS, *OF_ANY_LENGTH, *OF_STREAMS, *OF_TREES}  # pairs, forecasts, texts, trees
    refused = {*of_others, *OF_INPUTS_ALONE}
    told = {changes.get("model") or plan_for(data, changes).model.name for data, changes in CASES}
    assert told == set(MODELS) - refused


def test_compiling_anything_before_does_not_hide_how_layers_were_made() -> None:
    torch.compile(nn.Tanh(), backend="eager")(torch.zeros(2))  # puts a function around nn.Module.__init__ for good
    with watched(MODELS["lenet5"]) as (layers, _):
        network = MODELS["lenet5"]((1, 28, 28), 3)
    made = {type(module).__name__ for module, _, _ in layers.values()}
    assert "Tanh" in made
    assert made == {type(module).__name__ for module in network.modules()}
