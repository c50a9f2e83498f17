"""The matrix products of contrastive divergence, in single precision or with factors rounded to bfloat16.

R rows, D visible units, H hidden units.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.models.boltzmann.boltzmann_machines import RestrictedBoltzmannMachine


class Products(Protocol):
    """What the step asks of whoever multiplies: all results are in the type of the machine's weights."""

    def up(self, visible: Tensor, out: Tensor) -> None:
        """The probabilities of hidden units, [R, D] → [R, H]."""

    def down(self, hidden: Tensor, out: Tensor) -> None:
        """The means of visible units, [R, H] → [R, D]."""

    def accelerate(self, velocity: Tensor, hidden: Tensor, visible: Tensor, momentum: float, rate: float) -> None:
        """velocity ← momentum · velocity + rate · hiddenᵀ·visible, [H, D]."""


class ExactProducts:
    """Products in the type of the weights.

    Args:
        machine: whose weights and biases they use.

    Example:
        >>> machine, out = RestrictedBoltzmannMachine((6,), 3), torch.empty(2, 3)
        >>> ExactProducts(machine).up(torch.ones(2, 6), out)
        >>> torch.allclose(out, machine(torch.ones(2, 6)))
        True
    """

    def __init__(self, machine: RestrictedBoltzmannMachine) -> None:
        self.machine = machine

    def up(self, visible: Tensor, out: Tensor) -> None:
        machine = self.machine
        torch.addmm(machine.hidden_bias.detach(), visible, machine.weight.detach().t(), out=out).sigmoid_()

    def down(self, hidden: Tensor, out: Tensor) -> None:
        machine = self.machine
        torch.addmm(machine.visible_bias.detach(), hidden, machine.weight.detach(), out=out)
        if machine.visible == "bernoulli":
            out.sigmoid_()

    def accelerate(self, velocity: Tensor, hidden: Tensor, visible: Tensor, momentum: float, rate: float) -> None:
        velocity.addmm_(hidden.t(), visible, beta=momentum, alpha=rate)


class RoundedProducts:
    """Products whose factors and sums are rounded to bfloat16: faster by half and more where the processor multiplies in it.

    Units that are on or off are not changed by rounding; the log odds of the others are kept to 1/256 of their size, and
    probabilities are computed from them, and weights and velocities kept, in the machine's own type.

    Args:
        machine: whose weights and biases they use.

    Example:
        >>> machine, out = RestrictedBoltzmannMachine((6,), 3), torch.empty(2, 3)
        >>> RoundedProducts(machine).up(torch.ones(2, 6), out)
        >>> torch.allclose(out, machine(torch.ones(2, 6)), atol=0.002)
        True
    """

    def __init__(self, machine: RestrictedBoltzmannMachine) -> None:
        self.machine = machine
        self._memory: dict[str, Tensor] = {}
        self._weight = machine.weight.detach().to(torch.bfloat16)
        self._seen = machine.weight._version
        self._gradient = torch.empty_like(machine.weight.detach())

    def up(self, visible: Tensor, out: Tensor) -> None:
        inputs = torch.mm(self._rounded("left", visible), self._weights().t(), out=self._room("out", out.shape))
        out.copy_(inputs).add_(self.machine.hidden_bias.detach()).sigmoid_()

    def down(self, hidden: Tensor, out: Tensor) -> None:
        inputs = torch.mm(self._rounded("left", hidden), self._weights(), out=self._room("out", out.shape))
        out.copy_(inputs).add_(self.machine.visible_bias.detach())
        if self.machine.visible == "bernoulli":
            out.sigmoid_()

    def accelerate(self, velocity: Tensor, hidden: Tensor, visible: Tensor, momentum: float, rate: float) -> None:
        left, right = self._rounded("left", hidden), self._rounded("right", visible)
        # Through memory of their own type: an addition of two types would take a third of the time of the product.
        self._gradient.copy_(torch.mm(left.t(), right, out=self._room("gradient", velocity.shape)))
        velocity.mul_(momentum).add_(self._gradient, alpha=rate)

    def _weights(self) -> Tensor:
        """The machine's weights rounded, anew after each change, whoever made it."""
        weight = self.machine.weight
        if weight._version != self._seen:
            self._seen = weight._version
            self._weight.copy_(weight.detach())
        return self._weight

    def _rounded(self, name: str, value: Tensor) -> Tensor:
        return self._room(name, value.shape).copy_(value)

    def _room(self, name: str, shape: torch.Size) -> Tensor:
        """Memory of this shape, the same each time as long as no larger one is asked for."""
        size = shape.numel()
        if name not in self._memory or len(self._memory[name]) < size:
            self._memory[name] = torch.empty(size, dtype=torch.bfloat16, device=self._weight.device)
        return self._memory[name][:size].view(shape)


def products_in(precision: torch.dtype, machine: RestrictedBoltzmannMachine) -> Products:
    """The products for a precision: torch.float32 leaves the type of the machine's weights, torch.bfloat16 rounds to it.

    Errors: `ArgumentError` for another precision.

    Example:
        >>> type(products_in(torch.bfloat16, RestrictedBoltzmannMachine((6,), 3))).__name__
        'RoundedProducts'
    """
    if precision == torch.bfloat16:
        return RoundedProducts(machine)
    if precision == torch.float32:
        return ExactProducts(machine)
    raise ArgumentError(
        "Contrastive divergence cannot be built", expected="precision torch.float32 or torch.bfloat16", got=precision
    )
