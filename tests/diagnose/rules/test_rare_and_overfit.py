"""Rare answers, held-out losses that rise, batches too small for batch norm, and trainings that went on: on made readings."""

from __future__ import annotations

import pytest

from leadline.diagnose.readings import Branch, Judged, Readings
from leadline.diagnose.rules.judging import judge_readings
from leadline.diagnose.rules.of_fit import bad_batches, overfitting, starved_device, steady_rise, stopped_too_early
from leadline.diagnose.rules.of_trials import confirms, told_trial
from leadline.diagnose.rules.outcomes import outcome_of


def regression(course: list[float], last: float) -> Readings:
    """Learned by heart: 0.03 wrong of the training rows, and of the held-out rows as its course says."""
    readings = Readings()
    readings.program.task, readings.program.steps = "number", 1000
    readings.steps.valid = [(100 * at, loss, float("nan")) for at, loss in enumerate(course)]
    readings.last.train = Judged(200, 0.03, 0.03, 0.005, 0.005)
    readings.last.valid = Judged(100, last, last, 0.1, 0.1)
    readings.beside.valid_error = {"constant": 1.0, "trees": 0.5}
    readings.beside.valid_se = {"constant": 0.1, "trees": 0.08}
    return readings


def test_a_held_out_loss_that_rises_and_rises_is_overfitting_without_a_trial() -> None:
    readings = regression([0.9, 0.5, 0.55, 0.6, 0.63], 0.65)
    found = next(iter(overfitting(readings, outcome_of(readings))))
    assert found.proven
    assert "best about step 100 of 1,000" in found.cause
    assert [finding.kind for finding in judge_readings(readings)] == ["overfitting"]


@pytest.mark.parametrize(
    ("course", "last"), [([0.9, 0.5, 0.48, 0.52, 0.5], 0.5), ([0.9, 0.7, 0.6], 0.5), ([0.9, 0.5, 0.7, 0.45], 0.55), ([], 0.6)]
)
def test_a_course_that_wavers_or_falls_proves_nothing(course: list[float], last: float) -> None:
    readings = regression(course, last)
    assert not any(each.proven for each in overfitting(readings, outcome_of(readings)))


def test_of_classes_a_loss_that_rises_alone_proves_nothing() -> None:
    readings = regression([0.9, 0.5, 0.55, 0.6, 0.63], 0.65)
    readings.program.task, readings.first.expected_loss = "classes", 0.7
    assert steady_rise(readings)[0] > 0.2
    assert not any(each.proven for each in overfitting(readings, outcome_of(readings)))


def test_of_classes_a_loss_beyond_that_of_knowing_nothing_is_overfitting() -> None:
    readings = regression([0.69, 0.66, 1.5, 2.5, 3.4], 3.8)
    readings.program.task, readings.first.expected_loss = "classes", 0.69
    assert readings.last.train is not None
    assert readings.last.valid is not None
    readings.last.train.error, readings.last.valid.error = 0.0, 0.31
    assert any(each.proven for each in overfitting(readings, outcome_of(readings)))


@pytest.mark.parametrize(("steps", "wanted"), [(16, [1.0, 19.0]), (120, [1.0, 2.0]), (1000, [1.0])])
def test_after_so_few_steps_twice_as_many_are_still_too_few(steps: int, wanted: list[float]) -> None:
    readings = regression([0.9, 0.8], 0.9)
    readings.program.steps, readings.last.slope, readings.last.slope_se = steps, -0.5, 0.01
    found = next(iter(stopped_too_early(readings, outcome_of(readings))))
    assert found.changes == tuple(("go_on", times) for times in wanted)
    readings.last.valid = readings.last.train  # what came out well is only asked whether it was done
    assert next(iter(stopped_too_early(readings, outcome_of(readings)))).changes == (("go_on", 1.0),)


