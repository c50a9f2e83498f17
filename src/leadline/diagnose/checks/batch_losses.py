"""Whether a loss compares the rows of a batch with each other, so that it says nothing of a row alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from leadline.diagnose.subject import Rows, Subject, each_tensor, first_tensor

_ROWS, _LEAST = 16, 6
_ROOM = 0.02  # of the loss, and of its spread over the rows


def compares_rows(subject: Subject) -> bool:
    """Whether the loss of some rows is neither between the smallest and the largest loss of one of them, nor their sum.

    A mean is between them, whatever the weights of the rows; a sum is their sum, less what both halves of the rows have more
    than all together, such as a penalty. What draws each row to its like and away from all others is neither: of a row alone it
    is 0, or no number.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> compares_rows(a_subject())
        False
    """
    if subject.loss is None or len(subject.train) < _LEAST:
        return False
    rows = subject.train.take(slice(0, _ROWS))
    outputs = subject.outputs(subject.fresh().eval(), rows)
    count = len(rows)

    def valued(which: Tensor) -> float:
        assert subject.loss is not None
        targets = each_tensor(rows.targets, lambda part: part[which])
        with torch.no_grad():
            return float(subject.loss(each_tensor(outputs, lambda part: part[which]), targets))

    every = torch.arange(count)
    whole, alone = valued(every), [valued(every[at : at + 1]) for at in range(count)]
    finite = [each for each in alone if math.isfinite(each)]
    if not math.isfinite(whole):
        return False
    if not finite:
        return True
    low, high = min(finite), max(finite)
    room = _ROOM * (abs(whole) + high - low)
    if low - room <= whole <= high + room or abs(sum(finite) - whole) <= room:
        return False
    half = count // 2
    beside = valued(every[:half]) + valued(every[half:]) - whole  # a penalty that is there whatever the rows are
    return not abs(sum(alone) - whole - (count - 1) * beside) <= room


def loss_of_places(loss: Callable[[Any, Any], Tensor]) -> Callable[[Any, Any], Tensor]:
    """The same loss of rows that come together in another order or number: each is to find its partner at its own place.

    Example:
        >>> found = loss_of_places(torch.nn.functional.cross_entropy)(torch.eye(3) * 99, torch.tensor([7, 3, 5]))
        >>> float(found)
        0.0
    """

    def placed(outputs: Any, targets: Any) -> Tensor:
        known = first_tensor(targets)
        return loss(outputs, torch.arange(len(known), device=known.device, dtype=known.dtype))

    placed.__name__ = getattr(loss, "__name__", type(loss).__name__)
    return placed


def first_batch(subject: Subject, rows: Rows) -> Rows:
    """As many of these rows as a loss that compares them is made for; all of them where it takes each by itself."""
    return rows.take(slice(0, max(subject.batch, 2))) if subject.among else rows
