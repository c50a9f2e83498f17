"""Rows in memory of which each step has a target: lists of words, or arrays, beside lists of targets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.data.answers import as_text
from leadline.data.dataset import Excluded
from leadline.data.labelling import interpret
from leadline.data.steps.step_rows import StepRows, filled
from leadline.errors import DataError


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
    rows, answers = _listed(inputs, "rows"), _listed(targets, "targets")
    if len(rows) != len(answers):
        got = f"{len(rows):,} rows and {len(answers):,} lists of targets"
        raise DataError("The rows and the targets differ in number", expected="a list of targets for each row", got=got)
    for at, (row, said) in enumerate(zip(rows, answers, strict=True)):
        _check_row(at, row, said)
    lost = [Excluded(f"row:{at}", "it has no steps") for at, row in enumerate(rows) if not len(row)]
    kept = [at for at, row in enumerate(rows) if len(row)]
    if not kept:
        raise DataError("Not one row has a step", expected="rows of words or of numbers", got=f"{len(rows):,} empty ones")
    sentences = all(isinstance(word, str) for at in kept for word in rows[at])
    ids = [f"row:{at}" for at in kept]
    numeric, said = understood([answers[at] for at in kept])
    width = said[0].shape[1] if numeric else 1
    columns = ("value",) if width == 1 else tuple(f"value {number}" for number in range(1, width + 1))
    if sentences:
        words = [[str(word) for word in rows[at]] for at in kept]
        return StepRows(name, words, said, ids, numeric, columns=columns, lost=tuple(lost))
    return _series(name, [rows[at] for at in kept], said, ids, numeric, columns, lost)


def _listed(given: Any, what: str) -> list[Any]:
    if not hasattr(given, "__iter__") or isinstance(given, str):
        got = "none" if given is None else repr(given)[:80]
        raise DataError(f"The {what} are no list", expected="rows, and for each of them a list of targets, one a step", got=got)
    return list(given)


def _check_row(number: int, row: Any, targets: Any) -> None:
    """Refuse what is no row of steps with a target for each."""
    if not _is_row(row):
        raise DataError(
            f"Row {number} is no row of steps",
            expected="a list of words, or an array [T, C]",
            got=repr(row)[:80],
            do="Divide the text into its words: text.split()." if isinstance(row, str) else None,
        )
    if not _is_row(targets) or len(row) != len(targets):
        raise DataError(
            f"Row {number} has not one target for each step",
            expected=f"{len(row):,} targets, one for each step",
            got=f"{len(targets):,} targets" if _is_row(targets) else repr(targets)[:80],
        )


def _is_row(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, (str, bytes)) and getattr(value, "shape", None) != ()


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
        rows = [_floats(row) for row in plain]
        if len(shapes := {row.shape[1:] for row in rows}) > 1 or len(next(iter(shapes))) > 1:
            got = ", ".join(sorted(map(str, shapes))[:3])
            raise DataError("The targets of the steps are no numbers [T, M] of one width M", got=f"shapes {got} of a step")
        return True, rows
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
