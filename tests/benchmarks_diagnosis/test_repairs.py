"""Repairs in the harness: a change that a trial confirmed is made in full, verified, and otherwise left."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from families import BY_NAME
from faults import faulty
from mending_ways import Way
from programs import train
from repair import mended, skill, table
from repairing import TRAININGS, Repairing, copied, judged, row_weights, sure_gain

from leadline.diagnose import watch
from leadline.diagnose.findings import Finding, Verdict


def test_a_fault_that_can_be_repaired_is() -> None:
    recipe = faulty(BY_NAME["friedman"].recipe("adam", 0).but(epochs=12), "columns unscaled", (1,), 0)
    record = mended(recipe, 0, 4.0)
    assert record["trained"][0]["kind"] == "inputs_not_prepared"
    assert record["kept"]
    assert record["after"] >= record["after_first"] > record["before"] + 0.3
    assert record["repair_seconds"] > 0


def test_a_healthy_program_is_left_alone() -> None:
    record = mended(BY_NAME["moons"].recipe("adam", 0), 0, 2.0)
    assert not record["kept"]
    assert not record["trained"]
    assert record["after"] == record["before"] > 0.95


class Imagined(Repairing):
    """Trainings whose outcomes are given by the changes that were made; what is not given gains nothing."""

    better: ClassVar[dict[str, float]] = {}
    seen: ClassVar[list[Way]] = []

    def _refusal(self, text: str) -> str:
        return "it is so already" if text == "zero_grad" else ""

    def _enough(self) -> bool:
        return any(each["kept"] and each["score"] > 0.8 for each in self.trained)

    def _look_again(self) -> Way | None:
        return self.seen.pop(0) if self.seen else None

    def _train(self, way: Way, texts: list[str]) -> bool:
        score = self.better.get(" & ".join(texts), 0.5)
        best = max((each["score"] for each in self.trained if each["kept"]), default=0.5)
        self.trained.append({"changes": " & ".join(texts), "kept": score > best, "worse": score < best, "score": score})
        return score > best


def imagined(ways: list[Way], better: dict[str, float], seen: tuple[Way, ...] = ()) -> tuple[list[str], list[str]]:
    """The trainings that were made, and what stays changed."""
    nothing = np.zeros(0)
    made = Imagined(BY_NAME["moons"].recipe("adam", 0), None, 1, 0, 1.0, nothing, nothing)
    made.better, made.seen = better, list(seen)  # type: ignore[misc]
    made.run(ways)
    assert len(made.trained) <= TRAININGS
    return [each["changes"] for each in made.trained], made.stays


RATE, HEAD, WEIGHTS = (
    Way("rate_too_low", "rate", 10.0),
    Way("head_or_loss_wrong", "head", confirmed=True, certain=True),
    Way("saturation", "initialize"),
)


def test_what_a_copy_refuses_costs_no_training() -> None:
    assert imagined([Way("not_training", "zero_grad"), RATE], {"rate(10)": 0.9}) == (["rate(10)"], ["rate(10)"])


def test_a_second_change_is_made_beside_the_first() -> None:
    confirmed = [replace(each, confirmed=True) for each in (RATE, WEIGHTS)]
    trained, stays = imagined(confirmed, {"rate(10)": 0.7, "rate(10) & initialize": 0.9})
    assert trained == ["rate(10)", "rate(10) & initialize"]
    assert stays == ["rate(10)", "initialize"]


def test_as_long_as_it_is_worse_than_simple_methods_it_is_looked_at_again() -> None:
    found, other = replace(RATE, confirmed=True), Way("", "clip", 1.0, confirmed=True)
    better = {"rate(10)": 0.7, "rate(10) & clip(1)": 0.9}
    assert imagined([found, WEIGHTS], better, (other,)) == (["rate(10)", "rate(10) & clip(1)"], ["rate(10)", "clip(1)"])
    assert imagined([found, WEIGHTS], {**better, "rate(10)": 0.85}, (other,))[0] == ["rate(10)"]
    assert imagined([found, WEIGHTS], better)[0] == ["rate(10)"]


def test_what_is_certain_stays_though_it_gained_nothing_alone() -> None:
    trained, stays = imagined([HEAD], {"head & rate(10)": 0.9}, (WEIGHTS, RATE))
    assert trained == ["head", "head & initialize", "head & rate(10)"]
    assert stays == ["head", "rate(10)"]


def test_two_changes_that_gain_only_together_are_found() -> None:
    trained, _ = imagined([WEIGHTS, RATE], {"initialize & rate(10)": 0.9})
    assert trained == ["initialize", "rate(10)", "initialize & rate(10)"]
    trained, stays = imagined([WEIGHTS, RATE], {"rate(10)": 0.9})
    assert trained == ["initialize", "rate(10)"]
    assert stays == ["rate(10)"]


def test_what_is_rebuilt_is_judged_row_by_row() -> None:
    recipe = BY_NAME["autoencoder"].recipe("adam", 0).but(epochs=3)
    watched = train(recipe, 0, watch=watch)
    watched.probe.findings(confirm=0)
    errors, score = judged(copied(recipe, watched.probe, "trained"), recipe)
    assert len(errors) == len(recipe.arrays.valid[0])
    assert score == pytest.approx(watched.clean, abs=0.02)


def test_rows_of_rare_classes_count_for_more_on_both_sides() -> None:
    recipe = faulty(BY_NAME["moons"].recipe("adam", 0), "classes undersampled", (0,), 0)
    targets = recipe.arrays.valid[1].flatten()
    weights = row_weights(Verdict((Finding("imbalance", "severe", 1.0, (), ""),)), recipe)
    assert weights[targets == 1].sum() == pytest.approx(weights[targets == 0].sum())
    assert (row_weights(Verdict(), recipe) == 1).all()


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
        "repair_seconds": 3.0,
    }
    first = {"confirmed": True, "kept": True, "seconds": 1.0}
    restored = {
        **common,
        "fault": "rate too high",
        "before": 0.5,
        "after_first": 0.87,
        "after": 0.87,
        "searched": 0.6,
        "kept": True,
        "trained": [first],
    }
    second = {**restored, "after_first": 0.6}
    missed = {
        **restored,
        "fault": "rate too low",
        "after_first": 0.5,
        "after": 0.5,
        "searched": 0.88,
        "kept": False,
        "trained": [],
    }
    healthy = {**missed, "fault": "", "before": 0.9, "after": 0.8, "kept": True}
    assert skill(restored, "after") == pytest.approx(0.925)
    unconfirmed = {**restored, "trained": [{**first, "confirmed": False}]}
    found = table([restored, second, missed, unconfirmed, healthy], {("moons", "adam"): 0.02})
    assert found["restored by the first confirmed remedy"]["value"] == 0.25
    assert found["restored by at most three trainings"]["value"] == 0.75
    assert found["a remedy was confirmed"]["value"] == 0.5
    assert found["restored by random search in the same time"]["value"] == 0.25
    assert found["healthy programs made worse by more than two standard errors of their seeds"]["value"] == 1.0
    assert found["training_and_first_repair_over_training"] == 1.5
    assert found["training_and_repair_over_training"] == 2.5
