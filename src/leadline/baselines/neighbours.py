"""Nearest neighbours: an answer by the rows that look most alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from leadline.baselines.problem import Problem
from leadline.baselines.trials import Fit, Method

_COUNTS = (5, 1, 3, 9, 15, 25)  # the first stays where the validation rows do not tell


def _nearest_neighbours(problem: Problem, rows: int, settings: Sequence[int], until: float) -> Iterator[Fit]:
    from sklearn.neighbors import NearestNeighbors

    inputs, targets = problem.training(rows)
    index = NearestNeighbors(n_neighbors=min(max(_COUNTS), rows)).fit(inputs)
    valid, test = (index.kneighbors(part, return_distance=False) for part in (problem.valid, problem.test))
    votes = np.eye(problem.outputs)[targets] if problem.task == "classes" else targets.astype(np.float64)
    one_more = 0 if problem.task == "number" else 1
    everyone = votes.mean(axis=0)

    def answers(nearest: NDArray[np.integer], count: int) -> NDArray[np.float64]:
        total = sum((votes[nearest[:, place]] for place in range(count)), start=one_more * everyone)
        return np.asarray(total / (count + one_more))

    for count in settings:
        if count <= rows:
            detail = f"{count} nearest neighbour{'s' if count > 1 else ''}"
            yield Fit(count, detail, answers(valid, count), partial(answers, test, count))


NEAREST_NEIGHBOURS = Method("nearest neighbours", "sklearn.neighbors", _nearest_neighbours, _COUNTS)
