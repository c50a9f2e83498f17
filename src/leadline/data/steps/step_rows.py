"""Rows of which each step has a target, as they were read, before anything is learned from them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.data.dataset import Excluded, Split
from leadline.data.forecasts.gaps import fill_gaps
from leadline.errors import DataError
from leadline.spelling import counted


@dataclass(frozen=True)
class StepRows:
    """N rows and a target for each of their steps.

    Attributes:
        name: of the source, for people.
        rows: the words of each sentence, or float32 [T, C] for each series.
        targets: as many as steps for each row: text, or None where nothing is said; for numbers float64 [T, M] with NaN.
        ids: one for each row.
        numeric: whether the targets are numbers.
        channels: the names of the C channels; None for sentences.
        columns: the names of the M targets that are numbers.
        word_column: of a table, the column of the words.
        target: of a table, the columns of the targets, divided by commas; of tagged words, the column as a person named it.
        group: the column that names rows.
        time: the column by which steps were sorted.
        parts: "train", "valid" or "test" for each row, where the source says so.
        groups: rows with the same number stay in one split.
        order: the place of each row in time, where later rows are to be judged by.
        whole: for each row the number of the row of the source that it is a piece of, where pieces stay together.
        notes: what a person should know about how the source was read.
        lost: rows that could not be used, and why.

    Example:
        >>> rows = StepRows("a", [["Hi"]], [["UH"]], ["a:1"])
        >>> len(rows), rows.sentences, rows.steps
        (1, True, 1)
    """

    name: str
    rows: Sequence[Any]
    targets: Sequence[Any]
    ids: Sequence[str]
    numeric: bool = False
    channels: tuple[str, ...] | None = None
    columns: tuple[str, ...] = ("value",)
    word_column: str = ""
    target: str = ""
    group: str = ""
    time: str = ""
    parts: NDArray[np.str_] | None = None
    groups: NDArray[np.int64] | None = None
    order: NDArray[np.int64] | None = None
    whole: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()
    lost: tuple[Excluded, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def sentences(self) -> bool:
        return self.channels is None

    @property
    def steps(self) -> int:
        """How many steps all rows have together."""
        return sum(map(len, self.rows))

    def digest(self) -> str:
        """SHA-256 of the rows and their targets, in their order."""
        whole = hashlib.sha256(repr((self.channels, self.columns, self.numeric)).encode())
        for row, targets in zip(self.rows, self.targets, strict=True):
            whole.update(_bytes_of(row) + b"\0" + _bytes_of(targets) + b"\0\0")
        return whole.hexdigest()

    def first_copies(self) -> NDArray[np.int64]:
        """For each row the number of the first row with the same content, int64 [N]."""
        seen: dict[bytes, int] = {}
        keys = (hashlib.blake2b(_bytes_of(row), digest_size=16).digest() for row in self.rows)
        return np.array([seen.setdefault(key, number) for number, key in enumerate(keys)], np.int64)


@dataclass(frozen=True)
class StepSplit(Split):
    """Rows of which each step has a target, with what their numbers do not tell.

    `words` are those of sentences as they stood in the source; `strange` the targets that the training never showed, by the
    place of their step among all steps; `whole` for each row the number of the row of the source that it is a piece of.

    Example:
        >>> from leadline.data.ragged import Ragged
        >>> row = Ragged.of([np.array([2, 1])])
        >>> StepSplit(row, row, ["a:1"], words=[["Hi", "Tom"]]).words
        [['Hi', 'Tom']]
    """

    words: Sequence[Sequence[str]] = ()
    strange: Mapping[int, str] = field(default_factory=dict)
    whole: Sequence[int] = ()


def filled(raw: StepRows) -> StepRows:
    """The same series as float32 without gaps; those of nothing but gaps, or with infinite values, are lost.

    Errors: `DataError` where none is left.

    Example:
        >>> filled(StepRows("a", [np.array([[1.0], [np.nan], [3.0]])], [["x", "x", "y"]], ["a"], channels=("v",))).notes
        ('1 value is missing in 1 series; gaps were filled in from the steps around them.',)
    """
    kept, rows, lost, gaps, gappy = [], [], list(raw.lost), 0, 0
    for at, values in enumerate(raw.rows):
        try:
            whole, missing = fill_gaps(np.asarray(values, np.float64), channels=raw.channels)
        except DataError as error:
            lost.append(Excluded(raw.ids[at], error.what[0].lower() + error.what[1:]))
            continue
        kept.append(at)
        rows.append(whole)
        gaps, gappy = gaps + missing, gappy + bool(missing)
    if not rows:
        got = "; ".join(f"{row.id} ({row.reason})" for row in lost[:5])
        raise DataError(f"{raw.name} holds no series that can be used", got=got)
    told = f"{counted(gaps, 'value is', 'values are')} missing in {gappy:,} series"
    note = f"{told}; gaps were filled in from the steps around them."
    return taken(raw, np.array(kept), rows=rows, lost=tuple(lost), notes=(*raw.notes, *([note] if gaps else [])))


def taken(
    raw: StepRows,
    which: NDArray[np.integer],
    *,
    rows: Sequence[Any] | None = None,
    lost: tuple[Excluded, ...] | None = None,
    notes: tuple[str, ...] | None = None,
) -> StepRows:
    """Some of the rows, in this order.

    Args:
        raw: all of them.
        which: their numbers.
        rows: what stands in their place.
        lost: instead of those before.
        notes: likewise.

    Example:
        >>> taken(StepRows("a", [["Hi"], ["No"]], [["UH"], ["UH"]], ["a:1", "a:3"]), np.array([1])).ids
        ['a:3']
    """
    numbers = which.tolist()
    return replace(
        raw,
        rows=[raw.rows[at] for at in numbers] if rows is None else rows,
        targets=[raw.targets[at] for at in numbers],
        ids=[raw.ids[at] for at in numbers],
        parts=None if raw.parts is None else raw.parts[which],
        groups=None if raw.groups is None else raw.groups[which],
        order=None if raw.order is None else raw.order[which],
        whole=None if raw.whole is None else raw.whole[which],
        notes=raw.notes if notes is None else notes,
        lost=raw.lost if lost is None else lost,
    )


def cut_long(raw: StepRows, longest: int) -> StepRows:
    """Rows of more than `longest` steps in pieces of nearly equal length.

    Pieces of one row stay in one split, as do those of its copies, unless there are fewer than three rows: then each is divided
    by its time.

    Args:
        raw: whole rows.
        longest: steps of a piece at most.

    Example:
        >>> raw = StepRows("a", [["a", "b", "c", "d", "e"], ["f"]], [list("vwxyz"), ["v"]], ["a:1", "a:7"])
        >>> pieces = cut_long(raw, 3)
        >>> pieces.rows, pieces.ids
        ([['a', 'b', 'c'], ['d', 'e'], ['f']], ['a:1', 'a:1 from 4', 'a:7'])
    """
    if max(map(len, raw.rows)) <= longest:
        return raw
    which, rows, targets, ids, place = [], [], [], [], []
    for at, row in enumerate(raw.rows):
        pieces = -(-len(row) // longest)
        for piece in range(pieces):
            # The first pieces are one longer where the row does not divide evenly.
            begin, end = (-(-len(row) * each // pieces) for each in (piece, piece + 1))
            which.append(at)
            rows.append(row[begin:end])
            targets.append(raw.targets[at][begin:end])
            ids.append(raw.ids[at] if not begin else f"{raw.ids[at]} from {begin + 1}")
            place.append(round(1_000_000 * begin / len(row)))
    of = np.array(which, np.int64)
    cut = taken(raw, of, rows=rows)
    few = len(raw) < 3 and raw.parts is None
    long = int((np.bincount(of) > 1).sum())
    said = f"{counted(long, 'row', 'rows')} of more than {longest:,} steps {'was' if long == 1 else 'were'} cut into pieces"
    note = f"{said}." if few else f"{said}, which stay in one split."
    return replace(
        cut,
        targets=targets,
        ids=ids,
        groups=None if few else raw.first_copies()[of],
        order=np.array(place, np.int64) if few else cut.order,
        whole=None if few else of,
        notes=(*cut.notes, note),
    )


def _bytes_of(row: Any) -> bytes:
    if isinstance(row, np.ndarray):
        return row.tobytes()
    return "\x1f".join("\x1e" if each is None else each for each in row).encode(errors="surrogatepass")
