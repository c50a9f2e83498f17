"""Frame: the rows of a table as they came, whatever file or object they came from; several of them joined by their columns."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from leadline.data.dataset import Excluded
from leadline.errors import ArgumentError, DataError, nearest

if TYPE_CHECKING:
    import polars as pl


# Reasons why a record of a file is set aside that is no row of data: nothing is lost with it.
NAMES_THE_DELIMITER, EMPTY, TITLE = "it only names the delimiter", "it is empty", "it is a title above the header"
REPEATS_THE_HEADER = "it repeats the header"
NO_ROWS = frozenset({NAMES_THE_DELIMITER, EMPTY, TITLE, REPEATS_THE_HEADER})


class RowIds(Sequence[str]):
    """The ids of rows, "rows.csv:17", made when asked for: a million of them take 12 MB rather than 70.

    Args:
        sources: the names that stand before the colon.
        which: for each row the number of its source, int32 [N].
        numbers: for each row what stands after the colon, int64 [N].

    Example:
        >>> ids = RowIds.of("rows.csv", np.array([2, 3, 7]))
        >>> len(ids), ids[-1], ids[:2]
        (3, 'rows.csv:7', ['rows.csv:2', 'rows.csv:3'])
    """

    def __init__(self, sources: tuple[str, ...], which: NDArray[np.int32], numbers: NDArray[np.int64]) -> None:
        self.sources = sources
        self.which = which
        self.numbers = numbers

    @classmethod
    def of(cls, source: str, numbers: NDArray[np.int64]) -> RowIds:
        """The ids of rows of one source."""
        return cls((source,), np.zeros(len(numbers), dtype=np.int32), numbers)

    @classmethod
    def joined(cls, parts: Sequence[Sequence[str]]) -> Sequence[str]:
        """The ids of several tables, one after the other."""
        those = [part for part in parts if isinstance(part, cls)]
        if len(those) < len(parts):
            return [name for part in parts for name in part]
        offsets = np.cumsum([0, *(len(part.sources) for part in those)], dtype=np.int32)
        return cls(
            tuple(source for part in those for source in part.sources),
            np.concatenate([part.which + offset for part, offset in zip(those, offsets[:-1], strict=True)]),
            np.concatenate([part.numbers for part in those]),
        )

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> RowIds:
        """The ids of some of the rows."""
        return RowIds(self.sources, self.which[rows], self.numbers[rows])

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return list(self.take(np.arange(len(self))[row]))
        return f"{self.sources[self.which[row]]}:{self.numbers[row]}"

    def __repr__(self) -> str:
        shown = ", ".join(repr(name) for name in self[:3])
        return f"RowIds({shown}{', …' if len(self) > 3 else ''}; {len(self):,} rows)"


def ids_of(ids: Sequence[str], rows: NDArray[np.int64]) -> Sequence[str]:
    """The ids of some rows.

    Example:
        >>> ids_of(["a", "b", "c"], np.array([2, 0]))
        ['c', 'a']
    """
    return ids.take(rows) if isinstance(ids, RowIds) else [ids[row] for row in rows.tolist()]


@dataclass(frozen=True, eq=False)
class Frame:
    """The rows of a table as they came: types are not decided yet.

    Attributes:
        data: csv: every column text, stripped, null where nothing stood; other sources: polars' own types. Names are unique.
        ids: one for each row: "rows.csv:17" (the physical line on which it starts), "rows.parquet:0", "row:0".
        digest: SHA-256 of the content.
        name: of the source, for people.
        header: whether the names were read; if not, they are "column 1", "column 2", …
        notes: what a person should know about how it was read.
        excluded: rows that could not be read.
        parts: "train", "valid" or "test" for each row, where files say so.

    Example:
        >>> import polars as pl
        >>> Frame(pl.DataFrame({"a": ["1", None]}), RowIds.of("rows.csv", np.array([2, 3])), digest="", name="rows")
        Frame('rows', 2 rows, 1 columns: a)
    """

    data: pl.DataFrame
    ids: Sequence[str]
    digest: str
    name: str
    header: bool = True
    notes: tuple[str, ...] = ()
    excluded: tuple[Excluded, ...] = ()
    parts: NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        assert self.data.height == len(self.ids), (self.data.height, len(self.ids))

    def __len__(self) -> int:
        return self.data.height

    def __repr__(self) -> str:
        names = self.data.columns
        shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
        return f"Frame({self.name!r}, {len(self):,} rows, {len(names):,} columns: {shown})"


def name_columns(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Names that can be told apart, and a sentence about each change: "price (2)" for the second price, "column 3" for none.

    White space is trimmed and line breaks within a name become spaces, so that every name can be typed.

    Example:
        >>> name_columns([" price", "price", "", "net\\nprice"])[0]
        ['price', 'price (2)', 'column 3', 'net price']
    """
    clean = [" ".join(name.split()) for name in names]
    given: list[str] = []
    taken = set(clean) - {""}  # a name that is made must be neither one that stands elsewhere nor one that was made before
    seen: set[str] = set()
    for number, name in enumerate(clean, 1):
        if name and name not in seen:
            given.append(name)
        else:
            given.append(_free(name or f"column {number}", taken, first=not name))
        seen.add(given[-1])
        taken.add(given[-1])
    return given, [*_about_doubles(clean, given), *_about_empty(clean, given)]


