"""Batch normalization whose scale and shift are those of a class."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.layers.arguments import check_shape, check_whole


class ConditionalBatchNorm2d(nn.Module):
    """Maps are normalized over the batch, then scaled and shifted as their class has it: how a generator is told what to draw.

    y[b, c] = γ[k, c] · (x[b, c] − μ_c) / √(σ²_c + ε) + β[k, c], with k the class of row b; μ and σ² are over batch and places
    in training, running averages in evaluation. It begins with γ = 1 and β = 0, the same for all classes.

    Shapes: [B, C, H, W] and class numbers [B] → [B, C, H, W]; 2·K·C parameters.

    Args:
        channels: C.
        classes: K.
        momentum: how fast the running averages follow, in (0, 1].
        epsilon: ε, above 0.

    Errors: `ArgumentError` for an argument out of range, inputs of another shape, or class numbers that do not fit; numbers
        outside 0 … K − 1 are looked for on the CPU alone, where nothing waits for the answer.

    Example:
        >>> layer = ConditionalBatchNorm2d(3, 10)
        >>> layer(torch.randn(4, 3, 2, 2), torch.tensor([0, 9, 3, 3])).shape
        torch.Size([4, 3, 2, 2])

    Source: Dumoulin, Shlens and Kudlur (2017), A learned representation for artistic style; de Vries et al. (2017), Modulating
    early visual processing by language.
    """

    def __init__(self, channels: int, classes: int, *, momentum: float = 0.1, epsilon: float = 1e-5) -> None:
        super().__init__()
        check_whole("ConditionalBatchNorm2d", {"channels": channels, "classes": classes})
        if not 0 < momentum <= 1 or not epsilon > 0:
            raise ArgumentError(
                "ConditionalBatchNorm2d cannot be built", expected="momentum in (0, 1] and epsilon > 0", got=(momentum, epsilon)
            )
        self.channels, self.classes = channels, classes
        self.norm = nn.BatchNorm2d(channels, eps=epsilon, momentum=momentum, affine=False)
        self.scale = nn.Embedding(classes, channels)
        self.shift = nn.Embedding(classes, channels)
        nn.init.ones_(self.scale.weight)
        nn.init.zeros_(self.shift.weight)

    def forward(self, x: Tensor, classes: Tensor) -> Tensor:
        check_shape("ConditionalBatchNorm2d", x, ("B", self.channels, "H", "W"), self.scale.weight)
        check_class_numbers("ConditionalBatchNorm2d", classes, len(x), self.classes)
        y: Tensor = self.norm(x)
        scale, shift = (each(classes).to(y.dtype)[:, :, None, None] for each in (self.scale, self.shift))
        return torch.addcmul(shift, y, scale)

    def extra_repr(self) -> str:
        return f"{self.channels}, classes={self.classes}"


def check_class_numbers(layer: str, classes: Tensor | None, rows: int, count: int) -> None:
    """There is one class number for each row, an int64 from 0 to `count` − 1; the range is looked at on the CPU alone.

    Args:
        layer: its name, for the error.
        classes: class numbers [B].
        rows: B.
        count: K.

    Errors: `ArgumentError` that names the layer.

    Example:
        >>> check_class_numbers("PictureGenerator", torch.tensor([0, 7]), 2, 5)
        Traceback (most recent call last):
        ...
        leadline.errors.ArgumentError: PictureGenerator cannot take these classes. Expected 2 whole numbers (int64) from 0 to 4;
        got numbers from 0 to 7.
    """
    expected = f"{rows} whole numbers (int64) from 0 to {count - 1}"
    if classes is None:
        raise ArgumentError(f"{layer} is told what to draw by classes, and got none", expected=expected)
    if classes.shape != (rows,) or classes.dtype != torch.int64:
        got = f"{str(classes.dtype).removeprefix('torch.')} of shape {list(classes.shape)}"
        raise ArgumentError(f"{layer} cannot take these classes", expected=expected, got=got)
    if classes.is_cpu and rows and not torch.compiler.is_compiling():
        low, high = (int(value) for value in torch.aminmax(classes))
        if low < 0 or high >= count:
            raise ArgumentError(f"{layer} cannot take these classes", expected=expected, got=f"numbers from {low} to {high}")
