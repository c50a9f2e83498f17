"""The pseudo-likelihood: by enumeration, right on average when drawn, comparable from epoch to epoch."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from leadline.errors import ArgumentError
from leadline.models.boltzmann.boltzmann_machines import RestrictedBoltzmannMachine
from leadline.models.boltzmann.pseudo_likelihoods import BoltzmannEvaluation, pseudo_log_likelihood


def machine(seed: int, units: int = 6, hidden: int = 4, visible: str = "bernoulli") -> RestrictedBoltzmannMachine:
    torch.manual_seed(seed)
    made = RestrictedBoltzmannMachine((units,), hidden, visible=visible).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_()
    return made


@settings(max_examples=25)
@given(st.integers(0, 2**31))
def test_it_is_the_sum_of_the_conditionals(seed: int) -> None:
    made = machine(seed)
    v = torch.tensor(list(itertools.product([0.0, 1.0], repeat=6)), dtype=torch.float64)
    with torch.no_grad():
        w, b, c = made.weight, made.visible_bias, made.hidden_bias
        h = torch.tensor(list(itertools.product([0.0, 1.0], repeat=4)), dtype=torch.float64)
        joint = torch.exp((v @ b)[:, None] + (h @ c)[None] + v @ w.t() @ h.t()).sum(1)  # not normalized: ratios are enough
    expected = torch.zeros(64, dtype=torch.float64)
    for unit in range(6):
        other = torch.arange(64) ^ (1 << (5 - unit))
        expected += torch.log(joint / (joint + joint[other]))
    torch.testing.assert_close(pseudo_log_likelihood(made, v), expected)
    torch.testing.assert_close(pseudo_log_likelihood(made, v, units=6), expected)


def test_a_few_units_are_right_on_average_and_are_not_asked_twice() -> None:
    made, v = machine(1), torch.tensor([[0.0, 1, 1, 0, 1, 0]], dtype=torch.float64)
    exact = pseudo_log_likelihood(made, v).item()
    generator = torch.Generator().manual_seed(0)
    for units in (1, 3, 5):
        found = pseudo_log_likelihood(made, v.expand(20_000, -1), units=units, generator=generator)
        assert found.mean().item() == pytest.approx(exact, abs=5 * found.std().item() / 20_000**0.5)
    spread = [pseudo_log_likelihood(made, v.expand(2000, -1), units=units).std().item() for units in (1, 3, 5)]
    assert spread[0] > spread[1] > spread[2], "without repetition, more units tell more"


def test_large_machines_are_cut_into_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    made, v = machine(2), torch.rand(30, 6, dtype=torch.float64).round()
    whole = pseudo_log_likelihood(made, v)
    monkeypatch.setattr("leadline.models.boltzmann.pseudo_likelihoods._AT_ONCE", 100)
    torch.testing.assert_close(pseudo_log_likelihood(made, v), whole)


def test_grey_values_are_drawn() -> None:
    made = machine(3)
    grey = torch.full((4000, 6), 0.5, dtype=torch.float64)
    v = torch.tensor(list(itertools.product([0.0, 1.0], repeat=6)), dtype=torch.float64)
    found = pseudo_log_likelihood(made, grey)
    assert found.mean().item() == pytest.approx(
        pseudo_log_likelihood(made, v).mean().item(), abs=5 * found.std().item() / 4000**0.5
    )


def test_evaluation_tells_the_same_of_the_same_machine_and_less_of_a_worse_one() -> None:
    made = machine(4, 12, 5)
    rows = made.chain(torch.zeros(300, 12, dtype=torch.float64), 50)
    evaluation = BoltzmannEvaluation(made, [(rows[:200], None), (rows[200:], None)], units=4, beside=rows[:100])
    told = evaluation()
    assert told == evaluation()
    assert told["valid_loss"] == -told["valid_pseudo_likelihood"]
    torch.testing.assert_close(told["valid_reconstruction"], (made.reconstruct(rows) - rows).square().sum(1).mean().item())
    gap = made.free_energy(rows).mean() - made.free_energy(rows[:100]).mean()
    assert told["valid_free_energy_gap"] == pytest.approx(gap.item())
    with torch.no_grad():
        made.weight.mul_(-1)
    assert evaluation()["valid_pseudo_likelihood"] < told["valid_pseudo_likelihood"] - 1


def test_evaluation_of_gaussian_units() -> None:
    made = machine(5, visible="gaussian")
    told = BoltzmannEvaluation(made, [torch.randn(20, 6, dtype=torch.float64)])()
    assert list(told) == ["valid_loss", "valid_reconstruction"]
    assert told["valid_loss"] == told["valid_reconstruction"]


def test_what_is_refused() -> None:
    rows = torch.zeros(3, 6, dtype=torch.float64)
    with pytest.raises(ArgumentError, match="no closed form"):
        pseudo_log_likelihood(machine(0, visible="gaussian"), rows)
    with pytest.raises(ArgumentError, match="units up to 6; got 7"):
        pseudo_log_likelihood(machine(0), rows, units=7)
    with pytest.raises(ArgumentError, match=r"numbers in \[0, 1\]"):
        pseudo_log_likelihood(machine(0), rows - 1)
    with pytest.raises(ArgumentError, match="at least 1 row"):
        BoltzmannEvaluation(machine(0), [])()
