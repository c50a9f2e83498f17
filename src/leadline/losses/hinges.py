"""Losses for exclusive classes that ask for a lead: how far the right score stands above the wrong ones, and no probability."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.losses import checks


def perceptron(scores: Tensor, targets: Tensor, *, reduction: str = "mean") -> Tensor:
    """How far the strongest wrong class stands above the right one: 0 where the right one leads.

    lossᵢ = max(0, maxⱼ≠ᵧ sⱼ − sᵧ), y being the true class. A tie counts as a mistake: its loss is 0, but its gradient that of
    one, so that training starts from zero weights. Rivals that tie share the gradient.

    Args:
        scores: s, [N, K] with K of at least 2, any real numbers.
        targets: class numbers 0 … K − 1, integers [N].
        reduction: "mean" → []; "none" → [N].

    Returns:
        [] or [N], in units of the scores.

    Raises:
        ArgumentError: what `weston_watkins` raises.

    Example:
        >>> import torch
        >>> perceptron(torch.tensor([[2.0, 0.5], [2.0, 0.5]]), torch.tensor([0, 1]), reduction="none")
        tensor([0.0000, 1.5000])

    Source: Rosenblatt (1958), The perceptron; for several classes: Crammer and Singer (2003), Ultraconservative online
    algorithms for multiclass problems.
    """
    own, others = _own_and_others(scores, targets)
    ahead = others.amax(dim=1) - own
    return checks.reduced(torch.where(ahead >= 0, ahead, 0.0), reduction)


def crammer_singer(scores: Tensor, targets: Tensor, *, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """The multiclass hinge of the strongest rival: 0 where the right class leads all others by the margin.

    lossᵢ = max(0, maxⱼ≠ᵧ sⱼ − sᵧ + Δ), y being the true class. Rivals that tie share the gradient.

    Args:
        scores: s, [N, K] with K of at least 2, any real numbers.
        targets: class numbers 0 … K − 1, integers [N].
        margin: Δ, 0 or more, in units of the scores.
        reduction: "mean" → []; "none" → [N].

    Returns:
        [] or [N], in units of the scores.

    Raises:
        ArgumentError: what `weston_watkins` raises.

    Example:
        >>> import torch
        >>> crammer_singer(torch.tensor([[2.0, 1.5, 1.25]]), torch.tensor([0])).item()
        0.5

    Source: Crammer and Singer (2001), On the algorithmic implementation of multiclass kernel-based vector machines.
    """
    _check_margin(margin)
    own, others = _own_and_others(scores, targets)
    return checks.reduced((others.amax(dim=1) - own + margin).relu(), reduction)


def weston_watkins(scores: Tensor, targets: Tensor, *, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """The multiclass hinge of all rivals: each that comes nearer to the right class than the margin counts.

    lossᵢ = Σⱼ≠ᵧ max(0, sⱼ − sᵧ + Δ), y being the true class: from 1 to K − 1 times `crammer_singer`.

    Args:
        scores: s, [N, K] with K of at least 2, any real numbers.
        targets: class numbers 0 … K − 1, integers [N].
        margin: Δ, 0 or more, in units of the scores.
        reduction: "mean" → []; "none" → [N].

    Returns:
        [] or [N], in units of the scores.

    Raises:
        ArgumentError: shapes that do not fit, an empty batch, a single class, targets that are no class numbers, a negative
            margin, or an unknown reduction.

    Example:
        >>> import torch
        >>> weston_watkins(torch.tensor([[2.0, 1.5, 1.25]]), torch.tensor([0])).item()
        0.75

    Source: Weston and Watkins (1999), Support vector machines for multi-class pattern recognition.
    """
    _check_margin(margin)
    own, others = _own_and_others(scores, targets)
    return checks.reduced((others - own[:, None] + margin).relu().sum(dim=1), reduction)


def _own_and_others(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The score of the true class [N] and those of the others [N, K] with −∞ in its place."""
    scores, targets = checks.rows_of_classes(scores, targets)
    if scores.shape[1] < 2:
        raise ArgumentError(
            "A single class has no rival", expected="scores [N, K] of at least 2 classes", got=list(scores.shape)
        )
    own = targets[:, None]
    try:
        return scores.gather(1, own).squeeze(1), scores.scatter(1, own, -math.inf)
    except (IndexError, RuntimeError):
        checks.refuse_classes(targets, scores.shape[1])
        raise


def _check_margin(margin: float) -> None:
    if not 0 <= margin < math.inf:
        raise ArgumentError("The margin is out of range", expected="a number, 0 or more", got=margin)
