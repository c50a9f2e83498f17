"""Rules on networks that were given what another one has learned: what is kept frozen, and what is trained on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from leadline.diagnose.findings import Measure
from leadline.diagnose.readings import Readings
from leadline.diagnose.rules.of_rates import update_ratios
from leadline.diagnose.rules.outcomes import Outcome
from leadline.diagnose.rules.suspicions import Candidate, ramp

KEPT = 0.2  # of the parameters, that are frozen where a body is kept and a head is trained
SHORT_STEPS, LONG_STEPS = 3e-3, 3e-2  # of the weights: what has learned already is lost by longer ones


def frozen_body(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    """First layers that are kept as they were: features that say too little of these rows, or that never learned anything."""
    layers, sizes = readings.program.layers, dict(zip(readings.steps.names, readings.steps.sizes, strict=False))
    share = sum(sizes.get(name, 0) for name in readings.graph.frozen) / max(sum(sizes.values()), 1)
    frozen = [layer for layer in layers if not layer.trainable]
    if not frozen or layers[0].trainable or not layers[-1].trainable or share < KEPT:
        return
    empty = all(layer.as_drawn for layer in frozen)
    yield Candidate(
        "wrong_transfer",
        0.75 if empty else 0.5,
        "The layers that are kept frozen hold weights as torch draws them: nothing that another network has learned is in them."
        if empty
        else "The layers that are kept frozen give features that do not say enough of these rows.",
        (Measure("share of the parameters that is kept", share),),
        (("everything_trains", None),),
        ", ".join(layer.name for layer in frozen[:3]),
        extra={
            "remedy": "Load the weights before the layers are frozen, or let all layers train.",
            "code_line": "body.load_state_dict(torch.load(path))  # before requires_grad_(False)",
        }
        if empty
        else {},
    )


def forgotten_body(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    """What was learned before is lost in long steps, while a new head on it would have done."""
    ratios = update_ratios(readings)
    if not readings.graph.pretrained or readings.graph.frozen or not ratios:
        return
    ratio = float(np.median(ratios[: max(3, len(ratios) // 3)]))
    yield Candidate(
        "wrong_transfer",
        0.7 * ramp(ratio, SHORT_STEPS, LONG_STEPS),
        "The steps are so long that the layers forget what they had learned before this training.",
        (Measure("update ratio |Δw|/|w| at the beginning", ratio, high=SHORT_STEPS),),
        (("head_only", None), ("rate", 0.1)),
        weight=0.79,
    )
