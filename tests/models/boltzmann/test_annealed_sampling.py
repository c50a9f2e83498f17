"""The partition function: by brute force, by numerical integration, and estimated within its standard error."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.models.boltzmann.annealed_sampling import annealed_log_partition, exact_log_partition, log_likelihood
from leadline.models.boltzmann.boltzmann_machines import RestrictedBoltzmannMachine


def machine(seed: int, units: int, hidden: int, visible: str = "bernoulli", spread: float = 1.0) -> RestrictedBoltzmannMachine:
    torch.manual_seed(seed)
    made = RestrictedBoltzmannMachine((units,), hidden, visible=visible).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(0, spread)
        if visible == "gaussian":
            made.mean.normal_()
            made.scale.uniform_(0.5, 2)
    return made


def states(units: int) -> Tensor:
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=units)), dtype=torch.float64)


@settings(max_examples=25)
@given(st.integers(0, 2**31), st.integers(1, 6), st.integers(1, 6))
def test_the_sum_is_that_over_both_layers(seed: int, units: int, hidden: int) -> None:
    made, v, h = machine(seed, units, hidden), states(units), states(hidden)
    with torch.no_grad():
        exponents = (v @ made.visible_bias)[:, None] + (h @ made.hidden_bias)[None] + v @ made.weight.t() @ h.t()
    assert exact_log_partition(made) == pytest.approx(torch.logsumexp(exponents.flatten(), 0).item(), rel=1e-12)
    assert log_likelihood(made, v, exact_log_partition(made)).exp().sum().item() == pytest.approx(1, rel=1e-10)


def test_many_states_are_summed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    made = machine(0, 30, 9)
    whole = exact_log_partition(made)
    monkeypatch.setattr("leadline.models.boltzmann.annealed_sampling._VALUES_AT_ONCE", 100 * 39)
    assert exact_log_partition(made) == pytest.approx(whole, rel=1e-13)


def test_the_density_of_gaussian_units_integrates_to_one() -> None:
    made = machine(1, 1, 5, "gaussian")
    x = torch.linspace(-60, 60, 200_001, dtype=torch.float64)[:, None]
    density = log_likelihood(made, x, exact_log_partition(made)).exp()
    assert torch.trapezoid(density, x[:, 0]).item() == pytest.approx(1, rel=1e-9)
    both = machine(2, 2, 4, "gaussian", spread=0.7)
    line = torch.linspace(-25, 25, 1001, dtype=torch.float64)
    grid = log_likelihood(both, torch.cartesian_prod(line, line), exact_log_partition(both)).exp().view(1001, 1001)
    assert torch.trapezoid(torch.trapezoid(grid, line), line).item() == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
@pytest.mark.parametrize("based", [False, True])
def test_the_estimate_is_the_sum_within_its_error(visible: str, based: bool) -> None:
    distances = []
    for seed in range(8):
        made = machine(seed, 12, 8, visible, spread=0.7 if visible == "bernoulli" else 0.4)
        rows = made.restored(made.chain(torch.zeros(200, 12, dtype=torch.float64), 50)) if based else None
        found = annealed_log_partition(made, rows=rows, chains=150, temperatures=400, seed=seed)
        assert found.standard_error < 0.1
        assert found.effective_chains > 50
        distances.append((found.log_partition - exact_log_partition(made)) / found.standard_error)
    assert max(map(abs, distances)) < 4
    assert 0.3 < math.sqrt(sum(each**2 for each in distances) / 8) < 1.8, (
        "the standard error is neither too small nor too large"
    )


def test_more_temperatures_are_surer() -> None:
    made = machine(3, 12, 8, spread=1.5)
    few, many = (annealed_log_partition(made, chains=200, temperatures=number) for number in (20, 1000))
    assert many.standard_error < few.standard_error / 2
    assert many.effective_chains > few.effective_chains


def test_the_same_seed_is_the_same_estimate() -> None:
    made = machine(4, 10, 5)
    first, again, other = (annealed_log_partition(made, temperatures=50, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_what_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"at most 24 units in the smaller layer; got 25\. Estimate it"):
        exact_log_partition(RestrictedBoltzmannMachine((25,), 30))
    with pytest.raises(ArgumentError, match="got 25"):
        exact_log_partition(RestrictedBoltzmannMachine((3,), 25, visible="gaussian"))
    small = machine(0, 3, 2)
    with pytest.raises(ArgumentError, match="chains is out of range"):
        annealed_log_partition(small, chains=1)
    with pytest.raises(ArgumentError, match="temperatures is out of range"):
        annealed_log_partition(small, temperatures=5)
    with pytest.raises(ArgumentError, match="rows of 0 and 1"):
        log_likelihood(small, torch.full((2, 3), 0.5, dtype=torch.float64), 0.0)
