"""Dataset: the three splits of one person's data and the Schema learned from the first of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from leadline.data.ragged import Ragged
from leadline.data.schema import Schema
from leadline.data.tables.table import Table
from leadline.errors import ArgumentError

if TYPE_CHECKING:
    from leadline.data.forecasts.window_rows import WindowRows


@dataclass(frozen=True)
class Split:
    """Rows that belong together: `inputs` [N, …] as the Schema encodes them, `targets` [N] or [N, K], `ids` one per row.

    Rows of different lengths (texts, series) are `Ragged`; so are their targets where each step has its own. Windows of series
    in time are `WindowRows`.

    An id is the path of a picture relative to its source, `file:line` for a csv, or `part:row` for arrays; it stays with its
    row from file to report. `notes` are what was noticed where rows were read for a Schema that existed.

    Example:
        >>> split = Split(np.eye(3), np.array([0, 1, 2]), ids=["a", "b", "c"])
        >>> split.take(np.array([2, 0])).ids
        ['c', 'a']
    """

    inputs: NDArray[np.generic] | Ragged | WindowRows
    targets: Any  # an array, or Ragged
    ids: Sequence[str]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        lengths = {"inputs": len(self.inputs), "targets": len(self.targets), "ids": len(self.ids)}
        if len(set(lengths.values())) > 1:
            raise ArgumentError("The parts of a split differ in length", expected="as many of each", got=lengths)
        if isinstance(self.inputs, Ragged) and isinstance(self.targets, Ragged):
            self._check_steps(self.inputs.lengths, self.targets.lengths)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def array(self) -> NDArray[Any]:
        """The inputs of rows that all have one shape."""
        assert isinstance(self.inputs, np.ndarray)
        return self.inputs

    def take(self, rows: NDArray[np.integer]) -> Split:
        """The rows with these numbers, in this order, as a new split (a copy)."""
        inputs = self.inputs[rows]
        return Split(
            inputs if isinstance(inputs, Ragged) else np.asarray(inputs), self.targets[rows], [self.ids[row] for row in rows]
        )

    def _check_steps(self, inputs: NDArray[np.int64], targets: NDArray[np.int64]) -> None:
        if len(wrong := np.flatnonzero(inputs != targets)):
            row = int(wrong[0])
            raise ArgumentError(
                "A row has not one target for each step",
                expected=f"{inputs[row]:,} targets for {self.ids[row]!r}",
                got=f"{targets[row]:,} ({len(wrong):,} of {len(self):,} rows are so)",
            )


@dataclass(frozen=True)
class Origin:
    """Where a Dataset came from, so that it can be loaded again and recognised.

    `source` is the name as given, the absolute path, or "arrays"; `hash` is a SHA-256 of the content; `options` are the keyword
    arguments of `data.load` that shaped it (all JSON values), so `load(source, **options)` gives the same Dataset again.

    Example:
        >>> from leadline.data import load
        >>> origin = load("digits", seed=1).origin
        >>> origin.source, origin.options["seed"]
        ('digits', 1)
    """

    source: str
    hash: str
    options: dict[str, Any]


@dataclass(frozen=True)
class Excluded:
    """One row that was set aside, and why.

    Example:
        >>> Excluded("roses/3.jpg", "the file is empty")
        Excluded(id='roses/3.jpg', reason='the file is empty')
    """

    id: str
    reason: str


@dataclass(frozen=True)
class Dataset:
    """Splits `train`, `valid`, `test`, their Schema, and what was noticed while reading.

    The test split is seen by neither early stopping nor any choice; headline scores are on it.

    Example:
        >>> from leadline.data import load
        >>> load("digits")
        Dataset('digits', task='classes', 1,257 + 270 + 270 rows, inputs pictures of 8 × 8 × 1)
    """

    name: str
    train: Split
    valid: Split
    test: Split
    schema: Schema
    origin: Origin
    notes: tuple[str, ...] = ()
    excluded: tuple[Excluded, ...] = ()

    @property
    def task(self) -> str:
        return self.schema.task

    def fingerprint(self) -> str:
        """SHA-256 of the content, of which row is in which split, and of what a table's columns are taken for.

        Equal where the same rows train and judge, and mean the same.
        """
        whole = hashlib.sha256(self.origin.hash.encode())
        if isinstance(self.schema.inputs, Table):
            whole.update(repr([(column.name, column.kind) for column in self.schema.inputs.columns]).encode())
        for split in (self.train, self.valid, self.test):
            whole.update("\0".join(split.ids).encode(errors="surrogateescape") + b"\0\0")
        return whole.hexdigest()

    def __repr__(self) -> str:
        sizes = " + ".join(f"{len(split):,}" for split in (self.train, self.valid, self.test))
        return f"Dataset({self.name!r}, task={self.task!r}, {sizes} rows, inputs {self.schema.inputs.describe()})"
