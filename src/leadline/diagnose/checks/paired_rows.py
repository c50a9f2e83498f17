"""Whether the loss holds the answers for a row against its own targets, or, flattened in another order, against others'."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from leadline.diagnose.checks.flat_features import choose
from leadline.diagnose.checks.task_guess import answer_tensor
from leadline.diagnose.subject import Rows, Subject, each_tensor, first_tensor

_ROWS, _ASKED = 12, 3  # rows of a pass, and how many of them are exchanged in turn


def read_foreign(subject: Subject) -> float | None:
    """Of how the gradient of the loss changes with the targets of a row: the share at answers that do not depend on its inputs.

    D_i = (∂L/∂ŷ | y_i exchanged) − ∂L/∂ŷ, A_i the answers that change with x_i; the share is Σ‖D_i outside of A_i‖² / Σ‖D_i‖².
    0 where each row is held against its own targets; near 1 − 1/N where outputs and targets are flattened in unlike orders. The
    network is in evaluation mode, and random numbers are the same each time. None where it cannot be told.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> subject = a_subject()
        >>> read_foreign(subject)
        0.0
        >>> own = subject.loss
        >>> subject.loss = lambda outputs, targets: own(outputs, targets.roll(1))
        >>> read_foreign(subject)
        1.0
    """
    rows = _distinct(subject)
    if subject.loss is None or rows is None:
        return None
    outputs = _outputs(subject, rows)
    answers, before = answer_tensor(outputs), _gradient(subject, outputs, rows)
    if answers is None or before is None:
        return None
    outside, whole = 0.0, 0.0
    for at in range(_ASKED):
        order = torch.arange(len(rows), device=first_tensor(rows.targets).device)
        order[at] = len(rows) - 1 - at
        other = rows.take(order)
        moved = answer_tensor(_outputs(subject, other))
        asked = _gradient(subject, outputs, Rows(rows.inputs, other.targets))
        if moved is None or asked is None or moved.shape != answers.shape:
            return None
        own, changed = moved != answers, (asked - before).double().square()
        if not bool(own.any()):
            return None
        outside, whole = outside + float(changed[~own].sum()), whole + float(changed.sum())
    return outside / whole if whole > 0 else None


def _outputs(subject: Subject, rows: Rows) -> Any:
    """Of the network as it was at first, which is rarely the same for all rows."""
    torch.manual_seed(0)
    with torch.no_grad():
        return subject.call(subject.fresh().eval(), rows.inputs)


def _gradient(subject: Subject, outputs: Any, rows: Rows) -> Tensor | None:
    """That of the loss with respect to the answers."""
    answers = answer_tensor(outputs)
    if answers is None or not answers.is_floating_point():
        return None
    asked = answers.detach().clone().requires_grad_()
    torch.manual_seed(0)
    assert subject.loss is not None
    with torch.enable_grad():
        loss = subject.loss(each_tensor(outputs, lambda part: asked if part is answers else part), rows.targets)
        (gradient,) = torch.autograd.grad(loss.sum(), asked, allow_unused=True) if loss.requires_grad else (None,)
    return gradient if gradient is not None and bool(gradient.isfinite().all()) else None


def _distinct(subject: Subject) -> Rows | None:
    """A few rows, of which the first and the last, the second and the last but one, and so on have unlike targets."""
    rows = subject.train.take(choose(len(subject.train), 4 * _ROWS))
    targets = first_tensor(rows.targets).detach().reshape(len(rows), -1).cpu()
    left, first, last = list(range(len(rows))), list[int](), list[int]()
    while left and len(first) < _ASKED:
        one = left.pop(0)
        if (other := next((each for each in left if not torch.equal(targets[one], targets[each])), None)) is not None:
            left.remove(other)
            first, last = [*first, one], [other, *last]
    if len(first) < _ASKED or len(rows) < _ROWS:
        return None
    which = [*first, *left[: _ROWS - 2 * _ASKED], *last]
    return rows.take(torch.tensor(which, device=first_tensor(rows.targets).device))
