"""Where a network sees a class: Grad-CAM for any network with a map, CAM where nothing but a mean stands behind it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.explain.passes import ClassNumbers, array_of, chosen_outputs, in_use, map_layer, outputs_and_map, taken

_TOLERANCE = 1e-3  # of the outputs: what float32 sums over a large map may be off


class ClassMap(NamedTuple):
    """What each place of the last map adds to an output: `maps` [B, T, H', W'], and `bias` [B, T], what is added anyway.

    Example:
        >>> ClassMap(np.ones((1, 2, 2)), np.zeros(1)).maps.shape
        (1, 2, 2)
    """

    maps: NDArray[np.float32]
    bias: NDArray[np.float32]


def grad_cam(module: nn.Module, inputs: Tensor, classes: ClassNumbers, *, layer: str | None = None) -> NDArray[np.float32]:
    """Which places of a layer's map speak for a class: the channels weighed by the mean gradient of its output.

    αₖ = mean over h, w of ∂y / ∂Aₖ(h, w);  map(h, w) = relu(Σₖ αₖ · Aₖ(h, w)), with y the output of the class and A the map.

    Shapes: inputs [B, C, H, W] and classes [B] → [B, H', W'], the size of the layer's map; classes [B, T] → [B, T, H', W'].

    Args:
        module: any network that answers [B, K]; neither its weights nor their gradients nor its mode are changed.
        inputs: prepared pictures.
        classes: numbers of outputs, one for each picture, or T for each.
        layer: whose map; the last with one when left out.

    Errors: `ArgumentError` for an unknown layer, with the nearest name, one without a map, one that no output depends on, a
        class that does not exist, or pictures that the network cannot take.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
        >>> grad_cam(net, torch.rand(3, 1, 8, 8), [0, 1, 1]).shape, grad_cam(net, torch.rand(1, 1, 8, 8), [[0, 1]]).shape
        ((3, 6, 6), (1, 2, 6, 6))

    Source: Selvaraju et al. (2017), Grad-CAM: visual explanations from deep networks via gradient-based localization.
    """
    name = map_layer(module, inputs, layer)
    with in_use(module):
        outputs, kept = outputs_and_map(module, taken(module, inputs), name)
        chosen, single = chosen_outputs(outputs, classes)
        gradients = _gradients(outputs, kept, chosen, name)
        weights = gradients.mean(dim=(3, 4))  # B, T, channels
        maps = torch.einsum("btc,bchw->bthw", weights, kept.detach()).relu()
    return array_of(maps[:, 0] if single else maps)


def class_activation(module: nn.Module, inputs: Tensor, classes: ClassNumbers, *, layer: str | None = None) -> ClassMap:
    """What each place of the last map adds to the output of a class, exactly, where the network takes its mean and no more.

    y = Σ over h, w of map(h, w) + bias, with map(h, w) = 1/(H'·W') · Σₖ wₖ · Aₖ(h, w). Where it is above 0, it is Grad-CAM.

    Whatever affine stands behind the mean may do so: one linear layer or several, a scale, a batch norm in use.

    Shapes: as `grad_cam`; bias [B] or [B, T].

    Args:
        module: a network that ends in the mean over its last map and an affine head.
        inputs: prepared pictures.
        classes: as in `grad_cam`.
        layer: as in `grad_cam`.

    Errors: `ArgumentError` for what `grad_cam` refuses, and where the output is not made of the mean of the map alone.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
        >>> x = torch.rand(1, 1, 8, 8)
        >>> found = class_activation(net, x, [1])
        >>> bool(abs(found.maps.sum() + found.bias[0] - net(x)[0, 1].item()) < 1e-5)
        True

    Source: Zhou et al. (2016), Learning deep features for discriminative localization.
    """
    name = map_layer(module, inputs, layer)
    with in_use(module):
        x = taken(module, inputs)
        outputs, kept = outputs_and_map(module, x, name)
        chosen, single = chosen_outputs(outputs, classes)
        gradients = _gradients(outputs, kept, chosen, name)
        maps = (gradients * kept.detach()[:, None]).sum(dim=2)  # B, T, H', W'
        with torch.no_grad():
            bias = outputs_and_map(module, x, name, torch.zeros_like(kept))[0].gather(1, chosen)
        y = outputs.detach().gather(1, chosen)
        # An affine head on the mean has the same gradient everywhere, and its outputs are told by it without a rest.
        uneven = (gradients - gradients.mean(dim=(3, 4), keepdim=True)).abs().amax()
        rest = (maps.sum(dim=(2, 3)) + bias - y).abs().amax()
        if uneven > _TOLERANCE * gradients.abs().amax() or rest > _TOLERANCE * y.abs().amax().clamp_min(1.0):
            raise ArgumentError(
                "The head of the network does not allow a class activation map",
                expected=f"nothing behind {name!r} but the mean over its map and an affine layer",
                do="Use Grad-CAM, which works with any head.",
            )
    return ClassMap(array_of(maps[:, 0] if single else maps), array_of(bias[:, 0] if single else bias))


def _gradients(outputs: Tensor, kept: Tensor, chosen: Tensor, name: str) -> Tensor:
    """∂ output / ∂ map for each class asked for: [B, T, C', H', W']."""
    found = []
    for at in range(chosen.shape[1]):
        y = outputs.gather(1, chosen[:, at : at + 1]).sum()
        (gradient,) = torch.autograd.grad(y, kept, retain_graph=True, allow_unused=True) if y.requires_grad else (None,)
        if gradient is None:
            raise ArgumentError(f"What the layer {name!r} puts out does not reach the answer", do="Name another layer.")
        found.append(gradient)
    return torch.stack(found, dim=1)
