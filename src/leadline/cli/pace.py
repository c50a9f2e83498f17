"""How far a training is, how fast it goes, and its last score: what bar and plain lines both show."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from leadline.cli.printing import clock, number


class Pace:
    """How far some work is, how fast it goes, how long the rest will take, and the last score.

    Steps count from the beginning of the plan, also after `resume`; speed counts from the first step seen here. It is told
    where the steps have a name. Where steps do not all take as long, `work` says what part of the time is over when a share of
    them is done, and so how long the rest will take.
    """

    def __init__(self, total: int, unit: str = "", work: Callable[[float], float] | None = None) -> None:
        self.total = max(total, 1)
        self.unit, self.work = unit, work
        self.step = 0
        self.now = 0.0
        self.score = ""
        self._first: tuple[int, float] | None = None

    def advance(self, step: int, now: float | None = None) -> None:
        """`step` steps are done at `now` (seconds of `time.perf_counter`)."""
        self.now = time.perf_counter() if now is None else now
        self.step = step
        if self._first is None:
            self._first = (step, self.now)

    def log(self, record: Mapping[str, Any]) -> None:
        """Take the score from a record of the history, where it has one."""
        self.score = valid_score(record) or self.score

    @property
    def share(self) -> float:
        """How much is done, from 0 to 1."""
        return min(self.step / self.total, 1.0)

    @property
    def seconds(self) -> float:
        """The time since the first step seen here."""
        return self.now - self._first[1] if self._first else 0.0

    @property
    def rate(self) -> float:
        """Steps in a second; 0 as long as that is unknown."""
        steps = self.step - self._first[0] if self._first else 0
        return steps / max(self.seconds, 1e-9)

    @property
    def left(self) -> float | None:
        """Seconds until the last step, as far as this can be told."""
        if not self.rate or self._first is None:
            return None
        if self.work is None:
            return (self.total - self.step) / self.rate
        begun, now = self.work(min(self._first[0] / self.total, 1.0)), self.work(self.share)
        return self.seconds * (self.work(1.0) - now) / (now - begun) if now > begun else None

    def __str__(self) -> str:
        """Share, speed, time left and score, as far as they are known."""
        parts = [f"{100 * self.share:3.0f} %"]
        if self.rate and self.unit:
            parts.append(f"{self.rate:,.0f} {self.unit}/s" if self.rate >= 10 else f"{self.rate:.2g} {self.unit}/s")
        if self.left is not None:
            parts.append(f"{clock(self.left)} left")
        return "  ".join([*parts, self.score] if self.score else parts)

    def ended(self) -> str:
        """How it went, in one sentence."""
        how = "all steps done" if self.share == 1 else f"stopped after {100 * self.share:.0f} % of the steps"
        return f"{how}, in {clock(self.seconds)}" + (f", at last with {self.score}" if self.score else "")


def valid_score(record: Mapping[str, Any]) -> str:
    """The first score on the validation split in a record of the history, else its loss; empty when it has neither.

    Example:
        >>> valid_score({"loss": 0.5, "valid_loss": 0.4, "valid_accuracy": 0.75})
        'valid accuracy 75.0 %'
    """
    names = [name for name in record if name.startswith("valid_") and record[name] is not None]
    for name in sorted(names, key=lambda name: name == "valid_loss"):
        return f"{name.replace('_', ' ')} {number(record[name], name)}"
    return ""
