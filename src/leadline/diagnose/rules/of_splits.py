"""Rules on what differs between training and held-out rows besides their inputs: the numbers of classes, and how many rows."""

from __future__ import annotations

from collections.abc import Iterator

from leadline.diagnose.findings import Measure
from leadline.diagnose.readings import Readings
from leadline.diagnose.rules.outcomes import Outcome
from leadline.diagnose.rules.suspicions import Candidate

CLEAR, LEAST = 4.0, 0.1  # standard errors, and share of the held-out rows, that the exchange of numbers must put right
FEW, OFTEN, MORE = 0.5, 20, 3  # rows in shares of a batch; times that each came; held-out rows to one of them


def classes_renamed(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    """Answers for held-out rows are right once classes are exchanged, while those for training rows are right as they are."""
    found = readings.renamed
    if not exchanged(readings):
        return
    yield Candidate(
        "split_mismatch",
        1.0,
        f"The labels of held-out rows mean other classes than those of the training rows: with {found.moved} of them "
        f"exchanged {1 - found.error_renamed:.0%} of the answers are right, and not {1 - found.error:.0%}.",
        (
            Measure("held-out error", found.error),
            Measure("held-out error with the classes exchanged", found.error_renamed, low=found.error),
        ),
        where="held-out labels",
        proven=True,
        extra={
            "remedy": "Number the classes once for all splits, such as by their sorted names, and look at rows of each.",
            "code_line": "number = {name: at for at, name in enumerate(sorted(names))}",
        },
    )


def exchanged(readings: Readings) -> bool:
    """Whether an exchange of the classes' numbers makes answers right beyond chance."""
    found, train = readings.renamed, readings.last.train
    gain = found.error - found.error_renamed
    known = train is not None and train.error < 0.5 * found.error  # of training rows the numbers are as they should be
    return found.moved > 1 and known and gain > max(CLEAR * found.se, LEAST)


def few_rows(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    """A sampler or an index that gives the same few rows again and again, beside held-out rows of many kinds."""
    program, held = readings.program, readings.splits.held_distinct
    if not program.rows or program.rows > FEW * program.batch or held < MORE * program.rows:
        return
    times = program.steps * program.batch / program.rows
    if times < OFTEN:
        return
    yield Candidate(
        "overfitting",
        1.0,
        f"All training rows that came are {program.rows:,} different ones, {times:,.0f} times each, and a batch of "
        f"{program.batch:,} holds them several times: what else there is to learn from never came.",
        (
            Measure("different training rows", program.rows, low=program.batch),
            Measure("different held-out rows", held),
        ),
        where="training rows",
        proven=True,
        extra={
            "remedy": "Look at how rows are chosen: a sampler wants a weight for each row, and an index goes over all rows.",
            "code_line": "WeightedRandomSampler(class_weights[y], num_samples=len(y))",
        },
        weight=0.95,
    )
