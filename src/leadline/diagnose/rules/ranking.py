"""In which order findings are told, and which of them say nothing beside a better explanation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from leadline.diagnose.readings import Branch
from leadline.diagnose.rules.of_trials import gained
from leadline.diagnose.rules.outcomes import Outcome
from leadline.diagnose.rules.suspicions import Candidate
from leadline.diagnose.trials.gains import SURE

LAST_RESORTS = ("underfitting", "one_batch")
"""Say that it did not learn, which the outcome says already: they are told where nothing says why."""

UNSURE = 0.9  # of the score, for what was neither confirmed nor seen directly beside what was
WAITING = "starved_device"
OF_ROWS = ("label_noise", "imbalance", "split_mismatch")

# What a proven fault brings about: told beside it only where a trial shows that it is a fault of its own.
FOLLOWS: dict[str, tuple[str, ...]] = {
    "not_training": ("rate_too_high", "rate_too_low", "stopped_too_early", "dead_units", "vanishing_gradient"),
    "non_finite": ("dead_units", "saturation", "stopped_too_early"),
    "split_mismatch": ("input_ignored",),  # simple methods fail on such rows as well
    "over_regularized": ("dead_units", "vanishing_gradient", "rate_too_low", "rate_too_high"),  # of weights that decayed
    "memory_too_short": ("rate_too_high", "rate_too_low", "stopped_too_early", "vanishing_gradient"),
    "imbalance": ("input_ignored",),  # nor is any of them right more often than the commonest class
}


@dataclass(frozen=True)
class Weighed:
    """A suspicion with the trial that speaks most for it."""

    candidate: Candidate
    branch: Branch | None
    confirmed: bool
    score: float
    beside: str = ""  # the change that the copies and their twins had as well

    @property
    def sure(self) -> bool:
        """Whether a trial or a direct test speaks for it."""
        return self.confirmed or (self.candidate.proven and self.candidate.hurts)

    @property
    def resort(self) -> bool:
        """Whether it is a last resort, and not a cause that its kind names as well."""
        return self.candidate.kind in LAST_RESORTS and self.candidate.weight is None and not self.candidate.proven


def ranked(found: Sequence[Weighed], outcome: Outcome) -> list[Weighed]:
    """By score, what is sure before what is hardly likelier; what gained clearly less in its trial after what gained more.

    Both must have been tried from the same beginning; last resorts, whose changes help most networks, overtake nothing.
    """
    left, order = sorted(found, key=lambda each: -each.score * (1.0 if each.sure else UNSURE)), list[Weighed]()
    while left:
        first = next(each for each in left if not any(_gained_more(other, each, outcome) for other in left))
        left.remove(first)
        order.append(first)
    return order


def worth_telling(found: Sequence[Weighed], outcome: Outcome) -> list[Weighed]:
    """Without those that another finding explains."""
    return [each for each in found if not any(_explains(other, each, outcome) for other in found if other is not each)]


def _gained_more(one: Weighed, other: Weighed, outcome: Outcome) -> bool:
    """Whether the trial of one gained more than that of the other, where the two can be compared."""
    if one.branch is None or other.branch is None or not (one.confirmed and other.confirmed):
        return False
    if one.beside != other.beside or one.resort or bool(one.branch.errors) != bool(other.branch.errors):
        return False
    return _clearly_more(one.branch, other.branch, outcome)


def _explains(one: Weighed, other: Weighed, outcome: Outcome) -> bool:
    """Whether one finding makes the other superfluous."""
    if one.candidate.proven and other.candidate.kind in FOLLOWS.get(one.candidate.kind, ()):
        alone = other.candidate.proven and other.candidate.strength >= 1  # it was seen by itself
        return not other.confirmed and not alone
    if not other.resort or one.resort or one.candidate.kind == WAITING:
        return False
    if not one.sure or not other.confirmed:
        return one.sure
    unlike = one.candidate.kind in OF_ROWS and not one.confirmed  # wrong in the rows, beside what is wrong in the network
    return not unlike and not _helps_more(other, one, outcome)


def _helps_more(resort: Weighed, cause: Weighed, outcome: Outcome) -> bool:
    """Whether the change of a last resort gained clearly more than that of what should explain it."""
    if resort.branch is None or cause.branch is None or not cause.confirmed:
        return False
    return _clearly_more(resort.branch, cause.branch, outcome)


def _clearly_more(one: Branch, other: Branch, outcome: Outcome) -> bool:
    """Beyond two standard errors of the difference."""
    more = gained(one, outcome) - gained(other, outcome)
    return more > SURE * math.hypot(one.gain_se, other.gain_se)
