"""Baselines: what a linear model and nearest neighbours make of the same rows, so that a network's score means something.

Both are fitted on the training split, choose their one setting on the validation split, and answer for the test split, in a
time that is set beforehand: where all rows would take too long, they use as many as there is time for.
"""

from __future__ import annotations

import importlib
import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from leadline import metrics
from leadline.data.dataset import Dataset, Split

# Pictures above this side are averaged down to it: these methods gain little from more, and their time grows with the area.
_SIDE = 32
_MOST_NUMBERS = 250_000_000  # 1 GB of float32 inputs
_CHOOSING_ROWS = 2_000  # of the validation split; enough to choose one setting among a few

# Each trial takes at most this many times the rows of the one before, so that the last takes most of the time.
_GROWTH = 8
# A trial on n times the rows is expected to take 1.5 n times as long: more iterations, more than the caches hold.
_CAUTION = 1.5
_FIRST_ROWS = 500

# The first setting stays where the validation rows do not tell. C is the inverse of the penalty; each fit starts from the one
# before, so from strong to weak.
_STRENGTHS = (0.001, 0.01, 0.1, 1.0)
_PENALTIES = (10.0, 0.1, 1.0, 100.0, 1_000.0, 10_000.0)
_NEIGHBOURS = (5, 1, 3, 9, 15, 25)


@dataclass(frozen=True)
class Baseline:
    """What a simple method answers for the test rows.

    `name` is "linear model" or "nearest neighbours"; `detail` says what exactly, on how many rows; `seconds` is what it took;
    `probabilities` are [N, K] for classes, [N, L] for labels, and values [N, M] in the units of the targets for numbers.
    """

    name: str
    detail: str
    seconds: float
    probabilities: NDArray[np.float64]


def fit_baselines(dataset: Dataset, *, seconds: float) -> list[Baseline]:
    """Fit a linear model and nearest neighbours on the rows that a network gets, within about `seconds`, half for each.

    Linear model: logistic regression (one for each label for `labels`), ridge regression for `number`. Nearest neighbours: the
    share of their votes, with one more vote split as the training rows are, so that nothing is impossible; for `number`, their
    mean. Inputs are the prepared ones, flattened; pictures above 32 × 32 are averaged down to it. Rows left out for time are a
    random choice, in proportion to the classes.

    Args:
        dataset: its splits serve, in turn, to fit, to choose the setting and to be answered for.
        seconds: for everything; less time means fewer rows.

    Returns:
        The baselines that could be fitted. Data on which one cannot be (a single class in training, say) leave it out.

    Example:
        >>> from leadline import data
        >>> inputs, targets = np.array([[-1.0], [1.0]] * 30, np.float32), np.array([0, 1] * 30)
        >>> rows = data.Split(inputs, targets, [f"row:{row}" for row in range(60)])
        >>> schema = data.Schema(data.Vectors.learn(rows.inputs), data.Classes(("low", "high")))
        >>> points = data.Dataset("two points", rows, rows, rows, schema, data.Origin("arrays", "", {}))
        >>> [baseline.name for baseline in fit_baselines(points, seconds=5)]
        ['linear model', 'nearest neighbours']
    """
    end = time.perf_counter() + seconds
    if seconds <= 0 or not len(dataset.train) or not len(dataset.test):
        return []
    for module in ("sklearn.linear_model", "sklearn.neighbors"):
        importlib.import_module(module)  # now, so that it does not count as the time of the first trial
    problem = _Problem(dataset)
    linear, strengths = _LINEAR[problem.task]
    found = []
    for name, method, settings, share in (
        ("linear model", linear, strengths, 0.5),
        ("nearest neighbours", _nearest_neighbours, _NEIGHBOURS, 1.0),
    ):
        now = time.perf_counter()
        baseline = _grow(name, method, settings, problem, now + share * (end - now))
        if baseline is not None:
            found.append(baseline)
    return found


