"""What mends each kind of fault: a sentence, a line of code with the program's own numbers, and changes to a Plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leadline.diagnose.findings import Remedy
from leadline.diagnose.readings import Branch, Readings
from leadline.diagnose.remedy_lines import line_for, sentence_for
from leadline.diagnose.trials.gains import best_of

if TYPE_CHECKING:
    from leadline.plan.record import Plan

Tried = tuple[str, float | str | None]


@dataclass(frozen=True)
class _Advice:
    """For a kind: the changes that may mend it, the usual one first; and what to say where a change says too little.

    `plan` gives changes of a Plan for what is no change of a trial.
    """

    changes: tuple[Tried, ...] = ()
    says: str = ""
    code: str = ""
    plan: Callable[[Plan, Readings], dict[str, Any]] | None = None


def _again_by_measuring(plan: Plan, readings: Readings) -> dict[str, Any]:
    return {"start.transfer": "auto"} if plan.start.weights else {}


def _memory(plan: Plan, readings: Readings) -> dict[str, Any]:
    longer = {"training.truncation": 2 * plan.training.truncation} if plan.training.truncation else {}
    return {**({"model.cell": "lstm"} if plan.model.arguments.get("cell", "lstm") == "rnn" else {}), **longer}


def _farther(plan: Plan, readings: Readings) -> dict[str, Any]:
    stages, kernel = plan.model.arguments.get("stages", 3), plan.model.arguments.get("kernel_size", 3)
    return {"model.stages": stages + 1} if plan.model.name == "convnet" else {"model.kernel_size": kernel + 2}


def _softer(plan: Plan, readings: Readings) -> dict[str, Any]:
    if readings.program.task == "number":
        return {"training.loss": "huber"}
    return {"training.label_smoothing": max(0.1, plan.training.label_smoothing)} if readings.program.task == "classes" else {}


def _spectral(plan: Plan, readings: Readings) -> dict[str, Any]:
    return {"model.norm": "spectral"}


def _fewer_waits(plan: Plan, readings: Readings) -> dict[str, Any]:
    return {"training.batch": 2 * plan.training.batch} if plan.training.batch else {}


def _bfloat_off(plan: Plan, readings: Readings) -> dict[str, Any]:
    return {"training.clip": "percentile(90)", "training.learning_rate": plan.training.learning_rate / 10}


ADVICE: dict[str, _Advice] = {
    "non_finite": _Advice((("rate", 0.1), ("clip", 1.0), ("finite_rows", None), ("standardize", None)), plan=_bfloat_off),
    "rate_too_high": _Advice((("rate", 0.1), ("rate", 0.01), ("momentum", 0.9), ("optimizer", "adam"))),
    "rate_too_low": _Advice((("rate", 10.0), ("rate", 100.0), ("optimizer", "adam"))),
    "oscillation": _Advice((("lower_rate_at_end", 0.1), ("rate", 0.3), ("momentum", 0.9), ("cooled", None))),
    "vanishing_gradient": _Advice((("activation", "relu"), ("normalization", None), ("initialize", "auto"), ("gated", None))),
    "exploding_gradient": _Advice((("clip", 1.0), ("rate", 0.1), ("initialize", "auto"), ("gated", None))),
    "dead_units": _Advice((("activation", "leaky_relu"), ("initialize", "auto"), ("rate", 0.1), ("normalization", None))),
    "saturation": _Advice((("standardize", None), ("activation", "relu"), ("initialize", "auto"), ("normalization", None))),
    "bad_initialization": _Advice((("initialize", "auto"),)),
    "inputs_not_prepared": _Advice((("standardize", None), ("finite_rows", None))),
    "head_or_loss_wrong": _Advice((("head", "auto"), ("sign", None), ("mean_loss", None), ("standardize_targets", None))),
    "input_ignored": _Advice(
        (("standardize", None),),
        "Look at a few rows as the network gets them, inputs beside targets: are they shuffled apart, or off by one?",
        "for x, y in list(zip(inputs, targets))[:5]: print(x, y)",
    ),
    "one_batch": _Advice(
        (("activation", "relu"), ("nonlinearity", None), ("optimizer", "adam"), ("wider", 2)),
        "Check the path of the gradient: what cannot learn one batch by heart cannot learn the set.",
        "leadline.explain.check_gradients(model, loss, inputs, targets)",
    ),
    "underfitting": _Advice((("wider", 2), ("optimizer", "adam"), ("longer", 3.0), ("no_dropout", None), ("no_decay", None))),
    "stopped_too_early": _Advice((("longer", 3.0),)),
    "overfitting": _Advice((("regularize", 0.3), ("decay", 0.01))),
    "over_regularized": _Advice((("no_dropout", None), ("no_decay", None))),
    "imbalance": _Advice((("balanced", None),)),
    "label_noise": _Advice(
        (),
        "Look through the rows that are listed and mend or drop those that are wrong; soften the targets of the others.",
        "criterion = nn.CrossEntropyLoss(label_smoothing=0.1)",
        _softer,
    ),
    "split_mismatch": _Advice(
        (),
        "Split anew: copies and rows that belong together on one side, classes in equal shares.",
        "GroupShuffleSplit(test_size=0.2).split(x, y, groups)",
    ),
    "mode_mismatch": _Advice((("training_mode", None), ("batch", 32.0), ("statistics", None))),
    "not_training": _Advice((("everything_trains", None), ("zero_grad", None))),
    "starved_device": _Advice(
        (),
        "Load in the background, or keep what fits in memory on the device.",
        "DataLoader(data, batch_size, num_workers=4, pin_memory=True, persistent_workers=True)",
        _fewer_waits,
    ),
    "adversarial_collapse": _Advice(
        (),
        "Bound the discriminator by its spectral norm, and give it the smaller learning rate.",
        "nn.utils.parametrizations.spectral_norm(layer)",
        _spectral,
    ),
    "memory_too_short": _Advice(
        (("gated", None),),
        "Take gated units, and let gradients go back farther than the lag that matters.",
        "nn.LSTM(features, hidden, batch_first=True)",
        _memory,
    ),
    "wrong_transfer": _Advice(
        (("everything_trains", None), ("head_only", None)),
        "Let what the rows say decide how much of the other network is kept.",
        "leadline train … --from RUN",
        _again_by_measuring,
    ),
    "receptive_field": _Advice(
        (), "Let the last layer see the whole object: one more stage, a stride, or dilation.",
        "nn.Conv2d(channels, channels, 3, padding=2, dilation=2)", _farther,
    ),
    "no_nonlinearity": _Advice((("nonlinearity", None),)),
}  # fmt: skip


def remedy_for(
    kind: str,
    readings: Readings,
    plan: Plan | None = None,
    *,
    extra: Mapping[str, str] | None = None,
    branch: Branch | None = None,
) -> Remedy:
    """What to do about a finding of this kind.

    Args:
        kind: one of `KINDS`.
        readings: of the training, for its numbers.
        plan: of the training, for `changes`; without it there is advice with a line of code.
        extra: what the rule knows besides: "remedy" and "code_line" go before what is said here, and "code" names a change;
            "factor" is that of the learning rate.
        branch: the trial that gained, whose change is the remedy; of the trials in the readings, the one of this kind that
            gained most, when left out.

    Example:
        >>> readings = Readings()
        >>> readings.program.rate, readings.program.optimizer = 0.5, "SGD"
        >>> remedy = remedy_for("rate_too_high", readings)
        >>> remedy.says, remedy.code
        ('Take 0.1 times the learning rate: 0.05.', 'optimizer = torch.optim.SGD(model.parameters(), lr=0.05)')
    """
    advice, extra = ADVICE[kind], extra or {}
    branch = branch or _proven(kind, advice, readings)
    changes = [(branch.change, branch.argument)] if branch is not None else _changes_of(advice, readings, extra)
    says = sentence_for(changes[0], readings) if changes and (branch is not None or not advice.says) else advice.says
    code = line_for(changes[0], readings) if changes and (branch is not None or not advice.code) else advice.code
    if branch is None or branch.change in ("head", "everything_trains"):  # of which the rule knows more than the trial
        says, code = extra.get("remedy") or says, extra.get("code_line") or code
    return Remedy(says, _for_plan(plan, advice, changes, readings, sure=branch is not None), code)


def apply_changes(kind: str, readings: Readings, extra: Mapping[str, str] | None = None) -> list[Tried]:
    """The changes of `trials.CHANGES` that may mend this kind, the usual one first; none where no trial can show it.

    Args:
        kind: one of `KINDS`.
        readings: of the training.
        extra: what the rule knows besides, as in `remedy_for`.

    Example:
        >>> apply_changes("vanishing_gradient", Readings())[0]
        ('activation', 'relu')
    """
    return _changes_of(ADVICE[kind], readings, extra or {})


def _proven(kind: str, advice: _Advice, readings: Readings) -> Branch | None:
    own = {change for change, _ in advice.changes}
    return best_of(each for each in readings.branches if each.change in own and _that_way(kind, each))


def _that_way(kind: str, branch: Branch) -> bool:
    """Whether a change of the rate goes where this kind asks it to go: up where it is too low, down otherwise."""
    return branch.change != "rate" or (float(branch.argument or 1) > 1) == (kind == "rate_too_low")


def _changes_of(advice: _Advice, readings: Readings, extra: Mapping[str, str]) -> list[Tried]:
    changes = list(advice.changes)
    if "factor" in extra:  # of the rate, as a range test found it
        return [("rate", float(extra["factor"]))]
    named = extra.get("change") or extra.get("code")
    first = [each for each in (*changes, ("shuffle", None), ("batch", 32.0)) if each[0] == named]
    graph = readings.graph
    out = {
        "gated": not graph.recurrent,
        "normalization": graph.normalizes,
        "no_dropout": graph.dropout == 0 and bool(graph.depth),
        "no_decay": readings.program.weight_decay == 0 and bool(readings.program.optimizer),
        "zero_grad": readings.steps.not_zeroed is not None and readings.steps.not_zeroed < 0.5,
        "everything_trains": bool(graph.depth) and not (graph.outside or graph.frozen or readings.hidden.plain),
        "finite_rows": not readings.columns.non_finite and not readings.answers.non_finite,
    }
    kept = first + [each for each in changes if each not in first and not out.get(each[0], False)]
    return kept or changes


def _for_plan(plan: Plan | None, advice: _Advice, changes: list[Tried], readings: Readings, *, sure: bool) -> dict[str, Any]:
    if plan is None:
        return {}
    from leadline.diagnose.plan_changes import changes_of_plan, rounded, those_that_fit
    from leadline.diagnose.trials.changes import parts_of

    for change, argument in changes:
        found: dict[str, Any] = {}
        for name, own in parts_of(change, argument):
            found |= changes_of_plan(plan, name, own, task=readings.program.task)
        if found or sure:
            return found
    proposed = advice.plan(plan, readings) if advice.plan is not None else {}
    return those_that_fit(plan, {key: rounded(value) if isinstance(value, float) else value for key, value in proposed.items()})
