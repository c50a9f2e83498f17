"""The sign unit: a hard decision forward, a straight line backward."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.layers.arguments import check_float


class Sign(nn.Module):
    """sign(x) in {−1, +1}, whose gradient passes as if it were the identity where |x| ≤ limit.

    y = +1 where x ≥ 0, else −1; dy/dx := 1 where |x| ≤ limit, else 0 (the true derivative is 0 everywhere, and nothing would
    learn). sign(0) is +1, so that there are two answers and not three. NaN stays NaN.

    Shapes: [...] → [...].

    Args:
        limit: above 0; beyond it the unit counts as saturated. `math.inf` lets every gradient pass.

    Errors: `ArgumentError` for a limit that is not above 0, or inputs that are no floating-point numbers.

    Example:
        >>> x = torch.tensor([-2.0, -0.5, 0.0, 3.0], requires_grad=True)
        >>> y = Sign()(x)
        >>> y.sum().backward()
        >>> y.tolist(), x.grad.tolist()
        ([-1.0, -1.0, 1.0, 1.0], [0.0, 1.0, 1.0, 0.0])

    Source: Bengio, Léonard and Courville (2013), Estimating or propagating gradients through stochastic neurons; the limit:
    Hubara et al. (2016), Binarized neural networks.
    """

    def __init__(self, limit: float = 1.0) -> None:
        super().__init__()
        if math.isnan(limit) or limit <= 0:
            raise ArgumentError("Sign cannot be built: limit is out of range", expected="a number above 0 or inf", got=limit)
        self.limit = limit

    def forward(self, x: Tensor) -> Tensor:
        check_float("Sign", x)
        signs: Tensor = _StraightThrough.apply(x, self.limit)  # type: ignore[no-untyped-call]
        return signs

    def extra_repr(self) -> str:
        return f"limit={self.limit:g}"


class _StraightThrough(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, limit: float) -> Tensor:
        # −0 + 0 is +0. The clamp is 0 for every number and NaN for NaN: no comparison, which would take twice as long.
        return torch.copysign(x.new_ones(()), x + 0.0).add_(x.clamp(0, 0))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:
        x, ctx.limit = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return grad * (x.abs() <= ctx.limit), None
