"""Layers too narrow, kernels of one pixel, and networks that were given what another one has learned: on made readings."""

from __future__ import annotations

import pytest

from leadline.diagnose.readings import Branch, Judged, LayerFacts, Readings, Sample
from leadline.diagnose.rules.judging import judge_readings
from leadline.diagnose.rules.of_layers import receptive_field, shared_units, vanishing_gradient
from leadline.diagnose.rules.of_sizes import narrow_layer, narrowest, pixel_kernels
from leadline.diagnose.rules.of_transfer import forgotten_body, frozen_body
from leadline.diagnose.rules.outcomes import outcome_of
from leadline.diagnose.rules.suspicions import Candidate


def layers(*units: int) -> Readings:
    """Linear layers that give so many units each, on 20 inputs."""
    readings = Readings()
    readings.program.task, inputs = "classes", 20
    for place, count in enumerate(units):
        readings.program.layers.append(LayerFacts(str(place), "Linear", inputs * count, inputs, units=count))
        inputs = count
    readings.steps.names = [f"{place}.weight" for place in range(len(units))]
    readings.steps.sizes = [layer.parameters for layer in readings.program.layers]
    return readings


@pytest.mark.parametrize(
    ("units", "strength"), [((64, 1, 10), 1.0), ((64, 3, 10), 1.0), ((64, 6, 10), 0.4), ((64, 8, 10), 0.0)]
)
def test_a_layer_through_which_hardly_anything_passes_is_named(units: tuple[int, ...], strength: float) -> None:
    readings = layers(*units)
    found = next(iter(narrow_layer(readings, outcome_of(readings))))
    assert found.strength == pytest.approx(strength)
    assert found.where == "1"


@pytest.mark.parametrize(
    ("inputs", "units", "best", "strength"),
    [
        (20, (64, 2, 1), "trees", 0.79),  # a trial in vain takes it back
        (20, (64, 2, 1), "linear", 0.45),  # two units are enough for what a linear model knows
        (2, (2, 2), "trees", 0.45),  # no less than came in
        (4, (6, 1), "trees", 0.45),
    ],
)
def test_a_layer_that_loses_nothing_is_named_only_where_a_trial_says_so(
    inputs: int, units: tuple[int, ...], best: str, strength: float
) -> None:
    readings = layers(*units)
    readings.program.layers[0].fan_in = inputs
    readings.last.train, readings.last.valid = Judged(100, 1.0, 0.5, 0.1, 0.02), Judged(100, 1.0, 0.5, 0.1, 0.02)
    readings.beside.valid_error, readings.beside.valid_se = {"constant": 0.5, best: 0.0}, {best: 0.01}
    (found,) = narrow_layers(readings)
    assert found.strength <= strength
    assert ("has to pass" in found.cause) == (strength > 0.5)
    readings.branches = [Branch("wider", 8, 200, [1.0], [1.0], [0.5], [0.5], 0.0, 0.02)]
    readings.program.steps, readings.last.dead = 200, {"0": 0.95}
    assert "units" not in " ".join(each.cause for each in judge_readings(readings))


def test_the_last_layer_and_a_code_are_meant_to_be_narrow() -> None:
    assert narrowest(layers(64, 2)) is not None
    assert not narrow_layers(layers(2))
    code = layers(64, 2, 20)
    code.program.task = "other"
    assert not narrow_layers(code)
    assert [each.strength for each in narrow_layers(layers(64, 2))] == [0.0], "two classes"


def narrow_layers(readings: Readings) -> list[Candidate]:
    return list(narrow_layer(readings, outcome_of(readings)))


def test_kernels_of_one_pixel_see_no_neighbours() -> None:
    readings = Readings()
    readings.columns.kind, readings.graph.widest_kernel = "pictures", 1
    assert [each.kind for each in pixel_kernels(readings, outcome_of(readings))] == ["receptive_field"]
    readings.graph.widest_kernel = 3
    assert not list(pixel_kernels(readings, outcome_of(readings)))


def test_of_maps_it_is_not_known_how_far_a_place_has_to_see() -> None:
    readings = Readings()
    readings.graph.field_share, readings.answers.output_shape = 0.2, [8, 10]
    assert [each.strength for each in receptive_field(readings, outcome_of(readings))] == [1.0]
    readings.answers.output_shape = [8, 1, 12, 12]
    assert not list(receptive_field(readings, outcome_of(readings)))


def test_silent_units_are_why_no_gradient_comes() -> None:
    readings = layers(64, 64, 10)
    readings.graph.depth, readings.first.first_over_last = 3, 1e-6
    assert [each.strength for each in vanishing_gradient(readings, outcome_of(readings))] == [1.0]
    readings.last.dead = {"1": 1.0}
    assert [each.strength for each in vanishing_gradient(readings, outcome_of(readings))] == [0.6]


def test_a_softmax_between_layers_is_named_with_the_change_that_mends_it() -> None:
    readings = Readings()
    assert not list(shared_units(readings, outcome_of(readings)))
    readings.graph.softmaxed = ["2"]
    (found,) = shared_units(readings, outcome_of(readings))
    assert (found.kind, found.changes, found.where) == ("vanishing_gradient", (("activation", "relu"),), "2")


@pytest.mark.parametrize("as_drawn", [False, True])
def test_a_frozen_body_is_suspected(as_drawn: bool) -> None:
    readings = layers(64, 32, 10)
    assert not list(frozen_body(readings, outcome_of(readings)))
    for layer in readings.program.layers[:2]:
        layer.trainable, layer.as_drawn = False, as_drawn
    readings.graph.frozen = ["0.weight", "1.weight"]
    found = next(iter(frozen_body(readings, outcome_of(readings))))
    assert found.kind == "wrong_transfer"
    assert ("as torch draws them" in found.cause) is as_drawn
    readings.program.layers[0].trainable = True
    assert not list(frozen_body(readings, outcome_of(readings))), "layers in the middle are no body"


@pytest.mark.parametrize(("update", "strength"), [(0.001, 0.0), (0.3, 0.7)])
def test_long_steps_make_a_body_forget(update: float, strength: float) -> None:
    readings = layers(64, 32, 10)
    readings.graph.pretrained = True
    readings.steps.samples = [Sample(step, step, 1.0, [0.1] * 3, [5.0] * 3, [5 * update] * 3, 0.1) for step in range(9)]
    found = next(iter(forgotten_body(readings, outcome_of(readings))))
    assert found.strength == pytest.approx(strength)
    readings.graph.pretrained = False
    assert not list(forgotten_body(readings, outcome_of(readings)))
