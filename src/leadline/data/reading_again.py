"""Labelled rows for a Schema that exists: read as the training read its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.data.answers import Answers, Labels
from leadline.data.dataset import Split
from leadline.data.dividing import Rows
from leadline.data.download import Progress
from leadline.data.forecasts.forecast_answers import Forecasts
from leadline.data.forecasts.forecasting import read_forecast
from leadline.data.forecasts.windows import Windows
from leadline.data.loading import understand
from leadline.data.pictures.drawing_loading import read_drawings
from leadline.data.pictures.drawn_answers import Drawings
from leadline.data.pictures.enlarging import LargePictures, SmallPictures
from leadline.data.pictures.pictures import Pictures
from leadline.data.pictures.pictures_cache import rows_of
from leadline.data.pictures.super_resolution import read_pairs
from leadline.data.ragged import Ragged
from leadline.data.raw import PARTS, Raw, set_aside
from leadline.data.schema import Schema
from leadline.data.series.series import Series
from leadline.data.series.series_rows import is_series
from leadline.data.series.series_sources import series_files
from leadline.data.sources import SEPARATOR, Reading, check_source, frame_of, nowhere, read_raw
from leadline.data.steps.step_answers import StepClasses, StepNumbers
from leadline.data.steps.step_reading import read_steps
from leadline.data.tables.bundled import BUNDLED, bundled_frame
from leadline.data.tables.frame import Frame, ids_of
from leadline.data.tables.rows import rows_again
from leadline.data.tables.table import Table
from leadline.data.tables.table_files import is_table
from leadline.data.texts.text_folders import encode_texts
from leadline.data.texts.text_tables import read_texts_again
from leadline.data.texts.texts import Texts
from leadline.data.tokens.token_loading import read_tokens
from leadline.data.tokens.tokens import NextToken, Tokens
from leadline.data.trees.tree_loading import read_trees
from leadline.data.trees.trees import NodeClasses, Trees
from leadline.data.unlabelled.reconstruction_loading import read_reconstruct
from leadline.data.unlabelled.reconstructions import Reconstructions
from leadline.errors import ArgumentError, DataError, LeadlineError, nearest
from leadline.spelling import counted


def read(
    source: Any,
    schema: Schema,
    *,
    targets: Any = None,
    target: str | None = None,
    part: str | None = None,
    cache: Path | str | None = None,
    progress: Progress | None = None,
) -> Split:
    """Read labelled rows for a Schema that exists, as `evaluate` does.

    Args:
        source: as in `load`.
        schema: of the training.
        targets: for arrays.
        target: the label column of a csv.
        part: "train", "valid" or "test" where the source has parts; when None its test part, or all rows if it has no parts.
        cache: as in `load`.
        progress: as in `load`.

    Raises:
        DataError: the inputs or classes are not those of the Schema, or more than 5 % of the rows cannot be used.

    Example:
        >>> from leadline import data
        >>> len(read("digits", data.load("digits").schema))
        1797
    """
    inputs = schema.inputs
    check_source(source)
    if isinstance(inputs, SmallPictures):
        return read_pairs(source, schema, cache=cache, progress=progress)
    if isinstance(schema.answers, Drawings):
        return read_drawings(source, schema, targets=targets, cache=cache, progress=progress)
    if isinstance(inputs, Windows):
        return read_forecast(source, schema)
    if isinstance(inputs, Tokens):
        return read_tokens(source, schema, part=part, cache=cache)
    if isinstance(schema.answers, (StepClasses, StepNumbers)):
        return read_steps(source, schema, targets=targets, part=part)
    if isinstance(inputs, Trees):
        return read_trees(source, schema, part=part)
    if isinstance(schema.answers, Reconstructions):
        return read_reconstruct(source, schema, targets=targets, part=part, cache=cache, progress=progress)[0]
    shape = (inputs.height, inputs.width, inputs.channels) if isinstance(inputs, Pictures) else None
    reading = Reading(target=target, task=schema.task, shape=shape, cache=cache, progress=progress)
    if isinstance(inputs, Series) and len(inputs.channels) == 1:
        reading = replace(reading, steps=inputs.longest if inputs.fixed else 0, classes=schema.answers.names)
    if isinstance(inputs, Table):
        raw = rows_again(_frame_again(source, targets, inputs), schema.answers, inputs.targets, inputs.decimals)
    elif isinstance(inputs, Texts) and inputs.column and not _is_list(source):
        raw = read_texts_again(_frame_again(source, targets, inputs), inputs, schema.answers)
    elif isinstance(inputs, Series) and _is_no_series(source, reading):
        raise DataError(
            "The network was trained on series", expected=f"{inputs.describe()}, with their classes", got="other data"
        )
    else:
        raw = read_raw(source, targets, reading)
    raw = _aligned(raw, schema.answers)
    meaning, bad = understand(raw, schema.task)
    rows, _ = set_aside(raw.ids, bad, raw.lost)
    rows = _chosen(raw, rows, part)
    # Before the targets: the wrong kind of data shows here first.
    notes = raw.notes
    stored: NDArray[Any] | Ragged
    if isinstance(inputs, Table):
        stored, more = inputs.read_frame(raw.frame[rows])
        notes = (*notes, *more)
    elif isinstance(inputs, Texts):
        if not raw.is_text:
            raise DataError("The network was trained on texts", expected=inputs.describe(), got="other data")
        stored = encode_texts(raw.array, rows, inputs)
    elif isinstance(inputs, Series):
        if not is_series(raw.inputs):
            raise DataError("The network was trained on series", expected=inputs.describe(), got="other data")
        series: Any = raw.inputs
        stored = Ragged.of([_encoded(inputs, series[row], raw.ids[row]) for row in rows.tolist()])
    else:
        stored = _stored(rows_of(raw.array, rows, cache), schema)
    assert not isinstance(schema.answers, (LargePictures, Forecasts, NextToken, NodeClasses))  # those were read above
    return Split(stored, schema.answers.encode(meaning.values[rows]), ids_of(raw.ids, rows), notes)


def _frame_again(source: Any, targets: Any, inputs: Table | Texts) -> Frame:
    """The rows of a table for a training that exists."""
    if isinstance(source, str) and source in BUNDLED:
        return bundled_frame(source)[0]
    if isinstance(source, (str, Path)) and not any(Path(part).expanduser().exists() for part in str(source).split(SEPARATOR)):
        raise nowhere(source, Path(source).expanduser().absolute())
    # Names where the training had names, none where it had none: a file of rows need not be told again.
    encoding = inputs.encoding if isinstance(inputs, Table) else None
    frame = frame_of(source, Reading(header=inputs.header, encoding=encoding), targets)
    if frame is None:
        raise DataError("The network was trained on a table", expected="csv, tsv or parquet files, or a data frame")
    return frame


def _is_list(source: Any) -> bool:
    """Whether texts are given in memory rather than in a table."""
    if isinstance(source, (list, tuple)):
        return not all(isinstance(each, (str, Path)) and is_table(Path(each)) for each in source)
    return isinstance(source, np.ndarray) and source.dtype.kind in "OU"


def _is_no_series(source: Any, reading: Reading) -> bool:
    """Whether a file or folder that is there holds anything but series."""
    if not isinstance(source, (str, Path)) or SEPARATOR in str(source) or not Path(source).expanduser().exists():
        return False
    path = Path(source).expanduser().absolute()
    return path.suffix.casefold() != ".npz" and not series_files(path, steps=reading.steps, classes=reading.classes)


def _encoded(inputs: Series, series: NDArray[Any], name: str) -> NDArray[Any]:
    try:
        return inputs.encode(series)
    except LeadlineError as error:
        raise DataError(f"{name} is not like the series of the training", got=str(error).removesuffix(".")) from error


def _chosen(raw: Raw, rows: Rows, part: str | None) -> Rows:
    if part is not None and (raw.parts is None or part not in raw.parts):
        got = "no parts" if raw.parts is None else ", ".join(np.unique(raw.parts).tolist())
        raise ArgumentError(f"The source has no part {part!r}", expected=f"one of {', '.join(PARTS)} that it has", got=got)
    if raw.parts is not None and (part or "test" in raw.parts):
        rows = rows[raw.parts[rows] == (part or "test")]
    return rows


def _aligned(raw: Raw, answers: Answers) -> Raw:
    """The label columns in the order of the training: a label that these rows never have becomes a column of 0."""
    if not isinstance(answers, Labels) or raw.columns is None:
        return raw
    strange = [name for name in raw.columns if name not in answers.names]
    if strange:
        close = nearest(strange[0], answers.names)
        raise DataError(
            f"{counted(len(strange), 'label was', 'labels were')} not among those of the training: {', '.join(strange[:5])}",
            expected="some of " + ", ".join(answers.names[:20]),
            do=f"Did you mean {close!r}?" if close else None,
        )
    nothing = np.zeros(len(raw), raw.targets.dtype)
    columns = [raw.targets[:, raw.columns.index(name)] if name in raw.columns else nothing for name in answers.names]
    return replace(raw, targets=np.stack(columns, axis=1), columns=answers.names)


def _stored(inputs: NDArray[Any], schema: Schema) -> NDArray[Any]:
    """Inputs in the very form that the training stored."""
    expected = schema.inputs
    if isinstance(expected, Pictures):
        if inputs.ndim != 4:
            raise DataError("The inputs are not pictures", expected=expected.describe(), got=f"shape {inputs.shape[1:]}")
        if inputs.shape[1:] == (expected.height, expected.width, expected.channels) and str(inputs.dtype) == expected.dtype:
            return inputs
    elif inputs.shape[1:] == expected.shape:
        return inputs
    if not isinstance(expected, Pictures) or not len(inputs):
        raise DataError("The inputs have the wrong shape", expected=expected.describe(), got=f"shape {inputs.shape[1:]}")
    return np.stack([expected.encode(picture) for picture in inputs])
