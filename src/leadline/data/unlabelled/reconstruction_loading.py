"""Rows that are learned from by themselves, divided: usual ones in all parts, odd ones only where they are judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.data.dataset import Dataset, Origin, Split
from leadline.data.dividing import Rows, divide
from leadline.data.download import Progress
from leadline.data.labelling import Meaning, natural_order
from leadline.data.pictures.pictures_cache import rows_of
from leadline.data.raw import PARTS, Raw, set_aside
from leadline.data.schema import Inputs, Schema
from leadline.data.sources import Reading, name_of
from leadline.data.tables.frame import ids_of
from leadline.data.tables.table import Table
from leadline.data.unlabelled.reconstructions import Reconstructions
from leadline.data.unlabelled.unit_inputs import UnitPictures, UnitVectors, value_range
from leadline.data.unlabelled.unlabelled_sources import Unlabelled, read_unlabelled
from leadline.data.vectors import Vectors
from leadline.errors import ArgumentError, DataError, unknown
from leadline.spelling import counted

_NAMED = 8  # columns and classes named in a note
_RARE = 0.1  # a class of fewer rows may be what is to be found


def load_reconstruct(
    source: Any,
    *,
    targets: Any = None,
    target: str | None = None,
    usual: str | None = None,
    valid: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    columns: Mapping[str, str] | None = None,
    group: str | None = None,
    time: str | None = None,
    header: bool | None = None,
    encoding: str | None = None,
    size: int | None = None,
    channels: int | None = None,
    name: str | None = None,
    cache: Path | str | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Read rows that need no labels, and divide them. Classes that there are serve to judge and to colour by, not to learn.

    With `usual` only rows of those classes are learned from; of the others, which are odd, half are kept to choose a threshold
    by and half to judge by. Without it a class is odd that no training row has, as in folders where `train/` holds sound
    parts alone and `test/` broken ones, too.

    Args:
        source: photos with or without class folders, a table, an .npz, .npy or IDX file, arrays, or a name.
        targets: classes, for arrays, lists and data frames that have any.
        target: the column of a table that holds classes; every column is learned when None.
        usual: the classes to learn from, separated by commas.
        valid: share of the rows (below 1) or their number, where the source does not bring its own.
        test: likewise.
        seed: of the shuffle.
        columns: of a table: name → kind.
        group: the column whose equal values must not be in two splits.
        time: the column by which the latest rows are kept to test by.
        header: whether a csv begins with the names of its columns.
        encoding: of a csv.
        size: height and width at which photos are kept.
        channels: 1 or 3 for photos.
        name: what the Dataset is called.
        cache: where decoded photos are kept.
        progress: told (done, in all) while photos are decoded.

    Raises:
        DataError: the source holds something else, too few rows, or rows that are all alike.

    Example:
        >>> dataset = load_reconstruct("digits", usual="0,1,2")
        >>> dataset.task, dataset.schema.answers.odd, sorted({int(number) for number in dataset.train.targets})
        ('reconstruct', ('3', '4', '5', '6', '7', '8', '9'), [0, 1, 2])
    """
    reading = Reading(
        target=target,
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
    found = read_unlabelled(source, targets, reading)
    raw = found.raw
    rows, excluded = set_aside(raw.ids, raw.bad, raw.lost)
    parts, notes = _divided(found, rows, usual, valid=valid, test=test, seed=seed)
    answers = _answers(found, parts, usual)
    inputs, stored = _learn_inputs(raw, parts, reading)
    notes += [*_about_still(inputs, stored["train"]), *_about_rare(found, parts, answers)]
    options: dict[str, Any] = {"task": "reconstruct", "valid": valid, "test": test, "seed": seed, "size": size}
    chosen = {"target": target, "usual": usual, "group": group, "time": time, "header": header, "encoding": encoding}
    options |= {"channels": channels} | {key: value for key, value in chosen.items() if value is not None}
    options |= {"columns": dict(columns)} if columns else {}
    made = {
        part: Split(stored[part], answers.encode(found.labels[rows]), ids_of(raw.ids, rows)) for part, rows in parts.items()
    }
    return Dataset(
        name=name or raw.name,
        train=made["train"],
        valid=made["valid"],
        test=made["test"],
        schema=Schema(inputs, answers),
        origin=Origin(name_of(source), raw.hash(), options),
        notes=(*raw.notes, *notes),
        excluded=excluded,
    )


def read_reconstruct(
    source: Any,
    schema: Schema,
    *,
    targets: Any = None,
    part: str | None = None,
    usual: str | None = None,
    cache: Path | str | None = None,
    progress: Progress | None = None,
) -> tuple[Split, Reconstructions]:
    """Rows for a Schema that exists, and the answers that say which of them are odd.

    Where the training knew classes and nobody says otherwise, odd is what it took for odd. Else the classes are those of the
    source, and odd those that are not `usual`.

    Args:
        source: as in `load_reconstruct`.
        schema: of the training.
        targets: classes, for arrays.
        part: "train", "valid" or "test" where the source has parts; its test part when None, or all rows.
        usual: classes that are not odd, separated by commas.
        cache: where decoded photos are kept.
        progress: told (done, in all) while photos are decoded.

    Raises:
        DataError: the inputs are not those of the Schema, or more than 5 % of the rows cannot be used.
    """
    inputs, answers = schema.inputs, schema.answers
    assert isinstance(answers, Reconstructions)
    found = _read_again(source, targets, inputs, cache, progress)
    raw = found.raw
    rows, _ = set_aside(raw.ids, raw.bad, raw.lost)
    if part is not None and (raw.parts is None or part not in raw.parts):
        raise ArgumentError(f"The source has no part {part!r}", expected=f"one of {', '.join(PARTS)} that it has")
    if raw.parts is not None and (part or "test" in raw.parts):
        rows = rows[raw.parts[rows] == (part or "test")]
    if usual is not None or (found.named and not answers.classes):
        classes = natural_order(set(np.unique(found.labels).tolist()) - {""})
        odd = _odd_rows(found, usual) if usual is not None else np.zeros(len(raw), bool)
        answers = replace(answers, classes=classes, odd=tuple(name for name in classes if name in set(found.labels[odd])))
    stored, notes = _stored_as(inputs, raw, rows, cache)
    split = Split(stored, answers.encode(found.labels[rows]), ids_of(raw.ids, rows), (*raw.notes, *notes))
    return split, answers


def _read_again(source: Any, targets: Any, inputs: Inputs, cache: Path | str | None, progress: Progress | None) -> Unlabelled:
    shape = (inputs.height, inputs.width, inputs.channels) if isinstance(inputs, UnitPictures) else None
    header, encoding = (inputs.header, inputs.encoding) if isinstance(inputs, Table) else (None, None)
    target = inputs.targets[0] if isinstance(inputs, Table) and inputs.targets else None
    reading = Reading(target=target, shape=shape, header=header, encoding=encoding, cache=cache, progress=progress)
    try:
        return read_unlabelled(source, targets, reading)
    except DataError as error:  # rows without the column of classes can still be told again
        if target is None or "There is no column" not in str(error):
            raise
        return read_unlabelled(source, targets, replace(reading, target=None))


def _stored_as(inputs: Inputs, raw: Raw, rows: Rows, cache: Path | str | None) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Rows in the very form that the training stored."""
    if isinstance(inputs, Table) != raw.is_table:
        raise DataError(
            "The network was trained on other data", expected=inputs.describe(), got="a table" if raw.is_table else "arrays"
        )
    if isinstance(inputs, Table):
        return inputs.read_frame(raw.frame[rows])
    found = rows_of(raw.array, rows, cache)
    expected = (inputs.height, inputs.width, inputs.channels) if isinstance(inputs, UnitPictures) else inputs.shape
    kind = inputs.dtype if isinstance(inputs, UnitPictures) else "float32"
    if found.shape[1:] == expected and str(found.dtype) == kind:
        return found, ()
    if not len(found) or found.ndim != 1 + len(expected):
        raise DataError("The inputs have the wrong shape", expected=inputs.describe(), got=f"shape {found.shape[1:]}")
    return np.stack([inputs.encode(row) for row in found]), ()


def _divided(
    found: Unlabelled, rows: Rows, usual: str | None, *, valid: float, test: float, seed: int
) -> tuple[dict[str, Rows], list[str]]:
    """The rows of each part; odd ones only in valid and test."""
    raw, labels = found.raw, found.labels
    _, numbers = np.unique(labels, return_inverse=True)
    # By number, not by class: rows are spread evenly over the parts, and a class that one part lacks is no mistake here.
    meaning = Meaning("number", numbers.reshape(-1, 1).astype(np.float64))
    if usual is None:
        return divide(raw, meaning, rows, valid=valid, test=test, seed=seed)
    odd = _odd_rows(found, usual)[rows]
    if not (~odd).any():
        raise DataError(f"No row is of the class {usual}", expected="rows to learn from")
    parts, notes = divide(raw, meaning, rows[~odd], valid=valid, test=test, seed=seed)
    strange = rows[odd]
    if raw.parts is None:
        copies = raw.first_copies()[strange]
        turn = np.random.default_rng(seed).random(len(raw))[copies] < 0.5  # copies go the same way
    else:
        turn = raw.parts[strange] != "test"  # those of train cannot be learned from
    parts["valid"] = np.sort(np.concatenate([parts["valid"], strange[turn]]))
    parts["test"] = np.sort(np.concatenate([parts["test"], strange[~turn]]))
    those = counted(len(strange), "row is of another class", "rows are of other classes")
    notes.append(f"{those} than {usual}: not learned from, but kept to choose a threshold by and to judge by.")
    return parts, notes


def _odd_rows(found: Unlabelled, usual: str) -> NDArray[np.bool_]:
    """Which rows have a class that is none of these; rows without a class are learned from."""
    if not found.named:
        raise ArgumentError(
            "There are no classes of which some could be usual",
            got=f"usual = {usual}",
            do="Say which column of a table holds them (--target), or leave it out.",
        )
    known = sorted(set(found.labels.tolist()) - {""})
    wanted = [usual] if usual in known else [name.strip() for name in usual.split(",")]
    for name in wanted:
        if name not in known:
            unknown("class", name, known, DataError)
    if not set(known) - set(wanted):
        raise ArgumentError("All classes are usual, so no row is odd", got=f"usual = {usual}", do="Leave it out.")
    return np.asarray((found.labels != "") & ~np.isin(found.labels, wanted))


def _answers(found: Unlabelled, parts: Mapping[str, Rows], usual: str | None) -> Reconstructions:
    if not found.named:
        return Reconstructions()
    present = set(np.unique(found.labels[np.concatenate(list(parts.values()))]).tolist()) - {""}
    order = found.raw.classes or ()
    classes = tuple(order) if present <= set(order) else natural_order(present)
    trained = set(np.unique(found.labels[parts["train"]]).tolist()) - {""}
    odd = tuple(name for name in classes if name in present and name not in trained) if trained or usual else ()
    return Reconstructions(classes, odd)


def _learn_inputs(raw: Raw, parts: Mapping[str, Rows], reading: Reading) -> tuple[Inputs, Mapping[str, NDArray[Any]]]:
    """What the inputs are, from the training rows alone, and the rows of each part as a split stores them."""
    if raw.is_table:
        source = raw.table
        assert source is not None
        kinds = {name: kind for name, kind in reading.kinds.items() if name != reading.group}
        table, encoded = Table.learn(raw.frame, parts["train"], kinds=kinds, targets=source.targets)
        table = replace(table, header=source.header, layout=source.columns, encoding=reading.encoding)
        return table, {part: encoded[rows] for part, rows in parts.items()}
    stored = {part: rows_of(raw.array, parts[part], reading.cache) for part in PARTS}
    low, high = value_range(stored["train"])
    if not low < high:
        raise DataError("All values of all training rows are the same, so there is nothing to learn", got=f"{low:g}")
    if raw.array.ndim == 4:
        return UnitPictures.learn(stored["train"]), stored
    return (UnitVectors if low >= 0 and high <= 1 else Vectors).learn(stored["train"]), stored


def _about_still(inputs: Inputs, train: NDArray[Any]) -> list[str]:
    """Columns of numbers that never vary: they teach nothing, and no deviation can be divided by."""
    if not isinstance(inputs, Vectors):
        return []
    still = np.flatnonzero(train.min(axis=0) == train.max(axis=0))
    if not len(still):
        return []
    named = ", ".join(map(str, still[:_NAMED].tolist())) + (", …" if len(still) > _NAMED else "")
    those = counted(len(still), "column has", "columns have")
    them = "it" if len(still) == 1 else "them"
    return [f"{those} one value in all training rows, from which nothing is learned: {named} (from 0). Leave {them} out."]


def _about_rare(found: Unlabelled, parts: Mapping[str, Rows], answers: Reconstructions) -> list[str]:
    """Where one of two classes is rare, it may be the one that is to be found."""
    if answers.odd or not found.named:
        return []
    names, counts = np.unique(found.labels[parts["train"]], return_counts=True)
    known = [(name, int(count)) for name, count in zip(names.tolist(), counts.tolist(), strict=True) if name]
    if len(known) != 2:
        return []
    (common, many), (rare, few) = sorted(known, key=lambda each: -each[1])
    if few > _RARE * (many + few):
        return []
    return [
        f"{few:,} of {many + few:,} training rows are of the class {rare!r}, and are learned from like the others. If these "
        f"are what is to be found, learn without them: --usual {_quoted(common)}."
    ]


def _quoted(name: str) -> str:
    return name if name.replace("_", "").isalnum() else f"'{name}'"
