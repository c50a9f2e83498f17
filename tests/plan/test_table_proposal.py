"""What is proposed for tables: kinds with reasons, a network that fits the rows, and the perceptron's own rule."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from leadline.data import load
from leadline.data.dataset import Dataset
from leadline.errors import PlanError
from leadline.plan import Plan, build, propose
from leadline.plan.tables import table_training


def table(rows: int, numbers: int = 3) -> Dataset:
    draw = np.random.default_rng(0)
    columns = {f"size {at}": draw.normal(size=rows) for at in range(numbers)}
    frame = pl.DataFrame(columns).with_columns(
        city=pl.Series(draw.choice(["Ulm", "Bonn", "Kiel"], rows)), sold=pl.Series(draw.choice(["yes", "no"], rows))
    )
    return load(frame, target="sold")


def test_every_column_has_its_kind_and_a_reason() -> None:
    plan = propose(table(300))
    assert plan.data.columns["city"] == "category"
    assert all(plan.why[f"data.columns.{name}"] for name in plan.data.columns)
    assert plan.model.name == "tabular"
    assert plan.data.target == "sold"


def test_many_rows_get_a_residual_network_of_fewer_members_without_averaging() -> None:
    few, many = propose(table(400)), propose(table(4000))
    assert (few.model.arguments["block"], many.model.arguments["block"]) == ("plain", "residual")
    assert few.model.arguments["members"] > many.model.arguments["members"]
    assert few.training.average.startswith("ema(")
    assert many.training.average == ""
    assert "fall of the rate" in many.why["training.average"]


@pytest.mark.parametrize("rows", [1, 60, 2_000, 40_000, 10_000_000])
def test_training_stays_within_bounds(rows: int) -> None:
    proposed = table_training(rows)
    assert 32 <= proposed["batch"] <= 256
    assert 5 <= proposed["epochs"] <= 50


def test_hundreds_of_numbers_are_not_embedded_one_by_one() -> None:
    assert propose(table(200, numbers=300)).model.arguments["embedding"] == "none"


def test_a_chosen_kind_says_who_chose_it_and_comes_back_from_toml() -> None:
    draw = np.random.default_rng(0)
    frame = pl.DataFrame(
        {"zip.code": draw.integers(0, 9, 300), "x": draw.normal(size=300), "sold": draw.choice(["y", "n"], 300)}
    )
    changes = {"data.columns.zip.code": "category"}
    plan = propose(load(frame, target="sold", columns={"zip.code": "category"}), changes)
    assert plan.why["data.columns.zip.code"] == "chosen by you"
    again = Plan.from_toml(plan.to_toml())
    assert dict(again.data.columns) == {"zip.code": "category", "x": "number"}
    assert Plan.from_json(plan.to_json()).data == plan.data


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data.columns.zip": "categry"}, "Did you mean 'category'"),
        ({"data.columns": "category"}, "table of its own"),
        ({"data.columns.zip": 3.5}, "kind of column"),
        ({"data.header": "perhaps"}, "no, yes"),
        ({"data.transform": "sqrt"}, "log, none"),
        ({"training.loss": "quantile(tau=1.5)"}, "tau between 0 and 1"),
    ],
)
def test_a_slip_is_named(changes: dict[str, object], words: str) -> None:
    with pytest.raises(PlanError, match=words):
        Plan().but(changes)


def test_the_perceptron_learns_by_its_own_rule() -> None:
    # Three rows by hand: w starts at 0, a row that is wrong (or tied) adds itself to its class and is taken from the other.
    frame = pl.DataFrame({"a": [1.0, 2.0, 6.0] * 20, "b": [3.0, 1.0, 2.0] * 20, "y": ["p", "q", "q"] * 20})
    dataset = load(frame, target="y")
    changes = {"model": "perceptron", "training.device": "cpu", "training.threads": 1}
    plan = propose(dataset, changes)
    assert (plan.training.loss, plan.training.learning_rate) == ("perceptron", 1.0)
    built = build(plan, dataset)
    weights = np.zeros((2, 3))

    class Now:
        step, fraction = 0, 0.0

    for inputs, targets in built.batches:
        for x, target in zip(inputs.numpy(), targets.tolist(), strict=True):
            row = np.append(x, 1.0)
            scores = weights @ row
            if scores[target] <= scores[1 - target] + 1e-6:
                weights[target] += row
                weights[1 - target] -= row
        built.step((inputs, targets), Now())
    layer = next(module for module in built.model.modules() if isinstance(module, torch.nn.Linear))
    learned = np.column_stack([layer.weight.detach().numpy(), layer.bias.detach().numpy()])
    np.testing.assert_allclose(learned, weights, atol=1e-4)
