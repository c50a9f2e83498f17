"""Pictures to learn to draw from: a Dataset whose inputs lie between −1 and 1 and whose targets are classes, or nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.data import labelling
from leadline.data.answers import Classes
from leadline.data.dataset import Dataset, Origin, Split
from leadline.data.dividing import Rows, divide, without_strangers
from leadline.data.download import Progress
from leadline.data.pictures.drawing_sources import pictures_of, scaled
from leadline.data.pictures.drawn_answers import Drawings
from leadline.data.pictures.pictures import Pictures
from leadline.data.pictures.pictures_cache import rows_of
from leadline.data.raw import PARTS, Raw, set_aside
from leadline.data.schema import Schema
from leadline.data.sources import Reading, name_of
from leadline.data.tables.frame import ids_of
from leadline.errors import ArgumentError, DataError

HELD_OUT = 20
"""Pictures to choose by and to judge by: of fewer no distribution can be told from another."""
LEARNED = 64
"""Pictures to learn from: the smallest sets from which such networks were published to have learnt hold a hundred."""
_MANY = 5000  # photos, from which a side of 64 is worth its time
_SIDES = (32, 64)  # of photos; the first is learned in a quarter of the time, or less
_KEPT = 40  # pixels a side up to which photos of one size are left as they are
_BYTES = 127  # bytes that never come above this are shades of their own, as those of digits, 0 to 16
_PART = 2048  # pictures looked at together


def load_drawings(
    source: Any,
    *,
    targets: Any = None,
    target: str | None = None,
    size: int | None = None,
    channels: int | None = None,
    valid: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    name: str | None = None,
    cache: Path | str | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Read pictures, with their classes where they have some, and divide them.

    Args:
        source: a folder of photos, flat or with a sub-folder for each class; IDX or .npz files; arrays, with targets or
            without; a list of paths; or a name such as "digits".
        targets: for arrays and lists of paths that have classes.
        target: the column of the classes in a csv beside photos.
        size: pixels a side. Photos are scaled to 32, or to 64 where there are 5,000 of them, when None; all of one size up to
            40 pixels, and arrays, are left as they are.
        channels: 1 or 3 for photos; 1 when all are grey when None.
        valid: share of the pictures (below 1) or their number, at least 20.
        test: likewise.
        seed: of the shuffle.
        name: what the Dataset is called.
        cache: where decoded photos are kept.
        progress: told (done, in all) while photos are decoded.

    Raises:
        DataError: there are too few pictures, or more than 5 % of them cannot be used.

    Example:
        >>> load_drawings("digits")
        Dataset('digits', task='generate', 1,257 + 270 + 270 rows, inputs pictures of 8 × 8 × 1)
    """
    _check(size, channels, valid, test)
    reading = Reading(target=target, size=size, channels=channels, cache=cache, progress=progress)
    raw, meaning = pictures_of(source, targets, reading)
    photos = raw.digest is not None
    if photos and size is None and (size := _side_of(raw) or None):
        raw, meaning = pictures_of(source, targets, replace(reading, size=size))
    if not photos:
        raw = _in_shape(raw, size, channels)
    rows, excluded = set_aside(raw.ids, raw.bad, raw.lost)
    shares = _shares(raw, rows, valid=valid, test=test)
    parts, notes = divide(raw, meaning, rows, **shares, seed=seed)
    classes = labelling.learn_answers(meaning, parts["train"], columns=raw.columns, classes=raw.classes)
    assert isinstance(classes, Classes)
    named = not (meaning.values == "").all()
    parts, strange = without_strangers(parts, meaning, classes) if named else (parts, {})
    if strange:
        _, excluded = set_aside(raw.ids, {**raw.bad, **strange}, raw.lost)
    _check_parts(parts)
    stored = {part: rows_of(raw.array, parts[part], cache) for part in PARTS}
    answers = Drawings(classes.names if named else ())
    made = {
        part: Split(stored[part], answers.encode(meaning.values[parts[part]]), ids_of(raw.ids, parts[part])) for part in PARTS
    }
    options: dict[str, Any] = {"task": "generate", "valid": valid, "test": test, "seed": seed, "size": size}
    options |= {"channels": channels} | ({"target": target} if target else {})
    return Dataset(
        name=name or raw.name,
        train=made["train"],
        valid=made["valid"],
        test=made["test"],
        schema=Schema(_inputs_of(stored["train"]), answers),
        origin=Origin(name_of(source), raw.hash(), options),
        notes=tuple(note for note in (*raw.notes, meaning.note, *notes) if note),
        excluded=excluded,
    )


def read_drawings(
    source: Any, schema: Schema, *, targets: Any = None, cache: Path | str | None = None, progress: Progress | None = None
) -> Split:
    """Other pictures of the kind that a network draws, to compare its drawings with; their classes where all are known.

    Raises:
        DataError: no picture can be used, or more than 5 % cannot.

    Example:
        >>> len(read_drawings("digits", load_drawings("digits").schema))
        1797
    """
    inputs, answers = schema.inputs, schema.answers
    assert isinstance(inputs, Pictures)
    assert isinstance(answers, Drawings)
    shape = (inputs.height, inputs.width, inputs.channels)
    raw, meaning = pictures_of(source, targets, Reading(shape=shape, cache=cache, progress=progress))
    rows, _ = set_aside(raw.ids, raw.bad, raw.lost)
    if raw.parts is not None and "test" in raw.parts:
        rows = rows[raw.parts[rows] == "test"]
    pictures = rows_of(raw.array, rows, cache)
    if pictures.shape[1:] != shape or str(pictures.dtype) != inputs.dtype:
        pictures = np.stack([inputs.encode(picture) for picture in pictures])
    return Split(pictures, answers.encode(meaning.values[rows]), ids_of(raw.ids, rows), raw.notes)


