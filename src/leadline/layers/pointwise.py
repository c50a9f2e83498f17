"""Activations that look at one value at a time: torch's own, and those of ours."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from leadline.errors import ArgumentError
from leadline.layers.logistic import Logistic
from leadline.layers.sign import Sign
from leadline.spelling import make

POINTWISE: dict[str, Callable[..., nn.Module]] = {
    "identity": nn.Identity,
    "sign": Sign,
    "logistic": Logistic,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky_relu": nn.LeakyReLU,
    "prelu": nn.PReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "softplus": nn.Softplus,
    "softsign": nn.Softsign,
}


def pointwise_activation(text: str) -> nn.Module:
    """A new activation that keeps every shape, by its name and arguments: "relu", "leaky_relu(0.2)".

    Shapes: [...] → [...].

    Args:
        text: one of `POINTWISE`, with arguments in brackets if it is to have other than its own.

    Errors: `ArgumentError` for an unknown name, with the nearest right one, or arguments that do not fit.

    Example:
        >>> pointwise_activation("leaky_relu(0.2)")
        LeakyReLU(negative_slope=0.2)
    """
    layer: nn.Module = make(text, POINTWISE, "activation")
    check_answers(text, layer)
    return layer


def check_answers(text: str, layer: nn.Module) -> None:
    """An activation gives finite numbers for small ones: torch's own look at their arguments only when they are used.

    Errors: `ArgumentError` for one that does not.

    Example:
        >>> check_answers("softplus(beta=0)", nn.Softplus(beta=0))
        Traceback (most recent call last):
        ...
        leadline.errors.ArgumentError: The activation 'softplus(beta=0)' gives no finite number for inputs of -0.5 and 0.5.
    """
    channels = getattr(layer, "num_parameters", 1)  # of nn.PReLU
    try:
        answers = layer(torch.tensor([-0.5, 0.5]).repeat(1, channels, 1))
    except (TypeError, ValueError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0].rstrip(".")
        raise ArgumentError(f"The activation {text!r} cannot be used", got=first) from error
    if not bool(answers.isfinite().all()):
        raise ArgumentError(f"The activation {text!r} gives no finite number for inputs of -0.5 and 0.5")
