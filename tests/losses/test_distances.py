"""Losses for numbers against their formulas, and what their minimum is."""

from __future__ import annotations

import pytest
import torch
from drawn_rows import rows
from hypothesis import given, settings
from hypothesis import strategies as st

from leadline import losses
from leadline.errors import ArgumentError

seeds = st.integers(0, 2**31)


@settings(max_examples=25)
@given(seeds, st.sampled_from([0.5, 1.0, 2.0]))
def test_distances_by_their_formulas(seed: int, delta: float) -> None:
    outputs, targets = rows("huber", seed)
    d = (outputs - targets).abs()
    bent = torch.where(d <= delta, d**2 / 2, delta * (d - delta / 2))
    assert losses.squared_error(outputs, targets, reduction="none").tolist() == pytest.approx((d**2).mean(1).tolist())
    assert losses.absolute_error(outputs, targets, reduction="none").tolist() == pytest.approx(d.mean(1).tolist())
    assert losses.huber(outputs, targets, delta=delta, reduction="none").tolist() == pytest.approx(bent.mean(1).tolist())


@settings(max_examples=25)
@given(seeds, st.sampled_from([0.1, 0.5, 0.9]))
def test_the_quantile_loss_by_its_formula(seed: int, tau: float) -> None:
    outputs, targets = rows("quantile", seed)
    d = targets - outputs
    each = torch.where(d >= 0, tau * d, (tau - 1) * d).mean(1)
    assert losses.quantile(outputs, targets, tau=tau, reduction="none").tolist() == pytest.approx(each.tolist())
    half = losses.quantile(outputs, targets).item()
    assert half == pytest.approx(losses.absolute_error(outputs, targets).item() / 2)


@pytest.mark.parametrize("tau", [0.1, 0.25, 0.9])
def test_the_quantile_loss_is_least_at_the_quantile(tau: float) -> None:
    targets = torch.arange(100.0)[:, None]
    guesses = torch.arange(0.5, 99.0)
    found = [losses.quantile(guess.expand(100, 1), targets, tau=tau).item() for guess in guesses]
    assert (targets < guesses[found.index(min(found))]).float().mean().item() == pytest.approx(tau, abs=0.011)


@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 2, 3)])
def test_outputs_of_any_shape(shape: tuple[int, ...]) -> None:
    draw = torch.Generator().manual_seed(0)
    outputs, targets = torch.randn(shape, generator=draw), torch.randn(shape, generator=draw)
    each = losses.squared_error(outputs, targets, reduction="none")
    assert each.tolist() == pytest.approx((outputs - targets).square().reshape(4, -1).mean(1).tolist())


def test_a_single_number_has_no_rows() -> None:
    with pytest.raises(ArgumentError, match="no rows"):
        losses.squared_error(torch.tensor(1.0), torch.tensor(2.0))
