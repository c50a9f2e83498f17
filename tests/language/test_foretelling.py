"""Mixtures of language models and the cache, against what can be told by counting and by trying."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from leadline.errors import ArgumentError
from leadline.language.mixing import (
    Mixture,
    NetworkForetelling,
    cache_surprises,
    fit_cache,
    fit_mixture,
    mixed_surprises,
)
from leadline.models.language_networks import recurrent_language

seeds = st.integers(0, 2**31)


@settings(max_examples=30)
@given(seeds)
def test_the_weights_are_the_best_there_are(seed: int) -> None:
    surprises = np.random.default_rng(seed).exponential(1.0, (50, 2))
    best = minimize_scalar(
        lambda share: mixed_surprises(surprises, np.array([share, 1 - share])).mean(),
        bounds=(0, 1),
        method="bounded",
        options={"xatol": 1e-10},
    )
    found = mixed_surprises(surprises, fit_mixture(surprises)).mean()
    assert found == pytest.approx(best.fun, abs=1e-6)


@settings(max_examples=30)
@given(seeds, st.integers(1, 5))
def test_a_mixture_is_as_good_as_its_best_model(seed: int, models: int) -> None:
    surprises = np.random.default_rng(seed).exponential(2.0, (40, models))
    weights = fit_mixture(surprises)
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()
    assert mixed_surprises(surprises, weights).mean() <= surprises.mean(axis=0).min() + 1e-6


def test_a_model_that_rules_a_token_out() -> None:
    surprises = -np.log(np.array([[0.5, 0.9], [0.5, 1e-300]]))
    surprises[1, 1] = np.inf
    weights = fit_mixture(surprises)
    assert 0 < weights[0] < 1
    assert np.isfinite(mixed_surprises(surprises, weights)).all()
    with pytest.raises(ArgumentError, match="All models rule out"):
        fit_mixture(np.full((2, 2), np.inf))
    with pytest.raises(ArgumentError, match="nothing to weight"):
        fit_mixture(np.zeros((0, 2)))


class Uneven:
    """A made-up model: p of token v is proportional to v + 1, whatever came before."""

    def surprises(self, ids: NDArray[Any]) -> NDArray[np.float64]:
        return -self.log_probabilities(ids)[ids]

    def log_probabilities(self, context: NDArray[Any]) -> NDArray[np.float64]:
        return np.log(np.arange(1, 10) / 45)


def test_a_network_and_another_model_as_one() -> None:
    torch.manual_seed(0)
    network = NetworkForetelling(recurrent_language(9, embedding=4, hidden=4, dropout=0.5), start=2)
    mixed = Mixture([network, Uneven()], [0.3, 0.7])
    ids = np.array([3, 4, 5, 8])
    p = 0.3 * np.exp(-network.surprises(ids)) + 0.7 * (ids + 1) / 45
    assert mixed.surprises(ids) == pytest.approx(-np.log(p))
    one_by_one = [-mixed.log_probabilities(ids[:at])[token] for at, token in enumerate(ids)]
    assert mixed.surprises(ids) == pytest.approx(np.array(one_by_one), rel=1e-5)
    assert network.model.training
    assert np.exp(mixed.log_probabilities(ids)).sum() == pytest.approx(1)
    with pytest.raises(ArgumentError, match="sum to 1"):
        Mixture([network, Uneven()], [0.3, 0.3])


@settings(max_examples=15)
@given(seeds, st.integers(1, 40), st.floats(0, 2))
def test_the_cache_by_its_formula(seed: int, size: int, flatness: float) -> None:
    draw = torch.Generator().manual_seed(seed)
    features = torch.randn(30, 3, generator=draw, dtype=torch.float64)
    ids = torch.randint(4, (30,), generator=draw)
    found = cache_surprises(features, ids, flatness=flatness, size=size)
    for at in range(30):
        past = range(max(0, at - size), at)
        weights = {i: math.exp(flatness * float(features[at] @ features[i])) for i in past}
        same = sum(weight for i, weight in weights.items() if ids[i] == ids[at])
        if same == 0:
            assert found[at] == math.inf
        else:
            assert found[at] == pytest.approx(-math.log(same / sum(weights.values())), abs=1e-9)


def test_the_cache_goes_over_the_edges_of_its_blocks() -> None:
    draw = torch.Generator().manual_seed(0)
    features, ids = torch.randn(1100, 2, generator=draw, dtype=torch.float64), torch.randint(3, (1100,), generator=draw)
    found = cache_surprises(features, ids, flatness=0.5, size=100)
    for at in (511, 512, 513, 1024, 1099):
        scores = torch.exp(0.5 * features[at - 100 : at] @ features[at])
        share = scores[ids[at - 100 : at] == ids[at]].sum() / scores.sum()
        assert found[at] == pytest.approx(-math.log(share), abs=1e-9)


def test_the_cache_helps_where_words_come_back() -> None:
    draw = np.random.default_rng(0)
    topic = np.repeat(draw.integers(0, 50, 20), 60)
    ids = torch.from_numpy(topic * 3 + draw.integers(0, 3, 1200))
    network = np.full(1200, math.log(150.0))
    fit = fit_cache(torch.ones(1200, 2), ids, network, sizes=(30, 600))
    assert fit.size == 30
    assert fit.perplexity < 20
    assert 0.5 < fit.weight < 1
    with pytest.raises(ArgumentError, match="cache cannot be made"):
        cache_surprises(torch.ones(3, 2), torch.ones(4), flatness=0.0, size=3)
