"""A text as the words to be learned: how it is read, which words are known, how it is divided, and what is refused."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from leadline.data import load
from leadline.data.schema import Schema
from leadline.data.tokens.token_loading import stream_of
from leadline.data.words.word_answers import CorpusWords
from leadline.errors import ArgumentError, DataError

SENTENCE = "The cat, they say, sat on the mat."


def words_of(path: Path, **choices: object) -> CorpusWords:
    inputs = load(path, task="words", cache=path.parent / "cache", **choices).schema.inputs  # type: ignore[arg-type]
    assert isinstance(inputs, CorpusWords)
    return inputs


def test_words_are_small_and_marks_are_words(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(f"{SENTENCE}\n" * 50)
    words = words_of(tmp_path / "a.txt")
    assert words.by == "words"
    assert set(words.known) == {"the", "cat", ",", "they", "say", "sat", "on", "mat", "."}
    assert words.known[0] in ("the", ",")
    assert words.vocabulary.words[words.boundary] == "\n"
    assert words.counts[words.boundary] == 0
    assert words.counts is words.counts  # as long as the vocabulary: made once
    assert words.known is words.known
    assert words.encode("The") == words.encode("the") != words.encode("nowhere")
    again = Schema.from_json(Schema(words, load(tmp_path / "a.txt", task="words").schema.answers).to_json()).inputs
    assert again == words


@pytest.mark.parametrize(
    ("line", "unit"),
    [("the <unk> cat , they say\n", "spaced words"), ("我们都在这里学习写字\n", "characters"), (SENTENCE, "words")],
)
def test_the_unit_is_told_from_the_text(line: str, unit: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(line * 60, encoding="utf-8")
    assert words_of(tmp_path / "a.txt").by == unit


def test_rare_words_are_passed_over_and_the_commonest_kept(tmp_path: Path) -> None:
    (tmp_path / "a.train.txt").write_text("once\n" + "twice so\n" * 2 + "often so\n" * 9)
    for part in ("valid", "test"):
        (tmp_path / f"a.{part}.txt").write_text("often so\n" * 3)
    assert set(words_of(tmp_path / "a.train.txt").known) == {"twice", "often", "so"}
    assert set(words_of(tmp_path / "a.train.txt", min_count=1).known) == {"once", "twice", "often", "so"}
    assert set(words_of(tmp_path / "a.train.txt", min_count=3).known) == {"often", "so"}


@pytest.mark.parametrize("choices", [{"min_count": 9}, {"vocabulary": 3}])
def test_the_ends_of_a_few_long_lines_are_known_as_well(choices: dict[str, int], tmp_path: Path) -> None:
    lines = [" ".join(random.Random(at).choices("abcdef", k=400)) + "\n" for at in range(8)]
    (tmp_path / "a.txt").write_text("".join(lines))
    dataset = load(tmp_path / "a.txt", task="words", cache=tmp_path / "cache", unit="words", **choices)  # type: ignore[arg-type]
    words = dataset.schema.inputs
    assert isinstance(words, CorpusWords)
    assert words.boundary >= 2
    assert len(words.known) == choices.get("vocabulary", 6)
    ends = [np.flatnonzero(stream_of(getattr(dataset, part)) == words.boundary) for part in ("train", "valid", "test")]
    assert sum(map(len, ends)) == 8
    assert ends[0].tolist() == [400 + 401 * line for line in range(len(ends[0]))]


def test_the_stream_is_mapped_and_whole(tmp_path: Path) -> None:
    lines = [" ".join(random.Random(at).choices(("a", "b", "c"), k=9)) + "\n" for at in range(400)]
    (tmp_path / "a.txt").write_text("".join(lines))
    dataset = load(tmp_path / "a.txt", task="words", cache=tmp_path / "cache")
    streams = [stream_of(getattr(dataset, part)) for part in ("train", "valid", "test")]
    assert isinstance(streams[0], np.memmap)
    inputs = dataset.schema.inputs
    assert isinstance(inputs, CorpusWords)
    read = [inputs.vocabulary.words[number] for stream in streams for number in stream.tolist()]
    assert " ".join(read).split() == "".join(lines).split()
    assert read.count("\n") == 400


def test_a_folder_and_several_files_are_one_text(tmp_path: Path) -> None:
    (tmp_path / "texts" / "deep").mkdir(parents=True)
    for name in ("a.txt", "deep/b.txt"):
        (tmp_path / "texts" / name).write_text(f"{name[-5]}only and more\n" * 40)
    assert {"aonly", "bonly"} <= set(words_of(tmp_path / "texts").known)
    both = load([tmp_path / "texts" / "a.txt", tmp_path / "texts" / "deep" / "b.txt"], task="words", cache=tmp_path / "cache")
    assert isinstance(both.schema.inputs, CorpusWords)
    assert "aonly" in both.schema.inputs.known


def test_an_endless_line_is_a_text_and_one_without_spaces_is_none(tmp_path: Path) -> None:
    words = random.Random(0).choices([f"word{letter}" for letter in "abcdefgh"], k=200_000)
    (tmp_path / "a.txt").write_text(" ".join(words))
    dataset = load(tmp_path / "a.txt", task="words", cache=tmp_path / "cache")
    assert sum(len(stream_of(getattr(dataset, part))) for part in ("train", "valid", "test")) == 200_000
    (tmp_path / "b.txt").write_text("".join(words)[:1_000_001])
    with pytest.raises(DataError, match=r"no words to learn.*without a space.*data.unit=characters"):
        words_of(tmp_path / "b.txt")
    assert len(words_of(tmp_path / "b.txt", unit="characters").known) == len(set("wordabcdefgh"))


@pytest.mark.parametrize(
    ("choices", "error", "says"),
    [
        ({"target": "a"}, ArgumentError, "no choice of 'target'"),
        ({"valid": 100}, ArgumentError, "share"),
        ({"min_count": 500}, DataError, "500 times"),
    ],
)
def test_choices_that_cannot_be(choices: dict[str, object], error: type[Exception], says: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(f"{SENTENCE}\n" * 50)
    with pytest.raises(error, match=says):
        words_of(tmp_path / "a.txt", **choices)
    with pytest.raises(ArgumentError, match="Only words have a choice of 'min_count'"):
        load("digits", min_count=3)
