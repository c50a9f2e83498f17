"""Right or wrong: how often the most probable class, or each label at the threshold ½, is the true one.

Classes: probabilities p [N, K] and class numbers t [N]. Labels: probabilities p [N, L] and truth t [N, L] of 0 and 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.metrics.weighting import class_rows, class_sums, label_rows, mean_over, row_weights, weighted_mean


def accuracy(p: Tensor, t: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """The share of rows whose most probable class is the true one.

    accuracy = 1/N Σᵢ [argmaxₖ pᵢₖ = tᵢ]; of equally probable classes the first counts.

    Args:
        p: probabilities [N, K].
        t: class numbers [N].
        weights: optional row weights, [N] or [R, N] for R weightings at once.

    Returns:
        float64, [] or [R]; NaN where p holds NaN or there are no rows.

    Raises:
        ArgumentError: shapes that do not fit, or a class number outside 0 … K−1.

    Example:
        >>> accuracy(torch.tensor([[0.8, 0.2], [0.4, 0.6]]), torch.tensor([0, 0])).item()
        0.5
    """
    p, t = class_rows(p, t)
    return weighted_mean((p.argmax(dim=1) == t).double(), row_weights(p, weights))


def top_k_accuracy(p: Tensor, t: Tensor, k: int = 5, *, weights: Tensor | None = None) -> Tensor:
    """The share of rows whose true class is among the k most probable.

    A row is right when fewer than k classes stand before the true one; of equally probable classes the lower number stands
    first, so that a network that cannot tell them apart gains nothing, and k = 1 is `accuracy`.

    Args:
        p: probabilities [N, K].
        t: class numbers [N].
        k: how many guesses a row has, at least 1.
        weights: optional row weights, [N] or [R, N].

    Returns:
        float64, [] or [R].

    Raises:
        ArgumentError: k below 1, or what `accuracy` raises.

    Example:
        >>> top_k_accuracy(torch.tensor([[0.5, 0.3, 0.2]]), torch.tensor([1]), k=2).item()
        1.0
    """
    if k < 1:
        raise ArgumentError("There must be at least one guess", expected="k ≥ 1", got=k)
    p, t = class_rows(p, t)
    own = p.gather(1, t[:, None])
    earlier = torch.arange(p.shape[1], device=p.device) < t[:, None]
    before = ((p > own) | ((p == own) & earlier)).sum(dim=1)
    return weighted_mean((before < k).double(), row_weights(p, weights))


def balanced_accuracy(p: Tensor, t: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """The mean over classes of the share of that class's rows that are right: accuracy as if every class had as many rows.

    balanced accuracy = meanₖ (rows of k that are right / rows of k), over the classes that occur in t.

    Args:
        p: probabilities [N, K].
        t: class numbers [N].
        weights: optional row weights, [N] or [R, N].

    Returns:
        float64, [] or [R].

    Raises:
        ArgumentError: what `accuracy` raises.

    Example:
        >>> always_first = torch.tensor([[0.9, 0.1]]).expand(4, 2)
        >>> balanced_accuracy(always_first, torch.tensor([0, 0, 0, 1])).item()
        0.5
    """
    p, t = class_rows(p, t)
    w = row_weights(p, weights)
    truth = class_sums(w, t, p.shape[1])
    right = class_sums(w * (p.argmax(dim=1) == t), t, p.shape[1])
    return mean_over(right / truth, truth != 0)


def macro_f1(p: Tensor, t: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """The mean over classes of F1, the harmonic mean of precision and recall.

    F1ₖ = 2·rightₖ / (rows of k + rows called k), over the classes that occur in t or among the answers.

    Args:
        p: probabilities [N, K].
        t: class numbers [N].
        weights: optional row weights, [N] or [R, N].

    Returns:
        float64, [] or [R].

    Raises:
        ArgumentError: what `accuracy` raises.

    Example:
        >>> round(macro_f1(torch.eye(3)[[0, 1, 1]], torch.tensor([0, 1, 2])).item(), 4)
        0.5556
    """
    p, t = class_rows(p, t)
    w, answers, classes = row_weights(p, weights), p.argmax(dim=1), p.shape[1]
    either = class_sums(w, t, classes) + class_sums(w, answers, classes)
    right = class_sums(w * (answers == t), t, classes)
    return mean_over(2 * right / either, either != 0)


def confusion_matrix(p: Tensor, t: Tensor) -> Tensor:
    """How many rows of each class were called what: row = truth, column = answer.

    Args:
        p: probabilities [N, K].
        t: class numbers [N].

    Returns:
        int64 [K, K].

    Raises:
        ArgumentError: what `accuracy` raises.

    Example:
        >>> confusion_matrix(torch.eye(2)[[0, 1, 1]], torch.tensor([0, 0, 1])).tolist()
        [[1, 1], [0, 1]]
    """
    p, t = class_rows(p, t)
    classes = p.shape[1]
    return torch.bincount(t * classes + p.argmax(dim=1), minlength=classes * classes).reshape(classes, classes)


def labels_accuracy(p: Tensor, t: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """The share of cells (row and label) that are right when a label is given at a probability of ½ or more.

    Where most labels are absent, answering "none" scores high: read it beside `labels_f1` and `labels_average_precision`.

    Args:
        p: probabilities [N, L].
        t: truth [N, L] of 0 and 1.
        weights: optional row weights, [N] or [R, N].

    Returns:
        float64, [] or [R].

    Raises:
        ArgumentError: shapes that differ, or a truth that is neither 0 nor 1.

    Example:
        >>> labels_accuracy(torch.tensor([[0.9, 0.2], [0.9, 0.9]]), torch.tensor([[1, 0], [1, 0]])).item()
        0.75
    """
    p, t = label_rows(p, t)
    return weighted_mean(((p >= 0.5) == (t == 1)).double().mean(dim=1), row_weights(p, weights))


def exact_match(p: Tensor, t: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """The share of rows with every label right at the threshold ½.

    Args:
        p: probabilities [N, L].
        t: truth [N, L] of 0 and 1.
        weights: optional row weights, [N] or [R, N].

    Returns:
        float64, [] or [R].

    Raises:
        ArgumentError: what `labels_accuracy` raises.

    Example:
        >>> exact_match(torch.tensor([[0.9, 0.2], [0.9, 0.9]]), torch.tensor([[1, 0], [1, 0]])).item()
        0.5
    """
    p, t = label_rows(p, t)
    return weighted_mean(((p >= 0.5) == (t == 1)).all(dim=1).double(), row_weights(p, weights))


def labels_f1(p: Tensor, t: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """The mean over labels of F1 at the threshold ½, over the labels that occur in t or among the answers.

    Args:
        p: probabilities [N, L].
        t: truth [N, L] of 0 and 1.
        weights: optional row weights, [N] or [R, N].

    Returns:
        float64, [] or [R].

    Raises:
        ArgumentError: what `labels_accuracy` raises.

    Example:
        >>> round(labels_f1(torch.tensor([[0.9, 0.2], [0.9, 0.9]]), torch.tensor([[1, 0], [1, 1]])).item(), 4)
        1.0
    """
    p, t = label_rows(p, t)
    w, answers = row_weights(p, weights), (p >= 0.5).double()
    either = w @ (t + answers)
    return mean_over(2 * (w @ (t * answers)) / either, either != 0)
