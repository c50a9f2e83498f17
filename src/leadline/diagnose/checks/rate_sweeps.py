"""The learning-rate range test (Smith, 2017): a copy that trains while its rate grows from step to step, until it diverges."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Generator
from torch.optim import LBFGS

from leadline.diagnose.checks.flat_features import choose
from leadline.diagnose.readings import Rates
from leadline.diagnose.subject import Rows, Subject, first_tensor

LOWEST, HIGHEST = 1e-7, 10.0
_STEPS = (160, 96, 64)  # from the lowest to the highest rate: 20 a decade, 8 where there is little time
_SWEEPS = 3  # each with its own order of rows; the median of them counts
_JUDGED = 256  # rows on which the loss is read after each step: always the same, so that it does not jump with the batch
_WINDOW = 5  # neighbouring rates whose losses are averaged
_GONE = 2.0  # times the first loss, where a sweep ends
_BEGUN = 0.05  # of the whole fall, from which on the loss counts as falling
_FALL = 0.02  # of the first loss: what falls less has learned nothing

Numbers = np.ndarray[Any, np.dtype[np.float64]]


def read_rates(subject: Subject, *, seconds: float = 5.0) -> Rates:
    """Sweeps over the rates with the person's own optimizer, and what follows from them.

    The rate of step k of K is 1e-7 · 1e8^(k / (K − 1)). The copy forgets nothing between two rates, as in Smith's test: the
    loss that stands at a rate is what all smaller ones and this one have made of it.

    Args:
        subject: what is copied, with its first weights; it must have a loss and an optimizer.
        seconds: for all sweeps. Where steps are slow there are fewer of them, but never less than 64.

    Returns: no curve where the optimizer chooses the length of its steps itself, or holds no weight of this network.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> rates = read_rates(a_subject(steps=0))
        >>> rates.falls_from < rates.recommended < rates.diverged
        True
    """
    if not subject.held:
        return Rates()
    own = max(float(group.get("initial_lr", group["lr"])) for each in subject.optimizers for group in each.param_groups)
    if any(isinstance(each, LBFGS) for each in subject.optimizers):
        return Rates(own=own)
    began = time.perf_counter()
    _sweep(subject, rates_of(_STEPS[-1])[:4], seed=0)
    affordable = int(seconds / max((time.perf_counter() - began) / 4, 1e-6))
    rates = rates_of(next((count for count in _STEPS if count <= affordable), _STEPS[-1]))
    count = min(_SWEEPS, max(1, affordable // len(rates)))
    return told_by(rates, np.stack([_sweep(subject, rates, seed=seed) for seed in range(count)]), own)


def rates_of(count: int) -> Numbers:
    """So many rates from 1e-7 to 10, each the same multiple of the one before."""
    return np.geomspace(LOWEST, HIGHEST, count)


def told_by(rates: Numbers, sweeps: Numbers, own: float) -> Rates:
    """What sweeps tell.

    `falls_from` is the rate at which a twentieth of the whole fall of the loss is behind, `falls_to` that of the lowest loss,
    `diverged` the one from which on the loss is no better than at the start. The recommended rate is the one at which the loss
    falls most steeply over the logarithm of the rate, but at most a tenth of that of the lowest loss. Of 70 sound programs
    (`benchmarks/diagnosis/families.py`) it lay within 3 times of the rate that their author had chosen in 57, within 10 times
    in 69; the steepest alone in 37 and 66, a tenth of the divergence in 17 and 49.

    Args:
        rates: [K].
        sweeps: [S, K + 1], the loss before the first step and after that with each rate; infinite after the end of a sweep.
        own: the person's rate.

    Example:
        >>> rates = rates_of(81)
        >>> losses = np.where(rates > 1.3, 4.0, 1 / (1 + (rates / 1e-3)))
        >>> told = told_by(rates, np.array([[1.0, *losses]]), own=1e-6)
        >>> 1e-4 < told.recommended < 1e-2, round(told.diverged, 1), told.own
        (True, 1.3, 1e-06)
    """
    first, losses = float(np.median(sweeps[:, 0])), np.median(sweeps[:, 1:], axis=0)
    alive = int(np.argmin(np.isfinite(losses))) if not np.isfinite(losses).all() else len(losses)
    smooth = _averaged(losses[:alive])
    told = Rates([(float(rate), float(loss)) for rate, loss in zip(rates, smooth, strict=False)], own, first_loss=first)
    if not alive:
        return told
    lowest = int(np.argmin(smooth))
    fall = first - float(smooth[lowest])
    worse = [at for at in range(lowest, alive) if smooth[at] > first]
    told.diverged = float(rates[worse[0]]) if worse else float(rates[alive]) if alive < len(rates) else None
    if fall < _FALL * abs(first) or lowest < 2:
        return told
    begun = int(np.argmax(first - smooth > _BEGUN * fall))
    slopes = np.gradient(smooth)
    steepest = begun + int(np.argmin(slopes[begun : lowest + 1]))
    told.falls_from, told.falls_to, told.steepest = float(rates[begun]), float(rates[lowest]), float(rates[steepest])
    told.recommended = float(f"{min(told.steepest, told.falls_to / 10):.2g}")
    return told


def _sweep(subject: Subject, rates: Numbers, *, seed: int) -> Numbers:
    """The loss before the first step, and after each step with its rate."""
    assert subject.loss is not None
    model = subject.fresh().train()
    optimizer = subject.optimizer_for(model)
    largest = max((float(group["lr"]) for group in optimizer.param_groups), default=0.0)
    shares = [float(group["lr"]) / largest if largest else 1.0 for group in optimizer.param_groups]
    judged = subject.train.take(choose(len(subject.train), _JUDGED))
    batches = _batches(subject, seed)

    def loss_now() -> float:
        torch.manual_seed(0)  # the same units are dropped each time
        return subject.loss_of(model, judged)

    losses = np.full(len(rates) + 1, math.inf)
    losses[0] = loss_now()
    for at, rate in enumerate(rates, 1):
        for group, share in zip(optimizer.param_groups, shares, strict=True):
            group["lr"] = rate * share
        rows = next(batches)
        torch.manual_seed(seed + at)
        optimizer.zero_grad()
        subject.loss(subject.call(model, rows.inputs), rows.targets).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses[at] = loss_now()
        if not math.isfinite(losses[at]) or losses[at] - losses[0] > (_GONE - 1) * max(abs(losses[0]), 1e-12):
            losses[at] = math.inf
            break
    return losses


def _batches(subject: Subject, seed: int) -> Iterator[Rows]:
    random, rows = Generator().manual_seed(seed), subject.train
    size = max(1, min(subject.batch, len(rows)))
    device = first_tensor(rows.targets).device
    while True:
        order = torch.randperm(len(rows), generator=random).to(device)
        for start in range(0, len(rows) - size + 1, size):
            yield rows.take(order[start : start + size])


def _averaged(losses: Numbers) -> Numbers:
    """Each with its neighbours, fewer at the ends."""
    half = _WINDOW // 2
    return np.array([losses[max(0, at - half) : at + half + 1].mean() for at in range(len(losses))])
