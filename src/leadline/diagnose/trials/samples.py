"""A small training that has ended, to try the diagnosis on: healthy, or with the faults that are asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Optimizer

from leadline.diagnose.subject import Rows, Subject
from leadline.training.devices import preserved


def a_subject(
    model: nn.Module | None = None,
    *,
    rate: float = 0.05,
    loss: Callable[[Any, Any], Tensor] = F.cross_entropy,
    optimizer: Callable[..., Optimizer] = SGD,
    rows: Rows | None = None,
    batch: int = 32,
    steps: int = 200,
    task: str = "classes",
) -> Subject:
    """A training of a small network on three overlapping rings of points, or of what is given.

    Example:
        >>> subject = a_subject(steps=100)
        >>> len(subject.train), len(subject.valid), subject.classes
        (300, 300, 3)
    """
    with preserved():
        torch.manual_seed(0)
        network = model if model is not None else nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 3))
        both = rows if rows is not None else rings(600)
        half = len(both) // 2
        train, valid = both.take(slice(0, half)), both.take(slice(half, None))
        initial = {name: value.clone() for name, value in network.state_dict().items()}
        made = optimizer(network.parameters(), lr=rate)
        for step in range(steps):
            at = torch.randint(half, (batch,), generator=Generator().manual_seed(step))
            made.zero_grad()
            loss(network(train.inputs[at]), train.targets[at]).backward()  # type: ignore[no-untyped-call]
            made.step()
    classes = int(both.targets.max()) + 1 if task == "classes" else 0
    return Subject(network, loss, (made,), train, valid, initial, batch, steps, task, classes)


def rings(count: int, *, classes: int = 3) -> Rows:
    """Points around the origin, the class by their distance from it, in 2 of 6 dimensions; the others say nothing.

    Example:
        >>> rings(30).inputs.shape
        torch.Size([30, 6])
    """
    random = Generator().manual_seed(1)
    targets = torch.arange(count) % classes
    angle = torch.rand(count, generator=random) * 2 * torch.pi
    radius = targets + 0.5 + 0.25 * torch.randn(count, generator=random)
    noise = torch.randn(count, 4, generator=random) * 0.5
    return Rows(torch.cat([torch.stack([angle.cos(), angle.sin()], 1) * radius[:, None], noise], 1), targets)
