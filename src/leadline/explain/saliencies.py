"""Saliency: the gradient of an output with respect to the pixels, smoothed by noise."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.explain.passes import ClassNumbers, array_of, chosen_outputs, in_use, outputs_for, taken


def saliency(
    module: nn.Module,
    inputs: Tensor,
    classes: ClassNumbers,
    *,
    samples: int = 25,
    noise: float = 0.15,
    signed: bool = False,
    seed: int = 0,
) -> NDArray[np.float32]:
    """How strongly each pixel moves the output of a class: the gradient, its mean over noisy copies (SmoothGrad).

    g = 1/n Σᵢ ∂y/∂x at x + εᵢ, εᵢ ~ N(0, (noise · (max x − min x))²); the map is the largest |g| over the channels.

    Shapes: inputs [B, C, H, W] and classes [B] → [B, H, W], or [B, C, H, W] with its sign; classes [B, T] → a T after the B.

    Args:
        module: any network that answers [B, K]; neither its weights nor their gradients nor its mode are changed.
        inputs: prepared pictures.
        classes: numbers of outputs, one for each picture, or T for each.
        samples: n; with 1 there is no noise, and this is the plain gradient.
        noise: its deviation as a share of the range of each picture.
        signed: the gradient itself, channel by channel.
        seed: of the noise, which is the same on every device.

    Errors: `ArgumentError` for fewer than 1 sample, noise below 0, a class that does not exist, pictures that the network
        cannot take, or a network without a gradient.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> found = saliency(net, torch.rand(1, 1, 2, 2), [1], signed=True)
        >>> bool(np.allclose(found.ravel(), net[1].weight[1].detach()))
        True

    Source: Simonyan, Vedaldi and Zisserman (2014), Deep inside convolutional networks, section 3; Smilkov et al. (2017),
    SmoothGrad: removing noise by adding noise.
    """
    if samples < 1 or not noise >= 0:
        raise ArgumentError("A saliency map needs samples", expected="samples ≥ 1 and noise ≥ 0", got=(samples, noise))
    with in_use(module):
        x = taken(module, inputs)
        spread = noise * (x.amax(dim=(1, 2, 3), keepdim=True) - x.amin(dim=(1, 2, 3), keepdim=True))
        generator = torch.Generator().manual_seed(seed)
        total: Tensor | None = None
        single = True
        for _ in range(samples):
            drawn = torch.randn(x.shape, generator=generator).to(x) if samples > 1 else torch.zeros_like(x)
            noisy = (x + spread * drawn).requires_grad_()
            outputs = outputs_for(module, noisy.clone())  # a first layer may write over what it is given
            chosen, single = chosen_outputs(outputs, classes)
            found = torch.stack([_gradient(outputs.gather(1, each[:, None]), noisy) for each in chosen.T], dim=1)
            total = found if total is None else total + found
        assert total is not None
        mean = total / samples  # B, T, C, H, W
        maps = mean if signed else mean.abs().amax(dim=2)
    return array_of(maps[:, 0] if single else maps)


def _gradient(y: Tensor, x: Tensor) -> Tensor:
    found = torch.autograd.grad(y.sum(), x, retain_graph=True, allow_unused=True)[0] if y.requires_grad else None
    if found is None:
        raise ArgumentError("The answer has no gradient with respect to the picture", do="Use occlusion, which needs none.")
    return found
