"""Which character separates the fields of a csv, told from its first records."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from leadline.data.tables.scanning import Records, commonest, scan
from leadline.errors import DataError

USUAL = (b"\t", b";", b"|", b",")  # where two fit equally well the earlier: commas also stand within numbers and sentences
_NEVER = (b"\x1f", b"\x1e", b"\x1d", b"\x1c", b"\x02", b"\x03", b"\x04", b"\x05")
_SAMPLE = 1 << 18  # bytes
_RECORDS = 500
_SHARE = 0.5  # of the records must be equally wide; a sentence per line has as many commas as it likes
_HINT = re.compile(rb"\s*\"?sep=([,;|:^~#!\t])\"?[,;\s]*\n", re.IGNORECASE)
_DECIMAL = re.compile(r"-?\d+,\d+")


def sniff(data: bytes, *, prefer: bytes | None = None) -> bytes:
    """The delimiter: of tab, semicolon, bar and comma the one by which most of the first records are equally wide.

    Args:
        data: UTF-8 with line feeds.
        prefer: what the extension of the file promises; it is taken if it fits at all.

    Returns:
        bytes. Where none fits, every line is one field, and what is returned is a byte that does not occur.

    Example:
        >>> sniff(b"a;b\\n1,5;2,5\\n"), sniff(b"x, y\\n1, 2\\n"), sniff(b"one\\ntwo\\n")
        (b';', b',', b'\\x1f')
    """
    if hint := hinted(data):
        return hint
    sample = data[: data.rfind(b"\n", 0, _SAMPLE) + 1 or len(data)] if len(data) > _SAMPLE else data
    scores = {mark: _score(scan(sample, mark)) for mark in USUAL if mark in sample}
    if prefer and scores.get(prefer) is not None:
        return prefer
    fits = {mark: score for mark, score in scores.items() if score is not None}
    if fits:
        return max(fits, key=lambda mark: (fits[mark], -USUAL.index(mark)))
    for mark in _NEVER:
        if mark not in data:
            return mark
    raise DataError("The file holds control characters of all kinds", expected="a text file of rows")


def hinted(data: bytes) -> bytes | None:
    """The delimiter that a first line "sep=;" names, as files for Excel have it.

    Example:
        >>> hinted(b"sep=;\\na;b\\n"), hinted(b"a;b\\n")
        (b';', None)
    """
    match = _HINT.match(data[:100])
    return match[1] if match else None


def _score(records: Records) -> tuple[bool, float] | None:
    """Whether the first record is as wide as most, and how many are; None where they are one field wide, or none agrees."""
    widths = records.widths[records.widths > 0][:_RECORDS]
    width = commonest(widths[widths > 1])
    if not width:
        return None
    share = float(np.mean(widths == width))
    first = int(widths[0])
    if share < _SHARE or (first == 1 and width == 2 and _are_decimals(records, widths)):
        return None
    fits = first == width or (first == width - 1 and first > 1)  # one short: the column of row names has no name
    return fits, round(share, 2)


def _are_decimals(records: Records, widths: Sequence[int] | np.ndarray[tuple[int], np.dtype[np.int64]]) -> bool:
    """One column of numbers with decimal commas below its name."""
    if records.grammar.delimiter != b",":
        return False
    rows = [",".join(records.fields(row)) for row in np.flatnonzero(records.widths > 0)[1:_RECORDS].tolist()]
    return all(_DECIMAL.fullmatch(row) or row.isdigit() for row in rows)
