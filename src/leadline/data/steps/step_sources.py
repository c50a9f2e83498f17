"""Where rows come from of which each step has a target: files of tagged words, tables of steps, lists in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from leadline.data.arrays import is_narrow
from leadline.data.sources import SEPARATOR, Reading, frame_of, nowhere
from leadline.data.steps.step_arrays import step_rows_from
from leadline.data.steps.step_rows import StepRows
from leadline.data.steps.step_tables import step_rows_of
from leadline.data.steps.tagged_files import ENDINGS, is_tagged, read_tagged
from leadline.data.tables.frame import Frame
from leadline.errors import ArgumentError, DataError

_LOOKED_AT = 50  # rows


def is_step_source(source: Any, targets: Any = None) -> bool:
    """Whether a source surely has a target for each step: a file of tagged words, or rows in memory beside lists as long.

    Args:
        source: as `load` takes it.
        targets: likewise.

    Example:
        >>> import numpy as np
        >>> is_step_source([["Hi", "Tom"], ["No"]], [["UH", "NNP"], ["UH"]]), is_step_source([["Hi", "Tom"]], ["greeting"])
        (True, False)
        >>> is_step_source([np.zeros((3, 2)), np.zeros((2, 2))], [[0, 1, 1], [0, 0]])
        True
        >>> is_step_source([np.zeros((3, 1))] * 2, [[0, 1, 1], [0, 0, 1]]), is_step_source(np.zeros((3, 3)), np.eye(3))
        (True, False)
    """
    if targets is None and isinstance(source, tuple) and len(source) == 2 and not isinstance(source[0], (str, Path)):
        source, targets = source
    if targets is None:
        return is_tagged(source)
    lists = (list, tuple)
    if not isinstance(source, lists) or not isinstance(targets, lists) or len(source) != len(targets):
        return False
    some = [(row, said) for row, said in zip(source[:_LOOKED_AT], targets, strict=False) if _has_any(row) or _has_any(said)]
    if not some or not all(isinstance(said, lists) or getattr(said, "shape", ()) for _, said in some):
        return False
    if all(isinstance(row, lists) and all(isinstance(word, str) for word in row) for row, _ in some):
        return True  # words and a list beside them are nothing else, whatever its length
    shaped = all(hasattr(row, "shape") and 1 <= len(row.shape) <= 2 for row, _ in some)
    if not shaped or not all(len(row) == len(said) for row, said in some):
        return False
    return len({len(row) for row, _ in some}) > 1 or all(is_narrow((1, *row.shape)) for row, _ in some)


def _has_any(row: Any) -> bool:
    return not hasattr(row, "__len__") or getattr(row, "shape", None) == () or len(row) > 0


def raw_steps(
    source: Any,
    targets: Any = None,
    *,
    target: str = "",
    group: str = "",
    time: str = "",
    columns: Mapping[str, str] | None = None,
    header: bool | None = None,
    encoding: str | None = None,
) -> StepRows:
    """The rows of a source and the targets of their steps, as they were read.

    Args:
        source: as `load_steps` takes it, and so are the others.
        targets: for rows in memory.
        target: the column of the tags or of the table.
        group: of a table, the column that names rows.
        time: of a table, the column by which steps are sorted.
        columns: of a table: name → kind.
        header: whether a csv begins with names.
        encoding: of the files.

    Errors: `SourceNotFoundError` where a path leads nowhere, `ArgumentError` for what such a source does not have, `DataError`
    for what cannot be used.

    Example:
        >>> raw_steps([["Hi", "Tom"]], [["UH", "NNP"]]).steps
        2
    """
    source, targets, frame = _opened(source, targets, header, encoding)
    if frame is not None:
        return step_rows_of(frame, target=target, group=group, time=time, kinds=columns)
    if given := [name for name, value in {"group": group, "time": time, "columns": columns}.items() if value]:
        raise ArgumentError(f"Only a table has a {given[0]}", expected="a csv, tsv or parquet file", got=str(source)[:80])
    if isinstance(source, Path):
        return read_tagged(source, target=target, encoding=encoding)
    if target:
        raise ArgumentError("Rows in memory bring their targets", expected="no target", got=target)
    return step_rows_from(source, targets)


def raw_steps_again(
    source: Any,
    targets: Any = None,
    *,
    target: str = "",
    group: str = "",
    time: str = "",
    columns: Mapping[str, str] | None = None,
    channels: Sequence[str] | None = None,
    words: str = "",
) -> StepRows:
    """The same for a training that exists; what it read of its table is asked of tables alone.

    Args:
        source: as `raw_steps` takes it, and so are the others.
        targets: for rows in memory.
        target: the columns that the training learned.
        group: of a table, the column that names rows.
        time: of a table, the column by which steps are sorted, where there is one.
        columns: of a table: name → kind.
        channels: of a table, the columns of numbers.
        words: of a table, the column of words.

    Errors: as `raw_steps`.

    Example:
        >>> raw_steps_again([["Hi", "Tom"]], [["UH", "NNP"]], group="sentence").steps
        2
    """
    source, targets, frame = _opened(source, targets, None, None)
    if frame is not None:
        time = time if time in frame.data.columns else ""
        return step_rows_of(frame, target=target, group=group, time=time, kinds=columns, channels=channels, words=words)
    return read_tagged(source, target=target, again=True) if isinstance(source, Path) else step_rows_from(source, targets)


def _opened(source: Any, targets: Any, header: bool | None, encoding: str | None) -> tuple[Any, Any, Frame | None]:
    """A source with its targets, a path to tagged words as a Path, and the table that it is, if it is one."""
    if isinstance(source, tuple) and len(source) == 2 and targets is None and not isinstance(source[0], (str, Path)):
        source, targets = source
    if not isinstance(source, (str, Path)):
        return source, targets, None if targets is not None else frame_of(source, Reading(header=header, encoding=encoding))
    if targets is not None:
        raise ArgumentError("A path brings its own targets", do="Name their column: target='column'.")
    paths = [Path(each).expanduser() for each in str(source).split(SEPARATOR)]
    for each in paths:
        if not each.exists():
            raise nowhere(str(each), each.absolute())
    if len(paths) == 1 and (is_tagged(paths[0]) or paths[0].suffix.lower() in ENDINGS):
        return paths[0], None, None
    frame = frame_of(source, Reading(header=header, encoding=encoding))
    if frame is None and len(paths) > 1:
        raise DataError("Several files must be tables", expected="one file of tagged words, or a folder", got=len(paths))
    return paths[0], None, frame
