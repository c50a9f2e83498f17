"""Local connection without weight sharing: what a convolution would be if every place learnt its own filters."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError, unknown
from leadline.layers.arguments import check_shape, check_whole, pair_of
from leadline.layers.same_convolution import same_padding

BIASES = ("filter", "unit", "none")
PADDINGS = ("valid", "same")


class LocallyConnected2d(nn.Module):
    """Each position of the map has filters of its own: `weight[i, j]` is the filter bank of position (i, j).

    y[k, i, j] = b + Σ_{c,u,v} w[i, j, k, c, u, v] · x[c, i·S + u − top, j·S + v − left]. Parameters: H'·W'·K·C·F·F and the
    biases, where a convolution has K·C·F·F: 75·32·32·10 + 10 against 75·10 + 10 for ten 5×5 filters on a 3×32×32 picture.

    Shapes: [B, C, H, W] → [B, K, H', W']; weight [H', W', K, C, F, F]. H' = ⌈H/S⌉ with "same" and ⌈(H − F + 1)/S⌉ with "valid".

    Args:
        channels: C.
        filters: K at each position.
        kernel_size: F, or (height, width).
        size: (H, W) of the map that comes in, fixed since the weights belong to its positions.
        stride: S, or (height, width).
        padding: "valid" (none) or "same".
        bias: one for each "filter" (K), one for each "unit" (K·H'·W'), or "none".

    Errors: `ArgumentError` for an argument out of range, a kernel larger than an unpadded map, or other inputs.

    Example:
        >>> layer = LocallyConnected2d(3, 10, 5, size=(32, 32), padding="same")
        >>> sum(p.numel() for p in layer.parameters()) == 75 * 32 * 32 * 10 + 10
        True
        >>> layer(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10, 32, 32])

    Source: LeCun (1989), Generalization and network design strategies; Taigman et al. (2014), DeepFace.
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        kernel_size: int | tuple[int, int],
        *,
        size: tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: str = "valid",
        bias: str = "filter",
    ) -> None:
        super().__init__()
        name = "LocallyConnected2d"
        check_whole(name, {"channels": channels, "filters": filters})
        if padding not in PADDINGS:
            unknown("padding", padding, PADDINGS)
        if bias not in BIASES:
            unknown("kind of bias", bias, BIASES)
        self.channels, self.filters, self.padding = channels, filters, padding
        self.kernel_size, self.stride = pair_of(name, "kernel_size", kernel_size), pair_of(name, "stride", stride)
        self.size = pair_of(name, "size", size)
        axes = list(zip(self.size, self.kernel_size, self.stride, strict=True))
        rows, columns = [same_padding(h, f, stride=s) if padding == "same" else (0, 0) for h, f, s in axes]
        self.pads = (*columns, *rows)  # in the order of `nn.functional.pad`
        height, width = [(h + sum(p) - f) // s + 1 for (h, f, s), p in zip(axes, (rows, columns), strict=True)]
        if min(height, width) < 1:
            raise ArgumentError(
                f"{name} cannot be built: the kernel is larger than the map",
                expected=f"at most {self.size}",
                got=self.kernel_size,
                do="Take a smaller kernel or padding 'same'.",
            )
        self.weight = nn.Parameter(torch.empty(height, width, filters, channels, *self.kernel_size))
        shape = {"filter": (filters,), "unit": (filters, height, width)}.get(bias)
        self.bias = None if shape is None else nn.Parameter(torch.empty(shape))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        # As a convolution starts: a unit has as many inputs here as there.
        bound = 1 / math.sqrt(self.channels * math.prod(self.kernel_size))
        nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        check_shape("LocallyConnected2d", x, ("B", self.channels, *self.size), self.weight)
        (fh, fw), (sh, sw) = self.kernel_size, self.stride
        height, width, filters = self.weight.shape[:3]
        x = nn.functional.pad(x, self.pads) if any(self.pads) else x
        # With the places first, their patches are copied once, and one batched product serves them all.
        patches = x.permute(2, 3, 0, 1).contiguous().unfold(0, fh, sh).unfold(1, fw, sw)  # H', W', B, C, F, F
        patches = patches.reshape(height * width, x.shape[0], -1)
        banks = self.weight.reshape(height * width, filters, -1).mT
        if self.bias is None:
            y = torch.bmm(patches, banks)
        else:
            bias = self.bias if self.bias.ndim == 1 else self.bias.permute(1, 2, 0).reshape(height * width, 1, filters)
            y = torch.baddbmm(bias, patches, banks)
        return y.permute(1, 2, 0).reshape(x.shape[0], filters, height, width)

    def extra_repr(self) -> str:
        bias = "none" if self.bias is None else "filter" if self.bias.ndim == 1 else "unit"
        sizes = f"kernel_size={self.kernel_size}, size={self.size}, stride={self.stride}"
        return f"{self.channels}, {self.filters}, {sizes}, padding={self.padding}, bias={bias}"
