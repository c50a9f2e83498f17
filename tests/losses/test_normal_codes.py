"""Divergences and densities of normal codes against torch's distributions, and the bound of many draws against its laws."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from leadline.errors import ArgumentError
from leadline.losses.normal_codes import gaussian_kl, gaussian_kl_of_each, importance_bound, normal_log_density

seeds = st.integers(0, 2**31)


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(seeds)
def test_the_divergence_is_that_of_torch(seed: int) -> None:
    mean, log_variance = draw(seed, 4, 3), draw(seed + 1, 4, 3)
    expected = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(gaussian_kl_of_each(mean, log_variance), expected)
    torch.testing.assert_close(gaussian_kl(mean, log_variance, reduction="none"), expected.sum(1))
    torch.testing.assert_close(gaussian_kl(mean, log_variance), expected.sum(1).mean())


def test_the_divergence_is_the_integral_that_it_stands_for() -> None:
    mean, log_variance = 0.7, -0.5
    z = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    q = normal_log_density(z[:, None], mean, log_variance)
    integral = torch.trapezoid(q.exp() * (q - normal_log_density(z[:, None], 0.0, 0.0)), z)
    found = gaussian_kl(*(torch.tensor([[value]], dtype=torch.float64) for value in (mean, log_variance)))
    assert found.item() == pytest.approx(integral.item(), rel=1e-9)


@given(seeds)
def test_it_is_never_negative_and_keeps_its_digits_near_0(seed: int) -> None:
    small = 1e-4 * draw(seed, 3, 2)
    found = gaussian_kl_of_each(torch.zeros(3, 2), small.float())
    assert (found >= 0).all()
    torch.testing.assert_close(found.double(), 0.25 * small.square() + small**3 / 12, rtol=1e-2, atol=1e-13)


@given(seeds)
def test_the_density_is_that_of_torch(seed: int) -> None:
    z, mean, log_variance = draw(seed, 2, 3, 4), draw(seed + 1, 2, 1, 4), draw(seed + 2, 2, 1, 4)
    expected = Normal(mean, (0.5 * log_variance).exp()).log_prob(z).sum(-1)
    torch.testing.assert_close(normal_log_density(z, mean, log_variance), expected)


@given(seeds, st.integers(1, 6))
def test_the_bound_of_many_draws(seed: int, count: int) -> None:
    weights = 50 * draw(seed, 4, count) - 1000  # far outside of what exp could hold
    found = importance_bound(weights)
    top = weights.max(1).values
    torch.testing.assert_close(found, top + ((weights - top[:, None]).exp().sum(1) / count).log())
    assert (found >= weights.mean(1) - 1e-9).all()  # Jensen
    assert (found <= top + 1e-9).all()


def test_more_draws_never_lower_the_bound_in_the_mean() -> None:
    """E[L_K] ≤ E[L_{K+1}] (Burda et al.), here for weights that are exp of normal numbers, whose log mean is known: ½ σ²."""
    weights = draw(0, 40_000, 8)
    found = [importance_bound(weights[:, :count]).mean().item() for count in (1, 2, 4, 8)]
    assert found == sorted(found)
    assert found[0] == pytest.approx(0.0, abs=0.02)
    assert found[-1] < 0.5


def test_careless_arguments() -> None:
    with pytest.raises(ArgumentError, match="differ in shape"):
        gaussian_kl(torch.zeros(2, 3), torch.zeros(2, 1))
    with pytest.raises(ArgumentError, match="no weights of draws"):
        importance_bound(torch.zeros(3))
    with pytest.raises(ArgumentError, match="no weights of draws"):
        importance_bound(torch.zeros(3, 0))
    assert math.isfinite(gaussian_kl(torch.zeros(1, 1), torch.full((1, 1), -15.0)).item())
