"""From readings to a verdict: what is suspected, what trials are worth their time, and what is said in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from leadline.diagnose.findings import Finding, Verdict
from leadline.diagnose.readings import Branch, Readings
from leadline.diagnose.remedies import remedy_for
from leadline.diagnose.rules import (
    of_codes,
    of_data,
    of_fit,
    of_games,
    of_layers,
    of_leaks,
    of_losses,
    of_modes,
    of_rates,
    of_sizes,
    of_splits,
    of_sweeps,
    of_target_columns,
    of_transfer,
)
from leadline.diagnose.rules.of_trials import GAIN, SHARE, confirms, gained, told_trial
from leadline.diagnose.rules.outcomes import Outcome, outcome_of, told_outcome
from leadline.diagnose.rules.ranking import Weighed, ranked, worth_telling
from leadline.diagnose.rules.suspicions import Candidate, Change, beside_another
from leadline.diagnose.trials.gains import SURE, is_sure
from leadline.plan import Plan

RULES: tuple[Callable[[Readings, Outcome], Iterator[Candidate]], ...] = (
    of_rates.non_finite,
    of_losses.not_training,
    of_losses.wrong_gradient,
    of_transfer.frozen_body,
    of_transfer.forgotten_body,
    of_losses.head_or_loss_wrong,
    of_fit.mode_mismatch,
    of_fit.dropped_always,
    of_modes.judged_in_training,
    of_data.inputs_not_prepared,
    of_data.targets_not_prepared,
    of_target_columns.targets_of_unlike_size,
    of_data.rows_mixed,
    of_data.targets_of_others,
    of_data.input_ignored,
    of_data.split_mismatch,
    of_splits.classes_renamed,
    of_splits.few_rows,
    of_leaks.answer_is_seen,
    of_leaks.column_gives_away,
    of_data.label_noise,
    of_data.imbalance,
    of_target_columns.labels_never_said,
    of_layers.no_nonlinearity,
    of_layers.bad_initialization,
    of_layers.vanishing_gradient,
    of_layers.shared_units,
    of_layers.dead_units,
    of_layers.saturation,
    of_rates.clipped_late,
    of_rates.exploding_gradient,
    of_rates.rate_too_high,
    of_rates.rate_too_low,
    of_rates.clipped_short,
    of_rates.rate_gone,
    of_rates.rate_not_reached,
    of_sweeps.rate_outside,
    of_fit.bad_batches,
    of_rates.oscillation,
    of_codes.code_says_nothing,
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

CERTAIN = 0.7  # what was seen in the program itself counts as a trial that gained two fifths of what the best did
_SEEN = ("not_training", "head_or_loss_wrong", "mode_mismatch", "non_finite")

GAME_RULES: tuple[Callable[[Readings, Outcome], Iterator[Candidate]], ...] = (
    of_rates.non_finite,
    of_losses.not_training,
    of_games.rival_stands,
    of_games.generator_turned,
    of_games.adversarial_collapse,
)
"""Of a generator and its rival: what it draws has no right answer to which other rules could hold it."""

SECOND = 0.9  # what was found beside something else comes after it
SUSPECTED, WORTH, ALONE = 0.3, 0.15, 0.5  # strength: for a finding when all is bad, for a trial, for a finding untested
_OPEN, LITTLE = ("rate_too_high", "rate_too_low", "stopped_too_early"), 0.0  # are tried always, so a gain alone is enough

UNASKED = 3.5  # standard errors, that a trial must gain where nothing pointed to it

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


def is_suspicious(readings: Readings) -> bool:
    """Whether something is suspected that is worth a trial, also where nothing is found without one."""
    return any(candidate.strength >= WORTH for candidate in candidates_of(readings, outcome_of(readings)))


def judge_readings(readings: Readings, plan: Plan | None = None) -> Verdict:
    """The verdict that these readings and the trials allow; with a Plan, remedies are changes to it as well."""
    outcome = outcome_of(readings)
    return verdict_on(readings, outcome, candidates_of(readings, outcome), told_outcome(readings, outcome), plan)


def verdict_on(
    readings: Readings, outcome: Outcome, candidates: Iterable[Candidate], told: str, plan: Plan | None = None
) -> Verdict:
    """The verdict that weighs these suspicions; `told` is the outcome in a sentence."""
    weighed = [_weighed(each, readings, outcome) for each in candidates]
    weighed = _one_a_kind(sorted(weighed, key=lambda each: -each.score))
    found = [each for each in weighed if _is_finding(each, outcome, readings)]
    found = ranked(
        worth_telling([each for each in found if not _contradicted(each, found, readings, outcome)], outcome), outcome
    )
    if not found and outcome.bad:
        found = [_fallback(weighed, outcome)]
    remarks = [each for each in weighed if each not in found and _is_remark(each)]
    return Verdict(
        tuple(_finding(each, readings, outcome, plan) for each in found),
        tuple(_finding(each, readings, outcome, plan, remark=True) for each in remarks),
        told,
        tuple(_checked(readings)),
        tuple(readings.unchecked),
        sum(readings.seconds.values()) - readings.seconds.get("whole", 0.0),
    )


def _weighed(candidate: Candidate, readings: Readings, outcome: Outcome) -> Weighed:
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
    else:
        settled = best is not None and settles(best, readings)
        trial = 0.0 if settled else 0.5
        if candidate.proven:
            in_vain = settled and best is not None and best.gain <= SURE * best.gain_se
            trial = CERTAIN if candidate.kind in _SEEN and not in_vain else 0.5
    if not confirmed and (second := _confirmed_beside(candidate, readings, outcome)) is not None:
        return Weighed(candidate, second, True, SECOND * _order(candidate) * (0.5 * strength + 0.5), readings.beside_change)
    score = _order(candidate) * (0.5 * strength + 0.5 * trial)
    return Weighed(candidate, best, confirmed, score)


def _confirmed_beside(candidate: Candidate, readings: Readings, outcome: Outcome) -> Branch | None:
    """The trial that gained most of those that were made beside another change, if it gained enough and ended better."""
    wanted = {*candidate.changes, *map(beside_another, candidate.changes)}
    tried = [each for each in readings.further if (each.change, each.argument) in wanted and candidate.strength >= WORTH]
    best = max(tried, key=lambda each: each.gain, default=None)
    if best is None or gained(best, outcome) <= 0:
        return None
    left = sum(best.twin_errors) / len(best.twin_errors) if best.twin_errors else 1.0
    return best if is_sure(best.gain, best.gain_se) and best.gain > max(GAIN, SHARE * left) else None


_OPPOSITES = {"rate_too_high": "rate_too_low", "rate_too_low": "rate_too_high", "underfitting": "overfitting"}
_FROM_THE_END = ("go_on", "longer")


def _contradicted(weighed: Weighed, found: list[Weighed], readings: Readings, outcome: Outcome) -> bool:
    """Whether the opposite is said with more weight, or the rate that helps most lies on the other side."""
    kind = weighed.candidate.kind
    opposite = [each for each in found if each.candidate.kind == _OPPOSITES.get(kind)]
    if any((each.confirmed, each.score) > (weighed.confirmed, weighed.score) for each in opposite):
        return True
    rates = [each for each in readings.branches if each.change == "rate" and confirms(each, outcome)]
    if kind not in ("rate_too_high", "rate_too_low") or not rates:
        return False
    best = max(rates, key=lambda each: gained(each, outcome))
    return (float(best.argument or 1) > 1) != (kind == "rate_too_low") and not (
        weighed.confirmed and weighed.branch is not None and gained(weighed.branch, outcome) > gained(best, outcome)
    )


def settles(branch: Branch, readings: Readings) -> bool:
    """Whether a trial without gain speaks against the suspicion: a short one may have ended on a plateau.

    What goes on from the end and loses has told it, however short it was.
    """
    lost = branch.change in _FROM_THE_END and branch.gain < -SURE * branch.gain_se
    return lost or branch.steps >= LONG_ENOUGH * readings.program.steps


def _is_finding(weighed: Weighed, outcome: Outcome, readings: Readings) -> bool:
    candidate = weighed.candidate
    if candidate.proven and candidate.hurts:
        return True
    if weighed.confirmed:
        least = LITTLE if candidate.kind in _OPEN and (outcome.bad or _beyond_doubt(weighed, outcome)) else WORTH
        return candidate.strength >= least
    if weighed.branch is not None and settles(weighed.branch, readings):  # it was tried, and did not help
        return outcome.bad and candidate.strength >= 0.8
    return outcome.bad and candidate.strength >= ALONE


def _beyond_doubt(weighed: Weighed, outcome: Outcome) -> bool:
    """Whether a trial that nothing pointed to gained so much that it speaks for itself, though the training came out well.

    Every training is asked whether more steps or another rate help; two standard errors are often had by chance then.
    """
    branch = weighed.branch
    return branch is not None and gained(branch, outcome) > UNASKED * branch.gain_se


def _is_remark(weighed: Weighed) -> bool:
    """Seen clearly, or seen at all and confirmed: a change that gains is no proof of what nothing points to."""
    strength = weighed.candidate.strength
    return strength >= ALONE or (weighed.confirmed and strength >= WORTH)


def _fallback(weighed: list[Weighed], outcome: Outcome) -> Weighed:
    """When it came out badly and nothing is sure: the strongest suspicion, or that it learned too little."""
    strong = [each for each in weighed if each.candidate.strength >= SUSPECTED]
    if strong:
        return strong[0]
    cause = f"It learned less than {outcome.best_name or 'one answer for all'} knows, and no check says why."
    return Weighed(Candidate("underfitting", 0.3, cause), None, False, 0.1)


def _one_a_kind(weighed: Iterable[Weighed]) -> list[Weighed]:
    first: dict[str, Weighed] = {}
    for each in weighed:
        first.setdefault(each.candidate.kind, each)
    return list(first.values())


def _finding(weighed: Weighed, readings: Readings, outcome: Outcome, plan: Plan | None, *, remark: bool = False) -> Finding:
    candidate, branch = weighed.candidate, weighed.branch
    tried = ""
    if branch is not None:
        tried = told_trial(branch, outcome, confirmed=weighed.confirmed, proven=candidate.proven, beside=weighed.beside)
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


def _checked(readings: Readings) -> Iterator[str]:
    if readings.steps.samples:
        yield f"gradients, updates and activations at {len(readings.steps.samples)} steps"
    if readings.game.rounds:
        yield "the game with the rival, and drawn beside real rows"
    if readings.graph.loss_operations or readings.graph.head:
        yield "graph, last layer and loss"
    if readings.first.finite is not None:
        yield "first weights, first loss and first gradients"
    if readings.columns.features:
        yield "inputs and targets"
    if readings.beside.valid_error:
        yield "simple methods on the same rows"
    if readings.splits.copies is not None:
        yield "likeness of training and held-out rows"
    if readings.drill.error is not None:
        yield "one batch by heart"
    if readings.rates.curve:
        yield "learning-rate range test"
    if readings.branches:
        count = len(readings.branches)
        yield f"{count} trial{'s' if count > 1 else ''} with one thing changed"
