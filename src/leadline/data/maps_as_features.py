"""Maps of features: what a network without its head gives before it is averaged, as bottleneck files often hold it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

PICTURE_CHANNELS = (1, 2, 3, 4)
_FEWEST_CHANNELS = 16  # of maps; what has 5 to 15 is a picture of several wavelengths, whose mean colour would say little
_WIDEST = 1024  # features that maps may become as they are; more of them want more rows than a bottleneck file has
_CHUNK = 1 << 22  # numbers whose mean is taken at a time


def rows_of_maps(inputs: NDArray[Any]) -> tuple[NDArray[np.float32], str] | None:
    """Maps of features as float32 rows, with a note that says how; None where the inputs are no maps.

    Maps are floats [N, H, W, C] (Keras) or [N, C, H, W] (torch) with at least 16 channels and no fewer channels than cells
    along a side: a bottleneck file. Each becomes the mean over its cells, f_c = mean over h, w of map[h, w, c], as the network
    that gave them does before its head: where something lies matters little in late maps, and C features are few enough for a
    head. Small ones, of up to 1,024 numbers in all, are kept as they are.

    Shapes: [N, H, W, C] or [N, C, H, W] → [N, C], or [N, H · W · C] for small ones.

    Args:
        inputs: of any shape and type.

    Example:
        >>> rows, note = rows_of_maps(np.ones((2, 7, 7, 512), np.float16))
        >>> rows.shape, note
        ((2, 512), 'The inputs are maps of 7 × 7 × 512: the mean over the cells of each is what is learned from.')
        >>> rows_of_maps(np.ones((2, 32, 32, 3))) is None
        True
    """
    if inputs.ndim != 4 or inputs.dtype.kind != "f" or 0 in inputs.shape:
        return None
    last = _channels_last(inputs.shape)
    if last is None:
        return None
    maps = inputs if last else inputs.transpose(0, 2, 3, 1)
    height, width, channels = maps.shape[1:]
    if channels < max(_FEWEST_CHANNELS, height, width):
        return None
    told = f"The inputs are maps of {height} × {width} × {channels}"
    with np.errstate(over="ignore", invalid="ignore"):  # a row that is not finite is set aside
        if height * width * channels <= _WIDEST:
            flat = np.ascontiguousarray(maps, dtype=np.float32).reshape(len(maps), -1)
            return flat, f"{told}: each number of them is a feature."
        rows = np.empty((len(maps), channels), np.float32)
        at_once = max(1, _CHUNK // (height * width * channels))  # a float64 copy of a whole file could be too large
        for start in range(0, len(maps), at_once):
            rows[start : start + at_once] = maps[start : start + at_once].mean(axis=(1, 2), dtype=np.float64)
    return rows, f"{told}: the mean over the cells of each is what is learned from."


def _channels_last(shape: tuple[int, ...]) -> bool | None:
    """Of maps: the two sides are alike; in doubt the channels are more than they, or last; None for a picture."""
    _, first, middle, last = shape
    if (first == middle) != (middle == last):
        return first == middle
    return None if first in PICTURE_CHANNELS or last in PICTURE_CHANNELS else last >= first
