"""What a training program is made of: its rows, its network, its loss, and how it loops. Faults change it before it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor, nn

Part = tuple[Tensor, Tensor]  # inputs, targets


@dataclass
class Arrays:
    """Rows to train on, rows that the person holds out, and a clean test set that only the harness sees.

    `task` is classes (whole numbers), binary (one output, targets 0.0 or 1.0), labels (several such outputs), number, or
    reconstruct (the target is the input).
    """

    train: Part
    valid: Part
    test: Part
    task: str
    classes: int = 0


@dataclass
class Recipe:
    """A program, as its author would have set it; the defaults are those of a careful one."""

    family: str
    arrays: Arrays
    net: Callable[[Recipe], nn.Module]
    outputs: int
    loss: str
    metric: str = "accuracy"  # or balanced, r2
    # the network
    activation: str = "relu"
    width: int = 32
    depth: int = 2
    dropout: float = 0.0
    normalize: bool = False
    head: str = ""
    cell: str = "lstm"
    kernel: int = 3
    detach: str = ""  # features: the body's output is detached; hidden: a recurrent state every few steps
    pretrained: bool = True
    initialize: list[Callable[[nn.Module], None]] = field(default_factory=list)
    # the loop
    optimizer: str = "adam"
    rate: float = 3e-3
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: str = ""
    clip: float = 0.0
    batch: int = 32
    epochs: int = 20
    shuffle: bool = True
    balanced: bool = False  # classes weighted by how rare they are
    sign: float = 1.0
    zero_grad: str = "first"  # of the step; or last, epoch, never
    mode: str = "proper"  # or eval (never in training mode), train (never in evaluation mode)
    held: str = "all"  # what the optimizer holds: all, head, not first, nothing but the last bias, a copy
    backward: str = "loss"  # or a new tensor made of the loss's value
    probe: str = "after"  # the probe is called after the optimizer's step, or before it

    def but(self, **changes: Any) -> Recipe:
        """A copy with some things changed."""
        return replace(self, **changes)
