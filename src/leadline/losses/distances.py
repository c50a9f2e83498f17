"""Losses for numbers: how far the outputs are from the targets."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.losses import checks


def squared_error(outputs: Tensor, targets: Tensor, *, reduction: str = "mean") -> Tensor:
    """The squared distance, (output − target)², whose minimum is the mean of the targets: the loss for `number`.

    Args:
        outputs: [N, M].
        targets: [N, M].
        reduction: "mean" → []; "none" → [N], the mean over each sample's numbers.

    Returns:
        [] or [N], in squared units of the targets.

    Raises:
        ArgumentError: shapes that differ (they would broadcast to N × N without a word), an empty batch, or an unknown
            reduction.

    Example:
        >>> import torch
        >>> squared_error(torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0, 1.0]])).item()
        2.0
    """
    outputs, targets = checks.alike(outputs, targets)
    each = F.mse_loss(outputs, targets, reduction=checks.checked_reduction(reduction))
    return checks.per_sample(each)


def absolute_error(outputs: Tensor, targets: Tensor, *, reduction: str = "mean") -> Tensor:
    """The distance, |output − target|, whose minimum is the median of the targets: outliers pull no harder than others.

    Args:
        outputs: [N, M].
        targets: [N, M].
        reduction: "mean" → []; "none" → [N].

    Returns:
        [] or [N], in units of the targets.

    Raises:
        ArgumentError: what `squared_error` raises.

    Example:
        >>> import torch
        >>> absolute_error(torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0, 1.0]])).item()
        1.0
    """
    outputs, targets = checks.alike(outputs, targets)
    each = F.l1_loss(outputs, targets, reduction=checks.checked_reduction(reduction))
    return checks.per_sample(each)


def huber(outputs: Tensor, targets: Tensor, *, delta: float = 1.0, reduction: str = "mean") -> Tensor:
    """Squared error near the target, absolute error far from it: smooth at the minimum, and no slope steeper than δ.

    loss = ½ d² for |d| ≤ δ, δ (|d| − ½ δ) beyond, d = output − target.

    Args:
        outputs: [N, M].
        targets: [N, M].
        delta: δ, above 0, in units of the targets.
        reduction: "mean" → []; "none" → [N].

    Returns:
        [] or [N].

    Raises:
        ArgumentError: δ not above 0, or what `squared_error` raises.

    Example:
        >>> import torch
        >>> huber(torch.tensor([[0.5], [3.0]]), torch.zeros(2, 1), reduction="none").tolist()
        [0.125, 2.5]

    Source: Huber (1964), Robust estimation of a location parameter.
    """
    if not 0 < delta < math.inf:
        raise ArgumentError("The Huber loss has no width", expected="delta above 0", got=delta)
    outputs, targets = checks.alike(outputs, targets)
    each = F.huber_loss(outputs, targets, delta=delta, reduction=checks.checked_reduction(reduction))
    return checks.per_sample(each)


def quantile(outputs: Tensor, targets: Tensor, *, tau: float = 0.5, reduction: str = "mean") -> Tensor:
    """The pinball loss, whose minimum is the τ-quantile of the targets: a share τ of them lies below the output.

    loss = τ d for d ≥ 0, (τ − 1) d below, d = target − output. τ = 0.5 is half the absolute error.

    Args:
        outputs: [N, M].
        targets: [N, M].
        tau: τ, between 0 and 1.
        reduction: "mean" → []; "none" → [N].

    Returns:
        [] or [N], in units of the targets.

    Raises:
        ArgumentError: τ not between 0 and 1, or what `squared_error` raises.

    Example:
        >>> import torch
        >>> quantile(torch.tensor([[0.0], [0.0]]), torch.tensor([[2.0], [-2.0]]), tau=0.75, reduction="none").tolist()
        [1.5, 0.5]

    Source: Koenker and Bassett (1978), Regression quantiles.
    """
    if not 0 < tau < 1:
        raise ArgumentError("There is no such quantile", expected="tau between 0 and 1", got=tau)
    outputs, targets = checks.alike(outputs, targets)
    d = targets - outputs
    each = torch.maximum(tau * d, (tau - 1) * d)
    return checks.reduced(each, reduction)
