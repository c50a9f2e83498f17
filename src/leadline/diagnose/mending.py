"""Mending: which changes of a Plan a verdict asks for, whether they helped, and the story of it."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from leadline.diagnose.findings import Finding, Verdict
from leadline.diagnose.kinds import KINDS
from leadline.diagnose.plan_changes import changes_of_plan
from leadline.diagnose.readings import Branch, Readings
from leadline.diagnose.remedies import remedy_for
from leadline.diagnose.rules.outcomes import Outcome, outcome_of
from leadline.diagnose.trials.changes import TOGETHER, parts_of, said
from leadline.diagnose.trials.gains import is_sure
from leadline.diagnose.trials.twins import written

if TYPE_CHECKING:
    from leadline.plan.record import Plan

ATTEMPTS = 2  # trainings anew with different changes of one plan, at most
ROUNDS = 3  # times that a network which has become better is looked at again, at most
# Found without a trial, and proven by none: a whole training with the change is the trial.
_BY_TRAINING = ("rerun", "continuation")
# Where nothing was learned and no trial found how far off the rate is, a whole training with the usual one can only gain.
_STEPS = ("rate_too_high", "rate_too_low", "non_finite")


@dataclass(frozen=True)
class Attempt:
    """A training anew that a diagnosis asks for: the changes to the Plan, and what they are made for."""

    changes: dict[str, Any]
    against: str

    @property
    def remedy(self) -> frozenset[str]:
        """What it changes, to whatever value: a remedy that did not help is not tried with another number."""
        return frozenset(self.changes)

    @property
    def reason(self) -> str:
        """For the Plan."""
        return f"mending: against {self.against}"


@dataclass(frozen=True)
class Compared:
    """The same held-out rows, answered before and after: how much less wrong, with its standard error."""

    before: float
    after: float
    gain: float
    gain_se: float
    rows: int

    @property
    def better(self) -> bool:
        return is_sure(self.gain, self.gain_se)


def attempts_for(verdict: Verdict, readings: Readings, plan: Plan, *, tried: Collection[frozenset[str]] = ()) -> list[Attempt]:
    """What to train anew with, the most promising first: the change that gained most on copies, then the next other remedy.

    Where another change gained beside one, both together come before. Where none gained, a finding is tried as it stands if a
    whole training is the way to confirm its kind, or if there was no time for its trial and the training came out badly; and
    where nothing was learned, with steps that are too long or too short, the usual optimizer and its rate.

    Args:
        verdict: on the training.
        readings: with the trials.
        plan: of the training.
        tried: remedies that are not tried again.

    Example:
        >>> from leadline.plan import Plan
        >>> finding = Finding("stopped_too_early", "severe", 0.8, (), "It was still learning.")
        >>> [attempt.changes for attempt in attempts_for(Verdict((finding,)), Readings(), Plan())]
        [{'training.epochs': 90, 'training.patience': 0}]
    """
    if verdict.healthy:
        return []
    against = kinds_named(verdict.findings)
    gained, beside = _by_gain(readings.branches), _by_gain(readings.further)
    texts = [*_with(readings.beside_change, beside), *(written(each.change, each.argument) for each in gained)]
    wanted = []
    for text in texts:
        changes: dict[str, Any] = {}
        for change, argument in parts_of(text):
            changes |= changes_of_plan(plan, change, argument, task=readings.program.task)
        wanted.append(Attempt(changes, against))
    steps = [finding for finding in verdict.findings if finding.kind in _STEPS]
    outcome = outcome_of(readings)
    if steps and not gained and (outcome.nothing or not outcome.finite):
        wanted.append(Attempt(changes_of_plan(plan, "optimizer", "adam", task=readings.program.task), kinds_named(steps)))
    wanted += [
        Attempt(dict(remedy_for(finding.kind, readings, plan).changes), kinds_named([finding]))
        for finding in verdict.findings
        if KINDS[finding.kind].confirmed_by in _BY_TRAINING
        or (not gained and (finding.confirmed or _untried(finding, outcome)))
    ]
    first: dict[frozenset[str], Attempt] = {}
    for attempt in wanted:
        if attempt.changes and attempt.remedy not in tried:
            first.setdefault(attempt.remedy, attempt)
    return list(first.values())[:ATTEMPTS]


def _untried(finding: Finding, outcome: Outcome) -> bool:
    """Whether a training that came out badly had no time for a trial of this: the training anew is the trial then."""
    return outcome.bad and not finding.tried and finding.kind not in _STEPS


def _by_gain(branches: Sequence[Branch]) -> list[Branch]:
    return sorted((each for each in branches if is_sure(each.gain, each.gain_se)), key=lambda each: -each.gain)


def _with(change: str, beside: Sequence[Branch]) -> list[str]:
    """A change together with the one that gained most beside it, if any did."""
    return [TOGETHER.join((change, written(each.change, each.argument))) for each in beside[:1]]


def kinds_named(findings: Sequence[Finding]) -> str:
    """Some findings by their kinds, for a line to read.

    Example:
        >>> kinds_named([Finding("one_batch", "severe", 0.5, (), ""), Finding("overfitting", "moderate", 0.5, (), "")])
        'cannot learn one batch, overfitting'
    """
    return ", ".join(finding.title[:1].lower() + finding.title[1:] for finding in findings)


def compare(before: Tensor, after: Tensor, *, weights: Tensor | None = None) -> Compared:
    """Errors of the same rows before and after, paired.

    g = Σ wᵢ (bᵢ − aᵢ) / N, and its standard error over the rows; where all rows agree, it is as if half a row differed.

    Shapes: before, after, weights [N].

    Example:
        >>> before, after = torch.tensor([1.0, 1.0, 1.0, 0.0] * 25), torch.tensor([0.0, 1.0, 0.0, 0.0] * 25)
        >>> compare(before, after).gain, compare(before, after).better, compare(before, before).better
        (0.5, True, False)
    """
    gains = (before - after).double()
    if weights is not None:
        gains = gains * weights / weights.double().mean()
    rows = len(gains)
    spread = float(gains.var()) / rows if rows > 1 else math.inf
    return Compared(
        float(before.double().mean()),
        float(after.double().mean()),
        float(gains.mean()),
        math.sqrt(max(spread, 0.25 / rows**2)),
        rows,
    )


def told_seen(verdict: Verdict, *, again: bool = False) -> list[dict[str, Any]]:
    """The beginning of the story: what was found; or, `again`, what was found of the network that took the old one's place."""
    if verdict.healthy:
        return [_record("seen", f"Nothing {'more ' if again else ''}was found that needs mending. {verdict.outcome}".strip())]
    return [_record("seen", f"{finding.title}: {finding.cause}") for finding in verdict.findings]


