"""csv files → Frame: nothing is lost, swallowed or shifted without being counted and said."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from leadline.data.dataset import Excluded
from leadline.data.tables.delimiters import sniff
from leadline.data.tables.frame import EMPTY, REPEATS_THE_HEADER, Frame, RowIds, name_columns
from leadline.data.tables.holes import without_holes
from leadline.data.tables.layouts import Layout, lay_out
from leadline.data.tables.long_lines import cut_values, refuse_one_line, shorten_lines
from leadline.data.tables.parsing import parse_records
from leadline.data.tables.plain_text import read_text
from leadline.data.tables.scanning import BLANK, UNCLOSED, Records, scan
from leadline.errors import DataError, SourceNotFoundError
from leadline.spelling import counted

if TYPE_CHECKING:
    import polars as pl

_LONG = 100  # lines: a value that spans more is worth a look
_BROKEN = {UNCLOSED: "a quote in it is never closed, or is followed by other characters"}


def read_csv(path: Path, *, header: bool | None = None, encoding: str | None = None) -> Frame:
    """Read a csv: any usual delimiter, quotes, encoding and line end, with or without a header, packed with gzip or not.

    Records that have more or fewer fields than the others, whose quotes do not close, or that hold nothing are set aside with
    their line numbers. Every record of the file is the header, a row, excluded, or a blank line. Bytes that mean nothing in the
    encoding are replaced in columns of sentences, which lose little by it, and counted; elsewhere they cost their record.

    Args:
        path: of the file.
        header: whether its first record holds the names of the columns; told from the records when None.
        encoding: any that Python knows; told from the bytes when None.

    Returns:
        Frame. Every column is text without white space around it, null where nothing stood.

    Raises:
        SourceNotFoundError: there is no such file.
        DataError: it is empty, has no rows, or is no table of text.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "people.csv"
        >>> _ = path.write_text("name;age\\nAnn;31\\nBo;25;?\\n\\nCy;\\n")
        >>> frame = read_csv(path)
        >>> frame.data.rows(), list(frame.ids)
        ([('Ann', '31'), ('Cy', None)], ['people.csv:2', 'people.csv:5'])
        >>> frame.excluded
        (Excluded(id='people.csv:3', reason='it has 3 fields where the others have 2'),)
    """
    content = _content(path)
    digest = hashlib.sha256(content).hexdigest()
    text = read_text(content, path.name, encoding)
    del content  # hundreds of megabytes, perhaps
    with_tabs = Path(path.name.casefold().removesuffix(".gz")).suffix in (".tsv", ".tab")
    refuse_one_line(text.data, path.name)
    delimiter = sniff(text.data, prefer=b"\t" if with_tabs else None)
    records = scan(shorten_lines(text.data, delimiter), delimiter)
    layout = lay_out(records, header, path.name)
    if not len(layout.rows):
        raise _no_rows(path.name, _excluded(records, layout.rows, layout, path.name))
    data, value_notes = without_holes(parse_records(records, layout.rows, layout.width), layout, records.holed, path.name)
    data, long_notes = cut_values(data, path.name)
    value_notes += long_notes
    data, rows = _without_idle_rows(data, layout)
    excluded = _excluded(records, rows, layout, path.name)
    if not len(rows):
        raise _no_rows(path.name, excluded)
    data, names, shape_notes = _with_names(data, layout, path.name)
    data.columns, name_notes = name_columns(names)
    return Frame(
        data=data,
        ids=RowIds.of(path.name, records.lines[rows]),
        digest=digest,
        name=stem_of(path),
        header=layout.header is not None,
        notes=(*text.notes, *layout.notes, *shape_notes, *name_notes, *value_notes, *_about_quotes(records, path.name)),
        excluded=excluded,
    )


def stem_of(path: Path) -> str:
    """The name of a file without its extension, and without .gz.

    Example:
        >>> stem_of(Path("rows/adult-train.csv.gz"))
        'adult-train'
    """
    return Path(path.stem).stem if path.suffix.casefold() == ".gz" else path.stem


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"There is no file {path}") from error
    except IsADirectoryError as error:
        raise DataError(f"{path} is a folder, not a file", expected="a csv file") from error


def _without_idle_rows(data: pl.DataFrame, layout: Layout) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """The table without rows in which nothing stands or that repeat the header (they are set aside), and the records left."""
    import polars as pl

    empty = data.select(pl.all_horizontal(pl.all().is_null())).to_series().to_numpy()
    again = np.zeros(len(empty), dtype=np.bool_)
    if layout.header is not None and layout.width == len(layout.names) > 1:  # files put together with their headers
        same = [
            pl.col(column).eq_missing(pl.lit(name or None)) for column, name in zip(data.columns, layout.names, strict=True)
        ]
        again = data.select(pl.all_horizontal(same)).to_series().to_numpy() & ~empty
    layout.aside |= dict.fromkeys(layout.rows[empty].tolist(), EMPTY)
    layout.aside |= dict.fromkeys(layout.rows[again].tolist(), REPEATS_THE_HEADER)
    good = ~(empty | again)
    return data if good.all() else data.filter(good), layout.rows[good]


def _with_names(data: pl.DataFrame, layout: Layout, name: str) -> tuple[pl.DataFrame, list[str], list[str]]:
    """The names of the columns, and the table without a last column that only a delimiter at the end of each line made."""
    last = data.columns[-1]
    idle = data.width > 1 and data[last].null_count() == data.height
    if layout.header is None:
        return data, [f"column {number}" for number in range(1, data.width + 1)], []
    if idle and (len(layout.names) < data.width or not layout.names[-1]):
        return data.drop(last), layout.names[: data.width - 1], []
    if len(layout.names) < data.width:
        note = f'The rows of {name} have one field more than its header has names: the first column was called "row".'
        return data, ["row", *layout.names], [note]
    return data, layout.names, []


def _excluded(records: Records, rows: NDArray[np.int64], layout: Layout, name: str) -> tuple[Excluded, ...]:
    """Every record that is no row, no header and not blank, in order, with the reason."""
    lost = records.widths != BLANK
    lost[rows] = False
    if layout.header is not None:
        lost[layout.header] = False
    return tuple(
        Excluded(f"{name}:{line}", layout.aside.get(record) or _BROKEN.get(width) or _wrong_width(width, layout.width))
        for record, line, width in zip(
            np.flatnonzero(lost).tolist(), records.lines[lost].tolist(), records.widths[lost].tolist(), strict=True
        )
    )


def _wrong_width(width: int, usual: int) -> str:
    return f"it has {width:,} field{'s' if width > 1 else ''} where the others have {usual:,}"


def _no_rows(name: str, excluded: tuple[Excluded, ...]) -> DataError:
    if not excluded:
        return DataError(f"{name} has no rows", expected="rows below its header", got="a header alone")
    first = excluded[0]
    return DataError(
        f"{name} has no row that can be used",
        expected="rows with as many fields as the others",
        got=f"{len(excluded):,} that cannot; the first is {first.id} ({first.reason})",
    )


def _about_quotes(records: Records, name: str) -> list[str]:
    notes = []
    if records.gained:
        rows = counted(records.gained, "row")
        notes.append(f"Quotes in {name} are ordinary characters: as marks around values they would cost {rows}.")
    if loose := records.loose:
        others = f" and {len(loose) - 1:,} others" if len(loose) > 1 else ""
        notes.append(
            f"Line {loose[0]:,}{others} of {name} hold quotes within quoted values that are not doubled; "
            "they were taken for part of the value."
        )
    lines, first = records.longest
    if lines > _LONG:
        notes.append(f"A quoted value of {name} spans {lines:,} lines from line {first:,} on: look whether a quote is missing.")
    return notes
