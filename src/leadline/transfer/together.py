"""Several depths of one network in one pass: what is early is on the way to what is late."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.transfer.cutting import CutNetwork, averaged
from leadline.transfer.depths import Depth
from leadline.transfer.passing import example_of, first_tensor, forward


class SeveralDepths(nn.Module):
    """What several cut networks give, side by side, from one pass through the last of them.

    Shapes: [B, …] → [B, D₁ + D₂ + … + D].

    Args:
        last: the network, cut at its last depth.
        taps: names of modules of `last` that are called before, each with the grid over which what leaves it is averaged.

    Example:
        >>> network = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4))
        >>> SeveralDepths(network, [("0", 1)])(torch.zeros(5, 2)).shape
        torch.Size([5, 7])
    """

    def __init__(self, last: nn.Module, taps: Sequence[tuple[str, int]]) -> None:
        super().__init__()
        self.last, self.taps = last, list(taps)

    def forward(self, x: Tensor) -> Tensor:
        seen: dict[int, Tensor] = {}

        def keep(at: int, grid: int, module: nn.Module, inputs: Any, output: Any) -> None:
            left = first_tensor(output)
            assert left is not None
            # Of rows it is the very tensor, which a layer after it may change in place.
            seen[at] = averaged(left, grid).clone() if left.ndim < 3 else averaged(left, grid)

        handles = [
            self.last.get_submodule(name).register_forward_hook(functools.partial(keep, at, grid))
            for at, (name, grid) in enumerate(self.taps)
        ]
        try:
            last = self.last(x)
        finally:
            for handle in handles:
                handle.remove()
        return torch.cat([*(seen[at] for at in range(len(self.taps))), last], dim=1)


def depths_together(backbones: Sequence[nn.Module], depths: Sequence[Depth], shape: Sequence[int]) -> nn.Module | None:
    """A network that gives what all of these give, side by side, or None where one pass cannot.

    Args:
        backbones: of one network, cut at each of the depths (`backbone_of`), from early to late.
        depths: theirs.
        shape: of one input, without the batch.

    Example:
        >>> from leadline.transfer.cutting import cut
        >>> from leadline.transfer.depths import cut_depths
        >>> network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 2))
        >>> depths = cut_depths(network, (4,))
        >>> together = depths_together([cut(network, depth.layer, (4,)) for depth in depths], depths, (4,))
        >>> together(torch.zeros(3, 4)).shape
        torch.Size([3, 14])
    """
    if len(backbones) < 2:
        return None
    last = backbones[-1]
    inside = next((name for name, module in last.named_modules() if isinstance(module, CutNetwork)), None)
    names = {name for name, _ in last.named_modules()}
    if inside is None:
        return None
    prefix = f"{inside}.network." if inside else "network."
    taps = [(prefix + depth.layer, depth.grid) for depth in depths[:-1]]
    if any(name not in names for name, _ in taps):
        return None
    together = SeveralDepths(last, taps)
    example = example_of(last, shape)
    try:
        # A layer that is called again later gives something else here than where the network was cut.
        found, alone = forward(together, example), torch.cat([forward(each, example) for each in backbones], 1)
    except (ArgumentError, KeyError):  # one of them is not reached on the way to the last
        return None
    same = found.shape == alone.shape and torch.allclose(found, alone, rtol=1e-4, atol=1e-6 * float(alone.abs().max()))
    return together if same else None
