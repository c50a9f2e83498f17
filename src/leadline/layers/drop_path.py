"""Drop path: a whole residual branch is left out for some samples."""

from __future__ import annotations

from torch import Tensor, nn

from leadline.layers.arguments import check_dropped, check_float, refuse


class DropPath(nn.Module):
    """In training y = x/(1 − p) with probability 1 − p, else 0, for each sample as a whole; in evaluation y = x.

    At the end of a residual branch, so that a deep network is trained as many shallower ones (stochastic depth).

    Shapes: [B, ...] → the same; one decision for each of the B.

    Args:
        p: probability of being left out, in [0, 1).

    Errors: `ArgumentError` for another p, inputs without an axis of samples or no floating-point numbers.

    Example:
        >>> import torch
        >>> dropped = DropPath(0.5)(torch.ones(1000, 3))
        >>> sorted({tuple(row) for row in dropped.tolist()})
        [(0.0, 0.0, 0.0), (2.0, 2.0, 2.0)]

    Source: Huang et al. (2016), Deep networks with stochastic depth; Larsson, Maire and Shakhnarovich (2017), FractalNet.
    """

    def __init__(self, p: float = 0.1) -> None:
        super().__init__()
        check_dropped("DropPath", p)
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        check_float("DropPath", x)
        if x.ndim < 1:
            refuse("DropPath", x, "shape [B, ...]")
        if not self.training or self.p == 0:
            return x
        kept = x.new_empty(x.shape[0], *[1] * (x.ndim - 1)).bernoulli_(1 - self.p)
        return x * kept.div_(1 - self.p)

    def extra_repr(self) -> str:
        return f"p={self.p:g}"
