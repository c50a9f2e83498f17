"""Rows of steps for a Schema that exists: with their targets, to judge by, or without, to answer for."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from leadline.data.dataset import Split
from leadline.data.raw import PARTS, set_aside
from leadline.data.schema import Schema
from leadline.data.series.series import Series
from leadline.data.sources import Reading, frame_of
from leadline.data.steps.step_answers import StepClasses, StepNumbers
from leadline.data.steps.step_loading import about_strangers, step_split
from leadline.data.steps.step_rows import StepRows, taken
from leadline.data.steps.step_sources import raw_steps_again
from leadline.data.steps.step_tables import step_rows_of
from leadline.data.steps.tagged_sentences import Sentences
from leadline.errors import DataError


def read_steps(source: Any, schema: Schema, *, targets: Any = None, part: str | None = None) -> Split:
    """Rows with their targets for a Schema that exists: the test part where the source has parts, else all. None is cut.

    Args:
        source: as `load_steps` takes it.
        schema: of a training with an answer for each step.
        targets: for rows in memory.
        part: "train", "valid" or "test", where the source has parts.

    Errors: `DataError` where the rows are of another kind, or nothing in them is an answer that the training knew.

    Example:
        >>> from leadline.data.steps.step_loading import load_steps
        >>> schema = load_steps([["so", "it"] * n for n in range(1, 9)], [["a", "b"] * n for n in range(1, 9)]).schema
        >>> read_steps([["it", "so", "so"]], schema, targets=[["b", "a", "z"]]).targets.values.tolist()
        [1, 0, -1]
    """
    inputs, answers = schema.inputs, schema.answers
    assert isinstance(inputs, (Sentences, Series))
    assert isinstance(answers, (StepClasses, StepNumbers))
    # Whole numbers that the training took for classes, or for numbers, are that, however many there are here.
    names = answers.names if isinstance(answers, StepNumbers) else (answers.target,)
    kind = "number" if isinstance(answers, StepNumbers) else "category"
    raw = raw_steps_again(
        source,
        targets,
        target=answers.target,
        group=answers.group,
        time=answers.time,
        columns=dict.fromkeys(names, kind),
        channels=inputs.channels if isinstance(inputs, Series) else None,
        words=inputs.column if isinstance(inputs, Sentences) else "",
    )
    if raw.sentences != isinstance(inputs, Sentences):
        raise DataError("The rows are not like those of the training", expected=inputs.describe(), got="rows of another kind")
    if raw.parts is not None and (part or "test" in raw.parts):
        raw = taken(raw, np.flatnonzero(raw.parts == (part or "test")))
    if not len(raw):
        raise DataError(f"The source has no part {part!r}", expected="one of " + ", ".join(PARTS))
    set_aside(raw.ids, {}, raw.lost)
    split = step_split(raw, np.arange(len(raw)), inputs, answers)
    values: Any = split.targets.values
    if isinstance(answers, StepClasses) and not (values >= 0).any():
        found = Counter(split.strange.values())
        raise DataError(
            "Not one of the answers is one that the training knew",
            expected="some of " + ", ".join(answers.names[:20]),
            got=", ".join(found)[:200] or "none at all",
        )
    return replace(split, notes=(*raw.notes, *about_strangers({"the rows": split})))


def unlabelled_rows(source: Any, schema: Schema) -> StepRows:
    """Rows of a file to answer for, whose targets may be missing: a table, or a file of words, one on each line.

    Args:
        source: a csv, tsv or parquet file, or a data frame.
        schema: of a training with an answer for each step.

    Errors: `DataError` where the file holds no rows of the kind that the training had.

    Example:
        >>> from leadline.data.steps.step_loading import load_steps
        >>> import polars as pl
        >>> series = [np.arange(4.0) + n for n in range(9)]
        >>> schema = load_steps(series, [[0, 0, 1, 1]] * 9).schema
        >>> unlabelled_rows(pl.DataFrame({"value": ["1", "2"]}), schema).rows[0].ravel().tolist()
        [1.0, 2.0]
    """
    inputs, answers = schema.inputs, schema.answers
    assert isinstance(answers, (StepClasses, StepNumbers))
    frame = frame_of(source, Reading())
    if frame is None:
        raise DataError("The rows to answer for stand in a table", expected="a csv, tsv or parquet file, or a data frame")
    group, time = (name if name in frame.data.columns else "" for name in (answers.group, answers.time))
    channels = inputs.channels if isinstance(inputs, Series) else None
    words = inputs.column if isinstance(inputs, Sentences) else ""
    return step_rows_of(frame, target=answers.target, group=group, time=time, channels=channels, words=words, unlabelled=True)
