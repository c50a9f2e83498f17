"""The rules on running statistics and on dropped answers, on made readings."""

from __future__ import annotations

from leadline.diagnose.check_readings import Hidden
from leadline.diagnose.readings import Judged, Readings
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
