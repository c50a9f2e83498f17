"""The linear model of each task: logistic regression for classes and labels, ridge regression for numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.baselines.problem import Problem
from leadline.baselines.trials import Fit, Method

# The first setting stays where the validation rows do not tell. C is the inverse of the penalty; each fit starts from the one
# before, so from strong to weak.
_STRENGTHS = (0.001, 0.01, 0.1, 1.0)
_PENALTIES = (10.0, 0.1, 1.0, 100.0, 1_000.0, 10_000.0)

_Answer = Callable[[NDArray[np.float32]], NDArray[np.float64]]


def _logistic_regression(problem: Problem, rows: int, settings: Sequence[float], until: float) -> Iterator[Fit]:
    from sklearn.linear_model import LogisticRegression

    inputs, targets = _training(problem, rows)
    inputs, seen = _seen_columns(inputs)
    model = LogisticRegression(warm_start=True)

    def answer(inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        probabilities = np.zeros((inputs.shape[0], problem.outputs))  # classes that the training rows lack keep 0
        probabilities[:, model.classes_] = model.predict_proba(inputs[:, seen])
        return probabilities

    for strength in settings:
        model.set_params(C=strength).fit(inputs, targets)
        yield _fit(problem, strength, f"logistic regression{problem.on}, C = {strength:g}", answer)


def _logistic_regressions(problem: Problem, rows: int, settings: Sequence[float], until: float) -> Iterator[Fit]:
    from sklearn.linear_model import LogisticRegression

    inputs, targets = _training(problem, rows)
    inputs, seen = _seen_columns(inputs)
    varying = np.flatnonzero(targets.min(axis=0) != targets.max(axis=0))
    if not len(varying):
        raise ValueError("no label varies")
    models = {label: LogisticRegression(warm_start=True) for label in varying}

    def answer(inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        probabilities = np.tile(targets[0].astype(np.float64), (inputs.shape[0], 1))  # right for the labels that do not vary
        for label, model in models.items():
            probabilities[:, label] = model.predict_proba(inputs[:, seen])[:, 1]
        return probabilities

    for strength in settings:
        for label, model in models.items():
            model.set_params(C=strength).fit(inputs, targets[:, label])
        yield _fit(problem, strength, f"a logistic regression for each label{problem.on}, C = {strength:g}", answer)


def _ridge_regression(problem: Problem, rows: int, settings: Sequence[float], until: float) -> Iterator[Fit]:
    from sklearn.linear_model import Ridge

    inputs, targets = _training(problem, rows)
    for penalty in settings:
        # lsqr: time in proportion to rows × columns, and no D × D matrix.
        model = Ridge(alpha=penalty, solver="lsqr").fit(inputs, problem.learned(targets))

        def answer(inputs: NDArray[np.float32], model: Ridge = model) -> NDArray[np.float64]:
            return problem.told(np.reshape(model.predict(inputs), (inputs.shape[0], problem.outputs)))

        yield _fit(problem, penalty, f"ridge regression{problem.on}, α = {penalty:g}", answer)


def _training(problem: Problem, rows: int) -> tuple[NDArray[np.float32], NDArray[np.generic]]:
    inputs, targets = problem.training(rows)
    parts = list(problem.one_hot_parts(inputs))
    return np.concatenate(parts) if len(parts) > 1 else parts[0], targets


def _seen_columns(inputs: Any) -> tuple[Any, Any]:
    """Sparse rows without the columns in which they have nothing, and which columns these others are; dense rows as they are.

    The weight of a column of zeros stays 0, but is gone through with all others in each iteration: of 278,727 columns 8,544
    sentences have 88,760, and 512 of them 10,350.
    """
    if not hasattr(inputs, "getnnz"):
        return inputs, slice(None)
    seen = np.flatnonzero(inputs.getnnz(axis=0))
    return inputs[:, seen], seen


def _fit(problem: Problem, setting: float, detail: str, answer: _Answer) -> Fit:
    def answers(inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.concatenate([answer(part) for part in problem.one_hot_parts(inputs)])

    return Fit(setting, detail, answers(problem.valid), partial(answers, problem.test))


def _method(
    fitting: Callable[[Problem, int, Sequence[float], float], Iterator[Fit]],
    settings: Sequence[float],
    early: int | None = None,
) -> Method:
    return Method("linear model", "sklearn.linear_model", fitting, settings, one_hot=True, early=early)


LINEAR_MODELS: dict[str, Method] = {
    "classes": _method(_logistic_regression, _STRENGTHS),
    "labels": _method(_logistic_regressions, _STRENGTHS),
    "number": _method(_ridge_regression, _PENALTIES),
}

# Rows of tf-idf have length 1, so their weights must be larger than those of standardized inputs. On 21,253 film reviews each
# fit takes 1.5 to 3 seconds of one core, and 25,000 others are right in 89.9 % (3), 90.2 % (10) and 90.2 % (30).
LINEAR_TFIDF: dict[str, Method] = {
    "classes": _method(_logistic_regression, (10.0, 30.0, 3.0, 100.0, 1.0), early=1),
    "labels": _method(_logistic_regressions, (10.0, 30.0, 3.0, 100.0, 1.0), early=1),
    "number": _method(_ridge_regression, (10.0, 1.0, 0.1), early=1),
}
