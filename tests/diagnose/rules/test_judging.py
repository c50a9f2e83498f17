"""The rules on made readings: each kind is found where its numbers are there, and a healthy training stays healthy."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable

import numpy as np
import pytest

from leadline.diagnose.readings import Branch, Judged, LayerFacts, Readings, Sample
from leadline.diagnose.rules.judging import candidates_of, judge_readings, worth_trying
from leadline.diagnose.rules.outcomes import outcome_of, told_outcome
from leadline.plan import Plan


def healthy() -> Readings:
    """A classifier of three layers that has learned well."""
    readings = Readings()
    program = readings.program
    program.task, program.classes, program.loss, program.optimizer = "classes", 4, "CrossEntropyLoss", "SGD"
    program.rate, program.batch, program.steps, program.rows = 0.1, 32, 600, 1000
    program.layers = [LayerFacts(name, "Linear", 400, 20, 0.31, 0.316) for name in ("0", "2", "4")]
    readings.graph.depth, readings.graph.activations = 3, ["relu", "relu"]
    readings.graph.loss_operations = ["log_softmax", "nll_loss"]
    readings.columns.features, readings.columns.std, readings.columns.offset = 20, 1.0, 0.1
    readings.answers.counts = [250] * 4
    readings.first.loss, readings.first.expected_loss = 1.4, 1.386
    names, sizes = ["0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"], [400, 20, 400, 20, 80, 4]
    readings.steps.names, readings.steps.sizes = names, sizes
    for step in range(0, 600, 50):
        gradient = [0.1 * np.sqrt(size) for size in sizes]
        readings.steps.samples.append(Sample(step, step / 100, 1.0, gradient, [5.0] * 6, [0.01] * 6, 0.1))
    curve = 1.4 * np.exp(-np.arange(200) / 40) + 0.05
    readings.steps.losses = [(3 * at, float(loss)) for at, loss in enumerate(curve)]
    readings.steps.noise, readings.steps.not_zeroed = 0.01, 0.0
    readings.steps.valid = [(step, float(np.exp(-step / 150) + 0.1), 0.1) for step in range(0, 600, 50)]
    readings.last.train = Judged(1000, 0.06, 0.02, 0.01, 0.005, 0.02, [0.98] * 4, [0.25] * 4)
    readings.last.valid = Judged(500, 0.12, 0.04, 0.02, 0.01, 0.04, [0.96] * 4, [0.25] * 4)
    readings.last.input_dependence, readings.last.permuted_loss = 1.0, 6.0
    readings.last.slope, readings.last.slope_se = -0.02, 0.02
    readings.beside.valid_error = {"constant": 0.75, "linear": 0.08, "neighbours": 0.06}
    readings.beside.valid_se = {"constant": 0.02, "linear": 0.012, "neighbours": 0.01}
    readings.splits.copies, readings.splits.told_apart, readings.splits.told_apart_se = 0.0, 0.5, 0.02
    readings.labels.disagreement, readings.labels.expected_disagreement = 0.01, 0.01
    readings.drill.error = 0.0
    return readings


def badly(readings: Readings, error: float = 0.5) -> None:
    """It came out far worse than simple methods do."""
    for judged in (readings.last.train, readings.last.valid):
        assert judged is not None
        judged.error, judged.error_se, judged.loss = error, 0.02, 1.2


def branch(change: str, argument: float | str | None, gain: float) -> Branch:
    return Branch(change, argument, 200, [0.2] * 3, [1.2] * 3, [0.5 - gain] * 3, [0.5] * 3, gain, 0.02)


def too_high(readings: Readings) -> None:
    badly(readings)
    for sample in readings.steps.samples:
        sample.update = [1.0] * 6
    readings.branches = [branch("rate", 0.1, 0.4)]


def too_low(readings: Readings) -> None:
    badly(readings)
    for sample in readings.steps.samples:
        sample.update = [1e-5] * 6
    readings.branches = [branch("rate", 10.0, 0.4)]


def vanishing(readings: Readings) -> None:
    badly(readings, 0.75)
    for sample in readings.steps.samples:
        sample.gradient = [1e-6, 1e-6, 1e-3, 1e-3, 1.0, 1.0]
    readings.branches = [branch("activation", "relu", 0.4)]


def unprepared(readings: Readings) -> None:
    badly(readings)
    readings.columns.std, readings.columns.scale_ratio, readings.columns.offset = 300.0, 1e4, 8.0
    readings.branches = [branch("standardize", None, 0.4), branch("rate", 0.1, 0.3)]
    for sample in readings.steps.samples:
        sample.update = [0.5] * 6


def not_zeroed(readings: Readings) -> None:
    readings.steps.not_zeroed = 1.0


def begun_alike(readings: Readings) -> None:
    badly(readings, 0.75)
    for layer in readings.program.layers:
        layer.weight_std, layer.identical_units = 0.0, 1.0
    readings.branches = [branch("initialize", "auto", 0.4)]


def wrong_pairs(readings: Readings) -> None:
    badly(readings, 0.75)
    assert readings.last.train is not None
    readings.last.train.error = 0.2
    readings.beside.valid_error = {"constant": 0.75, "linear": 0.75, "neighbours": 0.74}


def leaked(readings: Readings) -> None:
    readings.splits.copies = 0.6


def rare(readings: Readings) -> None:
    readings.answers.counts = [950, 20, 20, 10]
    assert readings.last.valid is not None
    readings.last.valid.recalls = [1.0, 0.0, 0.1, 0.0]


def no_number(readings: Readings) -> None:
    readings.steps.non_finite_step = 40


def linear(readings: Readings) -> None:
    badly(readings, 0.3)
    readings.graph.linear_chains, readings.graph.activations = [["0", "2", "4"]], []
    readings.branches = [branch("nonlinearity", None, 0.2)]


def short(readings: Readings) -> None:
    badly(readings, 0.3)
    readings.last.slope, readings.last.slope_se = -0.8, 0.05
    readings.branches = [branch("go_on", 1.0, 0.15)]


def by_heart(readings: Readings) -> None:
    assert readings.last.train is not None
    assert readings.last.valid is not None
    readings.last.train.error, readings.last.valid.error = 0.0, 0.3
    readings.steps.valid = [(step, 0.5 + step / 600, 0.3) for step in range(0, 600, 50)]
    readings.branches = [branch("regularize", 0.3, 0.1)]


def evaluation(readings: Readings) -> None:
    badly(readings, 0.4)
    readings.graph.normalizes, readings.steps.evaluation_mode, readings.last.mode_difference = True, 1.0, 5.0


def dropped(readings: Readings) -> None:
    badly(readings, 0.4)
    readings.graph.dropout = 0.9
    readings.branches = [branch("no_dropout", None, 0.3)]


CASES: dict[str, Callable[[Readings], None]] = {
    "rate_too_high": too_high,
    "rate_too_low": too_low,
    "vanishing_gradient": vanishing,
    "inputs_not_prepared": unprepared,
    "not_training": not_zeroed,
    "bad_initialization": begun_alike,
    "input_ignored": wrong_pairs,
    "split_mismatch": leaked,
    "imbalance": rare,
    "non_finite": no_number,
    "no_nonlinearity": linear,
    "stopped_too_early": short,
    "overfitting": by_heart,
    "mode_mismatch": evaluation,
    "over_regularized": dropped,
}


def test_a_healthy_training_is_called_so() -> None:
    verdict = judge_readings(healthy())
    assert verdict.healthy, str(verdict)
    assert "96.0 %" in verdict.outcome
    assert verdict.checked


@pytest.mark.parametrize("kind", CASES)
def test_the_kind_comes_first(kind: str) -> None:
    readings = healthy()
    CASES[kind](readings)
    verdict = judge_readings(readings)
    assert [finding.kind for finding in verdict][:1] == [kind], str(verdict)
    first = verdict[0]
    assert first.cause
    assert first.remedy.says
    assert 0 < first.confidence <= 1
    assert first.evidence or kind in ("head_or_loss_wrong",)


def test_dead_units_in_a_network_that_learns_well_are_a_remark() -> None:
    readings = healthy()
    readings.last.dead = {"1": 0.8}
    verdict = judge_readings(readings)
    assert verdict.healthy
    assert [remark.kind for remark in verdict.remarks] == ["dead_units"]


def test_what_was_tried_in_vain_is_no_finding_of_a_good_training() -> None:
    readings = healthy()
    for sample in readings.steps.samples:
        sample.update = [1e-5] * 6
    readings.branches = [branch("rate", 10.0, 0.001)]
    assert judge_readings(readings).healthy


def test_a_bad_outcome_is_never_called_healthy() -> None:
    readings = healthy()
    badly(readings)
    verdict = judge_readings(readings)
    assert not verdict.healthy


def test_several_faults_are_told_together() -> None:
    readings = healthy()
    unprepared(readings)
    not_zeroed(readings)
    leaked(readings)
    assert {finding.kind for finding in judge_readings(readings)} >= {"inputs_not_prepared", "not_training", "split_mismatch"}


@pytest.mark.parametrize("kind", CASES)
def test_readings_and_verdict_survive_json(kind: str) -> None:
    readings = healthy()
    CASES[kind](readings)
    again = Readings.from_json(json.loads(json.dumps(readings.to_json())))
    assert again == readings
    verdict = judge_readings(readings)
    assert type(verdict).from_json(json.loads(json.dumps(verdict.to_json()))) == verdict


def test_judging_changes_no_reading() -> None:
    readings = healthy()
    before = copy.deepcopy(readings)
    judge_readings(readings)
    assert readings == before


def test_what_is_suspected_is_tried_first() -> None:
    readings = healthy()
    too_high(readings)
    readings.branches = []
    assert worth_trying(readings)[:2] == [
        ("rate", 0.01),
        ("rate", 0.1),
    ]  # steps of a fifth of the weights need more than a tenth


def test_large_targets_of_numbers_are_named() -> None:
    readings = healthy()
    badly(readings, 0.9)
    readings.program.task, readings.answers.counts, readings.answers.std, readings.answers.mean = "number", [], 4e4, 2e5
    readings.beside.valid_error = {"constant": 1.0, "linear": 0.3}
    readings.branches = [branch("standardize_targets", None, 0.5)]
    verdict = judge_readings(readings)
    assert (verdict[0].kind, verdict[0].where) == ("inputs_not_prepared", "targets"), str(verdict)


def test_rows_that_depend_on_each_other_are_named() -> None:
    readings = healthy()
    readings.last.mixing = 0.7
    assert judge_readings(readings)[0].kind == "input_ignored"


def test_a_rate_that_goes_to_nothing_early_is_named() -> None:
    readings = healthy()
    badly(readings)
    for sample in readings.steps.samples:
        sample.rate = 0.1 if sample.step < 60 else 1e-6
    readings.branches = [branch("constant_rate", None, 0.3)]
    assert judge_readings(readings)[0].kind == "rate_too_low"


def test_an_optimizer_that_never_steps_is_named() -> None:
    readings = healthy()
    badly(readings, 0.75)
    for sample in readings.steps.samples:
        sample.update = [None] * 6
    verdict = judge_readings(readings)
    assert verdict[0].kind == "not_training"
    assert "optimizer.step()" in verdict[0].remedy.code


def test_the_finding_of_last_resort_is_no_remark_as_well() -> None:
    readings = healthy()
    badly(readings)
    readings.steps.samples = [
        Sample(each.step, each.seconds, 1.0, each.gradient, each.weight, [0.2] * 6, 0.1) for each in readings.steps.samples
    ]
    suspected = candidates_of(readings, outcome_of(readings))
    for change in {change for each in suspected for change in each.changes} | set(worth_trying(readings)):
        readings.branches.append(Branch(*change, 600, [1.2] * 3, [1.2] * 3, [0.5] * 3, [0.5] * 3, 0.0, 0.02))
    readings.last.dead = {"0": 0.75}
    verdict = judge_readings(readings)
    assert not {finding.kind for finding in verdict} & {remark.kind for remark in verdict.remarks}


@pytest.mark.parametrize(
    ("where", "value", "cause"),
    [
        ("copies", 0.5, "Held-out rows are in the training rows too"),
        ("told_apart", 0.9, "The held-out rows are not like the training rows"),
        ("class_distance", 0.6, "The held-out rows have the classes in other shares"),
    ],
)
def test_unlike_splits_are_told_by_what_makes_them_so(where: str, value: float, cause: str) -> None:
    readings = healthy()
    setattr(readings.splits, where, value)
    if where == "told_apart":  # where held-out rows are answered as well, training rows may be changed at random
        assert judge_readings(readings).healthy
        assert readings.last.valid is not None
        readings.last.valid.error = 0.14
    (finding,) = judge_readings(readings)
    assert finding.kind == "split_mismatch"
    assert finding.cause.startswith(cause)


@pytest.mark.parametrize(("largest", "strong"), [(1.0, False), (30.0, True)])
def test_means_of_what_lies_between_0_and_1_are_never_far_off(largest: float, strong: bool) -> None:
    readings = healthy()
    badly(readings)
    readings.columns.std, readings.columns.offset, readings.columns.largest = 0.3, 9.0, largest
    assert ("inputs_not_prepared" in [each.kind for each in judge_readings(readings)]) == strong


def test_of_labels_shares_are_told_and_no_loss_beside_them() -> None:
    readings = healthy()
    readings.program.task = "labels"
    told = told_outcome(readings, outcome_of(readings))
    assert (
        told == "96.0 % of the labels of the held-out rows are right, of one answer for all 25.0 %, nearest neighbours 94.0 %."
    )


def test_a_rate_that_was_last_seen_early_is_not_gone() -> None:
    readings = healthy()
    readings.program.steps = 6000  # the probe looked at the first 550 only
    assert "rate_too_low" not in [each.kind for each in candidates_of(readings, outcome_of(readings)) if each.strength > 0.5]


def test_what_could_not_be_judged_is_not_bad() -> None:
    readings = healthy()
    readings.last.train = readings.last.valid = None
    verdict = judge_readings(readings)
    assert verdict.healthy, str(verdict)
    assert str(verdict).startswith("Nothing wrong was seen. How good the network is could not be judged.")


def test_with_a_plan_the_trial_that_gained_is_the_change() -> None:
    readings = healthy()
    too_high(readings)
    readings.branches = [branch("rate", 0.1, 0.1), branch("rate", 0.3, 0.4)]
    plan = Plan().but({"training.learning_rate": 0.1})
    changes = judge_readings(readings, plan)[0].remedy.changes
    assert changes == {"training.learning_rate": pytest.approx(0.03)}


@pytest.mark.parametrize(("spread", "found"), [(0.009, False), (0.004, True)])
def test_what_nothing_pointed_to_has_to_gain_beyond_doubt_where_all_is_well(spread: float, found: bool) -> None:
    readings = healthy()
    assert readings.last.valid is not None
    readings.last.valid.error = 0.055
    readings.branches = [Branch("go_on", 1.0, 600, [0.11] * 5, [0.15] * 5, [0.034] * 5, [0.055] * 5, 0.021, spread)]
    assert [finding.kind for finding in judge_readings(readings)] == (["stopped_too_early"] if found else [])


def test_a_loss_above_that_of_one_answer_for_all_is_a_bad_outcome_whatever_the_share_right() -> None:
    readings = healthy()
    readings.first.best_constant_loss = 1.386
    assert not outcome_of(readings).bad
    assert readings.last.train is not None
    readings.last.train.loss = 6.4
    for layer in readings.program.layers:
        layer.weight_std *= 20
    assert [finding.kind for finding in judge_readings(readings)] == ["bad_initialization"]
    assert "above that of one answer for all" in told_outcome(readings, outcome_of(readings))
