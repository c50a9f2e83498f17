"""The 2×2 maximum without a table of indices."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from leadline.layers.arguments import refuse


class MaxPool2x2(nn.MaxPool2d):
    """`nn.MaxPool2d(2)`: the same values and gradients, the first of equals winning, in half the time on a CPU.

    y[i, j] = max of x[2i, 2j], x[2i, 2j+1], x[2i+1, 2j], x[2i+1, 2j+1]; a last odd row or column is left out. torch keeps the
    index of each maximum as 64 bits and finds it value by value; here three comparisons of whole maps keep a bit each. Maps in
    the layout `channels_last` and on other devices go to torch, which is quicker there; a whole network that can be kept in
    that layout is best kept in it.

    Shapes: [B, C, H, W] → [B, C, ⌊H/2⌋, ⌊W/2⌋].

    Errors: `ArgumentError` for inputs that are no maps of at least 2 × 2.

    Example:
        >>> MaxPool2x2()(torch.arange(16.0).reshape(1, 1, 4, 4)).flatten().tolist()
        [5.0, 7.0, 13.0, 15.0]
    """

    def __init__(self) -> None:
        super().__init__(2)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4 or not x.is_floating_point() or min(x.shape) < 1 or min(x.shape[2:]) < 2:
            refuse("MaxPool2x2", x, "floating-point numbers of shape [B, C, H, W] with H and W of at least 2")
        return highest_of_four(x)


def highest_of_four(x: Tensor) -> Tensor:
    """The maximum of each 2×2 window, by whichever way is quicker: ours, or torch's where the layout or the device is its own.

    Shapes: [B, C, H, W], H and W of at least 2, → [B, C, ⌊H/2⌋, ⌊W/2⌋].

    Args:
        x: maps.

    Example:
        >>> highest_of_four(torch.tensor([[[[1.0, 2.0], [4.0, 3.0]]]])).flatten().tolist()
        [4.0]
    """
    if x.device.type != "cpu" or not x.is_contiguous() or torch.compiler.is_compiling():
        return nn.functional.max_pool2d(x, 2)
    if not (torch.is_grad_enabled() and x.requires_grad):
        return _highest(x)
    y: Tensor = _Highest.apply(x)[0]  # type: ignore[no-untyped-call]
    return y


def _columns(x: Tensor) -> tuple[Tensor, Tensor]:
    width = x.shape[-1] // 2 * 2
    return x[..., 0:width:2], x[..., 1:width:2]


def _rows(x: Tensor) -> tuple[Tensor, Tensor]:
    height = x.shape[-2] // 2 * 2
    return x[..., 0:height:2, :], x[..., 1:height:2, :]


def _highest(x: Tensor) -> Tensor:
    # Rows first: whole rows lie together in memory, and only half of the values is left for the slow step over columns.
    return torch.maximum(*_columns(torch.maximum(*_rows(x))))


class _Highest(torch.autograd.Function):
    """The maximum, and where it came from: whether from the left within each row, and whether from the upper row."""

    @staticmethod
    def forward(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        left, right = _columns(x)
        upper, lower = _rows(torch.maximum(left, right))
        # Columns first: of equals the first in reading order must win, as in torch.
        return torch.maximum(upper, lower), left >= right, upper >= lower

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor, Tensor]) -> None:
        ctx.size = inputs[0].shape[-2:]
        ctx.save_for_backward(output[1], output[2])
        ctx.mark_non_differentiable(output[1], output[2])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, *_: None) -> Tensor | None:
        if grad is None:
            return None
        spread: Tensor = _Spread.apply(grad, *ctx.saved_tensors, tuple(ctx.size))  # type: ignore[no-untyped-call]
        return spread

    @staticmethod
    def vmap(info: Any, dims: tuple[int], x: Tensor) -> tuple[tuple[Tensor, Tensor, Tensor], int]:
        return _Highest.apply(x.movedim(dims[0], 0)), 0  # type: ignore[no-untyped-call]


class _Spread(torch.autograd.Function):
    """The gradient goes where the maximum came from, and zeros to the rest."""

    @staticmethod
    def forward(grad: Tensor, left: Tensor, upper: Tensor, size: tuple[int, int]) -> Tensor:
        # Two writes of half the values each, in place of zeros and a scatter.
        rows = grad.new_zeros(left.shape) if size[0] % 2 else grad.new_empty(left.shape)
        above, below = _rows(rows)
        torch.sub(grad, torch.mul(grad, upper, out=above), out=below)
        spread = grad.new_zeros(*left.shape[:-1], size[1]) if size[1] % 2 else grad.new_empty(*left.shape[:-1], size[1])
        first, second = _columns(spread)
        torch.sub(rows, torch.mul(rows, left, out=first), out=second)
        return spread

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1], inputs[2])

    @staticmethod
    def backward(ctx: Any, twice: Tensor) -> tuple[Tensor, None, None, None]:
        left, upper = ctx.saved_tensors
        first, second = _columns(twice)
        above, below = _rows(torch.where(left, first, second))
        return torch.where(upper, above, below), None, None, None

    @staticmethod
    def vmap(info: Any, dims: tuple[int | None, ...], *inputs: Any) -> tuple[Tensor, int]:
        tensors = [
            tensor.expand(info.batch_size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
            for tensor, dim in zip(inputs[:3], dims[:3], strict=True)
        ]
        return _Spread.apply(*tensors, inputs[3]), 0  # type: ignore[no-untyped-call]
