"""How sure a score is: percentile bootstrap intervals over the rows of the test split."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.metrics.table import Metric, for_task

# Cells to work through for one metric (rows × columns that are sorted, or rows × 4 passes, × resamples): a second or two.
_WORK = 100_000_000
_FEWEST = 100
# Counts of this many cells at a time: 32 MB of float64, small beside what a network needs.
_CHUNK = 4_000_000


def bootstrap_interval(
    metric: Metric, p: Tensor, t: Tensor, *, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """The range that holds the middle `level` of the metric over random redraws of the rows.

    Rows are drawn N times with replacement, the metric taken, `resamples` times over; the interval goes from the (1 − level)/2
    to the (1 + level)/2 quantile, and always includes the score itself. Where a score of 0 … 1 is perfect in every redraw,
    because every row was right, redrawing tells nothing, and the exact binomial bound for N rows, ((1 − level)/2)^(1/N), stands
    in (likewise at 0). Very large data take fewer redraws (at least 100), for time.

    Args:
        metric: a row of `for_task`.
        p: predictions [N, …] on any device.
        t: truth, as the metric wants it.
        resamples: number of redraws.
        level: the share of redraws inside, between 0 and 1.
        seed: of the redraws; the same seed gives the same interval on every device.

    Returns:
        (low, high); NaN where the metric is undefined.

    Raises:
        ArgumentError: a level outside 0 … 1, no resamples, or what the metric raises.

    Example:
        >>> p = torch.tensor([[0.9, 0.1]]).expand(100, 2)
        >>> low, high = bootstrap_interval(for_task("classes", 2)["accuracy"], p, torch.arange(100) % 2)
        >>> low < 0.5 < high, high - low < 0.25
        (True, True)

    Source: Efron and Tibshirani (1993), An introduction to the bootstrap, chapter 13.
    """
    return _intervals([metric], p, t, resamples, level, seed)[metric.name][1:]


def scores(
    task: str, p: Tensor, t: Tensor, *, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> dict[str, dict[str, float | None]]:
    """Every metric of the task with its interval, as JSON values, headline first.

    Args:
        task: "classes", "labels" or "number".
        p: predictions [N, K], [N, L] or [N, M].
        t: truth [N], [N, L] or [N, M].
        resamples: number of redraws of the rows; the same redraws serve all metrics.
        level: the share of redraws inside the interval.
        seed: of the redraws.

    Returns:
        Metric name → {"value", "low", "high"}; all three None where the metric is undefined (AUROC with one class present).

    Raises:
        ArgumentError: an unknown task, or what `bootstrap_interval` raises.

    Example:
        >>> table = scores("number", torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[1.0], [2.0], [4.0]]), resamples=100)
        >>> round(table["mae"]["value"], 4), table["mae"]["low"]
        (0.3333, 0.0)
    """
    triples = _intervals(for_task(task, p.shape[-1]).values(), p, t, resamples, level, seed)
    return {
        name: dict(zip(("value", "low", "high"), triple if all(map(math.isfinite, triple)) else (None,) * 3, strict=True))
        for name, triple in triples.items()
    }


def paired_difference(
    metric: Metric, p: Tensor, other: Tensor, t: Tensor, *, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> dict[str, float | None]:
    """How far the predictions p are ahead of `other` on the same rows: metric(p) − metric(other), with its interval.

    Both are judged on the same redraws, so rows that are hard for both cancel out, and a difference shows that two separate
    intervals would hide. It is real at this level where the interval does not hold 0.

    Args:
        metric: a row of `for_task`.
        p: predictions [N, …].
        other: the predictions of another method for the same rows, of the same shape.
        t: truth, as the metric wants it.
        resamples: number of redraws.
        level: the share of redraws inside the interval.
        seed: of the redraws.

    Returns:
        {"value", "low", "high"} in the metric's own units; all None where either metric is undefined.

    Raises:
        ArgumentError: as `bootstrap_interval`.

    Example:
        >>> t = torch.zeros(100, dtype=torch.int64)
        >>> right, wrong = torch.tensor([[1.0, 0.0]]).repeat(100, 1), torch.tensor([[0.0, 1.0]]).repeat(100, 1)
        >>> mixed = torch.cat([right[:90], wrong[:10]])
        >>> ahead = paired_difference(for_task("classes", 2)["accuracy"], right, mixed, t)
        >>> round(ahead["value"], 2), ahead["low"] > 0
        (0.1, True)

    Source: Efron and Tibshirani (1993), An introduction to the bootstrap, chapter 16.
    """
    _check(level, resamples)
    value = float(metric.function(p, t)) - float(metric.function(other, t))
    drawn = []
    if math.isfinite(value):
        for counts in _redraws(len(p), _affordable(metric, p, resamples), seed):
            weights = counts.to(p.device, torch.float64) if p.device.type != "mps" else counts.double()
            drawn.append((metric.function(p, t, weights=weights) - metric.function(other, t, weights=weights)).cpu())
    if not drawn:
        return {"value": None, "low": None, "high": None}
    ends = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    low, high = torch.nanquantile(torch.cat(drawn), ends).tolist()
    return {"value": value, "low": min(low, value), "high": max(high, value)}


def _check(level: float, resamples: int) -> None:
    if not 0 < level < 1:
        raise ArgumentError("The level of an interval is a share", expected="a number between 0 and 1", got=level)
    if resamples < 1:
        raise ArgumentError("An interval needs resamples", expected="at least 1", got=resamples)


def _intervals(
    metrics: Iterable[Metric], p: Tensor, t: Tensor, resamples: int, level: float, seed: int
) -> dict[str, tuple[float, float, float]]:
    """Metric name → (value, low, high), all from the same redraws."""
    _check(level, resamples)
    values = {metric: float(metric.function(p, t)) for metric in metrics}
    wanted = {metric: _affordable(metric, p, resamples) for metric, value in values.items() if not math.isnan(value)}
    drawn: dict[Metric, list[Tensor]] = {metric: [] for metric in wanted}
    start = 0
    for counts in _redraws(len(p), max(wanted.values(), default=0), seed):
        on_device = counts.to(p.device, torch.float64) if p.device.type != "mps" else counts.double()
        for metric, number in wanted.items():
            if start < number:
                drawn[metric].append(metric.function(p, t, weights=on_device[: number - start]).cpu())
        start += len(counts)
    return {
        metric.name: (value, *_quantiles(metric, value, drawn.get(metric, []), level, len(p)))
        for metric, value in values.items()
    }


def _affordable(metric: Metric, p: Tensor, resamples: int) -> int:
    cells = p.numel() if metric.sorts else 4 * len(p)
    return min(resamples, max(_FEWEST, _WORK // cells))


def _redraws(rows: int, resamples: int, seed: int) -> Iterator[Tensor]:
    """How often each row is drawn, int64 [R, N] for some resamples at a time; drawn on the CPU, so alike for every device."""
    generator = torch.Generator().manual_seed(seed)
    at_once = max(1, _CHUNK // max(rows, 1))
    for start in range(0, resamples, at_once):
        number = min(at_once, resamples - start)
        drawn = torch.randint(rows, (number, rows), generator=generator)
        drawn += torch.arange(number)[:, None] * rows
        yield torch.bincount(drawn.flatten(), minlength=number * rows).reshape(number, rows)


def _quantiles(metric: Metric, value: float, drawn: list[Tensor], level: float, rows: int) -> tuple[float, float]:
    if not drawn:
        return math.nan, math.nan
    tail = (1 - level) / 2
    ends = torch.tensor([tail, 1 - tail], dtype=torch.float64)
    low, high = torch.nanquantile(torch.cat(drawn), ends).tolist()
    low, high = min(low, value), max(high, value)
    if metric.unit_range and low == high == 1:
        low = tail ** (1 / rows)
    elif metric.unit_range and low == high == 0:
        high = 1 - tail ** (1 / rows)
    return low, high
