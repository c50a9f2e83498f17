"""On which scale a network gives its numbers: that of the targets, or one that the loss turns into it, such as logarithms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from leadline.diagnose.checks.constant_answers import descend_to
from leadline.diagnose.checks.task_guess import answer_tensor

Turn = Callable[[Tensor], Tensor]
_GROUPS, _FEW, _MOST = 4, 40, 512  # of rows by their targets; rows at least, and at most
_OFF = 0.05  # of the spread of the targets, by which the best answer for a group may lie outside of it
_STRAIGHT = 0.05  # of the way from the lowest group to the highest, off a line


def scale_of(loss: Callable[[Any, Any], Tensor] | None, outputs: Any, targets: Any) -> tuple[str, Turn] | None:
    """What turns outputs into numbers like the targets, with its name; None where they are some already, or it is not known.

    For each quarter of the rows by their targets the one answer of least loss is looked for. On the targets' own scale
    it lies among them, whatever the loss; where its exponential does, or a line through all four, that is the scale.

    Args:
        loss: (outputs, targets) → scalar; None where it is not known.
        outputs: [N] or [N, 1], for their shape.
        targets: numbers, one a row.

    Example:
        >>> counts = torch.poisson(torch.linspace(0, 3, 200).exp())
        >>> found = scale_of(torch.nn.PoissonNLLLoss(), torch.zeros(200), counts)
        >>> found[0], scale_of(torch.nn.functional.l1_loss, torch.zeros(200), counts)
        ('logarithms', None)
    """
    values = answer_tensor(outputs)
    rows = len(targets) if isinstance(targets, Tensor) else 0
    if (
        loss is None
        or values is None
        or values is not outputs
        or rows < _FEW
        or values[0].numel() != 1
        or targets[0].numel() != 1
    ):
        return None
    count = min(rows, _MOST)
    order = targets[:count].reshape(count).argsort()
    groups = [targets[:count][part] for part in order.chunk(_GROUPS)]
    spread = float(targets[:count].float().std())
    if not 0 < spread < math.inf:
        return None
    like = values.detach()[:1]
    try:
        best = [_best(loss, like, group) for group in groups]
    except Exception:  # a loss that wants other rows than these
        return None
    if any(each is None for each in best):
        return None
    found = torch.tensor([float(each or 0.0) for each in best], dtype=torch.float64)
    low = torch.tensor([float(group.min()) for group in groups], dtype=torch.float64) - _OFF * spread
    high = torch.tensor([float(group.max()) for group in groups], dtype=torch.float64) + _OFF * spread
    turns: dict[str, Turn] = {"": lambda out: out, "logarithms": torch.exp, "logarithms of one more": torch.expm1}
    for name, turn in turns.items():
        if bool(((turn(found) >= low) & (turn(found) <= high)).all()):
            return (name, turn) if name else None
    means = torch.tensor([float(group.float().mean()) for group in groups], dtype=torch.float64)
    return _line(found, means)


def _best(loss: Callable[[Any, Any], Tensor], like: Tensor, targets: Tensor) -> float | None:
    """The answer for all of these rows that has the least loss."""
    starts = {0.0, float(targets.float().mean())}
    reached = [
        descend_to(loss, torch.full_like(like, start), lambda place: place, like.expand(len(targets), *like.shape[1:]), targets)
        for start in starts
    ]
    sound = [(value, float(place)) for value, place in reached if math.isfinite(value) and bool(torch.isfinite(place).all())]
    return min(sound)[1] if sound else None


def _line(found: Tensor, means: Tensor) -> tuple[str, Turn] | None:
    way = float(found[-1] - found[0])
    slope = float(means[-1] - means[0]) / way if way > 0 else math.inf
    if not 0 < slope < math.inf:
        return None
    shift = float(means[0]) - slope * float(found[0])
    off = (slope * found + shift - means).abs().max()
    if float(off) > _STRAIGHT * float(means[-1] - means[0]):
        return None
    return "shifted or scaled", lambda out: slope * out + shift
