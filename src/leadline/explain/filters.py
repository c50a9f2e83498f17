"""Weights that can be looked at: the filters of the first layer, and what a linear model takes a class to look like."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.explain.passes import array_of, check_outputs, in_use, outputs_for, taken

_PROBES = 3  # random pictures on which a network must be linear to count as such
_TOLERANCE = 1e-3


def first_filters(module: nn.Module, shape: Sequence[int]) -> NDArray[np.float32]:
    """The weights of the first layer as pictures, in prepared units: of a convolution its kernels, of a dense layer its units.

    Shapes: of a convolution [F, C, h, w], where C is that of a group; of a dense layer on the whole picture [F, C, H, W].

    Args:
        module: any network.
        shape: (C, H, W) of one picture.

    Errors: `ArgumentError` where the first layer with weights is neither.

    Example:
        >>> first_filters(nn.Sequential(nn.Conv2d(3, 16, 5), nn.ReLU()), (3, 32, 32)).shape
        (16, 3, 5, 5)
        >>> first_filters(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), (1, 8, 8)).shape
        (10, 1, 8, 8)
    """
    first = next((each for each in module.modules() if _weight_of(each) is not None), None)
    weight = None if first is None else _weight_of(first)
    if isinstance(first, nn.Conv2d) and weight is not None:
        return array_of(weight)
    if weight is not None and weight.ndim == 2 and weight.shape[1] == math.prod(shape):
        return array_of(weight).reshape(-1, *shape)
    raise ArgumentError(
        "The first layer has no filters to look at",
        expected="a convolution over the picture, or a dense layer on all of its pixels",
        got="no layer with weights" if first is None else type(first).__name__,
    )


def largest_filters(weights: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """At most so many filters, those with the largest weights, in their own order.

    Shapes: [F, C, h, w] → [min(F, count), C, h, w].

    Example:
        >>> largest_filters(np.array([[[[1.0]]], [[[-3.0]]], [[[2.0]]]]), 2).ravel()
        array([-3.,  2.])
    """
    sizes = np.square(weights).sum(axis=(1, 2, 3))
    return weights[np.sort(np.argsort(-sizes, kind="stable")[:count])]


def class_templates(module: nn.Module, shape: Sequence[int]) -> NDArray[np.float32]:
    """What a linear model compares a picture with: for each output the weight of each pixel, in prepared units.

    yₖ = Σ template_k · x + bₖ, whatever layers the model is made of.

    Shapes: [K, C, H, W].

    Args:
        module: a network whose outputs are linear in its inputs; neither its weights nor its mode are changed.
        shape: (C, H, W) of one picture.

    Errors: `ArgumentError` where the outputs are not linear in the inputs, or not [B, K].

    Example:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
        >>> found = class_templates(model, (1, 2, 2))
        >>> found.shape, bool(np.allclose(found.reshape(3, 4), model[1].weight.detach()))
        ((3, 1, 2, 2), True)

    Source: the lecture notes of Stanford's course CS231n, Linear classification: a linear model as template matching.
    """
    with in_use(module):
        zero = taken(module, torch.zeros(1, *shape)).requires_grad_()
        bias = outputs_for(module, zero.clone())
        check_outputs(bias)
        if not bias.requires_grad:
            raise ArgumentError("The network has no templates", expected="outputs with a gradient")
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(_PROBES, *shape, generator=generator).to(zero)
        with torch.no_grad():
            real, sums = outputs_for(module, x.clone()), outputs_for(module, x + x.roll(1, 0))
        # Two passes refuse a deep network, before there is a pass backward for each of its outputs.
        _check_same(real + real.roll(1, 0), sums + bias.detach())
        rows = [
            torch.autograd.grad(value, zero, retain_graph=True, allow_unused=True, materialize_grads=True)[0][0]
            for value in bias[0]
        ]
        templates = torch.stack(rows)  # K, C, H, W
        _check_same(torch.einsum("kchw,bchw->bk", templates, x) + bias.detach(), real)
    return array_of(templates)


def _check_same(told: Tensor, real: Tensor) -> None:
    """Raise unless what a linear network would answer is what the network answers."""
    if not (told - real).abs().amax() <= _TOLERANCE * real.abs().amax().clamp_min(1.0):
        raise ArgumentError(
            "The network has no templates, it is not linear", do="Look at its first filters, or at saliency maps."
        )


def _weight_of(module: nn.Module) -> Tensor | None:
    """The weights of a layer that has its own and mixes with them; those of a normalization only scale."""
    weight = getattr(module, "weight", None)
    return weight if isinstance(weight, Tensor) and weight.ndim >= 2 else None
