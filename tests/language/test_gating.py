"""Weights by what is known before each token, against the best there are, and what a mixture by them foretells."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import leadline.language as language
from leadline.errors import ArgumentError
from leadline.language import NetworkForetelling, fit_gate, fit_mixture, mixed_surprises
from leadline.models.language_networks import recurrent_language


def two_who_know(seed: int, count: int = 4000) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Surprises of two models, and a sign that says how much more the second one knows, among others that say nothing."""
    rng = np.random.default_rng(seed)
    signs = rng.normal(size=(count, 6))
    right = rng.random(count) < 1 / (1 + np.exp(-2 * signs[:, 2] - 0.5))
    likely, unlikely = np.log(2.0), np.log(50.0)
    return np.stack([np.where(right, unlikely, likely), np.where(right, likely, unlikely)], axis=1), 100 + 7 * signs


def test_the_gate_is_the_best_there_is() -> None:
    """With two outcomes alone the loss is that of a logistic regression whose slopes are known."""
    surprises, signs = two_who_know(0, 40_000)
    gate = fit_gate(surprises, signs, penalty=0.0)
    weights = gate.weights(signs)[:, 1]
    true = 1 / (1 + np.exp(-2 * (signs[:, 2] - 100) / 7 - 0.5))
    # 0.5 = w p₁ + (1 − w) p₂ is not w itself; the best weight at a token is (π − p₂ / (p₁ + p₂)) stretched, cut to [0, 1].
    low, high = 1 / 50, 1 / 2
    best = np.clip((true * (low + high) - low) / (high - low), 1e-9, 1)

    def loss(w: NDArray[np.float64]) -> float:
        return float(mixed_surprises(surprises, np.stack([1 - w, w], axis=1)).mean())

    assert loss(weights) < loss(np.full(len(true), fit_mixture(surprises)[1])) - 0.2
    assert loss(best) < loss(weights) < loss(best) + 0.01  # a curve of logits cannot be cut off at 0 and 1


def test_on_other_text_it_is_better_than_one_weight_where_signs_say_something_and_no_worse_where_not() -> None:
    surprises, signs = two_who_know(1)
    others, other_signs = two_who_know(2)
    constant = mixed_surprises(others, fit_mixture(surprises)).mean()
    gated = mixed_surprises(others, fit_gate(surprises, signs).weights(other_signs)).mean()
    assert gated < constant - 0.15
    chance = np.random.default_rng(3)
    nothing, other_nothing = chance.normal(size=signs.shape), chance.normal(size=signs.shape)
    assert mixed_surprises(others, fit_gate(surprises, nothing).weights(other_nothing)).mean() == pytest.approx(
        constant, abs=0.01
    )


def test_a_heavy_penalty_leaves_one_weight_for_all() -> None:
    surprises, signs = two_who_know(4)
    weights = fit_gate(surprises, signs, penalty=1e6).weights(signs)
    np.testing.assert_allclose(weights, np.broadcast_to(fit_mixture(surprises), weights.shape), atol=1e-3)


def test_three_models_a_sign_that_never_changes_and_a_token_that_one_rules_out() -> None:
    surprises, signs = two_who_know(5, 500)
    surprises = np.concatenate([surprises, np.full((500, 1), 3.0)], axis=1)
    surprises[7, 0] = np.inf
    signs[:, 0] = 4.0
    weights = fit_gate(surprises, signs).weights(signs)
    assert np.isfinite(weights).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert np.isfinite(mixed_surprises(surprises, weights)).all()


def test_the_signs_of_an_n_gram_model_are_known_before_the_token() -> None:
    text = np.random.default_rng(0).integers(2, 6, 300)
    model = language.fit_ngrams(text, 7, order=3, boundary=2).model
    ids = np.array([3, 4, 5, 3, 2, 4, 4])
    signs = model.signs(ids)
    assert signs.shape == (7, 4)
    for at in range(len(ids)):
        other = ids.copy()
        other[at:] = 6  # a word that never came
        np.testing.assert_array_equal(model.signs(other)[at], signs[at])
    # A past of one word is known wherever there is one, or the beginning of a sentence; its weight is that of the model.
    assert signs[1:, 0].all()
    assert signs[3, 1] == pytest.approx(float(model.levels[0].back_off[5]))
    assert signs[0, 2] == signs[5, 2] == 0  # before the first word of a sentence there are no two


def test_signs_are_finite_where_nothing_is_left_for_words_that_did_not_come() -> None:
    text = np.random.default_rng(0).integers(1, 4, 300)
    model = language.fit_ngrams(text, 4, settings=language.NGramSettings(2, "katz")).model
    assert np.isinf(model.levels[0].back_off).any()
    assert np.isfinite(model.signs(text)).all()


def test_a_gated_mixture_is_a_distribution_and_foretells_as_it_reads() -> None:
    torch.manual_seed(0)
    text = np.random.default_rng(1).integers(3, 9, 600)
    network = NetworkForetelling(recurrent_language(9, embedding=4, hidden=4), start=2)
    models = [network, language.fit_ngrams(text[:300], 9, order=3, boundary=2).model]
    mixture = language.GatedMixture(models, fit_gate(*language.surprises_and_signs(models, text[300:])))
    ids = np.array([3, 5, 8, 4])
    surprises = mixture.surprises(ids)
    for at in range(len(ids)):
        log_p = mixture.log_probabilities(ids[:at])
        assert np.exp(log_p).sum() == pytest.approx(1, abs=1e-6)
        assert -log_p[ids[at]] == pytest.approx(surprises[at], abs=1e-4)


@pytest.mark.parametrize("signs", [np.zeros((3, 2)), np.zeros(4), np.full((4, 1), np.nan)])
def test_signs_that_do_not_fit_are_refused(signs: NDArray[np.float64]) -> None:
    with pytest.raises(ArgumentError, match="signs do not fit"):
        fit_gate(np.ones((4, 2)), signs)
