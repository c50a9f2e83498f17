"""Which copies learn from a tape: those of small networks, whose steps are mostly spent between the kernels."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from leadline.diagnose.trials.copied_graphs import CopiedGraph, Playing, graph_of, leaves_of
from leadline.diagnose.trials.copied_training import CopiedTraining
from leadline.training.recorded.tracing import said_by

# Measured on one thread of a CPU, a step from a tape is 2.2 times as fast as a plain one at half a million products and sums,
# 1.6 times at 18 million, 1.3 times at 60 million; with small convolutions 1.2 times.
_MOST_OPERATIONS = 2e7  # of a step
_LEAST_STEPS = 300  # of a copy, for its tape to be worth the 60 ms that it takes to be made


def likeness(copied: CopiedTraining) -> tuple[Any, ...] | None:
    """What copies with the same graph have in common; None for one whose functions or layers were changed by hand.

    Recurrent layers have kernels of their own on a CPU; taken apart into small ones they are slower.
    """
    recurrent = any(isinstance(layer, nn.RNNBase) for layer in copied.model.modules())
    if copied.within or copied.added or recurrent:
        return None
    layers = [
        (name, type(layer), layer.extra_repr(), len(layer._forward_hooks), len(layer._forward_pre_hooks))
        for name, layer in copied.model.named_modules()
    ]
    weights = [(name, part.shape, part.dtype, part.requires_grad) for name, part in copied.model.named_parameters()]
    rows = [(part.shape[1:], part.dtype) for part in leaves_of(copied.train)]
    batch = min(copied.habits.batch, len(copied.train))
    told = str((layers, weights, rows, batch))
    return told, copied.everything, copied.habits.training_mode, id(copied.loss)


class Tapes:
    """The graphs of copies, each made once.

    Example:
        >>> from leadline.diagnose.trials.copied_training import copy_of
        >>> from leadline.diagnose.trials.habits import habits_of
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> subject, tapes = a_subject(steps=1), Tapes()
        >>> one, other = (copy_of(subject, habits_of(subject), (subject.train, subject.valid)) for _ in range(2))
        >>> tapes.graph(one) is tapes.graph(other), tapes.player(one, 20) is None
        (True, True)
    """

    def __init__(self) -> None:
        self.why = ""  # the last copy had no graph
        # The copy is kept, since another object could else come to have the number of its loss.
        self._graphs: dict[tuple[Any, ...], tuple[CopiedGraph | str, CopiedTraining]] = {}

    def graph(self, copied: CopiedTraining) -> CopiedGraph | None:
        """Of the copy; None where it has none or is not faster by it, and `why` says why."""
        if (key := likeness(copied)) is None:
            self.why = "its layers are not those of the graph"
            return None
        if key not in self._graphs:
            self._graphs[key] = _made(copied), copied
        graph = self._graphs[key][0]
        self.why = graph if isinstance(graph, str) else ""
        return None if isinstance(graph, str) else graph

    def player(self, copied: CopiedTraining, steps: int) -> Playing | None:
        """What stands in for the backward pass of a copy that takes so many steps; None where that is not faster."""
        graph = self.graph(copied) if steps >= _LEAST_STEPS else None
        return Playing(copied, graph) if graph is not None else None


def _made(copied: CopiedTraining) -> CopiedGraph | str:
    try:
        operations = _operations(replace(copied, model=copy.deepcopy(copied.model)))
        if operations > _MOST_OPERATIONS:
            return f"{operations / 1e6:.0f} million operations a step are as fast without a tape"
        return replace(graph_of(copied), operations=operations)
    except Exception as error:  # of a network that cannot be traced, or a loss that does not run: its trial will say so
        return said_by(error)


def _operations(copied: CopiedTraining) -> float:
    """Products and sums of one step, forward and backward."""
    with FlopCounterMode(display=False) as counter:
        copied.backward(copied.train.take(next(copied.orders())))
    return float(counter.get_total_flops())
