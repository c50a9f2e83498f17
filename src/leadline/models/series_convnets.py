"""A convolutional network for series: three convolutions over time, and the mean of what they see."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.layers.arguments import check_dropped, check_shape, check_whole
from leadline.layers.lengths import masked_mean, series_lengths, within


class SeriesConvnet(nn.Module):
    """Blocks of convolution over time, batch normalization and ReLU; the mean over the steps of a row; a linear layer.

    A convolution of k steps sees k // 2 steps back and (k − 1) // 2 ahead; zeros stand before and behind the row. Behind the
    end of a row everything stays zero, so that padding has no part in an answer; in training it has one in the statistics of a
    batch whose rows differ in length.

    Shapes: [B, T, C], NaN behind the end → [B, outputs].

    Args:
        channels: C.
        outputs: logits or numbers to predict.
        widths: filters of each block.
        kernels: steps that each block sees.
        dropout: before the head, in [0, 1).

    Errors: `ArgumentError` for an argument out of range or inputs of another shape.

    Example:
        >>> import torch
        >>> network = SeriesConvnet(2, 3, widths=(8, 8), kernels=(5, 3))
        >>> network(torch.zeros(4, 30, 2)).shape
        torch.Size([4, 3])

    Source: Wang, Yan and Oates (2017), Time series classification from scratch with deep neural networks: a strong baseline.
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        *,
        widths: Sequence[int] = (64, 128, 64),
        kernels: Sequence[int] = (8, 5, 3),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        numbers = {f"widths[{at}]": width for at, width in enumerate(widths)}
        numbers |= {f"kernels[{at}]": kernel for at, kernel in enumerate(kernels)}
        check_whole("SeriesConvnet", {"channels": channels, "outputs": outputs, **numbers})
        check_dropped("SeriesConvnet", dropout, name="dropout")
        if len(widths) != len(kernels) or not widths:
            raise ArgumentError(
                "SeriesConvnet cannot be built", expected="one width for each kernel", got=f"{len(widths)} and {len(kernels)}"
            )
        self.channels = channels
        ins = (channels, *widths[:-1])
        sizes = zip(ins, widths, kernels, strict=True)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.ZeroPad1d((kernel // 2, (kernel - 1) // 2)),
                nn.Conv1d(seen, filters, kernel, bias=False),
                nn.BatchNorm1d(filters),
                nn.ReLU(),
            )
            for seen, filters, kernel in sizes
        )
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(widths[-1], outputs)

    def forward(self, x: Tensor) -> Tensor:
        check_shape("SeriesConvnet", x, ("B", "T", self.channels))
        lengths = series_lengths(x)
        inside = within(lengths, x.shape[1])[:, None]  # B, 1, T
        seen = x.transpose(1, 2).where(inside, 0.0)
        for block in self.blocks:
            seen = block(seen).where(inside, 0.0)
        return self.head(self.drop(masked_mean(seen.transpose(1, 2), lengths)))  # type: ignore[no-any-return]


def series_convnet(
    shape: Sequence[int],
    outputs: int,
    *,
    width: int = 64,
    kernels: Sequence[int] = (8, 5, 3),
    dropout: float = 0.0,
) -> nn.Module:
    """Three convolutions over time with `width`, twice and once `width` filters, `SeriesConvnet`.

    Shapes: [B, T, C], NaN behind the end → [B, outputs], for series of any length.

    Args:
        shape: (T, C) of the longest series; it takes others too.
        outputs: logits or numbers to predict.
        width: filters of the first and the last convolution.
        kernels: steps that each convolution sees.
        dropout: before the head, in [0, 1).

    Errors: `ArgumentError` for an argument out of range.

    Example:
        >>> sum(p.numel() for p in series_convnet((30, 1), 2, width=8).parameters())
        1170
    """
    if len(shape) != 2:
        raise ArgumentError(
            "series_convnet takes series",
            expected="shape (T, C): steps and channels, such as 100x1",
            got=f"shape {tuple(shape)}",
        )
    check_whole("series_convnet", {"width": width})
    return SeriesConvnet(shape[1], outputs, widths=(width, 2 * width, width), kernels=kernels, dropout=dropout)
