"""Scores of answers to every step of rows: sums are taken row by row, so that an interval can redraw whole rows.

Steps of one row are not independent: a hard row is hard at many of its steps. N rows, K classes, M numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.metrics.table import Metric
from leadline.metrics.weighting import exact, mean_over

RIGHT, SAID, TRUE = 0, 1, 2
_SUMS = 5  # of each number: |e|, e², t, t², and how many


def counts_by_row(said: Tensor, truth: Tensor, lengths: Tensor, classes: int) -> Tensor:
    """How often each row has each class right, says it, and has it in truth; what is true beside all classes comes last.

    Shapes: answers [S] and truth [S] of all steps, one row after the other, and lengths [N] → float64 [N, K + 1, 3].

    Args:
        said: class numbers.
        truth: class numbers; −1 for a class that is none of them, −100 for a step that does not count.
        lengths: of the rows.
        classes: K.

    Errors: `ArgumentError` for sizes that do not fit.

    Example:
        >>> counts = counts_by_row(torch.tensor([0, 1, 1]), torch.tensor([0, 0, -100]), torch.tensor([2, 1]), 2)
        >>> counts[0].tolist(), counts[1].sum().item()
        ([[1.0, 1.0, 2.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]], 0.0)
    """
    if said.shape != truth.shape or said.ndim != 1 or int(lengths.sum()) != len(said):
        got = f"{list(said.shape)}, {list(truth.shape)} and {int(lengths.sum())} steps"
        raise ArgumentError("The answers, the truth and the lengths do not fit together", expected="[S], [S] and S", got=got)
    row = torch.repeat_interleave(torch.arange(len(lengths)), lengths)
    there = truth > -100
    row, said, truth = row[there], said[there], truth[there]
    truth = truth.where(truth >= 0, classes)
    counts = torch.zeros(3, len(lengths) * (classes + 1), dtype=torch.float64)
    ones = torch.ones(len(row), dtype=torch.float64)
    for kind, place, keep in ((RIGHT, truth, said == truth), (SAID, said, None), (TRUE, truth, None)):
        at, weight = row * (classes + 1) + place, ones
        counts[kind].scatter_add_(0, at if keep is None else at[keep], weight if keep is None else weight[keep])
    return counts.view(3, len(lengths), classes + 1).permute(1, 2, 0).contiguous()


def sums_by_row(values: Tensor, truth: Tensor, lengths: Tensor) -> Tensor:
    """Of each row and number Σ|e|, Σe², Σt, Σt² and how many steps count; t is taken from the mean of all.

    Shapes: values [S, M] and truth [S, M] of all steps, and lengths [N] → float64 [N, M, 5].

    Args:
        values: what was said.
        truth: NaN where a step does not count.
        lengths: of the rows.

    Example:
        >>> truth = torch.tensor([[1.0], [3.0], [float("nan")]])
        >>> sums_by_row(torch.zeros(3, 1), truth, torch.tensor([3]))[0, 0].tolist()
        [4.0, 10.0, 0.0, 2.0, 2.0]
    """
    values, truth = exact(values), exact(truth)
    there = ~truth.isnan()
    error = (values - truth).where(there, 0.0)
    centred = (truth - truth.nanmean(dim=0)).where(there, 0.0)
    cells = torch.stack([error.abs(), error.square(), centred, centred.square(), there.double()], dim=2)
    row = torch.repeat_interleave(torch.arange(len(lengths)), lengths)
    return torch.zeros(len(lengths), *cells.shape[1:], dtype=torch.float64).index_add_(0, row, cells)


def class_step_metrics() -> dict[str, Metric]:
    """The metrics of classes of steps, headline first, as functions of `counts_by_row`.

    Example:
        >>> counts = counts_by_row(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]), torch.tensor([2, 1]), 2)
        >>> {name: round(metric.function(counts, counts).item(), 4) for name, metric in class_step_metrics().items()}
        {'accuracy': 0.6667, 'f1': 0.6667}
    """
    return {
        "accuracy": Metric("accuracy", _accuracy, True, "Accuracy (of steps)"),
        "f1": Metric("f1", _macro_f1, True, "F1 (mean over classes)"),
    }


def number_step_metrics(count: int) -> dict[str, Metric]:
    """The metrics of numbers of steps, headline first, as functions of `sums_by_row`.

    Args:
        count: of the numbers of a step; of several, which may have several units, R² alone has a mean that says anything.

    Example:
        >>> list(number_step_metrics(1)), list(number_step_metrics(2))
        (['mae', 'rmse', 'r2'], ['r2', 'mae', 'rmse'])
    """
    mae = Metric("mae", _mean_error, False, "Mean absolute error", unit_range=False)
    rmse = Metric("rmse", _root_mean_square, False, "Root mean squared error", unit_range=False)
    r2 = Metric("r2", _explained, True, "R²", unit_range=False)
    return {metric.name: metric for metric in ((mae, rmse, r2) if count == 1 else (r2, mae, rmse))}


def total(counts: Tensor, weights: Tensor | None) -> Tensor:
    """The sum over rows, each as often as its weight says: [N, …] and None, [N] or [R, N] → […] or [R, …].

    Args:
        counts: of the rows.
        weights: of the rows.

    Example:
        >>> total(torch.tensor([[1.0], [2.0]]), torch.tensor([[1.0, 1.0], [0.0, 2.0]])).tolist()
        [[3.0], [4.0]]
    """
    if weights is None:
        return counts.sum(dim=0)
    summed = exact(weights.to(counts.device)) @ exact(counts).flatten(1)
    return summed.reshape(*weights.shape[:-1], *counts.shape[1:])


def _accuracy(p: Tensor, t: Tensor, /, *, weights: Tensor | None = None) -> Tensor:
    counts = total(p, weights).sum(dim=-2)
    return counts[..., RIGHT] / counts[..., TRUE]


def _macro_f1(p: Tensor, t: Tensor, /, *, weights: Tensor | None = None) -> Tensor:
    counts = total(p, weights)[..., :-1, :]
    either = counts[..., SAID] + counts[..., TRUE]
    return mean_over(2 * counts[..., RIGHT] / either, either != 0)


def _mean_error(p: Tensor, t: Tensor, /, *, weights: Tensor | None = None) -> Tensor:
    sums = total(p, weights)
    return (sums[..., 0] / sums[..., 4]).mean(dim=-1)


def _root_mean_square(p: Tensor, t: Tensor, /, *, weights: Tensor | None = None) -> Tensor:
    sums = total(p, weights)
    return (sums[..., 1] / sums[..., 4]).sqrt().mean(dim=-1)


def _explained(p: Tensor, t: Tensor, /, *, weights: Tensor | None = None) -> Tensor:
    sums = total(p, weights)
    return (1 - sums[..., 1] / (sums[..., 3] - sums[..., 2].square() / sums[..., 4])).mean(dim=-1)
