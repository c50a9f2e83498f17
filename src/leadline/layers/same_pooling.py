"""Pooling with 'same' padding: the border is neither lost nor filled with zeros."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from leadline.layers.arguments import pair_of, refuse
from leadline.layers.fast_pooling import highest_of_four
from leadline.layers.same_convolution import same_padding


class SameMaxPool2d(nn.MaxPool2d):
    """The maximum over each F×F window of a map padded as `same_padding` says; what is padded never wins.

    Shapes: [B, C, H, W] → [B, C, ⌈H/S⌉, ⌈W/S⌉].

    Args:
        kernel_size: F, or (height, width).
        stride: S, or (height, width); F if not given.

    Errors: `ArgumentError` for an argument below 1, or inputs that are no maps.

    Example:
        >>> SameMaxPool2d(2)(torch.arange(9.0).reshape(1, 1, 3, 3) - 9).flatten().tolist()
        [-5.0, -4.0, -2.0, -1.0]
    """

    kernel_size: tuple[int, int]
    stride: tuple[int, int]

    def __init__(self, kernel_size: int | tuple[int, int], *, stride: int | tuple[int, int] | None = None) -> None:
        kernel = pair_of("SameMaxPool2d", "kernel_size", kernel_size)
        super().__init__(kernel, kernel if stride is None else pair_of("SameMaxPool2d", "stride", stride))

    def forward(self, x: Tensor) -> Tensor:
        left, right, top, bottom = _pads("SameMaxPool2d", x, self.kernel_size, self.stride)
        own = (top, left)
        if left != right or top != bottom:
            x, own = nn.functional.pad(x, (left, right, top, bottom), value=-torch.inf), (0, 0)
        if self.kernel_size == self.stride == (2, 2):  # nothing is padded before, and the side is even now
            return highest_of_four(x)
        return nn.functional.max_pool2d(x, self.kernel_size, self.stride, own)


class SameAvgPool2d(nn.AvgPool2d):
    """The mean over each F×F window of a map padded as `same_padding` says; what is padded does not count.

    Shapes: [B, C, H, W] → [B, C, ⌈H/S⌉, ⌈W/S⌉].

    Args:
        kernel_size: F, or (height, width).
        stride: S, or (height, width); F if not given.

    Errors: `ArgumentError` for an argument below 1, or inputs that are no maps.

    Example:
        >>> SameAvgPool2d(2)(torch.arange(9.0).reshape(1, 1, 3, 3)).flatten().tolist()
        [2.0, 3.5, 6.5, 8.0]
    """

    kernel_size: tuple[int, int]
    stride: tuple[int, int]

    def __init__(self, kernel_size: int | tuple[int, int], *, stride: int | tuple[int, int] | None = None) -> None:
        kernel = pair_of("SameAvgPool2d", "kernel_size", kernel_size)
        super().__init__(
            kernel,
            kernel if stride is None else pair_of("SameAvgPool2d", "stride", stride),
            count_include_pad=False,
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        pads = _pads("SameAvgPool2d", x, self.kernel_size, self.stride)
        left, right, top, bottom = pads
        if left == right and top == bottom:
            return nn.functional.avg_pool2d(x, self.kernel_size, self.stride, (top, left), count_include_pad=False)
        # The share of each window that lies on the map: a map of ones, averaged the same way.
        inside = nn.functional.pad(x.new_ones(1, 1, *x.shape[2:]), pads)
        shares = nn.functional.avg_pool2d(inside, self.kernel_size, self.stride)
        return nn.functional.avg_pool2d(nn.functional.pad(x, pads), self.kernel_size, self.stride) / shares


def _pads(layer: str, x: Tensor, kernel: tuple[int, int], stride: tuple[int, int]) -> tuple[int, int, int, int]:
    if x.ndim != 4 or not x.is_floating_point() or min(x.shape) < 1:
        refuse(layer, x, "floating-point numbers of shape [B, C, H, W]")
    rows = same_padding(x.shape[2], kernel[0], stride=stride[0])
    columns = same_padding(x.shape[3], kernel[1], stride=stride[1])
    return *columns, *rows
