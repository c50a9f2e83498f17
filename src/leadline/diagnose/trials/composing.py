"""Several changes together: programs with one fault often have another."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence

from leadline.diagnose.readings import Branch, Readings
from leadline.diagnose.subject import Subject, undisturbed
from leadline.diagnose.trials.changes import TOGETHER, parts_of
from leadline.diagnose.trials.twins import Trials, written

_MOST_PARTS = 4


def compose(
    subject: Subject, tried: Sequence[Branch], *, seconds: float, readings: Readings | None = None, steps: int | None = None
) -> Branch | None:
    """The change that gained most, with others beside it where both together gain more by a standard error.

    Args:
        subject: what is copied.
        tried: branches with one change each, also such as gained nothing alone.
        seconds: for all.
        readings: what was measured.
        steps: of each copy; None is as many as those of `tried`.

    Returns:
        The best branch, its change written as "rate(0.1) & standardize"; None where nothing gains.

    Example:
        >>> from leadline.diagnose.trials.branching import branches
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Linear(6, 32), nn.Linear(32, 3))
        >>> subject = a_subject(model, rate=1e-4)
        >>> best = compose(subject, branches(subject, [("rate", 1000.0), ("nonlinearity", None)], seconds=5), seconds=5)
        >>> sorted(best.change.split(" & ")), best.gain > 0.3
        (['nonlinearity', 'rate(1000)'], True)
    """
    end = time.perf_counter() + seconds
    ranked = sorted(tried, key=lambda each: -each.gain)
    if not ranked:
        return None
    with undisturbed(subject):
        trials = Trials(subject, readings, steps=steps or ranked[0].steps)
        found = ranked[0]
        if found.gain <= 2 * found.gain_se:
            # Of two faults each may hide that the other is mended.
            pairs = [_together(trials, *pair, end) for pair in itertools.combinations(ranked[:_MOST_PARTS], 2)]
            found = max([found, *(pair for pair in pairs if pair is not None)], key=lambda each: each.gain)
        for other in ranked:
            if len(parts_of(found.change, found.argument)) == _MOST_PARTS:
                break
            together = _together(trials, found, other, end)
            if together is not None and together.gain > found.gain + together.gain_se:
                found = together
    return found if found.gain > 2 * found.gain_se else None


def _together(trials: Trials, first: Branch, second: Branch, end: float) -> Branch | None:
    """Both changes in one copy; None where they are of one kind, do not gain with the person's own weights, or time is over."""
    parts = [parts_of(each.change, each.argument) for each in (first, second)]
    if {name for name, _ in parts[0]} & {name for name, _ in parts[1]} or time.perf_counter() > end:
        return None
    both = TOGETHER.join(written(each.change, each.argument) for each in (first, second))
    tried = trials.run(both, deadline=end)
    return tried if tried is not None and len(tried.losses) > 1 else None
