"""Averaging that begins by itself: once validation no longer gets better, the weights of all further steps are averaged."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.optim.shadow import Shadow


class _Step(Protocol):
    def __call__(self, batch: Any, progress: Any) -> dict[str, Tensor]: ...
    def state(self) -> dict[str, Any]: ...
    def load(self, state: dict[str, Any]) -> None: ...
    def modules(self) -> dict[str, nn.Module]: ...
    def evaluating(self) -> Any: ...


class AverageOnceStuck:
    """The equal average of the weights after every step since validation got stuck; evaluation and the kept weights use it.

    a ← a + (w − a) / n for the n-th step since then. Validation is stuck when an evaluation is worse than the best of all but
    the last `patience` before it. Until then everything is as without it. The learning rate should stay where it is: the
    average does what letting it fall would do.

    Args:
        step: the step to wrap.
        patience: how many of the latest evaluations do not count for the best, at least 1.
        monitor: the column of `told` that is watched; lower is better.

    Errors: `ArgumentError` for a patience out of range.

    Example:
        >>> import torch
        >>> from leadline.training import Supervised
        >>> model = nn.Linear(1, 1, bias=False)
        >>> sgd = torch.optim.SGD(model.parameters(), lr=0.25)
        >>> step = AverageOnceStuck(Supervised(model, nn.functional.mse_loss, sgd), patience=1)
        >>> for loss in (1.0, 0.5, 0.6, 0.7):
        ...     step.told({"valid_loss": loss})
        ...     print(step.averaging)
        False
        False
        False
        True

    Source: Polyak and Juditsky (1992), Acceleration of stochastic approximation by averaging; the trigger: Merity, Keskar and
    Socher (2018), Regularizing and optimizing LSTM language models.
    """

    def __init__(self, step: _Step, patience: int = 5, *, monitor: str = "valid_loss") -> None:
        if patience < 1 or patience % 1:
            raise ArgumentError("The patience before averaging is out of range", expected="at least 1", got=patience)
        self.step, self.patience, self.monitor = step, patience, monitor
        self.averaging, self.count = False, 0
        self._told: list[float] = []
        self._average = Shadow(
            tensor for module in step.modules().values() for tensor in (*module.parameters(), *module.buffers())
        )

    def __call__(self, batch: Any, progress: Any) -> dict[str, Tensor]:
        logs = self.step(batch, progress)
        if self.averaging:
            self.count += 1
            self._average.follow(1 / self.count)
        return logs

    def told(self, columns: dict[str, float]) -> None:
        """Hear of an evaluation: what `Evaluation` and `StreamEvaluation` call as `then`.

        Args:
            columns: with that of `monitor`.
        """
        loss = columns[self.monitor]
        earlier = self._told[: -self.patience]
        if earlier and not loss <= min(earlier):
            self.averaging = True
        self._told.append(loss if not math.isnan(loss) else math.inf)

    @property
    def rate(self) -> float | None:
        """The learning rate of the wrapped step."""
        return getattr(self.step, "rate", None)

    def state(self) -> dict[str, Any]:
        return {
            "step": self.step.state(),
            "averaging": self.averaging,
            "count": self.count,
            "told": list(self._told),
            "average": self._average.copies,
        }

    def load(self, state: dict[str, Any]) -> None:
        self.step.load(state["step"])
        self.averaging, self.count, self._told = state["averaging"], state["count"], list(state["told"])
        self._average.load(state["average"])

    def modules(self) -> dict[str, nn.Module]:
        return self.step.modules()

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Within the block the modules hold the averaged weights, if any were taken, in evaluation mode."""
        with self.step.evaluating():
            if not self.count:
                yield
                return
            with self._average.standing_in():
                yield
