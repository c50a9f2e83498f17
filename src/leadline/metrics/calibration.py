"""Honesty: whether the probabilities are worth what they say."""

from __future__ import annotations

import torch
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.metrics.weighting import class_rows, class_sums, label_rows, row_weights, weighted_mean


def log_loss(p: Tensor, t: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """The mean of −log of the probability given to the true class, in nats.

    log loss = −1/N Σᵢ log max(pᵢ,ₜᵢ, ε). ε is the resolution of p's own type, so that a probability of 0 that is only a rounded
    one does not make the score infinite.

    Args:
        p: probabilities [N, K].
        t: class numbers [N].
        weights: optional row weights, [N] or [R, N] for R weightings at once.

    Returns:
        float64, [] or [R].

    Raises:
        ArgumentError: shapes that do not fit, or a class number outside 0 … K−1.

    Example:
        >>> round(log_loss(torch.tensor([[0.5, 0.5], [0.5, 0.5]]), torch.tensor([0, 1])).item(), 4)
        0.6931
    """
    smallest = torch.finfo(p.dtype).eps
    p, t = class_rows(p, t)
    own = p.gather(1, t[:, None]).squeeze(1)
    return weighted_mean(-own.clamp(min=smallest).log(), row_weights(p, weights))


def labels_log_loss(p: Tensor, t: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """The mean over rows and labels of −log of the probability given to the truth, in nats.

    log loss = −1/(N·L) Σ t log p + (1 − t) log(1 − p), with both kept at least ε, the resolution of p's own type.

    Args:
        p: probabilities [N, L].
        t: truth [N, L] of 0 and 1.
        weights: optional row weights, [N] or [R, N].

    Returns:
        float64, [] or [R].

    Raises:
        ArgumentError: shapes that differ, or a truth that is neither 0 nor 1.

    Example:
        >>> round(labels_log_loss(torch.tensor([[0.5, 0.5]]), torch.tensor([[1, 0]])).item(), 4)
        0.6931
    """
    smallest = torch.finfo(p.dtype).eps
    p, t = label_rows(p, t)
    own = torch.where(t == 1, p, 1 - p).clamp(min=smallest)
    return weighted_mean(-own.log().mean(dim=1), row_weights(p, weights))


def calibration_error(p: Tensor, t: Tensor, bins: int = 15, *, weights: Tensor | None = None) -> Tensor:
    """The expected calibration error: how far, on average, the top probability is from the share of right answers.

    ECE = Σ_b n_b/N · |accuracy_b − confidence_b| over equal bins (lower, upper] of the top probability. With few rows it is
    above zero even for perfect probabilities.

    Args:
        p: probabilities [N, K].
        t: class numbers [N].
        bins: number of equal bins of 0 … 1.
        weights: optional row weights, [N] or [R, N].

    Returns:
        float64, [] or [R].

    Raises:
        ArgumentError: fewer than one bin, or what `log_loss` raises.

    Example:
        >>> round(calibration_error(torch.tensor([[0.9, 0.1], [0.9, 0.1]]), torch.tensor([0, 1])).item(), 4)
        0.4

    Source: Naeini, Cooper and Hauskrecht (2015); Guo et al. (2017), On calibration of modern neural networks.
    """
    p, t = class_rows(p, t)
    w = row_weights(p, weights)
    confidence, right, place = _binned(p, t, bins)
    return class_sums(w * (right - confidence), place, bins).abs().sum(dim=-1) / w.sum(dim=-1)


def calibration_curve(p: Tensor, t: Tensor, bins: int = 15) -> dict[str, Tensor]:
    """What the calibration error sums: for each bin of the top probability that has rows, its mean and the share that is right.

    Args:
        p: probabilities [N, K].
        t: class numbers [N].
        bins: number of equal bins of 0 … 1; B of them have rows.

    Returns:
        `confidence` and `accuracy`, float64 [B], and `count`, int64 [B].

    Raises:
        ArgumentError: what `calibration_error` raises.

    Example:
        >>> curve = calibration_curve(torch.tensor([[0.75, 0.25], [0.75, 0.25]]), torch.tensor([0, 1]))
        >>> curve["confidence"].item(), curve["accuracy"].item(), curve["count"].item()
        (0.75, 0.5, 2)
    """
    p, t = class_rows(p, t)
    confidence, right, place = _binned(p, t, bins)
    count = torch.bincount(place, minlength=bins)
    filled = count > 0
    means = {
        name: (class_sums(values, place, bins) / count)[filled]
        for name, values in (("confidence", confidence), ("accuracy", right))
    }
    return {**means, "count": count[filled]}


def _binned(p: Tensor, t: Tensor, bins: int) -> tuple[Tensor, Tensor, Tensor]:
    """The top probability, whether it was right (0 or 1), and the bin it falls into, each [N]."""
    if bins < 1:
        raise ArgumentError("There must be at least one bin", expected="bins ≥ 1", got=bins)
    confidence, answers = p.max(dim=1)
    edges = torch.linspace(0, 1, bins + 1, dtype=p.dtype, device=p.device)[1:-1]
    return confidence, (answers == t).double(), torch.bucketize(confidence, edges)
