"""Counts of n-grams against dictionaries, in memory and by parts, and what cannot be counted."""

from __future__ import annotations

import gc
from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ngram_references import BEGIN, END, grams_of, sentences_of

from leadline.errors import ArgumentError, DataError
from leadline.language import NGramCounts, NGramSettings, count_ngrams, fit_ngrams, smooth
from leadline.language.ngrams.ngram_merging import distinct_codes, merge_counted, sorted_codes
from leadline.language.ngrams.ngram_storage import Room

V, END_ID = 9, 2


def spelled(counts: NGramCounts, length: int) -> Counter[tuple[object, ...]]:
    """The counted n-grams as the reference writes them."""
    found: Counter[tuple[object, ...]] = Counter()
    for gram, count in zip(counts.words(length).tolist(), counts.levels[length - 1].counts.tolist(), strict=True):
        words: list[object] = list(gram)
        if counts.boundary is not None:
            words = [BEGIN if at == 0 < length - 1 and word == END_ID else word for at, word in enumerate(words)]
            words[-1] = END if words[-1] == END_ID else words[-1]
        if count:
            found[tuple(words)] += count
    return found


@pytest.mark.parametrize("boundary", [None, END_ID])
@pytest.mark.parametrize("memory", [1 << 30, 1])
@settings(max_examples=30)
@given(text=st.lists(st.integers(1, V - 1), min_size=4, max_size=70), order=st.integers(1, 4))
def test_counts_are_those_of_a_dictionary(memory: int, boundary: int | None, text: list[int], order: int) -> None:
    ids = np.array([*text, 3, 4, 5, 6], np.uint16)
    counts = count_ngrams(ids, V, order=order, boundary=boundary, memory=memory)
    assert counts.room.in_memory == (memory > 1 or len(ids) <= 16)
    sentences = sentences_of(ids.tolist(), boundary)
    for length in range(1, order + 1):
        assert spelled(counts, length) == grams_of(sentences, length)


@pytest.mark.parametrize("boundary", [None, END_ID])
@pytest.mark.parametrize("smoothing", ["modified_kneser_ney", "katz", "add_k"])
def test_a_text_larger_than_memory_gives_the_same_model(smoothing: str, boundary: int | None, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    text = np.minimum(draw.zipf(1.3, 5000), 50) + 1
    chosen = NGramSettings(4, smoothing, min_count=1 if smoothing == "add_k" else 2)
    whole = fit_ngrams(text, 60, boundary=boundary, settings=chosen)
    counts = count_ngrams(text, 60, order=4, boundary=boundary, memory=64 * 300, folder=tmp_path)
    assert any(tmp_path.glob("leadline-ngrams-*/*.bin")), "nothing was put on disk"
    parts = smooth(counts, smoothing, minimum_counts=chosen.minimum_counts)
    for one, other in zip(whole.model.levels, parts.model.levels, strict=True):
        np.testing.assert_array_equal(one.codes, other.codes)
        np.testing.assert_allclose(one.log_p, other.log_p, rtol=1e-6)
        np.testing.assert_allclose(one.back_off, other.back_off, rtol=1e-5, atol=1e-7)
    gc.collect()
    left = len(list(tmp_path.glob("*/*.bin")))
    # The text, and of each length codes, counts and suffixes; of the model codes, log p and weights.
    assert left <= 1 + 3 * 4 + 3 * 4, "files stay that nothing has hold of"
    del counts
    gc.collect()
    assert not list(tmp_path.iterdir()), "the files of the counting are left behind"


def test_a_file_goes_when_nothing_has_hold_of_it(tmp_path: Path) -> None:
    room = Room(10_000, memory=64, folder=tmp_path)
    numbers = room.zeros(100, np.int64)
    part = np.asarray(numbers)[3:9]
    del numbers
    gc.collect()
    assert len(list(tmp_path.glob("*/*.bin"))) == 1
    part[:] = 5
    del part
    gc.collect()
    assert not list(tmp_path.glob("*/*.bin"))


@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=50))
def test_codes_are_sorted_whether_or_not_they_can_be_packed(values: list[int]) -> None:
    for codes in (np.array(values), np.array(values) % 7):
        ordered, places = sorted_codes(codes)
        np.testing.assert_array_equal(ordered, np.sort(codes))
        np.testing.assert_array_equal(codes[places], ordered)
        found = distinct_codes(codes)
        np.testing.assert_array_equal(found.codes[found.numbers], codes)
        np.testing.assert_array_equal(codes[found.first], found.codes)
        assert found.counts.sum() == len(codes)


@settings(max_examples=40)
@given(st.lists(st.lists(st.integers(0, 40), max_size=60), min_size=1, max_size=6), st.integers(1, 400))
def test_merged_parts_are_the_counts_of_all(parts: list[list[int]], memory: int) -> None:
    counted = []
    for part in parts:
        found = distinct_codes(np.array(part, np.int64))
        counted.append((found.codes, found.counts))
    codes, counts = merge_counted(counted, Room(10**6, memory=memory * 64))
    assert dict(zip(codes.tolist(), counts.tolist(), strict=True)) == Counter(chain.from_iterable(parts))
    assert codes.tolist() == sorted(codes.tolist())


def test_what_cannot_be_counted_is_told() -> None:
    ids = np.array([3, 4, 5])
    with pytest.raises(DataError, match="text is empty"):
        count_ngrams(ids[:0], V, order=2)
    with pytest.raises(ArgumentError, match="order of an n-gram model is out of range. Expected at least 1; got 0"):
        count_ngrams(ids, V, order=0)
    with pytest.raises(DataError, match=r"text is shorter than the order.*at most 3; got 4.*smaller order"):
        count_ngrams(ids, V, order=4)
    with pytest.raises(DataError, match=r"longest sentence of the text is shorter.*at most 3, the beginning counted"):
        count_ngrams(np.array([3, END_ID, 4, END_ID] * 9), V, order=4, boundary=END_ID)
    with pytest.raises(ArgumentError, match="numbers of another vocabulary. Expected 1 to 8; got 0 to 3"):
        count_ngrams(np.array([0, 3]), V, order=1)
    with pytest.raises(ArgumentError, match="boundary is no token"):
        count_ngrams(ids, V, order=1, boundary=V)
    with pytest.raises(ArgumentError, match="no list of token numbers"):
        count_ngrams(np.zeros((2, 2)), V, order=1)
    with pytest.raises(ArgumentError, match="vocabulary of an n-gram model"):
        count_ngrams(ids, 1, order=1)
