"""Rules on how the fit came out: too little, too short, too much by heart, too much held back; modes, and waiting for data."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from leadline.diagnose.findings import Measure
from leadline.diagnose.readings import Readings
from leadline.diagnose.rules.outcomes import Outcome
from leadline.diagnose.rules.suspicions import Candidate, ramp

LONG_WAIT, SLOW_ROW = 5e-3, 1e-4  # seconds a step, and a row: what lies in memory is there sooner
WORKERS = "DataLoader(data, batch_size, num_workers=4, persistent_workers=True)"


def underfitting(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    best = outcome.best if outcome.best is not None else outcome.constant
    room = outcome.train_error - best
    strength = 0.5 * ramp(room, 0.02, 0.2) if outcome.gap < 3 * outcome.gap_se + 0.02 else 0.0
    yield Candidate(
        "underfitting",
        strength,
        "Not even the training rows are learned as well as a simple method knows new ones.",
        (Measure("training error", outcome.train_error, high=best),),
        (("wider", 2), ("activation", "relu"), ("optimizer", "adam")),
        severity="moderate",
    )


def stopped_too_early(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    slope, se = readings.last.slope or 0.0, readings.last.slope_se or math.inf
    if slope > 0:
        return  # what rises did not fall any more
    clear = slope < -3 * se
    strength = 0.8 * ramp(-slope, 0.1, 0.6) if clear else 0.0
    few = ramp(readings.program.steps, 150, 30)  # in so few steps no network of any depth is done
    strength = max(strength, 0.9 * few if clear or readings.last.slope is None else 0.5 * few)
    yield Candidate(
        "stopped_too_early",
        strength,
        "The loss was still falling when the training ended."
        if clear or slope < -0.1
        else "The training ended after so few steps that the network was not done.",
        (Measure("slope of the loss at the end", slope, low=-0.1), Measure("steps", readings.program.steps, low=100)),
        (("go_on", 1.0),),
        severity="moderate",
    )


def overfitting(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    valid = [(step, loss) for step, loss, _ in readings.steps.valid if math.isfinite(loss)]
    if not outcome.held_out or outcome.train_learned < 0.2:
        return
    rise = 0.0
    if len(valid) > 5:
        losses = np.array([loss for _, loss in valid])
        lowest, last = float(losses.min()), float(losses[-2:].mean())
        judged = readings.last.valid
        se = judged.loss_se if judged is not None else 0.0
        rise = (last - lowest) / max(lowest, 1e-12) if last - lowest > 2 * se else 0.0
    by_heart = outcome.gap / max(outcome.constant, 1e-9)
    significant = outcome.gap > 3 * outcome.gap_se
    strength = max(ramp(rise, 0.1, 0.6) * ramp(by_heart, 0.02, 0.15), 0.8 * ramp(by_heart, 0.15, 0.5)) if significant else 0.0
    if outcome.best is not None and 1 - outcome.best / max(outcome.constant, 1e-9) < 0.1:
        strength *= 0.5  # no other method does better on these rows
    yield Candidate(
        "overfitting",
        strength,
        "The network learns the training rows by heart: on held-out rows it grows worse while on those it grows better.",
        (
            Measure("held-out less training error", outcome.gap, high=3 * outcome.gap_se),
            Measure("rise of the held-out loss above its lowest, relative", rise, high=0.1),
        ),
        (("regularize", 0.3), ("no_decay", None)),
        severity="moderate",
    )


def over_regularized(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    dropout, decay = readings.graph.dropout, readings.program.weight_decay
    pull = decay * (1.0 if "W" in readings.program.optimizer else 10.0)
    strength = max(ramp(dropout, 0.5, 0.85), ramp(math.log10(max(pull, 1e-9)), -1.0, 0.5))
    if outcome.gap > 3 * outcome.gap_se + 0.05 * outcome.constant:
        strength *= 0.3  # it learns more by heart than it can use: held back it is not
    changes = [("no_dropout", None)] if dropout else []
    yield Candidate(
        "over_regularized",
        strength,
        "What is meant to keep the network from learning by heart keeps it from learning.",
        (Measure("largest share dropped", dropout, high=0.5), Measure("weight decay", decay, high=0.1)),
        (*changes, *([("no_decay", None)] if decay else [])),
        severity="moderate",
    )


def mode_mismatch(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    difference, evaluation = readings.last.mode_difference, readings.steps.evaluation_mode
    moded = readings.graph.normalizes or readings.graph.dropout > 0
    if not moded:
        return
    off = difference or 0.0
    # Dropout alone makes the two modes differ, in favour of evaluation; with batch norm the statistics may be at fault.
    strength = max(0.9 * float(evaluation > 0.9), ramp(off, 0.5, 0.9) * float(readings.graph.normalizes))
    cause = "In training and in evaluation mode the network answers differently: its running statistics do not fit."
    if evaluation > 0.9:
        samples = readings.steps.samples
        since = next((sample.step for sample in samples if not sample.training_mode), 0)
        when = f"From step {since:,} on the" if samples and since > samples[0].step else "The"
        cause = f"{when} network is trained in evaluation mode: dropout and batch statistics stand still."
    yield Candidate(
        "mode_mismatch",
        strength,
        cause,
        (
            Measure("loss in the two modes, relative difference", off, high=0.5),
            Measure("share of steps in evaluation mode", evaluation, high=0.0),
        ),
        (("training_mode", None), ("statistics", None), ("batch", 32)),
        proven=evaluation > 0.9,
        hurts=off > 0.5 or evaluation > 0.9,
    )


def bad_batches(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    """Batches of one row, of all rows, or of one class: they show as a rate too high or a training stopped too early."""
    program, mixed = readings.program, readings.steps.rows_a_batch_sorted
    if mixed is not None and mixed > 0.3:
        yield Candidate(
            "oscillation",
            ramp(mixed, 0.3, 0.8),
            "The rows come sorted: each batch holds few of the classes, and the network forgets the others.",
            (Measure("how unmixed the batches are", mixed, high=0.2),),
            (("shuffle", None),),
            extra={"code": "shuffle"},
        )
    if program.batch <= 2 and program.rows > 64:
        yield Candidate(
            "oscillation",
            0.4,
            "With so few rows a step, each step follows the noise of these rows.",
            (Measure("rows a batch", program.batch, low=8),),
            (("batch", 32),),
            extra={"code": "batch"},
        )
    elif program.rows > 256 and program.batch >= 0.9 * program.rows:
        yield Candidate(
            "stopped_too_early",
            0.4,
            "All rows make one step, so that an epoch is one step only: there were too few steps."
            if program.epochs is not None
            else "So many rows make one step that there were too few steps.",
            (Measure("steps", program.steps, low=100),),
            (("batch", 32), ("go_on", 1.0)),
            extra={"code": "batch"},
        )


def starved_device(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    waiting, seconds = readings.steps.waiting, readings.steps.waiting_seconds
    if waiting is None:
        return
    program = readings.program
    on_cpu = program.device == "cpu"
    if on_cpu and (seconds is None or seconds < LONG_WAIT or seconds < SLOW_ROW * program.batch):
        return  # of a small network the rows in memory take as long to be put together as they take to be learned
    a_row = (seconds or 0.0) / max(program.batch, 1)
    yield Candidate(
        "starved_device",
        ramp(waiting, 0.2, 0.5) if on_cpu else ramp(waiting, 0.3, 0.6),
        "Much of the time goes by between the steps: rows are loaded, or the loop does something else there."
        if on_cpu
        else "The device waits for its next batch for much of the time.",
        (Measure("share of the time spent waiting", waiting, high=0.3), Measure("seconds waited for a row", a_row)),
        severity="moderate",
        proven=waiting > (0.3 if on_cpu else 0.5),
        extra={"code_line": WORKERS} if on_cpu else {},
    )
