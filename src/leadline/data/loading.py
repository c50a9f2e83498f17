"""`load` and `read`: from a source to a Dataset with its Schema, and to rows for a Schema that exists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.data import labelling, splits
from leadline.data.answers import Answers, Labels
from leadline.data.dataset import Dataset, Origin, Split
from leadline.data.dividing import Rows, divide, without_strangers
from leadline.data.download import Progress
from leadline.data.enlarging import LargePictures, SmallPictures
from leadline.data.labelling import Meaning
from leadline.data.pictures import Pictures
from leadline.data.pictures_cache import rows_of
from leadline.data.ragged import Ragged
from leadline.data.raw import PARTS, Raw, set_aside
from leadline.data.schema import Inputs, Schema
from leadline.data.series import Series
from leadline.data.series_rows import is_series
from leadline.data.sources import SEPARATOR, Reading, frame_of, name_of, nowhere, read_raw
from leadline.data.super_resolution import load_pairs, read_pairs
from leadline.data.tables.bundled import BUNDLED, bundled_frame
from leadline.data.tables.frame import Frame, ids_of
from leadline.data.tables.rows import rows_again
from leadline.data.tables.table import Table
from leadline.data.text_folders import encode_texts
from leadline.data.text_tables import learn_texts, read_texts_again
from leadline.data.texts import Texts
from leadline.data.vectors import Vectors
from leadline.errors import ArgumentError, DataError, nearest
from leadline.spelling import counted


def load(
    source: Any,
    targets: Any = None,
    *,
    task: str | None = None,
    target: str | None = None,
    valid: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    columns: Mapping[str, str] | None = None,
    transform: str | None = None,
    group: str | None = None,
    time: str | None = None,
    header: bool | None = None,
    encoding: str | None = None,
    size: int | None = None,
    channels: int | None = None,
    upscale: int | None = None,
    name: str | None = None,
    cache: Path | str | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Read a source, split it, and learn its Schema from the training rows.

    Args:
        source: a table: one or several csv, tsv or parquet files, a folder of them, or a data frame; "iris", "wine",
            "breast-cancer", "diabetes"; or "digits", "mnist", "fashion-mnist", "cifar10"; a folder of photos (a sub-folder per
            class, with or without train, valid and test above them, or flat with a csv of labels); a .npz or IDX file; arrays
            `inputs` or `(inputs, targets)`; a dict of arrays with the keys of a .npz; a list of picture paths.
        targets: for arrays, lists of paths and data frames without them.
        task: "classes", "labels" or "number", told from the targets when None; or "pairs": photos to learn enlarging from.
        target: the column to learn (several separated by commas), by its name or its number from 1.
        valid: share of the rows (below 1) or their number, where the source does not bring its own.
        test: likewise.
        seed: of the shuffle.
        columns: of a table: name → "number", "category", "yes/no", "date", "text" or "leave out"; the others are told from the
            training rows.
        transform: of numbers to predict: "log" (arsinh, logarithmic far from 0) or "none"; by their skewness when None.
        group: the column whose equal values must not be in two splits.
        time: the column, or several separated by commas, by which the latest rows are kept to test by.
        header: whether a csv begins with the names of its columns; told from it when None.
        encoding: of a csv; told from it when None.
        size: height and width at which photos are kept; chosen from the photos when None.
        channels: 1 or 3 for photos; 1 when all are grey when None.
        upscale: for pairs, how many times as high and wide photos are to become.
        name: what the Dataset is called; the source's own name when None.
        cache: where downloads and decoded photos are kept; by default LEADLINE_CACHE or the user's cache folder.
        progress: told (done, in all) while photos are decoded or a file is downloaded.

    Returns:
        Dataset, the same to the bit for the same source and arguments.

    Raises:
        SourceNotFoundError: a path or name leads nowhere.
        DataError: the source cannot be used, or more than 5 % of its rows cannot.
        DownloadError: a named data set is neither here nor to be had.

    Example:
        >>> load("digits")
        Dataset('digits', task='classes', 1,257 + 270 + 270 rows, inputs pictures of 8 × 8 × 1)
    """
    splits.check_shares(valid, test)
    if task == "pairs":
        if targets is not None or target is not None:
            raise ArgumentError("Pairs are made from photos alone", expected="no targets")
        return load_pairs(
            source,
            upscale=upscale,
            valid=valid,
            test=test,
            seed=seed,
            size=size,
            channels=channels,
            name=name,
            cache=cache,
            progress=progress,
        )
    if upscale is not None:
        raise ArgumentError("Only pairs are enlarged", got=f"upscale = {upscale}", do="Set the task to pairs as well.")
    _check_photos(size, channels)
    reading = Reading(
        target=target,
        task=task,
        kinds=columns or {},
        group=group,
        time=time,
        header=header,
        encoding=encoding,
        size=size,
        channels=channels,
        cache=cache,
        progress=progress,
    )
    raw = read_raw(source, targets, reading)
    meaning, bad = _understand(raw, task or raw.task)
    rows, excluded = set_aside(raw.ids, bad, raw.lost)
    parts, notes = divide(raw, meaning, rows, valid=valid, test=test, seed=seed)
    answers = labelling.learn_answers(
        meaning, parts["train"], columns=raw.columns, classes=raw.classes, transform=transform, skewed=raw.is_table
    )
    parts, strange = without_strangers(parts, meaning, answers)
    if strange:
        bad = bad | strange
        _, excluded = set_aside(raw.ids, bad, raw.lost)
    if answers.task == "classes" and answers.outputs < 2:
        raise DataError("There is only one class", expected="at least two", got=answers.names[0] if answers.names else "none")
    inputs, stored = _learn_inputs(raw, parts, meaning, reading)
    options: dict[str, Any] = {"task": task, "valid": valid, "test": test, "seed": seed, "size": size, "channels": channels}
    chosen = {"target": target, "group": group, "time": time, "header": header, "encoding": encoding, "transform": transform}
    options |= {key: value for key, value in chosen.items() if value is not None} | (
        {"columns": dict(columns)} if columns else {}
    )
    made = {
        part: Split(stored[part], answers.encode(meaning.values[rows]), ids_of(raw.ids, rows)) for part, rows in parts.items()
    }
    return Dataset(
        name=name or raw.name,
        train=made["train"],
        valid=made["valid"],
        test=made["test"],
        schema=Schema(inputs, answers),
        origin=Origin(name_of(source), raw.hash(), options),
        notes=tuple(note for note in (*raw.notes, meaning.note, *notes) if note),
        excluded=excluded,
    )


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
        >>> len(read("digits", load("digits").schema))
        1797
    """
    inputs = schema.inputs
    if isinstance(inputs, SmallPictures):
        return read_pairs(source, schema, cache=cache, progress=progress)
    shape = (inputs.height, inputs.width, inputs.channels) if isinstance(inputs, Pictures) else None
    reading = Reading(target=target, task=schema.task, shape=shape, cache=cache, progress=progress)
    if isinstance(inputs, Table):
        raw = rows_again(_frame_again(source, targets, inputs), schema.answers, inputs.targets, inputs.decimals)
    elif isinstance(inputs, Texts) and inputs.column and not _is_list(source):
        raw = read_texts_again(_frame_again(source, targets, inputs), inputs, schema.answers)
    else:
        raw = read_raw(source, targets, reading)
    raw = _aligned(raw, schema.answers)
    meaning, bad = _understand(raw, schema.task)
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
        stored = Ragged.of([inputs.encode(series[row]) for row in rows.tolist()])
    else:
        stored = _stored(rows_of(raw.array, rows, cache), schema)
    assert not isinstance(schema.answers, LargePictures)  # those were read above
    return Split(stored, schema.answers.encode(meaning.values[rows]), ids_of(raw.ids, rows), notes)


def _check_photos(size: int | None, channels: int | None) -> None:
    if size is not None and not 4 <= size <= 4096:
        raise ArgumentError("The size of the photos is out of range", expected="4 to 4096 pixels", got=size)
    if channels not in (None, 1, 3):
        raise ArgumentError("The channels of the photos are neither grey nor colour", expected="1 or 3", got=channels)


def _understand(raw: Raw, task: str | None) -> tuple[Meaning, dict[int, str]]:
    """What the targets mean, and all rows that cannot be used; their targets get the value of a sound row and are not read."""
    missing = labelling.without_label(raw.targets)
    targets = raw.targets
    if missing:
        sound = np.setdiff1d(np.arange(len(raw)), list(missing))
        if not len(sound):
            raise DataError("Not one row has a label", expected="a label for each row")
        targets = targets.copy()
        targets[list(missing)] = targets[sound[0]]
        if targets.dtype.kind == "O":
            targets = np.array(targets.tolist())
    return labelling.interpret(targets, task, raw.columns), missing | dict(raw.bad)


def _learn_inputs(
    raw: Raw, parts: Mapping[str, Rows], meaning: Meaning, reading: Reading
) -> tuple[Inputs, Mapping[str, NDArray[Any] | Ragged]]:
    """What the inputs are, from the training rows alone, and the rows of each part as a split stores them."""
    if raw.is_text:
        texts = learn_texts(raw, parts["train"])
        return texts, {part: encode_texts(raw.array, parts[part], texts) for part in PARTS}
    if is_series(raw.inputs):
        whole: Any = raw.inputs
        series = {part: whole[parts[part]] for part in PARTS}
        return Series.learn(series["train"]), series
    if not raw.is_table:
        stored = {part: rows_of(raw.array, parts[part], reading.cache) for part in PARTS}
        return (Vectors if raw.array.ndim == 2 else Pictures).learn(stored["train"]), stored
    assert raw.table is not None
    train = parts["train"]
    values = meaning.values[train]
    table, encoded = Table.learn(
        raw.frame,
        train,
        kinds={name: kind for name, kind in reading.kinds.items() if name != reading.group},
        answers=values,
        targets=raw.table.targets,
    )
    source = raw.table
    table = replace(table, header=source.header, layout=source.columns, decimals=source.decimals, encoding=reading.encoding)
    return table, {part: encoded[rows] for part, rows in parts.items()}


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
    return isinstance(source, (list, tuple)) or (isinstance(source, np.ndarray) and source.dtype.kind in "OU")


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