def check_drawable(pictures: NDArray[Any]) -> None:
    """There are enough pictures to learn to draw from, and they differ.

    Args:
        pictures: all that are trained on, as stored [N, H, W, C].

    Errors: `DataError` for fewer than 64, for pictures that are all the same, and where each is of one flat colour.

    Example:
        >>> check_drawable(np.zeros((100, 8, 8, 1), np.uint8))
        Traceback (most recent call last):
        ...
        leadline.errors.DataError: The pictures are all the same, so there is nothing to learn from them but the one. Expected
        pictures that differ; got 100 of one kind.
    """
    if len(pictures) < LEARNED:
        raise DataError(
            "There are too few pictures to learn to draw from",
            expected=f"at least {LEARNED}, and rather thousands",
            got=len(pictures),
            do="With few of them a generator copies what it has seen; add pictures, or train an autoencoder.",
        )
    if all((part == pictures[:1]).all() for part in _parts(pictures)):
        raise DataError(
            "The pictures are all the same, so there is nothing to learn from them but the one",
            expected="pictures that differ",
            got=f"{len(pictures):,} of one kind",
        )
    if all((part == part[:, :1, :1]).all() for part in _parts(pictures)):
        raise DataError(
            "Each picture is of one flat colour, so there are no shapes to learn",
            expected="pictures with something on them",
            got=f"{len(pictures):,} flat ones",
        )


def _check(size: int | None, channels: int | None, valid: float, test: float) -> None:
    if size is not None and not 4 <= size <= 1024:
        raise ArgumentError("The side of the pictures is out of range", expected="4 to 1024 pixels", got=size)
    if channels not in (None, 1, 3):
        raise ArgumentError("The channels of the pictures are neither grey nor colour", expected="1 or 3", got=channels)
    for part, share in (("valid", valid), ("test", test)):
        if 1 <= share < HELD_OUT:
            raise ArgumentError(
                f"data.{part} is too small to compare drawings with", expected=f"a share, or at least {HELD_OUT}", got=share
            )


def _side_of(raw: Raw) -> int:
    """The side that suits so many photos, where they are not small ones of one size; 0 where they lie right already."""
    height, width = raw.array.shape[1:3]
    if max(height, width) <= _KEPT:
        return 0
    side = _SIDES[len(raw) >= _MANY and min(height, width) >= _SIDES[1]]
    return 0 if (height, width) == (side, side) else side


def _in_shape(raw: Raw, size: int | None, channels: int | None) -> Raw:
    """Arrays, scaled where a size was asked for that they do not have."""
    height, width, own = raw.array.shape[1:]
    if channels is not None and channels != own:
        raise ArgumentError("The pictures of an array keep their channels", expected=own, got=channels, do="Leave it out.")
    if size is None or (height, width) == (size, size):
        return raw
    note = f"The pictures, of {height} × {width} pixels, are scaled to {size} × {size}."
    return replace(raw, inputs=scaled(raw.array, size), notes=(*raw.notes, note), copies=None)


def _shares(raw: Raw, rows: Rows, *, valid: float, test: float) -> dict[str, float]:
    """How many pictures are held out, at least `HELD_OUT` of each kind.

    Raises:
        DataError: too few would be left to learn from.
    """
    own = [] if raw.parts is None else [part for part in ("valid", "test") if (raw.parts[rows] == part).any()]
    pool = rows if raw.parts is None else rows[raw.parts[rows] == "train"]
    different = len(np.unique(raw.first_copies()[pool]))
    lacking = [part for part in ("valid", "test") if part not in own]
    needed = LEARNED + HELD_OUT * len(lacking)
    if different < needed:
        held = " and ".join(f"{HELD_OUT} to {'choose' if part == 'valid' else 'judge'} by" for part in lacking)
        raise DataError(
            "There are too few pictures to learn to draw from",
            expected=f"at least {needed} different ones, {LEARNED} to learn from" + (f", {held}" if held else ""),
            got=different,
            do="With few of them a generator copies what it has seen; add pictures: some thousands are usual.",
        )
    return {
        part: share if share >= 1 or round(share * different) >= HELD_OUT else HELD_OUT
        for part, share in (("valid", valid), ("test", test))
    }


def _check_parts(parts: Mapping[str, Rows]) -> None:
    for part in ("valid", "test"):
        if len(parts[part]) < HELD_OUT:
            raise DataError(
                f"There are too few pictures in {part} to compare drawings with",
                expected=f"at least {HELD_OUT}",
                got=len(parts[part]),
            )


def _inputs_of(train: NDArray[Any]) -> Pictures:
    """The Schema by which stored values come to lie between −1 and 1, the range in which a generator draws.

    Bytes go from 0 to 255, or to the largest there is where that is below 128; floats from the least to the largest.
    """
    lows, highs = zip(*((part.min(), part.max()) for part in _parts(train)), strict=True)
    low, high = float(min(lows)), float(max(highs))
    if train.dtype == np.uint8:
        low, high = 0.0, 255.0 if high > _BYTES else max(high, 1.0)
    middle, reach = (low + high) / 2, (high - low) / 2
    if not (math.isfinite(reach) and reach > 0):
        reach = 1.0
    _, height, width, channels = train.shape
    return Pictures(height, width, channels, str(train.dtype), (middle,) * channels, (reach,) * channels)


def _parts(pictures: NDArray[Any]) -> list[NDArray[Any]]:
    return [pictures[start : start + _PART] for start in range(0, len(pictures), _PART)]
