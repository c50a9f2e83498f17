"""A Plan that was given is made whole, and of two reasons for a choice the better one stays."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from leadline.data import Dataset, load
from leadline.plan import Plan, measure, propose
from leadline.plan.record import CHOSEN, GIVEN
from leadline.runs.completing import completed
from leadline.runs.observer import Observer


@pytest.fixture(scope="module")
def rows() -> Dataset:
    return numbers(160)


def numbers(count: int) -> Dataset:
    inputs = np.random.default_rng(0).normal(size=(count, 4)).astype(np.float32)
    return load(inputs, (inputs[:, 0] > 0).astype(np.int64))


def reasons(plan: Plan, *keys: str) -> list[str]:
    return [plan.why[f"training.{key}"] for key in keys]


def in_file(**changes: Any) -> Plan:
    """A Plan as a person writes it into a file."""
    text = "".join(f"{key.replace('__', '.')} = {value!r}\n" for key, value in changes.items())
    return Plan.from_toml(text)


def test_what_is_proposed_anyway_gets_the_reason_of_the_proposal(rows: Dataset) -> None:
    proposed = propose(rows)
    again = completed(Plan.from_toml(proposed.to_toml()), rows, Observer())
    assert dataclasses.replace(again, why={}) == dataclasses.replace(proposed, why={})
    assert {key: again.why[key] for key in proposed.why if key != "model.name"} == {
        key: reason for key, reason in proposed.why.items() if key != "model.name"
    }


def test_a_reason_of_the_person_stays_where_the_value_is_the_usual_one(rows: Dataset) -> None:
    proposed = propose(rows)
    for plan in (
        propose(rows, {"training.epochs": proposed.training.epochs}),
        proposed.but({"training.batch": 8}, why="see A.7"),
    ):
        assert completed(plan, rows, Observer()) == plan
    assert proposed.training.batch == 8, "the test would see nothing"


def test_a_reason_of_measuring_stays(rows: Dataset) -> None:
    settled = {"training.device": "cpu", "training.threads": 1, "training.batch": 16, "training.epochs": 1_000_000}
    plan = measure(propose(rows, {"model": "mlp", **settled}), rows).plan
    assert "measured" in plan.why["training.step"], "the test would see nothing"
    again = completed(plan, rows, Observer())
    assert again.why == plan.why
    measured = dataclasses.replace(plan, why={**plan.why, "training.schedule": "measured on 3 seeds"})
    assert completed(measured, rows, Observer()).why["training.schedule"] == "measured on 3 seeds"


def test_reasons_speak_of_the_persons_own_choices_and_not_of_the_bare_proposal(rows: Dataset) -> None:
    plan = completed(in_file(training__epochs=7), rows, Observer())
    beside = propose(rows, {"training.epochs": 7})
    keys = ("schedule", "patience", "optimizer", "batch")
    assert reasons(plan, *keys) == reasons(beside, *keys)
    assert "7 epochs" in plan.why["training.optimizer"]
    assert reasons(plan, *keys) != reasons(propose(rows), *keys)
    assert plan.why["training.epochs"] == GIVEN


def test_in_a_whole_file_too_the_reasons_speak_of_what_was_changed_in_it(rows: Dataset) -> None:
    text = propose(rows).but({"training.epochs": 7}).to_toml()
    plan = completed(Plan.from_toml(text), rows, Observer())
    assert "7 epochs" in plan.why["training.optimizer"]
    assert plan.why["training.epochs"] == GIVEN
    assert plan.why["training.batch"] == propose(rows).why["training.batch"]


def test_a_value_that_is_usual_with_another_choice_alone_keeps_its_reason(rows: Dataset) -> None:
    usual = propose(rows).training.learning_rate
    plan = completed(in_file(training__optimizer="sgd", training__learning_rate=usual), rows, Observer())
    assert propose(rows, {"training.optimizer": "sgd"}).training.learning_rate != usual
    assert reasons(plan, "optimizer", "learning_rate") == [GIVEN, GIVEN]


def test_numbers_of_other_data_are_no_reason(rows: Dataset) -> None:
    other = numbers(170)
    plan = propose(other, {"training.seed": 3, "training.monitor": "valid_loss"})
    assert plan.why["training.batch"] != propose(rows).why["training.batch"]
    assert plan.training.batch == propose(rows).training.batch
    moved = completed(plan, rows, Observer())
    assert moved.why["training.batch"] == propose(rows).why["training.batch"]
    assert reasons(moved, "seed", "monitor") == [CHOSEN, CHOSEN]
    assert moved.data.hash == rows.fingerprint()


def test_a_plan_made_in_python_keeps_its_values(rows: Dataset) -> None:
    plan = Plan().but({"model.width": 8, "training.epochs": 3})
    whole = completed(plan, rows, Observer())
    assert (whole.model, whole.training, whole.start) == (plan.model, plan.training, plan.start)
    assert reasons(whole, "epochs") == [CHOSEN]
    searched = plan.but({"training.learning_rate": [0.1, 0.01], "start.restarts": 2})
    assert completed(searched, rows, Observer()).start == searched.start
