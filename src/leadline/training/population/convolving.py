"""Convolutions of many networks at once, in three ways of which none is always the fastest.

A networks, B batch, C channels, O filters, H W space, L places of the output.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_TRIALS = 3

Way = Callable[[nn.Conv2d, Tensor, Tensor, Tensor | None], Tensor]


def grouped(layer: nn.Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """One convolution whose groups are the networks.

    Shapes: x [A, B, C, H, W], weight [A, O, C / groups, h, w], bias [A, O] → [A, B, O, H′, W′].

    Example:
        >>> grouped(nn.Conv2d(1, 2, 3), torch.zeros(4, 5, 1, 6, 6), torch.zeros(4, 2, 1, 3, 3), None).shape
        torch.Size([4, 5, 2, 4, 4])
    """
    networks, batch = x.shape[:2]
    side_by_side = x.transpose(0, 1).flatten(1, 2)  # B, A·C, H, W
    biases = None if bias is None else bias.flatten()
    size = layer.stride, layer.padding, layer.dilation
    y = F.conv2d(side_by_side, weight.flatten(0, 1), biases, *size, groups=networks * layer.groups)  # type: ignore[arg-type]
    return y.view(batch, networks, -1, *y.shape[2:]).transpose(0, 1)


def unfolded(layer: nn.Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Patches as rows of a matrix, then one batched matrix product. Not for layers with groups or padding by name.

    Shapes: as `grouped`.

    Example:
        >>> layer, x, weight = nn.Conv2d(1, 2, 3), torch.randn(4, 5, 1, 6, 6), torch.randn(4, 2, 1, 3, 3)
        >>> torch.allclose(unfolded(layer, x, weight, None), grouped(layer, x, weight, None), atol=1e-5)
        True
    """
    networks, batch = x.shape[:2]
    patches = F.unfold(x.flatten(0, 1), layer.kernel_size, layer.dilation, layer.padding, layer.stride)  # type: ignore[arg-type]
    patches = patches.view(networks, batch, *patches.shape[1:]).transpose(1, 2).flatten(2)  # A, C·h·w, B·L
    y = weight.flatten(2) @ patches if bias is None else torch.baddbmm(bias[:, :, None], weight.flatten(2), patches)
    height, width = _size(layer, x)
    return y.view(networks, -1, batch, height, width).transpose(1, 2)


def looped(layer: nn.Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """One network after another.

    Shapes: as `grouped`.

    Example:
        >>> layer, x, weight = nn.Conv2d(1, 2, 3), torch.randn(4, 5, 1, 6, 6), torch.randn(4, 2, 1, 3, 3)
        >>> torch.allclose(looped(layer, x, weight, None), grouped(layer, x, weight, None), atol=1e-5)
        True
    """
    biases = [None] * len(x) if bias is None else bias.unbind()
    size = layer.stride, layer.padding, layer.dilation, layer.groups
    each = zip(x.unbind(), weight.unbind(), biases, strict=True)
    return torch.stack([F.conv2d(one, filters, own, *size) for one, filters, own in each])  # type: ignore[arg-type]


WAYS: dict[str, Way] = {"grouped": grouped, "unfolded": unfolded, "looped": looped}
"""The three ways by name; they differ in rounding alone."""


def possible_ways(layer: nn.Conv2d) -> list[str]:
    """The names of the ways that give what this layer gives.

    Example:
        >>> possible_ways(nn.Conv2d(2, 2, 3)), possible_ways(nn.Conv2d(2, 2, 3, groups=2))
        (['grouped', 'unfolded', 'looped'], ['grouped', 'looped'])
    """
    return [name for name in WAYS if name != "unfolded" or (layer.groups == 1 and not isinstance(layer.padding, str))]


def time_ways(layer: nn.Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None) -> dict[str, float]:
    """The seconds, forward and backward, of each possible way for these very shapes: the best of a few runs in turn.

    Example:
        >>> times = time_ways(nn.Conv2d(1, 2, 3), torch.zeros(4, 5, 1, 6, 6), torch.zeros(4, 2, 1, 3, 3), None)
        >>> list(times), min(times.values()) > 0
        (['grouped', 'unfolded', 'looped'], True)
    """
    taken = dict.fromkeys(possible_ways(layer), float("inf"))
    for _ in range(_TRIALS + 1):
        for name in taken:
            taken[name] = min(taken[name], _seconds(WAYS[name], layer, x, weight, bias))
    return taken


def _seconds(way: Way, layer: nn.Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None) -> float:
    leaves = [tensor.detach().requires_grad_() for tensor in (x, weight, bias) if tensor is not None]
    _wait(x.device)
    began = time.perf_counter()
    with torch.enable_grad():
        y = way(layer, leaves[0], leaves[1], leaves[2] if bias is not None else None)
        # A transposed gradient would flatter the way whose output happens to be transposed too.
        torch.autograd.grad(y, leaves, torch.zeros(y.shape, dtype=y.dtype, device=y.device))
    _wait(x.device)
    return time.perf_counter() - began


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _size(layer: nn.Conv2d, x: Tensor) -> list[int]:
    """Height and width of the output."""
    assert not isinstance(layer.padding, str)
    sides = zip(x.shape[3:], layer.padding, layer.dilation, layer.kernel_size, layer.stride, strict=True)
    return [(side + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1 for side, pad, dilation, kernel, stride in sides]
