"""Rules on how the fit came out: too little, too short, too much by heart, too much held back; modes, and waiting for data."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np

from leadline.diagnose.findings import Measure
from leadline.diagnose.readings import Readings
from leadline.diagnose.rules.of_splits import exchanged
from leadline.diagnose.rules.outcomes import Outcome
from leadline.diagnose.rules.suspicions import Candidate, ramp

DOUBLED = 1.0  # of the lowest held-out loss of classes
STEADY = 0.2  # of the lowest held-out loss, by which it must rise for its course alone to prove something
JUDGED_WHILE = 512  # held-out rows, of which the loss is looked at while it trains: of more, the last look has others
FEW_FOR_NORM = 4  # rows of a batch, whose mean and spread are mostly chance
LONG_STEP = 0.03  # seconds of waiting a step on a CPU, for an alarm
LONG_WAIT, SLOW_ROW = 5e-3, 1e-4  # seconds a step, and a row: what lies in memory is there sooner
DONE = 300  # steps in which small networks learn most of what they will
EMPTIED = 0.1  # of the first size of the weights
ALONE = 0.8  # of the way from mixed batches to batches of one class
STALE = 0.015  # of error, that running statistics must add to matter
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
    if slope > 0 or steady_rise(readings)[0] > STEADY / 2:
        return  # what does not fall any more, or is worse for others the longer it falls, did not stop too early
    clear = slope < -3 * se
    strength = 0.8 * ramp(-slope, 0.1, 0.6) if clear else 0.0
    few = ramp(readings.program.steps, 150, 30)  # in so few steps no network of any depth is done
    strength = max(strength, 0.9 * few if clear or readings.last.slope is None else 0.5 * few)
    more = float(round(DONE / max(readings.program.steps, 1)))  # twice as many are still few then
    yield Candidate(
        "stopped_too_early",
        strength,
        "The loss was still falling when the training ended."
        if clear or slope < -0.1
        else "The training ended after so few steps that the network was not done.",
        (Measure("slope of the loss at the end", slope, low=-0.1), Measure("steps", readings.program.steps, low=100)),
        (("go_on", 1.0), *((("go_on", more),) if few and more > 1 and outcome.bad else ())),
        severity="moderate",
    )


def overfitting(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    valid = [(step, loss) for step, loss, _ in readings.steps.valid if math.isfinite(loss)]
    if not outcome.held_out or outcome.train_learned < 0.2 or exchanged(readings):
        return
    rise = 0.0
    judged = readings.last.valid
    if len(valid) > 5:
        losses = np.array([loss for _, loss in valid])
        lowest, last = float(losses.min()), float(losses[-2:].mean())
        se = judged.loss_se if judged is not None else 0.0
        rise = (last - lowest) / _size(lowest, readings) if last - lowest > 2 * se else 0.0
    steady, lowest_step = steady_rise(readings)
    by_heart = outcome.gap / max(outcome.constant, 1e-9)
    significant = outcome.gap > 3 * outcome.gap_se
    strength = max(ramp(rise, 0.1, 0.6) * ramp(by_heart, 0.02, 0.15), 0.8 * ramp(by_heart, 0.15, 0.5)) if significant else 0.0
    if outcome.best is not None and 1 - outcome.best / max(outcome.constant, 1e-9) < 0.1:
        strength *= 0.5  # no other method does better on these rows
    # Of classes the loss may rise while no answer changes; of numbers the loss is the error, and its course needs no trial.
    proven = readings.program.task == "number" and steady > STEADY and significant and by_heart > 0.15
    nothing, ended = readings.first.expected_loss, judged.loss if judged is not None else None
    if nothing is not None and ended is not None and readings.program.task == "classes":
        # Of little use as well where it has come to be surer of wrong answers than one that knows nothing.
        proven = steady > DOUBLED and ended > 1.5 * nothing and outcome.gap > 0.1
    yield Candidate(
        "overfitting",
        max(strength, 0.9 * proven),
        "The network learns the training rows by heart: on held-out rows it grows worse while on those it grows better."
        + (f" It was best about step {lowest_step:,} of {readings.program.steps:,}." if proven else ""),
        (
            Measure("held-out less training error", outcome.gap, high=3 * outcome.gap_se),
            Measure("rise of the held-out loss above its lowest, relative", max(rise, steady), high=0.1),
        ),
        (("regularize", 0.3), ("no_decay", None)),
        proven=proven,
        severity="moderate",
    )


def steady_rise(readings: Readings) -> tuple[float, int]:
    """How far the held-out loss has risen since its lowest, relative, where it did so steadily; and the step of the lowest."""
    course = [(step, loss) for step, loss, _ in readings.steps.valid if math.isfinite(loss)]
    judged = readings.last.valid
    same_rows = judged is not None and judged.rows <= JUDGED_WHILE
    if same_rows and judged is not None and judged.loss is not None and (not course or course[-1][0] < readings.program.steps):
        course.append((readings.program.steps, judged.loss))
    if not course:
        return 0.0, 0
    at = min(range(len(course)), key=lambda place: course[place][1])
    since = [loss for _, loss in course[at:]]
    third = max(1, len(since) // 3)
    parts = [sum(part) / len(part) for part in (since[:third], since[third:-third], since[-third:]) if part]
    rises = len(since) > 2 and all(one < other for one, other in itertools.pairwise(parts))
    return ((parts[-1] - since[0]) / _size(since[0], readings) if rises else 0.0), course[at][0]


def _size(lowest: float, readings: Readings) -> float:
    """To what a rise of the held-out loss is held: its lowest, or, where the least loss is not 0, how far it had fallen."""
    if lowest > 0 and not readings.answers.scale:
        return max(lowest, 1e-12)
    return max((readings.first.best_constant_loss or 0.0) - lowest, abs(lowest), 1e-12)


def over_regularized(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    dropout, decay = readings.graph.dropout, readings.program.weight_decay
    pull = decay * (1.0 if "W" in readings.program.optimizer else 10.0)
    pulled = ramp(math.log10(max(pull, 1e-9)), -1.0, 0.5)
    strength = max(ramp(dropout, 0.5, 0.85), pulled)
    if (answers := readings.graph.dropped_answers) > 0:
        yield Candidate(
            "over_regularized",
            0.9 * ramp(answers, 0.0, 0.2),
            "Dropout acts on the answers themselves, after the last weights: nothing can make up for what is dropped there.",
            (Measure("share of the answers dropped", answers, high=0.0),),
            (("no_dropout", None),),
            weight=0.93,
            extra={
                "remedy": "Take the dropout after the last layer away.",
                "code_line": "nn.Sequential(…, nn.Dropout(0.3), last_layer)  # before the last layer, not after it",
            },
        )
    if outcome.gap > 3 * outcome.gap_se + 0.05 * outcome.constant:
        strength *= 0.3  # it learns more by heart than it can use: held back it is not
    changes = [("no_dropout", None)] if dropout else []
    left = _left_of_weights(readings) if pulled else 1.0  # where no gradient arrives, a weak decay empties them as well
    emptied = left < EMPTIED and outcome.nothing
    cause = "What is meant to keep the network from learning by heart keeps it from learning."
    if emptied:
        cause = f"The weights have decayed to {left:.1g} of their first size, and with them all that the network could say."
    yield Candidate(
        "over_regularized",
        max(strength, 0.9 * emptied),
        cause,
        (
            Measure("largest share dropped", dropout, high=0.5),
            Measure("weight decay", decay, high=0.1),
            *((Measure("size of the weights at the end, over the first", left, low=EMPTIED),) if emptied else ()),
        ),
        (*([("no_decay", None)] if emptied else []), *changes, *([("no_decay", None)] if decay and not emptied else [])),
        severity="severe" if emptied else "moderate",
        proven=emptied,
    )


def _left_of_weights(readings: Readings) -> float:
    """How large the weights were at the last sampled step, over the first, by the median over the matrices."""
    samples = [sample for sample in readings.steps.samples if sample.weight]
    if len(samples) < 2:
        return 1.0
    pairs = zip(samples[0].weight, samples[-1].weight, readings.steps.names, strict=False)
    ratios = [after / before for before, after, name in pairs if before > 0 and not name.endswith("bias")]
    return float(np.median(ratios)) if ratios else 1.0


def mode_mismatch(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    difference, evaluation = readings.last.mode_difference, readings.steps.evaluation_mode
    moded = readings.graph.normalizes or readings.graph.dropout > 0
    if not moded:
        return
    off = difference or 0.0
    # Dropout alone makes the two modes differ, in favour of evaluation; with batch norm the statistics may be at fault.
    strength = max(0.9 * float(evaluation > 0.9), ramp(off, 0.5, 0.9) * float(readings.graph.normalizes))
    stale, least = readings.last.stale_error or 0.0, max(3 * readings.last.stale_error_se, STALE, 0.1 * outcome.train_error)
    strength = 1.0 if stale > least else strength
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
            Measure("error that running statistics add to that with statistics of batches", stale, high=least),
        ),
        (*((("training_mode", None),) if evaluation >= 0.5 else ()), ("statistics", None), ("batch", 32)),
        proven=evaluation > 0.9 or stale > least,
        hurts=off > 0.5 or evaluation > 0.9 or stale > least,
        extra={"change": "training_mode" if evaluation >= 0.5 else "statistics"},
    )


def dropped_always(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    share = readings.graph.dropout_in_evaluation
    if not share:
        return
    yield Candidate(
        "mode_mismatch",
        0.9,
        "Dropout is called as a function that does not ask for the mode: it drops in evaluation too, so that answers change "
        "from one time to the next.",
        (Measure("share dropped in evaluation mode", share, high=0.0),),
        severity="moderate",
        proven=True,
        extra={
            "remedy": "Tell it the mode, or use the layer `nn.Dropout`.",
            "code_line": f"x = F.dropout(x, {share:g}, training=self.training)",
        },
    )


def bad_batches(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    """Batches of one row, of all rows, or of one class: they show as a rate too high or a training stopped too early."""
    program, mixed = readings.program, readings.steps.rows_a_batch_sorted
    if mixed is not None and mixed > 0.3:
        alone = mixed > ALONE and outcome.bad and program.task == "classes"  # each batch undoes what others had taught
        yield Candidate(
            "oscillation",
            ramp(mixed, 0.3, 0.8),
            "The rows come sorted: each batch holds few of the classes, and the network forgets the others.",
            (Measure("how unmixed the batches are", mixed, high=0.2),),
            (("shuffle", None),),
            proven=alone,
            weight=0.95 if alone else None,
            extra={"code": "shuffle"},
        )
    if program.batch <= FEW_FOR_NORM and program.rows > 64 and readings.graph.batch_norm:
        yield Candidate(
            "mode_mismatch",
            0.6,
            f"Batch norm sees {program.batch} rows at a time: their mean and spread are not those that evaluation uses.",
            (Measure("rows a batch", program.batch, low=8),),
            (("batch", 32),),
            extra={
                "remedy": "Larger batches, or a norm that does not look at the batch.",
                "code_line": "nn.GroupNorm(8, channels)",
            },
        )
    elif program.batch <= 2 and program.rows > 64:
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
        hurts=not on_cpu or (waiting > 0.5 and (seconds or 0.0) > LONG_STEP),  # other work on the machine makes steps wait, too
        extra={"code_line": WORKERS} if on_cpu else {},
    )
