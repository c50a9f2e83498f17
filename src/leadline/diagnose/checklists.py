"""Checks in turn: each is guarded, what is known already is not looked at again, and none begins when the time is over."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from leadline.diagnose.readings import Readings

LATE = "there was no time"


class Checklist:
    """Runs checks and writes into the readings how long each took, which failed, and which found no time.

    Args:
        readings: of the subject.
        seconds: for all of them.

    Example:
        >>> readings = Readings()
        >>> checks = Checklist(readings)
        >>> checks.run("rows", lambda: 3), checks.run("rows", lambda: 4), checks.run("loss", lambda: 1 / 0)
        (3, None, None)
        >>> checks.done, readings.unchecked
        ({'rows'}, ['loss: division by zero'])
    """

    def __init__(self, readings: Readings, *, seconds: float = math.inf) -> None:
        self.readings, self.done = readings, set[str]()
        self._pass = 0.0
        self.give(seconds)

    def give(self, seconds: float) -> None:
        """From now on there are so many seconds."""
        self._end = time.perf_counter() + seconds

    @property
    def left(self) -> float:
        """Seconds."""
        return self._end - time.perf_counter()

    def run(self, name: str, work: Callable[[], Any], *, passes: float = 0.0, again: bool = False, needed: bool = False) -> Any:
        """The result; None where it is known already, where there is no time, or where the check failed on this program.

        Args:
            name: of what is looked at.
            work: looks.
            passes: how many times it runs the network on a batch, roughly: what would not end in time is not begun.
            again: look also where it is known.
            needed: look also when the time is over.
        """
        if name in self.done and not again:
            return None
        if not needed and (passes * self._pass > self.left or self.left < 0):
            self.readings.unchecked.append(f"{name}: {LATE}")
            return None
        began = time.perf_counter()
        try:
            result = work()
        except Exception as error:  # of a network, a loss or rows that a check does not understand
            said = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
            self._fails(name, said)
            return None
        finally:
            took = time.perf_counter() - began
            self.readings.seconds[name] = round(took, 4)
            if passes:  # the first pass of all prepares what later ones use
                self._pass = min(self._pass or math.inf, took / passes)
        self.done.add(name)
        return result

    def _fails(self, name: str, said: str) -> None:
        """What fails for one reason is told together."""
        unchecked, reason = self.readings.unchecked, f": {said}"
        before = next((at for at, each in enumerate(unchecked) if each.endswith(reason)), None)
        if before is None:
            unchecked.append(name + reason)
        elif name not in (names := unchecked[before].removesuffix(reason)).split(", "):
            unchecked[before] = f"{names}, {name}{reason}"
