"""Rules on sizes of layers: too few units for what has to pass, kernels that see one pixel only."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from leadline.diagnose.findings import Measure
from leadline.diagnose.readings import LayerFacts, Readings
from leadline.diagnose.rules.outcomes import Outcome
from leadline.diagnose.rules.suspicions import ONLY_TRIED, Candidate, ramp

TAKEN_BACK = 0.79  # strength of what a trial in vain refutes
WIDE, NARROW = 8.0, 3.0  # units of a hidden layer: beyond suspicion, and too few for most things


def narrow_layer(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    """A hidden layer through which hardly anything passes: whatever comes after it, the rest is lost."""
    narrow = narrowest(readings)
    if narrow is None or readings.program.task == "other":  # a code is meant to be narrow
        return
    units = "one unit" if narrow.units == 1 else f"{narrow.units} units"
    cause = f"All that the network knows of a row has to pass through {units}: what does not fit there is lost."
    enough = narrow.units >= readings.program.layers[-1].units  # for what a linear model needs
    most = TAKEN_BACK if enough else 1.0
    if narrow.units >= _least_before(readings, narrow) or (enough and outcome.best_name == "linear"):
        most, cause = ONLY_TRIED, f"With {units} in a hidden layer the network can draw few bounds: more of them gain."
    yield Candidate(
        "underfitting",
        min(most, ramp(narrow.units, WIDE, NARROW)),
        cause,
        (Measure("units of the narrowest hidden layer", narrow.units, low=WIDE),),
        (("wider", 8),),
        narrow.name,
        weight=0.81,
    )


def narrowest(readings: Readings) -> LayerFacts | None:
    """The layer with the fewest units of those from which the next one gets all that it gets."""
    pairs = itertools.pairwise(readings.program.layers)
    return min((one for one, other in pairs if _feeds(one, other)), key=lambda layer: layer.units, default=None)


def _least_before(readings: Readings, narrow: LayerFacts) -> int:
    """The fewest numbers that come to any layer up to this one: as many units lose nothing that was there."""
    before = itertools.takewhile(lambda layer: layer is not narrow, readings.program.layers)
    return min(layer.fan_in for layer in (*before, narrow) if layer.fan_in)


def _feeds(one: LayerFacts, other: LayerFacts) -> bool:
    if not one.units or one.fan_in < 2:
        return False
    # What is convolved may be flattened, or seen through a kernel; the score of an attention goes nowhere else.
    return other.fan_in % one.units == 0 if "Conv" in one.kind else other.fan_in == one.units


def pixel_kernels(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    graph = readings.graph
    if graph.widest_kernel != 1 or graph.recurrent or readings.columns.kind not in ("pictures", "series"):
        return
    yield Candidate(
        "receptive_field",
        0.85,
        "All kernels are of one pixel: no convolution compares a pixel with its neighbours.",
        (Measure("widest kernel, in pixels", 1, low=3),),
        extra={"remedy": "Give the convolutions kernels of 3.", "code_line": "nn.Conv2d(channels, channels, 3, padding=1)"},
    )
