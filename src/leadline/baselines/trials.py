"""Fitting within a time: on few rows first, on more while there is time, and of a few settings the best."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.baselines.problem import Problem

# Each trial takes at most this many times the rows of the one before, so that the last takes most of the time.
_GROWTH = 8
# A trial on n times the rows is expected to take 1.5 n times as long: more iterations, more than the caches hold.
_CAUTION = 1.5
_FIRST_ROWS = 500


@dataclass(frozen=True)
class Fit:
    """What one setting came to: its description, its answers for the validation rows, and those for the test rows on demand.

    `test` is called at once or never: a model may go on to learn with its next setting.
    """

    setting: Any
    detail: str
    valid: NDArray[np.float64]
    test: Callable[[], NDArray[np.float64]]


# (problem, training rows, settings, the time at which a fit that can be cut short should be) → one fit a setting, lazily.
Fitting = Callable[[Problem, int, Sequence[Any], float], Iterator[Fit]]


@dataclass(frozen=True)
class Method:
    """A way to fit, and the settings to try, the most promising first.

    `module` is what it needs of scikit-learn; `one_hot` says that it spreads categories over columns, which takes memory.
    `early` is how many settings are tried while there are more rows to come: settings that take long must not use up the time
    of the rows.
    """

    name: str
    module: str
    fitting: Fitting
    settings: Sequence[Any]
    one_hot: bool = False
    early: int | None = None


@dataclass(frozen=True)
class _Trial:
    """What came of some training rows: the score of each setting there was time for, and the answers of the best.

    `answers` are for the test rows, `valid` for the validation rows.
    """

    scores: dict[Any, float]
    detail: str
    answers: NDArray[np.float64]
    valid: NDArray[np.float64]
    first_seconds: float


Fitted = tuple[str, float, NDArray[np.float64], NDArray[np.float64]]


def fit_growing(method: Method, problem: Problem, end: float) -> Fitted | None:
    """Fit on more and more rows while there is time for the next trial; the last trial counts.

    Returns:
        (detail, seconds, answers for the test rows, answers for the validation rows), or None where nothing could be fitted.
    """
    begin, settings = time.perf_counter(), method.settings
    available, most = len(problem.order), problem.affordable(one_hot=method.one_hot)
    # So few more rows are not worth a trial of their own.
    rows, best = most if most <= 2 * _FIRST_ROWS else _FIRST_ROWS, None
    while rows:
        tried = settings if rows == most else settings[: method.early]
        try:
            trial = _try_settings(problem, method.fitting(problem, rows, tried, end), end)
        except (ValueError, ArithmeticError, MemoryError):  # how scikit-learn refuses data; what was fitted on fewer rows stays
            break
        now, scores = time.perf_counter(), trial.scores
        used = f"all {rows:,} training rows" if rows == available else f"{rows:,} of {available:,} training rows"
        shrunk = f", pictures averaged to {problem.side[0]} × {problem.side[1]}" if problem.shrunk else ""
        best = (f"{trial.detail}, {used}{shrunk}", now - begin, trial.answers, trial.valid)
        # The most promising first: then a trial with time for a single setting is worth while.
        settings = sorted(settings, key=lambda setting: scores.get(setting, -math.inf), reverse=True)
        rows = next_rows(rows, most, took=trial.first_seconds, left=end - now)
    return best


def next_rows(rows: int, most: int, *, took: float, left: float) -> int:
    """How many rows to try after a fit on `rows` took `took` seconds and `left` are left; 0 where it is not worth it."""
    possible = min(most, int(rows * max(0.0, min(_GROWTH, left / (_CAUTION * max(took, 1e-6))))))
    return possible if possible > rows and (possible == most or possible >= 1.5 * rows) else 0


def _try_settings(problem: Problem, fits: Iterator[Fit], end: float) -> _Trial:
    """Try settings while there is time, at least one, and keep the answers of the one that is best on the validation rows."""
    start, scores, best, first = time.perf_counter(), {}, None, 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fit that stops before it has converged is still a baseline
        for fit in fits:
            score = scores[fit.setting] = problem.score(fit.valid)
            if best is None or score > best[0]:
                best = (score, fit.detail, fit.test(), fit.valid)
            first = first or time.perf_counter() - start
            if time.perf_counter() >= end:
                break
    if best is None:
        raise ValueError("no setting could be fitted")
    return _Trial(scores, *best[1:], first)
