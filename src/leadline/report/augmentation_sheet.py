"""A sheet of pictures as they are and as each epoch of a training shows them, as PNG."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

Record = dict[str, Any]

_CELL, _GAP, _LINE = 112, 10, 20  # pixels: of a picture's longer side, between pictures, of a line of text
_LABEL = 150  # pixels for the name of a row
_INK, _MUTED, _PAPER = "#1c2733", "#66717d", "#ffffff"


def draw_sheet(title: str, rows: list[Record]) -> bytes:
    """One row a picture: its name, the picture as it is, then as each epoch shows it.

    Args:
        title: the line above all.
        rows: each with "label", "pictures" (uint8 [1 + E, H, W, C], the first as it is) and "notes" (E texts to stand below the
            pictures, empty ones where there is nothing to say).

    Returns:
        The bytes of a PNG file.

    Example:
        >>> import numpy as np
        >>> row = {"label": "three", "pictures": np.zeros((3, 8, 8, 1), np.uint8), "notes": ["", "70 % three"]}
        >>> draw_sheet("digits", [row])[:4]
        b'\\x89PNG'
    """
    from PIL import Image, ImageDraw

    pictures = [[_shown(picture) for picture in row["pictures"]] for row in rows]
    width, height = (max(picture.size[axis] for line in pictures for picture in line) for axis in (0, 1))
    noted = _LINE if any(any(row["notes"]) for row in rows) else 0
    columns = max(map(len, pictures))
    top = 3 * _LINE + _GAP
    size = (_LABEL + 2 * _GAP + columns * (width + _GAP) + _GAP, top + len(rows) * (height + noted + _GAP) + _GAP)
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    _write(draw, (_GAP, _GAP), title, _INK, size[0] - 2 * _GAP, 15)
    lefts = [_LABEL + 2 * _GAP + column * (width + _GAP) + _GAP * (column > 0) for column in range(columns)]
    for column, left in enumerate(lefts):
        _write(draw, (left, top - _LINE - 2), f"epoch {column}" if column else "as it is", _MUTED, width, 12)
    for number, (row, line) in enumerate(zip(rows, pictures, strict=True)):
        y = top + number * (height + noted + _GAP)
        _write(draw, (_GAP, y + height // 2 - 9), str(row["label"]), _INK, _LABEL, 14)
        for left, picture, note in zip(lefts, line, ["", *row["notes"]], strict=False):
            sheet.paste(picture, (left + (width - picture.size[0]) // 2, y + (height - picture.size[1]) // 2))
            _write(draw, (left, y + height + 2), note, _MUTED, width, 11)
    out = io.BytesIO()
    sheet.save(out, "PNG", optimize=True)
    return out.getvalue()


def _shown(picture: Any) -> Image:
    """The picture in the size of a cell: small ones by whole factors and with sharp pixels."""
    from PIL import Image

    channels = picture.shape[2]
    image = Image.fromarray(picture[:, :, 0] if channels in (1, 2) else picture[:, :, :3]).convert("RGB")
    longer = max(image.size)
    if longer <= _CELL // 2:
        factor = _CELL // longer
        return image.resize((image.size[0] * factor, image.size[1] * factor), Image.Resampling.NEAREST)
    scale = _CELL / longer
    return image.resize(tuple(max(1, round(side * scale)) for side in image.size), Image.Resampling.LANCZOS)  # type: ignore[arg-type]


def _write(draw: ImageDraw, place: tuple[int, int], text: str, ink: str, width: int, size: int) -> None:
    """The text, cut off with an ellipsis where it is wider than its place."""
    from PIL import ImageFont

    if not text:
        return
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    file = _font_file()
    font = ImageFont.truetype(str(file), size) if file.exists() else ImageFont.load_default(size)
    if draw.textlength(text, font) > width:
        while text and draw.textlength(text + "…", font) > width:
            text = text[:-1]
        text = text.rstrip() + "…"
    draw.text(place, text, ink, font)


def _font_file() -> Path:
    """A font of many alphabets, which matplotlib brings along."""
    found = importlib.util.find_spec("matplotlib")
    folder = Path(found.origin).parent if found is not None and found.origin else Path()
    return folder / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
