"""The progress bar of a real terminal."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from leadline.cli.pace import Pace
from leadline.cli.printing import LABEL, labelled
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
        self._label = ""
        self._pace = Pace(1)
        self._drawn = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop()

    def note(self, label: str, text: str) -> None:
        if self._label == "reading":
            self._stop()
        self._console.print(labelled(label, text), soft_wrap=True, markup=False, emoji=False)

    def reading(self, done: int, total: int) -> None:
        if self._label != "reading" or self._pace.total != total:
            self._start("reading", Pace(total))
        self.advance(done)

    def begin(self, total_steps: int, steps_per_epoch: int) -> None:
        self._start("training", Pace(total_steps, "steps"))

    def weigh(self, work: Callable[[float], float]) -> None:
        self._pace.work = work

    def count_in(self, unit: str) -> None:
        self._pace.unit = unit

    def advance(self, step: int) -> None:
        self._pace.advance(step)
        if self._progress is not None and self._pace.now - self._drawn >= _REFRESH:
            self._drawn = self._pace.now
            self._progress.update(self._task, completed=step, state=str(self._pace), refresh=True)

    def log(self, record: dict[str, Any]) -> None:
        self._pace.log(record)

    def end(self) -> None:
        self._stop()
        self.note("training", self._pace.ended())

    def _start(self, label: str, pace: Pace) -> None:
        self._stop()
        self._label, self._pace, self._drawn = label, pace, 0.0
        columns = (
            TextColumn("{task.description}", markup=False, table_column=Column(min_width=LABEL - 1, no_wrap=True)),
            BarColumn(bar_width=14),
            TextColumn("{task.fields[state]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
        )
        self._progress = Progress(*columns, console=self._console, auto_refresh=False, transient=True)
        self._progress.start()
        self._task = self._progress.add_task(label, total=pace.total, state="")

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
        self._progress, self._label = None, ""
