"""What raw targets mean: one class of several, several labels, or numbers, by their type and values or as the caller says."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.data.answers import Classes, Labels, Numbers, as_text
from leadline.data.tables.scaling import skewness
from leadline.errors import DataError, unknown

TASKS = ("classes", "labels", "number")
_SKEWED = 2.0  # that of an exponential distribution; beyond it a few rows would decide the loss
_FEW = 100  # distinct whole numbers may be class numbers; more of them are read as a quantity


@dataclass(frozen=True)
class Meaning:
    """Targets that are understood: `values` is text [N] for classes, float32 [N, L] for labels, float64 [N, M] for numbers."""

    task: str
    values: NDArray[Any]
    note: str | None = None


def without_label(targets: NDArray[Any]) -> dict[int, str]:
    """Row number → why its target cannot be used."""
    if targets.dtype.kind == "f":
        missing = ~np.isfinite(targets.reshape(len(targets), -1)).all(axis=1)
        reason = "its label is not a finite number"
    elif targets.dtype.kind == "O":
        missing = np.array([any(v is None or v == "" or v != v for v in np.atleast_1d(row)) for row in targets], dtype=bool)
        reason = "it has no label"
    elif targets.dtype.kind == "U":
        missing = (targets == "").reshape(len(targets), -1).any(axis=1)
        reason = "it has no label"
    else:
        return {}
    return dict.fromkeys(np.flatnonzero(missing).tolist(), reason)


def interpret(targets: NDArray[Any], task: str | None = None, columns: tuple[str, ...] | None = None) -> Meaning:
    """Decide what targets [N] or [N, L] mean, unless `task` says it.

    Text, booleans and whole numbers are classes (but many different whole numbers are a quantity), columns of 0 and 1 are
    labels (but exactly one 1 in each row names a class), other numbers are numbers.

    Raises:
        DataError: the targets cannot be what `task` says.

    Example:
        >>> interpret(np.array([0.5, 1.5])).task, interpret(np.array([0, 1])).task, interpret(np.eye(3)[:, :2]).task
        ('number', 'classes', 'labels')
    """
    if task is not None and task not in TASKS:
        others = ("pairs", "tokens", "ngram", "words", "sequence", "trees", "reconstruct", "generate")
        unknown("task", task, (*TASKS, *others))
    if targets.dtype.kind == "O":
        targets = np.array(
            [[as_text(v) for v in row] if isinstance(row, (list, tuple, np.ndarray)) else as_text(row) for row in targets]
        )
    if targets.ndim == 2 and targets.shape[1] == 1 and task != "labels":
        targets = targets[:, 0]
    if targets.ndim == 2:
        return _several(targets, task, columns)
    if targets.ndim != 1:
        raise DataError("The targets have too many dimensions", expected="[N] or [N, columns]", got=f"shape {targets.shape}")
    if task == "labels":
        return Meaning(task, _zeros_and_ones(targets[:, None]))
    return _one(targets, task)


def learn_answers(
    meaning: Meaning,
    train: NDArray[np.int64],
    *,
    columns: tuple[str, ...] | None,
    classes: tuple[str, ...] | None,
    transform: str | None = None,
    skewed: bool = False,
) -> Classes | Labels | Numbers:
    """What the outputs mean, learned from the rows `train` alone: names of classes in natural order, mean and std of numbers.

    Args:
        meaning: of all targets.
        train: row numbers.
        columns: names of the target columns.
        classes: names of the classes in their usual order.
        transform: of numbers: "log", "none", or by their skewness where None and `skewed` allows it.
        skewed: whether numbers may be transformed unasked.
    """
    if transform not in (None, "log", "none"):
        unknown("transform of the target", str(transform), ("log", "none"))
    values = meaning.values[train]
    if meaning.task == "classes":
        return Classes(classes or natural_order(np.unique(values).tolist()))
    count = values.shape[1]
    if meaning.task == "labels":
        return Labels(columns or tuple(f"label {column}" for column in range(count)))
    names = columns or (("value",) if count == 1 else tuple(f"value {column}" for column in range(count)))
    units = tuple(_unit(column, transform or ("auto" if skewed else "none")) for column in values.T)
    learned = np.stack([np.arcsinh(column / unit) if unit else column for column, unit in zip(values.T, units, strict=True)], 1)
    std = learned.std(axis=0)
    still = std <= 1e-12 * np.maximum(1.0, np.abs(learned).max(axis=0))
    mean, std = tuple(learned.mean(axis=0).tolist()), tuple(np.where(still, 1.0, std).tolist())
    return Numbers(names, mean, std, units if any(units) else ())


def _unit(values: NDArray[np.float64], transform: str) -> float:
    """The unit of the arsinh by which numbers [N] are made less skewed; 0 where they are learned as they are."""
    sizes = np.abs(values[values != 0])
    if transform == "none" or not len(sizes):
        return 0.0
    unit = float(np.median(sizes))
    # A tenth of the usual size is where the logarithm begins.
    unit /= 10
    if transform == "auto" and not (
        abs(skewness(values)) > _SKEWED and abs(skewness(np.arcsinh(values / unit))) < abs(skewness(values)) / 2
    ):
        return 0.0
    return unit


def natural_order(names: Iterable[str]) -> tuple[str, ...]:
    """Names in the order a person expects: numbers by value, also inside text.

    Example:
        >>> natural_order(["img10", "img9", "-1", "-2", "B", "a"])
        ('-2', '-1', 'a', 'B', 'img9', 'img10')
    """
    return tuple(sorted(names, key=_natural_key))


def _natural_key(name: str) -> tuple[Any, ...]:
    if re.fullmatch(r"-?[0-9]+", name):
        return (0, int(name), name)
    parts = re.split(r"([0-9]+)", name.casefold())
    return (1, [(0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part) for part in parts], name)


def _one(targets: NDArray[Any], task: str | None) -> Meaning:
    kind = targets.dtype.kind
    note = None
    if kind in "iuf":
        whole = kind != "f" or bool((targets == np.rint(targets)).all())
        distinct = len(np.unique(targets))
        if task == "classes" and not whole:
            raise DataError(
                "The labels are not classes: some are no whole numbers",
                expected="names or whole numbers",
                got=f"{targets[targets != np.rint(targets)][0]}",
                do="Use the task 'number' to learn the values themselves.",
            )
        if task is None:
            task, note = _guess(kind, whole, distinct, len(targets))
    task = task or "classes"
    if task == "number":
        return Meaning(task, _as_numbers(targets)[:, None], note)
    return Meaning(task, _as_names(targets), note)


def _guess(kind: str, whole: bool, distinct: int, count: int) -> tuple[str, str | None]:
    if kind == "f":
        if not whole or distinct > _FEW:
            return "number", None
        return (
            "classes",
            f"The labels are floats with {distinct} different whole values and are read as classes, not as numbers.",
        )
    if distinct > max(_FEW, count // 10):
        return (
            "number",
            f"The labels have {distinct:,} different whole values and are read as numbers, not as classes.",
        )
    return "classes", None


def _several(targets: NDArray[Any], task: str | None, columns: tuple[str, ...] | None) -> Meaning:
    if task == "number":
        return Meaning(task, _as_numbers(targets))
    binary = targets.dtype.kind in "biuf" and bool(np.isin(targets, (0, 1)).all())
    single = binary and bool((targets.sum(axis=1) == 1).all())
    if task == "classes" or (task is None and single):
        if not single:
            raise DataError(
                "The targets are not classes", expected="one name or number a row, or exactly one 1 in each row of 0 and 1"
            )
        names = np.array(columns or [str(column) for column in range(targets.shape[1])])
        note = (
            None
            if task
            else "Each row has exactly one 1, so the columns are read as classes; use the task 'labels' if several could be 1."
        )
        return Meaning("classes", names[targets.argmax(axis=1)], note)
    if task == "labels" or binary:
        return Meaning("labels", _zeros_and_ones(targets))
    return Meaning("number", _as_numbers(targets))


def _zeros_and_ones(targets: NDArray[Any]) -> NDArray[np.float32]:
    if targets.dtype.kind not in "biuf" or not np.isin(targets, (0, 1)).all():
        raise DataError(
            "The labels are not columns of 0 and 1", expected="0 or 1 in each place", do="Use the task 'classes' for names."
        )
    return targets.astype(np.float32)


def _as_numbers(targets: NDArray[Any]) -> NDArray[np.float64]:
    try:
        return targets.astype(np.float64)
    except ValueError as error:
        raise DataError("The targets are not numbers", expected="numbers", got=str(error).partition(": ")[2]) from error


def _as_names(targets: NDArray[Any]) -> NDArray[np.str_]:
    """Text for each target; each different value is turned into text once."""
    if targets.dtype.kind == "U":
        return targets
    values, number = np.unique(targets, return_inverse=True)
    return np.array([as_text(value) for value in values])[number]
