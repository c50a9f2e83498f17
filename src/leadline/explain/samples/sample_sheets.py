"""Sheets of drawn pictures as arrays, drawn pictures beside the training pictures most like them, and a training as a film."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from leadline.errors import ArgumentError, unknown
from leadline.explain.overlays import Bytes, mosaic

_LEAST_SIDE = 56  # pixels in which a small picture is shown
_FORMATS = {"gif": "GIF", "png": "PNG"}
_BETWEEN = 6  # white pixels between a drawing and its neighbours, times the scale
_SAME_FRAME = 0.05  # seconds: browsers slow down what is shown for less


def drawn_bytes(pictures: Tensor | NDArray[Any]) -> Bytes:
    """Drawn pictures as bytes: round((x + 1) · 127.5), what is outside of 0 … 255 cut off.

    Shapes: [N, C, H, W] in [−1, 1] → uint8 [N, H, W, C].

    Args:
        pictures: as a generator draws them.

    Errors: `ArgumentError` for another shape, or values that are no numbers.

    Example:
        >>> drawn_bytes(np.array([-1.0, 0.0, 1.0, 7.0]).reshape(4, 1, 1, 1)).ravel()
        array([  0, 128, 255, 255], dtype=uint8)
    """
    values = pictures.numpy(force=True) if isinstance(pictures, Tensor) else np.asarray(pictures)
    if values.ndim != 4 or values.shape[1] not in (1, 2, 3, 4) or values.dtype.kind != "f":
        got = f"{values.dtype} of shape {list(values.shape)}"
        raise ArgumentError("These are no drawn pictures", expected="floats [N, C, H, W] with 1 to 4 channels", got=got)
    if not np.isfinite(values).all():
        raise ArgumentError(
            "The drawn pictures hold NaN or infinity", do="The generator has come to grief: look at its losses."
        )
    # A half goes up, so that 0, the middle, is 128 wherever it is rounded.
    return np.floor((values.transpose(0, 2, 3, 1) + 1) * 127.5 + 0.5).clip(0, 255).astype(np.uint8)


def sample_sheet(pictures: Bytes, *, columns: int = 0, scale: int = 0) -> Bytes:
    """Pictures in rows and columns, small ones enlarged so that they can be seen, each pixel a sharp square.

    Shapes: uint8 [N, H, W, C] with C from 1 to 4 → uint8 [rows, columns, 3]. Of two and four channels the last is opacity, over
    white.

    Args:
        pictures: as `drawn_bytes` gives them, or as they are stored.
        columns: pictures a row; 0 for about a square.
        scale: how many times as large; 0 for the least whole number that makes sides of 56 pixels.

    Errors: `ArgumentError` for another shape, no picture, or numbers below 0.

    Example:
        >>> sample_sheet(np.zeros((64, 28, 28, 1), np.uint8)).shape
        (455, 455, 3)
    """
    if columns < 0 or scale < 0:
        raise ArgumentError("There is no sheet", expected="columns and scale of 0 or more", got=(columns, scale))
    shown = list(_in_colors(pictures))
    size, gap = _scale_and_gap(shown[0].shape[:2], scale)
    return mosaic(shown, columns=columns or None, gap=gap, scale=size)


def sheet_size(count: int, height: int, width: int, *, columns: int = 0, scale: int = 0) -> tuple[int, int]:
    """Height and width in pixels of the sheet that `sample_sheet` would make.

    Args:
        count: of pictures.
        height: of one.
        width: of one.
        columns: as for `sample_sheet`.
        scale: likewise.

    Example:
        >>> sheet_size(64, 28, 28)
        (455, 455)
    """
    size, gap = _scale_and_gap((height, width), scale)
    wide = columns or math.ceil(math.sqrt(count))
    return math.ceil(count / wide) * (size * height + gap) - gap, min(wide, count) * (size * width + gap) - gap


def beside_nearest_sheet(drawn: Bytes, nearest: Bytes, *, scale: int = 0) -> Bytes:
    """Each drawing at the left of a row, and beside it the training pictures most like it: it should be like none of them.

    Shapes: drawings uint8 [N, H, W, C] and their neighbours uint8 [N, K, H, W, C] → uint8 [rows, columns, 3].

    Args:
        drawn: as `drawn_bytes` gives them.
        nearest: of each the training pictures, the most alike first, such as `metrics.nearest_rows_of` finds.
        scale: as for `sample_sheet`.

    Errors: `ArgumentError` for shapes that do not fit together, or no picture.

    Example:
        >>> beside_nearest_sheet(np.zeros((2, 28, 28, 1), np.uint8), np.zeros((2, 3, 28, 28, 1), np.uint8)).shape
        (113, 238, 3)
    """
    drawn, nearest = np.asarray(drawn), np.asarray(nearest)
    if nearest.ndim != 5 or nearest.shape[0] != len(drawn) or nearest.shape[2:] != drawn.shape[1:] or not nearest.shape[1]:
        raise ArgumentError(
            "The drawings and their neighbours do not fit together",
            expected="[N, H, W, C] and [N, K, H, W, C] with K ≥ 1",
            got=f"{list(drawn.shape)} and {list(nearest.shape)}",
        )
    left = list(_in_colors(drawn))
    size, _ = _scale_and_gap(left[0].shape[:2], scale)
    right = list(_in_colors(nearest.reshape(-1, *nearest.shape[2:])))
    sheets = [
        mosaic(left, columns=1, gap=1, scale=size),
        np.full((1, _BETWEEN * size, 3), 255, np.uint8),
        mosaic(right, columns=nearest.shape[1], gap=1, scale=size),
    ]
    sheets[1] = sheets[1].repeat(len(sheets[0]), axis=0)
    return np.concatenate(sheets, axis=1)


def animated(frames: Sequence[Bytes], *, kind: str = "gif", seconds: float = 0.2, last: float = 2.0) -> bytes:
    """Sheets one after another as a film that begins anew, the last one shown longer.

    A GIF has 256 colours a frame, which is exact for grey pictures; "png" (APNG) is exact for all and larger.

    Shapes: sheets uint8 [H, W, 3], all of one size.

    Args:
        frames: at least one.
        kind: "gif" or "png".
        seconds: each is shown, at least 0.05, which is the least that browsers keep to.
        last: seconds that the last one is shown.

    Returns:
        The bytes of the file.

    Errors: `ArgumentError` for no frame, frames of different sizes, another kind, or seconds out of range.

    Example:
        >>> film = animated([np.full((8, 8, 3), grey, np.uint8) for grey in (0, 128, 255)])
        >>> Image.open(io.BytesIO(film)).n_frames
        3
    """
    if kind not in _FORMATS:
        unknown("kind of film", kind, _FORMATS)
    if not all(_SAME_FRAME <= value < math.inf for value in (seconds, last)):
        raise ArgumentError("The frames cannot be shown so", expected=f"seconds of {_SAME_FRAME} or more", got=(seconds, last))
    shapes = {np.shape(frame) for frame in frames}
    if len(shapes) != 1 or len(next(iter(shapes))) != 3 or next(iter(shapes))[2] != 3:
        raise ArgumentError("There is no film", expected="frames [H, W, 3] of one size, at least 1", got=sorted(shapes))
    images = [Image.fromarray(np.asarray(frame, dtype=np.uint8)) for frame in frames]
    durations = [round(1000 * seconds)] * (len(images) - 1) + [round(1000 * last)]
    if kind == "gif":
        images = [_paletted(image) for image in images]
    file = io.BytesIO()
    images[0].save(
        file,
        format=_FORMATS[kind],
        save_all=True,
        append_images=images[1:],
        duration=durations if len(images) > 1 else durations[0],
        loop=0,
    )
    return file.getvalue()


def _paletted(image: Image.Image) -> Image.Image:
    """With the colours that are in it: shades of grey as they are, others by the 256 that serve best."""
    red, green, blue = (np.asarray(band) for band in image.split())
    if np.array_equal(red, green) and np.array_equal(green, blue):
        return Image.fromarray(np.ascontiguousarray(red))
    return image.quantize(256, dither=Image.Dither.NONE)


def _in_colors(pictures: Bytes) -> Bytes:
    """[N, H, W, 3] of any number of channels."""
    values = np.asarray(pictures)
    if values.ndim != 4 or values.dtype != np.uint8 or values.shape[3] not in (1, 2, 3, 4) or not values.size:
        got = f"{values.dtype} of shape {list(values.shape)}"
        raise ArgumentError("These are no pictures to lay out", expected="uint8 [N, H, W, C] with 1 to 4 channels", got=got)
    if values.shape[3] in (2, 4):
        opacity = values[:, :, :, -1:].astype(np.float32) / 255
        values = np.rint(values[:, :, :, :-1] * opacity + 255 * (1 - opacity)).astype(np.uint8)
    return np.repeat(values, 3, axis=3) if values.shape[3] == 1 else values


def _scale_and_gap(sides: Sequence[int], asked: int) -> tuple[int, int]:
    scale = asked or max(1, -(-_LEAST_SIDE // min(sides)))
    return scale, max(1, scale // 2)
