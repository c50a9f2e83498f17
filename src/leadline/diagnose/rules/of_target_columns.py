"""Rules on targets of several numbers or labels a row: some far smaller than others, and rare labels that are never said."""

from __future__ import annotations

import math
from collections.abc import Iterator

from leadline.diagnose.findings import Measure
from leadline.diagnose.readings import Readings
from leadline.diagnose.rules.outcomes import Outcome
from leadline.diagnose.rules.suspicions import Candidate, ramp

SMALL = 0.2  # of the largest spread, below which a target counts as small
RARE = 0.15  # of the rows, of which fewer have a rare label
ENOUGH = 20  # rows with a rare label, all of them together


def targets_of_unlike_size(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    """One loss over numbers of unlike size hardly sees the small ones."""
    columns = readings.targets
    told = [(spread, error) for spread, error in zip(columns.spreads, columns.errors, strict=False) if spread > 0]
    if len(told) < 2:
        return
    largest, of_largest = max(told)
    small = [error for spread, error in told if spread < SMALL * largest]
    if not small:
        return
    ratio, of_small = largest / min(told)[0], sum(small) / len(small)
    yield Candidate(
        "inputs_not_prepared",
        ramp(math.log10(ratio), 0.7, 1.3) * ramp(of_small - of_largest, 0.05, 0.3),
        "The targets are of very different size: the loss sees the largest, and the small ones are hardly learned.",
        (
            Measure("spread of the largest target over the smallest", ratio, high=10.0),
            Measure("error of the small targets, in shares of their variance", of_small),
            Measure("error of the largest", of_largest),
        ),
        (("standardize_targets", None),),
        "targets",
        extra={
            "remedy": "Standardize each target with its own mean and deviation of the training rows, and turn answers back.",
            "code_line": "y = (y - y_train.mean(0)) / y_train.std(0)",
        },
    )


def labels_never_said(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    """Rare labels that the network tells from others, and yet does not say: their probability hardly ever passes one half."""
    columns = readings.targets
    rare = [at for at, share in enumerate(columns.shares) if 0 < share < RARE]
    there = sum(columns.there[at] for at in rare)
    if there < ENOUGH:
        return
    share = sum(columns.shares[at] for at in rare) / len(rare)
    recall = sum(columns.found[at] for at in rare) / there
    apart = sum(columns.apart[at] * columns.there[at] for at in rare) / there
    strength = ramp(math.log10((1 - share) / share), 0.7, 1.0) * ramp(recall, 0.5, 0.2) * ramp(apart, 0.65, 0.8)
    yield Candidate(
        "imbalance",
        strength,
        "Rare labels are hardly ever said, though the network tells rows that have them from others: being right on the many "
        "rows without them already makes the loss small.",
        (
            Measure("share of the rows that have a rare label", share, low=0.1),
            Measure("share of them for which it is said", recall, low=0.3),
            Measure("how often a row with the label gets the larger output than one without", apart),
        ),
        proven=strength > 0.8,
        extra={
            "remedy": "Weigh the rows that have a rare label, or say it from a lower probability on; judge by its recall.",
            "code_line": "criterion = nn.BCEWithLogitsLoss(pos_weight=(1 - y_train.mean(0)) / y_train.mean(0))",
        },
    )
