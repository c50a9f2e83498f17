"""Convolution with 'same' padding at any stride, kernel and dilation."""

from __future__ import annotations

from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.layers.arguments import check_shape, check_whole, pair_of


def same_padding(size: int, kernel: int, *, stride: int = 1, dilation: int = 1) -> tuple[int, int]:
    """Zeros before and after one axis, so that ⌈size/stride⌉ positions come out.

    total = max((⌈size/S⌉ − 1)·S + (F − 1)·D + 1 − size, 0), the smaller half before: what Keras and TensorFlow do.

    Args:
        size: of the axis.
        kernel: F.
        stride: S.
        dilation: D.

    Errors: `ArgumentError` for an argument below 1.

    Example:
        >>> same_padding(32, 2), same_padding(32, 3), same_padding(32, 3, stride=2), same_padding(32, 1, stride=2)
        ((0, 1), (1, 1), (0, 1), (0, 0))
    """
    check_whole("'same' padding", {"size": size, "kernel": kernel, "stride": stride, "dilation": dilation})
    total = max((-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


class SameConv2d(nn.Conv2d):
    """A convolution whose map is ⌈H/stride⌉ × ⌈W/stride⌉, whatever the kernel: padded with zeros as `same_padding` says.

    y[k, i, j] = b[k] + Σ_{c,u,v} w[k, c, u, v] · x[c, i·S + u·D − top, j·S + v·D − left]. Parameters: K·(C/groups)·F·F + K.
    Weights are named and start as in `nn.Conv2d`. torch's own `padding="same"` knows stride 1 only.

    Shapes: [B, C, H, W] → [B, K, ⌈H/S⌉, ⌈W/S⌉].

    Args:
        channels: C.
        filters: K.
        kernel_size: F, or (F_height, F_width); even ones too.
        stride: S, or (height, width).
        dilation: D, or (height, width).
        groups: how many parts the channels are divided into, each with its own filters.
        bias: whether there is b.

    Errors: `ArgumentError` for an argument out of range, or inputs of another shape or type.

    Example:
        >>> import torch
        >>> SameConv2d(3, 16, 2, stride=3)(torch.zeros(1, 3, 32, 10)).shape
        torch.Size([1, 16, 11, 4])
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        kernel_size: int | tuple[int, int],
        *,
        stride: int | tuple[int, int] = 1,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        check_whole("SameConv2d", {"channels": channels, "filters": filters, "groups": groups})
        if channels % groups or filters % groups:
            raise ArgumentError(
                "SameConv2d cannot be built: the channels do not divide into the groups",
                expected=f"channels and filters that are multiples of {groups}",
                got=(channels, filters),
            )
        kernel = pair_of("SameConv2d", "kernel_size", kernel_size)
        steps, spread = pair_of("SameConv2d", "stride", stride), pair_of("SameConv2d", "dilation", dilation)
        super().__init__(channels, filters, kernel, steps, 0, spread, groups, bias)

    def pads(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Zeros to the left, to the right, above and below a map of this size, in the order of `nn.functional.pad`."""
        (fh, fw), (sh, sw), (dh, dw) = self.kernel_size, self.stride, self.dilation
        return (
            *same_padding(width, fw, stride=sw, dilation=dw),
            *same_padding(height, fh, stride=sh, dilation=dh),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        check_shape("SameConv2d", x, ("B", self.in_channels, "H", "W"), self.weight)
        left, right, top, bottom = self.pads(x.shape[2], x.shape[3])
        own = (top, left)
        if left != right or top != bottom:  # else the convolution pads by itself, without a copy
            x, own = nn.functional.pad(x, (left, right, top, bottom)), (0, 0)
        return nn.functional.conv2d(x, self.weight, self.bias, self.stride, own, self.dilation, self.groups)

    def extra_repr(self) -> str:
        bias = "" if self.bias is not None else ", bias=False"
        sizes = f"kernel_size={self.kernel_size}, stride={self.stride}, dilation={self.dilation}, groups={self.groups}"
        return f"{self.in_channels}, {self.out_channels}, {sizes}, padding=same{bias}"
