"""Which changes of a copy a verdict asks for, the most promising first: what a mending goes through."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from leadline.diagnose.findings import Verdict
from leadline.diagnose.readings import Branch, Readings
from leadline.diagnose.remedies import apply_changes
from leadline.diagnose.rules.judging import WORTH, candidates_of, settles
from leadline.diagnose.rules.outcomes import outcome_of
from leadline.diagnose.rules.suspicions import Candidate, Change
from leadline.diagnose.trials.gains import is_sure
from leadline.diagnose.trials.twins import written

# What begins where the training ended, as a training from the start has it.
_FROM_THE_START = {"go_on": "longer", "lower_rate_at_end": "cooled"}


@dataclass(frozen=True)
class Way:
    """One change, and the kind that it is made against.

    `confirmed` is that of its finding; `certain` says that it needs no trial: what was seen in the program itself stays mended
    even where that alone gains nothing, as something else may be wrong besides.

    Example:
        >>> Way("rate_too_high", "rate", 0.1).text
        'rate(0.1)'
    """

    kind: str
    change: str
    argument: float | str | None = None
    confirmed: bool = False
    certain: bool = False

    @property
    def text(self) -> str:
        return written(self.change, self.argument)


def ways_to_mend(verdict: Verdict, readings: Readings) -> list[Way]:
    """The changes that the findings ask for, what is confirmed first, and then those that other suspicions ask for.

    Of each kind the change that gained most in a trial comes first, then those that no trial decided. All kinds have their
    first change before any has its second: a copy may refuse one ("gradients are zeroed already"), or it may not help.

    Args:
        verdict: on the training; a healthy one asks for nothing.
        readings: with the trials.

    Example:
        >>> from leadline.diagnose.findings import Finding
        >>> verdict = Verdict((Finding("stopped_too_early", "severe", 0.8, (), "It was still learning.", confirmed=True),))
        >>> [way.text for way in ways_to_mend(verdict, Readings())]
        ['longer(3)']
    """
    if verdict.healthy:
        return []
    candidates = sorted(candidates_of(readings, outcome_of(readings)), key=lambda each: -each.strength)
    findings = sorted(verdict.findings, key=lambda each: not each.confirmed)
    columns = [[*_of_kind(each.kind, candidates, readings, confirmed=each.confirmed)] for each in findings]
    known = {each.kind for each in findings}
    others = dict.fromkeys(each.kind for each in candidates if each.strength >= WORTH and each.kind not in known)
    columns += [[*_of_kind(kind, candidates, readings, confirmed=False)] for kind in others]
    first: dict[Change, Way] = {}
    for row in itertools.zip_longest(*columns):
        for way in filter(None, row):
            first.setdefault((way.change, way.argument), way)
    return list(first.values())


def _of_kind(kind: str, candidates: Sequence[Candidate], readings: Readings, *, confirmed: bool) -> Iterator[Way]:
    own = [each for each in candidates if each.kind == kind]
    asked = list(dict.fromkeys(change for each in own for change in each.changes))
    wanted = asked or apply_changes(kind, readings, own[0].extra if own else {})
    tried = {change: best for change in wanted if (best := _best_trial(change, readings)) is not None}
    gained = {change: branch for change, branch in tried.items() if is_sure(branch.gain, branch.gain_se)}
    in_vain = {change for change, branch in tried.items() if change not in gained and settles(branch, readings)}
    order = [*sorted(gained, key=lambda change: -gained[change].gain)]
    order += [change for change in wanted if change not in gained and change not in in_vain]
    if confirmed and not gained:  # it is certain all the same
        order += [change for change in wanted if change in in_vain]
    for change, argument in order:
        name = _FROM_THE_START.get(change, change)
        value = argument if name == change else 1 + float(argument or 1) if name == "longer" else None
        yield Way(kind, name, value, confirmed, confirmed and not gained)


def _best_trial(change: Change, readings: Readings) -> Branch | None:
    """Of the trials of this change, alone and beside another, the one that gained most."""
    trials = [each for each in (*readings.branches, *readings.further) if (each.change, each.argument) == change]
    return max(trials, key=lambda each: each.gain, default=None)
