"""The perceptron rule on all rows at once: whether a plane parts the classes, and the best one where none does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.models.rosenblatt import PerceptronRule, perceptron


@dataclass(frozen=True)
class PerceptronFit:
    """What came of it: the last weights, the pocket's, and the way there.

    `weights` are [1, D] for two classes, where sign(w·x + b) answers, or [K, D], where the highest score does; `bias` is [1] or
    [K]. `mistakes` is their number by epoch. `separable` says that an epoch had none; where it is False, a plane with a margin
    too small for so few epochs may still exist. The pocket has `right` of `rows` training rows right.

    Example:
        >>> print(fit_perceptron([[0.0], [1.0], [2.0]], [0, 1, 0], epochs=10))
        No plane was found that parts the classes, in 10 epochs; the pocket has 2 of 3 rows right.
    """

    weights: Tensor
    bias: Tensor
    mistakes: list[int]
    separable: bool
    pocket_weights: Tensor
    pocket_bias: Tensor
    right: int
    rows: int

    @property
    def updates(self) -> int:
        """How often the weights changed. Novikoff's bound for two classes: at most (R/γ)².

        R is the length of the longest row (x, 1) and γ the least distance of a row from a plane through 0 that parts them.
        """
        return sum(self.mistakes)

    def __str__(self) -> str:
        if self.separable:
            return f"The classes are parted, after {self.updates} updates in {len(self.mistakes)} epochs."
        return (
            f"No plane was found that parts the classes, in {len(self.mistakes)} epochs; "
            f"the pocket has {self.right} of {self.rows} rows right."
        )


def fit_perceptron(inputs: Any, targets: Any, *, epochs: int = 100, rate: float = 1.0, seed: int = 0) -> PerceptronFit:
    """Train a perceptron from weights of 0, in float64, until an epoch has no mistake or the epochs are used up.

    w ← w + η y x and b ← b + η y where y (w·x + b) ≤ 0; see `PerceptronRule` for more classes and for the pocket. The order of
    the rows is drawn anew for each epoch.

    Shapes: inputs [N, D], targets [N].

    Args:
        inputs: numbers, as a tensor, an array or lists.
        targets: class numbers from 0, or −1 and +1.
        epochs: at most this many.
        rate: η, above 0.
        seed: of the order of the rows.

    Errors: `ArgumentError` for inputs that are no [N, D] of finite numbers, targets that do not fit them, less than one epoch,
    or what `PerceptronRule` refuses.

    Example:
        >>> found = fit_perceptron([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [-1, -1, -1, 1])  # and
        >>> found.separable, found.right
        (True, 4)

    Source: Rosenblatt (1958), The perceptron; Novikoff (1962), On convergence proofs for perceptrons; Gallant (1990),
    Perceptron-based learning algorithms.
    """
    x, y = _rows(inputs, targets)
    if epochs < 1:
        raise ArgumentError("There is nothing to train", expected="at least 1 epoch", got=epochs)
    classes = max(2, int(y.max()) + 1)
    model = perceptron(x.shape[1:], 1 if classes == 2 else classes).double()
    step = PerceptronRule(model, rate=rate, rows=(x, y))
    mistakes: list[int] = []
    while len(mistakes) < epochs and not step.finished():
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed * 1_000_003 + len(mistakes)))
        logs = step((x[order], y[order]), None)
        mistakes.append(round(logs["mistakes"].item() * len(x)))
        with step.evaluating():
            pocket = [parameter.detach().clone() for parameter in model.parameters()]
    weights, bias = (parameter.detach() for parameter in model.parameters())
    separable = step.finished() is not None
    return PerceptronFit(weights, bias, mistakes, separable, pocket[0], pocket[1], right=step.right, rows=len(x))


def _rows(inputs: Any, targets: Any) -> tuple[Tensor, Tensor]:
    x, y = torch.as_tensor(inputs).double(), torch.as_tensor(targets)
    if x.ndim != 2 or 0 in x.shape or y.shape != x.shape[:1]:
        raise ArgumentError(
            "The rows do not fit the perceptron",
            expected="inputs [N, D] and targets [N]",
            got=f"{list(x.shape)} and {list(y.shape)}",
        )
    if not bool(x.isfinite().all()):
        row = int((~x.isfinite()).any(dim=1).nonzero()[0])
        raise ArgumentError("An input is no finite number", got=f"{x[row].tolist()} in row {row}")
    found = sorted(set(y.flatten().tolist()))
    if found[0] == -1 and found[-1] <= 1 and 0 not in found:
        y, found = (y + 1) // 2, [0, 1]
    if not found[0] >= 0 or any(value % 1 for value in found):
        raise ArgumentError("The targets are no classes", expected="whole numbers from 0, or −1 and +1", got=found[:8])
    return x, y.long()
