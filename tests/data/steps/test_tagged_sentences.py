"""Sentences as numbers of words: unknown words by their looks, texts divided as the training was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from leadline.data.schema import Schema
from leadline.data.steps.step_answers import StepClasses, StepNumbers
from leadline.data.steps.tagged_sentences import Sentences, looks_of
from leadline.errors import ArgumentError, DataError

ROWS = [
    ["The", "walking", "cat", "did", "n't", "sit", "."],
    ["the", "cat", "sat", "."],
    ["Ann", "did", "n't", "sit"],
    ["Bob", "talking", ",", "singing", "the", "U.S.", "anthem", "of", "U.S."],
]


@pytest.fixture(scope="module")
def words() -> Sentences:
    return Sentences.learn(ROWS)


def looked_up(words: Sentences, raw: object) -> list[str]:
    return [words.vocabulary[number] for number in words.encode(raw).tolist()]


def test_unknown_words_are_known_by_their_looks(words: Sentences) -> None:
    assert looked_up(words, ["the", "ringing"]) == ["the", "<xx-ing>"]
    assert looked_up(words, ["did", "Eve"]) == ["did", "<Xx>"]
    assert looked_up(words, ["did", "Zzzzzzz"]) == ["did", "<Xx>"]
    assert looked_up(words, ["did", "42"]) == ["did", "<unk>"]
    assert looked_up(words, ["The", "The"]) == ["the", "<Xx>"]  # small letters count for the first word alone


@given(st.text(min_size=1, max_size=12))
def test_every_word_has_looks_and_the_last_is_the_coarsest(word: str) -> None:
    looks = looks_of(word)
    assert 1 <= len(looks) <= 3
    assert all(look.startswith("<") and look.endswith(">") for look in looks)
    assert looks == tuple(sorted(looks, key=len, reverse=True))


def test_a_text_is_divided_as_the_training_was(words: Sentences) -> None:
    assert words.tokens("The cat didn't sit, U.S. said.") == ["The", "cat", "did", "n't", "sit", ",", "U.S.", "said", "."]
    assert words.tokens("can't") == ["ca", "n't"]
    assert Sentences.learn([["I", "don't", "I"]] * 2).tokens("I don't, can't") == ["I", "don't", ",", "can't"]
    letters = Sentences.learn([list("abc"), list("ab")])
    assert (letters.unit, letters.tokens("a b")) == ("characters", ["a", "b"])


def test_one_sentence_or_several(words: Sentences) -> None:
    assert words.is_one("The cat sat.")
    assert words.is_one(["The", "cat"])
    assert words.is_one(Path("a.conll"))
    assert not words.is_one(["The cat sat.", "No."])
    assert not words.is_one([["The", "cat"], ["No"]])


@pytest.mark.parametrize("raw", ["", "   ", [], 3, ["a", 4]])
def test_what_is_no_sentence_is_told(words: Sentences, raw: object) -> None:
    with pytest.raises(ArgumentError, match="sentence"):
        words.encode(raw)
    with pytest.raises(DataError, match="no words"):
        Sentences.learn([])


def test_it_is_kept_with_the_schema_and_prepared_as_whole_numbers(words: Sentences) -> None:
    schema = Schema(words, StepClasses(("a", "b"), temperature=1.5, target="2", group="g"))
    assert Schema.from_json(schema.to_json()) == schema
    numbers = Schema(words, StepNumbers(("y",), (1.0,), (2.0,)))
    assert Schema.from_json(numbers.to_json()) == numbers
    stored = words.encode_all(ROWS).padded(0)
    prepared = words.preparer(torch.device("cpu"))(torch.from_numpy(stored))
    assert prepared.dtype == torch.int64
    np.testing.assert_array_equal(prepared.numpy(), stored)


def test_at_most_so_many_words_are_known() -> None:
    words = Sentences.learn(ROWS, most=2)
    assert sum(not word.startswith("<") for word in words.vocabulary) == 3  # with padding