@pytest.mark.parametrize(("slope", "rising"), [(0.4, False), (-0.5, True)])
def test_what_does_not_fall_or_only_gets_worse_for_others_did_not_stop_too_early(slope: float, rising: bool) -> None:
    readings = regression([0.9, 0.5, 0.55, 0.6] if rising else [0.9, 0.6], 0.65 if rising else 0.5)
    readings.last.slope, readings.last.slope_se, readings.program.steps = slope, 0.05, 60
    readings.steps.valid = [(step // 20, loss, error) for step, loss, error in readings.steps.valid]
    assert not list(stopped_too_early(readings, outcome_of(readings)))
    readings.last.slope, readings.steps.valid = -0.5, []
    assert next(iter(stopped_too_early(readings, outcome_of(readings)))).strength > 0.5


@pytest.mark.parametrize(
    ("losses", "gain", "se", "counts"),
    [
        ([0.4] * 3, 0.1, 0.01, True),
        ([0.9] * 3, 0.1, 0.01, False),  # less error, and more loss
        ([0.5] * 3, 0.1, 0.08, True),  # few rows: the share wrong is unsure, the loss is not
        ([0.5, 0.78, 0.5], 0.1, 0.08, False),
        ([0.5] * 3, 0.01, 0.001, False),
    ],
)
def test_going_on_must_lower_the_loss_as_well(losses: list[float], gain: float, se: float, counts: bool) -> None:
    readings = regression([], 0.5)
    branch = Branch("go_on", 1.0, 60, losses, [0.8] * 3, [0.5 - gain] * 3, [0.5] * 3, gain, se)
    assert confirms(branch, outcome_of(readings)) is counts


def test_batch_norm_of_two_rows_is_named() -> None:
    readings = Readings()
    readings.program.batch, readings.program.rows = 2, 500
    assert [each.kind for each in bad_batches(readings, outcome_of(readings))] == ["oscillation"]
    readings.graph.batch_norm = True
    assert [each.kind for each in bad_batches(readings, outcome_of(readings))] == ["mode_mismatch"]
    readings.program.batch = 32
    assert not list(bad_batches(readings, outcome_of(readings)))


def rare(loss: float) -> Readings:
    """One row in twelve of the class that matters: a classifier that finds it, and calls many others so as well."""
    readings = Readings()
    readings.program.task, readings.program.classes, readings.answers.counts = "classes", 2, [1100, 100]
    readings.last.valid = Judged(480, loss, 0.23, 0.05, 0.02, 0.3, [0.78, 0.62])
    readings.last.permuted_loss = 1.0
    readings.beside.valid_error = {"constant": 0.0875, "linear": 0.0875}
    readings.beside.valid_se = {"constant": 0.013, "linear": 0.013}
    return readings


def test_where_rare_answers_count_for_more_the_share_wrong_is_not_all() -> None:
    assert not outcome_of(rare(0.6)).bad
    assert outcome_of(rare(0.99)).nothing, "its own loss cannot tell the rows apart either"
    even = rare(0.6)
    even.answers.counts = [600, 600]
    assert outcome_of(even).nothing


@pytest.mark.parametrize(("others", "bad"), [(0.45, False), (0.2, True)])
def test_where_rare_answers_count_for_more_classes_are_compared_by_their_means(others: float, bad: bool) -> None:
    readings = rare(0.6)
    readings.beside.valid_error["trees"], readings.beside.valid_se["trees"] = 0.06, 0.013
    readings.beside.valid_balanced = {"constant": 0.5, "trees": others}
    assert outcome_of(readings).bad is bad


@pytest.mark.parametrize(("loss", "counts"), [(0.6, False), (0.5, True)])
def test_where_rare_answers_count_for_more_a_trial_must_gain_loss_as_well(loss: float, counts: bool) -> None:
    branch = Branch("rate", 0.1, 60, [loss] * 3, [0.6] * 3, [0.13] * 3, [0.23] * 3, 0.1, 0.01)
    assert confirms(branch, outcome_of(rare(0.6))) is counts


@pytest.mark.parametrize(("valid", "found"), [(0.05, False), (0.4, True)])
def test_rows_that_are_changed_before_they_are_learned_may_be_told_from_plain_ones(valid: float, found: bool) -> None:
    readings = Readings()
    readings.program.task, readings.program.classes, readings.answers.counts = "classes", 2, [300, 300]
    readings.last.train, readings.last.valid = (Judged(300, error, error, 0.02, 0.02) for error in (0.04, valid))
    readings.splits.copies, readings.splits.told_apart, readings.splits.told_apart_se = 0.0, 0.95, 0.01
    assert ("split_mismatch" in [finding.kind for finding in judge_readings(readings)]) is found


def test_rare_places_of_maps_that_are_not_found_are_said() -> None:
    readings = Readings()
    readings.program.task = "other"
    readings.last.valid = Judged(100, 0.1, 0.045, 0.004, 0.002, 0.4, [0.99, 0.1], shares=[0.95, 0.05])
    readings.first.best_constant_loss = 0.2
    assert [finding.kind for finding in judge_readings(readings)] == ["imbalance"]
    readings.last.valid.recalls = [0.9, 0.8]
    assert judge_readings(readings).healthy
    readings.last.valid.recalls, readings.last.valid.shares = [0.9, 0.5, 0.3, 0.0], [0.6, 0.3, 0.09, 0.01]
    assert judge_readings(readings).healthy, "letters and words: the rare ones are seldom said"


def test_waiting_on_a_processor_is_a_remark_unless_it_is_most_of_the_time() -> None:
    readings = Readings()
    readings.program.batch, readings.steps.waiting, readings.steps.waiting_seconds = 32, 0.45, 0.02
    assert [each.hurts for each in starved_device(readings, outcome_of(readings))] == [False]
    readings.steps.waiting, readings.steps.waiting_seconds = 0.7, 0.1
    assert [each.hurts for each in starved_device(readings, outcome_of(readings))] == [True]


@pytest.mark.parametrize(("ended", "counts"), [(0.3, True), (0.66, False)])
def test_where_a_training_is_judged_by_its_loss_so_are_the_trials(ended: float, counts: bool) -> None:
    readings = Readings()
    readings.program.task, readings.first.best_constant_loss = "other", 0.65
    readings.last.train = readings.last.valid = Judged(100, 0.64, 0.97, 0.01, 0.01)
    branch = Branch("rate", 10.0, 40, [ended] * 3, [0.63] * 3, [0.68] * 3, [0.97] * 3, 0.29, 0.02)
    outcome = outcome_of(readings)
    assert outcome.by_loss
    assert confirms(branch, outcome) == counts, "errors of 0.68 are no losses above 0.64"
    if not counts:
        assert "a loss of 0.66, and your own training at 0.64" in told_trial(branch, outcome, confirmed=False)
