"""Several networks that answer together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.layers import mean_of_members

_PLAIN = ("pairs", "forecast", "sequence")  # tasks whose outputs are no [B, K], and are averaged as they are


class Ensemble(nn.Module):
    """The mean answer of several networks: of their probabilities for `classes` and `labels`, of their outputs for `number`
    `pairs`, `forecast` and `sequence`.

    Shapes: those of each network, [B, …] → [B, K].

    Args:
        networks: at least one, all for the same inputs and outputs.
        task: "classes", "labels", "number", "pairs", "forecast" or "sequence": how answers are averaged.

    Errors: `ArgumentError` for no network or another task.

    Example:
        >>> sure, unsure = nn.Linear(1, 2), nn.Linear(1, 2)
        >>> for network, bias in ((sure, [4.0, 0.0]), (unsure, [0.0, 0.0])):
        ...     _ = nn.init.zeros_(network.weight)
        ...     network.bias.data = torch.tensor(bias)
        >>> Ensemble([sure, unsure], "classes")(torch.zeros(1, 1)).softmax(1)
        tensor([[0.7410, 0.2590]], grad_fn=<SoftmaxBackward0>)

    Source: Hansen and Salamon (1990), Neural network ensembles; Lakshminarayanan et al. (2017), Deep ensembles.
    """

    def __init__(self, networks: Sequence[nn.Module], task: str) -> None:
        super().__init__()
        if not networks:
            raise ArgumentError("An ensemble needs networks", expected="at least 1")
        if task not in _PLAIN:
            mean_of_members(torch.zeros(1, 1, 1), task)  # refuses another task
        self.networks, self.task = nn.ModuleList(networks), task

    def forward(self, x: Tensor) -> Tensor:
        answers = torch.stack([network(x) for network in self.networks], dim=1)
        return answers.mean(dim=1) if self.task in _PLAIN else mean_of_members(answers, self.task)
