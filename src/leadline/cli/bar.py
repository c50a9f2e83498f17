"""The progress bar of a real terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from leadline.cli.printing import LABEL, labelled
from leadline.cli.terminal import Pace, valid_score
from leadline.runs.observer import Observer

_REFRESH = 0.25  # seconds; drawing the bar takes 1–2 ms, a step of a small network a tenth of that


class Bar(Observer):
    """Notes as lines; below them one bar at a time, which is gone when its work is done.

    It is drawn by the thread that trains, a few times a second: a thread of its own would take turns with every step.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._progress: Progress | None = None
        self._task = TaskID(0)
        self._pace = Pace(1)
        self._score = ""
        self._drawn = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop()

    def note(self, label: str, text: str) -> None:
        self._console.print(labelled(label, text), soft_wrap=True, markup=False, emoji=False)

    def reading(self, done: int, total: int) -> None:
        if self._progress is None:
            self._start("reading", total)
        self._draw(done, lambda: f"{done:,} of {total:,} files")
        if done >= total:
            self._stop()

    def begin(self, total_steps: int, steps_per_epoch: int) -> None:
        self._stop()
        self._pace, self._score = Pace(total_steps), ""
        self._start("training", total_steps)

    def advance(self, step: int) -> None:
        self._pace.advance(step)
        self._draw(step, lambda: f"{self._pace}  valid {self._score}" if self._score else str(self._pace))

    def log(self, record: dict[str, Any]) -> None:
        self._score = valid_score(record) or self._score

    def end(self) -> None:
        self._stop()

    def _start(self, label: str, total: int) -> None:
        columns = (
            TextColumn("{task.description}", markup=False, table_column=Column(width=LABEL - 1, no_wrap=True)),
            BarColumn(bar_width=14),
            TextColumn("{task.fields[state]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
        )
        self._progress = Progress(*columns, console=self._console, auto_refresh=False, transient=True)
        self._progress.start()
        self._task = self._progress.add_task(label, total=total, state="")
        self._drawn = 0.0

    def _draw(self, done: int, state: Callable[[], str]) -> None:
        now = time.perf_counter()
        if self._progress is not None and now - self._drawn >= _REFRESH:
            self._drawn = now
            self._progress.update(self._task, completed=done, state=state(), refresh=True)

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
