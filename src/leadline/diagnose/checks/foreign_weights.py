"""Weights that a loss is made with and that belong neither to the network nor to an optimizer that is known."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from leadline.diagnose.check_readings import LossWeights
from leadline.diagnose.checks.first_look import as_drawn

_MOST = 1 << 22  # numbers that are kept to be compared
_EVEN = 0.1  # off a spread of one


class ForeignWeights:
    """Keeps the weights of others that the graph of a loss ends in, as they are at a first step, to see whether they move.

    It is made after the backward pass, before or after the optimizer's step.

    Args:
        loss: of a step, with its graph.
        model: whose parameters are none of them.
        optimizers: that are known.

    Example:
        >>> network, directions = nn.Linear(3, 2), nn.Parameter(torch.randn(4, 2))
        >>> loss = (network(torch.ones(1, 3)) @ directions.T).sum()
        >>> loss.backward()
        >>> foreign = ForeignWeights(loss, network, [torch.optim.SGD(network.parameters(), lr=0.1)])
        >>> foreign.read().standing
        [[4, 2]]
    """

    def __init__(self, loss: Tensor, model: nn.Module, optimizers: Iterable[Any]) -> None:
        own = {id(each) for each in model.parameters()}
        held = {id(each) for optimizer in optimizers for group in optimizer.param_groups for each in group["params"]}
        found = [each for each in leaves_of_graph([loss]) if isinstance(each, nn.Parameter) and id(each) not in own]
        self.count = len(found)
        self._kept: list[tuple[Tensor, Tensor]] = []
        left = [each for each in found if id(each) not in held and each.grad is not None]
        if sum(each.numel() for each in left) <= _MOST:
            self._kept = [(each, each.detach().clone()) for each in left]

    def read(self) -> LossWeights:
        """Which of them are still what they were, though they have a gradient."""
        standing = [each.detach() for each, before in self._kept if torch.equal(each.detach(), before)]
        drawn = any(each.ndim > 1 and _looks_drawn(each.float()) for each in standing)
        return LossWeights(self.count, [list(each.shape) for each in standing], drawn)


def leaves_of_graph(tensors: Iterable[Tensor]) -> list[Tensor]:
    """All tensors that require gradients and from which these are made.

    Example:
        >>> weight = torch.ones(2, requires_grad=True)
        >>> leaves_of_graph([(weight * 3).sum()])[0] is weight
        True
    """
    waiting = [each.grad_fn for each in tensors if each.grad_fn is not None]
    seen, found = set(waiting), []
    while waiting:
        node: Any = waiting.pop()
        if (leaf := getattr(node, "variable", None)) is not None:
            found.append(leaf)
        for before, _ in node.next_functions:
            if before is not None and before not in seen:
                seen.add(before)
                waiting.append(before)
    return found


def _looks_drawn(values: Tensor) -> bool:
    """Spread as torch's layers draw their weights, or as `torch.randn` does."""
    normal = values.numel() >= 16 and abs(float(values.std()) - 1) < max(_EVEN, 3 / (2 * values.numel()) ** 0.5)
    return normal or as_drawn(values, values[0].numel())
