"""The rules on parameters that do not train, on made readings."""

from __future__ import annotations

import math

from leadline.diagnose.check_readings import Hidden
from leadline.diagnose.readings import Judged, Readings, Sample
from leadline.diagnose.rules.of_losses import head_or_loss_wrong, not_training
from leadline.diagnose.rules.of_rates import non_finite
from leadline.diagnose.rules.outcomes import outcome_of


def heard(losses: list[float], gradients: list[float]) -> Readings:
    """Three weights, of which this was heard step by step."""
    readings = Readings()
    readings.steps.names, readings.steps.sizes = ["0.weight", "1.weight", "2.weight"], [100] * 3
    readings.steps.samples = [
        Sample(step, step / 10, loss, [gradient] * 3, [1.0] * 3, [0.1] * 3)
        for step, (loss, gradient) in enumerate(zip(losses, gradients, strict=True))
    ]
    readings.steps.non_finite_step = next((step for step, loss in enumerate(losses) if not math.isfinite(loss)), None)
    readings.last.train = Judged(100, losses[-1], 0.9, 0.01, 0.01)
    return readings


def test_what_is_tried_is_what_is_advised() -> None:
    readings = Readings()
    for told, tried in (
        ({"change": "sign", "argument": ""}, ("sign", None)),
        ({"change": "head", "argument": "classes"}, ("head", "classes")),
        ({"change": "head", "argument": "linear"}, ("head", "auto")),
    ):
        readings.graph.problems = [{"code": "any", "says": "It is wrong.", "remedy": "Mend it.", "code_line": "loss", **told}]
        assert next(head_or_loss_wrong(readings, outcome_of(readings))).changes == (tried,)


def kinds(readings: Readings) -> list[str]:
    return [each.kind for each in not_training(readings, outcome_of(readings)) if each.proven]


def test_gradients_that_are_no_numbers_are_not_missing() -> None:
    assert not kinds(heard([0.7, math.nan, math.nan], [math.nan] * 3))
    assert not kinds(heard([0.7, 0.6, math.nan, math.nan], [0.1, math.nan, math.nan, math.nan]))
    assert not kinds(heard([0.7, 0.6, 0.5, math.nan], [0.1, 0.1, math.nan, math.nan]))


def test_gradients_that_are_missing_are_told() -> None:
    assert kinds(heard([0.7] * 4, [math.nan] * 4)) == ["not_training"]
    assert kinds(heard([0.7] * 4, [0.0] * 4)) == ["not_training"]


def test_gradients_of_exactly_zero_are_told_as_such_where_no_layer_is_flat() -> None:
    readings = heard([0.7] * 4, [0.0] * 4)
    (found,) = (each for each in not_training(readings, outcome_of(readings)) if each.proven)
    assert "exactly 0" in found.cause
    readings.last.saturated = {"1": 1.0}
    assert not kinds(readings)


def test_a_gradient_that_is_no_number_before_the_loss_is_none_is_the_operation_s() -> None:
    at_once, later = heard([0.7, math.nan, math.nan], [math.nan] * 3), heard([0.7, 90.0, math.nan], [0.1, math.nan, math.nan])
    (found,) = non_finite(at_once, outcome_of(at_once))
    assert "first backward pass" in found.cause
    assert "root" in found.extra["remedy"]
    (found,) = non_finite(later, outcome_of(later))
    assert not found.extra


def test_weights_that_nobody_holds() -> None:
    readings = heard([0.7, 0.5, 0.4], [0.1] * 3)
    readings.hidden = Hidden(["hids.0.weight"], "list", "hids", "nn.ModuleList", 0.4, as_drawn=True)
    found = next(not_training(readings, outcome_of(readings)))
    assert found.proven
    assert found.where == "hids.0.weight"
    assert found.extra["code_line"] == "self.hids = nn.ModuleList(self.hids)"
    # What has learned elsewhere may be left alone on purpose, where all went well.
    readings.hidden.as_drawn = False
    readings.first.loss = 0.8
    readings.last.train = Judged(100, 0.1, 0.1, 0.01, 0.01)
    assert not next(not_training(readings, outcome_of(readings))).hurts
    readings.hidden = Hidden(made_anew=2)
    assert next(not_training(readings, outcome_of(readings))).proven


def test_samples_may_hear_of_fewer_weights_than_there_are_at_the_end() -> None:
    readings = heard([0.7] * 4, [0.1] * 4)
    readings.steps.names.append("3.weight")
    readings.steps.sizes.append(100)
    readings.steps.matrices = list(readings.steps.names)
    assert not kinds(readings)
