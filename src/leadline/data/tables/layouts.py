"""Which records of a csv are its rows, which one is its header, and what stands above it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from leadline.data.tables.delimiters import hinted
from leadline.data.tables.frame import EMPTY, NAMES_THE_DELIMITER, TITLE
from leadline.data.tables.headers import is_header, is_number, judge_header
from leadline.data.tables.scanning import BLANK, Records, commonest

_COMPARED = 500  # records below what may be a header
_VALUES = 200_000  # compared at most, however wide the table
_ABOVE = 20  # records that may stand above a header


@dataclass
class Layout:
    """The plan of a csv.

    Attributes:
        width: number of fields of a row.
        rows: the records that are rows, int64.
        header: the record that holds the names, None where there is none.
        names: as they stand in the header; one fewer than `width` where the rows have a field more.
        aside: record → why it is no row, for those that have the right width.
        notes: what a person should know.
    """

    width: int
    rows: NDArray[np.int64]
    header: int | None = None
    names: list[str] = field(default_factory=list)
    aside: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def lay_out(records: Records, header: bool | None, name: str) -> Layout:
    """Find the rows and the header.

    A row has as many fields as most records have. The header is the first of these, unless it looks like a row; or a record
    above them that has one field fewer, where the rows begin with their names or every line ends in a delimiter.

    Args:
        records: of the whole file.
        header: whether there is one; told from the records when None.
        name: of the file, for notes.

    Example:
        >>> from leadline.data.tables.scanning import scan
        >>> layout = lay_out(scan(b"My table\\na,b,c\\n1,2,3\\n4,5,6\\n", b","), None, "my.csv")
        >>> layout.header, layout.names, layout.rows.tolist()
        (1, ['a', 'b', 'c'], [2, 3])
    """
    width = commonest(records.widths)
    layout = Layout(width, np.flatnonzero((records.widths == width) & (width > 0)))
    if hinted(records.data):
        layout.aside[0] = NAMES_THE_DELIMITER
        layout.rows = layout.rows[layout.rows > 0]
    _set_empty_aside(layout, records)
    if not len(layout.rows):
        return layout
    short = None if header is False else _short_header(layout, records, certain=header is True)
    if short is not None:
        layout.header, layout.names = short, records.fields(short)
    elif header is not False:
        _set_titles_aside(layout, records)
        _take_header(layout, records, certain=header is True)
    _describe(layout, header, name)
    return layout


def _set_empty_aside(layout: Layout, records: Records) -> None:
    """Empty records in front: what follows them may be the header."""
    for record in layout.rows[:_ABOVE].tolist():
        if any(records.fields(record)):
            return
        layout.aside[record] = EMPTY
        layout.rows = layout.rows[1:]


def _short_header(layout: Layout, records: Records, *, certain: bool) -> int | None:
    """The first record, where it has one field fewer than the rows, and they do not begin with a header of their own."""
    some = np.flatnonzero(records.widths != BLANK)[: len(layout.aside) + 1]
    first = int(some[~np.isin(some, list(layout.aside))][0])
    if records.widths[first] != layout.width - 1 or np.count_nonzero(records.widths == layout.width - 1) > 1:
        return None
    names = records.fields(first)
    if not all(names) or (not certain and any(map(is_number, names))):
        return None
    evidence = judge_header(records.fields(int(layout.rows[0])), _below(layout, records))
    return first if evidence < 0 or (evidence == 0 and layout.width > 2) else None


def _set_titles_aside(layout: Layout, records: Records) -> None:
    """Titles above the header, and lines between, that a spreadsheet has filled up with empty fields."""
    above: dict[int, str] = {}
    for record in layout.rows[:_ABOVE].tolist():
        values = records.fields(record)
        if sum(map(bool, values)) > layout.width // 3:
            break
        above[record] = TITLE if any(values) else EMPTY
    rest = Layout(layout.width, layout.rows[len(above) :])
    if above and len(rest.rows) > 1:
        names = records.fields(int(rest.rows[0]))
        if all(names) and judge_header(names, _below(rest, records)) > 0:
            layout.aside |= above
            layout.rows = rest.rows


def _take_header(layout: Layout, records: Records, *, certain: bool) -> None:
    first = records.fields(int(layout.rows[0]))
    below = _below(layout, records)
    if certain or (is_header(first, below) if below else not any(map(is_number, first))):
        layout.header, layout.names = int(layout.rows[0]), first
        layout.rows = layout.rows[1:]


def _below(layout: Layout, records: Records) -> list[list[str]]:
    """The values of some records below the first row."""
    most = min(_COMPARED, max(20, _VALUES // layout.width))
    return [records.fields(record) for record in layout.rows[1 : 1 + most].tolist()]


def _describe(layout: Layout, header: bool | None, name: str) -> None:
    if layout.width == 1:
        layout.notes.append(f"{name} has one column: no tab, semicolon, bar or comma separates fields in it.")
    if layout.header is None:
        choose = "" if header is False else " If its first line holds names, say --set data.header=yes."
        layout.notes.append(f'{name} has no header: its columns are called "column 1", "column 2" and so on.{choose}')
