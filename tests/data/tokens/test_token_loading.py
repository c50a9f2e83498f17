"""Texts as a Dataset: what is taken for one, how it is divided, which vocabulary it gets, and the same again for evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from leadline.data import load, read
from leadline.data.schema import Schema
from leadline.data.tokens.token_loading import is_token_source, stream_of
from leadline.data.tokens.tokens import NextToken, Tokens
from leadline.errors import ArgumentError, LeadlineError, SourceNotFoundError

LINE = "the cat sat on the mat.\n"


def test_what_is_taken_for_a_text(tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text(LINE * 9)
    waves = np.array([[shift % 2, *np.sin(np.arange(30) / 4 + shift)] for shift in range(12)])
    np.savetxt(tmp_path / "numbers_TRAIN.txt", waves, delimiter=" ", fmt="%g")
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "a.train.txt").write_text(LINE)
    (tmp_path / "classes" / "train" / "spam").mkdir(parents=True)
    (tmp_path / "classes" / "train" / "spam" / "1.txt").write_text(LINE)
    (tmp_path / "digits").mkdir()
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        (tmp_path / "digits" / name).write_bytes(b"\0\0\x08\x01")
    taken = {name: is_token_source(tmp_path / name) for name in ("plain.txt", "parts", "table.csv", "classes", "digits")}
    assert taken == {"plain.txt": True, "parts": True, "table.csv": False, "classes": False, "digits": False}
    assert not is_token_source(tmp_path / "numbers_TRAIN.txt"), "series, one a line"
    assert not is_token_source(tmp_path / "nowhere.txt")
    assert not is_token_source([str(tmp_path / "plain.txt")])


def test_the_streams_are_the_text_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("".join(f"{at} bottles\n" for at in range(300)))
    dataset = load(path, unit="characters", test=0.1)
    assert isinstance(dataset.train.inputs.values, np.memmap)  # type: ignore[union-attr]
    decode = dataset.schema.inputs.decode  # type: ignore[union-attr]
    parts = [stream_of(getattr(dataset, part)) for part in ("train", "valid", "test")]
    assert "".join(decode(ids) for ids in parts) == path.read_text()
    whole = sum(map(len, parts))
    assert [round(len(part) / whole, 2) for part in parts] == [0.85, 0.05, 0.1]
    assert Schema.from_json(dataset.schema.to_json()) == dataset.schema
    assert isinstance(dataset.schema.inputs, Tokens)
    assert isinstance(dataset.schema.answers, NextToken)
    again = load(dataset.origin.source, **dataset.origin.options)
    assert again.fingerprint() == dataset.fingerprint()
    assert load(path, unit="words").fingerprint() != dataset.fingerprint()
    path.write_text(path.read_text() + "more\n")
    assert load(path, unit="characters", test=0.1).fingerprint() != dataset.fingerprint()


def test_words_that_come_once_are_unknown_unless_the_text_was_prepared(tmp_path: Path) -> None:
    plain, prepared = tmp_path / "plain.txt", tmp_path / "prepared.txt"
    plain.write_text("zebra " + "cat dog \n" * 100)
    prepared.write_text("zebra <unk> " + "cat dog \n" * 100)
    assert "zebra" not in load(plain, unit="words").schema.inputs.vocabulary  # type: ignore[union-attr]
    known = load(prepared, unit="spaced words").schema.inputs.vocabulary  # type: ignore[union-attr]
    assert "zebra" in known
    assert load(prepared, unit="spaced words").schema.inputs.encode("<unk>").tolist() == [1]
    assert len(load(plain, unit="words", vocabulary=2).schema.inputs.vocabulary) == 4  # type: ignore[union-attr]


def test_another_text_is_read_with_the_same_vocabulary(tmp_path: Path) -> None:
    path, other = tmp_path / "a.txt", tmp_path / "b.txt"
    path.write_text(LINE * 50)
    other.write_text("the dog sat\n")
    schema = load(path, unit="words").schema
    split = read(other, schema)
    assert schema.inputs.decode(stream_of(split)) == "the <unk> sat\n"  # type: ignore[union-attr]
    assert "25.0 % of its words are not known" in split.notes[-1]
    with pytest.raises(ArgumentError, match="no part 'valid'"):
        read(other, schema, part="valid")
    with pytest.raises(LeadlineError):
        read(np.zeros((3, 2)), schema)


def test_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(LINE * 50)
    with pytest.raises(SourceNotFoundError):
        load(tmp_path / "nowhere.txt", task="tokens")
    with pytest.raises(ArgumentError, match="share of it"):
        load(path, test=40)
    with pytest.raises(ArgumentError, match="A language model has no choice of 'target'"):
        load(path, task="tokens", target="a")
    with pytest.raises(ArgumentError, match="Only texts have a choice of 'unit'"):
        load("digits", unit="words")
    with pytest.raises(LeadlineError, match="syllables"):
        load(path, unit="syllables")
    with pytest.raises(LeadlineError, match="text files"):
        load(np.zeros((3, 2)), task="tokens")
