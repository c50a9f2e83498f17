"""A text in the colours of numbers: which words decided, what a cell of a network does while it reads."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from leadline.errors import ArgumentError
from leadline.explain.labelled_sheets import png_of
from leadline.explain.looks import DARK, DPI, LIGHT, Look, around, figure_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def text_png(
    pieces: Sequence[str],
    values: NDArray[Any],
    *,
    names: Sequence[str] = (),
    between: str | Sequence[str] = "",
    limit: float | None = None,
    heading: str = "",
    dark: bool = False,
) -> bytes:
    """A text whose characters or words have the colours of numbers, as PNG: blue below 0, orange above, the more the fuller.

    Several columns of values give the text several times, one below the other: so many cells of a network, or classes.

    Args:
        pieces: characters, words or tokens in order, at most 3000; line breaks among them are kept.
        values: a number for each piece, [T], or several, [T, U].
        names: of the U columns.
        between: what stands between two pieces: "" for characters, " " for words; or what stands behind each piece.
        limit: the size that has the full colour; the largest there is, column by column, when left out.
        heading: above it.
        dark: for a dark page.

    Errors: `ArgumentError` for no or too many pieces, values or gaps that are not as many, values that are not finite, or a
        limit not above 0.

    Example:
        >>> text_png(["not", "bad", "at", "all"], np.array([-0.5, 0.9, 0.0, 0.1]), between=" ")[1:4]
        b'PNG'

    Source: Karpathy, Johnson and Li (2015), Visualizing and understanding recurrent networks.
    """
    numbers = np.asarray(values, dtype=float)
    numbers = numbers[:, None] if numbers.ndim == 1 else numbers
    if not 0 < len(pieces) <= 3000 or numbers.shape[:1] != (len(pieces),) or numbers.ndim != 2 or not numbers.shape[1]:
        raise ArgumentError(
            "There is no text to colour", expected="from 1 to 3000 pieces, and values [T] or [T, U]", got=list(np.shape(values))
        )
    if not np.isfinite(numbers).all() or not (limit is None or limit > 0) or len(names) not in (0, numbers.shape[1]):
        raise ArgumentError(
            "The text cannot be coloured", expected="finite values, a limit above 0, and a name for each column or none"
        )
    behind = [between] * len(pieces) if isinstance(between, str) else list(between)
    if len(behind) != len(pieces):
        raise ArgumentError("The gaps do not fit the text", expected=f"{len(pieces)} of them", got=len(behind))
    look = DARK if dark else LIGHT
    spots, height = _set_in_lines(pieces, behind)
    titles = [textwrap.shorten(name, _COLUMNS, placeholder=" …") for name in names] or [""] * numbers.shape[1]
    top = _EDGE + (30 if heading else 0)
    block = height * _LINE_HEIGHT + 10
    tall = top + sum(block + (20 if title else 0) for title in titles) + _EDGE - 6
    heading = textwrap.shorten(heading, _COLUMNS - 10, placeholder=" …")
    letters = max(40, int(1.1 * len(heading)), *(spot.column + spot.width for spot in spots))
    wide = 2 * _EDGE + min(_COLUMNS, letters) * _CELL
    figure = figure_of(int(wide), int(tall), look)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, wide), ylim=(tall, 0))
    axes.axis("off")
    if heading:
        axes.text(_EDGE, _EDGE, heading, color=look.ink, fontsize=11, fontweight="bold", va="top", parse_math=False)
    for title, column in zip(titles, numbers.T, strict=True):
        if title:
            axes.text(_EDGE, top, title, color=look.muted, fontsize=9, va="top", parse_math=False)
            top += 20
        _text_block(axes, pieces, spots, column / (limit or max(float(np.abs(column).max()), 1e-12)), top, look)
        top += block
    return png_of(figure)


_COLUMNS = 100  # letters a line
_CELL, _LINE_HEIGHT, _EDGE = 8.0, 20, 16  # pixels: a letter is so wide, a line so high
_LETTER = _CELL / 0.602 * 72 / DPI  # points, so that a letter of DejaVu Sans Mono fills its cell


class _Spot(NamedTuple):
    """Where a piece stands, in letters and lines."""

    column: int
    line: int
    width: int


def _set_in_lines(pieces: Sequence[str], behind: Sequence[str]) -> tuple[list[_Spot], int]:
    """Pieces one after the other; what does not fit the line begins the next, and so does what follows a line break.

    Pieces with nothing between them, such as a word and its full stop, stay together where they fit a line.
    """
    widths = [min(_width(visible(piece)), _COLUMNS) for piece in pieces]
    spots, column, line = [], 0, 0
    for at, (piece, gap) in enumerate(zip(pieces, behind, strict=True)):
        together = widths[at]
        for place in range(at, len(pieces) - 1):
            if behind[place] or pieces[place][-1:].isspace() or together > _COLUMNS:
                break
            together += widths[place + 1]
        glued = at > 0 and not behind[at - 1] and not pieces[at - 1][-1:].isspace()
        wanted = widths[at] if glued or together > _COLUMNS else together
        if column and column + wanted > _COLUMNS:
            column, line = 0, line + 1
        spots.append(_Spot(column, line, widths[at]))
        column += widths[at] + (_width(" ") if gap.strip() == "" and gap else _width(gap))
        if piece.endswith("\n") or "\n" in gap:
            column, line = 0, line + 1
    return spots, max(spot.line for spot in spots) + 1


def _text_block(
    axes: Axes, pieces: Sequence[str], spots: Sequence[_Spot], shares: NDArray[Any], top: float, look: Look
) -> None:
    from matplotlib.patches import Rectangle

    colors = around(look)(0.5 + 0.5 * np.clip(shares, -1, 1) * 0.85)  # short of the full colour, so that the ink still reads
    lines = [[" "] * _COLUMNS for _ in range(max(spot.line for spot in spots) + 1)]
    for piece, spot, color in zip(pieces, spots, colors, strict=True):
        x, y = _EDGE + spot.column * _CELL, top + spot.line * _LINE_HEIGHT
        axes.add_patch(Rectangle((x, y), spot.width * _CELL, _LINE_HEIGHT - 2, facecolor=color, linewidth=0))
        shown = visible(piece)
        shown = shown if _width(shown) <= spot.width else shown[: spot.width - 1] + "…"
        if shown.isascii():  # each takes one cell, so that a whole line can be written at once, which is many times faster
            lines[spot.line][spot.column : spot.column + spot.width] = shown
        else:
            _write(axes, shown, x, y, look.muted if piece.isspace() else look.ink)
    for number, line in enumerate(lines):
        _write(axes, "".join(line).rstrip(), _EDGE, top + number * _LINE_HEIGHT, look.ink)


def _write(axes: Axes, text: str, x: float, y: float, color: str) -> None:
    axes.text(
        x, y + 0.72 * _LINE_HEIGHT, text, color=color, fontsize=_LETTER, family="monospace", va="baseline", parse_math=False
    )  # fmt: skip


def visible(piece: str) -> str:
    """What has no shape gets one: a line break, a tab, nothing at all.

    Example:
        >>> visible("a\\tb\\n")
        'a→b⏎'
    """
    marks = {"\n": "⏎", "\t": "→", "\r": "␍"}
    return "".join(marks.get(each, each if each.isprintable() else "�") for each in piece) or "∅"


def _width(text: str) -> int:
    """In letters: those of the Far East take the room of two, and marks above others none."""
    wide = sum(2 if unicodedata.east_asian_width(each) in "WF" else 0 if unicodedata.combining(each) else 1 for each in text)
    return max(wide, 1) if text else 0
