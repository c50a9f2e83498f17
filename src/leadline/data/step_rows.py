"""Rows of which each step has a target, as they were read, before anything is learned from them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.data.answers import as_text
from leadline.data.dataset import Excluded, Split
from leadline.data.gaps import fill_gaps
from leadline.data.labelling import interpret
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
        target: the target as a person named it.
        group: the column that names rows.
        parts: "train", "valid" or "test" for each row, where the source says so.
        groups: rows with the same number stay in one split.
        order: the place of each row in time, where later rows are to be judged by.
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
    parts: NDArray[np.str_] | None = None
    groups: NDArray[np.int64] | None = None
    order: NDArray[np.int64] | None = None
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
    """Rows of which each step has a target; of sentences with their `words` as they stood in the source.

    Example:
        >>> from leadline.data.ragged import Ragged
        >>> row = Ragged.of([np.array([2, 1])])
        >>> StepSplit(row, row, ["a:1"], words=[["Hi", "Tom"]]).words
        [['Hi', 'Tom']]
    """

    words: Sequence[Sequence[str]] = ()


def step_rows_from(inputs: Any, targets: Any, *, name: str = "arrays") -> StepRows:
    """Rows in memory: lists of words, or arrays [T, C] or [T], with as many targets for each as it has steps.

    Args:
        inputs: N rows, or an array [N, T, C] or [N, T].
        targets: for each row its T targets: names, class numbers, or numbers [T] or [T, M]; None, "" or NaN where nothing is
            said. Whole numbers are classes.
        name: of the source, for people.

    Errors: `DataError` where a row has more or fewer targets than steps, naming it, and for what are no rows.

    Example:
        >>> step_rows_from([["Hi", "Tom"], ["Hi"]], [["UH", "NNP"], ["UH"]]).targets
        [['UH', 'NNP'], ['UH']]
        >>> step_rows_from([np.zeros(2), np.zeros((3, 1))], [[0, 1], [1, 1, 0]]).channels
        ('value',)
    """
    if targets is None:
        raise DataError("The rows have no targets", expected="a list of targets, one for each step, beside each row")
    rows, answers = list(inputs), list(targets)
    if len(rows) != len(answers):
        got = f"{len(rows):,} rows and {len(answers):,} lists of targets"
        raise DataError("The rows and the targets differ in number", expected="a list of targets for each row", got=got)
    lost = [Excluded(f"row:{at}", "it has no steps") for at, row in enumerate(rows) if not len(row)]
    kept = [at for at, row in enumerate(rows) if len(row)]
    if not kept:
        raise DataError("Not one row has a step", expected="rows of words or of numbers", got=f"{len(rows):,} empty ones")
    for at in (at for at in range(len(rows)) if np.ndim(answers[at]) < 1 or len(rows[at]) != len(answers[at])):
        count = f"{len(answers[at]):,} targets" if np.ndim(answers[at]) else "a single target"
        raise DataError(
            f"Row {at} has not one target for each step", expected=f"{len(rows[at]):,} targets, one for each step", got=count
        )
    sentences = all(isinstance(word, str) for at in kept for word in rows[at])
    ids = [f"row:{at}" for at in kept]
    numeric, said = understood([answers[at] for at in kept])
    width = said[0].shape[1] if numeric else 1
    columns = ("value",) if width == 1 else tuple(f"value {number}" for number in range(1, width + 1))
    if sentences:
        words = [[str(word) for word in rows[at]] for at in kept]
        return StepRows(name, words, said, ids, numeric, columns=columns, lost=tuple(lost))
    return _series(name, [rows[at] for at in kept], said, ids, numeric, columns, lost)


def understood(targets: Sequence[Any]) -> tuple[bool, list[Any]]:
    """Whether the targets of all steps are numbers, and those of each row as `StepRows` holds them.

    Names and whole numbers are classes, though many different whole numbers are a quantity; other numbers are numbers.

    Args:
        targets: for each row.

    Example:
        >>> understood([[0, 1], [1.0, None]])
        (False, [['0', '1'], ['1', None]])
        >>> understood([[0.5, float("nan")]])[1][0].tolist()
        [[0.5], [nan]]
    """
    plain = [np.asarray(row).tolist() if hasattr(row, "dtype") else list(row) for row in targets]
    if any(isinstance(each, (list, tuple)) for row in plain for each in row[:1]):
        return True, [_floats(row) for row in plain]
    there = [each for row in plain for each in row if not _is_missing(each)]
    if not there:
        raise DataError("Not one step has a target", expected="a name or a number for each step")
    texts = any(isinstance(each, str) for each in there)
    if not texts and interpret(np.asarray(there)).task == "number":
        return True, [_floats([np.nan if _is_missing(each) else each for each in row]) for row in plain]
    return False, [[None if _is_missing(each) else as_text(each) for each in row] for row in plain]


def _is_missing(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and value != value)


def _floats(row: Sequence[Any]) -> NDArray[np.float64]:
    try:
        values = np.asarray(row, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError("The targets of the steps are not numbers", expected="numbers", got=str(error)[:80]) from error
    return values[:, None] if values.ndim == 1 else values


def _series(
    name: str,
    rows: Sequence[Any],
    targets: Sequence[Any],
    ids: Sequence[str],
    numeric: bool,
    columns: tuple[str, ...],
    lost: Iterable[Excluded],
) -> StepRows:
    values = [_of_channels(row, name) for row, name in zip(rows, ids, strict=True)]
    widths = {value.shape[1] for value in values}
    if len(widths) > 1:
        raise DataError("The series differ in how many channels they have", expected="as many in each", got=sorted(widths))
    width = widths.pop()
    channels = ("value",) if width == 1 else tuple(f"channel {number}" for number in range(1, width + 1))
    return filled(StepRows(name, values, targets, ids, numeric, channels, columns, lost=tuple(lost)))


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
        notes=raw.notes if notes is None else notes,
        lost=raw.lost if lost is None else lost,
    )


def _of_channels(row: Any, name: str) -> NDArray[np.float64]:
    row = row.detach().cpu().numpy() if hasattr(row, "detach") else row
    try:
        values = np.asarray(row, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{name} is neither a list of words nor a series of numbers", expected="words, or [T, C]", got=str(error)[:80]
        ) from error
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2:
        raise DataError(f"{name} is no series", expected="[T, C] or [T]", got=f"shape {list(values.shape)}")
    return values


def _bytes_of(row: Any) -> bytes:
    if isinstance(row, np.ndarray):
        return row.tobytes()
    return "\x1f".join("\x1e" if each is None else each for each in row).encode(errors="surrogatepass")


def cut_long(raw: StepRows, longest: int) -> tuple[StepRows, NDArray[np.int64]]:
    """Rows of more than `longest` steps in pieces of nearly equal length, and the number of the row that each piece is of.

    Pieces of one row stay in one split, unless there are fewer than three rows: then each is divided by its time.

    Args:
        raw: whole rows.
        longest: steps of a piece at most.

    Example:
        >>> raw = StepRows("a", [["a", "b", "c", "d", "e"], ["f"]], [list("vwxyz"), ["v"]], ["a:1", "a:7"])
        >>> pieces, of = cut_long(raw, 3)
        >>> pieces.rows, pieces.ids, of.tolist()
        ([['a', 'b', 'c'], ['d', 'e'], ['f']], ['a:1', 'a:1 from 4', 'a:7'], [0, 0, 1])
    """
    whole = np.arange(len(raw), dtype=np.int64)
    if max(map(len, raw.rows)) <= longest:
        return raw, whole
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
    return (
        replace(
            cut,
            targets=targets,
            ids=ids,
            groups=None if few else of if cut.groups is None else cut.groups,
            order=np.array(place, np.int64) if few else cut.order,
            notes=(*cut.notes, note),
        ),
        of,
    )
