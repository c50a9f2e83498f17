"""What is judged before the first step: only what the network, the loss and the rows show by themselves.

There is no outcome yet that could raise the alarm. What stands in its place: what is wrong by itself (a softmax twice, rows in
both splits), a first loss that is no number, one batch that a copy cannot learn, simple methods that show what a network
without activations must miss, and short trainings of copies with one thing changed. All else that is seen is a remark.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator

from leadline.diagnose.findings import Measure, Verdict
from leadline.diagnose.readings import Readings
from leadline.diagnose.rules import of_data, of_fit, of_layers, of_losses, of_sweeps
from leadline.diagnose.rules.judging import ALONE, verdict_on
from leadline.diagnose.rules.outcomes import Outcome, enough_behind, method_named
from leadline.diagnose.rules.suspicions import Candidate, Change
from leadline.plan import Plan

_BY_HEART = 0.29  # error of one batch: from here on the rule on it is strong enough to stand alone
_STEPS = 150  # in fewer a sound network may not have got far
# What a short training can show. One with another activation, normalization or rate gains in many a sound network at first.
_SHOWN = ("inputs_not_prepared", "bad_initialization", "head_or_loss_wrong", "no_nonlinearity")

Rule = Callable[[Readings, Outcome], Iterator[Candidate]]


def first_loss(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    """A loss that is no number before anything has been learned."""
    if outcome.finite or readings.columns.non_finite:
        return
    missing = readings.answers.non_finite
    cause = "the outputs overflow, or the loss takes a logarithm or a root of what is below 0"
    extra = {
        "remedy": "Look at outputs and loss of one batch; of logits there are losses that cannot overflow.",
        "code_line": "outputs = model(inputs); print(outputs.min(), outputs.max(), loss(outputs, targets))",
    }
    if missing:
        cause, extra = f"{missing:,} targets are not finite numbers", {"remedy": "Leave out the rows without a target."}
    told = f"The loss is no number before the first step: {cause}."
    yield Candidate("non_finite", 1.0, told, (), where="targets" if missing else "", proven=True, extra=extra)


def same_inputs(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    """Of the rule on ignored inputs what needs no training: inputs that never change."""
    if readings.columns.features and readings.columns.constant > 0.99:
        yield from of_data.input_ignored(readings, outcome)


def no_relation(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    """Where no simple method finds anything in the inputs: a remark, as a network may find what they do not."""
    beside = readings.beside
    if outcome.bad or readings.columns.constant > 0.99 or len(beside.valid_error) < 2:
        return
    constant = beside.valid_error.get("constant", 1.0)
    best = min(beside.valid_error, key=lambda name: beside.valid_error[name])
    removed = 1 - beside.valid_error[best] / max(constant, 1e-9)
    if removed < 0.05 + 2 * beside.valid_se.get(best, 0.0) / max(constant, 1e-9):
        yield Candidate(
            "input_ignored",
            0.5,
            "No simple method finds that the inputs say anything about the targets. If that is a surprise, look at how they "
            "are paired.",
            (Measure("share of the error that the best simple method removes", removed, low=0.05),),
        )


def needed_activation(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    """Layers that collapse to one, where other simple methods show that one linear layer is too little for these rows."""
    beside = readings.beside.valid_error
    others = {name: error for name, error in beside.items() if name not in ("linear", "constant")}
    best = min(others, key=lambda name: others[name], default="")
    for candidate in of_layers.no_nonlinearity(readings, outcome):
        if candidate.hurts and "linear" in beside and best and enough_behind(readings, "linear", best):
            missed = Measure("error of a linear model", beside["linear"], high=others[best])
            wrong, less = (f"{100 * error:.0f} %" for error in (beside["linear"], others[best]))
            told = f" The error of a linear model is {wrong}, that of {method_named(best)} {less}."
            measures = (*candidate.measures, missed)
            candidate = dataclasses.replace(candidate, cause=candidate.cause + told, measures=measures, proven=True)
        yield candidate


def rate_outside(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    """What the range test shows was tried: it needs no other proof."""
    for candidate in of_sweeps.rate_outside(readings, outcome):
        yield dataclasses.replace(candidate, proven=candidate.strength >= 1.0)


BEFORE: tuple[Rule, ...] = (
    first_loss,
    of_losses.not_training,
    of_losses.head_or_loss_wrong,
    of_fit.dropped_always,
    of_data.inputs_not_prepared,
    of_data.targets_not_prepared,
    of_data.rows_mixed,
    of_data.targets_of_others,
    same_inputs,
    no_relation,
    of_data.split_mismatch,
    of_data.label_noise,
    needed_activation,
    of_layers.bad_initialization,
    of_layers.vanishing_gradient,
    of_layers.shared_units,
    of_layers.dead_units,
    of_layers.saturation,
    rate_outside,
    of_losses.one_batch,
    of_layers.receptive_field,
)


def judge_before(readings: Readings, plan: Plan | None = None) -> Verdict:
    """The verdict before the training; it never says more than that nothing was found."""
    outcome = outcome_before(readings)
    verdict = verdict_on(readings, outcome, _suspects(readings, outcome), told_before(readings), plan)
    return dataclasses.replace(verdict, trained=False, readings=readings)


def worth_trying_before(readings: Readings) -> list[Change]:
    """The changes that would show whether a suspicion matters, the strongest first; none where nothing is suspected."""
    wanted: list[Change] = []
    for candidate in sorted(_suspects(readings, outcome_before(readings)), key=lambda each: -each.strength):
        if candidate.kind in _SHOWN and candidate.strength >= ALONE and not candidate.proven:
            wanted += [change for change in candidate.changes if change not in wanted]
    return wanted


def outcome_before(readings: Readings) -> Outcome:
    """No error is known yet; it is bad where the loss is no number or a copy could not learn one batch by heart."""
    unknown, stuck = math.nan, readings.drill.error if _stuck(readings) else None
    finite = readings.first.finite is not False
    return Outcome(unknown, 0.0, unknown, 1.0, None, "", stuck or 0.0, unknown, 0.0, False, finite)


def _stuck(readings: Readings) -> bool:
    """Whether a copy that could hold these rows had the time to learn them by heart, and did not."""
    drill, shape = readings.drill, readings.answers.output_shape
    outputs = max(1, math.prod(shape[1:]))
    able = readings.program.trainable >= 2 * outputs * drill.rows
    return drill.error is not None and drill.error >= _BY_HEART and drill.steps >= _STEPS and able


def told_before(readings: Readings) -> str:
    """What can be expected, in a sentence."""
    beside, drill, task = readings.beside, readings.drill, readings.program.task
    said = []
    if task in ("classes", "labels", "number") and len(beside.valid_error) > 1:
        best = min(beside.valid_error, key=lambda name: beside.valid_error[name])
        reached = f"{100 * (1 - beside.valid_error[best]):.1f} %"
        verb = f"explains {reached} of the variance" if task == "number" else f"is right for {reached}"
        where = "of the held-out rows" if beside.from_split else "of rows left out for it"
        said.append(f"the best of the simple methods, {method_named(best)}, {verb} {where}, which a network has to reach")
    if drill.error is not None and drill.error < _BY_HEART:
        said.append(f"a copy learned {drill.rows} rows by heart in {drill.steps} steps")
    told = "; ".join(said)
    return f"{told[0].upper()}{told[1:]}." if told else ""


def _suspects(readings: Readings, outcome: Outcome) -> list[Candidate]:
    return [candidate for rule in BEFORE for candidate in rule(readings, outcome)]
