"""Linear models in closed form or a few dozen matrix products: ridge and logistic regression."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)
_STEPS, _MOST_CLASSES = 60, 64


def linear_fit(x: Tensor, y: Tensor, task: str, error: Callable[[Tensor, Tensor], float]) -> Callable[[Tensor], Tensor]:
    """A linear model of prepared rows, its penalty chosen by a fifth of them.

    Numbers, and classes beyond 64, by ridge regression; classes and labels by logistic regression.

    Args:
        x: [N, D], columns of like scale.
        y: [N, M]: one-hot classes, 0/1 labels, numbers.
        task: "classes", "labels" or "number".
        error: of answers [N, M] beside those wanted.

    Returns: rows [N, D] → answers [N, M]: numbers, or probabilities.
    """
    logistic = task != "number" and y.shape[1] <= _MOST_CLASSES
    held = torch.zeros(len(x), dtype=torch.bool)
    held[torch.randperm(len(x), generator=torch.Generator().manual_seed(1))[: max(2, len(x) // 5)]] = True
    part = Ridge(x[~held], y[~held])
    tried = {penalty: error(_answers(x[held], *part.fit(penalty), task if logistic else ""), y[held]) for penalty in _PENALTIES}
    best = min(reversed(tried), key=lambda each: tried[each])  # of equals the stronger penalty
    whole = Ridge(x, y)
    weight, bias = whole.logistic(best, task) if logistic else whole.fit(best)
    return lambda rows: _answers(rows, weight, bias, task if logistic else "")


def ridge(x: Tensor, y: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """Weights [D, M] and biases [M] that minimize ‖y − x W − b‖² + λ s ‖W‖², s the mean eigenvalue of xᵀx.

    Example:
        >>> x = torch.tensor([[0.0], [1.0], [2.0]])
        >>> weight, bias = ridge(x, 3 * x + 1, 1e-9)
        >>> round(weight.item(), 3), round(bias.item(), 3)
        (3.0, 1.0)
    """
    return Ridge(x, y).fit(penalty)


class Ridge:
    """Rows decomposed once for all penalties, in the smaller of the spaces of rows and of columns."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.middle, self.mean, self.y = x.mean(0), y.mean(0), y
        self.x = x - self.middle
        self.wide = x.shape[1] > x.shape[0]
        gram = self.x @ self.x.T if self.wide else self.x.T @ self.x
        values, self.vectors = torch.linalg.eigh(gram.double() if len(gram) <= 256 else gram)
        self.values = values.clamp(min=0).float()
        self.vectors = self.vectors.float()
        self.scale = float(self.values.mean()) + 1e-12
        self.right = (self.x @ self.vectors if not self.wide else self.vectors * self.values.sqrt()).contiguous()  # N, R

    def fit(self, penalty: float) -> tuple[Tensor, Tensor]:
        """Least squares."""
        toward = self.right.T @ (self.y - self.mean)
        return self._back(toward / (self.values + penalty * self.scale)[:, None], self.mean)

    def logistic(self, penalty: float, task: str) -> tuple[Tensor, Tensor]:
        """Logistic regression: steps of Newton's method with a fixed bound on the curvature, with momentum.

        The curvature of cross entropy is at most xᵀx / 2N for every class, that of binary cross entropy xᵀx / 4N.

        Source: Böhning (1992), Multinomial logistic regression algorithm.
        """
        rows, several = len(self.right), task == "classes"
        strength = 0.1 * penalty * self.scale / rows
        curvature = self.values / rows * (0.5 if several else 0.25) + strength
        weight = torch.zeros(self.right.shape[1], self.y.shape[1])
        share = self.mean.clamp(1e-4, 1 - 1e-4)
        bias = share.log() if several else share.logit()
        ahead, ahead_bias, pace = weight, bias, 1.0
        for _ in range(_STEPS):
            logits = self.right @ ahead + ahead_bias
            miss = (torch.softmax(logits, 1) if several else torch.sigmoid(logits)) - self.y
            after = ahead - (self.right.T @ miss / rows + strength * ahead) / curvature[:, None]
            after_bias = ahead_bias - 2.0 * miss.mean(0)
            following = (1 + (1 + 4 * pace * pace) ** 0.5) / 2
            lead = (pace - 1) / following
            ahead, ahead_bias = after + lead * (after - weight), after_bias + lead * (after_bias - bias)
            weight, bias, pace = after, after_bias, following
        return self._back(weight, bias)

    def _back(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """From the space of the decomposition to that of the columns."""
        if self.wide:
            told = self.values > 1e-6 * self.values.max()
            weight = self.x.T @ (self.vectors[:, told] @ (weight[told] / self.values[told].sqrt()[:, None]))
        else:
            weight = self.vectors @ weight
        return weight, bias - self.middle @ weight


def _answers(rows: Tensor, weight: Tensor, bias: Tensor, task: str) -> Tensor:
    values = rows @ weight + bias
    return torch.softmax(values, 1) if task == "classes" else torch.sigmoid(values) if task == "labels" else values
