"""Texts as token numbers and back, and what a Schema keeps of them."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from leadline.data.tokens.tokens import NextToken, Tokens
from leadline.errors import ArgumentError, DataError

TEXT = "The cat sat.\nThe dog, too!\n"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1))
def test_characters_come_back_as_they_were(text: str) -> None:
    tokens = Tokens.learn([text])
    ids = tokens.encode(text)
    assert ids.dtype == np.int64
    assert len(ids) == len(text)
    assert ids.min() >= 2
    assert tokens.decode(ids) == text


@pytest.mark.parametrize(("by", "length"), [("characters", 27), ("words", 11), ("spaced words", 8)])
def test_the_end_of_a_line_is_a_token(by: str, length: int) -> None:
    tokens = Tokens.learn([TEXT], by=by)
    ids = tokens.encode(TEXT)
    assert len(ids) == length
    assert tokens.decode(ids) == TEXT
    assert tokens.start == ids[-1]
    assert tokens.by_characters == (by == "characters")


def test_what_was_never_seen_is_the_unknown_word() -> None:
    tokens = Tokens.learn([TEXT], by="words", min_count=2)
    assert tokens.decode(tokens.encode("The bird")) == "The <unk>"
    assert tokens.encode("bird").tolist() == [1]


def test_lower_case_in_learning_and_after() -> None:
    for by in ("characters", "words"):
        tokens = Tokens.learn([TEXT], by=by, lower=True)
        assert tokens.decode(tokens.encode("THE CAT")) == "the cat"


def test_it_comes_back_from_json() -> None:
    tokens = Tokens.learn([TEXT], by="words", lower=True)
    assert Tokens.from_json(json.loads(json.dumps(asdict(tokens)))) == tokens


def test_a_network_gets_the_numbers_as_they_are() -> None:
    tokens = Tokens.learn([TEXT])
    stored = torch.tensor([[2, 3]], dtype=torch.int32)
    prepared = tokens.preparer(torch.device("cpu"))(stored)
    assert prepared.dtype == torch.int64
    assert prepared.tolist() == [[2, 3]]
    assert len(tokens.shape) == 1
    assert tokens.is_one("a")
    assert not tokens.is_one(["a", "b"])


def test_careless_inputs() -> None:
    with pytest.raises(DataError, match="The text is empty"):
        Tokens.learn([""])
    with pytest.raises(DataError, match="The text is empty"):
        Tokens.learn([" "], by="words")
    with pytest.raises(ArgumentError, match="no kind of token 'word'.*Did you mean 'words'"):
        Tokens.learn([TEXT], by="word")
    with pytest.raises(ArgumentError, match="trained on text.*got int"):
        Tokens.learn([TEXT]).encode(3)


def test_the_next_token_as_an_answer() -> None:
    answers = NextToken(("", "<unk>", "to", "be"), temperature=2.0)
    assert answers.task == "tokens"
    assert answers.outputs == 4
    assert answers.encode([["to", "never"], ["be", "be"]]).tolist() == [[2, 1], [3, 3]]
    assert answers.encode(np.array([3, 0], np.uint16)).dtype == np.int64
    with pytest.raises(DataError, match="numbers of another vocabulary.*0 to 3.*2 to 4"):
        answers.encode([2, 4])
    logits = torch.randn(2, 5, 4)
    assert torch.allclose(answers.probabilities(logits), torch.softmax(logits / 2, dim=2))
