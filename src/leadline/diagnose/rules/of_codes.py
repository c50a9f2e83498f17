"""Rules on codes that rows are rebuilt from."""

from __future__ import annotations

from collections.abc import Iterator

from leadline.diagnose.findings import Measure
from leadline.diagnose.readings import Readings
from leadline.diagnose.rules.outcomes import Outcome
from leadline.diagnose.rules.suspicions import Candidate

PASSED = 0.02  # of how far rows differ, that differs in what is rebuilt of them


def code_says_nothing(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    """What is rebuilt from a drawn code is the same for every row: its divergence is small, and nothing else is."""
    passed = readings.last.passed
    if passed is None or passed > PASSED or not outcome.nothing:
        return
    yield Candidate(
        "over_regularized",
        1.0,
        "The code says nothing of its row, so that the same is rebuilt for all: that the code should be like noise weighs more "
        "than that rows are rebuilt.",
        (Measure("spread of what is rebuilt over that of the rows", passed, low=PASSED),),
        proven=True,
        weight=0.93,
        extra={
            "remedy": "Sum the error over the numbers of a row where the divergence is a sum, or let that weigh less.",
            "code_line": "loss = (F.mse_loss(rebuilt, x, reduction='sum') + beta * divergence) / len(x)  # beta from 0 to 1",
        },
    )
