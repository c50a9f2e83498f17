"""Dropout that is called as a function, which no module tells of."""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from leadline.diagnose.checks.drills import DROPPING
from leadline.diagnose.subject import Rows, Subject


class _Listening(TorchFunctionMode):
    """Keeps the largest share that is dropped within the block."""

    largest: float = 0.0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        if func in DROPPING:
            share = args[1] if len(args) > 1 else named.get("p", 0.5)
            active = args[2] if len(args) > 2 else named.get("training", True)
            self.largest = max(self.largest, float(share) if active else 0.0)
        return func(*args, **named)


def read_dropped(subject: Subject, rows: Rows, *, training: bool = True) -> float:
    """The largest share that a call of dropout drops in training mode, or in evaluation mode, where it should drop nothing.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> subject = a_subject()
        >>> subject.call = lambda model, x: model(torch.nn.functional.dropout(x, 0.9, model.training))
        >>> rows = subject.train.take(slice(0, 4))
        >>> read_dropped(subject, rows), read_dropped(subject, rows, training=False)
        (0.9, 0.0)
    """
    model = subject.trained().train(training)
    with torch.no_grad(), _Listening() as listening:
        subject.call(model, rows.inputs)
    return float(listening.largest)
