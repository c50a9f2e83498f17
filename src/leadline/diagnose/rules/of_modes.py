"""Rules on the modes of a network: training and evaluation."""

from __future__ import annotations

from collections.abc import Iterator

from leadline.diagnose.findings import Measure
from leadline.diagnose.readings import Readings
from leadline.diagnose.rules.outcomes import Outcome
from leadline.diagnose.rules.suspicions import Candidate

LEAST, SHARE = 0.01, 0.1  # of error, and of the error in evaluation mode, that judging in training mode must add to matter


def judged_in_training(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    """A network that never is in evaluation mode is better than its program says, and worse when it is used so."""
    steps, last = readings.steps, readings.last
    judged = last.valid or last.train
    if last.restless_error is None or judged is None or not steps.judged_in_training or steps.judged_in_evaluation:
        return
    worse = last.restless_error - judged.error
    matters = worse > max(3 * last.restless_error_se, LEAST, SHARE * judged.error)
    yield Candidate(
        "mode_mismatch",
        1.0 if matters else 0.4,
        "The network is judged in training mode: dropout and batch statistics act on the rows that it answers.",
        (
            Measure("error in training mode", last.restless_error, high=judged.error + 3 * last.restless_error_se),
            Measure("error in evaluation mode", judged.error),
        ),
        proven=matters,
        hurts=matters,
        extra={
            "remedy": "Put the network into evaluation mode before it answers, and back before it learns on.",
            "code_line": "model.eval()  # before judging; model.train() before the next epoch",
        },
    )
