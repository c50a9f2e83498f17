"""Locked dropout: the same units are silent at every step of a sequence."""

from __future__ import annotations

from torch import Tensor, nn

from leadline.layers.arguments import check_dropped, check_float, refuse


class LockedDropout(nn.Module):
    """Dropout with one mask for all time steps of a sequence; in evaluation y = x.

    y_t = m ⊙ x_t / (1 − p), m drawn once for each sequence and feature, 0 with probability p. A new mask at each step would, in
    the course of a sequence, silence every unit and wash out what a recurrent network remembers.

    Shapes: [B, T, D] → the same, the mask being [B, 1, D]; with `batch_first=False` [T, B, D].

    Args:
        p: probability of being silent, in [0, 1).
        batch_first: whether the axis of time is the second.

    Errors: `ArgumentError` for another p, or inputs that are no floating-point numbers with three axes.

    Example:
        >>> import torch
        >>> y = LockedDropout(0.5)(torch.ones(2, 7, 4))
        >>> bool((y == y[:, :1]).all())
        True

    Source: Gal and Ghahramani (2016), A theoretically grounded application of dropout in recurrent neural networks.
    """

    def __init__(self, p: float = 0.5, *, batch_first: bool = True) -> None:
        super().__init__()
        check_dropped("LockedDropout", p)
        self.p, self.batch_first = p, batch_first

    def forward(self, x: Tensor) -> Tensor:
        check_float("LockedDropout", x)
        if x.ndim != 3:
            refuse("LockedDropout", x, "shape [B, T, D]" if self.batch_first else "shape [T, B, D]")
        if not self.training or self.p == 0:
            return x
        one = x[:, :1] if self.batch_first else x[:1]
        kept = x.new_empty(one.shape).bernoulli_(1 - self.p)
        return x * kept.div_(1 - self.p)

    def extra_repr(self) -> str:
        return f"p={self.p:g}, batch_first={self.batch_first}"
