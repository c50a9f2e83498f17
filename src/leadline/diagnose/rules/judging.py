"""From readings to a verdict: what is suspected, what trials are worth their time, and what is said in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from leadline.diagnose.findings import Finding, Verdict
from leadline.diagnose.readings import Branch, Readings
from leadline.diagnose.remedies import remedy_for
from leadline.diagnose.rules import (
    of_data,
    of_fit,
    of_games,
    of_layers,
    of_leaks,
    of_losses,
    of_modes,
    of_rates,
    of_sizes,
    of_transfer,
)
from leadline.diagnose.rules.outcomes import Outcome, outcome_of, told_outcome
from leadline.diagnose.rules.suspicions import Candidate, Change
from leadline.diagnose.trials.changes import said
from leadline.diagnose.trials.gains import is_sure
from leadline.plan import Plan

RULES: tuple[Callable[[Readings, Outcome], Iterator[Candidate]], ...] = (
    of_rates.non_finite,
    of_losses.not_training,
    of_transfer.frozen_body,
    of_transfer.forgotten_body,
    of_losses.head_or_loss_wrong,
    of_fit.mode_mismatch,
    of_modes.judged_in_training,
    of_data.inputs_not_prepared,
    of_data.targets_not_prepared,
    of_data.rows_mixed,
    of_data.input_ignored,
    of_data.split_mismatch,
    of_leaks.column_gives_away,
    of_data.label_noise,
    of_data.imbalance,
    of_layers.no_nonlinearity,
    of_layers.bad_initialization,
    of_layers.vanishing_gradient,
    of_layers.dead_units,
    of_layers.saturation,
    of_rates.exploding_gradient,
    of_rates.rate_too_high,
    of_rates.rate_too_low,
    of_rates.clipped_short,
    of_rates.rate_gone,
    of_fit.bad_batches,
    of_rates.oscillation,
    of_fit.over_regularized,
    of_fit.overfitting,
    of_fit.stopped_too_early,
    of_losses.one_batch,
    of_layers.receptive_field,
    of_sizes.pixel_kernels,
    of_sizes.narrow_layer,
    of_layers.memory_too_short,
    of_fit.underfitting,
    of_fit.starved_device,
)

GAME_RULES: tuple[Callable[[Readings, Outcome], Iterator[Candidate]], ...] = (
    of_rates.non_finite,
    of_losses.not_training,
    of_games.rival_stands,
    of_games.generator_turned,
    of_games.adversarial_collapse,
)
"""Of a generator and its rival: what it draws has no right answer to which other rules could hold it."""

GOES_ON = 0.05, 0.2  # of error and, by every copy, of the loss: what going on must gain where few rows make the error unsure
GAIN = 0.02  # of error, that a change must gain to matter
SHARE = 0.15  # of the error that is left, that it must gain as well
SECOND = 0.9  # what was found beside something else comes after it
SUSPECTED, WORTH, ALONE = 0.3, 0.15, 0.5  # strength: for a finding when all is bad, for a trial, for a finding untested
_OPEN, LITTLE = ("rate_too_high", "rate_too_low", "stopped_too_early"), 0.0  # are tried always, so a gain alone is enough

LONG_ENOUGH = 0.5  # of the person's steps, for a trial without gain to speak against a suspicion

# Of several that gain, the one that comes first in a training's making is the cause: what is wrong with the data and the loss
# shows as rates and gradients that do not fit as well.
_ORDER = {
    "not_training": 1.0,
    "wrong_transfer": 0.98,
    "head_or_loss_wrong": 0.97,
    "mode_mismatch": 0.95,
    "inputs_not_prepared": 0.93,
    "input_ignored": 0.9,
    "split_mismatch": 0.85,
    "label_noise": 0.8,
    "imbalance": 0.85,
    "no_nonlinearity": 0.92,
    "bad_initialization": 0.9,
    "non_finite": 0.88,
    "vanishing_gradient": 0.82,
    "dead_units": 0.75,
    "saturation": 0.75,
    "exploding_gradient": 0.78,
    "rate_too_high": 0.8,
    "rate_too_low": 0.8,
    "oscillation": 0.65,
    "over_regularized": 0.82,
    "overfitting": 0.7,
    "stopped_too_early": 0.65,
    "one_batch": 0.35,
    "receptive_field": 0.5,
    "memory_too_short": 0.5,
    "underfitting": 0.45,
    "starved_device": 0.4,
    "adversarial_collapse": 0.95,
}


@dataclass(frozen=True)
class _Weighed:
    """A suspicion with the trial that speaks most for it."""

    candidate: Candidate
    branch: Branch | None
    confirmed: bool
    score: float
    beside: str = ""  # the change that the copies and their twins had as well


def candidates_of(readings: Readings, outcome: Outcome) -> list[Candidate]:
    """All suspicions, whatever their strength."""
    return [candidate for rule in (GAME_RULES if readings.game.watched else RULES) for candidate in rule(readings, outcome)]


def _order(candidate: Candidate) -> float:
    return _ORDER[candidate.kind] if candidate.weight is None else candidate.weight


def worth_trying(readings: Readings) -> list[Change]:
    """The trials that would decide, the likeliest first; without a suspicion only those that cost an open mind little."""
    outcome = outcome_of(readings)
    suspects = sorted(candidates_of(readings, outcome), key=lambda each: -each.strength * _order(each))
    wanted: list[Change] = []
    for candidate in suspects:
        if candidate.strength >= WORTH:
            wanted += [change for change in candidate.changes if change not in wanted]
    usual: list[Change] = [("rate", 0.1), ("rate", 10.0), ("go_on", 1.0)]
    return wanted + [change for change in usual if change not in wanted]


def judge_readings(readings: Readings, plan: Plan | None = None) -> Verdict:
    """The verdict that these readings and the trials allow; with a Plan, remedies are changes to it as well."""
    outcome = outcome_of(readings)
    weighed = [_weighed(each, readings, outcome) for each in candidates_of(readings, outcome)]
    weighed = _one_a_kind(sorted(weighed, key=lambda each: -each.score))
    found = [each for each in weighed if _is_finding(each, outcome, readings)]
    found = [each for each in found if not _contradicted(each, found)]
    if not found and outcome.bad:
        found = [_fallback(weighed, outcome)]
    remarks = [each for each in weighed if each not in found and (each.candidate.strength >= ALONE or each.confirmed)]
    return Verdict(
        tuple(_finding(each, readings, plan) for each in found),
        tuple(_finding(each, readings, plan, remark=True) for each in remarks),
        told_outcome(readings, outcome),
        tuple(_checked(readings)),
        tuple(readings.unchecked),
        sum(readings.seconds.values()) - readings.seconds.get("whole", 0.0),
    )


def _weighed(candidate: Candidate, readings: Readings, outcome: Outcome) -> _Weighed:
    tried = [branch for branch in readings.branches if (branch.change, branch.argument) in candidate.changes]
    best = max(tried, key=lambda branch: gained(branch, outcome), default=None)
    confirmed = best is not None and confirms(best, outcome)
    most = max((gained(branch, outcome) for branch in readings.branches), default=0.0)
    share = gained(best, outcome) / most if best is not None and most > 0 else 0.0
    strength = candidate.strength
    if candidate.proven:
        strength = max(strength, 0.9)
    if confirmed:
        trial = 0.5 + 0.5 * share
    elif best is not None:
        trial = 0.0 if not candidate.proven and _settles(best, readings) else 0.5
    else:
        trial = 0.5
    if not confirmed and (second := _confirmed_beside(candidate, readings)) is not None:
        return _Weighed(candidate, second, True, SECOND * _order(candidate) * (0.5 * strength + 0.5), readings.beside_change)
    score = _order(candidate) * (0.5 * strength + 0.5 * trial)
    return _Weighed(candidate, best, confirmed, score)


def _confirmed_beside(candidate: Candidate, readings: Readings) -> Branch | None:
    """The trial that gained most of those that were made beside a change that helps, if it gained enough."""
    wanted = {*candidate.changes, *([("longer", 3.0)] if ("go_on", 1.0) in candidate.changes else [])}
    tried = [each for each in readings.further if (each.change, each.argument) in wanted and candidate.strength >= WORTH]
    best = max(tried, key=lambda each: each.gain, default=None)
    if best is None:
        return None
    left = sum(best.twin_errors) / len(best.twin_errors) if best.twin_errors else 1.0
    return best if is_sure(best.gain, best.gain_se) and best.gain > max(GAIN, SHARE * left) else None


def gained(branch: Branch, outcome: Outcome) -> float:
    """How much less wrong the changed copies are than their twins, and than the person's own network in the end.

    A short training shows as well what is merely faster at first; what ends better than the whole training is better.
    """
    if not branch.errors:  # in shares of the twins' loss
        ended = sum(branch.losses) / len(branch.losses) if branch.losses else outcome.error
        return min(branch.gain, 1 - ended / outcome.error) if outcome.error > 0 and outcome.by_loss else branch.gain
    return min(branch.gain, outcome.error - sum(branch.errors) / len(branch.errors))


def confirms(branch: Branch, outcome: Outcome) -> bool:
    """Whether a change gained more than chance and enough to matter."""
    gain = gained(branch, outcome)
    enough = max(GAIN, SHARE * outcome.error) if branch.errors else SHARE
    if branch.change == "go_on" and branch.errors:
        before, after = sum(branch.twins) / len(branch.twins), sum(branch.losses) / len(branch.losses)
        if after >= before:
            return False  # more steps that raise the held-out loss are not what was missing
        if gain > GOES_ON[0] and max(branch.losses) < (1 - GOES_ON[1]) * min(branch.twins):
            return True  # of few rows the loss tells more than the share wrong
    return is_sure(gain, branch.gain_se) and gain > enough


_OPPOSITES = {"rate_too_high": "rate_too_low", "rate_too_low": "rate_too_high", "underfitting": "overfitting"}


def _contradicted(weighed: _Weighed, found: list[_Weighed]) -> bool:
    """Whether the opposite is said with more weight."""
    opposite = _OPPOSITES.get(weighed.candidate.kind)
    return any(each.candidate.kind == opposite and each.score > weighed.score for each in found)


def _settles(branch: Branch, readings: Readings) -> bool:
    """Whether a trial without gain speaks against the suspicion: a short one may have ended on a plateau."""
    return branch.steps >= LONG_ENOUGH * readings.program.steps


def _is_finding(weighed: _Weighed, outcome: Outcome, readings: Readings) -> bool:
    candidate = weighed.candidate
    if candidate.proven and candidate.hurts:
        return True
    if weighed.confirmed:
        return candidate.strength >= (LITTLE if candidate.kind in _OPEN else WORTH)
    if weighed.branch is not None and _settles(weighed.branch, readings):  # it was tried, and did not help
        return outcome.bad and candidate.strength >= 0.8
    return outcome.bad and candidate.strength >= ALONE


def _fallback(weighed: list[_Weighed], outcome: Outcome) -> _Weighed:
    """When it came out badly and nothing is sure: the strongest suspicion, or that it learned too little."""
    strong = [each for each in weighed if each.candidate.strength >= SUSPECTED]
    if strong:
        return strong[0]
    cause = f"It learned less than {outcome.best_name or 'one answer for all'} knows, and no check says why."
    return _Weighed(Candidate("underfitting", 0.3, cause), None, False, 0.1)


def _one_a_kind(weighed: Iterable[_Weighed]) -> list[_Weighed]:
    first: dict[str, _Weighed] = {}
    for each in weighed:
        first.setdefault(each.candidate.kind, each)
    return list(first.values())


def _finding(weighed: _Weighed, readings: Readings, plan: Plan | None, *, remark: bool = False) -> Finding:
    candidate, branch = weighed.candidate, weighed.branch
    tried = ""
    if branch is not None:
        tried = _told_trial(branch, weighed.confirmed, weighed.beside)
    return Finding(
        candidate.kind,
        "remark" if remark else candidate.severity,
        round(min(1.0, max(0.05, weighed.score)), 3),
        # What is as it should be speaks for nothing.
        tuple(each for each in candidate.measures if not each.usual) or tuple(candidate.measures),
        candidate.cause,
        remedy_for(candidate.kind, readings, plan, extra=candidate.extra, branch=branch if weighed.confirmed else None),
        candidate.where,
        tried,
        weighed.confirmed or candidate.proven,
    )


def _told_trial(branch: Branch, confirmed: bool, beside: str) -> str:
    copies = f"{len(branch.losses)} copies" if len(branch.losses) > 1 else "a copy"
    others = f"those with {said(beside)} alone" if beside else "unchanged ones"
    gain = f"{branch.gain:.3g} ± {branch.gain_se:.2g} less error than {others} after {branch.steps:,} steps"
    changes = " and ".join(filter(None, (said(beside) if beside else "", said(branch.change, branch.argument))))
    made = f"with {changes} {copies} had {gain}"
    return f"Confirmed: {made}." if confirmed else f"Tried: {made}, which is not enough to tell."


def _checked(readings: Readings) -> Iterator[str]:
    if readings.steps.samples:
        yield f"gradients, updates and activations at {len(readings.steps.samples)} steps"
    if readings.game.rounds:
        yield "the game with the rival, and drawn beside real rows"
    if readings.graph.loss_operations or readings.graph.head:
        yield "graph, last layer and loss"
    if readings.columns.features:
        yield "inputs and targets"
    if readings.beside.valid_error:
        yield "simple methods on the same rows"
    if readings.splits.copies is not None:
        yield "likeness of training and held-out rows"
    if readings.drill.error is not None:
        yield "one batch by heart"
    if readings.branches:
        yield f"{len(readings.branches)} trials with one thing changed"
