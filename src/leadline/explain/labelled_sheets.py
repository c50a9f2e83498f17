"""Sheets of pictures with words around them, as PNG: rows and columns of cells, each with room for a caption."""

from __future__ import annotations

import io
import math
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from leadline.errors import ArgumentError
from leadline.explain.overlays import Bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MADE_BY = "Leadline explain"  # stands in each PNG, so that nobody else's picture is ever overwritten
_DPI, _LETTER, _LINE = 100, 6.6, 15  # pixels: a letter of the captions is about so wide, a line so high
_GAP, _MARGIN, _LEFT = 10, 14, 96
_INK, _MUTED = "#15191d", "#626a72"


class Cell(NamedTuple):
    """One picture of a sheet, uint8 [h, w, 3], and what stands below it; None leaves the place empty.

    Example:
        >>> Cell(np.zeros((2, 2, 3), np.uint8), "dark").caption
        'dark'
    """

    picture: Bytes | None
    caption: str = ""


def sheet_png(
    rows: Sequence[Sequence[Cell]],
    *,
    titles: Sequence[str] = (),
    columns: Sequence[str] = (),
    heading: str = "",
    note: str = "",
    cell: int = 180,
) -> bytes:
    """A sheet of pictures as PNG: each is drawn as large as its cell allows, small ones with sharp pixels.

    Args:
        rows: of cells; they may differ in length.
        titles: left of the rows, one for each, or none.
        columns: above the columns, one for each, or none.
        heading: above them all.
        note: below them all: how to read it.
        cell: side of a cell in pixels.

    Errors: `ArgumentError` for no cell, or another number of titles than of rows, or of columns than the longest row has.

    Example:
        >>> png = sheet_png([[Cell(np.zeros((8, 8, 3), np.uint8), "nothing")]], heading="Night")
        >>> png[1:4]
        b'PNG'
    """
    most = max((len(row) for row in rows), default=0)
    if not most or (titles and len(titles) != len(rows)) or (columns and len(columns) != most):
        raise ArgumentError(
            "There is no sheet to draw",
            expected="rows with cells, a title for each row or none, and a title for each column or none",
            got=f"{len(rows)} rows of up to {most} cells, with {len(titles)} and {len(columns)} titles",
        )
    captions = [[_lines(each.caption, cell, 2) for each in row] for row in rows]
    below = [max((len(lines) for lines in row), default=0) * _LINE for row in captions]
    left = _MARGIN + (_LEFT if titles else 0)
    width = max(left + most * (cell + _GAP) - _GAP + _MARGIN, 260)
    headings, notes = _lines(heading, int(0.85 * (width - 2 * _MARGIN)), 3), _lines(note, width - 2 * _MARGIN, 6)
    top = _MARGIN + len(headings) * (_LINE + 5) + (6 if headings else 0) + (_LINE + 3 if columns else 0)
    height = top + sum(cell + each + _GAP for each in below) + len(notes) * _LINE + _MARGIN
    canvas = np.full((height, width, 3), 255, np.uint8)
    figure = _figure(width, height)
    write = _Writer(figure, width, height)
    for at, line in enumerate(headings):
        write(line, _MARGIN, _MARGIN + at * (_LINE + 5), size=11, weight="bold")
    for at, column in enumerate(columns):
        for line in _lines(column, cell, 1):
            write(line, left + at * (cell + _GAP) + cell / 2, top - _LINE - 1, size=9, align="center", color=_MUTED)
    for number, (row, lines, room) in enumerate(zip(rows, captions, below, strict=True)):
        for at, line in enumerate(_lines(titles[number], _LEFT - 8, 4) if titles else []):
            write(line, _MARGIN, top + at * _LINE, size=9, color=_INK if at == 0 else _MUTED)
        for place, each in enumerate(row):
            x = left + place * (cell + _GAP)
            if each.picture is not None:
                _put(canvas, _fitted(each.picture, cell), x, top, cell)
            for at, line in enumerate(lines[place]):
                color = _INK if at == 0 else _MUTED
                write(line, x + cell / 2, top + cell + 2 + at * _LINE, size=8.5, align="center", color=color)
        top += cell + room + _GAP
    for at, line in enumerate(notes):
        write(line, _MARGIN, top + at * _LINE, size=8.5, color=_MUTED)
    figure.figimage(canvas, 0, 0, origin="upper", zorder=-1)
    return png_of(figure)


def png_of(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG that says whose it is.

    Args:
        figure: of matplotlib.
    """
    buffer = io.BytesIO()
    with any_letters():
        figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": MADE_BY})
    return buffer.getvalue()


@contextmanager
def any_letters() -> Iterator[None]:
    """Names may be written in letters that matplotlib's font lacks: it draws boxes, and need not warn of each.

    Example:
        >>> with any_letters():
        ...     warnings.warn("Glyph 26085 missing from font(s) DejaVu Sans.", stacklevel=2)
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def _figure(width: int, height: int) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


class _Writer:
    """Writes text at places given in pixels from the upper left corner."""

    def __init__(self, figure: Figure, width: int, height: int) -> None:
        self.figure, self.width, self.height = figure, width, height

    def __call__(
        self, text: str, x: float, y: float, *, size: float, color: str = _INK, align: str = "left", weight: str = "normal"
    ) -> None:
        written = self.figure.text(x / self.width, 1 - y / self.height, text, color=color, ha=align, va="top")
        written.set_parse_math(False)  # a dollar sign in the name of a class starts no formula
        written.set_fontsize(0.95 * size)
        written.set_fontweight(weight)


def _lines(text: str, width: int, most: int) -> list[str]:
    """Text in lines that fit a width in pixels, at most so many; line breaks in it stay."""
    room = max(6, int(width / _LETTER))
    clean = ["".join(each if each.isprintable() else "�" for each in line) for line in text.split("\n")]
    lines = [part for line in clean for part in textwrap.wrap(line, room)]
    if len(lines) > most:
        lines = [*lines[: most - 1], lines[most - 1][: room - 1] + "…"]
    return lines


def _put(canvas: Bytes, picture: Bytes, x: int, y: int, cell: int) -> None:
    """Into the middle of a cell whose upper left corner is (x, y)."""
    height, width = picture.shape[:2]
    top, left = y + (cell - height) // 2, x + (cell - width) // 2
    canvas[top : top + height, left : left + width] = picture


def _fitted(picture: Bytes, cell: int) -> Bytes:
    """The picture as large as a cell. Small ones are drawn larger with sharp pixels first, and then made to fit."""
    height, width = picture.shape[:2]
    longest = max(height, width)
    times = max(1, math.ceil(cell / longest))
    larger = picture.repeat(times, axis=0).repeat(times, axis=1)
    if times * longest == cell:
        return larger
    size = (max(1, round(width * cell / longest)), max(1, round(height * cell / longest)))
    how = Image.Resampling.BOX if times > 1 else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(larger).resize(size, how))
