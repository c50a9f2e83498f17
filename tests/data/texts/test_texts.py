"""Texts: what training teaches, what is kept of a text, and that no text ends in an error."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from leadline.data.texts.texts import LONGEST, Texts
from leadline.errors import ArgumentError, DataError
from leadline.text.tokenizers import CharacterTokenizer, WordTokenizer

ROWS = ["The film was good , very good !", "The film was bad .", "A good film", ""]


def test_words_that_come_twice_are_known() -> None:
    texts = Texts.learn(ROWS)
    assert texts.vocabulary == ("", "<unk>", "film", "good", "the", "was")
    assert texts.unit == "words"
    assert texts.encode("Was the BAD film good?").tolist() == [5, 4, 1, 2, 3, 1]


def test_where_no_word_comes_twice_all_are_known() -> None:
    assert Texts.learn(["one two three four", "five six seven eight"]).vocabulary[2:] == (
        "eight", "five", "four", "one", "seven", "six", "three", "two",
    )  # fmt: skip


def test_the_commonest_words_are_kept() -> None:
    assert Texts.learn(ROWS, most=2, min_count=1).vocabulary == ("", "<unk>", "film", "good")


def test_the_length_is_that_of_95_in_100_training_texts() -> None:
    rows = ["word " * length for length in range(1, 101)]
    assert Texts.learn(rows, unit="words").longest == int(np.ceil(np.quantile(np.arange(1, 101), 0.95)))
    assert Texts.learn(rows, longest=7).longest == 7
    # Texts without a word say nothing of how long texts are.
    assert Texts.learn([*rows, *[""] * 500], unit="words").longest == 96
    assert Texts.learn(["word " * 5_000] * 3).longest == LONGEST


@given(st.text(max_size=300), st.integers(1, 12), st.sampled_from(["words", "characters"]), st.booleans())
def test_the_beginning_of_a_text_is_kept(text: str, longest: int, unit: str, lower: bool) -> None:
    texts = Texts(("", "<unk>", "a", "b"), longest=longest, unit=unit, lower=lower)
    whole = (WordTokenizer(lower=lower) if unit == "words" else CharacterTokenizer(lower=lower)).split(text)
    assert texts.tokens(text) == whole[:longest]
    numbers = texts.encode(text)
    assert numbers.dtype == np.int32
    assert numbers.tolist() == ([{"a": 2, "b": 3}.get(token, 1) for token in whole[:longest]] or [1])


@pytest.mark.parametrize("text", ["ab <br /> cd" * 40, "1,000.5 " * 60, "don't " * 60, "<br />" * 60, " " * 5_000 + "end"])
def test_what_is_kept_does_not_depend_on_where_the_rest_is_cut_off(text: str) -> None:
    for longest in range(1, 30):
        texts = Texts(("", "<unk>"), longest=longest)
        assert texts.tokens(text) == WordTokenizer(lower=True).split(text)[:longest]


def test_a_book_is_not_divided_to_its_end() -> None:
    texts = Texts(("", "<unk>", "word"), longest=5)
    book = "word " * 10_000_000
    assert texts.encode(book).tolist() == [2] * 5


@pytest.mark.parametrize(
    ("rows", "unit"),
    [
        (["Khoury", "Nahas", "O'Brien", "van der Berg", "Adamou", "Brady"], "characters"),
        (["good film", "bad film", "good day", "bad day"] * 5, "words"),
        (ROWS, "words"),
        (["この映画は良い。", "悪い映画だ。"], "characters"),
    ],
)
def test_the_unit_is_told_from_the_texts(rows: list[str], unit: str) -> None:
    texts = Texts.learn(rows)
    assert texts.unit == unit
    assert texts.lower is (unit == "words")
    assert Texts.learn(rows, unit="words", lower=False).lower is False


def test_an_empty_text_is_one_unknown_word() -> None:
    texts = Texts.learn(ROWS)
    for empty in ("", "  \n", b""):
        assert texts.encode(empty).tolist() == [1]
    stored = texts.encode_all(["", "good film"])
    assert stored.lengths.tolist() == [1, 2]
    assert stored.padded(Texts.padding).tolist() == [[1, 0], [3, 2]]


def test_the_network_sees_whole_numbers_of_64_bits() -> None:
    texts = Texts.learn(ROWS)
    stored = torch.from_numpy(texts.encode_all(["good film", "bad"]).padded(0))
    prepared = texts.preparer(torch.device("cpu"))(stored)
    assert prepared.dtype == torch.int64
    assert prepared.tolist() == [[3, 2], [1, 0]]


def test_json() -> None:
    texts = Texts.learn(ROWS, min_count=1)
    again = Texts.from_json(json.loads(json.dumps(asdict(texts))))
    assert again == texts
    assert hash(again) == hash(texts)


def test_a_text_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("good film")
    texts = Texts.learn(ROWS)
    assert texts.encode(tmp_path / "a.txt").tolist() == [3, 2]
    assert texts.is_one(tmp_path / "a.txt")
    assert texts.is_one("good film")
    assert not texts.is_one(["good film"])


def test_words_again() -> None:
    texts = Texts.learn(ROWS)
    assert texts.decode(texts.encode_all(["Good film, was it?", ""]).padded(0)[0]) == "good film <unk> was <unk> <unk>"
    assert texts.describe() == "texts of up to 8 words, 6 different"
    assert texts.shape == (8,)


@pytest.mark.parametrize("raw", [None, float("nan"), 3, ["a"], np.zeros(3)])
def test_what_is_no_text(raw: object) -> None:
    with pytest.raises(ArgumentError, match="trained on texts"):
        Texts.learn(ROWS).encode(raw)


def test_nothing_to_learn_from() -> None:
    with pytest.raises(DataError, match="Not one of the texts"):
        Texts.learn(["", " "])
    with pytest.raises(ArgumentError, match="unit of text 'word'"):
        Texts.learn(ROWS, unit="word")
    with pytest.raises(ArgumentError, match="too small"):
        Texts.learn(ROWS, most=0)
    with pytest.raises(ArgumentError, match="longest"):
        Texts(("", "<unk>"), longest=0)
    with pytest.raises(ArgumentError, match="begin"):
        Texts(("a", "b"), longest=3)
