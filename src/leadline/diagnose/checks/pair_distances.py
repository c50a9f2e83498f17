"""Networks that say how far two inputs lie apart: whether their loss draws together the pairs that are alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from leadline.diagnose.check_readings import Pairs
from leadline.diagnose.checks.flat_features import choose
from leadline.diagnose.subject import Subject, first_tensor, like

_ROWS, _FEW = 512, 16
_SAME = 0.05  # of the usual distance: how far from each other two that are one may be

Sides = tuple[Tensor, Tensor, Callable[[Tensor, Tensor], Any]]


def read_pairs(subject: Subject) -> Pairs:
    """Looks at a network of two inputs of one shape, one number (or two codes) a row, and targets of two values.

    What it gives is a distance where it is least for an input and itself, a likeness where it is largest there. What the loss
    draws together is seen in its slope along that: the targets whose pairs it wants nearer. The inputs themselves say which
    pairs are alike.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> read_pairs(a_subject(steps=1)).closeness
        ''
    """
    if subject.loss is None or _sides_of(subject.train.inputs) is None:
        return Pairs()
    rows = subject.valid if subject.valid is not None and len(subject.valid) >= _FEW else subject.train
    rows = rows.take(choose(len(rows), _ROWS))
    sides, targets = _sides_of(rows.inputs), rows.targets
    if sides is None or not isinstance(targets, Tensor) or targets.numel() != len(rows):
        return Pairs()
    larger = targets.detach().flatten().cpu() == targets.max().cpu()
    if len(torch.unique(targets)) != 2 or len(rows) < _FEW or min(int(larger.sum()), int((~larger).sum())) < 4:
        return Pairs()
    left, right, joined = sides
    model = subject.trained().eval()
    with torch.no_grad():
        outputs, alone = subject.call(model, joined(left, right)), subject.call(model, joined(left, left))
    apart, itself = _apart(outputs, len(rows)), _apart(alone, len(rows))
    if apart is None or itself is None:
        return Pairs()
    reach = float((apart - itself.median()).abs().mean())
    one_value = float(itself.max() - itself.min()) <= _SAME * reach
    nearest, farthest = float(apart.quantile(0.02)), float(apart.quantile(0.98))
    if not one_value or not reach or nearest < float(itself.median()) < farthest:
        return Pairs()
    sign = 1.0 if float(itself.median()) <= nearest else -1.0
    raw = (left - right).double().flatten(1).norm(dim=1).cpu()
    few = min(int(larger.sum()), int((~larger).sum()))
    return Pairs(
        "distance" if sign > 0 else "likeness",
        _nearer(raw, larger),
        0.3 / few**0.5,
        _nearer(sign * apart, larger),
        sign * _pull(subject, outputs, targets, larger),
    )


def _sides_of(inputs: Any) -> Sides | None:
    """Both inputs, and how two become what the network takes."""
    if isinstance(inputs, Tensor):
        if inputs.ndim < 3 or inputs.shape[1] != 2 or not inputs.is_floating_point():
            return None
        return inputs[:, 0], inputs[:, 1], lambda one, other: torch.stack([one, other], dim=1)
    parts = list(inputs.values()) if isinstance(inputs, dict) else list(inputs) if isinstance(inputs, (tuple, list)) else []
    if len(parts) != 2 or not all(isinstance(part, Tensor) and part.is_floating_point() and part.ndim > 1 for part in parts):
        return None
    if parts[0].shape != parts[1].shape:
        return None
    if isinstance(inputs, dict):
        return parts[0], parts[1], lambda one, other: dict(zip(inputs, (one, other), strict=True))
    return parts[0], parts[1], lambda one, other: like(inputs, [one, other])


def _apart(outputs: Any, rows: int) -> Tensor | None:
    """One number a row: as it is, or the distance of two codes."""
    if _are_codes(outputs):
        apart: Tensor = (outputs[0] - outputs[1]).double().flatten(1).norm(dim=1).cpu()
        return apart
    if isinstance(outputs, Tensor) and outputs.numel() == rows and outputs.is_floating_point():
        return outputs.detach().double().flatten().cpu()
    return None


def _are_codes(outputs: Any) -> bool:
    pair = isinstance(outputs, (tuple, list)) and len(outputs) == 2 and all(isinstance(each, Tensor) for each in outputs)
    return pair and outputs[0].shape == outputs[1].shape and outputs[0].ndim > 1


def _pull(subject: Subject, outputs: Any, targets: Tensor, larger: Tensor) -> float:
    """How much more the loss grows with what lies between pairs of the larger target than with that of the others."""
    assert subject.loss is not None
    codes = _are_codes(outputs)
    free = [each.detach().requires_grad_() for each in (outputs if codes else [outputs])]
    with torch.enable_grad():
        value = subject.loss(like(outputs, free) if codes else free[0], targets)
    slopes = torch.autograd.grad(value.sum(), free)
    if codes:
        along = free[0].detach() - free[1].detach()
        slope = ((slopes[0] - slopes[1]) * along).flatten(1).sum(1) / along.flatten(1).norm(dim=1).clamp(min=1e-12)
    else:
        slope = slopes[0].flatten()
    slope = slope.double().cpu() * first_tensor(targets).shape[0]
    return float(slope[larger].mean() - slope[~larger].mean())


def _nearer(values: Tensor, larger: Tensor) -> float:
    """How often one of the larger target has the smaller value."""
    one, other = values[larger], values[~larger]
    less = (one[:, None] < other).double() + 0.5 * (one[:, None] == other).double()
    return float(less.mean())
