"""Token files against the same texts encoded in memory at once."""

from __future__ import annotations

import json
import tracemalloc
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from leadline.errors import ArgumentError, DataError, RunError
from leadline.text.reading_text import TextReader
from leadline.text.token_files import open_tokens, write_tokens
from leadline.text.tokenizers import CharacterTokenizer, SpacedTokenizer, Tokenizer, WordTokenizer
from leadline.text.vocabularies import END, UNKNOWN, Vocabulary, count_tokens

TEXTS = ("To be, or not to be:\nthat is the question.\n", "Whether 'tis nobler in the mind to suffer\n")
ALL = [
    WordTokenizer(lower=True),
    WordTokenizer(lines=True),
    SpacedTokenizer(lines=True),
    CharacterTokenizer(),
    CharacterTokenizer(lower=True),
]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.txt" for number in range(len(TEXTS))]
    for path, text in zip(paths, TEXTS, strict=True):
        path.write_text(text, encoding="utf-8")
    return paths


@pytest.mark.parametrize("tokenizer", ALL, ids=repr)
@pytest.mark.parametrize("end", [False, True])
def test_the_numbers_are_those_of_the_whole_texts(tokenizer: Tokenizer, end: bool, files: list[Path], tmp_path: Path) -> None:
    tokens = [token for text in TEXTS for token in [*tokenizer.split(text), *(["<end>"] if end else [])]]
    expected = Vocabulary.from_counts(Counter(tokens), end=end)
    found = write_tokens(files, tmp_path / "cache" / "a.npy", tokenizer, end=end)
    assert found.vocabulary == expected
    assert found.numbers.tolist() == expected.encode(tokens).tolist()
    assert isinstance(found.numbers, np.memmap)
    assert found.numbers.dtype == np.uint16
    assert found.tokenizer == tokenizer
    assert found.characters == sum(map(len, TEXTS))
    if end:
        assert np.flatnonzero(found.numbers == END).tolist() == [len(tokenizer.split(TEXTS[0])), len(tokens) - 1]
    assert len(found) == len(tokens)


@pytest.mark.parametrize("tokenizer", ALL, ids=repr)
@pytest.mark.parametrize("end", [False, True])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_vocabulary_of_the_first_tokens(
    tokenizer: Tokenizer, end: bool, share: float, files: list[Path], tmp_path: Path
) -> None:
    tokens = [token for text in TEXTS for token in [*tokenizer.split(text), *(["<end>"] if end else [])]]
    first = tokens[: int(share * len(tokens))]
    found = write_tokens(files, tmp_path / "a.npy", tokenizer, end=end, learn_from=lambda count: int(share * count))
    assert found.vocabulary == Vocabulary.from_counts(Counter(first), end=end)
    assert len(found) == len(tokens)


def test_characters_come_back_exactly(files: list[Path], tmp_path: Path) -> None:
    assert write_tokens(files[0], tmp_path / "a.npy", CharacterTokenizer()).text() == TEXTS[0]


def test_a_vocabulary_that_is_known(files: list[Path], tmp_path: Path) -> None:
    learned = write_tokens(files[0], tmp_path / "a.npy", WordTokenizer(lower=True)).vocabulary
    found = write_tokens(files[1], tmp_path / "b.npy", WordTokenizer(lower=True), vocabulary=learned)
    assert found.vocabulary == learned
    assert found.text() == "<unk> <unk> <unk> <unk> <unk> the <unk> to <unk>"
    with pytest.raises(ArgumentError, match="no mark for the end"):
        write_tokens(files[1], tmp_path / "c.npy", WordTokenizer(), vocabulary=learned, end=True)


def test_bounds_of_the_vocabulary(files: list[Path], tmp_path: Path) -> None:
    found = write_tokens(files[0], tmp_path / "a.npy", WordTokenizer(lower=True), min_count=2, most=1)
    assert found.vocabulary.words == ("", "<unk>", "be")
    assert found.vocabulary.counts[UNKNOWN] == 11


