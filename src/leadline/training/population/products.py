"""Linear layers of many networks at once, in memory that is kept from step to step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_NARROW = 16  # outputs; fewer do not fill the kernel's rows, while the batch does


class Memory:
    """Tensors by name and shape that one step leaves to the next: asking the system for pages costs more than filling them.

    Example:
        >>> memory = Memory()
        >>> memory.take("y", (2, 3), torch.zeros(1)) is memory.take("y", (2, 3), torch.zeros(1))
        True
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, tuple[int, ...]], Tensor] = {}

    def take(self, name: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """A tensor of this shape, of the dtype and on the device of another; it holds what was last written there."""
        key = name, shape
        if key not in self._kept:
            self._kept[key] = torch.empty(shape, dtype=like.dtype, device=like.device)
        return self._kept[key]

    def clear(self) -> None:
        """Give it all back: the shapes to come are others."""
        self._kept.clear()


class LinearOfEach(torch.autograd.Function):
    """y = x Wᵀ + b for each network, or max(0, x Wᵀ + b).

    Autograd alone would compute the transposed gradient of W, whose copy into the row of its network costs as much again. The
    results lie in kept memory: they are good until the next pass through the layer of this name.

    Shapes: x [A, B, D], W [A, out, D], b [A, out] or None → [A, B, out].

    Example:
        >>> x, weight, bias = torch.ones(2, 3, 4), torch.ones(2, 5, 4), torch.zeros(2, 5)
        >>> LinearOfEach.apply(x, weight, bias, True, "0", Memory()).shape
        torch.Size([2, 3, 5])
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, rectified: bool, name: str, memory: Memory
    ) -> Tensor:  # one method, not two: torch reads the signature of `forward` at every call where `setup_context` is apart
        networks, batch, _ = x.shape
        outputs = weight.shape[1]
        if outputs < _NARROW:
            y = memory.take(name + " y", (networks, outputs, batch), x)
            left, right, lift = weight, x.transpose(1, 2), None if bias is None else bias[:, :, None]
        else:
            y = memory.take(name + " y", (networks, batch, outputs), x)
            left, right, lift = x, weight.transpose(1, 2), None if bias is None else bias[:, None, :]
        if lift is None:
            torch.bmm(left, right, out=y)
        else:
            torch.baddbmm(lift, left, right, out=y)
        y = (y.relu_() if rectified else y).detach()  # an alias of its own, for the graph of this step alone
        y = y.transpose(1, 2) if outputs < _NARROW else y
        ctx.save_for_backward(x, weight, y if rectified else None)
        ctx.name, ctx.memory = name, memory
        return y

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, y = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad[:3]
        memory, name = ctx.memory, ctx.name
        if y is not None:
            through = memory.take(name + " through", tuple(slope.shape), slope)
            slope = torch.ops.aten.threshold_backward.grad_input(slope, y, 0, grad_input=through)
        gradients: list[Tensor | None] = [None] * 6
        if of_x:
            gradients[0] = torch.bmm(slope, weight, out=memory.take(name + " x", tuple(x.shape), x)).detach()
        if of_weight:
            own = memory.take(name + " W", tuple(weight.shape), x)
            gradients[1] = torch.bmm(slope.transpose(1, 2), x, out=own).detach()
        if of_bias:
            gradients[2] = slope.sum(1)
        return tuple(gradients)
