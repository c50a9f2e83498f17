"""What a network answers while it trains, looked at now and then by a copy: for held-out rows, and for single training rows."""

from __future__ import annotations

import time
from collections.abc import Callable

from torch import nn

from leadline.diagnose.held_out import HeldOutCourse
from leadline.diagnose.row_courses import RowCourse
from leadline.diagnose.subject import Rows, Subject, undisturbed
from leadline.diagnose.told_rows import first_line

_VALID_ROWS = 512  # while it trains; all of them at the end


class Spaced:
    """Steps at which to look while a network trains, so far apart that looking takes no more than a share of the time.

    Args:
        share: of the training's time.

    Example:
        >>> spaced = Spaced(0.01)
        >>> spaced.due(0), spaced.done(0, 0.1, 1.0), spaced.due(1), spaced.due(5)
        (True, None, False, True)
    """

    def __init__(self, share: float) -> None:
        self._share, self._next = share, 0

    def due(self, count: int) -> bool:
        return count >= self._next

    def stop(self) -> None:
        """No more looks, unless `done` says when."""
        self._next = 1 << 62

    def done(self, count: int, passed: float, elapsed: float) -> None:
        """A look took so many seconds, after so many steps and `elapsed` seconds of training."""
        steps = count * passed / (max(elapsed + passed, 1e-9) * self._share)
        self._next = count + max(5, count // 12, int(min(steps, 1 << 40)))


class TrainingLooks:
    """Looks of both kinds, so far apart that they take no more than a share of the time.

    A copy is looked at, as a network may carry a state from one call to the next.

    Args:
        share: of the training's time.
        missed: gets what fails of the person's loss or network on these rows; it is told once, and not tried again.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> subject, looks = a_subject(), TrainingLooks(0.5, [])
        >>> looks.look(lambda rows: subject, subject.valid, lambda: subject.train, count=0, elapsed=1.0)
        >>> len(looks.held_out.losses), looks.due(1)
        (1, False)
    """

    def __init__(self, share: float, missed: list[str]) -> None:
        self.held_out, self.rows = HeldOutCourse(), RowCourse()
        self._spaced, self._missed = Spaced(share), missed

    def due(self, count: int) -> bool:
        return self._spaced.due(count)

    def look(
        self,
        subject_of: Callable[[Rows], Subject],
        valid: Rows | None,
        train: Callable[[], Rows | None],
        *,
        count: int,
        elapsed: float,
    ) -> None:
        """Look at what there is.

        Args:
            subject_of: rows → what is trained.
            valid: held-out rows.
            train: gives training rows, where there are enough of them; asked until some of them are followed.
            count: steps made.
            elapsed: seconds of the training.
        """
        began = time.perf_counter()
        self._spaced.stop()
        rows = None if self.rows.over else self.rows.rows or train()
        if (known := valid or rows) is not None:
            subject = subject_of(known)
            try:
                with undisturbed(subject):
                    model = subject.trained().eval()
                    if valid is not None:
                        self.held_out.judge(subject, model, valid.take(slice(0, _VALID_ROWS)), count)
                    if rows is not None:
                        self._follow(subject, model, rows)
            except Exception as error:
                which = "held-out" if valid is not None else "training"
                self._missed.append(f"{which} rows while it trained: {first_line(error)}")
                return
        self._spaced.done(count, time.perf_counter() - began, elapsed)

    def _follow(self, subject: Subject, model: nn.Module, rows: Rows) -> None:
        """Where single rows cannot be looked at, held-out rows are judged as before."""
        try:
            self.rows.judge(subject, model, rows)
        except Exception as error:
            self.rows.over = True
            self._missed.append(f"training rows while it trained: {first_line(error)}")
