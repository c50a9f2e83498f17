"""Activations by name, in one spelling: "relu", "leaky_relu(0.2)", "maxout(pieces=3)", "swiglu"."""

from __future__ import annotations

import functools
from collections.abc import Callable

from torch import nn

from leadline.errors import ArgumentError
from leadline.layers.gated import Gated
from leadline.layers.maxout import Maxout
from leadline.layers.pointwise import POINTWISE, check_answers
from leadline.layers.softmax import Softmax
from leadline.layers.winner_take_all import WinnerTakeAll
from leadline.spelling import make, parse_call

# These look at several values along one axis, and take its number as `dim`.
ALONG_AXIS: dict[str, Callable[..., nn.Module]] = {
    "softmax": Softmax,
    "winner_take_all": WinnerTakeAll,
    "maxout": Maxout,
    "glu": functools.partial(Gated, "sigmoid"),
    "swiglu": functools.partial(Gated, "silu"),
    "geglu": functools.partial(Gated, "gelu"),
    "reglu": functools.partial(Gated, "relu"),
}
ACTIVATIONS: dict[str, Callable[..., nn.Module]] = POINTWISE | ALONG_AXIS


def activation(text: str, *, dim: int = -1) -> nn.Module:
    """A new activation layer by its name, with arguments in brackets where it is to have other than its own.

    Shapes: [...] → [...]; `widening` says by what factor axis `dim` is smaller afterwards.

    Args:
        text: such as "relu", "leaky_relu(0.2)" or "maxout(pieces=3)".
        dim: the axis of the units, for those that look at several: −1 after a dense layer, 1 after a convolution.

    Errors: `ArgumentError` for an unknown name, with the nearest right one, or arguments that do not fit.

    Example:
        >>> activation("relu"), activation("maxout(3)", dim=1)
        (ReLU(), Maxout(pieces=3, dim=1))
    """
    _check_axis(text)
    along = {name: functools.partial(make_layer, dim=dim) for name, make_layer in ALONG_AXIS.items()}
    layer: nn.Module = make(text, POINTWISE | along, "activation")
    _check_pointwise(text, layer)
    return layer


def _check_axis(text: str) -> None:
    """The axis of the units is known to whoever builds the network; along another, samples would be mixed."""
    if "dim" in parse_call(text, "activation").keywords:
        raise ArgumentError("An activation works along the channels or features", got=text, do="Leave dim out.")


def _check_pointwise(text: str, layer: nn.Module) -> None:
    if not hasattr(layer, "dim"):  # those along an axis check their arguments themselves
        check_answers(text, layer)


def widening(text: str) -> int:
    """How many times wider the layer before an activation must be: k for maxout, 2 for gated units, else 1.

    Args:
        text: an activation as `activation` reads it.

    Errors: `ArgumentError` for an unknown name, with the nearest right one, or arguments that do not fit.

    Example:
        >>> widening("maxout(pieces=3)"), widening("swiglu"), widening("leaky_relu(0.2)")
        (3, 2, 1)
    """
    layer = activation(text)
    if isinstance(layer, Maxout):
        return layer.pieces
    return 2 if isinstance(layer, Gated) else 1
