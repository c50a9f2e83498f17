"""What the steps of networks that learn from inputs alone share: the inputs of a batch, and evaluation mode for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn


def inputs_of(batch: Any) -> Tensor:
    """The inputs of a batch: it may be they alone, or a tuple that begins with them.

    Example:
        >>> import torch
        >>> inputs_of((torch.zeros(2, 3), torch.zeros(2))).shape
        torch.Size([2, 3])
    """
    inputs: Tensor = batch[0] if isinstance(batch, tuple | list) else batch
    return inputs


@contextmanager
def in_evaluation(network: nn.Module) -> Iterator[None]:
    """Within the block all of a network is in evaluation mode; afterwards each part is in the mode in which it was.

    Example:
        >>> network = nn.Sequential(nn.Dropout())
        >>> with in_evaluation(network):
        ...     network[0].training
        False
        >>> network[0].training
        True
    """
    modes = [(each, each.training) for each in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for each, training in modes:
            each.training = training
