"""The bias of the last layer, from the frequencies of the answers."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError, unknown

_SMALLEST = 1e-6


class HasBias(Protocol):
    """A layer with one bias for each output, or None."""

    @property
    def bias(self) -> Tensor | None: ...


def set_prior_bias(layer: HasBias, probabilities: Tensor, *, task: str) -> None:
    """Set the bias of the last layer so that an untrained network answers with the frequencies of the training rows.

    bₖ = log pₖ for `classes`, whose softmax is then p; bₗ = log pₗ − log(1 − pₗ) for `labels`, whose sigmoid is then pₗ; 0 for
    `number`, whose targets are centred. The first steps need not learn the frequencies then. Shares below 10⁻⁶ count as 10⁻⁶:
    a class that the training rows lack must stay possible.

    Args:
        layer: the last layer, with K, L or M outputs and a bias; changed in place.
        probabilities: the share of training rows of each class [K] or with each label [L]; not read for `number`.
        task: "classes", "labels" or "number".

    Raises:
        ArgumentError: a layer without bias, not one probability for each output, one outside 0 … 1, or an unknown task.

    Example:
        >>> layer = nn.Linear(4, 2)
        >>> set_prior_bias(layer, torch.tensor([0.75, 0.25]), task="classes")
        >>> [round(share, 4) for share in torch.softmax(layer.bias, dim=0).tolist()]
        [0.75, 0.25]

    Source: Karpathy (2019), A recipe for training neural networks, "init well"; Lin et al. (2017), Focal loss, section 4.1.
    """
    if layer.bias is None:
        raise ArgumentError("The layer has no bias to set", expected="a linear layer with bias=True")
    if task not in ("classes", "labels", "number"):
        unknown("task", task, ("classes", "labels", "number"))
    if task == "number":
        nn.init.zeros_(layer.bias)
        return
    if probabilities.shape != layer.bias.shape:
        raise ArgumentError(
            "The probabilities do not fit the layer", expected=f"shape {list(layer.bias.shape)}", got=list(probabilities.shape)
        )
    if not bool(((probabilities >= 0) & (probabilities <= 1)).all()):
        raise ArgumentError("A probability is out of range", expected="0 … 1", got=probabilities.tolist())
    p = probabilities.to("cpu", torch.float64).clamp(_SMALLEST, 1 - _SMALLEST)
    with torch.no_grad():
        layer.bias.copy_(p.log() if task == "classes" else p.logit())
