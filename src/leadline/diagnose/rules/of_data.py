"""Rules on the data: inputs that are not prepared, targets that do not belong to them, rare classes, wrong labels, leaks."""

from __future__ import annotations

import math
from collections.abc import Iterator

from leadline.diagnose.findings import Measure
from leadline.diagnose.readings import Judged, Readings
from leadline.diagnose.rules.outcomes import Outcome
from leadline.diagnose.rules.suspicions import ONLY_TRIED, Candidate, ramp

MIXED = 0.01
AS_WELL = 0.1  # of the error of one answer for all: held-out rows are answered as well as training rows
NAMES = 8  # numbers a row, of things that are looked up
_UNRELATED = "No method finds that the inputs say anything about the targets: they may be paired wrongly, or shuffled apart."
FOREIGN = 0.8  # of what targets ask; of losses over pairs of rows much less is
SPREAD, OFFSET = (0.1, 5.0), 3.0  # of prepared inputs
FEW_CLASSES = 3  # of places: of letters and words the rare ones are rightly said to be seldom


def inputs_not_prepared(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    columns = readings.columns
    if columns.kind in ("tokens", "other") or not columns.features or columns.constant > 0.99:
        return
    if columns.non_finite:
        yield Candidate(
            "inputs_not_prepared",
            1.0,
            f"{columns.non_finite:,} input values are not finite numbers.",
            (Measure("input values that are not finite", columns.non_finite, high=0),),
            proven=not outcome.finite,  # networks that expect gaps learn in spite of them
            hurts=not outcome.finite,
        )
        return
    size = max(abs(columns.mean), columns.std)
    small = columns.std > SPREAD[0] and max(abs(columns.smallest), abs(columns.largest)) <= 1
    offset = ramp(math.log10(max(columns.offset, 1e-9)), math.log10(OFFSET), 1.2)
    strength = max(
        ramp(math.log10(max(columns.scale_ratio, 1.0)), 1.5, 2.5),
        min(offset, ONLY_TRIED) if small else offset,  # of what lies between 0 and 1 a mean is never far off
        ramp(math.log10(max(size, 1e-9)), 0.7, 1.7),
        ramp(math.log10(max(columns.std, 1e-12)), -1.3, -2.5),
    )
    measures = [
        Measure("spread of the inputs", columns.std, *SPREAD),
        Measure("largest |mean| of an input over its spread", columns.offset, high=OFFSET),
        Measure("scales of the inputs, largest over smallest", columns.scale_ratio, high=100.0),
    ]
    yield Candidate(
        "inputs_not_prepared",
        strength,
        "The inputs are far from mean 0 and spread 1, or of very different scales: one learning rate cannot suit all of them.",
        measures,
        (("standardize", None),),
        ", ".join(columns.worst[:3]),
    )


def input_ignored(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    dependence, last, drill = readings.last.input_dependence, readings.last, readings.drill
    best_learned = 1 - outcome.best / outcome.constant if outcome.best is not None and outcome.constant > 0 else None
    chance = 2 * readings.beside.valid_se.get(outcome.best_name, 0.0) / max(outcome.constant, 1e-9)
    if readings.columns.features and readings.columns.constant > 0.99:
        yield Candidate(
            "input_ignored",
            1.0,
            "The inputs are the same for all rows: there is nothing to learn from.",
            (Measure("share of inputs that never change", readings.columns.constant, high=0.5),),
            proven=True,
        )
        return
    learns_one_batch = drill.error is not None and drill.error < 0.1
    measures = []
    strength = 0.0
    if best_learned is not None and best_learned < 0.05 + chance and outcome.nothing:
        # Neither the network nor any simple method finds a relation, though one batch can be learned by heart.
        strength = 0.9 if learns_one_batch or outcome.train_learned > 0.3 else 0.6
        if readings.columns.kind == "tokens" and readings.columns.length <= NAMES:
            strength = 0.3  # what two names mean together no simple method finds, as in tables of who likes what
        measures.append(Measure("share of the error that the best simple method removes", best_learned, low=0.05))
    if outcome.nothing and dependence is not None and dependence < 1e-3:
        # Where a simple method does find a relation, it is the network that does not pass its inputs on, for another reason.
        strength = max(strength, 0.2 if best_learned is not None and best_learned >= 0.1 else 0.5)
        measures.append(Measure("spread of the outputs over the rows, relative", dependence, low=1e-3))
    if last.permuted_loss is not None and last.train is not None and last.train.loss is not None and outcome.nothing:
        measures.append(
            Measure("loss on permuted inputs over the loss", last.permuted_loss / max(last.train.loss, 1e-12), low=1.1)
        )
    yield Candidate(
        "input_ignored",
        strength if best_learned is not None else min(strength, ONLY_TRIED),  # no method was there to find anything
        _UNRELATED if best_learned is not None else "All rows get the same answer: nothing of the inputs reaches the outputs.",
        measures,
        proven=strength >= 0.9,
    )


def rows_mixed(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    mixing = readings.last.mixing
    if mixing is None or mixing < MIXED or readings.hidden.made_anew:
        return
    if readings.asked.places or readings.asked.among:
        return  # rows are to be compared
    yield Candidate(
        "input_ignored",
        1.0,
        "The answer for a row changes with the other rows of its batch: dimensions are taken for one another, as by `view` in "
        "place of `permute`, or by a recurrent layer without `batch_first`.",
        (Measure("how far an answer moves with its neighbours, over the spread of the answers", mixing, high=0.0),),
        proven=True,
        extra={
            "remedy": "Keep the rows of a batch apart: the first dimension is the row's all the way through.",
            "code_line": "nn.LSTM(features, hidden, batch_first=True)  # or x.permute(1, 0, 2)",
        },
    )


def targets_of_others(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    foreign = readings.graph.foreign or 0.0
    if foreign < FOREIGN or readings.graph.broadcast:
        return
    yield Candidate(
        "input_ignored",
        1.0,
        "The loss holds the answers for a row against the targets of other rows: outputs and targets are in unlike orders, as "
        "where (time, batch) and (batch, time) are both flattened.",
        (Measure("share of what targets ask that is asked of answers for other rows", foreign, high=0.0),),
        proven=True,
        hurts=outcome.bad or math.isnan(outcome.error),  # that targets are mixed may be meant
        extra={
            "remedy": "Bring outputs and targets into one order of dimensions before they are flattened.",
            "code_line": "loss = criterion(outputs.transpose(0, 1).reshape(-1, classes), targets.reshape(-1))",
        },
    )


def targets_not_prepared(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    answers = readings.answers
    if readings.program.task != "number" or not answers.std or answers.scale:
        return
    size = max(answers.std, abs(answers.mean))
    strength = max(ramp(math.log10(size), 1.0, 2.5), ramp(math.log10(answers.std), -1.3, -2.5))
    yield Candidate(
        "inputs_not_prepared",
        strength,
        "The targets are far from mean 0 and spread 1: the last layer must grow a long way before anything else is learned.",
        (Measure("spread of the targets", answers.std, 0.1, 10.0), Measure("mean of the targets", answers.mean, -10.0, 10.0)),
        (("standardize_targets", None),),
        "targets",
        extra={
            "remedy": "Standardize the targets with the mean and deviation of the training rows, and turn answers back.",
            "code_line": "y = (y - y_train.mean()) / y_train.std()",
        },
    )


def imbalance(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    judged = readings.last.valid or readings.last.train
    if judged is None or not judged.recalls:
        return
    places = readings.program.task == "other"  # of maps and sequences
    counts: list[float] = [count for count in (judged.shares if places else readings.answers.counts) if count]
    if (readings.program.task != "classes" and not places) or len(counts) < 2 or (places and len(counts) > FEW_CLASSES):
        return
    ratio = max(counts) / min(counts)
    recalls = _usual_recalls(readings, judged)
    worst, best = min(recalls, default=0.0), max(recalls, default=1.0)
    strength = ramp(math.log10(ratio), 0.5, 1.0) * ramp(worst / max(best, 1e-9), 0.5, 0.2)
    yield Candidate(
        "imbalance",
        strength,
        "The rare class is hardly ever answered: being right on the common ones alone already makes the loss small.",
        (
            Measure(f"{'places' if places else 'rows'} of the commonest class over the rarest", ratio, high=10.0),
            Measure("recall of the worst class over the best", worst / max(best, 1e-9), low=0.3),
        ),
        (("balanced", None),),
        proven=strength > 0.8,
    )


def _usual_recalls(readings: Readings, judged: Judged) -> list[float]:
    """Of each class with rows, over the second half of the training and at its end: few rows may be right by chance then."""
    half = readings.program.steps / 2
    course = [recalls for step, recalls in readings.steps.valid_recalls if step >= half and judged is readings.last.valid]
    every = [judged.recalls, *(each for each in course if len(each) == len(judged.recalls))]
    return [sum(each) / len(each) for each in zip(*every, strict=True) if not any(map(math.isnan, each))]


def label_noise(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    labels, answers = readings.labels, readings.answers
    excess = (labels.disagreement or 0.0) - (labels.expected_disagreement or 0.0)
    if readings.columns.constant > 0.99 or not readings.asked.answers:
        return
    # Two numbers that were measured of the same inputs contradict each other as little as two draws do.
    of_labels = readings.program.task in ("classes", "labels") or "nll_loss" in readings.graph.loss_operations
    contradictions = answers.contradictions if of_labels else 0.0
    strength = max(ramp(excess, 0.04, 0.15), ramp(contradictions, 0.05, 0.25))
    yield Candidate(
        "label_noise",
        strength,
        "Many rows carry another label than all that are like them.",
        (
            Measure("rows whose neighbours are sure of another label", labels.disagreement or 0.0, high=0.04),
            Measure("rows whose twin has another label", answers.contradictions, high=0.05),
        ),
        severity="moderate",
        proven=strength > 0.8,
    )


def split_mismatch(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    splits = readings.splits
    copies, apart, se = splits.copies or 0.0, splits.told_apart or 0.5, splits.told_apart_se or 0.0
    train, valid = readings.last.train, readings.last.valid
    better = 0.0
    if train is not None and valid is not None and not readings.graph.dropout:
        spread = math.hypot(train.error_se, valid.error_se)
        better = (train.error - valid.error) / spread if spread > 0 else 0.0
    classes = splits.class_distance or 0.0
    # Rows that are changed at random before they are learned are told from plain ones, and no fault where both are known.
    as_well = abs(outcome.gap) <= max(3 * outcome.gap_se, AS_WELL * outcome.constant)
    unlike = 0.5 if as_well and not outcome.bad else 1.0
    strength, cause = max(
        (ramp(copies, 0.05, 0.3), "Held-out rows are in the training rows too"),
        (unlike * ramp(apart - 2 * se, 0.6, 0.75), "The held-out rows are not like the training rows"),
        (0.6 * ramp(better, 3.0, 6.0), "The held-out rows are answered better than the training rows, so they are others"),
        (ramp(classes, 0.2, 0.5), "The held-out rows have the classes in other shares than the training rows"),
        key=lambda each: each[0],
    )
    measures = [
        Measure("share of held-out rows with a copy in training", copies, high=0.02),
        Measure("training told from held-out rows, AUC", apart, high=0.6),
    ]
    if classes > 0:
        measures.append(Measure("share of held-out rows of other classes than in training", classes, high=0.2))
    yield Candidate(
        "split_mismatch",
        strength,
        cause + ": the score does not say how good the network is on new ones.",
        measures,
        proven=strength > 0.7,
    )
