"""Simple answers for every step: the commonest, the commonest of each word, and a linear model on a step and its neighbors."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from leadline.data.dataset import Dataset, Split
from leadline.data.ragged import Ragged
from leadline.data.series.series import Series
from leadline.data.steps.step_answers import StepClasses, StepNumbers
from leadline.data.steps.tagged_sentences import Sentences

_REACH = 5  # steps before and behind that the linear model sees, as far as there is room for their channels
_MOST_COLUMNS = 200
_MOST_STEPS = 40_000  # of training for the linear model: its few weights need no more
_FEWEST_STEPS = 2_000
_CHOOSING_STEPS = 10_000  # of validation
_STRENGTHS, _PENALTIES = (1.0, 0.01), (1.0, 100.0)


@dataclass(frozen=True)
class StepBaseline:
    """What a simple method says of all test steps, one row after the other: class numbers [S], or numbers [S, M].

    Example:
        >>> StepBaseline("most frequent class", "“O”", 0.0, np.zeros(3, np.int64)).name
        'most frequent class'
    """

    name: str
    detail: str
    seconds: float
    said: NDArray[Any]


def fit_step_baselines(dataset: Dataset, split: Split, *, seconds: float) -> list[StepBaseline]:
    """The simple methods that suit these rows, fitted on the training rows, with their answers for another split.

    Args:
        dataset: whose training (and validation) rows they learn from.
        split: that they answer.
        seconds: that the linear model may take; with less time it learns from fewer steps.

    Example:
        >>> from leadline.data.steps.step_loading import load_steps
        >>> words = [["a", "b", "a"], ["b", "a"], ["a"], ["b", "b"], ["a", "a"], ["b", "a", "a"]]
        >>> dataset = load_steps(words, [[word.upper() for word in row] for row in words], valid=1, test=1)
        >>> first, *_ = fit_step_baselines(dataset, dataset.test, seconds=1)
        >>> first.name, first.said.tolist() == dataset.test.targets.values.tolist()
        ('most frequent class of each word', True)
    """
    answers, found = dataset.schema.answers, []
    if isinstance(answers, StepClasses):
        if isinstance(dataset.schema.inputs, Sentences):
            found.append(_of_each_word(dataset, split, answers))
        else:
            found += _linear(dataset, split, seconds)
        found.append(_most_frequent(dataset, split, answers))
    elif isinstance(answers, StepNumbers):
        if isinstance(dataset.schema.inputs, Series):
            found += _linear(dataset, split, seconds)
        said = np.tile(answers.mean, (_steps(split), 1))
        found.append(StepBaseline("mean", "of the training steps", 0.0, said))
    return found


def _steps(split: Split) -> int:
    return int(split.inputs.lengths.sum())  # type: ignore[union-attr]


def _counts(targets: NDArray[Any], classes: int) -> NDArray[np.int64]:
    return np.bincount(targets[targets >= 0], minlength=classes)


def _most_frequent(dataset: Dataset, split: Split, answers: StepClasses) -> StepBaseline:
    most = int(_counts(dataset.train.targets.values, answers.outputs).argmax())
    said = np.full(_steps(split), most, np.int64)
    return StepBaseline("most frequent class", f"“{answers.names[most]}” at every step", 0.0, said)


def _of_each_word(dataset: Dataset, split: Split, answers: StepClasses) -> StepBaseline:
    """Words that are known by their looks alone get what is commonest among words of these looks."""
    begin = time.perf_counter()
    train: Any = dataset.train.inputs
    targets: NDArray[np.int64] = dataset.train.targets.values
    inputs: Any = dataset.schema.inputs
    there = targets >= 0
    pairs, counts = np.unique(train.values[there].astype(np.int64) * answers.outputs + targets[there], return_counts=True)
    words, classes = np.divmod(pairs, answers.outputs)
    best = np.full(len(inputs.vocabulary), _counts(targets, answers.outputs).argmax())
    rising = np.lexsort((-classes, counts))
    best[words[rising]] = classes[rising]  # the last that is written stays: the commonest, and the first of equal ones
    asked: Any = split.inputs
    detail = f"of {len(np.unique(words)):,} words and looks of words"
    return StepBaseline("most frequent class of each word", detail, time.perf_counter() - begin, best[asked.values])


def _linear(dataset: Dataset, split: Split, seconds: float) -> list[StepBaseline]:
    """Logistic or ridge regression on the channels of a step and of those around it."""
    begin = time.perf_counter()
    answers, inputs = dataset.schema.answers, dataset.schema.inputs
    width = inputs.shape[1]
    reach = max(0, min(_REACH, (_MOST_COLUMNS // width - 1) // 2))
    prepare = inputs.preparer(torch.device("cpu"))
    steps = int(np.clip(_MOST_STEPS * seconds / 10.0, _FEWEST_STEPS, _MOST_STEPS))
    seen, targets = _windows(dataset.train, reach, prepare, steps)
    choosing, wanted = _windows(dataset.valid, reach, prepare, _CHOOSING_STEPS)
    asked: Any = split.inputs
    classes = isinstance(answers, StepClasses)
    if not len(targets) or (classes and len(np.unique(targets)) < 2):
        return []
    best: tuple[float, str, NDArray[Any]] | None = None
    for setting, model in _models(classes, seen, targets, answers):
        score = _score(answers, model, choosing, wanted)
        if best is None or score > best[0]:
            said = np.concatenate([_columns(model.predict(part)) for part in _all_windows(asked, reach, prepare)])
            told = said[:, 0].astype(np.int64) if classes else _in_units(answers, said)
            best = score, setting, told
        if time.perf_counter() - begin > seconds:
            break
    assert best is not None
    around = f"a step and {reach} on each side, " if reach else ""
    detail = f"{best[1]}, {around}{len(seen):,} training steps"
    return [StepBaseline("linear model", detail, time.perf_counter() - begin, best[2])]


def _models(classes: bool, seen: NDArray[Any], targets: NDArray[Any], answers: Any) -> Iterator[tuple[str, Any]]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, Ridge

    for setting in _STRENGTHS if classes else _PENALTIES:
        if not classes:
            yield f"ridge regression, α = {setting:g}", Ridge(alpha=setting).fit(seen, _prepared(answers, targets))
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # 100 steps bring it close enough to compare with
            model = LogisticRegression(C=setting).fit(seen, targets)
        yield f"logistic regression, C = {setting:g}", model


def _score(answers: Any, model: Any, choosing: NDArray[np.float32], wanted: NDArray[Any]) -> float:
    """How well a model answers steps of validation, of which there may be none with a target."""
    if not len(choosing):
        return 0.0
    said = model.predict(choosing)
    if isinstance(answers, StepClasses):
        return float((said == wanted).mean())
    return -float(np.square(_columns(said) - _prepared(answers, wanted)).mean())


def _windows(split: Split, reach: int, prepare: Any, most: int) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Steps that have a target, at most so many, spread over whole rows drawn at random: [S, (2 · reach + 1) · C]."""
    inputs: Any = split.inputs
    order = np.random.default_rng(0).permutation(len(split))
    kept = order[: max(1, int(np.searchsorted(np.cumsum(inputs.lengths[order]), most, "right")))]
    rows, targets = inputs[np.sort(kept)], split.targets[np.sort(kept)].values
    there = targets >= 0 if targets.ndim == 1 else ~np.isnan(targets).any(axis=1)
    windows = np.concatenate(list(_all_windows(rows, reach, prepare)))
    return windows[there][:most], targets[there][:most]


def _all_windows(rows: Ragged, reach: int, prepare: Any) -> Iterator[NDArray[np.float32]]:
    """Each row's windows; beyond its ends stands the mean, which is 0 when prepared."""
    for row in rows:
        values = prepare(torch.from_numpy(np.array(row))[None])[0].numpy()
        padded = np.pad(values, ((reach, reach), (0, 0)))
        yield np.concatenate([padded[at : at + len(values)] for at in range(2 * reach + 1)], axis=1)


def _prepared(answers: Any, targets: NDArray[Any]) -> NDArray[np.float64]:
    values: NDArray[np.float64] = answers.prepare(torch.from_numpy(targets)).double().numpy()
    return values


def _in_units(answers: Any, values: NDArray[Any]) -> NDArray[np.float64]:
    told: NDArray[np.float64] = answers.values(torch.from_numpy(values)).numpy()
    return told


def _columns(values: NDArray[Any]) -> NDArray[Any]:
    return values[:, None] if values.ndim == 1 else values
