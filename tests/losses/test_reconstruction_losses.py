"""Likelihoods of reconstructions against torch's distributions in float64, and the penalties of a code against formulas."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Bernoulli, Normal

from leadline.errors import ArgumentError
from leadline.losses.reconstruction import bernoulli_nll, gaussian_nll, gaussian_surprises
from leadline.losses.sparsity import sparsity_kl, sparsity_l1

seeds = st.integers(0, 2**31)
SHAPE = (5, 2, 3)


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(seeds)
def test_bernoulli_is_the_log_probability_of_pixels(seed: int) -> None:
    logits, targets = 3 * draw(seed, *SHAPE), (draw(seed + 1, *SHAPE) > 0).double()
    expected = -Bernoulli(logits=logits).log_prob(targets).flatten(1).sum(1)
    torch.testing.assert_close(bernoulli_nll(logits, targets, reduction="none"), expected)
    torch.testing.assert_close(bernoulli_nll(logits, targets), expected.mean())


@given(seeds)
def test_grey_is_the_mean_over_black_and_white(seed: int) -> None:
    logits, grey = draw(seed, 1, 1), torch.sigmoid(draw(seed + 1, 1, 1))
    white, black = (bernoulli_nll(logits, torch.full_like(grey, value)) for value in (1.0, 0.0))
    torch.testing.assert_close(bernoulli_nll(logits, grey), (grey * white + (1 - grey) * black).squeeze())


@given(seeds, st.floats(0.05, 5))
def test_gaussian_is_the_log_density(seed: int, deviation: float) -> None:
    means, targets = draw(seed, *SHAPE), draw(seed + 1, *SHAPE)
    expected = -Normal(means, deviation).log_prob(targets).flatten(1).sum(1)
    found = gaussian_nll(means, targets, log_deviation=math.log(deviation), reduction="none")
    torch.testing.assert_close(found, expected)
    by_tensor = gaussian_nll(means, targets, log_deviation=torch.tensor([math.log(deviation)], dtype=torch.float64))
    torch.testing.assert_close(by_tensor, expected.mean())


def test_each_value_may_have_a_deviation_of_its_own() -> None:
    means, targets, deviations = draw(0, 4, 3), draw(1, 4, 3), torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    found = gaussian_surprises(means, targets, deviations.log())
    torch.testing.assert_close(found, -Normal(means, deviations).log_prob(targets))


def test_a_learned_deviation_is_best_at_the_root_of_the_mean_squared_error() -> None:
    means, targets = draw(0, 50, 4), draw(1, 50, 4)
    best = (means - targets).square().mean().sqrt().log()
    losses = [gaussian_nll(means, targets, log_deviation=float(best) + off).item() for off in (-0.01, 0.0, 0.01)]
    assert losses[1] < min(losses[0], losses[2])


@pytest.mark.parametrize("loss", [bernoulli_nll, gaussian_nll])
def test_half_precision_is_reckoned_in_single(loss: object) -> None:
    outputs, targets = draw(0, 2, 900).bfloat16(), torch.sigmoid(draw(1, 2, 900)).bfloat16()
    found = loss(outputs, targets)  # type: ignore[operator]
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(loss(outputs.double(), targets.double()).item(), rel=1e-5)  # type: ignore[operator]


def test_extreme_logits_do_not_overflow() -> None:
    logits = torch.tensor([[1e4, -1e4]], requires_grad=True)
    loss = bernoulli_nll(logits, torch.tensor([[1.0, 1.0]]))
    loss.backward()
    assert loss.item() == 1e4
    assert logits.grad is not None
    assert logits.grad.tolist() == [[0.0, -1.0]]


@pytest.mark.parametrize("value", [-0.1, 1.5, math.nan])
def test_bernoulli_refuses_what_is_no_probability(value: float) -> None:
    with pytest.raises(ArgumentError, match=r"values from 0 to 1 and no others.*Scale the inputs to \[0, 1\]"):
        bernoulli_nll(torch.zeros(1, 2), torch.tensor([[0.5, value]]))


@pytest.mark.parametrize("loss", [bernoulli_nll, gaussian_nll])
def test_shapes_and_words_that_do_not_fit(loss: object) -> None:
    with pytest.raises(ArgumentError, match="differ in shape"):
        loss(torch.zeros(2, 3), torch.zeros(2, 1))  # type: ignore[operator]
    with pytest.raises(ArgumentError, match="The batch is empty"):
        loss(torch.zeros(0, 3), torch.zeros(0, 3))  # type: ignore[operator]
    with pytest.raises(ArgumentError, match="There is no reduction 'sum'"):
        loss(torch.zeros(2, 3), torch.zeros(2, 3), reduction="sum")  # type: ignore[operator]


@given(seeds, st.floats(0.01, 0.99))
def test_sparsity_is_the_divergence_of_two_coins(seed: int, rho: float) -> None:
    codes = torch.sigmoid(draw(seed, 6, 4))
    mean = codes.mean(0)
    expected = torch.distributions.kl_divergence(Bernoulli(torch.full_like(mean, rho)), Bernoulli(mean)).sum()
    torch.testing.assert_close(sparsity_kl(codes, rho=rho), expected)
    assert sparsity_kl(codes, rho=rho) >= 0


def test_sparsity_pulls_units_towards_the_share() -> None:
    codes = torch.tensor([[0.02, 0.5], [0.02, 0.7]], requires_grad=True)
    sparsity_kl(codes, rho=0.1).backward()
    assert codes.grad is not None
    assert (codes.grad[:, 0] < 0).all()  # too seldom on: going down the slope raises it
    assert (codes.grad[:, 1] > 0).all()


def test_a_dead_unit_has_a_finite_slope() -> None:
    codes = torch.zeros(3, 2, requires_grad=True)
    loss = sparsity_kl(codes)
    loss.backward()
    assert loss.isfinite()
    assert sparsity_kl(torch.zeros(3, 2, dtype=torch.float64)).item() == pytest.approx(
        2 * (0.05 * math.log(0.05 / 1e-6) + 0.95 * math.log(0.95 / (1 - 1e-6)))
    )


def test_l1_is_the_size_of_the_code() -> None:
    codes = draw(0, 7, 5)
    torch.testing.assert_close(sparsity_l1(codes), codes.abs().sum() / 7)


def test_careless_penalties() -> None:
    with pytest.raises(ArgumentError, match="rho between 0 and 1; got 1"):
        sparsity_kl(torch.rand(2, 2), rho=1.0)
    with pytest.raises(ArgumentError, match="code_activation = sigmoid"):
        sparsity_kl(torch.tensor([[0.5, -2.0]]))
    with pytest.raises(ArgumentError, match="no code to be sparse"):
        sparsity_l1(torch.zeros(0, 3))
