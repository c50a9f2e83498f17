"""The range test: what it reads from curves, and that it is the person's own optimizer that trains."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from leadline.diagnose.checks.rate_sweeps import rates_of, read_rates, told_by
from leadline.diagnose.trials.samples import a_subject

RATES = rates_of(81)


def curve(*, fall: float, lost: float) -> np.ndarray:
    """From 1 down to 0.2 around a rate, and up at another."""
    losses = 0.2 + 0.8 / (1 + (RATES / fall) ** 2)
    return np.where(lost <= RATES, math.inf, losses)[None]


def with_first(losses: np.ndarray) -> np.ndarray:
    return np.concatenate([np.ones((len(losses), 1)), losses], axis=1)


def test_where_it_falls_where_it_is_lowest_and_where_it_is_lost() -> None:
    told = told_by(RATES, with_first(curve(fall=1e-3, lost=0.5)), own=1e-3)
    assert 1e-4 < told.falls_from < 1e-3 < told.falls_to < told.diverged
    assert told.diverged == pytest.approx(0.5, rel=0.3)
    assert told.steepest == pytest.approx(1e-3, rel=1.0)
    assert told.recommended <= told.falls_to / 9
    assert told.curve[0] == (1e-7, pytest.approx(1.0))
    assert len(told.curve) == int((RATES < 0.5).sum())


def test_a_loss_that_never_falls_has_no_rate_to_recommend() -> None:
    told = told_by(RATES, with_first(np.ones((1, 81))), own=1e-3)
    assert (told.recommended, told.falls_from, told.diverged) == (None, None, None)
    lost_at_once = told_by(RATES, with_first(np.full((1, 81), math.inf)), own=1e-3)
    assert lost_at_once.curve == []


def test_one_unlucky_sweep_of_three_does_not_decide() -> None:
    good, bad = curve(fall=1e-3, lost=0.5), curve(fall=1e-3, lost=1e-5)
    told = told_by(RATES, with_first(np.concatenate([good, bad, good])), own=1e-3)
    assert told.diverged == pytest.approx(0.5, rel=0.3)


@pytest.mark.parametrize(("optimizer", "low", "high"), [(torch.optim.SGD, 0.01, 1.0), (torch.optim.Adam, 1e-3, 0.1)])
def test_it_is_the_persons_own_optimizer(optimizer: type[torch.optim.Optimizer], low: float, high: float) -> None:
    subject = a_subject(optimizer=optimizer, rate=1e-3, steps=0)
    before = {name: value.clone() for name, value in subject.model.state_dict().items()}
    rates = read_rates(subject, seconds=0.3)
    assert low < rates.recommended < high
    assert rates.own == 1e-3
    assert all(torch.equal(value, before[name]) for name, value in subject.model.state_dict().items())


def test_groups_keep_their_shares_of_the_rate() -> None:
    model = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 3))
    subject = a_subject(model, steps=0)
    optimizer = torch.optim.SGD([{"params": model[0].parameters(), "lr": 0.0}, {"params": model[2].parameters()}], lr=0.1)
    subject.optimizers = (optimizer,)
    rates = read_rates(subject, seconds=0.1)
    assert rates.own == 0.1
    assert rates.curve


def test_an_optimizer_that_chooses_its_own_steps_has_no_curve() -> None:
    subject = a_subject(steps=0)
    subject.optimizers = (torch.optim.LBFGS(subject.model.parameters(), lr=1.0),)
    assert read_rates(subject).curve == []
