"""What a rule returns: a suspicion with its numbers, and the trials that would prove it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from leadline.diagnose.findings import Measure

Change = tuple[str, float | str | None]
ONLY_TRIED = 0.45  # strength of what is said where a trial confirms it, and never without


@dataclass(frozen=True)
class Candidate:
    """A suspicion. `strength` in [0, 1] is what the readings alone say; `proven` needs no trial: it was tested directly.

    `changes` are the trials, by name and argument, of which any that gains confirms it.

    Example:
        >>> Candidate("rate_too_high", 0.8, "The steps are too long.", changes=(("rate", 0.1),)).changes
        (('rate', 0.1),)
    """

    kind: str
    strength: float
    cause: str
    measures: Sequence[Measure] = ()
    changes: Sequence[Change] = ()
    where: str = ""
    proven: bool = False
    hurts: bool = True  # False: known, but by itself no reason for an alarm
    severity: str = "severe"
    extra: dict[str, str] = field(default_factory=dict)
    weight: float | None = None  # in place of that of its kind, where it is a cause and not what a cause leads to


def beside_another(change: Change) -> Change:
    """A change as it is tried beside another: what goes on from the end of a training is a longer one then.

    Example:
        >>> beside_another(("go_on", 1.0)), beside_another(("rate", 0.1))
        (('longer', 3.0), ('rate', 0.1))
    """
    name, argument = change
    return ("longer", max(3.0, 1 + float(argument or 1))) if name == "go_on" else change


def ramp(value: float, none: float, full: float) -> float:
    """0 at `none`, 1 at `full`, a straight line between; either may be the larger.

    Example:
        >>> ramp(0.5, 0, 1), ramp(3, 10, 1), ramp(9, 0, 1)
        (0.5, 0.7777777777777778, 1.0)
    """
    if full == none:
        return float(value >= full)
    return min(1.0, max(0.0, (value - none) / (full - none)))
