"""The rules on running statistics and on dropped answers, on made readings."""

from __future__ import annotations

from leadline.diagnose.check_readings import Hidden
from leadline.diagnose.readings import Judged, Readings, Sample
from leadline.diagnose.rules.judging import judge_readings
from leadline.diagnose.rules.of_data import rows_mixed
from leadline.diagnose.rules.of_fit import mode_mismatch, over_regularized
from leadline.diagnose.rules.outcomes import outcome_of


def judged(error: float = 0.1) -> Readings:
    readings = Readings()
    readings.last.train = readings.last.valid = Judged(400, 0.4, error, 0.01, 0.01)
    readings.beside.valid_error = {"constant": 0.8}
    readings.graph.normalizes = True
    return readings


def test_statistics_that_add_to_the_error_are_proven() -> None:
    for more, spread, said in ((0.05, 0.005, True), (0.05, 0.03, False), (0.005, 0.001, False), (None, 0.0, False)):
        readings = judged()
        readings.last.stale_error, readings.last.stale_error_se = more, spread
        found = next(mode_mismatch(readings, outcome_of(readings)))
        assert (found.proven, found.hurts) == (said, said)


def test_statistics_that_hardly_move_are_not_mended_by_the_mode() -> None:
    readings = judged(0.9)
    readings.last.stale_error, readings.last.stale_error_se = 0.5, 0.02
    assert next(mode_mismatch(readings, outcome_of(readings))).changes[0] == ("statistics", None)
    assert judge_readings(readings)[0].remedy.says.startswith("Let batch norm follow the data")
    readings.steps.evaluation_mode = 1.0
    assert next(mode_mismatch(readings, outcome_of(readings))).changes[0] == ("training_mode", None)
    assert judge_readings(readings)[0].remedy.says.startswith("Put the network into training mode")


def test_dropped_answers_are_suspected_whatever_else_is_dropped() -> None:
    readings = judged()
    readings.graph.dropout = readings.graph.dropped_answers = 0.3
    strengths = [each.strength for each in over_regularized(readings, outcome_of(readings))]
    assert max(strengths) > 0.8
    readings.graph.dropped_answers = 0.0
    strengths = [each.strength for each in over_regularized(readings, outcome_of(readings))]
    assert max(strengths) == 0.0


def test_layers_made_anew_are_no_mixed_rows() -> None:
    readings = judged()
    readings.last.mixing = 0.5
    assert list(rows_mixed(readings, outcome_of(readings)))
    readings.hidden = Hidden(made_anew=1)
    assert not list(rows_mixed(readings, outcome_of(readings)))


def test_weights_that_have_decayed_to_nothing_come_before_the_units_that_they_silenced() -> None:
    for left, error, decay, first in (
        (0.01, 0.8, 0.05, "over_regularized"),
        (0.01, 0.8, 0.0, "dead_units"),  # without a decay it was something else
        (0.5, 0.8, 0.05, "dead_units"),
    ):
        readings = judged(error)
        readings.program.task, readings.program.weight_decay, readings.last.dead = "classes", decay, {"0": 0.9}
        readings.steps.names, readings.steps.sizes = ["0.weight", "0.bias", "2.weight"], [64, 8, 80]
        readings.steps.samples = [Sample(0, 0.0, 2.0, [0.1] * 3, [4.0, 0.1, 3.0], [0.01] * 3)]
        readings.steps.samples += [Sample(9, 0.0, 2.0, [0.1] * 3, [4 * left, 0.1, 3 * left], [0.01] * 3)]
        assert judge_readings(readings)[0].kind == first


def test_of_a_network_that_learns_well_small_weights_are_no_finding() -> None:
    readings = judged(0.05)
    readings.program.task, readings.program.weight_decay, readings.steps.names = "classes", 0.05, ["weight"]
    readings.steps.samples = [Sample(at, 0.0, 2.0, [0.1], [size], [0.01]) for at, size in ((0, 4.0), (9, 0.04))]
    assert judge_readings(readings).healthy
