"""What outputs say of inputs, against torch's distributions; learned deviations and their floor."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Normal

from leadline.errors import ArgumentError
from leadline.models.autoencoders.output_distributions import (
    BernoulliOutputs,
    GaussianOutputs,
    Spread,
    output_distribution,
    read_widths,
)


def rows(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_bernoulli_outputs() -> None:
    outputs, x = rows(0, 5, 2, 3), torch.rand(5, 2, 3, generator=torch.Generator().manual_seed(1))
    told = BernoulliOutputs()
    on = x.round()
    torch.testing.assert_close(told.nll(outputs, on), -Bernoulli(logits=outputs).log_prob(on).flatten(1).sum(1))
    torch.testing.assert_close(told.reconstruction(outputs), torch.sigmoid(outputs))
    expected = torch.distributions.kl_divergence(Bernoulli(x), Bernoulli(logits=outputs))
    torch.testing.assert_close(told.errors(outputs, x), expected)
    torch.testing.assert_close(told.errors(torch.logit(x), x), torch.zeros_like(x), atol=1e-6, rtol=0)
    torch.testing.assert_close(told.errors(outputs, on), -Bernoulli(logits=outputs).log_prob(on))
    torch.testing.assert_close(told.raw(torch.sigmoid(outputs)), outputs, atol=1e-4, rtol=1e-4)


def test_gaussian_outputs() -> None:
    outputs, x = rows(0, 5, 4), rows(1, 5, 4)
    told = GaussianOutputs(0.3)
    torch.testing.assert_close(told.nll(outputs, x), -Normal(outputs, 0.3).log_prob(x).sum(1))
    torch.testing.assert_close(told.errors(outputs, x), (outputs - x) ** 2)
    assert torch.equal(told.reconstruction(outputs), outputs)
    assert not list(told.parameters())


def test_of_pictures_and_numbers_what_is_expected_is_made_up() -> None:
    outputs, generator = rows(0, 5, 4), torch.Generator().manual_seed(0)
    assert torch.equal(BernoulliOutputs().made_up(outputs, generator), torch.sigmoid(outputs))
    assert torch.equal(GaussianOutputs(0.5).made_up(outputs, generator), outputs)


def test_a_learned_deviation_becomes_the_root_mean_squared_error() -> None:
    told = GaussianOutputs(learned=True)
    x = 0.2 * rows(0, 500, 4)
    optimizer = torch.optim.Adam(told.parameters(), lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        told.nll(torch.zeros_like(x), x).mean().backward()
        optimizer.step()
    deviation = told.log_deviation()
    assert isinstance(deviation, Tensor)
    assert deviation.exp().item() == pytest.approx(x.square().mean().sqrt().item(), rel=1e-3)


def test_a_deviation_comes_near_its_floor_and_can_rise_again() -> None:
    spread = Spread(1, 1.0, 0.05)
    assert spread().exp().item() == pytest.approx(1.0)
    with torch.no_grad():
        spread.bias.fill_(-8.0)
    assert 0.05 < spread().exp().item() < 0.0501
    spread().sum().backward()
    assert spread.bias.grad is not None
    assert spread.bias.grad.item() > 0
    spread.reset_parameters()
    assert spread().exp().item() == pytest.approx(1.0)


def test_texts() -> None:
    assert output_distribution("gaussian(0.5)").log_deviation() == math.log(0.5)  # type: ignore[operator]
    assert [name for name, _ in output_distribution("gaussian(learned=True)").named_parameters()] == ["spread.bias"]
    assert read_widths("") == read_widths("none") == ()
    assert read_widths("30") == (30,)
    assert read_widths(" 3 - 4 ") == (3, 4)
    for text in ("3-", "a", "3.5", "-3", 30, None):
        with pytest.raises(ArgumentError, match="cannot be read"):
            read_widths(text)  # type: ignore[arg-type]
