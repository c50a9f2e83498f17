"""A network at its first step: whether its loss is a number, whether gradients reach its first layers, which units rest."""

from __future__ import annotations

import math
from itertools import islice

import torch

from leadline.diagnose.checks.flat_features import choose
from leadline.diagnose.checks.last_look import resting_units
from leadline.diagnose.readings import First
from leadline.diagnose.subject import Subject

_ROWS, _RESTING = 32, 256


def read_gradients(subject: Subject, first: First) -> float | None:
    """‖g‖/√parameters of the first matrix over that of the last, by the median over batches of 32 rows; into `first` as well.

    None where less than two matrices get a gradient.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> first = First()
        >>> 0.01 < read_gradients(a_subject(steps=0), first) < 100
        True
    """
    model, found = subject.fresh().train(), []
    matrices = [each for each in model.parameters() if each.ndim > 1 and each.requires_grad]
    assert subject.loss is not None
    for rows in islice(subject.train.parts(_ROWS), 3):
        loss = subject.loss(subject.call(model, rows.inputs), rows.targets)
        gradients = torch.autograd.grad(loss, matrices, allow_unused=True) if matrices and loss.requires_grad else []
        sizes = [float(each.norm()) / math.sqrt(each.numel()) for each in gradients if each is not None]
        if len(sizes) > 1 and sizes[-1] > 0:
            found.append(sizes[0] / sizes[-1])
    first.first_over_last = sorted(found)[len(found) // 2] if found else None
    return first.first_over_last


def read_resting(subject: Subject, first: First) -> bool:
    """Shares of units that give nothing, and of outputs where the activation is flat, before the first step."""
    rows = subject.train.take(choose(len(subject.train), _RESTING))
    first.dead, first.saturated = resting_units(subject, subject.fresh(), rows)
    return True


def read_finite(subject: Subject, *, most: int = 256) -> bool:
    """Whether the first loss is a number, on so many of the kept rows.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> subject = a_subject(steps=0)
        >>> subject.train.inputs[7] = float("nan")
        >>> read_finite(subject, most=300)
        False
    """
    model, rows = subject.fresh().train(), subject.train.take(choose(len(subject.train), most))
    return all(math.isfinite(subject.loss_of(model, part)) for part in rows.parts(512) if len(part) > 1)
