"""What a network costs is counted, whatever its builder; batch, rate and epochs follow; what was tried keeps its numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from leadline.data import Classes, Dataset, Pictures, Schema, load
from leadline.explain import summary
from leadline.plan import Plan, propose
from leadline.plan.network_building import network
from leadline.plan.network_costs import NetworkCost, cost_of_network
from leadline.plan.record import ModelPlan


def schema(side: int, classes: int = 1000) -> Schema:
    inputs = Pictures(side, side, 3, "uint8", (100.0,) * 3, (50.0,) * 3)
    return Schema(inputs, Classes(tuple(f"c{number}" for number in range(classes))))


def photos(rows: int, side: int) -> Dataset:
    pictures = np.random.default_rng(0).integers(0, 255, (rows, side, side, 3)).astype(np.uint8)
    return load(pictures, np.arange(rows) % 4)


@pytest.mark.parametrize(
    ("name", "parameters", "billions", "unnormalized"),
    [
        ("vgg16", 138_357_544, 15.47, True),
        ("alexnet", 61_100_840, 0.714, True),
        ("resnet18", 11_689_512, 1.814, False),
        ("resnet50", 25_557_032, 4.089, False),
        ("squeezenet", 1_235_496, 0.349, True),
    ],
)
def test_the_published_counts(name: str, parameters: int, billions: float, unnormalized: bool) -> None:
    """At 224 pixels, as torchvision's table of models gives them."""
    cost = cost_of_network(ModelPlan(name), schema(224))
    assert cost is not None
    assert (cost.parameters, cost.unnormalized) == (parameters, unnormalized)
    assert cost.multiply_adds == pytest.approx(1e9 * billions, rel=0.015)


@pytest.mark.parametrize("name", ["three_convolutions", "resnet20", "squeezenet"])
def test_they_are_those_of_the_summary(name: str) -> None:
    model, pictures = ModelPlan(name), schema(32, 10)
    cost, summed = cost_of_network(model, pictures), summary(network(Plan(model=model), pictures), (3, 32, 32))
    assert cost is not None
    assert (cost.multiply_adds, cost.parameters) == (summed.multiply_adds, summed.parameters)


def test_counting_draws_no_random_numbers_and_keeps_no_memory() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    assert cost_of_network(ModelPlan("vgg19"), schema(224)) is not None
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.zeros(1).device.type == "cpu"


def test_the_arguments_of_a_person_count() -> None:
    plain, wide = (cost_of_network(ModelPlan("resnet20"), schema(32), own) for own in ({}, {"model.width": 64}))
    assert plain is not None
    assert wide is not None
    assert wide.multiply_adds > 10 * plain.multiply_adds
    normalized = cost_of_network(ModelPlan("vgg16"), schema(64), {"model.name": "vgg16", "model.batch_norm": True})
    assert normalized is not None
    assert not normalized.unnormalized


def test_where_nothing_can_be_counted() -> None:
    assert cost_of_network(ModelPlan("mlp"), load("iris").schema) is None
    assert cost_of_network(ModelPlan("resnet20"), schema(32), {"model.width": "wide"}) is None


def test_more_work_a_row_never_gets_more_rows() -> None:
    costs = [10**power for power in range(5, 12)]
    rows = [NetworkCost(cost, 1, False).rows_to_see(20_000, 500_000) for cost in costs]
    assert rows == sorted(rows, reverse=True)
    assert (rows[0], rows[-1]) == (500_000, 20_000)
    assert NetworkCost(334_000_000, 1, False).rows_to_see(20_000, 500_000) == pytest.approx(20_000, rel=0.01)


def test_a_large_network_gets_what_fits_it() -> None:
    data = photos(1500, 66)
    chosen = {name: propose(data, {"model": name}) for name in ("vgg16", "resnet18", "resnet20", "convnet")}
    batch, epochs, rate = ({name: getattr(plan.training, key) for name, plan in chosen.items()} for key in _KEYS)
    assert epochs["vgg16"] == epochs["resnet18"] < epochs["resnet20"] <= epochs["convnet"]
    assert batch["vgg16"] == batch["resnet18"] <= 64
    assert rate["vgg16"] < rate["resnet18"] < rate["convnet"]
    why = chosen["vgg16"].why
    assert "multiply-adds a row" in why["training.epochs"]
    assert "no layer normalizes" in why["training.learning_rate"]
    with_norm = propose(data, {"model": "vgg16", "model.batch_norm": True})
    assert with_norm.training.learning_rate == rate["resnet18"]
    mine: dict[str, Any] = {"model": "vgg16", "training.epochs": 3, "training.learning_rate": 0.5}
    assert (propose(data, mine).training.epochs, propose(data, mine).training.learning_rate) == (3, 0.5)


_KEYS = ("batch", "epochs", "learning_rate")


@pytest.mark.parametrize(
    ("rows", "side", "model", "expected"),
    [
        (60, 72, "resnet18", (8, 60, 1e-3)),
        (1500, 66, "resnet18", (32, 19, 1e-3)),
        (400, 32, "convnet", (8, 36, 5e-3)),
    ],
)
def test_what_was_tried_keeps_its_numbers(rows: int, side: int, model: str, expected: tuple[int, int, float]) -> None:
    plan = propose(photos(rows, side), {"model": model})
    assert tuple(getattr(plan.training, key) for key in _KEYS) == expected
    assert "multiply-adds" not in plan.why["training.epochs"]
