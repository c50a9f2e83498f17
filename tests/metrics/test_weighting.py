"""What holds for every metric: weights are repetitions, devices and types do not matter, NaN shows, misfits are refused."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from leadline import metrics
from leadline.errors import ArgumentError
from leadline.metrics import Metric

EVERY = [(task, metric) for task in ("classes", "labels", "number") for metric in metrics.for_task(task, 6).values()]
every = pytest.mark.parametrize(("task", "metric"), EVERY, ids=[f"{task}-{metric.name}" for task, metric in EVERY])


def rows(task: str, count: int = 40) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(5)
    p = torch.rand(count, 6, generator=draw, dtype=torch.float64)
    if task == "classes":
        return p / p.sum(1, keepdim=True), torch.randint(6, (count,), generator=draw)
    return (p, (p + torch.rand(count, 6, generator=draw) > 1).float()) if task == "labels" else (p, p + 0.1 * p.cos())


@every
def test_a_weight_is_a_repetition(task: str, metric: Metric) -> None:
    p, t = rows(task)
    counts = torch.randint(0, 4, (8, len(p)), generator=torch.Generator().manual_seed(1))
    counts[0] = 1
    together = metric.function(p, t, weights=counts)
    assert together.shape == (8,)
    assert together.dtype == torch.float64
    for count, value in zip(counts, together, strict=True):
        repeated = metric.function(p.repeat_interleave(count, 0), t.repeat_interleave(count, 0))
        alone = metric.function(p, t, weights=count)
        assert alone.shape == repeated.shape == ()
        assert alone.item() == pytest.approx(value.item(), abs=1e-12)
        assert repeated.item() == pytest.approx(value.item(), abs=1e-12)


@every
def test_the_order_of_the_rows_is_nothing(task: str, metric: Metric) -> None:
    p, t = rows(task)
    order = torch.randperm(len(p), generator=torch.Generator().manual_seed(2))
    assert metric.function(p[order], t[order]).item() == pytest.approx(metric.function(p, t).item(), abs=1e-12)


@every
def test_nan_is_not_hidden(task: str, metric: Metric) -> None:
    p, t = rows(task)
    for broken in (0, slice(None)):
        diverged = p.clone()
        diverged[broken] = torch.nan
        assert metric.function(diverged, t).isnan(), broken
        weights = torch.ones(2, len(p))
        assert metric.function(diverged, t, weights=weights).isnan().all()


@every
def test_no_rows_have_no_score(task: str, metric: Metric) -> None:
    p, t = rows(task)
    assert metric.function(p[:0], t[:0]).isnan()


@every
def test_half_precision_is_widened_first(task: str, metric: Metric) -> None:
    p, t = rows(task)
    p = p.bfloat16() if metric.name != "log_loss" else p.float()
    assert metric.function(p, t).item() == pytest.approx(metric.function(p.double(), t).item(), abs=1e-6)


@every
def test_misfits_are_refused(task: str, metric: Metric) -> None:
    p, t = rows(task)
    for wrong in ((p, t[1:]), (p[:, 0, None, None], t)):
        with pytest.raises(ArgumentError):
            metric.function(*wrong)
    with pytest.raises(ArgumentError, match="weights do not fit"):
        metric.function(p, t, weights=torch.ones(3))


def test_a_class_number_out_of_range_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"out of range. Expected 0 … 2; got 0 … 3"):
        metrics.accuracy(torch.eye(3), torch.tensor([0, 1, 3]))


def test_a_label_is_0_or_1() -> None:
    with pytest.raises(ArgumentError, match="neither 0 nor 1"):
        metrics.labels_accuracy(torch.ones(1, 2), torch.tensor([[0.5, 1]]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@every
def test_the_device_is_nothing(task: str, metric: Metric) -> None:
    p, t = rows(task)
    there = metric.function(p.cuda(), t.cuda())
    assert there.device.type == "cuda"
    assert there.item() == pytest.approx(metric.function(p, t).item(), abs=1e-12)
    near, far = metrics.bootstrap_interval(metric, p, t), metrics.bootstrap_interval(metric, p.cuda(), t.cuda())
    assert far == pytest.approx(near, abs=1e-9)
