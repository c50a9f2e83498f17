"""Losses for several labels at once: each label is a yes-or-no question of its own, whatever the others say."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.losses import checks


def binary_cross_entropy(
    logits: Tensor,
    targets: Tensor,
    *,
    label_smoothing: float = 0.0,
    class_weights: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The surprise at L independent yes-or-no answers: the loss for `labels`.

    loss = −c q log σ(logit) − (1 − q) log(1 − σ(logit)), the mean over labels and samples, computed without overflow. q is the
    target 0 or 1, or, smoothed by s, s/2 or 1 − s/2; c is the weight of the label where it is present.

    Args:
        logits: [N, L], any real numbers.
        targets: [N, L] of 0 and 1, or of shares between them.
        label_smoothing: s, from 0 to 1.
        class_weights: c, [L], or None for 1; above 1 for labels that are rare and must not be missed.
        reduction: "mean" → []; "none" → [N], the mean over each sample's labels.

    Returns:
        [] or [N], in nats.

    Raises:
        ArgumentError: shapes that differ, an empty batch, targets outside 0 … 1, or an argument out of range.

    Example:
        >>> import torch
        >>> round(binary_cross_entropy(torch.tensor([[0.0, 100.0]]), torch.tensor([[1.0, 1.0]])).item(), 4)
        0.3466
    """
    checks.check_smoothing(label_smoothing)
    logits, targets = checks.alike(logits, targets)
    checks.check_labels(targets, whole=False)
    if label_smoothing:
        targets = targets * (1 - label_smoothing) + label_smoothing / 2
    if class_weights is not None:
        if class_weights.shape != logits.shape[1:]:
            raise ArgumentError(
                "The class weights do not fit the logits",
                expected=f"one weight for each label, shape {list(logits.shape[1:])}",
                got=list(class_weights.shape),
            )
        class_weights = class_weights.to(logits)
    checks.checked_reduction(reduction)
    return checks.per_sample(F.binary_cross_entropy_with_logits(logits, targets, pos_weight=class_weights, reduction=reduction))


def binary_hinge(scores: Tensor, targets: Tensor, *, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """How far L independent yes-or-no scores are from standing on the right side of 0 by the margin.

    loss = max(0, Δ − y s), the mean over labels and samples, with y = 2 t − 1: +1 where the label is present, −1 where not.

    Args:
        scores: s, [N, L], any real numbers.
        targets: t, [N, L] of 0 and 1.
        margin: Δ, 0 or more, in units of the scores.
        reduction: "mean" → []; "none" → [N], the mean over each sample's labels.

    Returns:
        [] or [N], in units of the scores.

    Raises:
        ArgumentError: shapes that differ, an empty batch, targets other than 0 and 1 (−1 is none), or a negative margin.

    Example:
        >>> import torch
        >>> binary_hinge(torch.tensor([[2.0, 0.5]]), torch.tensor([[1.0, 0.0]])).item()
        0.75

    Source: Cortes and Vapnik (1995), Support-vector networks.
    """
    if not 0 <= margin < math.inf:
        raise ArgumentError("The margin is out of range", expected="a number, 0 or more", got=margin)
    scores, targets = checks.alike(scores, targets)
    checks.check_labels(targets, whole=True)
    return checks.reduced((margin - (2 * targets - 1) * scores).relu(), reduction)
