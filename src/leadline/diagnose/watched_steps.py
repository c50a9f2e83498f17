"""A step of the loop that a probe listens to: what the step does stays the same, and most calls cost next to nothing."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from torch import Tensor, nn

from leadline.diagnose.probing import Probe
from leadline.training.recorded import Recorded
from leadline.training.steps import Step

_STRIDE = 8  # of a step that is played from a tape, so many to a loss that is noted: it returns each in the same memory


class WatchedStep:
    """Wraps a step for the loop; see `Probe`.

    Example:
        >>> import torch
        >>> from leadline.training import Supervised, run_loop
        >>> model = nn.Linear(2, 3)
        >>> sgd = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> loss = nn.functional.cross_entropy
        >>> probe = Probe(model, (sgd,), loss=loss)
        >>> batches = [(torch.randn(4, 2), torch.zeros(4, dtype=torch.long))] * 5
        >>> _ = run_loop(WatchedStep(Supervised(model, loss, sgd), probe), batches, epochs=2)
        >>> len(probe.losses()), len(probe.readings.steps.samples) > 2
        (10, True)
    """

    def __init__(self, step: Step, probe: Probe) -> None:
        self.step, self.probe = step, probe
        inner: Any = step
        while hasattr(inner, "step") and not isinstance(inner, Recorded):
            inner = inner.step
        probe.stride = _STRIDE if isinstance(inner, Recorded) else 1
        self._count = self._next = 0
        self._keeping = True

    def __call__(self, batch: Any, progress: Any) -> dict[str, Tensor]:
        if self._count == 0:
            self.probe.begin()
        if self._keeping:
            self._keeping = self.probe.keep(batch[0], batch[1])
        if self._count < self._next:
            self._count += 1
            logs = self.step(batch, progress)
            if self._count % self.probe.stride == 0:
                self.probe.note(logs)
            return logs
        self.probe.listen(self._count)
        try:
            logs = self.step(batch, progress)
        except BaseException:  # also what stops a training from outside: no hook is left behind
            self.probe.end()
            raise
        self._count += 1
        if self._count % self.probe.stride == 0:
            self.probe.note(logs)
        self.probe.heard(logs["loss"], batch[0], batch[1])
        self._next = self.probe.following(self._count)
        return logs

    @property
    def rate(self) -> float | None:
        """The learning rate of the wrapped step."""
        return getattr(self.step, "rate", None)

    def state(self) -> dict[str, Any]:
        return self.step.state()

    def load(self, state: dict[str, Any]) -> None:
        self.step.load(state)

    def modules(self) -> dict[str, nn.Module]:
        return self.step.modules()

    def evaluating(self) -> AbstractContextManager[None]:
        return self.step.evaluating()
