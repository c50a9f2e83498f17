"""A learning-rate schedule as a value: a pure function of progress that is multiplied and written down; and rates set by it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from torch import Tensor
from torch.optim import Optimizer


class Schedule:
    """A pure function m of progress p in [0, 1]; the rate of a step is the learning rate times m(p).

    (m · n)(p) = m(p) · n(p), written `m * n`. Progress outside [0, 1] counts as the nearer end. What `repr` gives is how a Plan
    and the command line spell the schedule, and `make_schedule` reads it back.

    Args:
        function: p → multiplier.
        text: how it is spelled.

    Example:
        >>> falling = Schedule(lambda progress: 1 - progress, "falling")
        >>> falling(0.25), (falling * falling)(0.25)
        (0.75, 0.5625)
        >>> falling * falling
        falling * falling
    """

    def __init__(self, function: Callable[[float], float], text: str) -> None:
        self.function, self.text = function, text

    def __call__(self, progress: float) -> float:
        return self.function(min(max(progress, 0.0), 1.0))

    def __mul__(self, other: Schedule) -> Schedule:
        if not isinstance(other, Schedule):
            return NotImplemented
        return Schedule(lambda progress: self.function(progress) * other.function(progress), f"{self} * {other}")

    def __repr__(self) -> str:
        return self.text


def half_cosine(progress: float) -> float:
    """(1 + cos πp) / 2: from 1 at 0 to 0 at 1, flat at both ends.

    Example:
        >>> half_cosine(0.5)
        0.5
    """
    return 0.5 * (1 + math.cos(math.pi * progress))


def set_rates(optimizer: Optimizer, rates: Sequence[float], multiplier: float) -> None:
    """Give each parameter group of an optimizer its learning rate times a multiplier.

    A rate that is a tensor is filled and stays where it is: a captured graph reads it there.

    Args:
        optimizer: changed in place.
        rates: of its groups, in their order, as they were before any schedule.
        multiplier: of a schedule.

    Example:
        >>> import torch
        >>> groups = [{"params": [torch.zeros(1)], "lr": 0.5}, {"params": [torch.zeros(1)], "lr": torch.tensor(2.0)}]
        >>> optimizer = torch.optim.SGD(groups)
        >>> set_rates(optimizer, [0.5, 2.0], 0.25)
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.125, tensor(0.5000)]
    """
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate * multiplier)
        else:
            group["lr"] = rate * multiplier
