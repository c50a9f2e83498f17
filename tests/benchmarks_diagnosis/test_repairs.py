"""Repairs in the harness: a change that a trial confirmed is made in full, verified, and otherwise left."""

from __future__ import annotations

import numpy as np
import pytest
from families import BY_NAME
from faults import faulty
from repair import mended, skill, sure_gain, table


def test_a_fault_that_can_be_repaired_is() -> None:
    recipe = faulty(BY_NAME["friedman"].recipe("adam", 0).but(epochs=12), "columns unscaled", (1,), 0)
    record = mended(recipe, 0, 4.0)
    assert record["kind"] == "inputs_not_prepared"
    assert record["kept"]
    assert record["after"] > record["before"] + 0.3
    assert record["repair_seconds"] > 0


def test_a_healthy_program_is_left_alone() -> None:
    record = mended(BY_NAME["moons"].recipe("adam", 0), 0, 2.0)
    assert not record["kept"]
    assert record["after"] == record["before"] > 0.95


def test_a_gain_must_be_sure() -> None:
    draw = np.random.default_rng(0)
    before = (draw.uniform(size=400) < 0.3).astype(float)
    better = np.where(draw.uniform(size=400) < 0.5, 0.0, before)
    assert sure_gain(before, better)
    assert not sure_gain(before, before)
    assert not sure_gain(better, before)
    flipped = draw.permutation(before)
    assert not sure_gain(before, flipped)
    assert sure_gain(before, better[:300])  # some rows were unfit: not row by row
    assert not sure_gain(before, before[:300])


def test_the_table_counts_what_is_restored() -> None:
    common = {
        "family": "moons",
        "configuration": "adam",
        "chance": 0.5,
        "healthy": 0.9,
        "training_seconds": 2.0,
        "repair_seconds": 1.0,
    }
    restored = {
        **common,
        "fault": "rate too high",
        "before": 0.5,
        "after": 0.87,
        "searched": 0.6,
        "kept": True,
        "change": "rate",
    }
    missed = {**common, "fault": "rate too low", "before": 0.5, "after": 0.5, "searched": 0.88, "kept": False}
    healthy = {**common, "fault": "", "before": 0.9, "after": 0.8, "kept": True}
    assert skill(restored, "after") == pytest.approx(0.925)
    found = table([restored, missed, healthy], {("moons", "adam"): 0.02})
    assert found["restored by the first confirmed remedy"]["value"] == 0.5
    assert found["a remedy was confirmed"]["value"] == 0.5
    assert found["restored by random search in the same time"]["value"] == 0.5
    assert found["healthy programs made worse by more than two standard errors of their seeds"]["value"] == 1.0
    assert found["training_and_repair_over_training"] == 1.5
