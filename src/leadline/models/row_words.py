"""The words of a row: for each layer the kind of its value, its options with their defaults, and what it makes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from leadline.errors import ArgumentError
from leadline.layers import activation as activation_layer
from leadline.layers.drop_path import DropPath
from leadline.models.row_maps import (
    Made,
    fewer_weights,
    make_conv,
    make_depthwise,
    make_global_pool,
    make_local,
    make_local_response_norm,
    make_pool,
    map_of,
)
from leadline.models.row_values import (
    COUNT,
    FLAG,
    LOCAL_BIAS,
    MULTIPLIER,
    NUMBER,
    PADDING,
    PAIR,
    PRESENT,
    SHARE,
    SIDES,
    TEXT,
    Kind,
    Row,
    Shape,
    one_of,
)


@dataclass(frozen=True)
class Word:
    """A word: the kind of its value, what it makes of a row and the shape that arrives, and its options with their defaults.

    `value` of a row that widens is the number of units, which an activation like maxout may ask a multiple of.
    """

    value: Kind
    make: Callable[[Row, Shape], Made]
    options: Mapping[str, tuple[Kind, Any]] = field(default_factory=dict)
    widens: bool = False


def _dense(row: Row, shape: Shape) -> Made:
    features = math.prod(shape)
    fewer_weights(features * row.value)
    layer = nn.Linear(features, row.value, bias=row["bias"])
    return ({} if len(shape) == 1 else {"_flatten": nn.Flatten()}) | {"": layer}, (row.value,)


def _batch_norm(row: Row, shape: Shape) -> Made:
    kind = nn.BatchNorm1d if len(shape) == 1 else nn.BatchNorm2d
    features = shape[0] if len(shape) == 1 else map_of(shape, row.word)[0]
    if row["momentum"] > 1:
        raise ArgumentError(
            "The momentum of batch_norm is the share of the new batch", expected="a number in (0, 1]", got=row["momentum"]
        )
    return {"": kind(features, eps=row["epsilon"], momentum=row["momentum"])}, shape


def _layer_norm(row: Row, shape: Shape) -> Made:
    _several(math.prod(shape), row.word)
    if len(shape) == 1:
        return {"": nn.LayerNorm(shape[0], eps=row["epsilon"])}, shape
    # One group is the whole sample, with a scale for each channel and not for each pixel.
    return {"": nn.GroupNorm(1, map_of(shape, row.word)[0], eps=row["epsilon"])}, shape


def _rms_norm(row: Row, shape: Shape) -> Made:
    if len(shape) != 1:
        raise ArgumentError(
            "rms_norm needs vectors", expected="[features]", got=list(shape), do="Take layer_norm for pictures."
        )
    _several(shape[0], row.word)
    return {"": nn.RMSNorm(shape[0], eps=row["epsilon"])}, shape


def _group_norm(row: Row, shape: Shape) -> Made:
    channels = shape[0] if len(shape) == 1 else map_of(shape, row.word)[0]
    if channels % row.value:
        raise ArgumentError("The groups do not divide the channels", expected=f"a divisor of {channels}", got=row.value)
    _several(math.prod(shape) // row.value, row.word)
    return {"": nn.GroupNorm(row.value, channels, eps=row["epsilon"])}, shape


def _several(values: int, word: str) -> None:
    if values < 2:
        raise ArgumentError(f"{word} of a single value makes it 0 whatever it was", expected="at least 2 values to compare")


def row_activation(text: str) -> nn.Module:
    """An activation over the channels or features of a row.

    Errors: `ArgumentError` for an unknown name, arguments that do not fit, or that would reach beyond the row.

    Example:
        >>> row_activation("leaky_relu(0.2)")
        LeakyReLU(negative_slope=0.2)
    """
    layer = activation_layer(text, dim=1)
    if getattr(layer, "inplace", False):
        raise ArgumentError(
            "An activation in place would overwrite what a shortcut still needs", got=text, do="Leave inplace out."
        )
    return layer


def activated(text: str, shape: Shape) -> Made:
    """An activation over the channels or features, and the shape behind it, found by trying it on zeros.

    Example:
        >>> activated("relu", (8, 4, 4))
        ({'': ReLU()}, (8, 4, 4))
    """
    layer = row_activation(text)
    try:
        with torch.no_grad():
            after = layer(torch.zeros(2, shape[0], *[1] * (len(shape) - 1))).shape
    except ArgumentError as error:
        units = "features" if len(shape) == 1 else "channels"
        raise ArgumentError(
            f"{text} cannot divide {shape[0]} {units}", expected="a multiple of its groups or pieces"
        ) from error
    return {"": layer}, (after[1], *shape[1:])


def _spatial_dropout(row: Row, shape: Shape) -> Made:
    map_of(shape, row.word)
    return {"": nn.Dropout2d(row.value)}, shape


_CONVOLUTION: dict[str, tuple[Kind, Any]] = {
    "kernel": (PAIR, (3, 3)),
    "stride": (PAIR, (1, 1)),
    "padding": (PADDING, "same"),
    "bias": (FLAG, True),
    "activation": (TEXT, None),
}
_DILATION: dict[str, tuple[Kind, Any]] = {"dilation": (PAIR, (1, 1))}
_EPSILON: dict[str, tuple[Kind, Any]] = {"epsilon": (NUMBER, 1e-5)}

PLAIN_WORDS: dict[str, Word] = {
    "conv": Word(COUNT, make_conv, _CONVOLUTION | _DILATION | {"groups": (COUNT, 1)}, widens=True),
    "depthwise": Word(MULTIPLIER, make_depthwise, _CONVOLUTION | _DILATION, widens=True),
    "local": Word(COUNT, make_local, _CONVOLUTION | {"padding": (SIDES, "same"), "bias": (LOCAL_BIAS, "filter")}, widens=True),
    "dense": Word(COUNT, _dense, {"bias": (FLAG, True), "activation": (TEXT, None)}, widens=True),
    "pool": Word(
        PAIR,
        make_pool,
        {"kind": (one_of("max", "average"), "max"), "stride": (PAIR, None), "padding": (PADDING, "valid")},
    ),
    "global_pool": Word(one_of("average", "max", by_itself="average"), make_global_pool),
    "flatten": Word(PRESENT, lambda row, shape: ({"": nn.Flatten()}, (math.prod(shape),))),
    "dropout": Word(SHARE, lambda row, shape: ({"": nn.Dropout(row.value)}, shape)),
    "spatial_dropout": Word(SHARE, _spatial_dropout),
    "drop_path": Word(SHARE, lambda row, shape: ({"": DropPath(row.value)}, shape)),
    "batch_norm": Word(PRESENT, _batch_norm, _EPSILON | {"momentum": (NUMBER, 0.1)}),
    "layer_norm": Word(PRESENT, _layer_norm, _EPSILON),
    "rms_norm": Word(PRESENT, _rms_norm, _EPSILON),
    "group_norm": Word(COUNT, _group_norm, _EPSILON),
    "local_response_norm": Word(
        COUNT, make_local_response_norm, {"alpha": (NUMBER, 1e-4), "beta": (NUMBER, 0.75), "k": (NUMBER, 1.0)}
    ),
    "activation": Word(TEXT, lambda row, shape: activated(row.value, shape)),
    "winner_take_all": Word(COUNT, lambda row, shape: activated(f"winner_take_all({row.value})", shape)),
}
ALIASES = {"lrn": "local_response_norm"}
