"""Table: the Schema's side of a table: its columns, learned from the training rows, and rows turned into numbers by them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leadline.data.tables.cells import Cells
from leadline.data.tables.columns import Column, column_from_json, column_to_json
from leadline.data.tables.copies import copy_of_target
from leadline.data.tables.given_rows import differences, frame_of_rows
from leadline.data.tables.kinds import learn_column
from leadline.errors import ArgumentError, DataError, nearest

if TYPE_CHECKING:
    import polars as pl

_MOST_CELLS = 3_000_000_000  # numbers of a table in memory, 12 GB


@dataclass(frozen=True)
class Table:
    """Raw input is a row of named cells; stored as float32 [N, W], as the network takes it.

    The first `numbers` of the W columns hold numbers: scaled values, indicators of missing ones, parts of dates, counts of
    words. The others hold the codes of categories, 0 for whatever training did not show.

    Attributes:
        columns: every column of the table but the targets, in the order of the file.
        targets: the names of the columns that are learned.
        header: whether the names stand in the file; else they are column 1, column 2, …
        layout: where they do not, all columns of the file in their order, by which those of other files are known.
        decimals: the decimal marks of targets that are numbers.
        encoding: of the file, where it was given.

    Example:
        >>> import polars as pl
        >>> frame = pl.DataFrame({"age": ["20", "30", "?", "50"], "city": ["Bonn", "Ulm", "Bonn", "Kiel"]})
        >>> table, encoded = Table.learn(frame, np.arange(4))
        >>> table.numbers, table.categories, table.blocks
        (2, (4,), {'age': (0, 1), 'city': (2,)})
        >>> table.encode({"age": 30, "city": "Rom"}).tolist()
        [0.0, 0.0, 0.0]
    """

    columns: tuple[Column, ...]
    targets: tuple[str, ...] = ()
    header: bool = True
    layout: tuple[str, ...] = ()
    decimals: tuple[str, ...] = ()
    encoding: str | None = None
    kind: ClassVar[str] = "table"

    @classmethod
    def learn(
        cls,
        frame: pl.DataFrame,
        train: NDArray[np.int64],
        *,
        kinds: Mapping[str, str] | None = None,
        answers: NDArray[Any] | None = None,
        targets: Sequence[str] = (),
    ) -> tuple[Table, NDArray[np.float32]]:
        """What the columns of a frame are, from its rows `train` alone, and all its rows encoded, float32 [N, W].

        Args:
            frame: the columns without the targets.
            train: row numbers.
            kinds: column name → kind, where it is not to be told from the values.
            answers: what is to be learned, [len(train)] or [len(train), L]: a column that says exactly the same is left out.
            targets: names of what is to be learned.

        Raises:
            DataError: a kind is chosen for a column that there is not or that does not fit it, or no column is left.
        """
        kinds = dict(kinds or {})
        for name in kinds:
            if name not in frame.columns and name not in targets:
                close = nearest(name, frame.columns)
                raise DataError(
                    f"There is no column {name!r} to choose a kind for", do=f"Did you mean {close!r}?" if close else None
                )
        columns: list[Column] = []
        width = 0
        parts: list[tuple[NDArray[np.float32], NDArray[np.int64] | None]] = []
        for name in frame.columns:
            cells = Cells(frame[name])
            training = cells.take(train)
            chosen = kinds.get(name)
            column = learn_column(name, training, None if chosen == "leave out" else chosen)
            if answers is not None and chosen in (None, "leave out"):
                for target, column_of_answers in zip(targets, answers.T.reshape(-1, len(train)), strict=False):
                    column = copy_of_target(column, training, column_of_answers, target)
            if chosen == "leave out" and column.kind != "left out":
                column = learn_column(name, training, chosen)
            columns.append(column)
            if column.edges or column.categories:
                width += len(column.edges) + bool(column.categories)
                _check_size(len(frame), width)
                parts.append((column.numbers(cells), column.codes(cells) if column.categories else None))
        table = cls(tuple(columns), tuple(targets))
        if not table.shape[0]:
            reasons = "; ".join(f"{column.name}: {column.why}" for column in columns[:5])
            raise DataError("No column is left to learn from", got=reasons or "none beside the target")
        encoded = np.empty((len(frame), *table.shape), np.float32)
        for places in table.blocks.values():
            numbers, codes = parts.pop(0)  # and so freed: there is memory for one copy, perhaps not for two
            encoded[:, places[: numbers.shape[1]]] = numbers
            if codes is not None:
                encoded[:, places[-1]] = codes
        return table, encoded

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Table:
        columns = tuple(column_from_json(column) for column in fields["columns"])
        names = {name: tuple(fields[name]) for name in ("targets", "layout", "decimals")}
        return cls(columns, **names, header=fields["header"], encoding=fields["encoding"])

    def to_json(self) -> dict[str, Any]:
        columns = [column_to_json(column) for column in self.columns]
        names = {name: list(getattr(self, name)) for name in ("targets", "layout", "decimals")}
        return {"columns": columns, **names, "header": self.header, "encoding": self.encoding}

    @cached_property
    def edges(self) -> tuple[tuple[float, ...], ...]:
        """For each number the edges of the intervals in which equally many training rows lie; () where it is taken as it is."""
        return tuple(edges for column in self.columns for edges in column.edges)

    @cached_property
    def categories(self) -> tuple[int, ...]:
        """For each category the number of its codes."""
        return tuple(column.categories for column in self.columns if column.categories)

    @property
    def numbers(self) -> int:
        """How many of the W columns hold numbers."""
        return len(self.edges)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one stored input: (W,)."""
        return (self.numbers + len(self.categories),)

    @cached_property
    def used(self) -> tuple[Column, ...]:
        """The columns that the network sees."""
        return tuple(column for column in self.columns if column.edges or column.categories)

    @cached_property
    def blocks(self) -> dict[str, tuple[int, ...]]:
        """For each column that is used the places of its numbers and of its code among the W."""
        number, code = 0, self.numbers
        blocks = {}
        for column in self.used:
            places = tuple(range(number, number + len(column.edges)))
            number += len(column.edges)
            if column.categories:
                places, code = (*places, code), code + 1
            blocks[column.name] = places
        return blocks

    def describe(self) -> str:
        left = len(self.columns) - len(self.used)
        out = f" ({left} left out)" if left else ""
        return f"a table of {len(self.used)} column{'s' if len(self.used) != 1 else ''}{out}"

    def encode_frame(self, frame: pl.DataFrame) -> NDArray[np.float32]:
        """A frame that has all columns that are used, in any order, to float32 [N, W].

        Raises:
            DataError: a column is not there (its cells may be missing where training knew missing ones).
        """
        return self._encoded(frame, None)

    def read_frame(self, frame: pl.DataFrame, *, header: bool = True) -> tuple[NDArray[np.float32], tuple[str, ...]]:
        """The same for rows that training did not see, with sentences on whatever in them is not as it was there.

        Args:
            frame: the rows.
            header: whether its columns have names; else they are known by their place, with or without the targets.

        Raises:
            DataError: a column is needed and not there.
        """
        frame = frame if header or self.header else self._placed(frame)
        notes: list[str] = []
        known = {column.name for column in self.columns} | set(self.targets) | set(self.layout)
        if strange := [name for name in frame.columns if name not in known]:
            more = f" and {len(strange) - 5:,} more" if len(strange) > 5 else ""
            notes.append(f"Columns that training did not have are passed over: {', '.join(map(repr, strange[:5]))}{more}.")
        return self._encoded(frame, notes), tuple(notes)

    def _placed(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame of a file without names, with those that its columns had in training."""
        for names in (self.layout, [name for name in self.layout if name not in self.targets]):
            if len(names) == len(frame.columns):
                return frame.rename(dict(zip(frame.columns, names, strict=True)))
        raise DataError(
            "The rows have no names of columns, and not as many columns as those of the training",
            expected=f"{len(self.layout)} columns, or {len(self.layout) - len(self.targets)} without the target",
            got=len(frame.columns),
        )

    def _encoded(self, frame: pl.DataFrame, notes: list[str] | None) -> NDArray[np.float32]:
        lacking = [column.name for column in self.used if column.name not in frame.columns and not column.missing]
        if lacking:
            raise self.lacks(lacking, frame.columns)
        _check_size(len(frame), self.shape[0])
        encoded = np.zeros((len(frame), *self.shape), np.float32)
        for column, places in zip(self.used, self.blocks.values(), strict=True):
            cells = self._cells(frame, column)
            if column.edges:
                encoded[:, places[: len(column.edges)]] = column.numbers(cells)
            if column.categories:
                encoded[:, places[-1]] = column.codes(cells)
            if notes is not None:
                notes += differences(column, cells, there=column.name in frame.columns)
        return encoded

    def _cells(self, frame: pl.DataFrame, column: Column) -> Cells:
        """The cells of one column; all missing where the frame lacks it."""
        import polars as pl

        if column.name in frame.columns:
            return Cells(frame[column.name])
        return Cells(pl.Series(column.name, [], pl.String).clear(len(frame)))

    def lacks(self, names: Sequence[str], there: Sequence[str]) -> DataError:
        """The error that says which columns are needed and not there."""
        strange = [name for name in there if name not in {column.name for column in self.columns}]
        close = nearest(names[0], strange)
        return DataError(
            f"The rows lack {'the column' if len(names) == 1 else 'columns'} that the network was trained on: "
            + ", ".join(map(repr, names[:10])),
            got="the columns " + ", ".join(map(repr, list(there)[:10])) + (" …" if len(there) > 10 else ""),
            do=f"Is {close!r} meant?" if close else None,
        )

    def encode(self, raw: Any) -> NDArray[np.float32]:
        """One row, a mapping from column names to values, to float32 [W]."""
        if not isinstance(raw, Mapping):
            raise ArgumentError(
                "The network was trained on a table",
                expected="a row as a dict, a data frame or a table file",
                got=repr(raw)[:80],
            )
        encoded: NDArray[np.float32] = self.encode_frame(frame_of_rows([raw]))[0]
        return encoded

    def read_row(self, raw: Any) -> tuple[NDArray[np.float32], tuple[str, ...]]:
        """The same for one row, with sentences on whatever in it is not as it was in training."""
        if not isinstance(raw, Mapping):
            return self.encode(raw), ()
        encoded, notes = self.read_frame(frame_of_rows([raw]))
        return encoded[0], notes

    def is_one(self, raw: Any) -> bool:
        """Whether `raw` is one row rather than several."""
        return isinstance(raw, Mapping) and not any(
            hasattr(value, "__len__") and not isinstance(value, (str, bytes)) for value in raw.values()
        )

    def words(self, encoded: NDArray[Any]) -> dict[str, str]:
        """One stored row [W] as text by column, as far as its numbers can tell."""
        return {
            column.name: column.words(
                encoded[list(places[: len(column.edges)])], int(encoded[places[-1]]) if column.categories else 0
            )
            for column, places in zip(self.used, self.blocks.values(), strict=True)
        }

    def preparer(self, device: torch.device, *, channels_last: bool = False) -> Callable[[Tensor], Tensor]:
        """What is stored is what the network takes."""
        return lambda rows: rows


def _check_size(rows: int, width: int) -> None:
    if rows * width > _MOST_CELLS:
        raise DataError(f"{rows:,} rows of {width:,} numbers do not fit into memory", do="Leave columns out, or rows.")
