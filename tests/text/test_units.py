"""By character or by word: each rule by a text that it is about."""

from __future__ import annotations

import inspect
import json

import numpy as np
import pytest

from leadline.errors import DataError
from leadline.text.tokenizers import TOKENIZERS
from leadline.text.units import suggested_unit

VERSE = """First Citizen:
Before we proceed any further, hear me speak;
For we are resolved rather to die than to famish?

MENENIUS:
If you'll bestow a small of what you have little;
"""
APART = "the company said it will sell its shares , which rose N % in <unk> trading .\n"


def story(words: int, different: int) -> str:
    """Running text of words that are drawn as in a language: the n-th word as often as 1 / n."""
    random = np.random.default_rng(0)
    chances = 1 / np.arange(1, different + 1)
    drawn = random.choice(different, words, p=chances / chances.sum())
    names = ["".join(random.choice(list("abcdefghij"), 5)) for _ in range(different)]
    return "".join(names[word] + (". " if place % 9 == 8 else " ") for place, word in enumerate(drawn))


@pytest.mark.parametrize(
    ("sample", "characters", "unit", "reason"),
    [
        (VERSE * 9, None, "characters", "too few"),
        (VERSE * 9, 2_000_000_000, "words", "enough"),
        (story(20_000, 8_000), 200_000_000, "words", "words are enough"),
        (story(20_000, 8_000), None, "characters", "its 20,000 words are too few"),
        (story(20_000, 100), None, "words", "few words say all: 100 different ones, each 200 times"),
        (APART * 40, 5_000_000, "spaced words", "stand apart already"),
        ("it was , he said , late .\n" * 40, 100_000_000, "spaced words", "stand apart already"),
        (inspect.getsource(json.JSONEncoder), 10_000_000_000, "characters", "program"),
        (inspect.getsource(inspect), 10_000_000_000, "characters", "program"),
        ("int main(void) {\n    printf(\"hi\");\n    return 0;\n}\n" * 9, None, "characters", "program"),
        ("吾輩は猫である。名前はまだ無い。" * 9, 10_000_000_000, "characters", "no spaces between words"),
    ],
)  # fmt: skip
def test_rules(sample: str, characters: int | None, unit: str, reason: str) -> None:
    found = suggested_unit(sample, characters)
    assert found.unit == unit, found
    assert reason in found.reason
    assert found.unit in TOKENIZERS


@pytest.mark.parametrize("sample", ["", "  \n "])
def test_nothing(sample: str) -> None:
    with pytest.raises(DataError, match="no text"):
        suggested_unit(sample)


def test_a_single_word() -> None:
    assert suggested_unit("word").unit == "characters"
