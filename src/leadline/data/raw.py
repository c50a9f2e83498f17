"""Raw: what a source holds before anything is split or learned, and the rows of it that can be used."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.data.dataset import Excluded
from leadline.data.duplicates import first_copies
from leadline.errors import DataError

PARTS = ("train", "valid", "test")
_TOLERATED = 0.05  # of the rows may be unusable; more than that is a mistake in the data, not an accident


@dataclass(frozen=True)
class Raw:
    """The N rows of a source as they came: inputs in the form a Split stores, targets still to be understood.

    Attributes:
        name: of the source, for people.
        inputs: float32 [N, D], or pictures [N, H, W, C] as uint8 or float32.
        targets: [N] or [N, L]: class names, numbers, or columns of 0 and 1.
        ids: one for each row.
        parts: "train", "valid" or "test" for each row, where the source says so.
        columns: the names of the L target columns, where they have names.
        classes: the class names in their usual order, where the source is known by name.
        notes: what a person should know about how the source was read.
        bad: row number → why it cannot be used.
        copies: for each row the number of the first row with the same content; looked for when None.
        digest: SHA-256 of the inputs; computed when None.
    """

    name: str
    inputs: NDArray[Any]
    targets: NDArray[Any]
    ids: Sequence[str]
    parts: NDArray[np.str_] | None = None
    columns: tuple[str, ...] | None = None
    classes: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    bad: Mapping[int, str] = field(default_factory=dict)
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

    def hash(self) -> str:
        """SHA-256 of everything a training can depend on: inputs, targets and the source's own parts."""
        whole = hashlib.sha256((self.digest or digest_of(self.inputs)).encode())
        whole.update(digest_of(self.targets).encode())
        if self.parts is not None:
            whole.update(digest_of(self.parts).encode())
        return whole.hexdigest()

    def first_copies(self) -> NDArray[np.int64]:
        """For each row the number of the first row with exactly the same input, int64 [N]."""
        return first_copies(self.inputs) if self.copies is None else self.copies


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


def set_aside(ids: Sequence[str], bad: Mapping[int, str]) -> tuple[NDArray[np.int64], tuple[Excluded, ...]]:
    """The numbers of the rows that can be used, int64, and a record of each of the others.

    Raises:
        DataError: more than 5 % of the rows are bad; the message lists the first of them.
    """
    excluded = tuple(Excluded(ids[row], bad[row]) for row in sorted(bad))
    if len(bad) > _TOLERATED * len(ids):
        shown = "; ".join(f"{row.id} ({row.reason})" for row in excluded[:10])
        more = f"; and {len(bad) - 10:,} more" if len(bad) > 10 else ""
        raise DataError(
            f"{len(bad):,} of {len(ids):,} rows cannot be used: {shown}{more}",
            expected="at most 5 % of unusable rows",
            got=f"{len(bad) / len(ids):.1%}",
            do="Mend or remove them.",
        )
    good = np.ones(len(ids), dtype=bool)
    good[list(bad)] = False
    return np.flatnonzero(good), excluded
