"""What a person sees while a network trains: plain lines here, the progress bar of a real terminal in `bar.py`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from leadline.cli.pace import Pace
from leadline.cli.printing import labelled
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

    def weigh(self, work: Callable[[float], float]) -> None:
        self._pace.work = work

    def count_in(self, unit: str) -> None:
        self._pace.unit = unit

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
