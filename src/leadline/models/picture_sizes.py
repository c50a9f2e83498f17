"""What a network of fixed depth asks of its pictures."""

from __future__ import annotations

from collections.abc import Sequence

import torch
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
    """The same for a batch that arrives, whatever the network was built for: a few comparisons of whole numbers.

    What torch.fx or torch.jit sends through in the place of a batch, to write down what is done with it, has no numbers yet and
    passes.

    Args:
        network: its name, for the error.
        x: the batch.
        channels: of a picture.
        least: as in `check_pictures`.

    Errors: `ArgumentError` that names the network, the type and the shape.

    Example:
        >>> import torch
        >>> check_batch("alexnet", torch.zeros(2, 3, 64, 64), channels=3, least=63)
        >>> check_batch("resnet18", torch.zeros(2, 1, 64, 64), channels=3, least=1)
        Traceback (most recent call last):
        ...
        leadline.errors.ArgumentError: resnet18 cannot take these inputs. Expected floating-point numbers of shape [B, 3, H, W];
        got float32 of shape [2, 1, 64, 64].
    """
    if not isinstance(x, Tensor) or torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
        return
    if x.ndim != 4 or x.shape[1] != channels or min(x.shape[2:]) < least or not x.is_floating_point():
        sizes = f" with H and W of at least {least}" if least > 1 else ""
        refuse(network, x, f"floating-point numbers of shape [B, {channels}, H, W]{sizes}")
