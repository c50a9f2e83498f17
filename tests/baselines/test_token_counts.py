"""Counted tokens: a distribution whatever came before, the formula by hand, and better with a longer past that matters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadline.baselines.token_counts import CountedTokens
from leadline.errors import ArgumentError

streams = st.lists(st.integers(1, 5), max_size=30).map(lambda ids: np.array(ids, np.int64))


@given(streams, streams, st.integers(1, 5), st.sampled_from([None, 2]))
def test_it_sums_to_one_and_says_the_same_token_by_token(
    learned: np.ndarray, text: np.ndarray, order: int, start: int | None
) -> None:
    model = CountedTokens(learned, 6, order=order, start=start)
    surprises = model.surprises(text)
    assert surprises.shape == (len(text),)
    for at in range(len(text)):
        log_p = model.log_probabilities(text[:at])
        assert np.exp(log_p).sum() == pytest.approx(1)
        assert log_p[0] == -np.inf
        assert -log_p[text[at]] == pytest.approx(surprises[at])


def test_the_formula_by_hand() -> None:
    model = CountedTokens(np.array([2, 3, 2, 3, 2, 4]), 5, order=2)
    p = np.exp(-model.surprises(np.array([2, 3, 1])))
    # Alone: 2 came 3 times of 6, and one is added for each of 4 tokens. After 2: 3 twice of 3; after 3: 2 twice of 2.
    assert p == pytest.approx([4 / 10, (2 + 10 * 3 / 10) / (3 + 10), (0 + 10 * 1 / 10) / (2 + 10)])


def test_a_past_that_decides_is_used_and_strengths_are_chosen() -> None:
    generator = np.random.default_rng(0)
    text = generator.integers(1, 8, 6000)
    for at in range(2, len(text)):  # what comes is told by the two before, nine times of ten
        if generator.random() < 0.9:
            text[at] = (text[at - 1] * 3 + text[at - 2]) % 7 + 1
    train, valid, test = text[:4000], text[4000:5000], text[5000:]
    means = [CountedTokens(train, 8, order=n).choose_strengths(valid).surprises(test).mean() for n in (1, 2, 3)]
    assert means[0] > means[1] - 0.05
    assert means[2] < 0.8 < 1.5 < means[1]
    usual = CountedTokens(train, 8, order=3)
    before = usual.surprises(valid).mean()
    assert usual.choose_strengths(valid).surprises(valid).mean() <= before


def test_what_cannot_be_counted() -> None:
    with pytest.raises(ArgumentError, match="order of a counted model"):
        CountedTokens(np.array([1]), 3, order=0)
    with pytest.raises(ArgumentError, match="another vocabulary"):
        CountedTokens(np.array([1, 9]), 3)
