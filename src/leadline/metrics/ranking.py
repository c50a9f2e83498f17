"""Order: whether the rows that have a class or label stand above those that have not, whatever the threshold.

Both measures read only the order of the probabilities. Ties count half (AUROC) or stand together (average precision).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from leadline.metrics.weighting import class_rows, label_rows, mean_over, row_weights

# What `_masses` returns → (value, whether it is defined), each [R].
_Measure = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def auroc(p: Tensor, t: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """The area under the ROC curve: how likely a row of the class has a higher probability than a row of another class.

    AUROC = P(pᵢ > pⱼ) + ½ P(pᵢ = pⱼ), i of the class, j not. Two classes: of the second; more: the mean over the classes
    against the rest, without those that t lacks.

    Args:
        p: probabilities [N, K].
        t: class numbers [N].
        weights: optional row weights, [N] or [R, N] for R weightings at once.

    Returns:
        float64, [] or [R]; NaN where t holds a single class.

    Raises:
        ArgumentError: shapes that do not fit, or a class number outside 0 … K−1.

    Example:
        >>> p = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.65, 0.35], [0.2, 0.8]])
        >>> auroc(p, torch.tensor([0, 0, 1, 1])).item()
        0.75

    Source: Hanley and McNeil (1982), The meaning and use of the area under a receiver operating characteristic curve.
    """
    p, t = class_rows(p, t)
    return _mean(_area, p, ((k, t == k) for k in _judged(p)), weights)


def average_precision(p: Tensor, t: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """The area under the precision–recall curve, as a sum of steps.

    AP = Σₙ (Rₙ − Rₙ₋₁) Pₙ over falling thresholds. Two classes: of the second; more: the mean over the classes against the
    rest, without those that t lacks.

    Args:
        p: probabilities [N, K].
        t: class numbers [N].
        weights: optional row weights, [N] or [R, N].

    Returns:
        float64, [] or [R]; NaN where no judged class occurs in t.

    Raises:
        ArgumentError: what `auroc` raises.

    Example:
        >>> p = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.65, 0.35], [0.2, 0.8]])
        >>> round(average_precision(p, torch.tensor([0, 0, 1, 1])).item(), 4)
        0.8333
    """
    p, t = class_rows(p, t)
    return _mean(_steps, p, ((k, t == k) for k in _judged(p)), weights)


def labels_auroc(p: Tensor, t: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """The mean over labels of AUROC, without the labels that every row has or none has.

    Args:
        p: probabilities [N, L].
        t: truth [N, L] of 0 and 1.
        weights: optional row weights, [N] or [R, N].

    Returns:
        float64, [] or [R]; NaN where no label varies.

    Raises:
        ArgumentError: shapes that differ, or a truth that is neither 0 nor 1.

    Example:
        >>> labels_auroc(torch.tensor([[0.9, 0.3], [0.2, 0.4]]), torch.tensor([[1, 1], [0, 0]])).item()
        0.5
    """
    p, t = label_rows(p, t)
    return _mean(_area, p, ((label, t[:, label] == 1) for label in range(p.shape[1])), weights)


def labels_average_precision(p: Tensor, t: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """The mean over labels of average precision, without the labels that no row has.

    Args:
        p: probabilities [N, L].
        t: truth [N, L] of 0 and 1.
        weights: optional row weights, [N] or [R, N].

    Returns:
        float64, [] or [R]; NaN where no row has a label.

    Raises:
        ArgumentError: what `labels_auroc` raises.

    Example:
        >>> labels_average_precision(torch.tensor([[0.9, 0.3], [0.2, 0.4]]), torch.tensor([[1, 1], [0, 0]])).item()
        0.75
    """
    p, t = label_rows(p, t)
    return _mean(_steps, p, ((label, t[:, label] == 1) for label in range(p.shape[1])), weights)


def _judged(p: Tensor) -> range:
    return range(1, 2) if p.shape[1] == 2 else range(p.shape[1])


def _mean(measure: _Measure, p: Tensor, columns: Iterable[tuple[int, Tensor]], weights: Tensor | None) -> Tensor:
    """The mean of `measure` over (column of p, which rows are positive), where it is defined."""
    w = row_weights(p, weights)
    by_row = (w if w.ndim == 2 else w[None]).t().contiguous()  # [N, R]: adding up rows then moves whole lines of memory
    values, defined = zip(*(measure(*_masses(p[:, column], positive, by_row)) for column, positive in columns), strict=True)
    mean = mean_over(torch.stack(values, dim=-1), torch.stack(defined, dim=-1)).reshape(w.shape[:-1])
    return mean.where(~w.isnan().any(dim=-1), torch.nan)


def _masses(score: Tensor, positive: Tensor, by_row: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The weight of the rows, cut at the m different scores that positive rows have; nothing else about the order matters.

    Returns:
        The positive weight at each of these scores, falling, [R, m]; the negative weight level with each, [R, m]; the negative
        weight above each and, last, in all, [R, m + 1].
    """
    falling = score.neg().contiguous()
    cuts = torch.unique(falling[positive])
    place = torch.searchsorted(cuts, falling) + torch.searchsorted(cuts, falling, right=True)  # odd at a cut, even between
    places = 2 * len(cuts) + 1
    mass = by_row.new_zeros(2 * places, by_row.shape[1]).index_add_(0, place + places * positive, by_row)
    negative, at = mass.t().contiguous().tensor_split([places], dim=1)
    return at[:, 1::2], negative[:, 1::2], negative.cumsum(dim=1)[:, 0::2]


def _area(at: Tensor, level: Tensor, above: Tensor) -> tuple[Tensor, Tensor]:
    """Mann–Whitney: each positive row beats the negative weight below its score, and half of that level with it."""
    mass, other = at.sum(dim=1), above[:, -1]
    beaten = other[:, None] - above[:, :-1] - level / 2
    return (at * beaten).sum(dim=1) / (mass * other), (mass != 0) & (other != 0)


def _steps(at: Tensor, level: Tensor, above: Tensor) -> tuple[Tensor, Tensor]:
    """Each positive row adds its weight times the precision at its score."""
    found = at.cumsum(dim=1)
    # Rows of weight 0 at the top have called nothing yet: 0/0 there must be 0, as their own weight is.
    precision = found / (found + above[:, :-1] + level).clamp(min=torch.finfo(found.dtype).tiny)
    mass = at.sum(dim=1)
    return (at * precision).sum(dim=1) / mass, mass != 0
