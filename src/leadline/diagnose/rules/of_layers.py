"""Rules on what goes on between layers: vanishing gradients, dead and saturated units, first weights, no activations."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from leadline.diagnose.findings import Measure
from leadline.diagnose.readings import LayerFacts, Readings
from leadline.diagnose.rules.of_rates import weight_growth
from leadline.diagnose.rules.outcomes import Outcome, behind
from leadline.diagnose.rules.suspicions import Candidate, ramp

VANISHED = 1e-3  # first over last gradient per √parameter
DEAD, SATURATED = 0.4, 0.5
GROWN = 5.0
FEW_WEIGHTS = 24
FLAT = 2  # dimensions of outputs that are one answer a row
SILENT, BEHIND_IT = (
    0.9,
    0.6,
)  # share of dead units that stop the gradient, and what is left of a suspicion then


def vanishing_gradient(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    if readings.graph.depth < 3 and not readings.graph.recurrent:
        return
    ratios = [ratio for sample in readings.steps.samples if (ratio := _first_over_last(readings, sample.gradient)) is not None]
    if not readings.steps.samples and readings.first.first_over_last is not None:
        ratios = [readings.first.first_over_last]
    if not ratios:
        return
    ratio = float(np.median(ratios[: max(3, len(ratios) // 2)]))
    strength = ramp(math.log10(max(ratio, 1e-12)), -2.0, -3.3)
    if max(readings.last.dead.values(), default=0.0) > SILENT:
        strength *= BEHIND_IT
    yield Candidate(
        "vanishing_gradient",
        strength,
        "The gradient shrinks on its way back, so that the first layers hardly learn.",
        (Measure("first over last gradient per √parameter", ratio, low=VANISHED),),
        (("activation", "relu"), ("normalization", None), ("initialize", "auto")),
    )


def shared_units(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    """A softmax as the activation of a hidden layer."""
    names = readings.graph.softmaxed
    if not names:
        return
    yield Candidate(
        "vanishing_gradient",
        0.79,
        "A softmax stands between layers of weights: its units share a sum of 1, so that each of them says little, and the "
        "gradient shrinks at each softmax.",
        (Measure("layers that get the outputs of a softmax", len(names), high=0),),
        (("activation", "relu"),),
        ", ".join(names[:3]),
        weight=0.95,
        extra={"remedy": "Take a ReLU in its place; a softmax belongs at the end.", "code_line": "nn.ReLU()"},
    )


def dead_units(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    resting = readings.last.dead or (readings.first.dead if not readings.steps.samples else {})
    where, share = max(resting.items(), key=lambda item: item[1], default=("", 0.0))
    if not where:
        where, share = _typical(
            {name: [s.dead[name] for s in readings.steps.samples if name in s.dead] for name in _names(readings, "dead")}
        )
    strength = ramp(share, DEAD, 0.9)
    begun = max((max(sample.dead.values(), default=0.0) for sample in readings.steps.samples[:1]), default=share)
    if begun < share / 2 and weight_growth(readings) > GROWN:
        strength *= 0.7  # steps that are too long have killed them
    yield Candidate(
        "dead_units",
        strength,
        "Units of a rectifier gave 0 for every row: no gradient passes them, so they never learn again.",
        (Measure("share of dead units", share, high=DEAD),) if where else (),
        (("initialize", "auto"), ("activation", "leaky_relu"), ("rate", 0.1), ("standardize", None)),
        where,
    )


def saturation(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    resting = readings.last.saturated or (readings.first.saturated if not readings.steps.samples else {})
    where, share = max(resting.items(), key=lambda item: item[1], default=("", 0.0))
    if not where:
        where, share = _typical(
            {
                name: [s.saturated[name] for s in readings.steps.samples if name in s.saturated]
                for name in _names(readings, "saturated")
            }
        )
    yield Candidate(
        "saturation",
        ramp(share, SATURATED, 0.95),
        "Most outputs of this layer lie where its activation is flat, so that hardly any gradient passes.",
        (Measure("share of saturated outputs", share, high=SATURATED),) if where else (),
        (("standardize", None), ("initialize", "auto"), ("activation", "relu"), ("rate", 0.1)),
        where,
    )


def bad_initialization(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    yield from _wide_look_ups(readings)
    layers = [layer for layer in readings.program.layers if layer.expected_std > 0 and layer.trainable]
    if not layers:
        return
    worst = max(layers, key=lambda layer: abs(_off(layer)))
    off = _off(worst)
    alike = max(layers[:-1] or layers, key=lambda layer: layer.identical_units)
    first, expected = readings.first.loss, readings.first.expected_loss
    over = first / expected if first is not None and expected else 1.0
    measures = [Measure(f"spread of the first weights of {worst.name} over the usual", 10**off, 0.1, 4.0)]
    if alike.identical_units > 0.5:
        measures.append(Measure(f"share of units of {alike.name} that begin alike", alike.identical_units, high=0.0))
    if over > 1.5:
        measures.append(Measure("first loss over that of a network that knows nothing", over, high=1.5))
    strength = max(
        ramp(abs(off), 0.6, 1.0),
        float(alike.identical_units > 0.9),
        0.6 * ramp(math.log10(max(over, 1e-9)), 0.5, 1.5) * float(abs(off) > 0.3),
    )
    cause = "The first weights are far too large" if off > 0 else "The first weights are far too small"
    if alike.identical_units > 0.9:
        cause = "Units begin with the same weights and get the same gradients, so that they stay one unit"
    yield Candidate("bad_initialization", strength, cause + ".", measures, (("initialize", "auto"),), worst.name)


def _wide_look_ups(readings: Readings) -> Iterator[Candidate]:
    """Embeddings whose sums and products are first answers far wider than any target."""
    tables = [layer for layer in readings.program.layers if layer.kind == "Embedding" and layer.trainable]
    first = readings.first
    if not tables or first.answer_spread is None or first.loss is None or not first.expected_loss:
        return
    over = first.loss / first.expected_loss
    widest = max(tables, key=lambda layer: layer.weight_std)
    yield Candidate(
        "bad_initialization",
        0.9 * ramp(math.log10(max(first.answer_spread, 1e-9)), 0.2, 0.6) * ramp(math.log10(max(over, 1e-9)), 0.3, 0.7),
        "What is looked up begins so large that the first answers are far from any target: they have to be unlearned first.",
        (
            Measure("spread of the first answers over that of the targets", first.answer_spread, high=1.5),
            Measure("first loss over that of a network that knows nothing", over, high=1.5),
            Measure(f"spread of the first weights of {widest.name}", widest.weight_std, high=0.3),
        ),
        (("initialize", "small embeddings"),),
        widest.name,
        weight=0.95,
        extra={
            "remedy": "Begin with embeddings of a tenth of their usual size, or less.",
            "code_line": f"nn.init.normal_(model.{widest.name}.weight, std=0.1)",
        },
    )


def no_nonlinearity(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    chains = [chain for chain in readings.graph.linear_chains if len(chain) > 1]
    if not chains:
        return
    longest = max(chains, key=len)
    collapsed = not readings.graph.activations
    yield Candidate(
        "no_nonlinearity",
        0.9 if collapsed else 0.5,
        f"Nothing non-linear stands between {', '.join(longest)}: together they are no more than one linear layer.",
        (Measure("layers that collapse to one", len(longest), high=1),),
        (("nonlinearity", None),),
        longest[0],
        hurts=collapsed,
    )


def receptive_field(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    share = readings.graph.field_share
    if share is None or share >= 0.5 or len(readings.answers.output_shape) > FLAT:
        return  # of maps it is not known how far a place of the answer has to see
    yield Candidate(
        "receptive_field",
        ramp(share, 0.5, 0.2),
        "No unit before the pooling sees enough of the picture to recognize what is larger than its field.",
        (Measure("receptive field over picture size", share, low=0.5),),
        severity="moderate",
    )


def memory_too_short(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    yield from _out_of_reach(readings, outcome)
    horizon = readings.last.horizon
    if horizon is None or not readings.graph.recurrent:
        return
    length = float(readings.columns.length or 0)
    if not length:
        return
    yield Candidate(
        "memory_too_short",
        0.7 * ramp(horizon / max(length, 1.0), 0.5, 0.1),
        "Gradients reach back only part of each row: what happened earlier cannot be learned.",
        (Measure("steps back with 1 % of the gradient left", horizon, low=length),),
        severity="moderate",
    )


def _out_of_reach(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    """Steps from which no gradient arrives tell a simple method more than the others do, and more than the network knows."""
    reach = readings.reach
    if reach.within is None or reach.beyond is None or not outcome.bad:
        return
    more = behind(reach.within, reach.beyond, math.hypot(reach.within_se, reach.beyond_se), outcome.constant)
    missed = behind(outcome.error, reach.beyond, math.hypot(outcome.error_se, reach.beyond_se), outcome.constant)
    if not more or not missed:
        return
    # What is worse than those who know the other steps alone has another fault besides, or in place of it.
    alone = not behind(outcome.error, reach.within, math.hypot(outcome.error_se, reach.within_se), outcome.constant)
    steps = f"{reach.unreached} of the {reach.length} steps of a row"
    cause = f"Hardly any gradient comes from {steps}, and they tell most: the network cannot learn to keep what it reads there."
    extra = {}
    if reach.cut:
        cause = f"No gradient at all comes from {steps}, and they tell most: the way back in time is cut, as by `detach`."
        extra = {
            "remedy": "Detach a carried state between rows or batches at most, never between the steps of a row.",
            "code_line": "hidden = cell(x[:, t], hidden)  # not hidden.detach()",
        }
    masked = reach.cut and _attends(readings)
    if masked:
        cause = f"The answers do not depend at all on {steps}, and they tell most: the mask leaves out what should be read."
        extra = {
            "remedy": "Look at the mask: `key_padding_mask` is True where nothing is to be read.",
            "code_line": "encoder(x, src_key_padding_mask=tokens == padding)",
        }
    yield Candidate(
        "input_ignored" if masked else "memory_too_short",
        0.9 if alone else 0.6,
        cause,
        (
            Measure("steps from which less than 1 % of the largest gradient comes", reach.unreached, high=0),
            Measure("error of a simple method that knows these alone", reach.beyond, low=outcome.error),
        ),
        () if reach.cut else (("gated", None),),
        proven=alone,
        weight=0.93,
        extra=extra,
    )


def _attends(readings: Readings) -> bool:
    """Whether rows are read by attention, which may leave steps out by a mask."""
    layers = any(layer.kind == "MultiheadAttention" for layer in readings.program.layers)
    return layers or any("attention" in name or name == "softmax" for name in readings.graph.activations)


def _first_over_last(readings: Readings, gradient: list[float]) -> float | None:
    """The gradient of the first matrix over that of the last, each per √parameter."""
    each = [
        value / math.sqrt(size)
        for value, size, name in zip(gradient, readings.steps.sizes, readings.steps.names, strict=False)
        if not name.endswith("bias") and size > 1 and not math.isnan(value)
    ]
    return each[0] / each[-1] if len(each) > 1 and each[-1] > 0 else None


def _off(layer: LayerFacts) -> float:
    """Orders of magnitude between the spread of the weights and the usual one; 0 of so few that they may lie anywhere."""
    if 0 < layer.units * layer.fan_in < FEW_WEIGHTS:
        return 0.0
    return math.log10(max(layer.weight_std, 1e-9) / layer.expected_std)


def _names(readings: Readings, what: str) -> set[str]:
    return {name for sample in readings.steps.samples for name in getattr(sample, what)}


def _typical(shares: dict[str, list[float]]) -> tuple[str, float]:
    """The layer with the largest median of the second half of its samples."""
    found = {name: float(np.median(values[len(values) // 2 :])) for name, values in shares.items() if values}
    return max(found.items(), key=lambda item: item[1], default=("", 0.0))
