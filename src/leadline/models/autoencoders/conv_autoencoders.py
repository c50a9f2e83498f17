"""Convolutional autoencoders: pictures become smaller maps of more channels, then a code, and the same way back.

B batch, C channels, H W space, D units of the code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn

from leadline.errors import ArgumentError
from leadline.layers.activations import activation as activation_layer
from leadline.layers.activations import widening
from leadline.layers.arguments import check_whole
from leadline.layers.same_convolution import SameConv2d
from leadline.models.autoencoders.autoencoders import Autoencoder
from leadline.models.autoencoders.output_distributions import output_distribution
from leadline.models.picture_sizes import check_pictures


def conv_autoencoder(
    shape: Sequence[int],
    *,
    width: int = 32,
    stages: int = 3,
    code: int = 64,
    activation: str = "relu",
    code_activation: str = "identity",
    output: str = "gaussian",
    batch_norm: bool = True,
) -> Autoencoder:
    """`stages` of 3×3 convolutions with stride 2, each twice as wide, a linear layer to the code; the decoder mirrors it.

    Maps are of ⌈H/2⌉ × ⌈W/2⌉ pixels, and so on, for pictures of any size. The decoder enlarges maps by repeating pixels, to the
    very size that the encoder had there, and then convolves: unlike a transposed convolution this leaves no chequered pattern.

    Shapes: [B, C, H, W] → raw outputs [B, C, H, W]: logits or means.

    Args:
        shape: (C, H, W) of one picture.
        width: filters of the first stage.
        stages: how often the picture is halved.
        code: D.
        activation: of hidden layers, as `layers.activation` reads it.
        code_activation: of the code: "identity", or "sigmoid" for a code that is to be sparse.
        output: as `output_distribution` reads it: "gaussian" (squared error), or "bernoulli" for values from 0 to 1.
        batch_norm: normalize before each hidden activation.

    Errors: `ArgumentError` for an argument out of range, or pictures that the stages would shrink to less than a pixel.

    Example:
        >>> import torch
        >>> model = conv_autoencoder((3, 37, 50), width=8, code=10)
        >>> x = torch.zeros(2, 3, 37, 50)
        >>> model.encode(x).shape, model(x).shape
        (torch.Size([2, 10]), torch.Size([2, 3, 37, 50]))

    Source: Masci et al. (2011), Stacked convolutional auto-encoders; enlarging before convolving: Odena, Dumoulin and Olah
    (2016), Deconvolution and checkerboard artifacts.
    """
    check_whole("The convolutional autoencoder", {"width": width, "stages": stages, "code": code})
    if widening(code_activation) > 1:
        raise ArgumentError("The activation of the code must keep its width", got=code_activation)
    encoder, features = conv_encoder(shape, width, stages, activation, batch_norm=batch_norm)
    encoder.append(nn.Linear(features, code))
    encoder.append(activation_layer(code_activation))
    decoder = conv_decoder(code, shape, width, stages, activation, batch_norm=batch_norm)
    return Autoencoder(encoder, decoder, output_distribution(output), shape=shape)


def conv_encoder(
    shape: Sequence[int], width: int, stages: int, activation: str, *, batch_norm: bool = True
) -> tuple[nn.Sequential, int]:
    """The halving stages and a flattening, and how many features come out.

    Shapes: [B, C, H, W] → [B, features], features = width · 2^(stages−1) · h · w.

    Args:
        shape: (C, H, W) of one picture.
        width: filters of the first stage.
        stages: how often the picture is halved.
        activation: of each stage.
        batch_norm: normalize before each activation.

    Errors: `ArgumentError` for inputs that are no pictures, or too small.

    Example:
        >>> import torch
        >>> layers, features = conv_encoder((1, 28, 28), 8, 2, "relu")
        >>> features, layers(torch.zeros(2, 1, 28, 28)).shape
        (784, torch.Size([2, 784]))
    """
    sizes = halved_sizes(shape, stages)
    times, channels = widening(activation), shape[0]
    layers: list[nn.Module] = []
    for stage in range(stages):
        filters = width * 2**stage
        layers.append(SameConv2d(channels, times * filters, 3, stride=2, bias=not batch_norm))
        if batch_norm:
            layers.append(nn.BatchNorm2d(times * filters))
        layers.append(activation_layer(activation, dim=1))
        channels = filters
    return nn.Sequential(*layers, nn.Flatten()), channels * math.prod(sizes[-1])


def conv_decoder(
    code: int, shape: Sequence[int], width: int, stages: int, activation: str, *, batch_norm: bool = True
) -> nn.Sequential:
    """From a code to the smallest maps by a linear layer, then stages that enlarge, and a last convolution to the channels.

    Shapes: [B, code] → [B, C, H, W].

    Args:
        code: its units.
        shape: (C, H, W) of one picture.
        width: filters of the encoder's first stage.
        stages: how often the picture was halved.
        activation: of each stage.
        batch_norm: normalize before each activation.

    Errors: `ArgumentError` for outputs that are no pictures, or too small.

    Example:
        >>> import torch
        >>> conv_decoder(5, (1, 9, 7), 4, 2, "relu")(torch.zeros(2, 5)).shape
        torch.Size([2, 1, 9, 7])
    """
    sizes, times = halved_sizes(shape, stages), widening(activation)
    channels, smallest = width * 2 ** (stages - 1), sizes[-1]
    layers: list[nn.Module] = [nn.Linear(code, times * channels * math.prod(smallest))]
    layers.append(nn.Unflatten(1, (times * channels, *smallest)))
    layers.append(activation_layer(activation, dim=1))
    for stage in reversed(range(1, stages)):
        filters = width * 2 ** (stage - 1)
        layers += [nn.Upsample(size=sizes[stage]), SameConv2d(channels, times * filters, 3, bias=not batch_norm)]
        if batch_norm:
            layers.append(nn.BatchNorm2d(times * filters))
        layers.append(activation_layer(activation, dim=1))
        channels = filters
    return nn.Sequential(*layers, nn.Upsample(size=sizes[0]), SameConv2d(channels, shape[0], 3))


def halved_sizes(shape: Sequence[int], stages: int) -> list[tuple[int, int]]:
    """Height and width of the picture and after each of the stages: each half of the one before, rounded up.

    Errors: `ArgumentError` for inputs that are no pictures, or of which a stage would leave the one pixel that there is.

    Example:
        >>> halved_sizes((1, 28, 37), 2)
        [(28, 37), (14, 19), (7, 10)]
    """
    check_pictures("conv_autoencoder", shape, least=1)
    sizes = [(int(shape[1]), int(shape[2]))]
    for _ in range(stages):
        height, width = sizes[-1]
        sizes.append((-(-height // 2), -(-width // 2)))
    if stages > 1 and max(sizes[-2]) == 1:
        most = next(stage for stage, size in enumerate(sizes) if max(size) == 1)
        raise ArgumentError(
            f"{stages} stages are too many for pictures of {shape[1]} × {shape[2]}",
            expected=f"at most {max(1, most)}",
            do="Take fewer stages.",
        )
    return sizes
