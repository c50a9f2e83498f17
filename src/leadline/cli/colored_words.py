"""Words in the colours of what they are worth, for a terminal; where it has no colours, with signs in a line below."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rich.text import Text

_FAINT, _CLEAR, _STRONG = 0.1, 0.33, 0.66  # shares of the most that a word is worth, from which on it looks so
# Ink on paper of its own, as nobody knows whether a terminal is dark or light: orange for, blue against.
_FOR = ("#15191d on #fbe6d8", "#15191d on #f3b98f", "bold underline #15191d on #e98a4a")
_AGAINST = ("#15191d on #dceaf7", "#15191d on #9cc4ea", "bold underline #15191d on #5b9bd8")
_PARAGRAPH = re.compile(r"\n\s*\n")


class _Piece(NamedTuple):
    shown: str
    cells: int
    share: float


def colored_lines(
    pieces: Sequence[str], gaps: Sequence[str], worth: Sequence[float], *, width: int, colors: bool = True
) -> list[Text]:
    """A text in lines of at most `width` cells; below each a line of signs, + for and − against, where there are no colours.

    A word of which much depends has signs along all of it, one of which less depends a single one.

    Args:
        pieces: words or characters.
        gaps: what stands behind each: white space, or nothing.
        worth: of each.
        width: cells of a line.
        colors: whether the terminal shows them.

    Example:
        >>> lines = colored_lines(["not", "bad", "film"], [" ", " ", ""], [-0.4, 2.0, 0.0], width=40, colors=False)
        >>> print(*lines, sep="\\n")
        not bad film
        -   +++
    """
    from rich.cells import cell_len
    from rich.text import Text

    peak = max(map(abs, worth), default=0.0) or 1.0
    shown = ["".join(each if each.isprintable() else " " if each.isspace() else "\ufffd" for each in piece) for piece in pieces]
    parts = [_Piece(text, cell_len(text), value / peak) for text, value in zip(shown, worth, strict=True)]
    lines: list[Text] = []
    text, signs, at = Text(), "", 0

    def end_line() -> None:
        nonlocal text, signs, at
        text.rstrip()
        lines.append(text)
        if not colors and signs.strip():
            lines.append(Text(signs.rstrip()))
        text, signs, at = Text(), "", 0

    for place, part in enumerate(parts):
        if at and at + _together(parts, gaps, place, width) > width:
            end_line()
        while part.cells > width:  # a word longer than a line
            head = _first(part.shown, width - at)
            text.append(head, style=_style(part.share) if colors else "")
            signs += _signs(part.share, cell_len(head))
            end_line()
            part = _Piece(part.shown[len(head) :], cell_len(part.shown[len(head) :]), part.share)
        if at == 0 and part.shown.isspace() and len(part.shown) == 1 and lines:
            continue  # a space between words that the end of a line stands for
        text.append(part.shown, style=_style(part.share) if colors else "")
        signs += _signs(part.share, part.cells)
        at += part.cells
        if _PARAGRAPH.search(gaps[place]):
            end_line()
        elif gaps[place]:
            text.append(" ")
            signs += " "
            at += 1
    if at:
        end_line()
    return lines


def _together(parts: Sequence[_Piece], gaps: Sequence[str], place: int, width: int) -> int:
    """Cells of what must not be parted from a piece: a word and its full stop, the letters up to a space."""
    glued = place > 0 and not gaps[place - 1] and not parts[place - 1].shown[-1:].isspace()
    cells = parts[place].cells
    if glued:
        return cells
    for at in range(place, len(parts) - 1):
        if gaps[at] or parts[at + 1].shown.isspace() or cells > width:
            break
        cells += parts[at + 1].cells
    return cells if cells <= width else parts[place].cells


def _first(text: str, cells: int) -> str:
    """As much of a text as fits, and one character at the least."""
    from rich.cells import cell_len

    end = 1
    while end < len(text) and cell_len(text[: end + 1]) <= cells:
        end += 1
    return text[:end]


def _style(share: float) -> str:
    if abs(share) < _FAINT:
        return ""
    level = 0 if abs(share) < _CLEAR else 1 if abs(share) < _STRONG else 2
    return (_FOR if share > 0 else _AGAINST)[level]


def _signs(share: float, cells: int) -> str:
    if abs(share) < _FAINT:
        return " " * cells
    sign = "+" if share > 0 else "-"
    return sign * cells if abs(share) >= _CLEAR else sign.ljust(cells) if cells > 1 else " "
