"""Targets of a table: which columns are to be learned, and what their cells say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from leadline.data.answers import Answers, Classes, Labels
from leadline.data.tables.cells import Cells
from leadline.data.tables.number_text import SURELY_MISSING
from leadline.errors import DataError, nearest

if TYPE_CHECKING:
    import polars as pl

_USUAL = ("target", "label", "labels", "class", "y", "outcome", "response", "species")
_YES = ("yes", "y", "true", "t", "1", "on")
_NO = ("no", "n", "false", "f", "0", "off")
FEW = 20  # up to so many different whole numbers are classes
_SHARE = 0.95
_LARGEST = 3e38  # what float32 holds
_SHOWN = 15
_FOREIGN = "If the names look wrong, say how the file is encoded: --set data.encoding=cp1251, for instance."


@dataclass(frozen=True)
class Targets:
    """What is to be learned: `values` is text [N] for classes, float64 [N, L] of 0 and 1 for labels, [N, M] for numbers.

    `bad` says of rows why their target cannot be used; `note` how the task was told; `decimals` are the marks of numbers.
    """

    names: tuple[str, ...]
    values: NDArray[Any]
    task: str
    note: str | None = None
    bad: dict[int, str] = field(default_factory=dict)
    decimals: tuple[str, ...] = ()


def choose_targets(frame: pl.DataFrame, wanted: str | None) -> tuple[tuple[str, ...], str | None]:
    """The names of the target columns, and a note where nobody named them.

    Args:
        frame: all columns.
        wanted: a name, several separated by commas, or the number of a column, from 1, or from −1 at the end.

    Raises:
        DataError: there is no such column (the nearest one is named), or none is named and none is the only candidate.

    Example:
        >>> import polars as pl
        >>> choose_targets(pl.DataFrame({"size": [1], "price": [2]}), "price")
        (('price',), None)
        >>> choose_targets(pl.DataFrame({"size": [1], "label": [2]}), None)
        (('label',), "The target is the column 'label', the only one with a usual name for it; --target names another.")
    """
    columns = frame.columns
    if wanted is not None:
        names = [wanted] if wanted in columns else [name.strip() for name in wanted.split(",")]
        return tuple(dict.fromkeys(_column(name, columns) for name in names)), None
    usual = [name for name in columns if name.strip().casefold() in _USUAL]
    if len(usual) == 1:
        return (usual[0],), (
            f"The target is the column {usual[0]!r}, the only one with a usual name for it; --target names another."
        )
    # The target often stands last.
    shown = columns if len(columns) <= _SHOWN else [*columns[: _SHOWN - 3], *columns[-3:]]
    listed = ", ".join(f"{name!r} ({_first(frame[name])})" for name in shown)
    more = f"; {len(columns) - _SHOWN:,} in between are not shown" if len(columns) > _SHOWN else ""
    raise DataError(
        "It is not clear which column is to be learned"
        + (f" ({', '.join(map(repr, usual))} have usual names for it)" if usual else ""),
        expected=f"one of the columns {listed}{more}",
        do="Name it with --target COLUMN (target=… in Python); several are separated by commas. What comes next in time "
        "is forecast by --forecast STEPS.",
    )


def _column(name: str, columns: Sequence[str]) -> str:
    if name in columns:
        return name
    if name.lstrip("-").isdecimal() and name.lstrip("-") and 1 <= abs(int(name)) <= len(columns):
        return columns[int(name) - 1 if int(name) > 0 else int(name)]
    folded = [each for each in columns if each.casefold() == name.casefold()]
    close = folded[0] if folded else nearest(name, columns)
    foreign = "" if name.isascii() else f" {_FOREIGN}"
    raise DataError(
        f"There is no column {name!r}",
        expected="one of " + ", ".join(map(repr, columns[:_SHOWN])) + (" …" if len(columns) > _SHOWN else ""),
        do=(f"Did you mean {close!r}?" if close else "") + foreign or None,
    )


def _first(series: pl.Series) -> str:
    text = next((str(value) for value in series.head(100).drop_nulls()), "empty")
    return text if len(text) <= 16 else text[:15] + "…"


def read_targets(frame: pl.DataFrame, names: Sequence[str], task: str | None = None) -> Targets:
    """What the target columns say; the task is told from them where it is None.

    One column is a number when it holds numbers that are not whole, or more than 20 different whole ones; else it names
    classes. Several columns are labels when each holds yes and no (or 1 and 0), else numbers.

    Raises:
        DataError: nothing could be learned: no value, one and the same value, as many classes as rows, no numbers.

    Example:
        >>> import polars as pl
        >>> read_targets(pl.DataFrame({"sold": ["yes", "no", None]}), ["sold"]).values.tolist()
        ['yes', 'no', '']
    """
    columns = [target_cells(frame[name]) for name in names]
    for name, cells in zip(names, columns, strict=True):
        if not cells.present.any():
            raise DataError(f"The target {name!r} has no value in any row", expected="a value to learn in most rows")
        if cells.text.drop_nulls().n_unique() == 1:
            raise DataError(
                f"The target {name!r} is constant: there is nothing to learn", got=f"always {cells.text.drop_nulls()[0]!r}"
            )
    if len(names) > 1 or task == "labels":
        return _several(tuple(names), columns, task)
    return _one(names[0], columns[0], task)


def reread_targets(frame: pl.DataFrame, names: Sequence[str], answers: Answers, decimals: Sequence[str] = ()) -> Targets:
    """The same for a training that exists: what its answers are, and how its numbers are written, is known.

    Raises:
        DataError: a target column is not there, or holds something else.
    """
    lacking = [name for name in names if name not in frame.columns]
    if lacking:
        close = nearest(lacking[0], frame.columns)
        raise DataError(
            f"The rows lack the target {lacking[0]!r}, so answers cannot be compared with it",
            do=f"Is {close!r} meant?" if close else "Use leadline predict for rows without it.",
        )
    columns = [target_cells(frame[name]) for name in names]
    if isinstance(answers, Classes):
        cells = columns[0]
        known = np.array(["", *answers.names])[cells.codes(answers.names)]
        values = np.where(known == "", _texts(cells), known)  # what differs by capitals alone is known all the same
        return Targets(tuple(names), without_dots(values, answers.names)[0], "classes", None, _without_value(cells, names[0]))
    return _labels(tuple(names), columns) if isinstance(answers, Labels) else _numbers(tuple(names), columns, None, decimals)


def target_cells(series: pl.Series) -> Cells:
    """The cells of a target: where they are no numbers, "none" or "-" may be a class, and only what surely is missing is.

    Example:
        >>> import polars as pl
        >>> target_cells(pl.Series(["none", "mild", "NA"])).text.to_list()
        ['none', 'mild', None]
    """
    cells = Cells(series)
    if not cells.is_text or np.isfinite(cells.numbers(cells.decimal)).sum() >= _SHARE * max(1, cells.present.sum()):
        return cells
    return Cells(series, SURELY_MISSING)


def _texts(cells: Cells) -> NDArray[np.str_]:
    return cells.text.fill_null("").to_numpy().astype(str)


def without_dots(values: NDArray[Any], known: Sequence[str]) -> tuple[NDArray[Any], int]:
    """Class names [N] without a full stop at their end where only so they are known; and how many were changed.

    Example:
        >>> without_dots(np.array(["<=50K.", ">50K"]), ["<=50K", ">50K"])
        (array(['<=50K', '>50K'], dtype='<U6'), 1)
    """
    strange = [name for name in np.unique(values).tolist() if name not in known and name.endswith(".") and name[:-1] in known]
    changed = np.isin(values, strange)
    return np.where(changed, np.char.rstrip(values.astype(str), "."), values) if strange else values, int(changed.sum())


def _one(name: str, cells: Cells, task: str | None) -> Targets:
    values = cells.numbers(cells.decimal)
    numeric = (
        not cells.is_date and np.isfinite(values).sum() >= _SHARE * cells.present.sum() and cells.series.dtype != _boolean()
    )
    if task == "number" or (task is None and numeric):
        known = values[np.isfinite(values)]
        different = len(np.unique(known))
        whole = bool(len(known)) and bool((known == np.rint(known)).all())
        if task == "number" or not whole or different > FEW:
            rule = f"{name!r} holds {different:,} different whole numbers: more than {FEW} are a number to predict"
            note = f"{rule}, up to {FEW} are classes (--task classes decides otherwise)." if task is None and whole else None
            return _numbers((name,), [cells], note)
        rule = f"{name!r} holds {different} different whole numbers: up to {FEW} are classes"
        return _classes(name, cells, f"{rule}, more are a number to predict (--task number decides otherwise).")
    return _classes(name, cells, None)


def _classes(name: str, cells: Cells, note: str | None) -> Targets:
    values = _texts(cells)
    different, present = cells.text.drop_nulls().n_unique(), int(cells.present.sum())
    if different > max(FEW, present // 2):
        shown = ", ".join(map(repr, cells.text.drop_nulls().unique(maintain_order=True).head(3).to_list()))
        raise DataError(
            f"The target {name!r} has {different:,} different values in {present:,} rows, too few of each to learn one",
            expected="classes that recur, or numbers",
            got=f"{shown} …",
            do="Choose another column with --target"
            + (", or --task number." if cells.numeric.sum() >= _SHARE * present else "."),
        )
    return Targets((name,), values, "classes", note, _without_value(cells, name))


def _several(names: tuple[str, ...], columns: list[Cells], task: str | None) -> Targets:
    if task == "classes":
        raise DataError(
            "Several columns cannot be the classes of one target", expected="one column, or the task labels or number"
        )
    if task == "labels" or (task is None and all(_yes_no(cells) is not None for cells in columns)):
        return _labels(names, columns)
    return _numbers(names, columns, None)


def _labels(names: tuple[str, ...], columns: list[Cells]) -> Targets:
    found: list[NDArray[np.float64]] = []
    bad: dict[int, str] = {}
    for name, cells in zip(names, columns, strict=True):
        values = _yes_no(cells)
        if values is None:
            strange = [text for text in cells.text.drop_nulls().unique() if text.casefold() not in (*_YES, *_NO)]
            raise DataError(
                f"The target {name!r} is no label", expected="yes and no, true and false, or 1 and 0", got=f"{strange[0]!r}"
            )
        found.append(values)
        bad |= _without_value(cells, name)
    return Targets(names, np.stack(found, axis=1), "labels", None, bad)


def _yes_no(cells: Cells) -> NDArray[np.float64] | None:
    """1 for yes, 0 for no (and for missing, whose rows are set aside); None where anything else stands there."""
    text = cells.text.str.to_lowercase()
    yes, no = (np.asarray(text.is_in(list(words)).fill_null(False).to_numpy()) for words in (_YES, _NO))
    return yes.astype(np.float64) if bool((yes | no | ~cells.present).all()) else None


def _numbers(names: tuple[str, ...], columns: list[Cells], note: str | None, decimals: Sequence[str] = ()) -> Targets:
    decimals = tuple(decimals) or tuple(cells.decimal for cells in columns)
    found: list[NDArray[np.float64]] = []
    bad: dict[int, str] = {}
    for name, cells, decimal in zip(names, columns, decimals, strict=True):
        values = cells.numbers(decimal)
        readable = np.isfinite(values)
        if cells.is_date or readable.sum() < _SHARE * cells.present.sum():
            strange = cells.text_where(~readable & cells.present).head(1).to_list() or cells.text.drop_nulls().to_list()
            several = " (labels need yes and no, or 1 and 0, in each column)" if len(names) > 1 else ""
            raise DataError(f"The target {name!r} is no number", expected=f"numbers{several}", got=repr(strange[0]))
        bad |= _without_value(cells, name)
        bad |= dict.fromkeys(np.flatnonzero(~readable & cells.present).tolist(), f"its {name!r} is no number")
        huge = np.abs(np.where(readable, values, 0)) > _LARGEST
        bad |= dict.fromkeys(np.flatnonzero(huge).tolist(), f"its {name!r} is beyond what 32 bits hold")
        # Rows that are set aside get the value of a sound one, which is not read.
        sound = readable & ~huge
        if not sound.any():
            raise DataError(
                f"The target {name!r} has no number that 32 bits hold",
                expected="numbers up to 3e38",
                do="Divide it by a large number first.",
            )
        found.append(np.where(sound, values, values[sound][0]))
    return Targets(names, np.stack(found, axis=1), "number", note, bad, decimals)


def _without_value(cells: Cells, name: str) -> dict[int, str]:
    return dict.fromkeys(np.flatnonzero(~cells.present).tolist(), f"it has no {name!r}")


def _boolean() -> Any:
    import polars as pl

    return pl.Boolean
