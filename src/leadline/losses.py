"""Losses: functions of what a network puts out, logits or raw values, never of probabilities.

Each takes `reduction="mean"`, one number to go downhill on, or `"none"`, one value per sample [N], which shows the samples that
are learnt worst.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from leadline.errors import ArgumentError, unknown


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
    With class weights c, each term is multiplied by its class's weight, and the mean is Σ lossᵢ / Σ c at the true classes.

    Args:
        logits: [N, K], any real numbers.
        targets: class numbers, int64 [N].
        label_smoothing: s, from 0 to 1.
        class_weights: [K], or None for all alike.
        reduction: "mean" → []; "none" → [N].

    Returns:
        [] or [N], in nats.

    Raises:
        ArgumentError: shapes that do not fit, or an unknown reduction.

    Example:
        >>> import torch
        >>> round(cross_entropy(torch.zeros(3, 2), torch.tensor([0, 1, 1])).item(), 4)
        0.6931

    Source: label smoothing: Szegedy et al. (2016), Rethinking the Inception architecture for computer vision.
    """
    _one_class_each(logits, targets)
    return F.cross_entropy(
        logits, targets, weight=class_weights, reduction=_checked(reduction), label_smoothing=label_smoothing
    )


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
        targets: float [N, L] of 0 and 1.
        label_smoothing: s, from 0 to 1.
        class_weights: c, [L], or None for 1; above 1 for labels that are rare and must not be missed.
        reduction: "mean" → []; "none" → [N], the mean over each sample's labels.

    Returns:
        [] or [N], in nats.

    Raises:
        ArgumentError: shapes that differ, or an unknown reduction.

    Example:
        >>> import torch
        >>> round(binary_cross_entropy(torch.tensor([[0.0, 100.0]]), torch.tensor([[1.0, 1.0]])).item(), 4)
        0.3466
    """
    _same_shape(logits, targets)
    if label_smoothing:
        targets = targets * (1 - label_smoothing) + label_smoothing / 2
    return _reduced(
        F.binary_cross_entropy_with_logits(logits, targets, pos_weight=class_weights, reduction=_checked(reduction)), reduction
    )


def perceptron(scores: Tensor, targets: Tensor, *, reduction: str = "mean") -> Tensor:
    """How far the strongest wrong class stands above the right one: 0 where the right one leads.

    lossᵢ = max(0, maxⱼ≠ᵧ sⱼ − sᵧ), y being the true class. A tie counts as a mistake: its loss is 0, but its gradient that of
    one, so that training starts from zero weights. Rivals that tie share the gradient.

    Args:
        scores: s, [N, K] with K of at least 2, any real numbers.
        targets: class numbers, int64 [N].
        reduction: "mean" → []; "none" → [N].

    Returns:
        [] or [N], in units of the scores.

    Raises:
        ArgumentError: shapes that do not fit, a single class, or an unknown reduction.

    Example:
        >>> import torch
        >>> perceptron(torch.tensor([[2.0, 0.5], [2.0, 0.5]]), torch.tensor([0, 1]), reduction="none")
        tensor([0.0000, 1.5000])

    Source: Rosenblatt (1958), The perceptron; for several classes: Crammer and Singer (2003), Ultraconservative online
    algorithms for multiclass problems.
    """
    _one_class_each(scores, targets)
    if scores.shape[1] < 2:
        raise ArgumentError(
            "A single class has no rival", expected="scores [N, K] of at least 2 classes", got=list(scores.shape)
        )
    own = targets[:, None]
    rival = scores.scatter(1, own, -torch.inf).amax(dim=1)
    ahead = rival - scores.gather(1, own).squeeze(1)
    each = torch.where(ahead >= 0, ahead, 0.0)
    return each if _checked(reduction) == "none" else each.mean()


def squared_error(outputs: Tensor, targets: Tensor, *, reduction: str = "mean") -> Tensor:
    """The squared distance, (output − target)², whose minimum is the mean of the targets: the loss for `number`.

    Args:
        outputs: [N, M].
        targets: [N, M].
        reduction: "mean" → []; "none" → [N], the mean over each sample's numbers.

    Returns:
        [] or [N], in squared units of the targets.

    Raises:
        ArgumentError: shapes that differ (they would broadcast to N × N without a word), or an unknown reduction.

    Example:
        >>> import torch
        >>> squared_error(torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0, 1.0]])).item()
        2.0
    """
    _same_shape(outputs, targets)
    return _reduced(F.mse_loss(outputs, targets, reduction=_checked(reduction)), reduction)


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
    _same_shape(outputs, targets)
    return _reduced(F.l1_loss(outputs, targets, reduction=_checked(reduction)), reduction)


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
    if not delta > 0:
        raise ArgumentError("The Huber loss has no width", expected="delta above 0", got=delta)
    _same_shape(outputs, targets)
    return _reduced(F.huber_loss(outputs, targets, delta=delta, reduction=_checked(reduction)), reduction)


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
    _same_shape(outputs, targets)
    d = targets - outputs
    each = torch.maximum(tau * d, (tau - 1) * d)
    return _reduced(each if _checked(reduction) == "none" else each.mean(), reduction)


def per_member(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """The same loss for networks of M members: each member is judged by itself, and the loss is the mean over them.

    Judging the mean answer instead would let members lean on each other; judged alone, each becomes a good network, and their
    mean a better one. Outputs [N, K], which have no members, are judged as before.

    Args:
        loss: of outputs [N, K] and targets [N, …]; a mean over rows. A metric of that kind does as well.

    Returns:
        A function of outputs [N, M, K] or [N, K] and targets [N, …].

    Example:
        >>> import torch
        >>> members, targets = torch.tensor([[[1.0], [3.0]]]), torch.tensor([[2.0]])
        >>> per_member(squared_error)(members, targets).item(), squared_error(members.mean(1), targets).item()
        (1.0, 0.0)

    Source: Gorishniy, Kotelnikov and Babenko (2024), TabM.
    """

    @functools.wraps(loss)
    def judged(outputs: Tensor, targets: Tensor) -> Tensor:
        if outputs.ndim != 3:
            return loss(outputs, targets)
        return loss(outputs.flatten(0, 1), targets.repeat_interleave(outputs.shape[1], dim=0))

    return judged


class Loss(NamedTuple):
    """One row of the table: the function, and the tasks whose outputs and targets it fits."""

    function: Callable[..., Tensor]
    tasks: tuple[str, ...]


LOSSES = {
    "cross_entropy": Loss(cross_entropy, ("classes",)),
    "perceptron": Loss(perceptron, ("classes",)),
    "binary_cross_entropy": Loss(binary_cross_entropy, ("labels",)),
    "squared_error": Loss(squared_error, ("number",)),
    "absolute_error": Loss(absolute_error, ("number",)),
    "huber": Loss(huber, ("number",)),
    "quantile": Loss(quantile, ("number",)),
}


def get(name: str, *, task: str | None = None) -> Callable[..., Tensor]:
    """The loss with this name in `LOSSES`, which must fit the task where one is given.

    Raises:
        ArgumentError: there is none (the nearest name is in the message), or it is not for this task.

    Example:
        >>> get("huber", task="number") is huber
        True
    """
    if name not in LOSSES:
        unknown("loss", name, LOSSES)
    if task is not None and task not in LOSSES[name].tasks:
        fitting = ", ".join(loss for loss, row in LOSSES.items() if task in row.tasks)
        raise ArgumentError(
            f"The loss {name!r} is not for the task {task!r}", expected=f"one of {fitting}" if fitting else None
        )
    return LOSSES[name].function


def _checked(reduction: str) -> str:
    if reduction not in ("mean", "none"):
        unknown("reduction", reduction, ("mean", "none"))
    return reduction


def _one_class_each(logits: Tensor, targets: Tensor) -> None:
    if logits.ndim != 2 or targets.shape != logits.shape[:1]:
        raise ArgumentError(
            "The outputs and the targets do not fit together",
            expected="logits [N, K] and class numbers [N]",
            got=f"{list(logits.shape)} and {list(targets.shape)}",
        )


def _same_shape(outputs: Tensor, targets: Tensor) -> None:
    if outputs.shape != targets.shape:
        raise ArgumentError(
            "The outputs and the targets differ in shape",
            expected="the same shape for both",
            got=f"{list(outputs.shape)} and {list(targets.shape)}",
        )


def _reduced(loss: Tensor, reduction: str) -> Tensor:
    """One value per sample, the mean over its outputs; a mean over all is left as it is."""
    return loss.flatten(1).mean(dim=1) if reduction == "none" and loss.ndim > 1 else loss
