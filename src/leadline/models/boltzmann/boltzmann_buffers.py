"""Where contrastive divergence works: memory that is taken once, and random numbers that cost little.

N rows of the chains and B rows of the data stand one below the other, so that one product serves both.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

_STEPS = 2**16


class Draws:
    """Units that are on with given probabilities, and normal noise, from a generator whose state can be kept.

    On a CPU a unit compares 16 random bits, four units from one draw, with its probability, which is thereby kept to 1/131072;
    elsewhere torch's own uniform numbers.

    Args:
        device: of the tensors to fill.
        seed: of the generator.

    Example:
        >>> draws = Draws(torch.device("cpu"), 0)
        >>> draws.units(torch.tensor([0.0, 1.0]), out=torch.empty(2))
        tensor([0., 1.])
    """

    def __init__(self, device: torch.device, seed: int) -> None:
        self.device = device
        self.generator = torch.Generator(device).manual_seed(seed)
        self._middle = torch.tensor(0.5 + 0.5 / _STEPS)
        self._bits = torch.empty(0, dtype=torch.int64)

    def units(self, probabilities: Tensor, out: Tensor) -> Tensor:
        """Fill `out` with 1 where a uniform number is below the probability, else with 0; both of one shape, contiguous."""
        if self.device.type != "cpu":
            return out.uniform_(generator=self.generator).lt_(probabilities)
        count = out.numel()
        if 4 * len(self._bits) < count:
            self._bits = torch.empty((count + 3) // 4, dtype=torch.int64)
        bits = self._bits[: (count + 3) // 4].random_(-(2**63), None, generator=self.generator)
        # ½ + (k + ½) / 65536 for k from −32768: the middle of each of 65536 parts of [0, 1], so that 0 and 1 are kept exactly.
        out.copy_(bits.view(torch.int16)[:count].view(out.shape))
        return torch.add(self._middle.to(out.dtype), out, alpha=1 / _STEPS, out=out).lt_(probabilities)

    def noisy(self, means: Tensor, out: Tensor) -> Tensor:
        """Fill `out` with normal numbers around these means, of deviation 1."""
        return out.normal_(generator=self.generator).add_(means)

    def state(self) -> Tensor:
        return self.generator.get_state()

    def load(self, state: Tensor) -> None:
        self.generator.set_state(state.cpu())


class Buffers(NamedTuple):
    """The memory of one step on B rows of data and N rows of chains; R = N + B, and the chains stand first.

    A chain that goes on from step to step lives in the first N rows of `visible`.
    """

    chains: int
    visible: Tensor  # R, D
    hidden: Tensor  # R, H: probabilities
    centered_visible: Tensor  # R, D
    centered_hidden: Tensor  # R, H
    states: Tensor  # N + a few, H: hidden units that are on or off, and below them probabilities to be told from the data
    means: Tensor  # as many, D: of the visible units given those
    shares: Tensor  # R: −1/N for a row of a chain, 1/B for one of the data
    column: Tensor  # R

    @classmethod
    def like(cls, weight: Tensor, chains: int, rows: int, told: int) -> Buffers:
        """For a machine of weights [H, D]; `told` rows are reconstructed beside the chains."""
        hidden, visible = weight.shape
        total = chains + rows
        shares = weight.new_full((total,), 1 / rows)
        shares[:chains] = -1 / chains
        return cls(
            chains,
            weight.new_empty(total, visible),
            weight.new_empty(total, hidden),
            weight.new_empty(total, visible),
            weight.new_empty(total, hidden),
            weight.new_empty(chains + told, hidden),
            weight.new_empty(chains + told, visible),
            shares,
            weight.new_empty(total),
        )

    @property
    def data(self) -> Tensor:
        return self.visible[self.chains :]


class Moving:
    """What the step remembers of the machine: velocities of the three parameters, and the means it centers the units by.

    Args:
        weight: [H, D] of the machine.

    Example:
        >>> sorted(Moving(torch.zeros(3, 2)).state())
        ['hidden_bias', 'hidden_mean', 'visible_bias', 'visible_mean', 'weight']
    """

    def __init__(self, weight: Tensor) -> None:
        hidden, visible = weight.shape
        self.weight = torch.zeros_like(weight)
        self.visible_bias, self.hidden_bias = weight.new_zeros(visible), weight.new_zeros(hidden)
        self.visible_mean, self.hidden_mean = weight.new_zeros(visible), weight.new_zeros(hidden)

    def state(self) -> dict[str, Any]:
        return dict(vars(self))

    def load(self, state: dict[str, Any]) -> None:
        for name, value in vars(self).items():
            value.copy_(state[name])
