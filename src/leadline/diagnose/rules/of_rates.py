"""Rules on the size of steps: learning rates too high or too low, oscillation, gradients that explode, numbers not finite."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from leadline.diagnose.findings import Measure
from leadline.diagnose.readings import Readings, Sample
from leadline.diagnose.rules.outcomes import Outcome
from leadline.diagnose.rules.suspicions import Candidate, Change, ramp

NO_GRADIENT = 1e-9
CLIPPED = 0.9  # of the steps: a clip is meant for the few long gradients
LATE = 2  # steps, of those that were looked at
REACHED = 0.3  # of the highest rate of a schedule
USUAL = 4e-3
MOMENTUM = 0.97  # beyond, a step goes on for more than thirty others
JUMPED = 10.0  # times the first loss, from which on gradients may overflow
LOW, HIGH = 1e-4, 3e-2  # of ‖Δw‖/‖w‖ a step: below, a network stands still; above, it forgets itself


def non_finite(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    at = readings.steps.non_finite_step
    if at is None and outcome.finite:
        return
    when = f"at step {at:,}" if at is not None else "by the end"
    rates = update_ratios(readings)
    early = [ratio for ratio in rates if math.isfinite(ratio)]
    measures = [Measure("largest update ratio before", max(early), high=HIGH)] if early else []
    cause = f"The loss stopped being a number {when}: once a weight is not finite, nothing can be learned any more."
    changes = (("rate", 0.1), ("clip", 1.0), ("standardize", None), ("rate", 0.01))
    extra = {}
    if at == 0 and readings.steps.samples and all(map(math.isfinite, readings.steps.samples[0].weight)):
        cause = (
            "The very first loss was no number, though all weights were: something in network or loss runs out of range for "
            "these inputs, as an exponential of large numbers, a logarithm of 0 or a division by 0."
        )
    if (first := _broken_backwards(readings)) is not None:
        when = "of the first backward pass" if first.step == 0 else f"of step {first.step:,}"
        cause = (
            f"The gradient {when} was no number while loss and weights still were: an operation in network or loss has no "
            "slope at a value that it got, as a root of 0, a logarithm of 0 or a division by 0."
        )
        extra = {
            "remedy": "Add a small number to what is under a root, in a logarithm or below a fraction bar.",
            "code_line": "torch.autograd.set_detect_anomaly(True)  # names the operation; torch.sqrt(x + 1e-8)",
        }
    yield Candidate("non_finite", 1.0, cause, measures, changes, readings.steps.non_finite_where, proven=True, extra=extra)


def _broken_backwards(readings: Readings) -> Sample | None:
    """The first step whose loss was a number, no larger than usual, and whose gradient was none."""
    steps, graph = readings.steps, readings.graph
    absent = {*graph.unreached, *graph.outside, *graph.frozen}  # whose gradient is NaN because there is none
    heard = [at for at, name in enumerate(steps.names) if name not in absent]
    for sample in steps.samples:
        if not math.isfinite(sample.loss) or abs(sample.loss) > JUMPED * max(abs(steps.samples[0].loss), 1e-12):
            return None
        if sample.gradient and any(math.isnan(sample.gradient[at]) for at in heard):
            sound = all(math.isfinite(weight) for weight in sample.weight)
            return sample if sound else None
    return None


def rate_too_high(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    ratios, losses = update_ratios(readings), _losses(readings)
    if len(ratios) < 3:
        return
    ratio = float(np.median(ratios[len(ratios) // 4 :]))
    growth = weight_growth(readings)
    jump = float(losses.max() / max(losses[0], 1e-12)) if len(losses) > 3 else 1.0
    rests = float(losses[-len(losses) // 5 :].mean() / max(losses.min(), 1e-12)) if len(losses) > 9 else 1.0
    if len(losses) > 3 and losses.min() <= 0:  # a loss that may be below 0 has no size, but a way that it fell
        way = max(float(losses[0] - losses.min()), 1e-12)
        jump, rests = 1 + float(losses.max() - losses[0]) / way, 1.0
    strength = max(
        ramp(math.log10(max(ratio, 1e-12)), math.log10(0.01), math.log10(0.15)),
        0.8 * ramp(math.log10(max(growth, 1e-12)), 0.7, 1.7),
        0.7 * ramp(math.log10(max(jump, 1.0)), 0.3, 1.5),
        0.5 * ramp(rests, 1.3, 3.0),
    )
    if not outcome.finite:
        strength = max(strength, 0.6)
    measures = [Measure("update ratio |Δw|/|w|", ratio, LOW, 1e-2), Measure("growth of the weights", growth, high=5.0)]
    carried, slower = _much_momentum(readings)
    if carried:
        strength = max(strength, 0.7)
        measures.append(Measure("momentum", readings.program.momentum, high=MOMENTUM))
    yield Candidate(
        "rate_too_high",
        strength,
        carried or "Each step changes the weights so much that what was learned before is lost.",
        measures,
        (*_farther(ratio, ratio > HIGH), *slower, ("rate", 0.1), ("rate", 0.3)),
        weight=0.88 if carried else None,
    )


def _much_momentum(readings: Readings) -> tuple[str, tuple[Change, ...]]:
    """What so much momentum does, and the trial with the usual one: its steps add up to rate / (1 − momentum)."""
    momentum = readings.program.momentum
    if momentum < MOMENTUM or "Adam" in readings.program.optimizer:
        return "", ()
    times = (1 - 0.9) / max(1 - momentum, 1e-6)
    cause = f"With a momentum of {momentum:g} steps add up to {times:.3g} times as far as with the usual 0.9, and overshoot."
    return cause, (("momentum", 0.9),)


def rate_too_low(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    ratios = update_ratios(readings)
    if len(ratios) < 3:
        return
    if float(np.median([_norm(sample.gradient) for sample in readings.steps.samples])) < NO_GRADIENT:
        return  # a longer step of nothing is nothing
    ratio = float(np.median(ratios))
    moved = ratio * readings.program.steps
    slope, slope_se = readings.last.slope or 0.0, readings.last.slope_se or math.inf
    strength = max(
        ramp(math.log10(max(ratio, 1e-15)), -3.3, -4.7),
        0.8 * ramp(math.log10(max(moved, 1e-12)), 0.0, -1.3),
    )
    if slope < -2 * slope_se and outcome.train_learned < 0.9:
        strength = min(1.0, strength + 0.2)
    strength *= 1 - max(readings.last.dead.values(), default=0.0)  # what is dead does not move at any rate
    short = "The steps are so short that the training ended before the weights had gone far."
    few = "In the steps that it took the network did not get far enough: longer steps get farther."
    if (readings.steps.clipped or 0.0) > CLIPPED and (readings.steps.clipped_to or 1.0) < 0.1:
        strength *= 0.8  # it is the clip that makes them short
    yield Candidate(
        "rate_too_low",
        strength,
        short if ratio < LOW or moved < 1 else few,
        (
            *((Measure("update ratio |Δw|/|w|", ratio, LOW, 1e-2),) if ratio < LOW else ()),
            Measure("way of the weights, update ratio times steps", moved, low=1.0),
            Measure("slope of the loss at the end", slope, low=-0.3),
        ),
        (*_farther(ratio, ratio < LOW), ("rate", 10.0), ("rate", 3.0)),
    )


def clipped_short(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    """A clip that holds every gradient, so that it and not the rate says how long a step is."""
    share, left, ratios = readings.steps.clipped or 0.0, readings.steps.clipped_to, update_ratios(readings)
    if share < CLIPPED or left is None or not ratios:
        return
    ratio = float(np.median(ratios))
    shortened = [sample for sample in readings.steps.samples if 0 < (sample.clipped_to or 1.0) < 1]
    wider = float(f"{float(np.median([_norm(sample.gradient) / (sample.clipped_to or 1.0) for sample in shortened])):.1g}")
    yield Candidate(
        "rate_too_low",
        ramp(math.log10(max(left, 1e-12)), 0.0, -1.0) * ramp(math.log10(max(ratio, 1e-15)), -3.0, -4.2),
        f"The gradient is clipped at nearly every step, to {left:.2g} of its length: the steps are short, whatever the rate.",
        (
            Measure("share of steps whose gradient was clipped", share, high=CLIPPED),
            Measure("update ratio |Δw|/|w|", ratio, LOW, 1e-2),
        ),
        (("clip", wider), *_farther(ratio, ratio < LOW), ("rate", 10.0)),
        extra={
            "remedy": "Let the gradient be longer before it is clipped, or leave the clip away.",
            "code_line": f"nn.utils.clip_grad_norm_(model.parameters(), {wider:g})",
        },
    )


def rate_gone(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    """A schedule that takes the rate to nothing long before the end."""
    rates = [(sample.step, sample.rate) for sample in readings.steps.samples if sample.rate > 0]
    if len(rates) < 5:
        return
    highest = max(rate for _, rate in rates)
    # Of what was looked at: samples end before the training does where they would take too much of its time.
    until = max(step for step, rate in rates if rate > 0.01 * highest) / max(readings.steps.samples[-1].step, 1)
    yield Candidate(
        "rate_too_low",
        ramp(until, 0.6, 0.2),
        "The schedule takes the learning rate to nothing long before the training ends.",
        (Measure("share of the training with more than a hundredth of the highest rate", until, low=0.6),),
        (("constant_rate", None), ("cooled", None)),
    )


def rate_not_reached(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    """A schedule that was to rise to a rate and came to its end, or that of the training, far below."""
    planned, rates = readings.steps.planned_rate, [sample.rate for sample in readings.steps.samples]
    heard_until = readings.steps.samples[-1].step if rates else 0
    if not planned or len(rates) < 5 or 2 * heard_until < readings.program.steps:
        return
    reached = max(rates) / planned
    yield Candidate(
        "rate_too_low",
        1.0 if reached < REACHED else 0.0,
        f"The schedule was to reach a rate of {planned:.3g}, and came to {max(rates):.3g}: it has far more steps than it "
        "was moved on, as where it is moved on by the epoch and counts batches.",
        (Measure("highest rate over that of the schedule", reached, low=REACHED),),
        (("rate", float(f"{1 / max(reached, 1e-6):.1g}")),),
        proven=reached < REACHED,
        weight=0.9,
        extra={
            "remedy": "Move the schedule on after each batch, or give it as many steps as it gets.",
            "code_line": "OneCycleLR(optimizer, max_lr, total_steps=epochs * len(loader))  # scheduler.step() after each batch",
        },
    )


def oscillation(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    noise, losses = readings.steps.noise, _losses(readings)
    if noise is None or len(losses) < 20:
        return
    tail = losses[len(losses) // 2 :]
    swing = float(np.abs(np.diff(tail)).mean() / max(abs(tail.mean()), 1e-12))
    # Means of stretches of steps that still jump: noise of single steps would have averaged out.
    length = max(1.0, readings.program.steps / len(losses))
    expected = noise / math.sqrt(length) / max(abs(float(tail.mean())), 1e-12)
    turns = float(np.mean(np.diff(np.sign(np.diff(tail))) != 0)) if len(tail) > 3 else 0.0
    strength = 0.6 * ramp(swing, 0.2, 0.8) * ramp(swing / max(expected, 1e-9), 1.0, 3.0) * ramp(turns, 0.3, 0.5)
    yield Candidate(
        "oscillation",
        strength,
        "The loss swings to and fro rather than falling: the steps overshoot.",
        (Measure("swing of the loss between stretches", swing, high=0.2),),
        (*_much_momentum(readings)[1], ("rate", 0.3), ("rate", 0.1)),
        severity="moderate",
    )


def clipped_late(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    """A clip that comes when the step has been taken."""
    late = [sample.clipped_late for sample in readings.steps.samples]
    share = sum(late) / max(len(late), 1)
    if sum(late) < LATE:
        return
    yield Candidate(
        "exploding_gradient",
        1.0,
        "The gradient is clipped once the step has been taken: what moves the weights is not clipped at all.",
        (Measure("share of steps whose gradient was clipped after the update", share, high=0.0),),
        (("clip", 1.0),),
        proven=True,
        weight=0.93,
        extra={
            "remedy": "Clip between the backward pass and the step.",
            "code_line": "loss.backward(); nn.utils.clip_grad_norm_(model.parameters(), 1.0); optimizer.step()",
        },
    )


def exploding_gradient(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    # As the backward pass left them: what is clipped afterwards explodes all the same.
    norms = np.array([_norm(sample.gradient) / (sample.clipped_to or 1.0) for sample in readings.steps.samples])
    norms = norms[np.isfinite(norms)]
    if len(norms) < 5:
        return
    medians = np.array([np.median(norms[max(0, at - 10) : at + 1]) for at in range(len(norms))])
    spikes = float(np.mean(norms[3:] > 10 * np.maximum(medians[3:], 1e-12)))
    largest = float(norms.max() / max(np.median(norms), 1e-12))
    strength = max(0.7 * ramp(spikes, 0.02, 0.1), 0.6 * ramp(math.log10(max(largest, 1.0)), 1.3, 3.0))
    if not outcome.finite and readings.graph.recurrent:
        strength = max(strength, 0.7)
    yield Candidate(
        "exploding_gradient",
        strength,
        "Single gradients are many times longer than the usual one and throw the weights away from what they had learned.",
        (Measure("longest gradient over the median", largest, high=10.0),),
        (("clip", 1.0), ("rate", 0.1)),
    )


def _farther(ratio: float, outside: bool) -> tuple[Change, ...]:
    """The factor of the rate that makes steps of the usual length, a power of ten, where a tenth or ten times is not enough."""
    if not outside or ratio <= 0:
        return ()
    factor = 10.0 ** round(math.log10(USUAL / ratio))
    return (("rate", factor),) if not 0.1 <= factor <= 10 and 1e-6 < factor < 1e6 else ()


def update_ratios(readings: Readings) -> list[float]:
    """‖Δw‖/‖w‖ of the whole network at each sampled step, by the median over its matrices."""
    found = []
    big = [at for at, size in enumerate(readings.steps.sizes) if size > 1]
    for sample in readings.steps.samples:
        each = [
            (sample.update[at] or 0.0) / sample.weight[at]
            for at in big
            if at < len(sample.update) and sample.update[at] is not None and sample.weight[at] > 0 and _weighs(readings, at)
        ]
        if each:
            found.append(float(np.median(each)))
    return found


def weight_growth(readings: Readings) -> float:
    """How many times longer the weights were at the last sampled step than at the first, by the fastest growing matrix."""
    samples = [sample for sample in readings.steps.samples if sample.weight]
    if len(samples) < 2:
        return 1.0
    pairs = zip(samples[0].weight, samples[-1].weight, readings.steps.names, strict=False)
    ratios = [after / before for before, after, name in pairs if before > 0 and not name.endswith("bias")]
    return max(ratios, default=1.0)


def _weighs(readings: Readings, at: int) -> bool:
    """Whether a tensor is a matrix: biases begin at 0, so that their ratio says nothing."""
    return not readings.steps.names[at].endswith("bias") if at < len(readings.steps.names) else True


def _losses(readings: Readings) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    values = np.array([loss for _, loss in readings.steps.losses], dtype=np.float64)
    return values[np.isfinite(values)]


def _norm(parts: list[float]) -> float:
    return math.sqrt(sum(part * part for part in parts if not math.isnan(part)))
