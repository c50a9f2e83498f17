"""How surprising inputs are to what was reconstructed of them: negative log-likelihoods, summed over the values of a row.

They are in nats and complete, with their constants, so that they can be compared between networks and added to a divergence.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.losses import checks

_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


def bernoulli_nll(logits: Tensor, targets: Tensor, *, reduction: str = "mean") -> Tensor:
    """The surprise at a row of values from 0 to 1, each told by a logit of its own: binary cross-entropy, summed over a row.

    −log p(x) = Σᵢ softplus(lᵢ) − xᵢ lᵢ, which is −xᵢ log σ(lᵢ) − (1 − xᵢ) log(1 − σ(lᵢ)) without overflow. For values between
    0 and 1, such as shades of grey, it is the mean surprise at pixels that are black or white with that probability.

    Args:
        logits: l, [N, …].
        targets: x, the same shape, from 0 to 1.
        reduction: "mean" → [], over the rows; "none" → [N].

    Returns:
        [] or [N], in nats.

    Raises:
        ArgumentError: shapes that differ, an empty batch, or (on the CPU) values outside [0, 1].

    Example:
        >>> import torch
        >>> round(bernoulli_nll(torch.zeros(2, 4), torch.ones(2, 4)).item(), 4)  # 4 log 2
        2.7726

    Source: Hinton and Salakhutdinov (2006), Reducing the dimensionality of data with neural networks.
    """
    logits, targets = checks.alike(logits, targets)
    check_shares(targets)
    return summed(F.binary_cross_entropy_with_logits(logits, targets, reduction="none"), reduction)


def gaussian_nll(means: Tensor, targets: Tensor, *, log_deviation: Tensor | float = 0.0, reduction: str = "mean") -> Tensor:
    """The surprise at a row of real numbers, each normally distributed around what was told, summed over a row.

    −log p(x) = Σᵢ ½ ((xᵢ − μᵢ) / σᵢ)² + log σᵢ + ½ log 2π. With σ = 1 it is half the squared error and a constant.

    Args:
        means: μ, [N, …].
        targets: x, the same shape.
        log_deviation: log σ, a number or whatever broadcasts to the shape of a row.
        reduction: "mean" → [], over the rows; "none" → [N].

    Returns:
        [] or [N], in nats.

    Raises:
        ArgumentError: shapes that differ, or an empty batch.

    Example:
        >>> import torch
        >>> round(gaussian_nll(torch.zeros(1, 2), torch.tensor([[1.0, 1.0]])).item(), 4)  # 1 + log 2π
        2.8379
    """
    means, targets = checks.alike(means, targets)
    return summed(gaussian_surprises(means, targets, log_deviation), reduction)


def gaussian_surprises(means: Tensor, targets: Tensor, log_deviation: Tensor | float) -> Tensor:
    """−log p of each value, before the sum over a row: [N, …] → [N, …]."""
    scale = torch.exp(-log_deviation) if isinstance(log_deviation, Tensor) else math.exp(-log_deviation)
    return 0.5 * ((targets - means) * scale).square() + (log_deviation + _HALF_LOG_TWO_PI)


def check_shares(targets: Tensor) -> None:
    """On the CPU: values are from 0 to 1.

    Errors: `ArgumentError` where they are not, for a Bernoulli unit is on with a probability.

    Example:
        >>> check_shares(torch.tensor([[0.0, 2.0]]))
        Traceback (most recent call last):
        ...
        leadline.errors.ArgumentError: Bernoulli outputs tell values from 0 to 1 and no others. Expected inputs within [0, 1];
        got values from 0 to 2. Scale the inputs to [0, 1], or take gaussian outputs.
    """
    if not targets.is_cpu or torch.compiler.is_compiling():
        return
    try:
        low, high = torch.aminmax(targets)
        right = float(low) >= 0 and float(high) <= 1  # NaN is neither
    except RuntimeError:  # under vmap nothing can be looked at
        return
    if not right:
        raise ArgumentError(
            "Bernoulli outputs tell values from 0 to 1 and no others",
            expected="inputs within [0, 1]",
            got=f"values from {float(low):g} to {float(high):g}",
            do="Scale the inputs to [0, 1], or take gaussian outputs.",
        )


def summed(each: Tensor, reduction: str) -> Tensor:
    """The sum over the values of a row: its mean over the rows, or one for each."""
    rows = each.flatten(1).sum(dim=1) if each.ndim > 1 else each
    return rows.mean() if checks.checked_reduction(reduction) == "mean" else rows
