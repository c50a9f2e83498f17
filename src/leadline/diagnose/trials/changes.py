"""What a trial can change in a copy of a training, by name, alone or several together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from leadline.diagnose.trials import network_changes as network
from leadline.diagnose.trials import row_changes as rows
from leadline.diagnose.trials import step_changes as steps
from leadline.diagnose.trials.copied_training import CopiedTraining
from leadline.errors import unknown

TOGETHER = " & "
"""Between changes that are made together: "standardize & rate(0.1)"."""


@dataclass(frozen=True)
class Change:
    """One thing that can be changed.

    Args:
        says: it in words, with {} for the argument.
        apply: (copy, argument) → why it does not apply, or an empty text.
        argument: the usual one; None takes none.
        order: changes made together come in this order: what takes the place of layers comes before what is hung onto them.
        start: "initial", or "trained" where both the copy and its twin go on from the end.
        twin_stays: whether the twin takes no further steps.

    Example:
        >>> CHANGES["clip"].said(1.0)
        'the gradient clipped at 1'
    """

    says: str
    apply: Callable[[CopiedTraining, Any], str]
    argument: float | str | None = None
    order: int = 5
    start: str = "initial"
    twin_stays: bool = False

    def said(self, argument: float | str | None = None) -> str:
        """It in words."""
        return self.says.format(_written(self.argument if argument is None else argument))


def _written(argument: float | str | None) -> str:
    return f"{argument:g}" if isinstance(argument, (int, float)) else str(argument)


CHANGES: dict[str, Change] = {
    "rate": Change("{} times the learning rate", steps.rate, 0.1),
    "optimizer": Change("the optimizer {}", steps.optimizer, "adam"),
    "clip": Change("the gradient clipped at {}", steps.clip, 1.0),
    "momentum": Change("a momentum of {}", steps.momentum, 0.9),
    "constant_rate": Change("a learning rate that stays", steps.constant_rate),
    "cooled": Change("a learning rate that falls to nothing by the end", steps.cooled),
    "no_decay": Change("no weight decay", steps.no_decay),
    "decay": Change("a weight decay of {}", steps.decay, 1e-2),
    "batch": Change("batches of {} rows", steps.batch, 32),
    "shuffle": Change("rows in a new order each epoch", steps.shuffle),
    "zero_grad": Change("gradients zeroed before each step", steps.zero_grad),
    "connected": Change("the gradient of the loss itself", steps.connected),
    "training_mode": Change("training mode while it trains", steps.training_mode),
    "everything_trains": Change("all parameters trained", steps.everything_trains, order=4),
    "head_only": Change("only the last layer trained", network.head_only, order=4),
    "balanced": Change("all classes drawn equally often", steps.balanced),
    "sign": Change("the loss with the other sign", steps.turn_sign),
    "mean_loss": Change("the mean loss of a batch in place of the sum", steps.mean_loss),
    "longer": Change("{} times the steps", steps.longer, 3.0),
    "go_on": Change("{} × the steps on top of its own", steps.longer, 1.0, start="trained", twin_stays=True),
    "lower_rate_at_end": Change("{} times the learning rate from the end on", steps.rate, 0.1, start="trained"),
    "standardize": Change("standardized inputs", rows.standardize, order=0),
    "standardize_targets": Change("standardized targets", rows.standardize_targets, order=6),
    "finite_rows": Change("rows with numbers that are not finite left out", rows.finite_rows, order=0),
    "head": Change("the loss and the last layer that suit the task", network.right_head, "auto", order=2),
    "activation": Change("{} in the hidden layers", network.set_activation, "relu", order=3),
    "nonlinearity": Change("a ReLU between layers that had nothing between", network.nonlinearity, order=3),
    "initialize": Change("first weights drawn anew ({})", network.start_weights, "auto", order=4),
    "no_dropout": Change("no dropout", network.no_dropout),
    "regularize": Change("dropout of {} and weight decay", network.regularize, 0.3),
    "normalization": Change("normalized hidden layers", network.normalization, order=4),
    "statistics": Change("statistics of batch norm taken anew", network.fresh_statistics),
    "gated": Change("gated recurrent units", network.with_gates, order=1),
    "wider": Change("{} times the width", network.wider, 2, order=1),
}


def parts_of(text: str, argument: float | str | None = None) -> list[tuple[str, float | str | None]]:
    """The changes that a text names, in the order in which they are made, each with its argument.

    Errors: `ArgumentError` for a change that there is not.

    Example:
        >>> parts_of("rate(0.1) & standardize"), parts_of("rate", 3.0)
        ([('standardize', None), ('rate', 0.1)], [('rate', 3.0)])
    """
    parts = []
    for piece in text.split(TOGETHER):
        name, bracket, rest = piece.strip().partition("(")
        if name not in CHANGES:
            unknown("change", name, CHANGES)
        own = _read(rest.rstrip(") ")) if bracket else argument if TOGETHER not in text else None
        parts.append((name, CHANGES[name].argument if own is None else own))
    return sorted(parts, key=lambda part: CHANGES[part[0]].order)


def _read(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text.strip("'\"")


def change_copy(copied: CopiedTraining, text: str, argument: float | str | None = None) -> str:
    """Change a copy as the text says; of several changes those that do not apply are left out.

    Returns:
        Why none applies, or an empty text.
    """
    refusals = [
        f"{name}: {told}" if TOGETHER in text else told
        for name, own in parts_of(text, argument)
        if (told := CHANGES[name].apply(copied, own))
    ]
    return "; ".join(refusals) if len(refusals) == len(text.split(TOGETHER)) else ""


def said(text: str, argument: float | str | None = None) -> str:
    """One change or several in words.

    Example:
        >>> said("standardize & rate(0.1)")
        'standardized inputs, 0.1 times the learning rate'
    """
    return ", ".join(CHANGES[name].said(own) for name, own in parts_of(text, argument))