def test_many_different_tokens_take_32_bits(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(" ".join(f"w{number}" for number in range(70_000)))
    found = write_tokens(tmp_path / "a.txt", tmp_path / "a.npy", SpacedTokenizer())
    assert found.numbers.dtype == np.int32
    assert found.text(69_999) == "w69999"


def test_memory_does_not_grow_with_the_text(tmp_path: Path) -> None:
    with (tmp_path / "a.txt").open("wb") as file:
        for _ in range(60):
            file.write(b"to be or not to be " * 20_000)  # 22.8 MB without a single line end
    tracemalloc.start()
    try:
        found = write_tokens(tmp_path / "a.txt", tmp_path / "a.npy", CharacterTokenizer())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found) == 22_800_000
    assert (tmp_path / "a.npy").stat().st_size == pytest.approx(45_600_000, abs=1000)
    assert peak < 45_000_000  # of which the table of all characters takes 9


def test_pieces_leave_no_trace(files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = write_tokens(files, tmp_path / "a.npy", WordTokenizer())
    plain = TextReader.__init__
    monkeypatch.setattr(TextReader, "__init__", lambda self, path, encoding: plain(self, path, encoding, piece=5))
    parts = write_tokens(files, tmp_path / "b.npy", WordTokenizer())
    assert np.array_equal(whole.numbers, parts.numbers)
    assert whole.vocabulary == parts.vocabulary
    assert whole.digest == parts.digest


def test_replaced_bytes_are_counted_over_all_texts(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(b"one caf\xe9 is enough\n")
    found = write_tokens([tmp_path / "a", tmp_path / "b"], tmp_path / "t.npy", WordTokenizer())
    assert found.replaced == 2
    assert [note.split()[0] for note in found.notes] == ["a", "b"]


def test_nothing_is_left_of_a_failure(files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("  ")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DataError, match="is empty"):
        write_tokens([*files, tmp_path / "empty.txt"], tmp_path / "a.npy", WordTokenizer())
    assert sorted(tmp_path.iterdir()) == before


def test_a_failure_in_the_middle_of_writing_keeps_what_was_there(files: list[Path], tmp_path: Path) -> None:
    learned = write_tokens(files, tmp_path / "a.npy", WordTokenizer())
    numbers = learned.numbers.tolist()
    (tmp_path / "late.txt").write_bytes(b"text " * 300_000 + bytes(10_000))
    with pytest.raises(DataError, match="binary"):
        write_tokens(tmp_path / "late.txt", tmp_path / "a.npy", WordTokenizer(), vocabulary=learned.vocabulary)
    assert open_tokens(tmp_path / "a.npy").numbers.tolist() == numbers
    assert not list(tmp_path.glob(".*"))


def test_files_that_cannot_be_used(files: list[Path], tmp_path: Path) -> None:
    write_tokens(files, tmp_path / "a.npy", WordTokenizer())
    with pytest.raises(RunError, match="no file of tokens"):
        open_tokens(tmp_path / "b.npy")
    record = json.loads((tmp_path / "a.json").read_text())
    (tmp_path / "a.json").write_text(json.dumps(record | {"vocabulary": {}}))
    with pytest.raises(RunError, match="no file of tokens"):
        open_tokens(tmp_path / "a.npy")
    (tmp_path / "a.json").write_text(json.dumps(record))
    np.save(tmp_path / "a.npy", np.zeros(4, np.int32))
    with pytest.raises(RunError, match="does not fit its vocabulary"):
        open_tokens(tmp_path / "a.npy")


def test_what_is_forgotten_in_counting_counts_as_unknown_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("the of " * 50 + " ".join(f"w{number}" for number in range(30)))
    whole = write_tokens(tmp_path / "a.txt", tmp_path / "a.npy", WordTokenizer())
    assert not whole.notes
    monkeypatch.setattr("leadline.text.token_files.count_tokens", partial(count_tokens, most_held=10))
    found = write_tokens(tmp_path / "a.txt", tmp_path / "b.npy", WordTokenizer())
    assert found.vocabulary.words == ("", "<unk>", "of", "the", "w29")  # the last one is in a piece of its own
    assert found.vocabulary.counts == (0, 29, 50, 50, 1)
    assert found.vocabulary.coverage == pytest.approx(101 / 130)
    assert "29 in all count as unknown" in found.notes[0]


@pytest.mark.parametrize("first", [0, -1, 10_000])
def test_careless_arguments(first: int, files: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="cannot be learned so"):
        write_tokens(files, tmp_path / "a.npy", WordTokenizer(), learn_from=lambda _: first)
    with pytest.raises(ArgumentError, match="at least one file"):
        write_tokens([], tmp_path / "a.npy", WordTokenizer())
    with pytest.raises(ArgumentError, match=r"\.npy file"):
        write_tokens(files, tmp_path / "a.bin", WordTokenizer())
