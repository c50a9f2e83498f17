"""What is worth trying beside the change that mends most: programs with one fault often have another, which the first hides."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Sequence

from leadline.diagnose.readings import Branch, Readings
from leadline.diagnose.rules.judging import WORTH, candidates_of
from leadline.diagnose.rules.of_trials import confirms, gained
from leadline.diagnose.rules.outcomes import Outcome, behind, outcome_of
from leadline.diagnose.rules.suspicions import Candidate, Change, beside_another

FIRST_SHARE = 0.75  # of the time, for trials of one change, where a second one may be wanted
SUSPECTS = 2  # kinds, from which two faults are likely enough to keep time for it
STRONG, CLEAR = 0.4, 0.9  # strength: to be counted among two, and to be the first of them without a trial that gained
MOST = 5  # changes
WHOLE = 0.9  # of the person's steps, from which more of them can be tried at all
USUAL: tuple[Change, ...] = (("rate", 0.1), ("rate", 10.0))  # what one fault hides of the rate shows when it is mended
_AFTERWARDS = ("go_on", "lower_rate_at_end")  # begin where the training ended


def may_be_two(readings: Readings) -> bool:
    """Whether time should be kept for a second change: it came out badly, and several kinds are suspected."""
    outcome = outcome_of(readings)
    kinds = {each.kind for each in candidates_of(readings, outcome) if each.strength >= STRONG and each.changes}
    return outcome.bad and len(kinds) >= SUSPECTS


def worth_trying_beside(readings: Readings) -> tuple[Change, list[Change]] | None:
    """A first change, and others that may gain beside it; None where the first leaves nothing to mend.

    Beside what is suspected the rate is tried either way. Where the first change mends it, whether it was too short as well is
    all that is left to ask, if that is suspected.

    The first is the one that gained most, or, where none did, what was proven without a trial or is seen most clearly: of two
    faults that each forbid to learn neither change gains alone.
    """
    outcome = outcome_of(readings)
    suspects = [each for each in candidates_of(readings, outcome) if each.strength >= WORTH]
    first = _first(readings, outcome, suspects)
    if first is None or not outcome.bad:
        return None
    change, branch = first
    mended = branch is not None and not _still_bad(branch, readings, outcome)
    steps = branch.steps if branch is not None else max((each.steps for each in readings.branches), default=0)
    whole = steps >= WHOLE * readings.program.steps
    others = [each for each in suspects if change not in each.changes and not (each.proven and not each.changes)]
    wanted = changes_beside([change[0]], others, whole=whole)
    if mended:  # only that it was too short still shows then
        wanted = [other for other in wanted if other[0] == "longer"]
    return (change, wanted) if wanted else None


def changes_beside(made: Collection[str], suspects: Sequence[Candidate], *, whole: bool) -> list[Change]:
    """What suspicions ask for beside changes of these names: the first of each, the likeliest before, then the others.

    Args:
        made: names of the changes that all copies have.
        suspects: the suspicions.
        whole: whether copies train as long as the person did, so that more steps can be tried.

    Example:
        >>> slow = Candidate("stopped_too_early", 0.8, "", changes=(("go_on", 1.0),))
        >>> changes_beside(["head"], [slow], whole=True)
        [('longer', 3.0), ('rate', 0.1), ('rate', 10.0)]
    """
    ordered = sorted(suspects, key=lambda each: -each.strength)
    rows = itertools.zip_longest(*(map(beside_another, each.changes) if whole else each.changes for each in ordered))
    asked = [change for row in rows for change in row if change is not None and change[0] not in (*made, *_AFTERWARDS)]
    wanted = list(dict.fromkeys(asked))[:MOST]
    return wanted + [change for change in USUAL if change[0] not in made and change not in wanted]


def _first(readings: Readings, outcome: Outcome, suspects: list[Candidate]) -> tuple[Change, Branch | None] | None:
    sure = [each for each in readings.branches if confirms(each, outcome) and each.change not in _AFTERWARDS]
    if sure:
        best = max(sure, key=lambda each: gained(each, outcome))
        return (best.change, best.argument), best
    proven = [each for each in suspects if each.proven and each.hurts and each.changes]
    clear = [each for each in suspects if each.strength >= CLEAR and each.changes and each.changes[0][0] not in _AFTERWARDS]
    chosen = proven[:1] or sorted(clear, key=lambda each: -each.strength)[:1]
    return (chosen[0].changes[0], None) if chosen else None


def _still_bad(branch: Branch, readings: Readings, outcome: Outcome) -> bool:
    """Whether the copies with the change are still worse than a simple method is."""
    if outcome.best is None or not branch.errors:
        return True
    mended = sum(branch.errors) / len(branch.errors)
    se = math.hypot(outcome.error_se, readings.beside.valid_se.get(outcome.best_name, 0.0))
    return behind(mended, outcome.best, se, outcome.constant) > 0
