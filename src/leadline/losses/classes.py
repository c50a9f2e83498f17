"""Losses for exclusive classes that come from the surprise at the true one."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.losses import checks

# torch passes over rows whose target is `ignore_index`, by default −100; a number that no data hold makes −100 a mistake.
_NO_TARGET = -(2**63)


def cross_entropy(
    logits: Tensor,
    targets: Tensor,
    *,
    label_smoothing: float = 0.0,
    class_weights: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The surprise at the true one of K exclusive classes: the loss for `classes`.

    lossᵢ = −Σₖ qₖ log softmax(logitsᵢ)ₖ, with q = 1 at the true class and 0 elsewhere, or, smoothed by s, 1 − s + s/K and s/K.
    With class weights c, each term is multiplied by its class's weight. The mean is over the rows, as Keras takes it, and not
    over their weights, as torch does: so a batch in parts has the loss of the whole, whichever rows each part holds.

    Args:
        logits: [N, K], any real numbers.
        targets: class numbers 0 … K − 1, integers [N], or distributions q, real numbers [N, K], as mixed pictures have.
        label_smoothing: s, from 0 to 1.
        class_weights: [K], or None for all alike.
        reduction: "mean" → []; "none" → [N].

    Returns:
        [] or [N], in nats.

    Raises:
        ArgumentError: shapes that do not fit, an empty batch, targets that are neither class numbers nor distributions, or an
            argument out of range.

    Example:
        >>> import torch
        >>> round(cross_entropy(torch.zeros(3, 2), torch.tensor([0, 1, 1])).item(), 4)
        0.6931

    Source: label smoothing: Szegedy et al. (2016), Rethinking the Inception architecture for computer vision.
    """
    if targets.dtype.is_floating_point and targets.ndim == 2:
        logits, targets = checks.alike(logits, targets)
        checks.check_distributions(targets)
    else:
        logits, targets = checks.rows_of_classes(logits, targets)
    checks.check_smoothing(label_smoothing)
    if class_weights is not None:
        if class_weights.shape != logits.shape[1:]:
            raise ArgumentError(
                "The class weights do not fit the logits",
                expected=f"one weight for each of {logits.shape[1]} classes",
                got=list(class_weights.shape),
            )
        class_weights = class_weights.to(logits)
    over_weights = class_weights is not None and checks.checked_reduction(reduction) == "mean"
    try:
        loss = F.cross_entropy(
            logits,
            targets,
            weight=class_weights,
            ignore_index=_NO_TARGET,
            reduction="sum" if over_weights else checks.checked_reduction(reduction),
            label_smoothing=label_smoothing,
        )
        return loss / len(targets) if over_weights else loss
    except (IndexError, RuntimeError):
        if targets.ndim == 1:
            checks.refuse_classes(targets, logits.shape[1])
        raise


def kl_divergence(logits: Tensor, targets: Tensor, *, label_smoothing: float = 0.0, reduction: str = "mean") -> Tensor:
    """What it costs to expect p = softmax(logits) where q holds: 0 only where the network answers exactly q.

    lossᵢ = Σₖ qₖ log(qₖ / pₖ) = cross-entropy − entropy of q. Its gradient is that of the cross-entropy, pₖ − qₖ; its value
    tells how far there is still to go. q is the target, or, smoothed by s, (1 − s) q + s/K.

    Args:
        logits: [N, K], any real numbers.
        targets: distributions [N, K], the answers of a teacher for instance, or class numbers, integers [N].
        label_smoothing: s, from 0 to 1.
        reduction: "mean" → [], the mean over the rows; "none" → [N].

    Returns:
        [] or [N], in nats.

    Raises:
        ArgumentError: shapes that do not fit, an empty batch, rows that are no distributions, or an argument out of range.

    Example:
        >>> import torch
        >>> even, other = torch.tensor([[0.5, 0.5]]), torch.tensor([[0.75, 0.25]])
        >>> round(kl_divergence(other.log(), even).item(), 4), round(kl_divergence(even.log(), even).item(), 4)
        (0.1438, 0.0)

    Source: Kullback and Leibler (1951), On information and sufficiency.
    """
    if targets.ndim < 2:
        surprise = cross_entropy(logits, targets, label_smoothing=label_smoothing, reduction=reduction)
        return surprise - _entropy_of_smoothed(label_smoothing, logits.shape[1]) if label_smoothing else surprise
    checks.check_smoothing(label_smoothing)
    if logits.ndim != 2:
        raise ArgumentError("The outputs are no rows of classes", expected="logits [N, K]", got=list(logits.shape))
    logits, q = checks.alike(logits, targets)
    checks.check_distributions(q)
    if label_smoothing:
        q = (1 - label_smoothing) * q + label_smoothing / q.shape[1]
    each = (torch.xlogy(q, q) - q * logits.log_softmax(dim=1)).sum(dim=1)
    return checks.reduced(each, reduction)


def entropy(logits: Tensor, *, reduction: str = "none") -> Tensor:
    """How undecided a network is: H(p) of p = softmax(logits), from 0 (certain) to log K (all alike).

    Hᵢ = −Σₖ pₖ log pₖ. Taken from a loss it is a bonus for staying undecided: `loss − 0.01 * entropy(logits).mean()`. Added to
    one, it rewards being sure, also of rows that have no target. For distributions there is `metrics.entropy`.

    Args:
        logits: [..., K], any real numbers.
        reduction: "none" → [...]; "mean" → [].

    Returns:
        [...] or [], in nats.

    Raises:
        ArgumentError: no classes, an empty batch or an unknown reduction.

    Example:
        >>> import torch
        >>> [round(value, 4) for value in entropy(torch.tensor([[0.0, 0.0], [0.0, 1e4]])).tolist()]
        [0.6931, 0.0]

    Source: Shannon (1948), A mathematical theory of communication; as a bonus: Williams and Peng (1991), Function optimization
    using connectionist reinforcement learning algorithms.
    """
    if logits.ndim == 0 or logits.numel() == 0:
        raise ArgumentError("There is nothing to be undecided about", expected="logits [..., K]", got=list(logits.shape))
    log_p = checks.single(logits, "logits").log_softmax(dim=-1)
    each = (log_p.exp() * -log_p).sum(dim=-1)
    return each if checks.checked_reduction(reduction) == "none" else each.mean()


def _entropy_of_smoothed(smoothing: float, classes: int) -> float:
    """H of a class number smoothed by s: one class has 1 − s + s/K, the others s/K each."""
    other = smoothing / classes
    own = 1 - smoothing + other
    return -(own * math.log(own) + (classes - 1) * other * math.log(other))
