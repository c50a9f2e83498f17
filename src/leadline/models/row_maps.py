"""Layers of a row that work on maps: convolutions and pools, and the map that leaves each.

C channels, H W height and width of the map, F kernel, P padding, S stride, D dilation.
"""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from leadline.errors import ArgumentError
from leadline.layers.locally_connected import LocallyConnected2d
from leadline.layers.response_norm import LocalResponseNorm
from leadline.layers.same_convolution import SameConv2d
from leadline.layers.same_pooling import SameAvgPool2d, SameMaxPool2d
from leadline.models.row_values import Row, Shape

Made = tuple[dict[str, nn.Module], Shape]  # layers by what their names end in, the main one by nothing

_MOST_WEIGHTS = 2**28  # of one layer: 1 GiB in float32, four times that while it trains


def map_of(shape: Shape, word: str) -> tuple[int, int, int]:
    """The shape as that of a picture.

    Errors: `ArgumentError` for any other shape.

    Example:
        >>> map_of((3, 8, 8), "conv")
        (3, 8, 8)
    """
    if len(shape) != 3:
        flat = "Put it before flatten and before the first dense." if len(shape) == 1 else None
        raise ArgumentError(f"{word} needs pictures", expected="[channels, height, width]", got=list(shape), do=flat)
    return shape[0], shape[1], shape[2]


def fewer_weights(count: int) -> None:
    """Refuse a layer that no machine at hand could train.

    Errors: `ArgumentError` above 2²⁸ weights.

    Example:
        >>> fewer_weights(1_000_000)
    """
    if count > _MOST_WEIGHTS:
        raise ArgumentError("The layer is too large", expected=f"at most {_MOST_WEIGHTS:,} weights", got=f"{count:,}")


def convolution(row: Row, shape: Shape, *, filters: int, groups: int) -> Made:
    """A convolution as its row says: "same" padding gives ⌈H/S⌉, P pixels ⌊(H + 2P − D(F − 1) − 1)/S⌋ + 1.

    Example:
        >>> options = {"kernel": (3, 3), "stride": (2, 2), "dilation": (1, 1), "padding": "valid", "bias": True}
        >>> convolution(Row("row 1", "conv", 8, options), (1, 9, 9), filters=8, groups=1)[1]
        (8, 4, 4)
    """
    channels, height, width = map_of(shape, row.word)
    kernel, stride, dilation, padding = row["kernel"], row["stride"], row["dilation"], row["padding"]
    if channels % groups or filters % groups:
        raise ArgumentError(
            "The groups do not divide the channels",
            expected=f"a divisor of {channels} channels that arrive and {filters} filters",
            got=groups,
        )
    spans = tuple(d * (f - 1) + 1 for f, d in zip(kernel, dilation, strict=True))
    after = _map_after((height, width), spans, stride, padding, "kernel")
    fewer_weights(filters * channels // groups * math.prod(kernel))
    shared: dict[str, Any] = {"stride": stride, "dilation": dilation, "groups": groups, "bias": row["bias"]}
    layer: nn.Module
    if padding == "same":
        layer = SameConv2d(channels, filters, kernel, **shared)
    else:
        layer = nn.Conv2d(channels, filters, kernel, padding=0 if padding == "valid" else padding, **shared)
    return {"": layer}, (filters, *after)


def _map_after(sides: tuple[int, int], spans: tuple[int, ...], stride: tuple[int, int], padding: Any, what: str) -> Shape:
    """The map after a window that spans so many pixels has passed over it."""
    if padding == "same":
        pads, most = (0, 0), tuple(2 * side + 1 for side in sides)
    else:
        pads = (0, 0) if padding == "valid" else padding
        most = tuple(min(2 * side + 1, side + 2 * pad) for side, pad in zip(sides, pads, strict=True))
    if any(span > bound for span, bound in zip(spans, most, strict=True)):
        raise ArgumentError(
            f"The {what} is larger than the map",
            expected=f"one that spans at most {most[0]} × {most[1]}" + ("" if padding == "same" else ', or padding = "same"'),
            got=f"{spans[0]} × {spans[1]}",
        )
    if any(pad >= span for span, pad in zip(spans, pads, strict=True)):
        raise ArgumentError(
            f"With so much padding the {what} would see nothing else at the border",
            expected=f"less than the {spans[0]} × {spans[1]} that it spans",
            got=list(pads),
        )
    if padding == "same":
        return tuple(math.ceil(side / step) for side, step in zip(sides, stride, strict=True))
    return tuple((side + 2 * pad - span) // step + 1 for side, pad, span, step in zip(sides, pads, spans, stride, strict=True))


def make_conv(row: Row, shape: Shape) -> Made:
    return convolution(row, shape, filters=row.value, groups=row["groups"])


def make_depthwise(row: Row, shape: Shape) -> Made:
    channels = map_of(shape, row.word)[0]
    return convolution(row, shape, filters=channels * row.value, groups=channels)


def make_local(row: Row, shape: Shape) -> Made:
    channels, height, width = map_of(shape, row.word)
    kernel, stride, padding = row["kernel"], row["stride"], row["padding"]
    after = _map_after((height, width), kernel, stride, padding, "kernel")
    fewer_weights(math.prod(after) * math.prod(kernel) * channels * row.value)
    layer = LocallyConnected2d(
        channels, row.value, kernel, size=(height, width), stride=stride, padding=padding, bias=row["bias"]
    )
    return {"": layer}, (row.value, *after)


def make_pool(row: Row, shape: Shape) -> Made:
    channels, height, width = map_of(shape, row.word)
    window, padding = row.value, row["padding"]
    stride = row["stride"] or window
    if window[0] > height or window[1] > width:
        raise ArgumentError(
            "The window is larger than the map", expected=f"at most {height} × {width}", got=f"{window[0]} × {window[1]}"
        )
    after = _map_after((height, width), window, stride, padding, "window")
    most = row["kind"] == "max"
    if padding == "same":
        same = SameMaxPool2d if most else SameAvgPool2d
        return {"": same(window, stride=stride)}, (channels, *after)
    pads = (0, 0) if padding == "valid" else padding
    if any(2 * pad > side for pad, side in zip(pads, window, strict=True)):
        raise ArgumentError(
            "The padding of a pool is at most half its window", expected=f"half of {window[0]} × {window[1]}", got=list(pads)
        )
    # The average is over pixels that are there.
    layer = nn.MaxPool2d(window, stride, pads) if most else nn.AvgPool2d(window, stride, pads, count_include_pad=False)
    return {"": layer}, (channels, *after)


def make_global_pool(row: Row, shape: Shape) -> Made:
    channels, height, width = map_of(shape, row.word)
    # Not the adaptive maximum, whose gradient is not the same twice on a GPU.
    layer = nn.AdaptiveAvgPool2d(1) if row.value == "average" else nn.MaxPool2d((height, width))
    return {"": layer, "_flatten": nn.Flatten()}, (channels,)


def make_local_response_norm(row: Row, shape: Shape) -> Made:
    map_of(shape, row.word)
    return {"": LocalResponseNorm(row.value, alpha=row["alpha"], beta=row["beta"], k=row["k"])}, shape
