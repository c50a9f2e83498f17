"""Vocabulary: the order of its numbers, its bounds, and counting in bounded memory."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadline.errors import ArgumentError, DataError
from leadline.text.vocabularies import (
    END,
    END_WORD,
    PADDING,
    UNKNOWN,
    Vocabulary,
    count_characters,
    count_tokens,
)

COUNTS = st.dictionaries(st.text(min_size=1, max_size=4), st.integers(1, 9), min_size=1, max_size=20)


@given(COUNTS, st.integers(1, 4), st.integers(1, 10), st.booleans())
def test_the_commonest_first_then_by_alphabet(counts: dict[str, int], min_count: int, most: int, end: bool) -> None:
    if max(counts.values()) < min_count:
        with pytest.raises(DataError, match="No token is left"):
            Vocabulary.from_counts(counts, min_count=min_count, most=most, end=end)
        return
    vocabulary = Vocabulary.from_counts(counts, min_count=min_count, most=most, end=end)
    ordered = sorted((word for word, count in counts.items() if count >= min_count), key=lambda word: (-counts[word], word))
    assert list(vocabulary.words[3 if end else 2 :]) == ordered[:most]
    assert sum(vocabulary.counts) == sum(counts.values())
    assert vocabulary.counts[UNKNOWN] == sum(counts.values()) - sum(counts[word] for word in ordered[:most])
    assert vocabulary == Vocabulary.from_counts(dict(reversed(counts.items())), min_count=min_count, most=most, end=end)


@given(COUNTS, st.integers(1, 4), st.integers(1, 10))
def test_what_is_always_known_stands_beside_the_others(counts: dict[str, int], min_count: int, most: int) -> None:
    rare = {"\n": 2, **counts}
    others = {word: count for word, count in rare.items() if word != "\n"}
    if max(others.values(), default=0) < min_count:
        with pytest.raises(DataError, match="No token is left"):
            Vocabulary.from_counts(rare, min_count=min_count, most=most, always=("\n", "never seen"))
        return
    vocabulary = Vocabulary.from_counts(rare, min_count=min_count, most=most, always=("\n", "never seen"))
    alone = Vocabulary.from_counts(others, min_count=min_count, most=most)
    assert [word for word in vocabulary.words if word != "\n"] == list(alone.words)
    assert vocabulary.counts[vocabulary.numbers["\n"]] == rare["\n"]
    assert list(vocabulary.counts[2:]) == sorted(vocabulary.counts[2:], reverse=True)
    assert sum(vocabulary.counts) == sum(rare.values())


@given(COUNTS, st.booleans())
def test_numbers_and_words_are_each_others_inverse(counts: dict[str, int], end: bool) -> None:
    vocabulary = Vocabulary.from_counts(counts, end=end)
    numbers = vocabulary.encode(list(counts))
    assert vocabulary.decode(numbers) == list(counts)
    assert numbers.min() >= (3 if end else 2)
    assert Vocabulary.from_json(json.loads(json.dumps(vocabulary.to_json()))) == vocabulary


@given(st.text(), st.text(min_size=1))
def test_characters_are_encoded_as_tokens_are(text: str, taught: str) -> None:
    vocabulary = Vocabulary.from_counts(Counter(taught))
    assert vocabulary.encode_characters(text).tolist() == vocabulary.encode(list(text)).tolist()


def test_special_numbers() -> None:
    vocabulary = Vocabulary.from_counts({"a": 2, END_WORD: 3, "<unk>": 4, "b": 1}, end=True, min_count=2)
    assert vocabulary.words == ("", "<unk>", END_WORD, "a")
    assert vocabulary.counts == (0, 5, 3, 2)
    assert vocabulary.encode(["a", "b", "<unk>", END_WORD]).tolist() == [3, UNKNOWN, UNKNOWN, END]
    assert vocabulary.decode(np.array([PADDING, 3, END, UNKNOWN])) == ["a", END_WORD, "<unk>"]
    assert vocabulary.coverage == pytest.approx(0.5)
    assert "a" in vocabulary
    assert "b" not in vocabulary
    assert len(vocabulary) == 4


@pytest.mark.parametrize(("size", "dtype"), [(65_534, np.uint16), (65_535, np.int32)])
def test_the_smallest_type_that_holds_all_numbers(size: int, dtype: type[np.generic]) -> None:
    assert Vocabulary.from_counts({f"w{number}": 1 for number in range(size)}).dtype == dtype


@pytest.mark.parametrize("number", [-1, 3])
def test_numbers_of_another_vocabulary(number: int) -> None:
    with pytest.raises(ArgumentError, match=r"another vocabulary. Expected 0 to 2"):
        Vocabulary.from_counts({"a": 1}).decode([2, number])


def test_words_that_do_not_make_a_vocabulary() -> None:
    with pytest.raises(ArgumentError, match="begin"):
        Vocabulary(("a", "b"), (1, 1))
    with pytest.raises(ArgumentError, match="one for each word"):
        Vocabulary(("", "<unk>", "a"), (0, 0))
    with pytest.raises(ArgumentError, match="twice. Got 'a'"):
        Vocabulary(("", "<unk>", "a", "a"), (0, 0, 1, 1))
    with pytest.raises(ArgumentError, match="too small"):
        Vocabulary.from_counts({"a": 1}, min_count=0)


@given(st.lists(st.text("abcdef"), max_size=8))
def test_counts_of_pieces_are_counts_of_the_whole(pieces: list[str]) -> None:
    whole = Counter("".join(pieces))
    assert count_tokens(list(piece) for piece in pieces) == whole
    assert count_characters(pieces) == whole


def test_many_characters_at_once_are_counted_alike() -> None:
    text = "ab\u00e9\U0001f600" * 60_000
    assert count_characters([text, "a"]) == Counter(text + "a")


@given(st.lists(st.lists(st.integers(0, 30).map(str), max_size=30), max_size=10), st.integers(1, 10))
def test_counting_holds_no_more_than_it_may(pieces: list[list[str]], most: int) -> None:
    told: list[int] = []
    counts = count_tokens(pieces, most_held=most, told=told.append)
    whole = Counter(token for piece in pieces for token in piece)
    assert counts.total() == whole.total()  # what was forgotten is counted as unknown
    assert counts.pop("<unk>", 0) == sum(told)
    assert bool(told) == (counts != whole)
    assert len(counts) <= most
    assert all(count <= whole[token] for token, count in counts.items())


def test_of_long_tokens_fewer_are_held() -> None:
    pieces = [[f"{'x' * 999}{number}" for number in range(at, at + 10)] + ["the"] * 9 for at in range(0, 1000, 10)]
    counts = count_tokens(pieces, most_held=100)
    assert sum(map(len, counts)) <= 6400 + 5
    assert counts["the"] == 900
    assert counts.total() == 1900


def test_what_is_forgotten_is_rare() -> None:
    pieces = [["the", "of", f"rare{number}"] for number in range(1000)]
    counts = count_tokens(pieces, most_held=10)
    assert counts["the"] > 990
    assert counts["of"] > 990
