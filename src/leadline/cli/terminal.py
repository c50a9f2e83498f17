"""What a person sees while a network trains: plain lines here, the progress bar of a real terminal in `bar.py`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from leadline.cli.printing import clock, labelled, number
from leadline.runs.observer import Observer

_SILENCE = 30.0  # seconds after which a person wonders whether anything still happens


@contextmanager
def watching(*, silent: bool) -> Iterator[Observer]:
    """The observer that suits where the output goes: a bar, plain lines, or nothing at all."""
    if silent:
        yield Observer()
    elif sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        from leadline.cli.bar import Bar

        with Bar() as bar:
            yield bar
    else:
        yield Lines()


class Pace:
    """How far some work is, how fast it goes, how long the rest will take, and the last score.

    Steps count from the beginning of the plan, also after `resume`; speed counts from the first step seen here. It is told
    where the steps have a name.
    """

    def __init__(self, total: int, unit: str = "") -> None:
        self.total = max(total, 1)
        self.unit = unit
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

    def __str__(self) -> str:
        """Share, speed, time left and score, as far as they are known."""
        parts = [f"{100 * self.share:3.0f} %"]
        if self.rate and self.unit:
            parts.append(f"{self.rate:,.0f} {self.unit}/s" if self.rate >= 10 else f"{self.rate:.2g} {self.unit}/s")
        if self.rate:
            parts.append(f"{clock((self.total - self.step) / self.rate)} left")
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


class Lines(Observer):
    """Plain lines without control codes: each note, then about one line for each tenth of the training.

    A training outlives whoever reads its lines: when the pipe is closed or the log's disk is full, it goes on in silence.
    """

    def __init__(self) -> None:
        self._pace = Pace(1)
        self._next = 0.0
        self._said = time.perf_counter()
        self._broken = False

    def note(self, label: str, text: str) -> None:
        self._say(label, text)

    def reading(self, done: int, total: int) -> None:
        if self._pace.total != total:
            self._pace = Pace(total)
        self._pace.advance(done)
        if self._pace.now - self._said > _SILENCE:
            self._progress("reading")

    def begin(self, total_steps: int, steps_per_epoch: int) -> None:
        self._pace, self._next, self._said = Pace(total_steps, "steps"), 0.1, time.perf_counter()

    def advance(self, step: int) -> None:
        self._pace.advance(step)
        # Where log points are far apart, a sign of life without a new score has to do.
        if self._pace.share >= self._next and self._pace.now - self._said > _SILENCE:
            self._progress("training")

    def log(self, record: dict[str, Any]) -> None:
        self._pace.log(record)
        if self._pace.share >= self._next:
            self._progress("training")

    def end(self) -> None:
        self._say("training", self._pace.ended())

    def _progress(self, label: str) -> None:
        if self._pace.share < 1:
            self._say(label, str(self._pace))
        self._next = int(self._pace.share * 10) / 10 + 0.1
        self._said = self._pace.now

    def _say(self, label: str, text: str) -> None:
        if not self._broken:
            try:
                click.echo(labelled(label, text))
            except OSError:
                self._broken = True
