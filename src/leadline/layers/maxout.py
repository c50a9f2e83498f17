"""Maxout: the largest of several affine pieces, so that the activation itself is learnt."""

from __future__ import annotations

from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.layers.arguments import check_axis, check_shape, check_whole, pair_of
from leadline.layers.same_convolution import SameConv2d


class Maxout(nn.Module):
    """y_d = max over p of x_{p·D + d}: unit d competes with those D, 2·D … places further on.

    An activation for what comes out of a layer k times as wide. Where pieces tie, the gradient is shared equally.

    Shapes: [..., k·D, ...] → [..., D, ...], along one axis.

    Args:
        pieces: k, at least 1.
        dim: the axis.

    Errors: `ArgumentError` for fewer than 1 piece, or an axis that is no multiple of k.

    Example:
        >>> import torch
        >>> Maxout(2)(torch.tensor([[1.0, -5.0, 3.0, -4.0]]))
        tensor([[ 3., -4.]])

    Source: Goodfellow et al. (2013), Maxout networks.
    """

    def __init__(self, pieces: int = 2, *, dim: int = -1) -> None:
        super().__init__()
        check_whole("Maxout", {"pieces": pieces})
        self.pieces, self.dim = pieces, dim

    def forward(self, x: Tensor) -> Tensor:
        check_axis("Maxout", x, self.dim, self.pieces)
        dim = self.dim % x.ndim
        pieces = x.reshape(*x.shape[:dim], self.pieces, x.shape[dim] // self.pieces, *x.shape[dim + 1 :])
        return pieces.amax(dim)

    def extra_repr(self) -> str:
        return f"pieces={self.pieces}, dim={self.dim}"


class MaxoutLinear(nn.Module):
    """y = max over p of (W_p·x + b_p): a dense layer whose units are each the largest of k linear ones.

    Shapes: [..., features] → [..., outputs]. Parameters: k·outputs·(features + 1).

    Args:
        features: that come in.
        outputs: units.
        pieces: k.
        bias: whether there is b.

    Errors: `ArgumentError` for an argument below 1, or inputs of another shape or type.

    Example:
        >>> import torch
        >>> layer = MaxoutLinear(4, 3, pieces=5)
        >>> layer(torch.zeros(2, 4)).shape, sum(p.numel() for p in layer.parameters())
        (torch.Size([2, 3]), 75)

    Source: Goodfellow et al. (2013), Maxout networks.
    """

    def __init__(self, features: int, outputs: int, *, pieces: int = 2, bias: bool = True) -> None:
        super().__init__()
        check_whole("MaxoutLinear", {"features": features, "outputs": outputs, "pieces": pieces})
        self.linear, self.maxout = nn.Linear(features, pieces * outputs, bias=bias), Maxout(pieces)

    def forward(self, x: Tensor) -> Tensor:
        check_shape("MaxoutLinear", x, ("...", self.linear.in_features), self.linear.weight)
        largest: Tensor = self.maxout(self.linear(x))
        return largest


class MaxoutConv2d(nn.Module):
    """A convolution whose every filter is the largest, pixel by pixel, of k affine ones.

    Shapes: [B, C, H, W] → [B, filters, H', W'].

    Args:
        channels: C.
        filters: that come out.
        kernel_size: F, or (F_height, F_width).
        pieces: k.
        stride: of both axes, or (height, width).
        padding: "same" (H' = ⌈H/stride⌉) or "valid" (none).
        bias: whether each affine filter has one.

    Errors: `ArgumentError` for an argument out of range, or inputs of another shape or type.

    Example:
        >>> import torch
        >>> MaxoutConv2d(3, 8, 4, stride=2)(torch.zeros(1, 3, 7, 7)).shape
        torch.Size([1, 8, 4, 4])

    Source: Goodfellow et al. (2013), Maxout networks.
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        kernel_size: int | tuple[int, int],
        *,
        pieces: int = 2,
        stride: int | tuple[int, int] = 1,
        padding: str = "same",
        bias: bool = True,
    ) -> None:
        super().__init__()
        check_whole("MaxoutConv2d", {"channels": channels, "filters": filters, "pieces": pieces})
        if padding not in ("same", "valid"):
            raise ArgumentError(
                "MaxoutConv2d cannot be built: padding is unknown", expected="'same' or 'valid'", got=repr(padding)
            )
        kernel, steps = pair_of("MaxoutConv2d", "kernel_size", kernel_size), pair_of("MaxoutConv2d", "stride", stride)
        convolution = SameConv2d if padding == "same" else nn.Conv2d
        self.convolution: nn.Conv2d = convolution(channels, pieces * filters, kernel, stride=steps, bias=bias)
        self.maxout = Maxout(pieces, dim=1)

    def forward(self, x: Tensor) -> Tensor:
        check_shape("MaxoutConv2d", x, ("B", self.convolution.in_channels, "H", "W"), self.convolution.weight)
        largest: Tensor = self.maxout(self.convolution(x))
        return largest