def join(frames: Sequence[tuple[str | None, Frame]], name: str) -> Frame:
    """The rows of several tables with the same columns (in any order), one below the other.

    Args:
        frames: each with the part that its rows belong to; None for all where there are no parts.
        name: of the whole.

    Returns:
        Frame. A test part that lacks one single column, as the files of competitions do, is left out, and a note says so.

    Raises:
        DataError: a column is in one table and not in another.

    Example:
        >>> import polars as pl
        >>> first, second = (
        ...     Frame(pl.DataFrame(columns), RowIds.of(stem, np.array([2])), digest=stem, name=stem)
        ...     for stem, columns in (("a.csv", {"x": ["1"], "y": ["2"]}), ("b.csv", {"y": ["4"], "x": ["3"]}))
        ... )
        >>> both = join([("train", first), ("test", second)], "both")
        >>> both.data.rows(), list(both.ids), both.parts.tolist()
        ([('1', '2'), ('3', '4')], ['a.csv:2', 'b.csv:2'], ['train', 'test'])
    """
    if not frames or len({part is None for part, _ in frames}) > 1:
        raise ArgumentError("Tables are joined with a part for each of them, or for none", got=[part for part, _ in frames])
    model = next((frame for _, frame in frames if frame.header), frames[0][1])
    used: list[tuple[str | None, Frame]] = []
    notes: list[str] = []
    for part, frame in frames:
        lacking = [column for column in model.data.columns if column not in frame.data.columns]
        extra = [column for column in frame.data.columns if column not in model.data.columns]
        if part == "test" and frame.header and len(lacking) == 1 and not extra:
            notes.append(f'{frame.name} was left out: it has no column "{lacking[0]}", which the other files have.')
            continue
        used.append((part, _like(frame, model, lacking, extra)))
    data, mixed = _concatenated([frame.data for _, frame in used])
    named = {part for part, _ in used} - {None}
    return Frame(
        data=data,
        ids=RowIds.joined([frame.ids for _, frame in used]),
        digest=hashlib.sha256("\n".join(f"{part} {frame.digest}" for part, frame in used).encode()).hexdigest(),
        name=name,
        header=any(frame.header for _, frame in used),
        notes=(*dict.fromkeys(note for _, frame in used for note in frame.notes), *mixed, *notes),
        excluded=tuple(row for _, frame in used for row in frame.excluded),
        parts=np.concatenate([np.full(len(frame), part) for part, frame in used]) if len(named) > 1 else None,
    )


def _free(name: str, taken: set[str], *, first: bool) -> str:
    if first and name not in taken:
        return name
    number = 2
    while f"{name} ({number})" in taken:
        number += 1
    return f"{name} ({number})"


def _about_doubles(clean: list[str], given: list[str]) -> list[str]:
    changed = [f'"{new}"' for old, new in zip(clean, given, strict=True) if old and old != new]
    return [f"Columns with the name of another were given their own: {_some(changed)}."] if changed else []


def _about_empty(clean: list[str], given: list[str]) -> list[str]:
    made = [f'"{new}"' for old, new in zip(clean, given, strict=True) if not old]
    return [f"Columns without a name were given one: {_some(made)}."] if made else []


def _some(items: Sequence[str], most: int = 6) -> str:
    return ", ".join(items[:most]) + (f" and {len(items) - most:,} more" if len(items) > most else "")


def _like(frame: Frame, model: Frame, lacking: list[str], extra: list[str]) -> Frame:
    """The frame with the columns of `model`, in its order."""
    if not lacking and not extra:
        return replace(frame, data=frame.data.select(model.data.columns))
    if not frame.header and frame.data.width == model.data.width:
        return replace(frame, data=frame.data.rename(dict(zip(frame.data.columns, model.data.columns, strict=True))))
    if not lacking:
        raise DataError(
            f'{frame.name} has a column "{extra[0]}" that {model.name} does not have',
            expected=f"the same columns: {_some(model.data.columns)}",
            got=_some(frame.data.columns),
            do="Remove it, or add it to the other.",
        )
    close = nearest(lacking[0], extra)
    raise DataError(
        f'{frame.name} has no column "{lacking[0]}", which {model.name} has',
        expected=f"the same columns: {_some(model.data.columns)}",
        got=_some(frame.data.columns),
        do=f'Is it the one called "{close}"? Give it the same name.' if close else "Add it, or remove it from the other.",
    )


def _concatenated(tables: list[pl.DataFrame]) -> tuple[pl.DataFrame, list[str]]:
    """One below the other; a column with types that have nothing in common becomes text."""
    import polars as pl

    if len(tables) == 1:
        return tables[0], []
    mixed = [name for name in tables[0].columns if len({_sort(table.schema[name]) for table in tables}) > 1]
    tables = [table.with_columns(pl.col(mixed).cast(pl.String)) for table in tables] if mixed else tables
    notes = [f"Columns that hold different things in different files were read as text: {_some(mixed)}."] if mixed else []
    return pl.concat(tables, how="vertical_relaxed"), notes


def _sort(dtype: pl.DataType) -> str:
    """What a type is about: polars would also put a date among numbers, as days since 1970."""
    if dtype.is_temporal():
        return f"moments {getattr(dtype, 'time_zone', None)}"
    return "numbers" if dtype.is_numeric() else str(dtype)
