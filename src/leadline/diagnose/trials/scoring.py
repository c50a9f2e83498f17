"""How wrong each held-out row is, in a measure that does not depend on the loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from leadline.diagnose.checks.task_guess import errors_of
from leadline.diagnose.subject import Rows

TOLD = ("classes", "labels", "number")
"""Tasks in which each row has an error of its own."""
WORST = 9.0  # of a number: three standard deviations off; one row that has run away must not decide alone
_PARTS = 32  # pieces of the held-out rows whose losses are compared where rows have no errors of their own


def row_errors(
    outputs: Tensor, targets: Tensor, task: str, *, classes: int = 0, head: Sequence[str] = (), loss: Sequence[str] = ()
) -> Tensor:
    """What `errors_of` says, bounded, and at its worst where an output is no number.

    Example:
        >>> row_errors(torch.tensor([[2.0, 1.0], [torch.nan, 3.0]]), torch.tensor([0, 1]), "classes", classes=2).tolist()
        [0.0, 1.0]
        >>> row_errors(torch.tensor([[1.0], [3.0]]), torch.tensor([1.0, 2.0]), "number").tolist()
        [0.0, 4.0]
    """
    worst = WORST if task == "number" else 1.0
    errors = errors_of(outputs, targets, task, classes=classes, head=head, loss=loss)
    broken = ~outputs.detach().reshape(len(errors), -1).isfinite().all(1)
    return torch.where(broken, worst, errors.nan_to_num(worst).clamp(max=worst))


def part_losses(
    loss: Callable[[Any, Any], Tensor], outputs: Callable[[Any], Any], rows: Rows, *, size: int | None = None
) -> Tensor:
    """The losses of parts of so many rows, up to 32 where it is not said, where rows have no errors of their own."""
    size = size or max(1, math.ceil(len(rows) / _PARTS))
    with torch.no_grad():
        values = [float(loss(outputs(part.inputs), part.targets)) for part in rows.parts(size) if len(part) == size]
    return torch.tensor(values)


def loss_names(loss: Any, operations: Sequence[str] = ()) -> list[str]:
    """What the loss is made of, or its name where that was not read.

    Example:
        >>> loss_names(torch.nn.BCEWithLogitsLoss())
        ['bcewithlogitsloss']
    """
    return list(operations) or [getattr(loss, "__name__", type(loss).__name__).lower()]
