"""Dropout as it is called, also as a function, which no module tells of; and dropout of the answers themselves."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from leadline.diagnose.checks.drills import DROPPING
from leadline.diagnose.checks.graph_nodes import MOVES, plain_name
from leadline.diagnose.checks.loss_graphs import SQUASHES
from leadline.diagnose.checks.task_guess import answer_tensor
from leadline.diagnose.subject import Rows, Subject


class Dropped(NamedTuple):
    """The largest share that is dropped anywhere, and that of what comes out of the last weights."""

    largest: float
    of_answers: float


class _Listening(TorchFunctionMode):
    """Keeps what is dropped within the block, with its share."""

    def __init__(self) -> None:
        super().__init__()
        self.shares: list[tuple[float, Tensor]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        result = func(*args, **named)
        if func in DROPPING:
            share = args[1] if len(args) > 1 else named.get("p", 0.5)
            active = args[2] if len(args) > 2 else named.get("training", True)
            self.shares.append((float(share) if active else 0.0, result))
        return result


def read_dropped(subject: Subject, rows: Rows, *, training: bool = True) -> Dropped:
    """What calls of dropout drop in training mode, or in evaluation mode, where they should drop nothing.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> subject = a_subject()
        >>> subject.call = lambda model, x: torch.nn.functional.dropout(model(x), 0.9, model.training)
        >>> rows = subject.train.take(slice(0, 4))
        >>> read_dropped(subject, rows), read_dropped(subject, rows, training=False).largest
        (Dropped(largest=0.9, of_answers=0.9), 0.0)
    """
    model = subject.trained().train(training)
    with torch.enable_grad(), _Listening() as listening:
        outputs = answer_tensor(subject.call(model, rows.inputs))
    largest = max((share for share, _ in listening.shares), default=0.0)
    # A node's Python object lives as long as one holds it.
    made = {result.grad_fn: share for share, result in listening.shares if share and result.grad_fn is not None}
    node, share = outputs.grad_fn if outputs is not None else None, 0.0
    while node is not None and not share:
        share = made.get(node, 0.0)
        onward = plain_name(node.name()) in MOVES | SQUASHES and node.next_functions
        node = node.next_functions[0][0] if onward else None
    return Dropped(largest, share)
