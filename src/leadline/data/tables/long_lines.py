"""Values of a table that are longer than any book chapter: cut before they cost many times their size in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from leadline.errors import DataError
from leadline.spelling import counted

if TYPE_CHECKING:
    import polars as pl

MOST_CHARACTERS = 1 << 16  # of one text that are read: ten times as many words as any network is given
_LONG = 1 << 22  # bytes of a line that is looked at more closely
_BYTES = 4 * (MOST_CHARACTERS + 1)  # of a value in such a line that are left; no character takes more than four
_QUOTE = b'"'


def shorten_lines(data: bytes, delimiter: bytes) -> bytes:
    """The same text, but that values in lines of more than four megabytes lose what no one reads of them.

    Whether a line holds an odd or even number of quotes stays as it is, and so which records there are.

    Args:
        data: UTF-8 with line feeds.
        delimiter: one byte.

    Example:
        >>> data = b"a;b\\n1;" + b"x" * 5_000_000 + b"\\n2;y\\n"
        >>> [len(line) for line in shorten_lines(data, b";").split(b"\\n")]
        [3, 262150, 3, 0]
    """
    pieces: list[bytes | memoryview] = []
    whole, done = memoryview(data), 0
    for start, stop in very_long_lines(data):
        pieces.append(whole[done:start])
        pieces.append(delimiter.join(_shortened(value) for value in data[start:stop].split(delimiter)))
        done = stop
    return b"".join([*pieces, whole[done:]]) if pieces else data


def very_long_lines(data: bytes) -> Iterator[tuple[int, int]]:
    """Where lines of more than four megabytes start, and where they stop.

    Example:
        >>> list(very_long_lines(b"a\\n" + b"x" * 5_000_000 + b"\\nb"))
        [(2, 5000002)]
    """
    start = 0
    while start + _LONG < len(data):
        # The last line feed within reach: all lines up to it are shorter.
        within = data.rfind(b"\n", start, start + _LONG + 1) + 1
        if within:
            start = within
            continue
        stop = data.find(b"\n", start + _LONG)
        stop = len(data) if stop < 0 else stop
        yield start, stop
        start = stop + 1


def refuse_one_line(data: bytes, name: str) -> None:
    """Nothing that is one line of many megabytes is a table.

    Errors: `DataError` that tells its length.

    Example:
        >>> refuse_one_line(b"x" * 5_000_000, "a.csv")
        Traceback (most recent call last):
        ...
        leadline.errors.DataError: a.csv is a single line of 5,000,000 bytes. Expected a header and rows, each on a line of
        its own.
    """
    if len(data) > _LONG and data.find(b"\n") in (-1, len(data) - 1):
        raise DataError(
            f"{name} is a single line of {len(data):,} bytes", expected="a header and rows, each on a line of its own"
        )


def cut_values(data: pl.DataFrame, name: str) -> tuple[pl.DataFrame, list[str]]:
    """The columns of text without what goes beyond 65,536 characters in a value, and a note where that is anything.

    Example:
        >>> import polars as pl
        >>> data, notes = cut_values(pl.DataFrame({"said": ["x" * 70_000, "y"]}), "a.csv")
        >>> data["said"].str.len_chars().to_list(), notes
        ([65536, 1], ['1 value of a.csv is longer than 65,536 characters; the rest was not read.'])
    """
    import polars as pl

    texts = [column for column, kind in data.schema.items() if kind == pl.String]
    long = {column: int((data[column].str.len_bytes() > MOST_CHARACTERS).sum()) for column in texts}
    long = {column: int((data[column].str.len_chars() > MOST_CHARACTERS).sum()) for column, count in long.items() if count}
    count = sum(long.values())
    if not count:
        return data, []
    cut = pl.col([column for column, number in long.items() if number])
    data = data.with_columns(cut.str.head(MOST_CHARACTERS).str.strip_chars_end())
    those = counted(count, f"value of {name} is", f"values of {name} are")
    return data, [f"{those} longer than {MOST_CHARACTERS:,} characters; the rest was not read."]


def _shortened(value: bytes) -> bytes:
    if len(value) <= _BYTES:
        return value
    kept = value[:_BYTES].decode(errors="ignore").encode()
    return kept + _QUOTE if (value.count(_QUOTE) - kept.count(_QUOTE)) % 2 else kept
