"""Callbacks read a training at its six events and may ask it to stop; they change nothing."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

from leadline.training import checkpoints
from leadline.training.state import Training


class Callback:
    """Override any of the six events; return a reason to stop, or None.

    Example:
        >>> import torch
        >>> from leadline import fit
        >>> class ThreeSteps(Callback):
        ...     def batch_end(self, now: Training) -> str | None:
        ...         return "three steps are enough" if now.step == 3 else None
        >>> batches = [(torch.ones(4, 2), torch.zeros(4, dtype=torch.long))] * 5
        >>> fit(torch.nn.Linear(2, 3), batches, device="cpu", callbacks=[ThreeSteps()]).stopped
        'three steps are enough'
    """

    def fit_start(self, now: Training) -> str | None: ...
    def epoch_start(self, now: Training) -> str | None: ...
    def batch_end(self, now: Training) -> str | None: ...
    def epoch_end(self, now: Training) -> str | None: ...
    def evaluated(self, now: Training) -> str | None: ...
    def fit_end(self, now: Training) -> str | None: ...


class Checkpoint(Callback):
    """Saves the whole training to `path`, at most `every` seconds apart and at its end, pauses included.

    A foreign iterable of batches cannot be entered within an epoch, so there it saves only between epochs.

    Example:
        >>> import tempfile
        >>> import torch
        >>> from leadline import fit
        >>> path = Path(tempfile.mkdtemp()) / "training.safetensors"
        >>> batches = [(torch.ones(4, 2), torch.zeros(4, dtype=torch.long))] * 5
        >>> _ = fit(torch.nn.Linear(2, 3), batches, epochs=2, device="cpu", callbacks=[Checkpoint(path)])
        >>> checkpoints.load(path)["step"]
        10
    """

    def __init__(self, path: Path, *, every: float = 60.0) -> None:
        self.path, self.every = path, every
        self._saved_at = time.monotonic()

    def batch_end(self, now: Training) -> None:
        # Half of `every` lets the batch, the evaluation or the writing under way take the other half.
        if time.monotonic() - self._saved_at >= self.every / 2 and now.resumes_within_epochs:
            self._save(now)

    def evaluated(self, now: Training) -> None:
        if time.monotonic() - self._saved_at >= self.every / 2:
            self._save(now)

    def fit_end(self, now: Training) -> None:
        if now.batch == 0 or now.resumes_within_epochs:
            self._save(now)

    def _save(self, now: Training) -> None:
        now.history.sync()
        checkpoints.save(self.path, now.state())
        self._saved_at = time.monotonic()


class Interruption(Callback):
    """Turns Ctrl-C and SIGTERM into a pause at the end of the batch under way; a second Ctrl-C does not wait.

    Signals can be caught in the main thread alone; elsewhere this does nothing.

    Example:
        >>> import torch
        >>> from leadline import fit
        >>> class CtrlC(Callback):
        ...     def epoch_start(self, now: Training) -> None:
        ...         signal.raise_signal(signal.SIGINT)
        >>> batches = [(torch.ones(4, 2), torch.zeros(4, dtype=torch.long))] * 5
        >>> fit(torch.nn.Linear(2, 3), batches, device="cpu", callbacks=[Interruption(), CtrlC()]).stopped
        'interrupted'
    """

    REASON = "interrupted"

    def __init__(self) -> None:
        self._asked = False
        self._previous: dict[int, Any] = {}

    def fit_start(self, now: Training) -> None:
        # A training that failed ended without `fit_end`, so the signals may be caught already.
        if threading.current_thread() is threading.main_thread() and not self._previous:
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._ask)

    def batch_end(self, now: Training) -> str | None:
        return self.REASON if self._asked else None

    def evaluated(self, now: Training) -> str | None:
        return self.REASON if self._asked else None

    def fit_end(self, now: Training) -> None:
        self.release()

    def release(self) -> None:
        """Give the signals back to whoever had them."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self._asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._asked = True
