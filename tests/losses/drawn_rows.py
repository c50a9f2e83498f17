"""Made-up outputs and targets for any loss, and an independent slope."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from leadline import losses

OF_CLASSES = tuple(name for name, row in losses.LOSSES.items() if row.tasks == ("classes",))
OF_LABELS = tuple(name for name, row in losses.LOSSES.items() if row.tasks == ("labels",))


def rows(name: str, seed: int = 0, count: int = 8, outputs: int = 3) -> tuple[Tensor, Tensor]:
    """Outputs [count, outputs] in float64 with a spread of 3, and targets that fit the loss."""
    draw = torch.Generator().manual_seed(seed)
    found = 3 * torch.randn(count, outputs, generator=draw, dtype=torch.float64)
    if name in OF_CLASSES:
        return found, torch.randint(outputs, (count,), generator=draw)
    targets = torch.randn(count, outputs, generator=draw, dtype=torch.float64)
    return found, (targets > 0).double() if name in OF_LABELS else targets


def central_differences(function: Callable[[Tensor], Tensor], at: Tensor, step: float = 1e-6) -> Tensor:
    """The slope of a scalar function of a float64 tensor, one entry at a time."""
    slope = torch.empty_like(at)
    for place in range(at.numel()):
        ahead, behind = at.clone(), at.clone()
        ahead.view(-1)[place] += step
        behind.view(-1)[place] -= step
        slope.view(-1)[place] = (function(ahead) - function(behind)) / (2 * step)
    return slope
