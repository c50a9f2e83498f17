"""`load` and `read`: from a source to a Dataset with its Schema, and to rows for a Schema that exists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.data import labelling, splits
from leadline.data.answers import Answers, Classes, Labels
from leadline.data.dataset import Dataset, Origin, Split
from leadline.data.download import Progress
from leadline.data.labelling import Meaning
from leadline.data.pictures import Pictures
from leadline.data.pictures_cache import rows_of
from leadline.data.raw import PARTS, Raw, set_aside
from leadline.data.schema import Schema
from leadline.data.sources import Reading, name_of, read_raw
from leadline.data.vectors import Vectors
from leadline.errors import ArgumentError, DataError, nearest

Rows = NDArray[np.int64]


def load(
    source: Any,
    targets: Any = None,
    *,
    task: str | None = None,
    target: str | None = None,
    valid: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    size: int | None = None,
    channels: int | None = None,
    name: str | None = None,
    cache: Path | str | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Read a source, split it, and learn its Schema from the training rows.

    Args:
        source: "digits", "mnist", "fashion-mnist" or "cifar10"; a folder of photos (a sub-folder per class, with or without
            train, valid and test above them, or flat with a csv of labels); a .npz or IDX file; arrays `inputs` or
            `(inputs, targets)`; a dict of arrays with the keys of a .npz; a list of picture paths.
        targets: for arrays and lists of paths.
        task: "classes", "labels" or "number"; told from the targets when None.
        target: the label column of a csv (several separated by commas).
        valid: share of the rows (below 1) or their number, where the source does not bring its own.
        test: likewise.
        seed: of the shuffle.
        size: height and width at which photos are kept; chosen from the photos when None.
        channels: 1 or 3 for photos; 1 when all are grey when None.
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
    _check_photos(size, channels)
    reading = Reading(target=target, task=task, size=size, channels=channels, cache=cache, progress=progress)
    raw = read_raw(source, targets, reading)
    meaning, bad = _understand(raw, task)
    rows, excluded = set_aside(raw.ids, bad)
    parts, notes = _divide(raw, meaning, rows, valid=valid, test=test, seed=seed)
    answers = labelling.learn_answers(meaning, parts["train"], columns=raw.columns, classes=raw.classes)
    parts, strange = _without_strangers(parts, meaning, answers)
    if strange:
        bad = bad | strange
        _, excluded = set_aside(raw.ids, bad)
    if answers.task == "classes" and answers.outputs < 2:
        raise DataError("There is only one class", expected="at least two", got=answers.names[0] if answers.names else "none")
    made = {part: _split(raw, parts[part], meaning, answers, cache) for part in PARTS}
    inputs = (Vectors if raw.inputs.ndim == 2 else Pictures).learn(made["train"].inputs)
    options: dict[str, Any] = {"task": task, "valid": valid, "test": test, "seed": seed}
    options |= {"size": size, "channels": channels} | ({"target": target} if target else {})
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
    shape = (inputs.height, inputs.width, inputs.channels) if isinstance(inputs, Pictures) else None
    raw = read_raw(source, targets, Reading(target=target, task=schema.task, shape=shape, cache=cache, progress=progress))
    raw = _aligned(raw, schema.answers)
    meaning, bad = _understand(raw, schema.task)
    rows, _ = set_aside(raw.ids, bad)
    rows = _chosen(raw, rows, part)
    stored = _stored(rows_of(raw.inputs, rows, cache), schema)  # before the targets: the wrong kind of data shows here first
    return Split(stored, schema.answers.encode(meaning.values[rows]), [raw.ids[row] for row in rows.tolist()])


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


def _divide(
    raw: Raw, meaning: Meaning, rows: Rows, *, valid: float, test: float, seed: int
) -> tuple[dict[str, Rows], list[str]]:
    """The usable rows of each part: the source's own parts, and what they lack cut from train."""
    own = {part: rows if raw.parts is None else rows[raw.parts[rows] == part] for part in PARTS}
    if raw.parts is None:
        own |= {"valid": rows[:0], "test": rows[:0]}
    lacking = [part for part in ("valid", "test") if not len(own[part])]
    copies = raw.first_copies()
    notes = _about_copies(copies, own, lacking)
    if lacking:
        pool = own["train"]
        strata, names = _strata(meaning, pool)
        shares = {"valid": valid if "valid" in lacking else 0, "test": test if "test" in lacking else 0}
        assigned = splits.assign(strata, copies[pool], valid=shares["valid"], test=shares["test"], seed=seed)
        for number, part in enumerate(PARTS):
            if part == "train" or part in lacking:
                own[part] = pool[assigned == number]
        notes += _about_few(strata, names)
    return own, notes


def _strata(meaning: Meaning, rows: Rows) -> tuple[Rows, Sequence[str]]:
    values = meaning.values[rows]
    if meaning.task == "classes":
        names, strata = np.unique(values, return_inverse=True)
        return strata, names.tolist()
    return (splits.strata_of_labels(values) if meaning.task == "labels" else splits.strata_of_numbers(values)), ()


def _about_copies(copies: Rows, own: dict[str, Rows], lacking: Sequence[str]) -> list[str]:
    notes = []
    in_train = np.zeros(len(copies), dtype=bool)
    in_train[copies[own["train"]]] = True
    repeated = len(own["train"]) - int(in_train.sum())
    if lacking and repeated:
        notes.append(f"{repeated:,} rows are exact copies of others; copies are kept in the same split.")
    shared = {part: int(in_train[copies[own[part]]].sum()) for part in ("valid", "test")}
    return notes + [
        f"{count:,} of {len(own[part]):,} {part} rows are exact copies of rows in train; the source put them there."
        for part, count in shared.items()
        if count
    ]


def _about_few(strata: Rows, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    counts = np.bincount(strata, minlength=len(names))
    notes = []
    for count, where in ((1, "1 example, which is in train"), (2, "2 examples, one in train and one in test")):
        few = [names[number] for number in np.flatnonzero(counts == count).tolist()]
        if few:
            more = f" and {len(few) - 8} more" if len(few) > 8 else ""
            notes.append(f"Classes with only {where}: {', '.join(few[:8])}{more}.")
    return notes


def _without_strangers(parts: dict[str, Rows], meaning: Meaning, answers: Answers) -> tuple[dict[str, Rows], dict[int, str]]:
    """Leave out rows of valid and test whose class the training rows never show."""
    if not isinstance(answers, Classes):
        return parts, {}
    strange = {
        int(row): f"its class {meaning.values[row]} is not in train"
        for part in ("valid", "test")
        for row in parts[part][~np.isin(meaning.values[parts[part]], answers.names)]
    }
    return {part: np.setdiff1d(rows, list(strange)) for part, rows in parts.items()} if strange else parts, strange


def _split(raw: Raw, rows: Rows, meaning: Meaning, answers: Answers, cache: Path | str | None) -> Split:
    return Split(
        rows_of(raw.inputs, rows, cache), answers.encode(meaning.values[rows]), [raw.ids[row] for row in rows.tolist()]
    )


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
            f"{len(strange)} label(s) were not among those of the training: {', '.join(strange[:5])}",
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
