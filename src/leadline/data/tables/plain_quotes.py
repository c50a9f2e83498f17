"""Whether the quotes of a text with delimiters are marks around values or characters of these, told from its lines."""

from __future__ import annotations

import numpy as np

from leadline.data.tables.lines import Lines

_QUOTE = ord('"')
_LOOKED_AT = 2_000  # lines with quotes
_STRAY = 0.01  # of the lines with quotes may be no rows for another reason
_SPACES = 2  # in a value of words; a number with a quote before it is one whose second quote was forgotten


def rows_gained(data: bytes, delimiter: bytes, lines: Lines, *, width: int, rows: int) -> int:
    """How many more rows there are if quotes are ordinary characters; 0 where they are marks around values.

    They are characters where every line that holds one has then as many fields as the rows have, there are more rows than
    before, and more values use them within a text than are enclosed by them. Whoever writes quotes as marks encloses what
    holds a quote, so that his files have no such values but by mistake.

    Args:
        data: UTF-8 with line feeds.
        delimiter: one byte.
        lines: of the text, as `find_lines` finds them without quotes.
        width: number of fields of a row, where quotes are marks.
        rows: how many there are, where quotes are marks.

    Example:
        >>> from leadline.data.tables.lines import find_lines
        >>> text = b'no\\tHe said "no" to me\\nyes\\t"Yes" was the answer\\nno\\t"Never ever\\n'
        >>> rows_gained(text, b"\\t", find_lines(text, b"\\t", quotes=False), width=2, rows=2)
        1
    """
    regular = lines.delimiters + 1 == width
    gained = int(np.count_nonzero(regular)) - rows
    if width < 2 or gained <= 0:
        return 0
    quotes = np.flatnonzero(np.frombuffer(data, np.uint8) == _QUOTE)
    holders = np.unique(np.searchsorted(lines.starts, quotes, side="right") - 1)
    if np.count_nonzero(~regular[holders]) > _STRAY * len(holders):
        return 0
    enclosed = within = 0
    for line in holders[np.linspace(0, len(holders) - 1, min(len(holders), _LOOKED_AT)).astype(np.int64)].tolist():
        for value in data[lines.starts[line] : lines.stops[line]].split(delimiter):
            value = value.strip()
            if len(value) > 1 and value.startswith(b'"') and value.endswith(b'"'):
                enclosed += 1
            elif b'"' in value[1:-1] or (b'"' in value and value.count(b" ") >= _SPACES):
                within += 1
    return gained if within > enclosed else 0
