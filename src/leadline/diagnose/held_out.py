"""Held-out rows as a person gives them, arrays or batches, and the loss on them while the network trains."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from leadline.diagnose.checks.task_guess import answer_tensor
from leadline.diagnose.kept_rows import KeptRows, as_rows
from leadline.diagnose.subject import Rows, Subject, undisturbed

_MOST_CLASSES = 50  # whose recalls are kept over the course


def held_out_rows(given: Any, device: torch.device) -> Rows | None:
    """Held-out rows from a pair, or from an iterable of batches, as many as are kept of training rows.

    Example:
        >>> batches = [(torch.zeros(3, 2), torch.arange(3)), (torch.ones(3, 2), torch.arange(3))]
        >>> len(held_out_rows(batches, torch.device("cpu")))
        6
    """
    if given is None or isinstance(given, Rows):
        return given
    if isinstance(given, tuple) and len(given) == 2:
        return as_rows(*given, device)
    kept = KeptRows()
    for batch in given:
        rows = as_rows(batch[0], batch[1], device)
        kept.offer(rows.inputs, rows.targets)
        if kept.full:
            break
    return kept.rows() if kept.seen else None


@contextmanager
def order_kept(batches: Any) -> Iterator[None]:
    """After the block the generators from which a loader draws its order, which may be those of others too, are as before."""
    drawing = [getattr(each, "generator", None) for each in (batches, getattr(batches, "sampler", None))]
    states = [(each, each.get_state()) for each in drawing if isinstance(each, torch.Generator)]
    try:
        yield
    finally:
        for generator, state in states:
            generator.set_state(state)


class HeldOutCourse:
    """The loss on held-out rows while a network trains, judged now and then within a share of the time; recalls of classes too.

    Args:
        share: the most of the training's time that it may take.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> subject, course = a_subject(), HeldOutCourse(0.01)
        >>> course.due(0), course.judge(subject, 0, 1.0), course.due(1)
        (True, None, False)
        >>> len(course.losses)
        1
    """

    def __init__(self, share: float) -> None:
        self.losses: list[tuple[int, float, float]] = []
        self.recalls: list[tuple[int, list[float]]] = []
        self._share, self._next = share, 0

    def due(self, count: int) -> bool:
        return count >= self._next

    def judge(self, subject: Subject, count: int, elapsed: float) -> None:
        """Judge the subject's own rows, on a copy: a network may carry a state from one call to the next.

        Args:
            subject: whose training rows are these rows.
            count: steps made.
            elapsed: seconds since the training began.
        """
        began = time.perf_counter()
        self._next = 1 << 62  # where it fails, it is not tried again
        with undisturbed(subject):
            model, rows = subject.trained().eval(), subject.train
            outputs = subject.outputs(model, rows, size=len(rows))
            with torch.no_grad():
                loss = float(subject.loss(outputs, rows.targets)) if subject.loss is not None else math.nan
        self.losses.append((count, loss, math.nan))
        if (recalls := class_recalls(outputs, rows.targets)) is not None:
            self.recalls.append((count, recalls))
        passed = time.perf_counter() - began
        steps = count * passed / (max(elapsed + passed, 1e-9) * self._share)
        self._next = count + max(5, count // 12, int(min(steps, 1 << 40)))


def class_recalls(outputs: Any, targets: Any) -> list[float] | None:
    """The share of right answers among the rows of each class, NaN of one without rows; None where there are no classes.

    Example:
        >>> class_recalls(torch.tensor([[2.0, 1.0], [0.0, 1.0], [3.0, 1.0]]), torch.tensor([0, 1, 1]))
        [1.0, 0.5]
    """
    answers = answer_tensor(outputs)
    if answers is None or not isinstance(targets, torch.Tensor) or targets.is_floating_point() or targets.is_complex():
        return None
    classes = answers.shape[1] if answers.ndim == 2 else 0
    if not 1 < classes <= _MOST_CLASSES or targets.numel() != len(answers):
        return None
    wanted = targets.reshape(-1).long()
    if not bool(((wanted >= 0) & (wanted < classes)).all()):
        return None
    counts = torch.bincount(wanted, minlength=classes).double()
    right = torch.bincount(wanted[answers.argmax(1) == wanted], minlength=classes).double()
    return (right / counts).tolist()  # 0 / 0 is NaN
