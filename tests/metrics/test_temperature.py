import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from leadline.errors import ArgumentError
from leadline.metrics import fit_temperature


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(["classes", "labels"]), st.floats(0.3, 5))
def test_equals_a_bounded_search_over_the_same_likelihood(seed: int, task: str, scale: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(200, 4, generator=generator, dtype=torch.float64) * scale
    doubt = 1 / 202
    if task == "classes":
        targets = torch.multinomial(torch.softmax(logits / 2, 1), 1, generator=generator)[:, 0]
        chosen = torch.nn.functional.one_hot(targets, 4).double()
        q = chosen * (1 - doubt) + (1 - chosen) * doubt / 3

        def surprise(temperature: float) -> float:
            return -(q * torch.log_softmax(logits / temperature, 1)).sum(1).mean().item()
    else:
        targets = torch.bernoulli(torch.sigmoid(logits / 2), generator=generator)
        q = targets * (1 - 2 * doubt) + doubt

        def surprise(temperature: float) -> float:
            return torch.nn.functional.binary_cross_entropy_with_logits(logits / temperature, q).item()

    found = fit_temperature(logits, targets)
    reference = minimize_scalar(
        lambda value: surprise(math.exp(value)), bounds=(math.log(0.05), math.log(20)), method="bounded"
    )
    assert surprise(found) <= surprise(math.exp(reference.x)) + 1e-9


def test_a_known_temperature_is_found_again() -> None:
    generator = torch.Generator().manual_seed(0)
    true = torch.randn(50_000, 5, generator=generator) * 2
    targets = torch.multinomial(torch.softmax(true, 1), 1, generator=generator)[:, 0]
    assert fit_temperature(true * 3, targets) == pytest.approx(3, rel=0.03)
    assert fit_temperature(true / 3, targets) == pytest.approx(1 / 3, rel=0.03)


def test_rows_that_are_all_right_leave_some_doubt() -> None:
    logits = torch.eye(3).repeat(30, 1) * 2
    temperature = fit_temperature(logits, torch.arange(3).repeat(30))
    top = torch.softmax(logits / temperature, 1).max().item()
    assert 0.95 < top < 1 - 1 / 200


def test_logits_that_say_nothing_and_shapes_that_do_not_fit() -> None:
    assert 0.05 <= fit_temperature(torch.zeros(10, 3), torch.zeros(10, dtype=torch.int64)) <= 20
    with pytest.raises(ArgumentError, match="do not fit"):
        fit_temperature(torch.zeros(3, 2), torch.zeros(4))
    with pytest.raises(ArgumentError, match="at least 1"):
        fit_temperature(torch.zeros(0, 2), torch.zeros(0))
