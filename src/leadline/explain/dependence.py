"""How the answer changes with a column, all else in each row as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.errors import ArgumentError
from leadline.explain.checking import Answer, check_inputs, column_numbers


@dataclass(frozen=True)
class Dependence:
    """The answers for G settings of a column: `mean` over the rows, and `low` to `high`, between which eight rows in ten lie.

    Each is float64 [G, K]. Where the band is wide beside the mean's rise, other columns decide more, or decide how this one
    counts.

    Example:
        >>> Dependence(mean=np.array([[0.2], [0.6]]), low=np.array([[0.1], [0.3]]), high=np.array([[0.4], [0.8]])).mean.shape
        (2, 1)
    """

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def partial_dependence(
    answer: Answer,
    inputs: NDArray[Any],
    columns: Sequence[int],
    grid: NDArray[Any],
    *,
    rows: int = 500,
    seed: int = 0,
) -> Dependence:
    """The mean answer when some encoded columns of every row are set to each point of a grid, and its spread over the rows.

    mean[g] = 1/N Σᵢ answer(row i with `columns` = grid[g])

    Where columns hang together, some of these rows cannot exist (a person of 16 with a doctorate): read the ends with care.

    Args:
        answer: encoded inputs [N, W] → probabilities [N, K] or values [N, M]. It is called once a point.
        inputs: encoded rows [N, W]. They are not changed.
        columns: the C encoded columns that hold the column in question.
        grid: what they are set to, [G, C], in encoded units; [G] will do for a single one.
        rows: of the inputs at most this many are asked about, chosen at random.
        seed: of that choice.

    Returns:
        Mean, tenth and ninetieth percentile of the answers, [G, K] each.

    Raises:
        ArgumentError: no rows, an encoded column that does not exist, or a grid that does not fit the columns.

    Example:
        >>> inputs = np.array([[0.0, 1.0], [0.0, 3.0]])
        >>> partial_dependence(lambda rows: rows[:, :1] + rows[:, 1:], inputs, [0], np.array([0.0, 10.0])).mean
        array([[ 2.], [12.]])

    Source: Friedman (2001), Greedy function approximation: a gradient boosting machine, section 8.2; Goldstein et al. (2015),
    Peeking inside the black box, for the curves of single rows.
    """
    check_inputs(inputs)
    if rows < 1:
        raise ArgumentError("A mean answer needs rows", expected="at least 1", got=rows)
    numbers = column_numbers(columns, inputs.shape[1], "the inputs")
    points = np.asarray(grid)[:, None] if np.ndim(grid) == 1 else np.asarray(grid)
    if points.ndim != 2 or points.shape[1] != len(numbers) or not len(points):
        raise ArgumentError(
            "The grid does not fit the columns", expected=f"shape [G, {len(numbers)}]", got=list(np.shape(grid))
        )
    chosen = np.sort(np.random.default_rng(seed).permutation(len(inputs))[:rows])
    asked = np.array(inputs[chosen])
    told = []
    for point in points:
        asked[:, numbers] = point
        answers = np.asarray(answer(asked), dtype=np.float64).reshape(len(asked), -1)
        told.append((answers.mean(axis=0), *np.quantile(answers, (0.1, 0.9), axis=0)))
    mean, low, high = (np.stack(part) for part in zip(*told, strict=True))
    return Dependence(mean, low, high)
