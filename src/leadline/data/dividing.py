"""Dividing rows into train, valid and test: the source's own parts, and what they lack cut from train."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from leadline.data import splits
from leadline.data.answers import Answers, Classes
from leadline.data.labelling import Meaning
from leadline.data.raw import PARTS, Raw
from leadline.errors import DataError
from leadline.spelling import counted

Rows = NDArray[np.int64]


def divide(
    raw: Raw, meaning: Meaning, rows: Rows, *, valid: float, test: float, seed: int
) -> tuple[dict[str, Rows], list[str]]:
    """The usable rows of each part, and notes on how they were divided.

    Rows in time order are cut there, the latest to test by; groups and exact copies stay together; otherwise rows are shuffled,
    each class by itself.

    Raises:
        DataError: there are too few rows for the parts asked for.
    """
    own = {part: rows if raw.parts is None else rows[raw.parts[rows] == part] for part in PARTS}
    if raw.parts is None:
        own |= {"valid": rows[:0], "test": rows[:0]}
    lacking = [part for part in ("valid", "test") if not len(own[part])]
    copies = raw.first_copies()
    notes = _about_copies(copies, own, lacking, kept=raw.order is None and raw.groups is None)
    if not lacking:
        return own, notes
    pool = own["train"]
    shares = {"valid": valid if "valid" in lacking else 0, "test": test if "test" in lacking else 0}
    if raw.order is not None:
        assigned = splits.assign_in_order(raw.order[pool], valid=shares["valid"], test=shares["test"])
        notes.append(
            "The splits follow time: the earliest rows are learned from, the latest are judged by."
            if "test" in lacking
            else "The latest rows of train are kept to choose by; the source brings its own test rows."
        )
    elif raw.groups is not None:
        groups = _first_of_each(raw.groups[pool])
        if (count := len(np.unique(groups))) <= len(lacking):
            raise DataError("There are too few groups to divide", expected=f"at least {1 + len(lacking)} groups", got=count)
        assigned = splits.assign(np.zeros(len(pool), np.int64), groups, valid=shares["valid"], test=shares["test"], seed=seed)
        notes.append(
            f"The {count:,} groups stay whole: no group is in two splits."
            if raw.parts is None
            else f"The {count:,} groups of train stay whole; the source brings splits of its own."
        )
    else:
        strata, names = _strata(meaning, pool)
        assigned = splits.assign(strata, copies[pool], valid=shares["valid"], test=shares["test"], seed=seed)
        notes += _about_few(strata, names)
    for number, part in enumerate(PARTS):
        if part == "train" or part in lacking:
            own[part] = pool[assigned == number]
    _check_parts(own, meaning)
    return own, notes


def without_strangers(parts: dict[str, Rows], meaning: Meaning, answers: Answers) -> tuple[dict[str, Rows], dict[int, str]]:
    """Leave out rows of valid and test whose class the training rows never show; which these are, and why."""
    if not isinstance(answers, Classes):
        return parts, {}
    strange = {
        int(row): f"its class {meaning.values[row]} is not in train"
        for part in ("valid", "test")
        for row in parts[part][~np.isin(meaning.values[parts[part]], answers.names)]
    }
    return {part: np.setdiff1d(rows, list(strange)) for part, rows in parts.items()} if strange else parts, strange


def _check_parts(parts: dict[str, Rows], meaning: Meaning) -> None:
    """Groups and time may leave a split empty, or training with a single class."""
    empty = [part for part, rows in parts.items() if not len(rows)]
    if empty:
        raise DataError(f"No row is left for {empty[0]}", expected="more rows, groups or moments than splits")
    left = meaning.values[parts["train"]]
    if meaning.task == "classes" and len(np.unique(left)) < 2 <= len(np.unique(meaning.values)):
        raise DataError(
            "All rows to learn from are of one class",
            expected="at least two classes",
            got=str(left[0]),
            do="Rows in groups or in time cannot be shuffled class by class: divide them by another column.",
        )


def _first_of_each(groups: Rows) -> Rows:
    """For each row the number of the first row of its group."""
    _, first, number = np.unique(groups, return_index=True, return_inverse=True)
    return np.asarray(first[number.reshape(-1)], np.int64)


def _strata(meaning: Meaning, rows: Rows) -> tuple[Rows, Sequence[str]]:
    values = meaning.values[rows]
    if meaning.task == "classes":
        names, strata = np.unique(values, return_inverse=True)
        return strata, names.tolist()
    return (splits.strata_of_labels(values) if meaning.task == "labels" else splits.strata_of_numbers(values)), ()


def _about_copies(copies: Rows, own: dict[str, Rows], lacking: Sequence[str], *, kept: bool) -> list[str]:
    notes = []
    in_train = np.zeros(len(copies), dtype=bool)
    in_train[copies[own["train"]]] = True
    repeated = len(own["train"]) - int(in_train.sum())
    if lacking and repeated and kept:
        said = counted(repeated, "row is an exact copy of another", "rows are exact copies of others")
        notes.append(f"{said}; copies are kept in the same split.")
    shared = {part: int(in_train[copies[own[part]]].sum()) for part in ("valid", "test")}
    return notes + [
        f"{count:,} of {len(own[part]):,} {part} rows "
        + (
            "is an exact copy of a row in train; the source put it there."
            if count == 1
            else "are exact copies of rows in train; the source put them there."
        )
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
