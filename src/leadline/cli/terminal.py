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
    """How fast the steps go by, and how long the rest will take.

    Steps count from the beginning of the plan, also after `resume`; speed counts from the first step seen here.
    """

    def __init__(self, total_steps: int) -> None:
        self.total = max(total_steps, 1)
        self.step = 0
        self.now = 0.0
        self._first: tuple[int, float] | None = None

    def advance(self, step: int, now: float | None = None) -> None:
        """`step` steps are done at `now` (seconds of `time.perf_counter`)."""
        self.now = time.perf_counter() if now is None else now
        self.step = step
        if self._first is None:
            self._first = (step, self.now)

    @property
    def share(self) -> float:
        """How much is done, from 0 to 1."""
        return min(self.step / self.total, 1.0)

    @property
    def rate(self) -> float:
        """Steps in a second; 0 as long as that is unknown."""
        if self._first is None or self.step <= self._first[0]:
            return 0.0
        return (self.step - self._first[0]) / max(self.now - self._first[1], 1e-9)

    def __str__(self) -> str:
        """Share, speed and time left, as far as they are known."""
        done = f"{100 * self.share:3.0f} %"
        if not self.rate:
            return done
        rate = f"{self.rate:,.0f}" if self.rate >= 10 else f"{self.rate:.2g}"
        return f"{done}  {rate} steps/s  {clock((self.total - self.step) / self.rate)} left"


def valid_score(record: Mapping[str, Any]) -> str:
    """The first score on the validation split in a record of the history, else its loss; empty when it has neither."""
    names = [name for name in record if name.startswith("valid_") and record[name] is not None]
    for name in sorted(names, key=lambda name: name == "valid_loss"):
        metric = name.removeprefix("valid_")
        return f"{metric.replace('_', ' ')} {number(record[name], metric)}"
    return ""


class Lines(Observer):
    """Plain lines without control codes: each note, then about one line for each tenth of the training.

    A training outlives whoever reads its lines: when the pipe is closed or the log's disk is full, it goes on in silence.
    """

    def __init__(self) -> None:
        self._pace = Pace(1)
        self._next = 0.0
        self._said = 0.0
        self._broken = False

    def note(self, label: str, text: str) -> None:
        self._say(labelled(label, text))

    def reading(self, done: int, total: int) -> None:
        if done == total and total > 0:
            self._say(labelled("reading", f"{total:,} files decoded"))

    def begin(self, total_steps: int, steps_per_epoch: int) -> None:
        self._pace, self._next, self._said = Pace(total_steps), 0.1, time.perf_counter()

    def advance(self, step: int) -> None:
        self._pace.advance(step)
        # Where log points are far apart, a sign of life without a score has to do.
        if self._pace.share >= self._next and self._pace.now - self._said > _SILENCE:
            self._progress("")

    def log(self, record: dict[str, Any]) -> None:
        if self._pace.share >= min(self._next, 1.0):
            score = f"valid {valid}" if (valid := valid_score(record)) else f"loss {record['loss']:.4g}"
            self._progress(f"epoch {round(record['epoch'], 1):g}  {score}")

    def _progress(self, state: str) -> None:
        self._say(labelled("training", f"{self._pace}  {state}".rstrip()))
        self._next = int(self._pace.share * 10) / 10 + 0.1
        self._said = self._pace.now

    def _say(self, line: str) -> None:
        if not self._broken:
            try:
                click.echo(line)
            except OSError:
                self._broken = True
