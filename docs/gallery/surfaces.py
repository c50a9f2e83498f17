"""Two surfaces over a plane, and a network whose two weights are a place on one: what optimizers walk on."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn


def saddle(x: Tensor, y: Tensor) -> Tensor:
    """4x² − y²/2 + y⁴/4: level at (0, 0), which is no minimum; those are at (0, ±1), a quarter lower."""
    return 4 * x**2 - y**2 / 2 + y**4 / 4


def two_wells(x: Tensor, y: Tensor) -> Tensor:
    """(x² − 1)²/2 + x/4 + 2·(y − x/2)²: two curved wells, the lower one at the left."""
    return (x**2 - 1) ** 2 / 2 + x / 4 + 2 * (y - x / 2) ** 2


SURFACES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"saddle": saddle, "two wells": two_wells}


@functools.cache
def lowest(surface: str) -> float:
    """The height of the lowest minimum, to six digits, from a fine grid."""
    line = torch.linspace(-2, 2, 2001, dtype=torch.float64)
    return float(SURFACES[surface](line[None, :], line[:, None]).min())


class Place(nn.Module):
    """A network whose only weights are (x, y) and whose output is the height there, whatever comes in."""

    def __init__(self, surface: str, x: float, y: float) -> None:
        super().__init__()
        self.surface = SURFACES[surface]
        self.at = nn.Linear(2, 1, bias=False)
        with torch.no_grad():
            self.at.weight.copy_(torch.tensor([[x, y]]))

    def forward(self, inputs: Tensor) -> Tensor:
        x, y = self.at.weight[0]
        return self.surface(x, y).expand(len(inputs))


def height(outputs: Tensor, targets: Tensor) -> Tensor:
    """The loss: the height itself."""
    return outputs.mean()
