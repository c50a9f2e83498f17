"""From records that were found and counted to columns of text: polars reads them, and what it read is checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from leadline.data.tables.scanning import Records

if TYPE_CHECKING:
    import polars as pl

_CHECKED = 64  # rows read a second time
_STEPS = 8  # in which columns are rewritten, so that there are never two copies of the whole table


def parse_records(records: Records, rows: NDArray[np.int64], width: int) -> pl.DataFrame:
    """The values of some records.

    Args:
        records: of the whole file.
        rows: the numbers of those to read, rising; all have `width` fields.
        width: number of columns.

    Returns:
        DataFrame [len(rows), width] of text, stripped, null where nothing stood; the columns are called "0", "1", …

    Example:
        >>> from leadline.data.tables.scanning import scan
        >>> parse_records(scan(b'a,b\\n1," x "\\n,""\\n', b","), np.array([1, 2]), 2).rows()
        [('1', 'x'), (None, None)]
    """
    import polars as pl

    try:
        data = _stripped(_by_polars(records, rows, width), records)
    except pl.exceptions.PolarsError:
        return _by_grammar(records, rows, width)
    return data if _is_right(data, records, rows, width) else _by_grammar(records, rows, width)


def _by_polars(records: Records, rows: NDArray[np.int64], width: int) -> pl.DataFrame:
    import polars as pl

    schema = {str(column): pl.String() for column in range(width)}
    if not len(rows) or not width:
        return pl.DataFrame(schema=schema)
    text, skipped = _text_of(records, rows)
    return pl.read_csv(
        text,
        has_header=False,
        skip_rows=skipped,
        schema=schema,
        separator=records.grammar.delimiter.decode(),
        quote_char='"' if records.quoted else None,
        infer_schema=False,
        glob=False,
    )


def _text_of(records: Records, rows: NDArray[np.int64]) -> tuple[bytes, int]:
    """The records as RFC 4180, and how many in front are to be passed over; the very bytes of the file where possible."""
    above = int(rows[0])  # a header of one line, or nothing
    plain = above == 0 or (above == 1 and records.widths[0] > 0 and records.lines[1] == 2)
    if plain and not records.mended and len(rows) == len(records) - above:
        return records.data, above
    return b"\n".join(_pieces(records, rows)) + b"\n", 0


def _pieces(records: Records, rows: NDArray[np.int64]) -> list[bytes | memoryview]:
    """Runs of records that stand together in the file, and single ones that were mended."""
    mended = np.isin(records.lines[rows], list(records.mended)) if records.mended else np.zeros(len(rows), dtype=np.bool_)
    cut = (np.diff(rows) != 1) | mended[1:] | mended[:-1]
    first = np.concatenate([[0], np.flatnonzero(cut) + 1])
    last = np.concatenate([first[1:] - 1, [len(rows) - 1]])
    whole = memoryview(records.data)
    starts, stops = records.starts[rows[first]].tolist(), records.stops[rows[last]].tolist()
    lines = records.lines[rows[first]].tolist()
    return [
        records.mended[line] if line in records.mended else whole[start:stop]
        for line, start, stop in zip(lines, starts, stops, strict=True)
    ]


def _stripped(data: pl.DataFrame, records: Records) -> pl.DataFrame:
    import polars as pl

    names = data.columns
    together = max(1, -(-len(names) // _STEPS))
    for start in range(0, len(names), together):
        changed = []
        for number, name in enumerate(names[start : start + together], start):
            value = pl.col(name).str.strip_chars() if number in records.padded else pl.col(name)
            if records.quoted or number in records.padded:
                changed.append(pl.when(value != "").then(value).alias(name))
        data = data.with_columns(changed) if changed else data
    return data


def _is_right(data: pl.DataFrame, records: Records, rows: NDArray[np.int64], width: int) -> bool:
    """Whether all rows are there, and some of them, spread over the file, hold what the grammar reads in them."""
    if data.shape != (len(rows), width):
        return False
    some = np.unique(np.linspace(0, len(rows) - 1, _CHECKED).astype(np.int64)) if len(rows) else rows
    return all(data.row(at) == tuple(value or None for value in records.fields(int(rows[at]))) for at in some.tolist())


def _by_grammar(records: Records, rows: NDArray[np.int64], width: int) -> pl.DataFrame:
    """Slow, and right by construction: what was counted is what is read."""
    import polars as pl

    table = [records.fields(record) for record in rows.tolist()]
    return pl.DataFrame(
        [pl.Series(str(column), [row[column] or None for row in table], dtype=pl.String) for column in range(width)]
    )
