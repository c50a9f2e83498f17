"""One-hot, bags of words and of n-grams, and tf-idf, against scikit-learn and plain counting."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

from leadline.errors import ArgumentError
from leadline.text import Tfidf, Vocabulary, bags_of_words, count_tokens, one_hot_rows, word_ngrams

TEXTS = ["the cat sat on the mat", "the dog sat", "a cat a cat a cat", "nothing of this", "the the the the"]


def encoded(shortest: int = 1, longest: int = 1) -> tuple[Vocabulary, list[np.ndarray]]:
    tokens = [word_ngrams(text.split(), shortest, longest) for text in TEXTS]
    vocabulary = Vocabulary.from_counts(count_tokens(tokens))
    return vocabulary, [vocabulary.encode(each) for each in tokens]


@pytest.mark.parametrize("lengths", [(1, 1), (1, 3), (2, 2)])
def test_bags_of_ngrams_and_their_weights_are_those_of_scikit_learn(lengths: tuple[int, int]) -> None:
    vocabulary, rows = encoded(*lengths)
    theirs = CountVectorizer(
        vocabulary=list(vocabulary.words[2:]), ngram_range=lengths, tokenizer=str.split, token_pattern=None, lowercase=False
    )
    counts = theirs.transform(TEXTS)
    ours = bags_of_words(iter(rows), len(vocabulary))
    assert ours.shape == (5, len(vocabulary))
    np.testing.assert_array_equal(ours.toarray()[:, 2:], counts.toarray())
    weights = Tfidf.learn([ours[:2], ours[2:]])
    expected = TfidfTransformer(sublinear_tf=True).fit(counts)
    np.testing.assert_allclose(weights.idf[2:], expected.idf_, rtol=1e-12)
    np.testing.assert_allclose(weights.weighed(ours).toarray()[:, 2:], expected.transform(counts).toarray(), rtol=1e-12)


@given(st.lists(st.integers(0, 6), max_size=20))
def test_a_bag_is_the_sum_of_the_one_hot_rows(ids: list[int]) -> None:
    read = np.array(ids, np.int32)
    one_hot = one_hot_rows(read, 7).toarray()
    np.testing.assert_array_equal(one_hot.sum(axis=0), bags_of_words([read], 7).toarray()[0])
    np.testing.assert_array_equal(one_hot.argmax(axis=1), ids)
    np.testing.assert_array_equal(one_hot.sum(axis=1), read > 0)


@given(st.text("abc", max_size=12), st.integers(1, 3), st.integers(0, 2))
def test_ngrams_are_all_stretches_of_these_lengths(text: str, shortest: int, more: int) -> None:
    expected = [
        text[at : at + n] for n in range(shortest, shortest + more + 1) for at in range(len(text)) if at + n <= len(text)
    ]
    assert Counter(word_ngrams(text, shortest, shortest + more, between="")) == Counter(expected)


def test_empty_texts_are_rows_of_zeros() -> None:
    bags = bags_of_words([np.array([], np.int64), np.array([2])], 4)
    np.testing.assert_array_equal(Tfidf.learn([bags]).weighed(bags).toarray(), [[0, 0, 0, 0], [0, 0, 1, 0]])
    assert bags_of_words([], 4).shape == (0, 4)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ArgumentError, match="numbers of another vocabulary. Expected whole numbers from 0 to 3; got 2 to 4"):
        bags_of_words([np.array([2, 4])], 4)
    with pytest.raises(ArgumentError, match="another vocabulary"):
        one_hot_rows(np.array([0.5]), 4)
    with pytest.raises(ArgumentError, match="made of one token"):
        one_hot_rows(np.array([[1]]), 4)
    with pytest.raises(ArgumentError, match="no such length"):
        word_ngrams(["a"], 2, 1)
    bags = bags_of_words([np.array([2])], 4)
    with pytest.raises(ArgumentError, match="over another vocabulary. Expected 4; got 5"):
        Tfidf.learn([bags]).weighed(bags_of_words([np.array([2])], 5))
    with pytest.raises(ArgumentError, match="no text to learn"):
        Tfidf.learn([])
