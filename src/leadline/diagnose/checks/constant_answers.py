"""What a loss is for answers that do not look at the inputs: the best of them, and the one that knows nothing at all."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from leadline.diagnose.checks.task_guess import answer_tensor

Loss = Callable[[Any, Any], Tensor]
_STEPS, _MOST = 80, 100_000


def uninformed(loss: Loss, outputs: Any, targets: Any) -> float | None:
    """The loss of equal probability for all, ln K of cross entropy; None where it cannot be told.

    Example:
        >>> round(uninformed(torch.nn.functional.cross_entropy, torch.zeros(4, 3), torch.tensor([0, 1, 2, 0])), 4)
        1.0986
    """
    values = answer_tensor(outputs)
    if values is None or values is not outputs:
        return None
    shape = _shape_of(values)
    with torch.no_grad():
        found = float(loss(shape(torch.zeros_like(values[:1])).expand_as(values), targets))
    return found if math.isfinite(found) else None


def best_constant(loss: Loss, outputs: Any, targets: Any) -> float | None:
    """The smallest loss that one answer for every row reaches; None where it cannot be told.

    It is looked for among answers of the kind that the network gives: probabilities where its outputs are some, in the same
    way logarithms of them, any numbers otherwise. It descends from 0 and, for numbers, from their mean.

    Example:
        >>> found = best_constant(torch.nn.functional.mse_loss, torch.zeros(4), torch.tensor([1.0, 2.0, 3.0, 6.0]))
        >>> round(found, 3)
        3.5
    """
    values = answer_tensor(outputs)
    if values is None or values is not outputs or not values.is_floating_point() or values[0].numel() > _MOST:
        return None
    values = values.detach()
    shape = _shape_of(values)
    starts = [torch.zeros_like(values[:1])]
    if isinstance(targets, Tensor) and targets.is_floating_point() and targets.numel() == values.numel() and shape is _plain:
        starts.append(targets.detach().reshape(values.shape).mean(0, keepdim=True).to(values.dtype))
    found = [descend_to(loss, start, shape, values, targets)[0] for start in starts]
    bounded = all(math.isfinite(each) and each > -1e6 for each in found)
    return min(found) if bounded else None


def descend_to(
    loss: Loss, start: Tensor, shape: Callable[[Tensor], Tensor], values: Tensor, targets: Tensor
) -> tuple[float, Tensor]:
    """The least loss of one answer for every row, and the place where it is.

    Gradient steps are doubled after each that gained and quartered after each that did not.

    Args:
        loss: (outputs, targets) → scalar.
        start: [1, …], where it begins.
        shape: what makes an answer of a place.
        values: outputs of the rows, for their shape.
        targets: of the rows.

    Example:
        >>> loss, targets = torch.nn.functional.mse_loss, torch.tensor([1.0, 3.0])
        >>> value, place = descend_to(loss, torch.zeros(1), lambda place: place, torch.zeros(2), targets)
        >>> round(value, 3), round(place.item(), 3)
        (1.0, 2.0)
    """
    at, length = start.clone().requires_grad_(), 1.0

    def valued(place: Tensor) -> Tensor:
        return loss(shape(place).expand_as(values), targets)

    with torch.enable_grad():
        value = valued(at)
        best = float(value.detach())
        if not value.requires_grad:
            return best, start
        [slope] = torch.autograd.grad(value, at)
        for _ in range(_STEPS):
            if not bool(slope.any()) or length < 1e-9 or not math.isfinite(best):
                break
            place = (at - length * slope).detach().requires_grad_()
            value = valued(place)
            gained = best - float(value.detach())
            if gained > 0:
                settled = gained < 1e-7 * abs(best)
                at, best, length = place, best - gained, 2 * length
                if settled:
                    break
                [slope] = torch.autograd.grad(value, at)
            else:
                length /= 4
    return best, at.detach()


def _plain(place: Tensor) -> Tensor:
    return place


def _log_shares(place: Tensor) -> Tensor:
    return place.log_softmax(1)


def _shares(place: Tensor) -> Tensor:
    return place.softmax(1)


def _shape_of(values: Tensor) -> Callable[[Tensor], Tensor]:
    """What turns any numbers into answers such as these."""
    flat = values.detach().float()
    if values.ndim > 1 and values.shape[1] > 1:
        if bool(((flat.exp().sum(1) - 1).abs() < 1e-3).all()):
            return _log_shares
        if bool(((flat.sum(1) - 1).abs() < 1e-3).all()) and bool((flat >= 0).all()):
            return _shares
    inside = bool(((flat >= 0) & (flat <= 1)).all())
    return torch.sigmoid if inside and len(flat) > 3 and bool((flat > 0).any()) else _plain
