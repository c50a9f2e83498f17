"""What a network costs for one row, counted before anything is trained, and the batch, rate and epochs that follow from it.

The networks that are proposed were tried with numbers of their own (`proposal.py`). For any other the work is kept at what
ResNet-18 was given for photos: 20,000 rows of 96 pixels a side, 6.7 million million multiply-adds forwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from leadline.data.schema import Schema
from leadline.explain.counting import counts_of
from leadline.explain.tracing import Operation, Step, example_inputs, trace
from leadline.plan.network_building import network
from leadline.plan.record import ModelPlan, Plan
from leadline.training.devices import preserved

LARGE = 100_000_000  # multiply-adds of one row: from here on a batch of 128 takes seconds on a processor
_WORK = 6.7e12  # multiply-adds of a training, forwards
_DEEP = 6  # layers that learn; without normalization the rates that suit so many and more are low
_NORMALIZATIONS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


@dataclass(frozen=True)
class NetworkCost:
    """Multiply-adds of one row forwards, parameters, and whether the network is deep without normalization.

    Example:
        >>> NetworkCost(15_000_000_000, 138_357_544, unnormalized=True).large
        True
    """

    multiply_adds: int
    parameters: int
    unnormalized: bool

    @property
    def large(self) -> bool:
        return self.multiply_adds >= LARGE

    def rows_to_see(self, fewest: int, most: int) -> int:
        """Rows of training that take the usual work, between two bounds."""
        return int(min(max(_WORK / max(self.multiply_adds, 1), fewest), most))

    def __str__(self) -> str:
        """In a sentence: 15 thousand million multiply-adds a row, 138 million parameters."""
        return f"{_in_words(self.multiply_adds)} multiply-adds a row, {_in_words(self.parameters)} parameters"


def cost_of_network(model: ModelPlan, schema: Schema, own: Mapping[str, Any] | None = None) -> NetworkCost | None:
    """What a network costs for these pictures; None for other inputs, or where it cannot be built, which building it will say.

    The network is built without values, so that the largest one takes neither memory nor time.

    Args:
        model: its name and what is proposed for its arguments.
        schema: of the data.
        own: a person's own changes, spelled out; those of the network's arguments are used.

    Example:
        >>> from leadline import data
        >>> cost = cost_of_network(ModelPlan("resnet18"), data.load("digits").schema)
        >>> cost.parameters, cost.unnormalized
        (11175370, False)
    """
    if len(schema.inputs.shape) != 3:
        return None
    arguments = {key.removeprefix("model."): value for key, value in (own or {}).items() if key.startswith("model.")}
    arguments.pop("name", None)
    plan = Plan(model=ModelPlan(model.name, {**model.arguments, **arguments}))
    try:
        with preserved():
            with torch.device("meta"):
                built = network(plan, schema)
            multiply_adds = _multiply_adds(built, schema.inputs.shape)
    except Exception:  # a network of ones own, of timm, or with a mistake in its arguments: nothing has to be said here
        return None
    learning = sum(any(True for _ in module.parameters(recurse=False)) for module in built.modules())
    normalizes = any(isinstance(module, _NORMALIZATIONS) for module in built.modules())
    parameters = sum(each.numel() for each in built.parameters())
    return NetworkCost(multiply_adds, parameters, learning >= _DEEP and not normalizes)


def _multiply_adds(built: nn.Module, shape: Sequence[int]) -> int:
    """Those of a summary, without what else it finds, which takes longer than to count."""
    watcher = _Counting()
    trace(built, example_inputs(built, shape, None), watcher.begin)
    return watcher.total


class _Counting:
    """Adds up multiply-adds as the steps of a pass go by."""

    total = 0

    def begin(self, inputs: Sequence[Tensor]) -> _Counting:
        self.total = 0
        return self

    def see(self, operation: Operation) -> None:
        """Nothing to be done: a step keeps its operations."""

    def end(self, step: Step) -> None:
        self.total += sum(count.amount for count in counts_of(step))


def _in_words(number: int) -> str:
    for size, name in ((10**9, " thousand million"), (10**6, " million"), (10**3, " thousand")):
        if number >= size:
            return f"{number / size:.3g}{name}"
    return str(number)
