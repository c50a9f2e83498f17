"""What every metric shares: the check that predictions and truth fit together, and sums over weighted rows.

Each metric takes optional `weights`, [N] or [R, N]: R weightings are scored in one call, [R] values come back. That makes the
bootstrap fast: a resample of the rows is a vector of counts, so that rows are never copied, and sorted once for many resamples.
"""

from __future__ import annotations

import torch
from torch import Tensor

from leadline.errors import ArgumentError


def class_rows(p: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Check probabilities [N, K] against class numbers [N] and return them as float64 and int64.

    Raises:
        ArgumentError: shapes that do not fit, or a class number outside 0 … K−1.

    Example:
        >>> p, t = class_rows(torch.tensor([[0.9, 0.1]]), torch.tensor([0]))
        >>> p.dtype, t.dtype
        (torch.float64, torch.int64)
    """
    if p.ndim != 2 or t.shape != p.shape[:1]:
        raise ArgumentError(
            "Probabilities and classes do not fit together",
            expected="probabilities [N, K] and class numbers [N]",
            got=f"{list(p.shape)} and {list(t.shape)}",
        )
    t = t.long()
    if len(t) and (int(t.min()) < 0 or int(t.max()) >= p.shape[1]):
        raise ArgumentError(
            "A class number is out of range", expected=f"0 … {p.shape[1] - 1}", got=f"{int(t.min())} … {int(t.max())}"
        )
    return exact(p), t if t.device.type != "mps" else t.cpu()


def label_rows(p: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Check probabilities [N, L] against truth [N, L] of 0 and 1 and return both as float64.

    Raises:
        ArgumentError: shapes that differ, or a truth that is neither 0 nor 1.
    """
    p, t = number_rows(p, t)
    if not bool(((t == 0) | (t == 1)).all()):
        raise ArgumentError("A label is neither 0 nor 1", expected="0 or 1 in each cell")
    return p, t


def number_rows(v: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Check values against truth, both [N, M] or both [N], and return both as float64 [N, M].

    Raises:
        ArgumentError: shapes that differ; they would otherwise broadcast to N × N without a word.
    """
    if v.shape != t.shape or v.ndim not in (1, 2):
        raise ArgumentError(
            "Predictions and truth differ in shape",
            expected="the same [N, M] for both",
            got=f"{list(v.shape)} and {list(t.shape)}",
        )
    v, t = exact(v), exact(t)
    return (v, t) if v.ndim == 2 else (v[:, None], t[:, None])


def exact(x: Tensor) -> Tensor:
    """`x` in float64, on its device where that device has float64 (Apple's MPS has not: there on the CPU)."""
    return (x.cpu() if x.device.type == "mps" else x).double()


def row_weights(p: Tensor, weights: Tensor | None) -> Tensor:
    """The weights as float64 [N] or [R, N]; ones when None.

    A row of predictions that holds NaN weighs NaN, so that every score over it is NaN instead of a number that looks sound.

    Raises:
        ArgumentError: not one weight for each row.
    """
    if weights is None:
        weights = p.new_ones(len(p))
    elif weights.ndim not in (1, 2) or weights.shape[-1] != len(p):
        raise ArgumentError(
            "The weights do not fit the rows", expected=f"shape [{len(p)}] or [R, {len(p)}]", got=list(weights.shape)
        )
    return torch.where(p.isnan().any(dim=1), torch.nan, exact(weights.to(p.device)))


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Σ w·x / Σ w over the rows: values [N] or [N, M], weights [N] or [R, N] → [], [M], [R] or [R, M]; NaN over no rows.

    Example:
        >>> weighted_mean(torch.tensor([0.0, 1.0]).double(), torch.tensor([[1.0, 1.0], [1.0, 3.0]]).double()).tolist()
        [0.5, 0.75]
    """
    total = weights.sum(dim=-1)
    return weights @ values / (total if values.ndim == 1 else total.unsqueeze(-1))


def class_sums(weights: Tensor, t: Tensor, classes: int) -> Tensor:
    """The weight that falls on each class: weights [N] or [R, N], class numbers [N] → [K] or [R, K].

    Example:
        >>> class_sums(torch.tensor([1.0, 1.0, 2.0]), torch.tensor([0, 2, 2]), 3).tolist()
        [1.0, 0.0, 3.0]
    """
    sums = weights.new_zeros(*weights.shape[:-1], classes)
    return sums.scatter_add_(-1, t.expand_as(weights), weights)


def mean_over(values: Tensor, present: Tensor) -> Tensor:
    """The mean over the last axis of what is present; NaN where nothing is.

    Example:
        >>> mean_over(torch.tensor([1.0, 3.0, torch.nan]), torch.tensor([True, True, False])).item()
        2.0
    """
    return values.where(present, 0).sum(dim=-1) / present.sum(dim=-1)
