"""Maps and weights as colours: arrays in, arrays of bytes out."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.errors import ArgumentError
from leadline.explain.boxes import Box, enlarged

Bytes = NDArray[np.uint8]
_HEAT, _BOTH_WAYS = "inferno", "RdBu_r"  # both can be told apart by the colour-blind, and heat in grey, too
_FRAME = np.array([64, 224, 208], np.uint8)  # does not occur among the colours of heat


def shown_picture(picture: NDArray[Any]) -> Bytes:
    """A stored picture as bytes to look at, in three channels.

    Bytes that reach beyond 32 stay as they are; anything else (floats, digits of 17 shades) is stretched from its smallest to
    its largest value. Of two channels the first is shown, of more than three the first three.

    Shapes: [H, W] or [H, W, C] → uint8 [H, W, 3].

    Errors: `ArgumentError` for another shape.

    Example:
        >>> shown_picture(np.array([[0.0, 0.5], [1.0, 1.0]]))[:, :, 0]
        array([[  0, 128],
               [255, 255]], dtype=uint8)
    """
    values = np.asarray(picture)
    values = values[:, :, None] if values.ndim == 2 else values
    if values.ndim != 3 or not values.size:
        raise ArgumentError("This is no picture", expected="an array [H, W, C]", got=list(values.shape))
    values = values[:, :, :1] if values.shape[2] in (1, 2) else values[:, :, :3]
    if values.dtype != np.uint8 or values.max() <= 32:
        numbers = values.astype(np.float32)
        low, high = float(numbers.min()), float(numbers.max())
        values = np.rint((numbers - low) / max(high - low, 1e-12) * 255).astype(np.uint8)
    return np.repeat(values, 3, axis=2) if values.shape[2] == 1 else np.ascontiguousarray(values)


def overlay(picture: NDArray[Any], heat: NDArray[Any], *, peak: float | None = None, strength: float = 0.75) -> Bytes:
    """A map over a picture: the picture in grey, in colour where the map is hot, the more so the hotter.

    shown = (1 − a) · grey + a · colour(t), with t = clip(map / peak, 0, 1) and a = strength · √t

    Shapes: picture [H, W, C] and map [h, w], of any size → uint8 [H, W, 3].

    Args:
        picture: as `shown_picture` takes it.
        heat: values at or below 0 are cold.
        peak: what is hottest; the largest value of the map when left out. Give one to compare several maps.
        strength: how far the hottest place covers the picture, in [0, 1].

    Errors: `ArgumentError` for other shapes or strength.

    Example:
        >>> overlay(np.zeros((4, 4, 1), np.uint8), np.array([[0.0, 1.0]])).shape
        (4, 4, 3)
    """
    if not 0 <= strength <= 1 or np.ndim(heat) != 2:
        raise ArgumentError("The map cannot be laid over", expected="a map [h, w] and strength in [0, 1]", got=strength)
    shown = shown_picture(picture).astype(np.float32)
    grey = (shown @ np.array([0.299, 0.587, 0.114], np.float32))[:, :, None]
    top = float(np.max(heat)) if peak is None else peak
    share = np.clip(enlarged(heat, *shown.shape[:2]) / top, 0, 1) if top > 0 else np.zeros(shown.shape[:2])
    cover = (strength * np.sqrt(share))[:, :, None]
    return np.rint((1 - cover) * grey + cover * _colored(share, _HEAT)).astype(np.uint8)


def heat_picture(heat: NDArray[Any], *, peak: float | None = None) -> Bytes:
    """A map alone, from black through red to light yellow.

    Shapes: [H, W] → uint8 [H, W, 3].

    Args:
        heat: values at or below 0 are black.
        peak: what is lightest, above 0; when left out the 99.5th percentile of what is above 0, so that single pixels of a
            saliency map do not darken all others.

    Errors: `ArgumentError` for another shape, or a peak that is not above 0.

    Example:
        >>> heat_picture(np.array([[0.0, 1.0]]))[0, 0].tolist()
        [0, 0, 4]
    """
    heat = np.asarray(heat)
    if heat.ndim != 2 or not (peak is None or peak > 0):
        raise ArgumentError("The map cannot be drawn", expected="a map [H, W] and a peak above 0", got=(list(heat.shape), peak))
    above = heat[heat > 0]
    top = peak if peak is not None else float(np.quantile(above, 0.995)) if above.size else 1.0
    return _colored(np.clip(heat / top, 0, 1), _HEAT).astype(np.uint8)


def weight_picture(weights: NDArray[Any], *, colors: bool = True) -> Bytes:
    """Weights with their sign: three channels as colours around grey, one from blue (below 0) over white to red (above).

    Shapes: [C, h, w] → uint8 [h, w, 3]; of more than three channels, and of two, the channels side by side.

    Args:
        weights: of a filter or template. The largest size among them gives the full colour.
        colors: whether three channels are red, green and blue; else they are put side by side.

    Errors: `ArgumentError` for another shape.

    Example:
        >>> weight_picture(np.array([[[0.0, 1.0]]]))[0].tolist()
        [[247, 246, 246], [103, 0, 31]]
    """
    weights = np.asarray(weights, dtype=np.float32)
    if weights.ndim != 3 or not weights.size:
        raise ArgumentError("These are no weights of a filter", expected="an array [C, h, w]", got=list(weights.shape))
    scaled = weights / max(float(np.abs(weights).max()), 1e-12)
    if len(weights) == 3 and colors:
        return np.rint(255 * (0.5 + 0.5 * scaled.transpose(1, 2, 0))).astype(np.uint8)
    return _colored(np.concatenate(list(scaled), axis=1) / 2 + 0.5, _BOTH_WAYS).astype(np.uint8)


def framed(picture: Bytes, box: Box, *, thickness: int | None = None) -> Bytes:
    """A copy of a picture with the outline of a box on it, dark-edged so that it is seen on any ground.

    Shapes: uint8 [H, W, 3] → the same. The box is in pixels of the picture; what lies outside is cut off.

    Args:
        picture: as `overlay` gives it.
        box: where.
        thickness: of the line in pixels, at least 1; a hundredth of the picture's longer side when left out.

    Errors: `ArgumentError` for a line of less than a pixel.

    Example:
        >>> framed(np.zeros((8, 8, 3), np.uint8), Box(2, 2, 6, 6))[2, 3].tolist()
        [64, 224, 208]
    """
    found = picture.copy()
    height, width = found.shape[:2]
    wide = max(1, round(max(height, width) / 100)) if thickness is None else thickness
    if wide < 1:
        raise ArgumentError("The frame cannot be drawn", expected="a line of at least 1 pixel", got=wide)
    top, left = (min(max(0, round(value)), size - 1) for value, size in ((box.top, height), (box.left, width)))
    bottom, right = min(height, max(round(box.bottom), top + 1)), min(width, max(round(box.right), left + 1))
    edge = wide // 2
    for color, grow in ((np.zeros(3, np.uint8), edge), (_FRAME, 0)):
        outer = np.zeros((height, width), bool)
        outer[max(0, top - grow) : bottom + grow, max(0, left - grow) : right + grow] = True
        inner = wide + grow
        outer[top + inner : max(top + inner, bottom - inner), left + inner : max(left + inner, right - inner)] = False
        found[outer] = color
    return found


def mosaic(pictures: list[Bytes], *, columns: int | None = None, gap: int = 1, scale: int = 1) -> Bytes:
    """Pictures of one size in rows and columns on white, each pixel drawn `scale` times as large.

    Shapes: N of uint8 [h, w, 3] → uint8 [H, W, 3].

    Args:
        pictures: at least one.
        columns: pictures a row; about a square when left out.
        gap: pixels between two.
        scale: whole number.

    Errors: `ArgumentError` for none, pictures of different sizes, fewer than 1 column, or a scale below 1.

    Example:
        >>> mosaic([np.zeros((3, 3, 3), np.uint8)] * 5, scale=2).shape
        (13, 20, 3)
    """
    if not pictures or len({each.shape for each in pictures}) > 1:
        raise ArgumentError(
            "There is no mosaic", expected="pictures of one size", got=sorted({each.shape for each in pictures})
        )
    if scale < 1 or gap < 0 or not (columns is None or columns > 0):
        expected = "scale ≥ 1, gap ≥ 0 and columns ≥ 1"
        raise ArgumentError("There is no mosaic", expected=expected, got=f"scale {scale}, gap {gap}, columns {columns}")
    wide = columns or math.ceil(math.sqrt(len(pictures)))
    height, width = (scale * side for side in pictures[0].shape[:2])
    rows = math.ceil(len(pictures) / wide)
    sheet = np.full((rows * (height + gap) - gap, min(wide, len(pictures)) * (width + gap) - gap, 3), 255, np.uint8)
    for at, each in enumerate(pictures):
        top, left = at // wide * (height + gap), at % wide * (width + gap)
        sheet[top : top + height, left : left + width] = each.repeat(scale, axis=0).repeat(scale, axis=1)
    return sheet


def _colored(share: NDArray[Any], name: str) -> NDArray[np.float32]:
    """Shares in [0, 1] as colours of 0 … 255."""
    colored: NDArray[np.float32] = _table(name)[np.rint(np.asarray(share) * 255).astype(np.intp)]
    return colored


@cache
def _table(name: str) -> NDArray[np.float32]:
    import matplotlib

    colors: NDArray[np.float32] = matplotlib.colormaps[name](np.arange(256) / 255)[:, :3].astype(np.float32)
    return np.rint(255 * colors)
