"""Information measures: against SciPy, and the identities and inequalities that define them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]
from torch import Tensor

from leadline import metrics
from leadline.errors import ArgumentError


def distributions(seed: int, rows: int = 3, length: int = 5) -> Tensor:
    draw = np.random.default_rng(seed)
    p = draw.random((rows, length)) * (draw.random((rows, length)) < 0.7)
    p[:, 0] += 0.01
    return torch.from_numpy(p / p.sum(1, keepdims=True))


seeds = given(st.integers(0, 2**32 - 1))


@settings(max_examples=30, deadline=None)
@seeds
def test_as_scipy(seed: int) -> None:
    p, q = distributions(seed), torch.softmax(distributions(seed + 1), 1)
    assert metrics.entropy(p).tolist() == pytest.approx(stats.entropy(p, axis=1))
    assert metrics.entropy(p, base=2).tolist() == pytest.approx(stats.entropy(p, axis=1, base=2))
    assert metrics.kl_divergence(p, q, base=10).tolist() == pytest.approx(stats.entropy(p, q, axis=1, base=10))


@settings(max_examples=30, deadline=None)
@seeds
def test_cross_entropy_is_entropy_and_divergence(seed: int) -> None:
    p, q = distributions(seed), torch.softmax(distributions(seed + 1), 1)
    assert metrics.cross_entropy(p, q).tolist() == pytest.approx((metrics.entropy(p) + metrics.kl_divergence(p, q)).tolist())
    assert (metrics.kl_divergence(p, q) > 0).all()
    assert (metrics.kl_divergence(p, p) == 0).all()


@settings(max_examples=30, deadline=None)
@seeds
def test_entropy_is_mean_information_between_certain_and_uniform(seed: int) -> None:
    p = distributions(seed)
    content = metrics.information_content(p)
    assert metrics.entropy(p).tolist() == pytest.approx((p * content).nan_to_num(0).sum(1).tolist())
    assert ((metrics.entropy(p) >= 0) & (metrics.entropy(p) <= math.log(5) + 1e-12)).all()
    assert metrics.entropy(torch.full((5,), 0.2)).item() == pytest.approx(math.log(5))


@settings(max_examples=30, deadline=None)
@seeds
def test_mutual_information_is_what_the_other_variable_leaves_less_uncertain(seed: int) -> None:
    joint = distributions(seed, 1, 12).reshape(3, 4)
    x, y = joint.sum(1), joint.sum(0)
    expected = metrics.entropy(x) + metrics.entropy(y) - metrics.entropy(joint.flatten())
    assert metrics.mutual_information(joint).item() == pytest.approx(expected.item(), abs=1e-12)
    assert metrics.mutual_information(joint.T).item() == pytest.approx(expected.item(), abs=1e-12)
    assert metrics.mutual_information(x[:, None] * y).item() == pytest.approx(0, abs=1e-12)


def test_what_was_ruled_out_costs_everything() -> None:
    p, q = torch.tensor([0.5, 0.5, 0.0]), torch.tensor([1.0, 0.0, 0.0])
    assert metrics.kl_divergence(p, q).item() == metrics.cross_entropy(p, q).item() == math.inf
    assert metrics.kl_divergence(q, p).item() == pytest.approx(math.log(2))
    assert metrics.information_content(torch.tensor(0.0)).item() == math.inf
    assert metrics.perplexity(torch.tensor([0.5, 0.0])).item() == math.inf


def test_perplexity_is_the_geometric_mean_of_the_odds() -> None:
    assert metrics.perplexity(torch.tensor([[0.5, 0.125], [1.0, 1.0]])).tolist() == pytest.approx([4, 1])


def test_gradients_pass() -> None:
    logits = torch.randn(2, 4, generator=torch.Generator().manual_seed(0)).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: metrics.entropy(z.softmax(1)), logits)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: metrics.entropy(torch.tensor([0.5, 0.4])), "do not sum to 1"),
        (lambda: metrics.entropy(torch.tensor([1.5, -0.5])), "out of range"),
        (lambda: metrics.perplexity(torch.tensor([torch.nan])), "out of range"),
        (lambda: metrics.kl_divergence(torch.ones(1), torch.ones(2) / 2), "differ in length"),
        (lambda: metrics.mutual_information(torch.ones(1)), "two axes"),
        (lambda: metrics.entropy(torch.ones(1), base=1), "base of the logarithm"),
    ],
)
def test_what_is_no_distribution_is_refused(call, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ArgumentError, match=words):
        call()
