"""Learning from mistakes, one row after another: the search for the next mistake, and the pocket for the best weights.

N rows of a block, D features, K outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[Any]


class Block(NamedTuple):
    """What the rule did to N rows.

    `lead` [N] is how far each row was on the right side when its turn came, `gains` [N, K] how much of it was added to the
    weights of each output, and `at` are the rows that were mistakes.
    """

    lead: Array
    gains: Array
    at: list[int]


def learn_unit(scores: Array, products: Array, targets: Array, rate: float) -> Block:
    """The rule for one output and classes 0 and 1: where y s ≤ 0, the weights gain rate · y · x.

    Nothing is multiplied anew after a mistake: the scores of the rows that follow change by their products with its row.

    Args:
        scores: [N, 1] under the weights before the first row.
        products: [N, N], x·x' + 1 of each two rows, the 1 being the bias's input.
        targets: 0 or 1, [N].
        rate: of learning.

    Example:
        >>> same_side = learn_unit(np.zeros((2, 1)), np.full((2, 2), 3.0), np.array([1, 1]), 0.5)
        >>> same_side.at, same_side.lead.tolist()
        ([0], [0.0, 1.5])
    """
    y = 2 * targets - 1
    lead, gains = y * scores[:, 0], np.zeros_like(scores)
    at: list[int] = []
    while (row := _next_mistake(lead, at)) is not None:
        gains[row, 0] = rate * y[row]
        lead[row + 1 :] += gains[row, 0] * y[row + 1 :] * products[row, row + 1 :]
        at.append(row)
    return Block(lead, gains, at)


def learn_classes(scores: Array, products: Array, targets: Array, rate: float) -> Block:
    """The rule for K outputs: where the right class does not lead, its weights gain rate · x and the strongest rival's lose it.

    Args:
        scores: [N, K] under the weights before the first row.
        products: [N, N], x·x' + 1 of each two rows.
        targets: 0 … K − 1, [N].
        rate: of learning.

    Example:
        >>> learn_classes(np.zeros((1, 3)), np.ones((1, 1)), np.array([2]), 1.0).gains.tolist()
        [[-1.0, 0.0, 1.0]]
    """
    rows = np.arange(len(scores))
    own, others = scores[rows, targets], scores.copy()
    others[rows, targets] = -np.inf
    lead, gains = own - others.max(axis=1), np.zeros_like(scores)
    at: list[int] = []
    while (row := _next_mistake(lead, at)) is not None:
        right, rival = targets[row], int(others[row].argmax())
        gains[row, right], gains[row, rival] = rate, -rate
        after = slice(row + 1, None)
        change = rate * products[row, after]
        own[after] += change * (targets[after] == right) - change * (targets[after] == rival)
        others[after, right] += change  # −∞ in the place of the own class stays −∞
        others[after, rival] -= change
        lead[after] = own[after] - others[after].max(axis=1)
        at.append(row)
    return Block(lead, gains, at)


def _next_mistake(lead: Array, at: list[int]) -> int | None:
    """The first row after the last mistake that does not lead; NaN does not lead either."""
    first = at[-1] + 1 if at else 0
    wrong = ~(lead[first:] > 0)
    return first + int(wrong.argmax()) if wrong.any() else None


class Pocket:
    """The best weights so far, beside those that still learn.

    When it is settled who is best, the present weights compete with the candidates, which had the longest runs of right rows
    since the last time. Counting eight takes about as long as an epoch, and on noisy rows finds better ones than one does.

    Example:
        >>> import torch
        >>> pocket = Pocket()
        >>> pocket.watch([1], 4, lambda before: [torch.tensor(float(before))])  # of four rows the second was a mistake
        >>> pocket.run, pocket.candidates
        (2, [(1, [tensor(1.)])])
    """

    SIZE = 8

    def __init__(self) -> None:
        self.run, self.right = 0, -1
        self.candidates: list[tuple[int, list[Tensor]]] = []  # the longest run first
        self.best: list[Tensor] = []

    def watch(self, at: list[int], rows: int, weights_before: Callable[[int], list[Tensor]]) -> None:
        """Follow the runs through a block of rows with mistakes `at`: what weights were worth is known when they err."""
        start = -self.run
        for row in at:
            self._enter(row - start, lambda row=row: weights_before(row))  # type: ignore[misc]
            start = row + 1
        self.run = rows - start

    def settle(self, present: list[Tensor], count: Callable[[list[Tensor]], int] | None) -> None:
        """Put the best of the candidates and the present weights into the pocket, if they are better than what is there.

        Args:
            present: the weights that learn.
            count: how many training rows are right under given weights; None where that is not known, and the runs decide.
        """
        if count is None:
            self._enter(self.run, lambda: _copies(present))
            self.best = self.candidates[0][1] if self.candidates else _copies(present)
            return
        for weights in (*(weights for _, weights in self.candidates), present):
            if (right := count(weights)) > self.right:
                self.best, self.right = _copies(weights), right
        self.candidates = []

    def _enter(self, run: int, weights: Callable[[], list[Tensor]]) -> None:
        """Make weights a candidate, if their run is among the longest."""
        if run > (self.candidates[-1][0] if len(self.candidates) == self.SIZE else 0):
            self.candidates.append((run, weights()))
            self.candidates.sort(key=lambda candidate: -candidate[0])
            del self.candidates[self.SIZE :]

    def state(self) -> dict[str, Any]:
        candidates = [[run, _copies(weights)] for run, weights in self.candidates]
        return {"run": self.run, "right": self.right, "candidates": candidates, "best": _copies(self.best)}

    def load(self, state: dict[str, Any]) -> None:
        self.run, self.right, self.best = state["run"], state["right"], _copies(state["best"])
        self.candidates = [(run, _copies(weights)) for run, weights in state["candidates"]]


def _copies(weights: list[Tensor]) -> list[Tensor]:
    return [weight.detach().clone() for weight in weights]
