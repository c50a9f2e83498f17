"""Raw: what a source holds before anything is split or learned, and the rows of it that can be used."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from leadline.data.dataset import Excluded
from leadline.data.duplicates import first_copies
from leadline.data.ragged import Ragged
from leadline.data.tables.frame import NO_ROWS
from leadline.errors import DataError

if TYPE_CHECKING:
    import polars as pl

PARTS = ("train", "valid", "test")
_TOLERATED = 0.05  # of the rows may be unusable; more than that is a mistake in the data, not an accident


@dataclass(frozen=True)
class TableSource:
    """What must be known of a table's file to read others like it: the targets, and how names and numbers are written.

    `columns` are all columns in their order where the file has no names of its own; `decimals` the marks of targets.
    """

    targets: tuple[str, ...]
    header: bool
    columns: tuple[str, ...]
    decimals: tuple[str, ...]


@dataclass(frozen=True)
class Raw:
    """The N rows of a source as they came: inputs in the form a Split stores, targets still to be understood.

    Attributes:
        name: of the source, for people.
        inputs: float32 [N, D], pictures [N, H, W, C] as uint8 or float32, series float32 [N, T, C] or Ragged, texts as an array
            of str [N], or a table's columns without the targets.
        targets: [N] or [N, L]: class names, numbers, or columns of 0 and 1.
        ids: one for each row.
        parts: "train", "valid" or "test" for each row, where the source says so.
        columns: the names of the L target columns, where they have names.
        classes: the class names in their usual order, where the source is known by name.
        notes: what a person should know about how the source was read.
        task: what the targets are, where the source says it.
        bad: row number → why it cannot be used.
        lost: rows that could not even be read, and why; they are not among the N.
        groups: for each row the number of its group, int64 [N], where whole groups are to stay together.
        order: for each row its place in time, int64 [N], where later rows are to be judged by; −1 where it is not known.
        table: how the source of a table is laid out.
        copies: for each row the number of the first row with the same content; looked for when None.
        digest: SHA-256 of the inputs; computed when None.
    """

    name: str
    inputs: NDArray[Any] | Ragged | pl.DataFrame
    targets: NDArray[Any]
    ids: Sequence[str]
    parts: NDArray[np.str_] | None = None
    columns: tuple[str, ...] | None = None
    classes: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    task: str | None = None
    bad: Mapping[int, str] = field(default_factory=dict)
    lost: tuple[Excluded, ...] = ()
    groups: NDArray[np.int64] | None = None
    order: NDArray[np.int64] | None = None
    table: TableSource | None = None
    copies: NDArray[np.int64] | None = None
    digest: str | None = None

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.targets):
            raise DataError(
                "The inputs and the targets differ in length",
                expected="one target for each input",
                got=f"{len(self.inputs):,} inputs and {len(self.targets):,} targets",
            )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def is_table(self) -> bool:
        """Whether the inputs are columns of cells rather than an array."""
        return not isinstance(self.inputs, (np.ndarray, Ragged))

    @property
    def is_text(self) -> bool:
        """Whether the inputs are texts, as they were read."""
        return isinstance(self.inputs, np.ndarray) and self.inputs.dtype.kind == "O"

    @property
    def array(self) -> NDArray[Any]:
        """The inputs of rows that are no table."""
        assert isinstance(self.inputs, np.ndarray)
        return self.inputs

    @property
    def frame(self) -> pl.DataFrame:
        """The inputs of a table."""
        assert not isinstance(self.inputs, (np.ndarray, Ragged))
        return self.inputs

    def hash(self) -> str:
        """SHA-256 of everything a training can depend on: inputs, targets and the source's own parts."""
        inputs = self.digest or (self.inputs.digest() if isinstance(self.inputs, Ragged) else digest_of(self.array))
        whole = hashlib.sha256(inputs.encode())
        whole.update(digest_of(self.targets).encode())
        if self.parts is not None:
            whole.update(digest_of(self.parts).encode())
        return whole.hexdigest()

    def first_copies(self) -> NDArray[np.int64]:
        """For each row the number of the first row with exactly the same input, int64 [N]."""
        if self.copies is not None:
            return self.copies
        return first_copies(self.inputs.padded(np.nan) if isinstance(self.inputs, Ragged) else self.array)


def digest_of(array: NDArray[Any]) -> str:
    """SHA-256 of an array's type, shape and values.

    Example:
        >>> digest_of(np.arange(3)) == digest_of(np.arange(3)[::1]), digest_of(np.arange(3)) == digest_of(np.arange(4))
        (True, False)
    """
    array = array.astype(str) if array.dtype.kind == "O" else array
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()


def set_aside(
    ids: Sequence[str], bad: Mapping[int, str], lost: Sequence[Excluded] = ()
) -> tuple[NDArray[np.int64], tuple[Excluded, ...]]:
    """The numbers of the rows that can be used, int64, and a record of each of the others, first those `lost` in reading.

    Raises:
        DataError: more than 5 % of the rows are bad; the message lists the first of them.
    """
    excluded = (*lost, *(Excluded(ids[row], bad[row]) for row in sorted(bad)))
    # Titles, hints and empty lines are listed with the others, but no row was lost with them.
    extra = sum(row.reason in NO_ROWS for row in lost)
    count, rows = len(excluded) - extra, len(ids) + len(lost) - extra
    if count > _TOLERATED * rows:
        # An empty line is no row, but a row whose text is empty is one.
        rows_lost = [row for row in lost if row.reason not in NO_ROWS]
        shown = "; ".join(f"{row.id} ({row.reason})" for row in [*rows_lost, *excluded[len(lost) :]][:10])
        more = f"; and {count - 10:,} more" if count > 10 else ""
        raise DataError(
            f"{count:,} of {rows:,} rows cannot be used: {shown}{more}",
            expected="at most 5 % of unusable rows",
            got=f"{count / rows:.1%}",
            do="Mend or remove them.",
        )
    good = np.ones(len(ids), dtype=bool)
    good[list(bad)] = False
    return np.flatnonzero(good), excluded
