"""What is proposed for word vectors, against the table that the documentation gives of it."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from leadline.data import Dataset, load
from leadline.data.tokens.token_loading import one_stream
from leadline.data.words.word_loading import usual_min_count
from leadline.plan.corpus_plans import words_arguments, words_training
from leadline.plan.record import ModelPlan

PAGE = (Path(__file__).parents[2] / "docs" / "words.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in row.strip(" |").split("|")]
    for row in re.findall(r"^\| (?:below|from|\d+ to).*million \|.*$", PAGE, re.MULTILINE)
]
MILLION = 1_000_000


def of_words(dataset: Dataset, words: int) -> Dataset:
    """The same with a training text of so many words, which takes no room."""
    return dataclasses.replace(dataset, train=one_stream(np.broadcast_to(np.int32(3), (words,)), "train"))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    path = tmp_path_factory.mktemp("text") / "a.txt"
    path.write_text("the cat sat on the mat\n" * 50)
    return load(path, task="words", cache=path.parent)


def test_the_table_is_read() -> None:
    assert [row[0] for row in ROWS] == [
        "below 1 million", "1 to 30 million", "30 to 100 million", "100 to 300 million", "from 300 million"
    ]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_what_the_documentation_says_is_proposed(row: list[str], dataset: Dataset) -> None:
    name, width, negatives, subsample, epochs, min_count = row
    ends = [int(number) * MILLION for number in re.findall(r"\d+", name)]
    low, high = (1000, ends[0]) if name.startswith("below") else (ends[0], ends[1] if len(ends) > 1 else 2 * ends[0])
    for words in (low, (low + high) // 2, high - 1):
        whole = of_words(dataset, words)
        given = words_arguments("word2vec", whole, {})
        assert given["width"] == int(width)
        assert given["negatives"] == int(negatives)
        assert given["subsample"] == float(subsample)
        assert (given["method"], given["targets"], given["window"]) == ("skip_gram", "negative_sampling", 5)
        assert usual_min_count(words) == int(min_count)
        training = words_training(whole, ModelPlan("word2vec", given), {}, {})
        expected = min(60, max(3, round(80 * MILLION / words))) if "/" in epochs else int(epochs)
        assert training.epochs == expected
        assert training.learning_rate == 0.025
        assert words_training(whole, ModelPlan("word2vec", given), {"model.method": "cbow"}, {}).learning_rate == 0.05
