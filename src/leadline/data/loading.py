"""`load` and `read`: from a source to a Dataset with its Schema, and to rows for a Schema that exists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.data import labelling, splits
from leadline.data.dataset import Dataset, Origin, Split
from leadline.data.dividing import Rows, divide, without_strangers
from leadline.data.download import Progress
from leadline.data.labelling import Meaning
from leadline.data.pictures.pictures import Pictures
from leadline.data.pictures.pictures_cache import rows_of
from leadline.data.ragged import Ragged
from leadline.data.raw import PARTS, Raw, set_aside
from leadline.data.schema import Inputs, Schema
from leadline.data.series.series import Series
from leadline.data.series.series_rows import is_series
from leadline.data.sources import Reading, check_source, name_of, read_raw
from leadline.data.tables.frame import ids_of
from leadline.data.tables.table import Table
from leadline.data.task_loading import loader_of
from leadline.data.texts.text_folders import encode_texts
from leadline.data.texts.text_tables import learn_texts
from leadline.data.vectors import Vectors
from leadline.errors import ArgumentError, DataError


def load(
    source: Any,
    targets: Any = None,
    *,
    task: str | None = None,
    target: str | None = None,
    valid: float | None = None,
    test: float | None = None,
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
    forecast: int | None = None,
    lookback: int | None = None,
    series: str | None = None,
    known: str | None = None,
    unit: str | None = None,
    vocabulary: int | None = None,
    min_count: int | None = None,
    longest: int | None = None,
    vectors: Path | str | None = None,
    usual: str | None = None,
    name: str | None = None,
    cache: Path | str | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Read a source, split it, and learn its Schema from the training rows.

    Args:
        source: a table: one or several csv, tsv or parquet files, a folder of them, or a data frame; "iris", "wine",
            "breast-cancer", "diabetes"; or "digits", "mnist", "fashion-mnist", "cifar10"; a folder of photos (a sub-folder per
            class, with or without train, valid and test above them, or flat with a csv of labels); a .npz or IDX file; arrays
            `inputs` or `(inputs, targets)`; a dict of arrays with the keys of a .npz; a list of picture paths; a text file, or
            a folder of NAME.train.txt, NAME.valid.txt and NAME.test.txt, for a language model; "python", the text of its own
            library.
        targets: for arrays, lists of paths and data frames without them.
        task: "classes", "labels" or "number", told from the targets when None; or "pairs": photos to learn enlarging from;
            or "tokens": a text of which each token is foretold; or "ngram": the same by counts; or "words": one whose words are
            learned by their neighbours; or "sequence": an answer for each step of a row, told from files of tagged words and
            from lists of targets; see `step_loading.load_steps`; or "trees": trees in brackets, each node with a label; or
            "reconstruct": rows, with labels or without, that are told again from a short code; or "generate": pictures to learn
            to draw from, see `drawing_loading.load_drawings`. With `forecast` it is "forecast".
        target: the column to learn (several separated by commas), by its name or its number from 1.
        valid: share of the rows (below 1) or their number, where the source does not bring its own; 0.15 when None, of a text
            less, as much as suits it.
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
        unit: of texts: "characters" or "words", or for a language model "spaced words"; what suits them when None.
        vocabulary: of texts: at most so many tokens are known.
        min_count: of words: those seen less often are passed over; by the length of the text when None.
        longest: of texts with classes or numbers: how many words or characters of each are read; what suits them when None.
        upscale: for pairs, how many times as high and wide photos are to become.
        forecast: of a table in time, how many steps ahead `target` is to be forecast; see `forecasting.load_forecast`.
        lookback: for forecasts, how many steps of the past are looked at; two seasons, as far as there are such, when None.
        series: for forecasts, the columns that tell several series apart; found when None.
        known: for forecasts, columns, separated by commas, whose future is known when a forecast is made.
        vectors: of trees, a file of word vectors, whose words are known besides those of the trees.
        usual: for reconstruct, the classes to learn from, separated by commas; rows of others are odd, and judged by.
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
    splits.check_shares(_share(valid), _share(test))
    check_source(source)
    choices: dict[str, Any] = {
        "targets": targets,
        "target": target,
        "columns": columns or None,
        "transform": transform,
        "group": group,
        "time": time,
        "header": header,
        "encoding": encoding,
        "size": size,
        "channels": channels,
        "upscale": upscale,
        "forecast": forecast,
        "lookback": lookback,
        "series": series,
        "known": known,
        "unit": unit,
        "vocabulary": vocabulary,
        "min_count": min_count,
        "longest": longest,
        "vectors": vectors,
        "usual": usual,
        "valid": valid,
        "test": test,
        "name": name,
        "cache": cache,
        "progress": progress,
    }
    given = {key: value for key, value in choices.items() if value is not None}
    if (loader := loader_of(task, source, given)) is not None:
        return loader.load(source, **loader.chosen(given | {"seed": seed}))
    valid, test = _share(valid), _share(test)
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
    meaning, bad = understand(raw, task or raw.task)
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
    of_texts = {key: value for key, value in {"unit": unit, "vocabulary": vocabulary, "longest": longest}.items() if value}
    if of_texts and not raw.is_text:
        raise ArgumentError(f"Only texts have a choice of {next(iter(of_texts))!r}", expected="a source of texts", got=raw.name)
    inputs, stored = _learn_inputs(raw, parts, meaning, reading, of_texts)
    options: dict[str, Any] = {"task": task, "valid": valid, "test": test, "seed": seed, "size": size, "channels": channels}
    chosen = {"target": target, "group": group, "time": time, "header": header, "encoding": encoding, "transform": transform}
    options |= (
        of_texts
        | {key: value for key, value in chosen.items() if value is not None}
        | ({"columns": dict(columns)} if columns else {})
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


def _share(chosen: float | None) -> float:
    return splits.USUAL if chosen is None else chosen


def _check_photos(size: int | None, channels: int | None) -> None:
    if size is not None and not 4 <= size <= 4096:
        raise ArgumentError("The size of the photos is out of range", expected="4 to 4096 pixels", got=size)
    if channels not in (None, 1, 3):
        raise ArgumentError("The channels of the photos are neither grey nor colour", expected="1 or 3", got=channels)


def understand(raw: Raw, task: str | None) -> tuple[Meaning, dict[int, str]]:
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
    raw: Raw, parts: Mapping[str, Rows], meaning: Meaning, reading: Reading, of_texts: Mapping[str, Any]
) -> tuple[Inputs, Mapping[str, NDArray[Any] | Ragged]]:
    """What the inputs are, from the training rows alone, and the rows of each part as a split stores them."""
    if raw.is_text:
        texts = learn_texts(raw, parts["train"], **of_texts)
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
