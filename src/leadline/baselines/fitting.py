"""Which baselines a data set has, and the time that each may take."""

from __future__ import annotations

import importlib
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leadline.baselines.boosting import BOOSTING
from leadline.baselines.linear_models import LINEAR_MODELS, LINEAR_TFIDF
from leadline.baselines.neighbours import NEAREST_NEIGHBOURS
from leadline.baselines.problem import Problem
from leadline.baselines.text_problem import TextProblem
from leadline.baselines.trials import Method, fit_growing
from leadline.data.dataset import Dataset
from leadline.data.texts.texts import Texts


@dataclass(frozen=True)
class Baseline:
    """What a simple method answers for the test rows.

    `name` is "linear model", "nearest neighbours" or "gradient boosting"; `detail` says what exactly, on how many rows;
    `seconds` is what it took; `probabilities` are [N, K] for classes, [N, L] for labels, and values [N, M] in the units of the
    targets for numbers. `valid` are its answers for the validation rows by which its setting was chosen, and their targets.

    Example:
        >>> Baseline("linear model", "ridge regression, α = 1, all 90 training rows", 0.1, np.zeros((10, 1))).name
        'linear model'
    """

    name: str
    detail: str
    seconds: float
    probabilities: NDArray[np.float64]
    valid: tuple[NDArray[np.float64], NDArray[np.generic]] | None = None


def fit_baselines(dataset: Dataset, *, seconds: float) -> list[Baseline]:
    """Fit a linear model and nearest neighbours (to a table: gradient boosting) on the rows that a network gets.

    Linear model: logistic regression (one for each label for `labels`), ridge regression for `number`; of a table's categories
    it sees a column for each value. Nearest neighbours: the share of their votes, with one more vote split as the training rows
    are, so that nothing is impossible; for `number`, their mean. Gradient boosting: trees on the histograms of the columns, a
    model for each label or number, as many trees as serve the validation rows best. Numbers are learned as the network learns
    them, on their transformed scale. Inputs are the prepared ones, flattened; pictures above 32 × 32 are averaged down to it,
    series filled up with their mean. To texts a linear model on tf-idf is fitted, alone.
    Rows left out for time are a random choice, in proportion to the classes.

    Args:
        dataset: its splits serve, in turn, to fit, to choose the setting and to be answered for.
        seconds: for everything, about half for each (to a table: a third for the linear model, the rest for boosting); less
            time means fewer rows.

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
    texts = isinstance(dataset.schema.inputs, Texts)
    problem = TextProblem(dataset) if texts else Problem(dataset)
    found = []
    for method, share in _methods(problem):
        # Imported now, so that it does not count as the time of the first trial.
        importlib.import_module(method.module)
        now = time.perf_counter()
        fitted = fit_growing(method, problem, now + share * (end - now))
        if fitted is not None:
            detail, took, answers, valid = fitted
            found.append(Baseline(method.name, detail, took, answers, (valid, problem.valid_targets)))
    return found


def _methods(problem: Problem) -> list[tuple[Method, float]]:
    """Each method with its share of the time that is left when its turn comes."""
    if isinstance(problem, TextProblem):
        return [(LINEAR_TFIDF[problem.task], 1.0)]
    linear = LINEAR_MODELS[problem.task]
    return [(linear, 1 / 3), (BOOSTING, 1.0)] if problem.table else [(linear, 0.5), (NEAREST_NEIGHBOURS, 1.0)]
