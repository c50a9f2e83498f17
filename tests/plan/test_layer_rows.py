"""Rows in a Plan: as TOML, as JSON and on the command line, checked when they are set, built and trained."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import leadline
from leadline import data
from leadline.errors import ArgumentError, PlanError
from leadline.plan import Plan, build, parse_changes, propose
from leadline.plan.changes import as_toml
from leadline.plan.network_building import head_of

pytestmark = pytest.mark.usefixtures("brief")

ROWS: list[dict[str, Any]] = [
    {"conv": 8, "kernel": [2, 3], "padding": "same", "activation": "maxout(pieces=2)"},
    {"pool": 2},
    {
        "residual": [{"conv": 8}, {"batch_norm": True}, {"residual": [{"conv": 8}], "shortcut": [{"conv": 8}]}],
        "activation": "relu",
    },
    {"dropout": 0.25},
    {"flatten": True},
    {"dense": 10, "activation": "softmax"},
]
BY_HAND = """
[model]
name = "layers"
rows = [
    {conv = 8, kernel = [2, 3], padding = "same", activation = "maxout(pieces=2)"},
    {pool = 2},   # half as large
    {residual = [
        {conv = 8},
        {batch_norm = true},
        {residual = [{conv = 8}], shortcut = [{conv = 8}]},
    ], activation = "relu"},
    {dropout = 0.25},
    {flatten = true},
    {dense = 10, activation = "softmax"},
]
"""
AS_TABLES = """
[model]
name = "layers"
[[model.rows]]
conv = 8
activation = "relu"
[[model.rows]]
activation = "relu"
[[model.rows.residual]]
conv = 8
"""


def plan_of(rows: Any) -> Plan:
    return Plan().but({"model": "layers", "model.rows": rows})


def test_rows_are_read_as_a_person_writes_them() -> None:
    assert Plan.from_toml(BY_HAND).model == plan_of(ROWS).model
    assert Plan.from_toml(AS_TABLES).model.arguments["rows"] == [
        {"conv": 8, "activation": "relu"},
        {"activation": "relu", "residual": [{"conv": 8}]},
    ]


def test_json_and_toml_round_trips() -> None:
    plan = plan_of(ROWS)
    assert Plan.from_json(plan.to_json()) == plan
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
    assert Plan.from_toml(plan.to_toml()).model == plan.model
    assert tomllib.loads(plan.to_toml())["model"]["rows"] == ROWS


def test_written_rows_stand_on_a_line_each_at_every_depth() -> None:
    lines = as_toml(ROWS).as_string().splitlines()
    assert lines[0] == "["
    assert lines[1] == '    {conv = 8, kernel = [2, 3], padding = "same", activation = "maxout(pieces=2)"},'
    assert "        {batch_norm = true}," in lines
    assert tomllib.loads("rows = " + as_toml(ROWS).as_string())["rows"] == ROWS
    assert as_toml(3) == 3
    assert as_toml([0.1, 0.2]) == [0.1, 0.2]
    assert as_toml([]) == []


VALUES = st.one_of(
    st.booleans(), st.integers(-5, 10**6), st.floats(allow_nan=False, allow_infinity=False), st.text(), st.lists(st.integers())
)
ANY_ROWS = st.recursive(
    st.lists(st.dictionaries(st.text(), VALUES), min_size=1, max_size=3),
    lambda rows: st.lists(st.dictionaries(st.text(), st.one_of(VALUES, rows), max_size=3), min_size=1, max_size=3),
    max_leaves=5,
)


@given(rows=ANY_ROWS)
def test_any_rows_come_back_from_toml(rows: list[dict[str, Any]]) -> None:
    assert tomllib.loads("rows = " + as_toml(rows).as_string())["rows"] == rows


def test_rows_on_the_command_line() -> None:
    setting = 'model.rows=[{conv = 8, kernel = [2, 3], activation = "relu"}, {residual = [{conv = 8}]}]'
    plan = Plan().but(parse_changes(["model=layers", setting]))
    assert plan.model.arguments["rows"] == [
        {"conv": 8, "kernel": [2, 3], "activation": "relu"},
        {"residual": [{"conv": 8}]},
    ]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("[{conv = 8}, {pool = 2]", r"model\.rows has the wrong kind.*a list of tables.*bracket, a comma"),
        (3, r"model\.rows has the wrong kind of value.*got 3"),
        ([], r"model\.rows has a mistake.*no rows"),
        ([3], r"Row 1, 3"),
        ([{"conv": 8}, {"cnv": 8}], r"Row 2, \{cnv = 8\}.*Did you mean 'conv'"),
        ([{"residual": [{"conv": 8}, {"dropout": 2}]}], r"Row 1, residual row 2, \{dropout = 2\}.*\[0, 1\)"),
    ],
)
def test_what_is_wrong_in_any_data_is_told_when_it_is_set(rows: Any, says: str) -> None:
    with pytest.raises(PlanError, match=says):
        plan_of(rows)


def test_rows_without_their_model_are_told_where_they_belong() -> None:
    with pytest.raises(PlanError, match=r"belongs to model = layers.*Set model=layers as well"):
        Plan().but({"model.rows": ROWS})
    with pytest.raises(PlanError, match=r"Did you mean 'model\.rows'"):
        Plan().but({"model": "layers", "model.row": ROWS})


@pytest.fixture(scope="module")
def digits() -> data.Dataset:
    return data.load("digits")


def test_rows_are_proposed_around_and_built(digits: data.Dataset) -> None:
    plan = propose(digits, {"model": "layers", "model.rows": ROWS, "training.device": "cpu"})
    assert plan.training != Plan().training, "the training is proposed for the data"
    assert plan.why["model.rows"] == "chosen by you"
    built = build(plan, digits)
    assert built.model(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    head = head_of(built.model)
    assert isinstance(head, torch.nn.Linear)
    # The head starts from how frequent each class is, which only the right layer can.
    shares = torch.bincount(torch.from_numpy(digits.train.targets)) / len(digits.train)
    torch.testing.assert_close(head.bias.detach().softmax(0), shares, atol=1e-6, rtol=1e-5)


def test_what_only_the_data_tell_is_told_when_it_is_built(digits: data.Dataset) -> None:
    plan = propose(digits, {"model": "layers", "model.rows": [{"pool": 4}, {"pool": 4}], "training.device": "cpu"})
    with pytest.raises(ArgumentError, match=r"Row 2, \{pool = 4\}, cannot be used where \[1, 2, 2\] arrives"):
        build(plan, digits)
    with pytest.raises(ArgumentError, match=r"no rows"):
        build(propose(digits, {"model": "layers", "training.device": "cpu"}), digits)


def test_rows_for_a_table_with_categories() -> None:
    table = {
        "size": [1.0, 2.0, 3.0, 4.0] * 20,
        "colour": ["red", "blue", "green", "red"] * 20,
        "sort": ["a", "b", "a", "b"] * 20,
    }
    dataset = data.load(pl.DataFrame(table), target="sort")
    rows = [{"dense": 8, "activation": "swiglu"}, {"layer_norm": True}]
    built = build(propose(dataset, {"model": "layers", "model.rows": rows, "training.device": "cpu"}), dataset)
    batch, targets = next(iter(built.batches))[:2]
    assert built.model(batch).shape == (len(targets), 2)


def test_a_plan_file_of_nothing_but_rows_trains_as_proposed(tmp_path: Path, digits: data.Dataset) -> None:
    plan = Plan.from_toml(BY_HAND)
    changes = {"training.epochs": 2, "training.device": "cpu", "training.threads": 1, "training.layout": "contiguous"}
    run = leadline.train(digits, plan, folder=tmp_path / "run", changes=changes)
    assert run.score > 0.5
    again = leadline.open(tmp_path / "run")
    assert again.plan.model == plan.model
    proposed = propose(digits, {"model": "layers", "model.rows": ROWS, **changes})
    kept = ("optimizer", "learning_rate", "batch", "schedule", "label_smoothing", "average", "weight_decay")
    assert [getattr(again.plan.training, name) for name in kept] == [getattr(proposed.training, name) for name in kept]
    assert dataclasses.asdict(proposed.training.augment) == dataclasses.asdict(again.plan.training.augment)
