"""Weight averaging: a step that wraps a step and keeps a smoother copy of the weights for evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError


class _Step(Protocol):
    def __call__(self, batch: Any, progress: Any) -> dict[str, Tensor]: ...
    def state(self) -> dict[str, Any]: ...
    def load(self, state: dict[str, Any]) -> None: ...
    def modules(self) -> dict[str, nn.Module]: ...
    def evaluating(self) -> Any: ...


class ExponentialAverage:
    """Exponential moving average of the weights after each step; evaluation and the kept weights use the average.

    a ← d·a + (1 − d)·w with d = min(decay, (1 + t) / (10 + t)) at step t, so that the first, random weights are forgotten at
    once. Floating-point buffers (the running statistics of batch norm) are averaged likewise; others are copied.

    Args:
        step: the step to wrap.
        decay: in (0, 1); 0.999 looks back over about a thousand steps.

    Example:
        >>> from leadline.training import Supervised
        >>> model = nn.Linear(1, 1, bias=False)
        >>> _ = nn.init.zeros_(model.weight)
        >>> sgd = torch.optim.SGD(model.parameters(), lr=0.5)
        >>> step = ExponentialAverage(Supervised(model, nn.functional.mse_loss, sgd))
        >>> _ = step((torch.ones(1, 1), torch.ones(1, 1)), None)
        >>> model.weight.item()
        1.0
        >>> with step.evaluating():
        ...     round(model.weight.item(), 4)  # d = 2/11, so 9/11 of the way
        0.8182

    Source: Polyak and Juditsky 1992; the warm-up of the decay is TensorFlow's.
    """

    def __init__(self, step: _Step, *, decay: float = 0.999) -> None:
        if not 0 < decay < 1:
            raise ArgumentError("The decay of the weight average is out of range", expected="a number in (0, 1)", got=decay)
        self.step, self.decay, self.count = step, decay, 0
        self._live = [tensor for module in step.modules().values() for tensor in (*module.parameters(), *module.buffers())]
        self._average = [tensor.detach().clone() for tensor in self._live]
        pairs = list(zip(self._average, self._live, strict=True))
        # One call for all: on a GPU a call for each tensor would take longer than the step.
        self._smooth = [average for average, _ in pairs if average.is_floating_point()]
        self._followed = [live for live in self._live if live.is_floating_point()]
        self._copied = [pair for pair in pairs if not pair[0].is_floating_point()]

    def __call__(self, batch: Any, progress: Any) -> dict[str, Tensor]:
        logs = self.step(batch, progress)
        self.count += 1
        weight = 1 - min(self.decay, (1 + self.count) / (10 + self.count))
        with torch.no_grad():
            torch._foreach_lerp_(self._smooth, self._followed, weight)
            for average, live in self._copied:
                average.copy_(live)
        return logs

    @property
    def rate(self) -> float | None:
        """The learning rate of the wrapped step."""
        return getattr(self.step, "rate", None)

    def state(self) -> dict[str, Any]:
        return {"step": self.step.state(), "count": self.count, "average": self._average}

    def load(self, state: dict[str, Any]) -> None:
        self.step.load(state["step"])
        self.count = state["count"]
        for average, saved in zip(self._average, state["average"], strict=True):
            average.copy_(saved)

    def modules(self) -> dict[str, nn.Module]:
        return self.step.modules()

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Within the block the modules hold the averaged weights, in evaluation mode."""
        with self.step.evaluating(), torch.no_grad():
            kept = [live.detach().clone() for live in self._live]
            self._copy(self._average)
            try:
                yield
            finally:
                self._copy(kept)

    def _copy(self, source: list[Tensor]) -> None:
        for live, tensor in zip(self._live, source, strict=True):
            live.copy_(tensor)
