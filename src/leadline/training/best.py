"""The best weights so far, and when to stop waiting for better ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError


class Keeper(Protocol):
    """What the loop asks of whoever keeps the best weights: `Best` for one network, `PopulationBest` for many."""

    monitor: str

    @property
    def value(self) -> float | None:
        """The best value so far."""

    def update(self, record: Mapping[str, Any], modules: Mapping[str, nn.Module]) -> bool: ...
    def keep(self, modules: Mapping[str, nn.Module]) -> None: ...
    def exhausted(self) -> str: ...
    def restore(self, modules: Mapping[str, nn.Module]) -> None: ...
    def state(self) -> dict[str, Any]: ...
    def load(self, state: dict[str, Any]) -> None: ...


class Best:
    """Keeps a copy of the weights at the best value of one column of the history.

    Args:
        monitor: the column to watch, for instance "valid_loss".
        higher_is_better: which way is up.
        patience: stop after this many evaluations without a better value; None never stops.
        min_change: how much better it must be to count.

    Example:
        >>> model, best = nn.Linear(1, 1), Best(patience=2)
        >>> [best.update({"valid_loss": loss}, {"model": model}) for loss in (0.5, 0.3, 0.4, 0.4)]
        [True, True, False, False]
        >>> best.value, best.exhausted()
        (0.3, 'no better valid loss for 2 evaluations')

    Source: Prechelt 1998, Early stopping - but when?
    """

    def __init__(
        self,
        monitor: str = "valid_loss",
        *,
        higher_is_better: bool = False,
        patience: int | None = None,
        min_change: float = 0.0,
    ) -> None:
        if (patience is not None and patience < 1) or min_change < 0:
            raise ArgumentError(
                "Early stopping is out of range",
                expected="patience of at least 1 and min_change of at least 0",
                got=(patience, min_change),
            )
        self.monitor, self.higher_is_better, self.patience, self.min_change = monitor, higher_is_better, patience, min_change
        self.value: float | None = None
        self.waited = 0
        self._weights: dict[str, dict[str, Tensor]] = {}

    def update(self, record: Mapping[str, Any], modules: Mapping[str, nn.Module]) -> bool:
        """Whether this record is the best so far; if so, a copy of the weights is kept."""
        if self.monitor not in record:
            raise ArgumentError(f"There is no {self.monitor!r} to watch", expected="one of " + ", ".join(record))
        value = float(record[self.monitor])
        if not self._better(value):
            self.waited += 1
            return False
        self.value, self.waited = value, 0
        self.keep(modules)
        return True

    def keep(self, modules: Mapping[str, nn.Module]) -> None:
        """Copy the weights as they are now."""
        for name, module in modules.items():
            kept = self._weights.setdefault(name, {})
            for key, tensor in module.state_dict().items():
                if key in kept:
                    kept[key].copy_(tensor)
                else:
                    kept[key] = tensor.detach().clone()

    def _better(self, value: float) -> bool:
        if math.isnan(value):
            return False
        if self.value is None:
            return True
        return value > self.value + self.min_change if self.higher_is_better else value < self.value - self.min_change

    def exhausted(self) -> str:
        """Why it is time to stop, or an empty string."""
        if self.patience is None or self.waited < self.patience:
            return ""
        return f"no better {self.monitor.replace('_', ' ')} for {self.patience} evaluations"

    def restore(self, modules: Mapping[str, nn.Module]) -> None:
        """Put the best weights back, if any were kept."""
        with torch.no_grad():
            for name, kept in self._weights.items():
                modules[name].load_state_dict(kept)

    def state(self) -> dict[str, Any]:
        return {"value": self.value, "waited": self.waited, "weights": self._weights}

    def load(self, state: dict[str, Any]) -> None:
        self.value, self.waited, self._weights = state["value"], state["waited"], state["weights"]


class LastWeights:
    """Keeps the weights of the last evaluation, where what is measured cannot be compared from one to the next.

    Args:
        monitor: the column that is told as the value.

    Example:
        >>> model, last = nn.Linear(1, 1), LastWeights("valid_reconstruction")
        >>> [last.update({"valid_reconstruction": error}, {"model": model}) for error in (0.3, 0.5)], last.value
        ([True, True], 0.5)
    """

    higher_is_better = False

    def __init__(self, monitor: str) -> None:
        self.monitor = monitor
        self._kept = Best(monitor)

    @property
    def value(self) -> float | None:
        return self._kept.value

    def update(self, record: Mapping[str, Any], modules: Mapping[str, nn.Module]) -> bool:
        """Keep these weights, whatever was measured."""
        self._kept.value = None
        return self._kept.update(record, modules)

    def keep(self, modules: Mapping[str, nn.Module]) -> None:
        self._kept.keep(modules)

    def exhausted(self) -> str:
        return ""

    def restore(self, modules: Mapping[str, nn.Module]) -> None:
        self._kept.restore(modules)

    def state(self) -> dict[str, Any]:
        return self._kept.state()

    def load(self, state: dict[str, Any]) -> None:
        self._kept.load(state)
