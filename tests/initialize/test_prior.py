"""The prior bias: an untrained head answers with the frequencies."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from leadline import initialize
from leadline.errors import ArgumentError

shares = st.lists(st.floats(0.01, 0.99), min_size=2, max_size=8).map(torch.tensor)


def answer(layer: nn.Linear) -> Tensor:
    found: Tensor = layer(torch.zeros(layer.in_features)).detach()
    return found


@settings(max_examples=40, deadline=None)
@given(shares)
def test_classes_answer_with_their_frequencies(weights: Tensor) -> None:
    p = weights / weights.sum()
    layer = nn.Linear(3, len(p))
    before = layer.weight.clone()
    initialize.set_prior_bias(layer, p, task="classes")
    assert answer(layer).softmax(0).tolist() == pytest.approx(p.tolist(), rel=1e-4)
    assert layer.weight.equal(before)
    assert layer.bias.requires_grad


@settings(max_examples=40, deadline=None)
@given(shares)
def test_labels_answer_with_their_frequencies(p: Tensor) -> None:
    layer = nn.Linear(3, len(p))
    initialize.set_prior_bias(layer, p, task="labels")
    assert answer(layer).sigmoid().tolist() == pytest.approx(p.tolist(), rel=1e-4)


def test_numbers_start_at_their_mean() -> None:
    layer = nn.Linear(3, 2)
    initialize.set_prior_bias(layer, torch.zeros(2), task="number")
    assert layer.bias.tolist() == [0, 0]


@pytest.mark.parametrize("task", ["classes", "labels"])
def test_what_training_lacks_stays_possible(task: str) -> None:
    layer = nn.Linear(3, 2)
    initialize.set_prior_bias(layer, torch.tensor([1.0, 0.0]), task=task)
    assert layer.bias.isfinite().all()
    assert layer.bias[0] > layer.bias[1]


@pytest.mark.parametrize(
    ("layer", "p", "task", "words"),
    [
        (nn.Linear(2, 2, bias=False), torch.ones(2), "classes", "no bias"),
        (nn.Linear(2, 2), torch.ones(3), "classes", r"Expected shape \[2\]; got \[3\]"),
        (nn.Linear(2, 2), torch.tensor([1.5, -0.5]), "classes", "out of range"),
        (nn.Linear(2, 2), torch.tensor([torch.nan, 0.5]), "labels", "out of range"),
        (nn.Linear(2, 2), torch.ones(2), "clases", "Did you mean 'classes'"),
    ],
)
def test_what_does_not_fit_is_refused(layer: nn.Linear, p: Tensor, task: str, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        initialize.set_prior_bias(layer, p, task=task)
