"""Layers too narrow, kernels of one pixel, and networks that were given what another one has learned: on made readings."""

from __future__ import annotations

import pytest

from leadline.diagnose.readings import LayerFacts, Readings, Sample
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
