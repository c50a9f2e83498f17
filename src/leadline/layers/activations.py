"""Activations by name: torch's own."""

from __future__ import annotations

from torch import nn

from leadline.errors import unknown

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


def activation(name: str) -> nn.Module:
    """A new activation layer by its name, with torch's default arguments.

    Errors: `ArgumentError` for an unknown name, with the nearest right one.

    Example:
        >>> activation("relu")
        ReLU()
    """
    if name not in ACTIVATIONS:
        unknown("activation", name, ACTIVATIONS)
    return ACTIVATIONS[name]()
