"""Whether a loss on masks takes shares between 0 and 1, and gets outputs of any size."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from leadline.diagnose.checks.flat_features import choose
from leadline.diagnose.checks.task_guess import answer_tensor
from leadline.diagnose.subject import Subject

_ROWS, _SCORES = 64, (1.0, 3.0, 10.0)  # rows; outputs that a loss with a sigmoid of its own takes for sure answers
_BEYOND, _CLEAR = 3.0, 0.05  # times the right share; of the way from the worst share to the right one


def read_beyond(subject: Subject) -> float | None:
    """The share of outputs outside of 0 … 1, of a loss that takes shares and rewards leaving them; None of any other loss.

    Such a loss, as the overlap of two masks (Dice, Jaccard), is least at the targets themselves among shares, is larger for
    right scores that are far from 0, so that it has no sigmoid of its own, and is less than at the targets where outputs go
    beyond 1: it is then no measure of overlap any more.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> read_beyond(a_subject(steps=1)) is None
        True
    """
    rows = subject.train.take(choose(len(subject.train), _ROWS))
    wanted = rows.targets
    if subject.loss is None or not isinstance(wanted, Tensor) or not wanted.is_floating_point() or wanted.numel() < 2:
        return None
    if not bool(((wanted == 0) | (wanted == 1)).all()) or not bool((wanted != wanted.flatten()[0]).any()):
        return None
    outputs = subject.outputs(subject.trained().eval(), rows)
    values = answer_tensor(outputs)
    if values is None or values is not outputs or values.shape != wanted.shape:
        return None
    loss = subject.loss

    def of(answers: Tensor) -> float:
        with torch.no_grad():
            return float(loss(answers.to(values.dtype), wanted))

    try:
        right, beyond = of(wanted), of(_BEYOND * wanted)
        shares = [of(1 - wanted), of(torch.full_like(wanted, 0.5)), of(0.8 * wanted + 0.1), of(torch.ones_like(wanted))]
        scores = [of(size * (2 * wanted - 1)) for size in _SCORES]
    except (RuntimeError, ValueError):  # a loss that refuses what is no share needs no warning
        return None
    if not all(map(math.isfinite, (right, beyond, *shares, *scores))) or right > min(*shares, *scores):
        return None
    if beyond > right - _CLEAR * (max(shares) - right) or max(shares) <= right:
        return None
    return float(((values < 0) | (values > 1)).float().mean())
