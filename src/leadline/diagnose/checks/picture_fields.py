"""How much of a picture the units see that are averaged over it."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from leadline.explain import receptive_field

_AVERAGES = ("Pool", "mean", "sum", "amax", "max")


def widest_kernel(model: nn.Module) -> int | None:
    """The widest side of a kernel among the convolutions; None where there are none.

    Example:
        >>> widest_kernel(nn.Sequential(nn.Conv2d(1, 8, 1), nn.Conv2d(8, 8, (1, 3))))
        3
    """
    kernels = [max(layer.kernel_size) for layer in model.modules() if isinstance(layer, _ConvNd)]
    return max(kernels, default=None)


def read_field(model: nn.Module, inputs: Any) -> float | None:
    """The receptive field before the whole picture is pooled, over the picture's size, the smaller of the sides.

    1 where a layer that is not a pool sees all of the picture: a dense layer on flat maps, attention. None for networks without
    convolutions, and inputs that are not one tensor of pictures.

    Args:
        model: a copy.
        inputs: [N, C, H, W].

    Example:
        >>> import torch
        >>> network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
        >>> read_field(network, torch.zeros(4, 1, 12, 12))
        0.25
    """
    if not isinstance(inputs, Tensor) or inputs.ndim != 4 or not any(isinstance(each, _ConvNd) for each in model.modules()):
        return None
    sides = tuple(inputs.shape[2:])
    share: float | None = None
    for row in receptive_field(model, example=inputs[:1]):
        if row.field is None:
            continue
        if not any(row.field.stride):  # one unit is left
            pooled = any(word in row.kind for word in _AVERAGES)
            return share if pooled and share is not None else 1.0
        share = min(1.0, *(size / side for size, side in zip(row.field.size, sides, strict=True)))
    return share
