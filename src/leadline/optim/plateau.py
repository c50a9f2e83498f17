"""The schedule that needs the history: the rate falls when the monitored value has stopped getting better."""

from __future__ import annotations

import math
from typing import Any

from leadline.errors import ArgumentError
from leadline.optim.decays import constant
from leadline.optim.multiplier import Schedule


class Plateau:
    """Each time `patience` evaluations in a row bring no better value, the rate is multiplied by a factor.

    m(p) = max(least, factorᵏ) after the k-th such time, whatever the progress p. It can be multiplied with schedules that are
    functions of progress alone: `Plateau() * warm_up(0.05)`.

    Args:
        factor: in (0, 1).
        patience: evaluations without a better value, at least 1.
        min_change: how much better a value must be to count.
        cooldown: evaluations after a drop that are not counted, 0 or more.
        least: the multiplier does not fall below it, in [0, 1].

    Errors: `ArgumentError` for a value out of range, or a product of two of these, which would drop twice at once.

    Example:
        >>> schedule = Plateau(0.5, 2)
        >>> for loss in (0.9, 0.4, 0.5, 0.6, 0.4):
        ...     schedule.update(loss)
        ...     print(schedule(0.0), end=" ")
        1.0 1.0 1.0 0.5 0.5
    """

    def __init__(
        self, factor: float = 0.1, patience: int = 5, *, min_change: float = 0.0, cooldown: int = 0, least: float = 0.0
    ) -> None:
        counts = patience >= 1 and cooldown >= 0 and not (patience % 1 or cooldown % 1)
        if not 0 < factor < 1 or not counts or not min_change >= 0 or not 0 <= least <= 1:
            raise ArgumentError(
                "The plateau schedule is out of range",
                expected="factor in (0, 1), whole numbers patience ≥ 1 and cooldown ≥ 0, min_change ≥ 0 and least in [0, 1]",
                got=(factor, patience, min_change, cooldown, least),
            )
        self.factor, self.patience, self.min_change = factor, patience, min_change
        self.cooldown, self.least = cooldown, least
        self.pure = constant()
        self._multiplier, self._best, self._waited, self._resting = 1.0, math.nan, 0, 0

    def __call__(self, progress: float) -> float:
        return self._multiplier * self.pure(progress)

    def update(self, value: float, *, higher_is_better: bool = False) -> None:
        """Tell the monitored value after an evaluation; one that is not a number is not better."""
        # As `training.Best` compares, to the last bit.
        better = value > self._best + self.min_change if higher_is_better else value < self._best - self.min_change
        if better or (math.isnan(self._best) and not math.isnan(value)):
            self._best, self._waited = value, 0
        else:
            self._waited += 1
        if self._resting:
            self._resting -= 1
            self._waited = 0
        if self._waited >= self.patience:
            self._multiplier = max(self.least, self._multiplier * self.factor)
            self._waited, self._resting = 0, self.cooldown

    def state(self) -> dict[str, Any]:
        """What a resumed training needs."""
        best = None if math.isnan(self._best) else self._best
        return {"multiplier": self._multiplier, "best": best, "waited": self._waited, "resting": self._resting}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._multiplier, self._waited, self._resting = state["multiplier"], state["waited"], state["resting"]
        self._best = math.nan if state["best"] is None else state["best"]

    def __mul__(self, other: Schedule | Plateau) -> Plateau:
        if isinstance(other, Plateau):
            raise ArgumentError("Two plateau schedules cannot be multiplied", expected="one, times functions of progress")
        if not isinstance(other, Schedule):
            return NotImplemented
        product = Plateau(self.factor, self.patience, min_change=self.min_change, cooldown=self.cooldown, least=self.least)
        product.pure = self.pure * other
        product.load(self.state())
        return product

    __rmul__ = __mul__

    def __repr__(self) -> str:
        text = f"plateau({self.factor!r}, {self.patience!r}"
        defaults = (("min_change", self.min_change), ("cooldown", self.cooldown), ("least", self.least))
        text += "".join(f", {name}={value!r}" for name, value in defaults if value) + ")"
        return text + "".join(f" * {factor}" for factor in str(self.pure).split(" * ") if factor != "constant")
