"""Who is told what happens while a Run is made. The command line has one that draws; this one is silent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from leadline.training import Callback, Training


class Observer:
    """Override what you want to hear.

    Example:
        >>> import torch
        >>> import leadline
        >>> class Epochs(Observer):
        ...     def log(self, record: dict[str, Any]) -> None:
        ...         print("epochs done:", record["epoch"])
        >>> batches = [(torch.ones(4, 2), torch.zeros(4, dtype=torch.long))] * 3
        >>> _ = leadline.fit(torch.nn.Linear(2, 3), batches, epochs=2, device="cpu", callbacks=[Telling(Epochs())])
        epochs done: 1.0
        epochs done: 2.0
    """

    def note(self, label: str, text: str) -> None:
        """One line to read: a label such as "data" or "plan", and what there is to say."""

    def reading(self, done: int, total: int) -> None:
        """So many of so many pictures are decoded."""

    def begin(self, total_steps: int, steps_per_epoch: int) -> None:
        """The first step is about to be taken (or, when resuming, the next one)."""

    def weigh(self, work: Callable[[float], float]) -> None:
        """Told after `begin` where steps do not all take as long: what part of the time is over at a share of the steps."""

    def count_in(self, unit: str) -> None:
        """Told after `begin` where steps are something else, such as words of a text."""

    def advance(self, step: int) -> None:
        """A step was taken. Called very often: be quick."""

    def log(self, record: dict[str, Any]) -> None:
        """A record was added to the History."""

    def end(self) -> None:
        """The last step was taken, or the training stopped."""


class Telling(Callback):
    """Passes a training on to an Observer."""

    def __init__(self, observer: Observer) -> None:
        self.observer = observer
        self._logged = 0

    def fit_start(self, now: Training) -> None:
        per_epoch = now.steps_per_epoch or 0
        self._logged = len(now.history)
        self.observer.begin(per_epoch * now.epochs, per_epoch)
        step: Any = now.runner
        while step is not None and not hasattr(step, "work"):  # the average wraps the step that thaws layers
            step = getattr(step, "step", None)
        if step is not None:
            self.observer.weigh(step.work)
        self.observer.advance(now.step)

    def batch_end(self, now: Training) -> None:
        self.observer.advance(now.step)

    def evaluated(self, now: Training) -> None:
        for record in now.history.records[self._logged :]:
            self.observer.log(record)
        self._logged = len(now.history)

    def fit_end(self, now: Training) -> None:
        self.observer.end()
