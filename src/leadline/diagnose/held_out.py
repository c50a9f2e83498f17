"""Held-out rows as a person gives them, arrays or batches, and the loss on them while the network trains."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import BatchSampler, DataLoader

from leadline.diagnose.checks.flat_features import choose
from leadline.diagnose.checks.task_guess import answer_tensor
from leadline.diagnose.kept_rows import KeptRows, as_rows, room_for
from leadline.diagnose.subject import Rows, Subject

_MOST_CLASSES = 50  # whose recalls are kept over the course


def held_out_rows(given: Any, device: torch.device) -> Rows | None:
    """Rows from a pair, or from an iterable of batches, as many as are kept of training rows.

    Of a loader that holds more, they are drawn from all of it: the first ones may be of one class.

    Example:
        >>> batches = [(torch.zeros(3, 2), torch.arange(3)), (torch.ones(3, 2), torch.arange(3))]
        >>> len(held_out_rows(batches, torch.device("cpu")))
        6
    """
    if given is None or isinstance(given, Rows):
        return given
    if isinstance(given, tuple) and len(given) == 2:
        return as_rows(*given, device)
    kept = _kept(given, device)
    if kept.full and (drawn := _drawn(given)) is not None:
        kept = _kept(drawn, device)
    return kept.rows() if kept.seen else None


def sampled_rows(given: Any, device: torch.device) -> Rows | None:
    """The same, but of a pair as many rows as are kept of batches.

    Example:
        >>> len(sampled_rows((torch.zeros(9000, 2), torch.arange(9000)), torch.device("cpu")))
        2048
    """
    if not (isinstance(given, tuple) and len(given) == 2):
        return held_out_rows(given, device)
    rows = as_rows(*given)
    rows = rows.take(choose(len(rows), room_for(rows.inputs, rows.targets, max(1, len(rows)))))
    return as_rows(rows.inputs, rows.targets, device)


def _kept(batches: Any, device: torch.device) -> KeptRows:
    kept = KeptRows()
    for batch in batches:
        rows = as_rows(batch[0], batch[1], device)
        kept.offer(rows.inputs, rows.targets)
        if kept.full:
            break
    return kept


def _drawn(loader: Any) -> Iterator[Any] | None:
    """Batches of a usual loader in a random order; None where the order is the loader's own affair."""
    if not isinstance(loader, DataLoader) or type(loader.batch_sampler) is not BatchSampler:
        return None
    order = list(loader.sampler)
    np.random.default_rng(0).shuffle(order)
    size = loader.batch_size or 1
    return (
        loader.collate_fn([loader.dataset[at] for at in order[start : start + size]]) for start in range(0, len(order), size)
    )


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
    """The loss on held-out rows while a network trains; recalls of classes too.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> subject, course = a_subject(), HeldOutCourse()
        >>> course.judge(subject, subject.trained().eval(), subject.train, 0)
        >>> len(course.losses)
        1
    """

    def __init__(self) -> None:
        self.losses: list[tuple[int, float, float]] = []
        self.recalls: list[tuple[int, list[float]]] = []

    def judge(self, subject: Subject, model: nn.Module, rows: Rows, count: int) -> None:
        """Judge these rows, after so many steps.

        Args:
            subject: whose loss it is.
            model: a copy of the network, in evaluation mode.
            rows: held-out ones.
            count: steps made.
        """
        outputs = subject.outputs(model, rows, size=len(rows))
        with torch.no_grad():
            loss = float(subject.loss(outputs, rows.targets)) if subject.loss is not None else math.nan
        self.losses.append((count, loss, math.nan))
        if (recalls := class_recalls(outputs, rows.targets)) is not None:
            self.recalls.append((count, recalls))


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
