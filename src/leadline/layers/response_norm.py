"""Local response normalization in one pass forward and one backward."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.layers.arguments import check_above_zero, check_whole, refuse


class LocalResponseNorm(nn.LocalResponseNorm):
    """Each value is divided by a power of what its neighbouring channels hold: torch's layer, several times as fast on a CPU.

    y_c = x_c / s_c^β, with s_c = k + α/n · Σ x_j² over the n channels j = c − ⌊n/2⌋ … c + ⌈n/2⌉ − 1 that exist.
    Backward: dx = g·s^−β − 2αβ/n · x · Σ (g·x·s^(−β−1)) over the channels in whose sum x stands.

    Shapes: [B, C, ...] → the same.

    Args:
        size: n, the channels of a sum.
        alpha: α.
        beta: β.
        k: k, above 0.

    Errors: `ArgumentError` for an argument out of range, or inputs with fewer than 3 axes or no floating-point numbers.

    Example:
        >>> layer = LocalResponseNorm(2, alpha=2.0, beta=1.0)
        >>> layer(torch.tensor([1.0, 2.0, 3.0]).reshape(1, 3, 1)).flatten().tolist()  # [1/(1+1), 2/(1+1+4), 3/(1+4+9)]
        [0.5, 0.333..., 0.214...]

    Source: Krizhevsky, Sutskever and Hinton (2012), ImageNet classification with deep convolutional neural networks.
    """

    def __init__(self, size: int, alpha: float = 1e-4, *, beta: float = 0.75, k: float = 1.0) -> None:
        check_whole("LocalResponseNorm", {"size": size})
        check_above_zero("LocalResponseNorm", {"k": k})
        if not (0 <= alpha < math.inf and 0 <= beta < math.inf):
            raise ArgumentError(
                "LocalResponseNorm cannot be built: alpha or beta is out of range", expected="numbers ≥ 0", got=(alpha, beta)
            )
        super().__init__(size, alpha, beta, k)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim < 3 or not x.is_floating_point():
            refuse("LocalResponseNorm", x, "floating-point numbers of shape [B, C, ...]")
        if x.device.type != "cpu":  # where ours has not been measured
            return nn.functional.local_response_norm(x, self.size, self.alpha, self.beta, self.k)
        y: Tensor = _Respond.apply(x, self.size, self.alpha, self.beta, self.k)[0]  # type: ignore[no-untyped-call]
        return y


class _Respond(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, size: int, alpha: float, beta: float, k: float) -> tuple[Tensor, Tensor]:
        sums = _sums(x, size, alpha, k)
        return x * _power(sums, beta), sums

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        x, *ctx.settings = inputs
        ctx.save_for_backward(x, output[1])
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, _: None) -> tuple[Tensor | None, None, None, None, None]:
        if grad is None:
            return None, None, None, None, None
        x, sums = ctx.saved_tensors
        size, alpha, beta, k = ctx.settings
        if torch.is_grad_enabled():  # someone differentiates twice, and the kept sums would count as constants
            sums = _sums(x, size, alpha, k)
        passed = grad * _power(sums, beta)
        felt = _window(passed * x / sums, (size - 1) // 2, size // 2)
        return torch.addcmul(passed, x, felt, value=-2 * alpha * beta / size), None, None, None, None


def _sums(x: Tensor, size: int, alpha: float, k: float) -> Tensor:
    return _window(x.square(), size // 2, (size - 1) // 2) * (alpha / size) + k


def _window(x: Tensor, before: int, after: int) -> Tensor:
    """Over axis 1, the sum from `before` channels earlier to `after` channels later."""
    total, channels = x.clone(), x.shape[1]
    for shift in range(1, min(max(before, after), channels - 1) + 1):
        rest = channels - shift
        if shift <= before:
            total.narrow(1, shift, rest).add_(x.narrow(1, 0, rest))
        if shift <= after:
            total.narrow(1, 0, rest).add_(x.narrow(1, shift, rest))
    return total


def _power(sums: Tensor, beta: float) -> Tensor:
    """sums^−β; for the usual exponents by roots, which cost a fraction of a general power."""
    if beta == 0.75:
        root = sums.rsqrt()
        return root * root.sqrt()
    return sums.rsqrt() if beta == 0.5 else sums.pow(-beta)
