"""The contact sheet of a search: the picture asked about large, those found in rows beside it, text below each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from leadline.errors import ArgumentError

_LARGE, _SMALL, _GAP, _LINE = 320, 160, 16, 18  # pixels
_PAPER, _INK, _FAINT, _EMPTY = "#ffffff", "#16202a", "#5c6670", "#e7eaee"


def contact_sheet(
    query: Any, neighbours: Sequence[Any], captions: Sequence[Sequence[str]], *, title: Sequence[str] = (), columns: int = 4
) -> NDArray[np.uint8]:
    """One picture large at the left, its neighbours in rows at the right with lines of text below each, uint8 [H, W, 3].

    Args:
        query: a PIL image, or an array [H, W, C] of uint8.
        neighbours: likewise; None where a picture is gone.
        captions: lines below each neighbour.
        title: lines below the query.
        columns: neighbours in a row.

    Errors: `ArgumentError` for another number of captions than of neighbours.

    Example:
        >>> grey = np.full((40, 60, 3), 128, np.uint8)
        >>> contact_sheet(grey, [grey] * 5, [["1", "0.99"]] * 5, title=["garden.jpg"]).shape
        (440, 1056, 3)
    """
    if len(captions) != len(neighbours):
        raise ArgumentError("Each neighbour needs its caption", expected=len(neighbours), got=len(captions))
    columns = max(1, min(columns, len(neighbours)))
    lines = max((len(each) for each in captions), default=0)
    height = _SMALL + lines * _LINE + _GAP
    rows = -(-len(neighbours) // columns)
    left = _LARGE + 2 * _GAP
    whole = max(_GAP + rows * height, _LARGE + len(title) * _LINE + 2 * _GAP)
    sheet = Image.new("RGB", (left + columns * (_SMALL + _GAP), whole), _PAPER)
    draw = ImageDraw.Draw(sheet)
    _put(sheet, draw, query, (_GAP, _GAP), _LARGE, title)
    for at, (picture, caption) in enumerate(zip(neighbours, captions, strict=True)):
        place = (left + (at % columns) * (_SMALL + _GAP), _GAP + (at // columns) * height)
        _put(sheet, draw, picture, place, _SMALL, caption)
    return np.asarray(sheet)


def _put(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, picture: Any, place: tuple[int, int], side: int, lines: Sequence[str]
) -> None:
    left, top = place
    draw.rectangle((left, top, left + side - 1, top + side - 1), fill=_EMPTY)
    if picture is not None:
        image = _upright(picture)
        # Pixels of tiny pictures are shown as they are; a smooth curve through 8 × 8 of them would invent detail.
        way = Image.Resampling.NEAREST if max(image.size) <= side // 3 else Image.Resampling.LANCZOS
        scaled = ImageOps.contain(image, (side, side), way)
        sheet.paste(scaled, (left + (side - scaled.width) // 2, top + (side - scaled.height) // 2))
    font = ImageFont.load_default(13)
    for number, line in enumerate(lines):
        ink = _INK if number == 0 else _FAINT
        draw.text((left, top + side + 3 + number * _LINE), _fitting(draw, line, side, font), fill=ink, font=font)


def _upright(picture: Any) -> Image.Image:
    if isinstance(picture, Image.Image):
        image = ImageOps.exif_transpose(picture)
        if image.has_transparency_data:
            image = Image.alpha_composite(Image.new("RGBA", image.size, _PAPER), image.convert("RGBA"))
        return image.convert("RGB")
    array = np.asarray(picture, dtype=np.uint8)
    return Image.fromarray(array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array).convert("RGB")


def _fitting(draw: ImageDraw.ImageDraw, text: str, width: int, font: Any) -> str:
    """The end of a text that is too long, for names differ there."""
    text = text.encode(errors="replace").decode()
    if draw.textlength(text, font=font) <= width:
        return text
    while text and draw.textlength("…" + text, font=font) > width:
        text = text[1:]
    return "…" + text
