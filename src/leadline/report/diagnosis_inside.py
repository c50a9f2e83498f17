"""The inside of a network while it trained: gradients, updates, silent and saturated units, scales, first weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from leadline.report.activation_figures import Spread, draw_spreads
from leadline.report.diagnosis_figures import NO_NUMBER, Cell, Dots, Shades, decades, draw_dots, draw_over_time, ratios, shares
from leadline.report.drawn_readings import DrawnReadings, Record, item
from leadline.report.figures import Panel
from leadline.report.wording import is_finite

_FLAT = {"relu": (0.0,), "sigmoid": (-6.0, 6.0), "tanh": (-3.0, 3.0)}
_LIMITS = {
    "relu": "Left of the line a rectifier gives nothing, and passes no gradient.",
    "sigmoid": "Beyond the lines a sigmoid is flat, and hardly any gradient passes.",
    "tanh": "Beyond the lines a tanh is flat, and hardly any gradient passes.",
}
_DEAD, _SATURATED = 0.4, 0.5  # shares above which a drawing takes the colour of an alarm


def _cell(value: Any, size: float = 1.0) -> Cell:
    """A value over what it is measured by; `NO_NUMBER` for what is no number, None for what was not measured."""
    if value is None:
        return None
    return value / size if is_finite(value) and is_finite(size) and size > 0 else NO_NUMBER


def _of_weights(
    drawn: DrawnReadings, cell: Callable[[Record, int], Cell], shades: Callable[[float], Shades], title: str, note: str
) -> Panel | None:
    samples, tensors = drawn.samples, drawn.tensors()
    if len(samples) < 2 or not tensors:
        return None
    rows = [[cell(sample, at) for sample in samples] for at, _ in tensors]
    known = [value for row in rows for value in row if value is not None and not math.isnan(value)]
    if not known:
        return None
    largest = max(known)
    label = f"{title}, of {len(tensors)} layers at {len(samples)} moments"
    svg = draw_over_time(
        [name for _, name in tensors],
        [sample["step"] for sample in samples],
        rows,
        shades(largest if largest > 0 else 1.0),
        label,
    )
    return Panel(title, svg, note)


def draw_gradients(drawn: DrawnReadings) -> Panel | None:
    sizes = drawn.part("steps").get("sizes") or []

    def cell(sample: Record, at: int) -> Cell:
        return _cell(item(sample.get("gradient"), at), math.sqrt(max(item(sizes, at) or 1, 1)))

    return _of_weights(
        drawn,
        cell,
        decades,
        "Gradient of each layer",
        "Norm per root of the number of weights; the input is above. Where rows pale upwards the gradient vanishes, where "
        "columns darken at once it explodes.",
    )


def draw_updates(drawn: DrawnReadings) -> Panel | None:
    def cell(sample: Record, at: int) -> Cell:
        return _cell(item(sample.get("update"), at), item(sample.get("weight"), at) or 1.0)

    return _of_weights(
        drawn,
        cell,
        lambda _: ratios(),
        "How far a step moves each layer",
        "The step's length over that of the weights. A thousandth is usual; orange is a hundredth and more, pale hardly moves.",
    )


def _of_layers(drawn: DrawnReadings, name: str, limit: float, title: str, note: str) -> Panel | None:
    """Shares of each layer over time; where there is one moment only, as dots."""
    samples, last = drawn.samples, drawn.part("last").get(name) or {}
    layers = list(dict.fromkeys([*(layer for sample in samples for layer in sample.get(name) or ()), *last]))
    if not layers:
        return None
    if len(samples) < 2:
        dots = [Dots(layer, {"share": last.get(layer)}) for layer in layers]
        return Panel(title, draw_dots(dots, f"{title} at the end", percent=True, mark=limit), note)
    rows = [[_cell((sample.get(name) or {}).get(layer)) for sample in samples] for layer in layers]
    steps = [sample["step"] for sample in samples]
    return Panel(title, draw_over_time(layers, steps, rows, shares(limit), f"{title}, of {len(layers)} layers"), note)


def draw_dead(drawn: DrawnReadings) -> Panel | None:
    note = "Of each layer's units, those that gave nothing for any row of a batch; orange from 40 % on."
    return _of_layers(drawn, "dead", _DEAD, "Units that are silent", note)


def draw_saturated(drawn: DrawnReadings) -> Panel | None:
    note = "Outputs where the activation is so flat that hardly any gradient passes; orange from 50 % on."
    return _of_layers(drawn, "saturated", _SATURATED, "Activations at their limits", note)


def draw_scales(drawn: DrawnReadings) -> Panel | None:
    samples = [sample for sample in drawn.samples if sample.get("scale")]
    if not samples:
        return None
    first, last = samples[0]["scale"], samples[-1]["scale"]
    dots = [Dots(drawn.named(layer), {"first step": first.get(layer), "last": last.get(layer)}) for layer in last]
    if not any(is_finite(value) and value > 0 for dot in dots for value in dot.values.values()):
        return None
    note = "Standard deviation of each layer's outputs, the input above. From layer to layer it should hardly shrink or grow."
    return Panel("How large its outputs are", draw_dots(dots, "Scale of each layer's outputs", logarithmic=True), note)


def draw_activations(drawn: DrawnReadings) -> Panel | None:
    spread = drawn.part("activations")
    edges, first, last = spread.get("edges") or [], spread.get("first") or {}, spread.get("last") or {}
    if len(edges) < 3 or not last:
        return None
    rows = [Spread(drawn.named(layer), counts, first.get(layer) or ()) for layer, counts in last.items()]
    kinds = set((spread.get("follows") or {}).values())
    limits = [edge for edge in (_FLAT.get(next(iter(kinds)), ()) if len(kinds) == 1 else ()) if abs(edge) < edges[-1]]
    note = "Filled: after the last step; outlined: before the first. The outer bins hold all that lies beyond. " + _LIMITS.get(
        next(iter(kinds)) if len(kinds) == 1 else "", ""
    )
    title = "What flows into the activations" if kinds else "What comes out of the layers"
    return Panel(title, draw_spreads(edges, rows, limits, f"{title}, of {len(rows)} layers"), note.strip())


def draw_initial(drawn: DrawnReadings) -> Panel | None:
    dots = []
    for layer in drawn.part("program").get("layers") or ():
        spread, expected = layer.get("weight_std"), layer.get("expected_std")
        if is_finite(spread) and is_finite(expected) and expected > 0 and spread > 0:
            dots.append(Dots(drawn.named(str(layer.get("name"))), {"ratio": spread / expected}))
    if not dots:
        return None
    note = "Spread of each layer's first weights over what its number of inputs asks for; 1 keeps the signal's size."
    svg = draw_dots(dots, "Spread of the first weights over that expected", logarithmic=True, mark=1.0)
    return Panel("How the weights began", svg, note)