class _Problem:
    """A data set as simple methods want it: flat float32 inputs [N, D], made for as many training rows as are asked for."""

    def __init__(self, dataset: Dataset) -> None:
        self.task, self.outputs = dataset.task, dataset.schema.answers.outputs
        self.prepare = dataset.schema.inputs.preparer(torch.device("cpu"))
        shape = dataset.schema.inputs.shape
        self.side = [min(length, _SIDE) for length in shape[1:]]  # none for vectors
        self.shrunk = self.side != list(shape[1:])
        self.train, self.order = dataset.train, _stratified_order(dataset.train.targets)
        self.affordable = min(len(self.order), max(1, _MOST_NUMBERS // math.prod((shape[0], *self.side))))
        choosing = dataset.valid.take(np.sort(_stratified_order(dataset.valid.targets)[:_CHOOSING_ROWS]))
        self.valid_targets = torch.from_numpy(choosing.targets)
        self.valid, self.test = self._flat(choosing), self._flat(dataset.test)

    def training(self, rows: int) -> tuple[NDArray[np.float32], NDArray[np.generic]]:
        """Inputs [rows, D] and targets of a random choice of rows, in proportion to the classes."""
        chosen = np.sort(self.order[:rows])
        return self._flat(self.train, chosen), self.train.targets[chosen]

    def score(self, answers: NDArray[np.float64]) -> float:
        """The headline metric on the validation rows, larger is better; −∞ where it says nothing."""
        metric = next(iter(metrics.for_task(self.task, self.outputs).values()))
        value = float(metric.function(torch.from_numpy(answers), self.valid_targets))
        return -math.inf if math.isnan(value) else value if metric.higher_is_better else -value

    def _flat(self, split: Split, rows: NDArray[np.integer] | None = None) -> NDArray[np.float32]:
        numbers = np.arange(len(split)) if rows is None else rows
        parts = [self._flat_part(split, numbers[start : start + 1024]) for start in range(0, len(numbers), 1024)]
        return np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)

    def _flat_part(self, split: Split, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        inputs = self.prepare(torch.from_numpy(np.asarray(split.inputs[rows])))
        if self.shrunk:
            inputs = torch.nn.functional.adaptive_avg_pool2d(inputs, (self.side[0], self.side[1]))
        flat: NDArray[np.float32] = inputs.flatten(1).numpy()
        return flat


# Lazily, one setting after the other: the setting, its description, its answers for the validation rows and for the test rows.
_Fits = Iterator[tuple[float, str, NDArray[np.float64], NDArray[np.float64]]]
_Method = Callable[[_Problem, int, Sequence[float]], _Fits]


@dataclass(frozen=True)
class _Trial:
    """What came of some training rows: the score of each setting there was time for, and the answers of the best."""

    scores: dict[float, float]
    detail: str
    answers: NDArray[np.float64]
    first_seconds: float


def _grow(name: str, method: _Method, settings: Sequence[float], problem: _Problem, end: float) -> Baseline | None:
    """Fit on more and more rows while there is time for the next trial; the last trial counts."""
    begin, rows = time.perf_counter(), min(_FIRST_ROWS, problem.affordable)
    best = None
    while rows:
        try:
            trial = _try_settings(problem, method(problem, rows, settings), end)
        except (ValueError, ArithmeticError, MemoryError):  # how scikit-learn refuses data; what was fitted on fewer rows stays
            break
        now, available, scores = time.perf_counter(), len(problem.order), trial.scores
        used = f"all {rows:,} training rows" if rows == available else f"{rows:,} of {available:,} training rows"
        shrunk = f", pictures averaged to {problem.side[0]} × {problem.side[1]}" if problem.shrunk else ""
        best = Baseline(name, f"{trial.detail}, {used}{shrunk}", now - begin, trial.answers)
        # The most promising first: then a trial with time for a single setting is worth while.
        settings = sorted(settings, key=lambda setting: scores.get(setting, -math.inf), reverse=True)
        rows = _next_rows(rows, problem.affordable, took=trial.first_seconds, left=end - now)
    return best


def _next_rows(rows: int, most: int, *, took: float, left: float) -> int:
    """How many rows to try after a fit on `rows` took `took` seconds and `left` are left; 0 where it is not worth it."""
    possible = min(most, int(rows * max(0.0, min(_GROWTH, left / (_CAUTION * max(took, 1e-6))))))
    return possible if possible > rows and (possible == most or possible >= 1.5 * rows) else 0


def _try_settings(problem: _Problem, fits: _Fits, end: float) -> _Trial:
    """Try settings while there is time, at least one, and keep the answers of the one that is best on the validation rows."""
    start, scores, best, first = time.perf_counter(), {}, None, 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fit that stops before it has converged is still a baseline
        for setting, detail, valid, test in fits:
            first = first or time.perf_counter() - start
            scores[setting] = problem.score(valid)
            if best is None or scores[setting] > best[0]:
                best = (scores[setting], detail, test)
            if time.perf_counter() >= end:
                break
    if best is None:
        raise ValueError("no setting could be fitted")
    return _Trial(scores, best[1], best[2], first)


def _logistic_regression(problem: _Problem, rows: int, settings: Sequence[float]) -> _Fits:
    from sklearn.linear_model import LogisticRegression

    inputs, targets = problem.training(rows)
    model = LogisticRegression(warm_start=True)

    def answers(inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        probabilities = np.zeros((len(inputs), problem.outputs))  # classes that the training rows lack keep 0
        probabilities[:, model.classes_] = model.predict_proba(inputs)
        return probabilities

    for strength in settings:
        model.set_params(C=strength).fit(inputs, targets)
        yield strength, f"logistic regression, C = {strength:g}", answers(problem.valid), answers(problem.test)


def _logistic_regressions(problem: _Problem, rows: int, settings: Sequence[float]) -> _Fits:
    from sklearn.linear_model import LogisticRegression

    inputs, targets = problem.training(rows)
    varying = np.flatnonzero(targets.min(axis=0) != targets.max(axis=0))
    if not len(varying):
        raise ValueError("no label varies")
    models = {label: LogisticRegression(warm_start=True) for label in varying}

    def answers(inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        probabilities = np.tile(targets[0].astype(np.float64), (len(inputs), 1))  # right for the labels that do not vary
        for label, model in models.items():
            probabilities[:, label] = model.predict_proba(inputs)[:, 1]
        return probabilities

    for strength in settings:
        for label, model in models.items():
            model.set_params(C=strength).fit(inputs, targets[:, label])
        yield strength, f"a logistic regression for each label, C = {strength:g}", answers(problem.valid), answers(problem.test)


def _ridge_regression(problem: _Problem, rows: int, settings: Sequence[float]) -> _Fits:
    from sklearn.linear_model import Ridge

    inputs, targets = problem.training(rows)
    for penalty in settings:
        # lsqr: time in proportion to rows × columns, and no D × D matrix.
        model = Ridge(alpha=penalty, solver="lsqr").fit(inputs, targets.astype(np.float64))
        valid, test = (np.reshape(model.predict(part), (len(part), problem.outputs)) for part in (problem.valid, problem.test))
        yield penalty, f"ridge regression, α = {penalty:g}", valid.astype(np.float64), test.astype(np.float64)


def _nearest_neighbours(problem: _Problem, rows: int, settings: Sequence[float]) -> _Fits:
    from sklearn.neighbors import NearestNeighbors

    inputs, targets = problem.training(rows)
    index = NearestNeighbors(n_neighbors=min(max(_NEIGHBOURS), rows)).fit(inputs)
    valid, test = (index.kneighbors(part, return_distance=False) for part in (problem.valid, problem.test))
    votes = np.eye(problem.outputs)[targets] if problem.task == "classes" else targets.astype(np.float64)
    one_more = 0 if problem.task == "number" else 1
    everyone = votes.mean(axis=0)

    def answers(nearest: NDArray[np.integer], count: int) -> NDArray[np.float64]:
        total = sum((votes[nearest[:, place]] for place in range(count)), start=one_more * everyone)
        return np.asarray(total / (count + one_more))

    for count in map(int, settings):
        if count <= rows:
            yield count, f"{count} nearest neighbour{'s' if count > 1 else ''}", answers(valid, count), answers(test, count)


_LINEAR: dict[str, tuple[_Method, Sequence[float]]] = {
    "classes": (_logistic_regression, _STRENGTHS),
    "labels": (_logistic_regressions, _STRENGTHS),
    "number": (_ridge_regression, _PENALTIES),
}


def _stratified_order(targets: NDArray[np.generic]) -> NDArray[np.int64]:
    """A random order of the rows whose every beginning holds the classes in proportion, and each class as early as can be."""
    order = np.random.default_rng(0).permutation(len(targets))
    if targets.dtype.kind not in "iu":
        return order
    shuffled = targets[order]
    _, group, size = np.unique(shuffled, return_inverse=True, return_counts=True)
    by_class = np.argsort(group, kind="stable")
    place = np.empty(len(order))
    place[by_class] = np.arange(len(order)) - np.repeat(np.cumsum(size) - size, size)
    return order[np.argsort(place / size[group], kind="stable")]