def told_trials(readings: Readings) -> list[dict[str, Any]]:
    """What was tried on copies, and whether it helped."""
    return [
        _record(
            "tried",
            f"A copy with {said(branch.change, branch.argument)}: gain {branch.gain:.3g} ± {branch.gain_se:.2g}.",
            is_sure(branch.gain, branch.gain_se),
        )
        for branch in readings.branches
    ]


def told_attempt(attempt: Attempt, compared: Compared | None, *, measure: str, failed: str = "") -> dict[str, Any]:
    """What came of a training anew."""
    how = ", ".join(f"{key} = {value}" for key, value in attempt.changes.items())
    if compared is None:
        return _record("trained", f"Trained anew with {how}: {failed}", False)
    numbers = f"{measure} {compared.before:.4g} before, {compared.after:.4g} after, on the same {compared.rows:,} held-out rows"
    if compared.better:
        return _record("trained", f"Trained anew with {how}: {numbers}. It takes the old network's place.", True)
    why = "worse" if compared.gain < 0 else "not surely better"
    return _record("trained", f"Trained anew with {how}: {numbers}, which is {why}. The network stays as it was.", False)


def told_nothing(verdict: Verdict) -> dict[str, Any]:
    """Why nothing was trained anew."""
    told = kinds_named(verdict.findings)
    return _record("left", f"Nothing more was changed: no change of the plan is known, or gained on copies, against {told}.")


def told_uncomparable() -> dict[str, Any]:
    """Why nothing was trained anew, where two networks cannot be held against each other."""
    return _record("left", "Nothing was trained anew: answers of this kind are not compared row by row.")


def _record(kind: str, text: str, helped: bool | None = None) -> dict[str, Any]:
    return {"kind": kind, "text": text, "helped": helped}


def row_weights(verdict: Verdict, targets: Tensor) -> Tensor | None:
    """Weights under which each class counts as much as any other, where rare classes were ignored; None otherwise."""
    if not any(finding.kind == "imbalance" for finding in verdict.findings) or targets.is_floating_point():
        return None
    counts = torch.bincount(targets)
    return (len(targets) / (counts.clamp(min=1) * (counts > 0).sum()))[targets]
