"""What a network of fixed depth asks of its pictures."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from leadline.errors import ArgumentError
from leadline.layers.arguments import refuse


def check_pictures(network: str, shape: Sequence[int] | None, *, least: int) -> None:
    """The inputs are pictures whose sides are long enough for the poolings and strides of a network.

    Args:
        network: its name, for the error.
        shape: (C, H, W) of one picture; None where nothing is known yet.
        least: pixels of the shortest side that leaves a map to answer from.

    Errors: `ArgumentError` for inputs that are no pictures, or pictures too small.

    Example:
        >>> check_pictures("alexnet", (3, 32, 32), least=63)
        Traceback (most recent call last):
        ...
        leadline.errors.ArgumentError: Pictures of 32 × 32 are too small for alexnet. Expected a side of at least 63 pixels.
        Enlarge them, or take a network for small ones: fast_convnet, convnet or resnet20.
    """
    if shape is None:
        return
    if len(shape) != 3 or min(shape) < 1:
        raise ArgumentError(
            f"The network {network} needs pictures", expected="inputs of shape (channels, height, width)", got=tuple(shape)
        )
    if min(shape[1:]) < least:
        raise ArgumentError(
            f"Pictures of {shape[1]} × {shape[2]} are too small for {network}",
            expected=f"a side of at least {least} pixels",
            do="Enlarge them, or take a network for small ones: fast_convnet, convnet or resnet20.",
        )


def check_batch(network: str, x: Tensor, *, channels: int, least: int) -> None:
    """The same for a batch that arrives, whatever the network was built for.

    Args:
        network: its name, for the error.
        x: the batch.
        channels: of a picture.
        least: as in `check_pictures`.

    Errors: `ArgumentError` that names the network and the shape.

    Example:
        >>> import torch
        >>> check_batch("alexnet", torch.zeros(2, 3, 64, 64), channels=3, least=63)
    """
    if x.ndim != 4 or x.shape[1] != channels or min(x.shape[2:]) < least:
        refuse(network, x, f"shape [B, {channels}, H, W] with H and W of at least {least}")
