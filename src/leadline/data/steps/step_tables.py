"""Tables with a row for each step: columns of channels or of words, a column that names the row, a target for each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from leadline.data.dataset import Excluded
from leadline.data.steps.step_arrays import understood
from leadline.data.steps.step_rows import StepRows, filled
from leadline.data.tables.cells import Cells
from leadline.data.tables.date_text import date_formats
from leadline.data.tables.frame import Frame
from leadline.errors import DataError, nearest

if TYPE_CHECKING:
    import polars as pl

_NUMERIC = 0.95  # of the cells that hold anything
_TIMES = frozenset({"time", "t", "step", "index", "timestamp", "date", "datetime", "frame", "sample", "tick"}) | {
    unit + end for unit in ("second", "minute", "hour", "day") for end in ("", "s")
}
_LEAVE_OUT = "leave out"


def step_rows_of(
    frame: Frame,
    *,
    target: str = "",
    group: str = "",
    time: str = "",
    kinds: Mapping[str, str] | None = None,
    channels: Sequence[str] | None = None,
    words: str = "",
    unlabelled: bool = False,
) -> StepRows:
    """The rows that the steps of a table make, in the order of the table or of its time.

    Numbers are channels. Where no column holds numbers, the one with the most different words is read as sentences. A group
    that is empty is that of the step before, as tables of tagged words have it.

    Args:
        frame: the steps.
        target: the column, or several of numbers, that each step is to be answered with; the last one where "".
        group: the column that names the row of a step; without it all steps of a file are one row.
        time: the column by which steps are sorted within their row.
        kinds: column → kind, where a person chose it: "leave out", or "number" and "category" for the target.
        channels: the names of the channels, for a training that exists.
        words: the column of the words, likewise.
        unlabelled: whether the target may be missing.

    Errors: `DataError` for a column that there is not, or where nothing is left to learn from.

    Example:
        >>> import polars as pl
        >>> from leadline.data.tables.frame import RowIds
        >>> data = pl.DataFrame({"day": ["a", "a", "b"], "x": ["1", "2", "3"], "on": ["no", "yes", "no"]})
        >>> frame = Frame(data, RowIds.of("walk.csv", np.arange(2, 5)), digest="", name="walk")
        >>> raw = step_rows_of(frame, group="day")
        >>> raw.channels, raw.targets, raw.ids
        (('x',), [['no', 'yes'], ['no']], ['a', 'b'])
    """
    data, kinds = frame.data, kinds or {}
    names = _targets(data, target, unlabelled=unlabelled)
    for what, name in (("group", group), ("time", time)):
        if name:
            _check(data, name, what, names)
    order, of, ids = _grouped(frame, group, time)
    left = [name for name in data.columns if name not in (*names, group, time) and kinds.get(name) != _LEAVE_OUT]
    numbers = {} if words else _numbers(data, left, channels)
    if words:
        _check(data, words, "words", names)
    column = "" if numbers else words or _words(data, left, frame)
    bounds = np.flatnonzero(np.diff(of, prepend=-1, append=-2))
    spans = [order[begin:end] for begin, end in pairwise(bounds.tolist())]
    if numbers:
        values = np.stack(list(numbers.values()), axis=1)
        rows: list[object] = [values[span] for span in spans]
    else:
        text = Cells(data[column]).text.fill_null("").to_list()
        rows = [[text[at] for at in span.tolist()] for span in spans]
    numeric, targets, columns = _answers(data, names, spans, kinds)
    left_out = [name for name in left if name not in numbers and name != column]
    note = f"Columns that were left out: {', '.join(left_out[:8])}{' …' if len(left_out) > 8 else ''}."
    raw = StepRows(
        frame.name,
        rows,
        targets,
        ids,
        numeric,
        channels=tuple(numbers) if numbers else None,
        columns=columns,
        word_column=column,
        target=",".join(names),
        group=group,
        time=time,
        parts=None if frame.parts is None else frame.parts[[int(span[0]) for span in spans]],
        notes=(*frame.notes, *([note] if left_out and channels is None and not words else [])),
        lost=tuple(frame.excluded),
    )
    return filled(raw) if numbers else _without_blanks(raw)


def _targets(data: pl.DataFrame, target: str, *, unlabelled: bool) -> list[str]:
    if not target:
        return [data.columns[-1]]
    names = [target] if target in data.columns else [name.strip() for name in target.split(",")]
    names = [
        data.columns[int(name) - 1] if name not in data.columns and name.isdigit() and 1 <= int(name) <= data.width else name
        for name in names
    ]
    if unlabelled and not set(names) & set(data.columns):
        return []
    for name in names:
        _check(data, name, "target", [])
    return names


def _check(data: pl.DataFrame, name: str, what: str, targets: Sequence[str]) -> None:
    if name not in data.columns:
        close = nearest(name, data.columns)
        expected = "one of " + ", ".join(data.columns[:12])
        raise DataError(
            f"There is no column {name!r} for the {what}", expected=expected, do=f"Did you mean {close!r}?" if close else None
        )
    if name in targets:
        raise DataError(f"The {what} {name!r} is the target, too", expected="two different columns")


def _grouped(frame: Frame, group: str, time: str) -> tuple[NDArray[np.int64], NDArray[np.int64], list[str]]:
    """The steps in the order of their rows, the number of the row of each, and the names of the rows."""
    data = frame.data
    of = np.zeros(data.height, np.int64)
    # Steps of several files, or of parts, are never one row.
    sources = getattr(frame.ids, "which", None)
    apart = [str(each) for each in sources.tolist()] if sources is not None else [""] * data.height
    names: list[str] = [frame.name] * data.height
    if group:
        text = Cells(data[group]).text.fill_null(strategy="forward").to_list()
        if text and text[0] is None:
            raise DataError(f"The first step has no group {group!r}", expected="the name of its row", got="nothing")
        names = [str(name) for name in text]
    places: dict[tuple[str, str], int] = {}
    told: list[str] = []
    for at, key in enumerate(zip(apart, names, strict=True)):
        if key not in places:
            places[key] = len(places)
            told.append(key[1])
        of[at] = places[key]
    moments = _moments(Cells(data[time]), time) if time else np.arange(data.height, dtype=np.float64)
    order = np.lexsort((moments, of))
    doubles = len(set(told)) < len(told)
    return order, of[order], [f"{name} ({apart})" if doubles else name for apart, name in places]


def _moments(cells: Cells, name: str) -> NDArray[np.float64]:
    import polars as pl

    numbers = cells.numbers(cells.decimal)
    if np.isfinite(numbers).sum() >= _NUMERIC * cells.present.sum() > 0:
        return np.nan_to_num(numbers, nan=np.inf)
    if cells.is_date or date_formats(cells.text):
        return np.asarray(cells.dates(()).to_physical().cast(pl.Float64).fill_null(np.inf).to_numpy(), np.float64)
    raise DataError(f"The column {name!r} tells no time", expected="dates or numbers")


def _numbers(data: pl.DataFrame, left: Sequence[str], channels: Sequence[str] | None) -> dict[str, NDArray[np.float64]]:
    """The columns of numbers by name; those of a training that exists, or those that are, but for a count of the steps."""
    for name in channels or ():
        if name not in data.columns:
            close = nearest(name, data.columns)
            raise DataError(
                f"There is no column {name!r}, which the training had",
                expected=", ".join((channels or ())[:12]),
                do=f"Did you mean {close!r}?" if close else None,
            )
    cells = {name: Cells(data[name]) for name in channels or left}
    values = {name: each.numbers(each.decimal) for name, each in cells.items() if channels is not None or _are_numbers(each)}
    counts = [] if channels is not None else [name for name in values if name.casefold() in _TIMES and _rises(values[name])]
    return {name: each for name, each in values.items() if name not in counts}


def _are_numbers(cells: Cells) -> bool:
    """Whether nearly all cells that hold anything hold a number."""
    return bool(cells.numeric.sum() >= _NUMERIC * cells.present.sum() > 0)


def _rises(values: NDArray[np.float64]) -> bool:
    """Whether the values count up, row after row: nearly every step is above the one before."""
    return len(values) > 1 and float((np.diff(values) > 0).mean()) > 0.5


def _words(data: pl.DataFrame, left: Sequence[str], frame: Frame) -> str:
    texts = [name for name in left if (cells := Cells(data[name])).present.any() and not _are_numbers(cells)]
    if not texts:
        raise DataError(
            f"{frame.name} has no column to learn from",
            expected="columns of numbers, or one of words",
            got=", ".join(data.columns),
        )
    return max(texts, key=lambda name: Cells(data[name]).text.n_unique())


def _answers(
    data: pl.DataFrame, names: Sequence[str], spans: Sequence[NDArray[np.int64]], kinds: Mapping[str, str]
) -> tuple[bool, list[object], tuple[str, ...]]:
    """Whether the targets are numbers, those of each row, and the names of their columns."""
    if not names:
        return False, [[None] * len(span) for span in spans], ("value",)
    cells = [Cells(data[name]) for name in names]
    of_numbers = all(
        kinds.get(name) == "number" or (kinds.get(name) != "category" and _are_numbers(each))
        for name, each in zip(names, cells, strict=True)
    )
    if len(names) > 1 and not of_numbers:
        raise DataError("Several targets for each step must all be numbers", expected="one column of classes, or of numbers")
    if not of_numbers:
        text = cells[0].text.to_list()
        return False, [[text[at] for at in span.tolist()] for span in spans], (names[0],)
    values = np.stack([each.numbers(each.decimal) for each in cells], axis=1)
    if len(names) > 1 or kinds.get(names[0]) == "number":
        return True, [values[span] for span in spans], tuple(names)
    numeric, targets = understood([values[span, 0] for span in spans])
    return numeric, targets, (names[0],)


def _without_blanks(raw: StepRows) -> StepRows:
    """Steps whose word is empty are passed over; rows of nothing else are lost."""
    rows, targets, ids, kept, lost = [], [], [], [], list(raw.lost)
    for at, (words, answers) in enumerate(zip(raw.rows, raw.targets, strict=True)):
        there = [place for place, word in enumerate(words) if word]
        if not there:
            lost.append(Excluded(raw.ids[at], "it has no words"))
            continue
        kept.append(at)
        ids.append(raw.ids[at])
        rows.append([words[place] for place in there])
        targets.append(answers[there] if raw.numeric else [answers[place] for place in there])
    if not rows:
        raise DataError(f"{raw.name} holds no words", expected=f"words in its column {raw.word_column!r}", got="empty cells")
    parts = None if raw.parts is None else raw.parts[kept]
    return replace(raw, rows=rows, targets=targets, ids=ids, parts=parts, lost=tuple(lost))
