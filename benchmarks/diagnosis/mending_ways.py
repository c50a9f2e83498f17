"""Which changes of a copy a verdict asks for, the most promising first: what a mending goes through."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from leadline.diagnose.findings import Verdict
from leadline.diagnose.readings import Branch, Readings
from leadline.diagnose.remedies import apply_changes
from leadline.diagnose.rules.judging import WORTH, candidates_of, settles
from leadline.diagnose.rules.of_trials import confirms, gained
from leadline.diagnose.rules.outcomes import outcome_of
from leadline.diagnose.rules.ranking import LAST_RESORTS
from leadline.diagnose.rules.suspicions import Candidate, Change, beside_another
from leadline.diagnose.trials.changes import TOGETHER
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

    After what is confirmed comes what gained beside another change. Of each kind those come that gained in a trial, the one
    that gained most first, or, where none did, those that no trial decided. All kinds have their first change before any has
    its second: a copy may refuse one ("gradients are zeroed already"), or it may not help.

    Args:
        verdict: on the training; a healthy one asks for nothing.
        readings: with the trials.

    Example:
        >>> from leadline.diagnose.findings import Finding
        >>> verdict = Verdict((Finding("stopped_too_early", "severe", 0.8, (), "It was still learning.", confirmed=True),))
        >>> [way.text for way in ways_to_mend(verdict, Readings())]
        ['longer(2)']
    """
    if verdict.healthy:
        return []
    candidates = sorted(candidates_of(readings, outcome_of(readings)), key=lambda each: -each.strength)
    sure = [[*_of_kind(each.kind, candidates, readings, confirmed=True)] for each in verdict if each.confirmed]
    others = [each.kind for each in verdict if not each.confirmed]
    suspects = sorted((each.kind for each in candidates if each.strength >= WORTH), key=lambda kind: kind in LAST_RESORTS)
    others += [kind for kind in dict.fromkeys(suspects) if kind not in {each.kind for each in verdict}]
    open_ = [[*_of_kind(kind, candidates, readings, confirmed=False)] for kind in others]
    firsts = [ways[0] for ways in sure if ways]
    order = [*firsts, *_beside(readings, candidates, firsts)]
    order += [way for row in itertools.zip_longest(*sure, *open_) for way in row if way is not None]
    first: dict[Change, Way] = {}
    for way in order:
        first.setdefault((way.change, way.argument), way)
    return list(first.values())


def _of_kind(kind: str, candidates: Sequence[Candidate], readings: Readings, *, confirmed: bool) -> Iterator[Way]:
    outcome, own = outcome_of(readings), [each for each in candidates if each.kind == kind]
    asked = list(dict.fromkeys(change for each in own for change in each.changes))
    advised = apply_changes(kind, readings, own[0].extra if own else {})
    wanted = asked or advised
    tried = {change: best for change in [*asked, *advised] if (best := _best_trial(change, readings)) is not None}
    proven = [change for change, branch in tried.items() if confirms(branch, outcome)]
    order = sorted(proven, key=lambda change: -gained(tried[change], outcome))
    if confirmed and not order and not any(each.proven for each in own) and _gained_beside(wanted, readings):
        return  # `_beside` has it
    confirmed = confirmed and bool(asked or not own)  # else what is wrong is certain, and what mends it is not
    # What gained nothing alone is left out, unless it is certain all the same: then something else hides what it mends.
    in_vain = {change for change, branch in tried.items() if not confirmed and settles(branch, readings)}
    for change, argument in order or [each for each in wanted if each not in in_vain]:
        name = _FROM_THE_START.get(change, change)
        value = argument if name == change else 1 + float(argument or 1) if name == "longer" else None
        yield Way(kind, name, value, confirmed, confirmed and not order)


def _gained_beside(wanted: Collection[Change], readings: Readings) -> bool:
    changes = {*wanted, *map(beside_another, wanted)}
    return any((each.change, each.argument) in changes and is_sure(each.gain, each.gain_se) for each in readings.further)


def _beside(readings: Readings, candidates: Sequence[Candidate], firsts: Sequence[Way]) -> Iterator[Way]:
    """What gained beside a change: by itself where that is made already, else both as one."""
    sure = [each for each in readings.further if is_sure(each.gain, each.gain_se)]
    for branch in sorted(sure, key=lambda each: -each.gain):
        change = branch.change, branch.argument
        named = (each.kind for each in candidates if change in map(beside_another, each.changes))
        kind = next(named, "") or _usual_kind(change)
        if readings.beside_change in [way.text for way in firsts]:
            yield Way(kind, *change, confirmed=True)
        else:
            yield Way(kind, TOGETHER.join((readings.beside_change, written(*change))), confirmed=True)


def _usual_kind(change: Change) -> str:
    """Of a rate that nothing pointed to."""
    return "rate_too_low" if float(change[1] or 1) > 1 else "rate_too_high"


def _best_trial(change: Change, readings: Readings) -> Branch | None:
    """The trial of this change alone that gained most."""
    trials = [each for each in readings.branches if (each.change, each.argument) == change]
    return max(trials, key=lambda each: each.gain, default=None)
