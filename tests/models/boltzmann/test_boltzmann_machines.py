"""Boltzmann machines: energies by enumeration, chains against the exact distribution, what the data give, what is refused."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neural_network import BernoulliRBM
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.explain.filters import first_filters
from leadline.models.boltzmann.boltzmann_machines import (
    RestrictedBoltzmannMachine,
    as_boltzmann_machine,
    check_rows,
    drawn,
    hidden_filters,
    rbm,
)

seeds = st.integers(0, 2**31)
kinds = st.sampled_from(["bernoulli", "gaussian"])


def states(units: int) -> Tensor:
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=units)), dtype=torch.float64)


def machine(
    seed: int, visible: str = "bernoulli", units: int = 5, hidden: int = 4, spread: float = 1.0
) -> RestrictedBoltzmannMachine:
    """Of random parameters, in double precision; Gaussian units with random means and scales."""
    draw = torch.Generator().manual_seed(seed)
    made = RestrictedBoltzmannMachine((units,), hidden, visible=visible).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(0, spread, generator=draw)
        if visible == "gaussian":
            made.mean.normal_(0, 2, generator=draw)
            made.scale.uniform_(0.5, 2, generator=draw)
    return made


def energies(made: RestrictedBoltzmannMachine, v: Tensor, h: Tensor) -> Tensor:
    """E(v, h) for each pair, [B, 2^H], written out."""
    w, b, c = (each.detach() for each in (made.weight, made.visible_bias, made.hidden_bias))
    if made.visible == "gaussian":
        z = (v - made.mean) / made.scale
        alone = 0.5 * ((z - b) ** 2).sum(1)
    else:
        z, alone = v, -(v * b).sum(1)
    return alone[:, None] - (h * c).sum(1)[None, :] - torch.einsum("bd,hd,sh->bs", z, w, h)


@settings(max_examples=25)
@given(seeds, kinds)
def test_the_free_energy_sums_over_the_hidden_units(seed: int, visible: str) -> None:
    made = machine(seed, visible)
    v = states(5) if visible == "bernoulli" else 3 * torch.randn(20, 5, dtype=torch.float64)
    expected = -torch.logsumexp(-energies(made, v, states(4)), dim=1)
    torch.testing.assert_close(made.free_energy(v), expected)


@settings(max_examples=25)
@given(seeds, kinds)
def test_conditionals_are_those_of_the_energy(seed: int, visible: str) -> None:
    made = machine(seed, visible)
    v, h = torch.rand(6, 5, dtype=torch.float64).round(), states(4)
    joint = torch.softmax(-energies(made, v, h), dim=1)
    torch.testing.assert_close(made(v), joint @ h)
    means = made.visible_means(h)
    if visible == "bernoulli":
        every = states(5)
        torch.testing.assert_close(means, torch.softmax(-energies(made, every, h).t(), dim=1) @ every)
    else:  # the energy is least where the units are at their means, and grows by ½ a unit of scale from there
        at = made.restored(means)
        least = energies(made, at, h).diagonal()
        for unit in range(5):
            off = at.clone()
            off[:, unit] += made.scale[unit]
            torch.testing.assert_close(energies(made, off, h).diagonal() - least, torch.full((16,), 0.5, dtype=torch.float64))


def test_the_free_energy_is_that_of_scikit_learn() -> None:
    rows = np.random.default_rng(0).integers(0, 2, (60, 12)).astype(np.float64)
    peer = BernoulliRBM(7, n_iter=3, random_state=0).fit(rows)
    made = RestrictedBoltzmannMachine((12,), 7).double()
    with torch.no_grad():
        made.weight.copy_(torch.from_numpy(peer.components_))
        made.visible_bias.copy_(torch.from_numpy(peer.intercept_visible_))
        made.hidden_bias.copy_(torch.from_numpy(peer.intercept_hidden_))
    torch.testing.assert_close(made.free_energy(torch.from_numpy(rows)).detach().numpy(), peer._free_energy(rows))
    torch.testing.assert_close(made(torch.from_numpy(rows)).detach().numpy(), peer.transform(rows))


def test_a_chain_comes_to_the_distribution() -> None:
    made, v = machine(3, spread=0.8), states(5)
    exact = torch.softmax(-made.free_energy(v).detach(), dim=0)
    end = made.chain(torch.zeros(40_000, 5, dtype=torch.float64), 60, torch.Generator().manual_seed(0))
    number = (end @ (2 ** torch.arange(4, -1, -1, dtype=torch.float64))).long()
    found = torch.bincount(number, minlength=32) / 40_000
    assert ((found - exact).abs() < 5 * (exact * (1 - exact) / 40_000).sqrt() + 1e-4).all()


def test_a_chain_of_gaussian_units_has_the_moments_of_the_mixture() -> None:
    made, h = machine(4, "gaussian", units=3, hidden=3, spread=0.6), states(3)
    w, b, c = (each.detach() for each in (made.weight, made.visible_bias, made.hidden_bias))
    centers = b + h @ w
    share = torch.softmax(h @ c + 0.5 * centers.square().sum(1), dim=0)
    mean = share @ centers
    variance = share @ (centers - mean).square() + 1
    end = made.chain(torch.zeros(40_000, 3, dtype=torch.float64), 60, torch.Generator().manual_seed(0))
    assert (end.mean(0) - mean).abs().max() < 5 * (variance.max() / 40_000).sqrt()
    torch.testing.assert_close(end.var(0), variance, rtol=0.05, atol=0)
    rows = made.sample(5000, steps=60, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(rows.mean(0), made.restored(mean[None])[0], rtol=0, atol=0.15)


def test_samples_are_means_of_a_picture_and_follow_their_start_and_generator() -> None:
    torch.manual_seed(0)
    made = RestrictedBoltzmannMachine((1, 4, 4), 8)
    with torch.no_grad():
        made.weight.normal_()
    first, again, other = (made.sample(6, steps=5, generator=torch.Generator().manual_seed(n)) for n in (0, 0, 1))
    assert first.shape == (6, 1, 4, 4)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert ((first > 0) & (first < 1)).all()
    with torch.no_grad():
        made.weight.zero_()
        made.visible_bias.zero_()
        made.weight[0, 0] = made.hidden_bias[0] = 30  # pixel 0 and unit 0 hold each other on, or off without a bias
        made.hidden_bias[0], made.visible_bias[0] = -15, -15
    start = torch.zeros(2, 1, 4, 4)
    start[0, 0, 0, 0] = 1
    assert made.sample(2, steps=20, start=start)[:, 0, 0, 0].round().tolist() == [1, 0]


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_reconstruction_goes_up_and_down(visible: str) -> None:
    made, x = machine(1, visible), torch.rand(7, 5, dtype=torch.float64)
    w, b, c = (each.detach() for each in (made.weight, made.visible_bias, made.hidden_bias))
    z = x if visible == "bernoulli" else (x - made.mean) / made.scale
    back = torch.sigmoid(z @ w.t() + c) @ w + b
    expected = torch.sigmoid(back) if visible == "bernoulli" else back * made.scale + made.mean
    torch.testing.assert_close(made.reconstruct(x).detach(), expected)


def test_the_start_makes_bernoulli_units_as_frequent_as_in_the_data() -> None:
    rows = (torch.rand(500, 1, 2, 3, generator=torch.Generator().manual_seed(0)) < 0.3).float()
    rows[:, 0, 1, 2] = 0  # never on
    made = RestrictedBoltzmannMachine((1, 2, 3), 4)
    torch.nn.init.zeros_(made.weight)
    made.start_from(rows)
    expected = (rows.sum(0) + 1) / 502
    torch.testing.assert_close(made.sample(1, steps=1)[0].detach(), expected)
    assert made.visible_bias.isfinite().all()


def test_the_start_standardizes_gaussian_units_but_for_constant_ones() -> None:
    rows = torch.randn(400, 5, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 10, 0, 0.1, 0]) + 7
    made = RestrictedBoltzmannMachine((5,), 4, visible="gaussian", noise=0.5)
    made.start_from(rows)
    z = made.standardized(rows)
    torch.testing.assert_close(z.mean(0), torch.zeros(5), rtol=0, atol=1e-4)
    torch.testing.assert_close(z.std(0, correction=0), torch.tensor([2.0, 2, 0, 2, 0]), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(made.restored(z), rows, rtol=1e-5, atol=1e-5)


def test_the_first_weights_are_those_of_the_guide() -> None:
    torch.manual_seed(0)
    made = rbm((1, 28, 28), hidden=200)
    assert made.weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert not made.hidden_bias.any()
    assert rbm((4,), hidden=3, hidden_start=-2.0).hidden_bias.tolist() == [-2, -2, -2]
    assert sum(p.numel() for p in made.parameters()) == 785 * 200 + 784


def test_filters_are_the_weights_as_pictures() -> None:
    made = RestrictedBoltzmannMachine((2, 3, 4), 5)
    found = hidden_filters(made)
    assert found.shape == (5, 2, 3, 4)
    assert found[3, 1, 2, 0] == made.weight[3, 12 + 8]
    np.testing.assert_array_equal(found, first_filters(made, (2, 3, 4)))


def test_features_can_be_learned_through() -> None:
    made = rbm((6,), hidden=4)
    made(torch.rand(3, 6)).sum().backward()
    assert made.weight.grad is not None
    assert made.weight.grad.abs().min() > 0


def test_drawn_units_have_their_probabilities() -> None:
    found = drawn(torch.full((100_000,), 0.2), torch.Generator().manual_seed(0))
    assert set(found.tolist()) == {0.0, 1.0}
    assert found.mean().item() == pytest.approx(0.2, abs=5 * math.sqrt(0.16 / 100_000))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"shape": (0,)}, "shape is out of range"),
        ({"hidden": 0}, "hidden is out of range"),
        ({"visible": "gausian"}, "Did you mean 'gaussian'?"),
        ({"noise": 0}, "noise is out of range"),
    ],
)
def test_arguments_that_are_refused(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ArgumentError, match=said.replace("?", r"\?")):
        RestrictedBoltzmannMachine(**({"shape": (3,), "hidden": 2} | arguments))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (torch.zeros(4, 5), r"Expected shape \[B, 1, 2, 3\]; got shape \[4, 5\]"),
        (torch.zeros(4, 1, 2, 3, dtype=torch.uint8), "Divide bytes by 255"),
        (torch.zeros(4, 6, dtype=torch.float64), "Expected float32"),
        (torch.full((4, 6), -0.1), r"Expected numbers in \[0, 1\]; got numbers from -0.1"),
        (torch.tensor([[0, 1, 0, math.nan, 0, 1]]), "Expected finite numbers"),
        (torch.zeros(0, 6), "at least 1 row"),
    ],
)
def test_rows_that_are_refused(rows: Tensor, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        check_rows(RestrictedBoltzmannMachine((1, 2, 3), 2), rows)


def test_more_that_is_refused() -> None:
    check_rows(RestrictedBoltzmannMachine((6,), 2, visible="gaussian"), torch.full((4, 6), -3.0))
    with pytest.raises(ArgumentError, match="steps is out of range"):
        RestrictedBoltzmannMachine((6,), 2).sample(3, steps=0)
    with pytest.raises(ArgumentError, match="Linear is no Boltzmann machine"):
        as_boltzmann_machine(torch.nn.Linear(3, 2))
    with pytest.raises(ArgumentError, match="row for each chain to begin at. Expected 3; got 2"):
        rbm((4,), hidden=3).sample(3, start=torch.rand(2, 4))  # type: ignore[operator]
