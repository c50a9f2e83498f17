"""Text files to token numbers: which file is which part, what teaches the vocabulary, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from leadline.data.tokens.token_sources import python_sources, read_token_parts
from leadline.errors import DataError, SourceNotFoundError

LINE = "the cat sat on the mat .\n"


def test_one_file_is_cut_in_three(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(LINE * 99 + "zebra " * 8 + "\n")
    parts = read_token_parts(path, tmp_path / "kept", by="spaced words")
    assert isinstance(parts.train, np.memmap)
    whole = np.concatenate([parts.train, parts.valid, parts.test])
    assert len(whole) == 99 * 8 + 9
    assert (len(parts.valid), len(parts.test)) == (40, 40)
    assert "zebra" not in parts.tokens.vocabulary, "the vocabulary is that of the training part"
    assert (parts.test == 1).sum() == 8
    assert any("lacks 20 % of the tokens" in note for note in parts.notes)


@pytest.mark.parametrize("count", [6, 7, 19, 23, 50, 110, 130, 137])
@pytest.mark.parametrize("beside", [False, True])
def test_the_vocabulary_is_of_the_very_tokens_that_are_trained_on(count: int, beside: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.train.txt"
    path.write_text(" ".join(f"w{number}" for number in range(count)))
    if beside:
        (tmp_path / "a.valid.txt").write_text("w0 w1 w2\n")
    parts = read_token_parts(path, tmp_path / "kept", by="spaced words")
    assert len(parts.train) + len(parts.test) + (0 if beside else len(parts.valid)) == count
    assert set(parts.tokens.vocabulary.words[2:]) == {f"w{number}" for number in range(len(parts.train))}
    assert (parts.test == 1).all()


def test_a_folder_that_says_its_parts(tmp_path: Path) -> None:
    for part, times in {"train": 30, "valid": 5, "test": 7}.items():
        (tmp_path / f"x.{part}.txt").write_text(LINE * times)
    parts = read_token_parts(tmp_path, tmp_path / "kept", by="spaced words")
    assert [len(parts.train), len(parts.valid), len(parts.test)] == [240, 40, 56]
    assert parts.tokens.decode(parts.valid[:8]) == LINE
    (tmp_path / "x.test.txt").unlink()
    parts = read_token_parts(tmp_path, tmp_path / "kept", by="spaced words")
    assert [len(parts.train), len(parts.valid), len(parts.test)] == [228, 40, 12]


def test_files_that_say_nothing_follow_each_other(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "b.txt").write_text("second " * 50)
    (tmp_path / "deep" / "c.txt").write_text("third " * 50)
    (tmp_path / "a.txt").write_text("first " * 50)
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    parts = read_token_parts(tmp_path, tmp_path / "kept", by="words")
    whole = np.concatenate([parts.train, parts.valid, parts.test])
    assert parts.tokens.decode(whole[[0, 49, 50, 99, 100]]) == "first first second second third"


def test_what_suits_the_text_is_told_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("To be, or not to be: that is the question.\n" * 30)
    parts = read_token_parts(path, tmp_path / "kept")
    assert parts.tokens.by == "characters"
    assert parts.notes[0].startswith("The text is read by characters: ")


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    digests = []
    for text in (LINE * 20, LINE * 20, LINE * 21):
        (tmp_path / "a.txt").write_text(text)
        digests.append(read_token_parts(tmp_path / "a.txt", tmp_path / "kept").digest)
    assert digests[0] == digests[1] != digests[2]


def test_careless_sources(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="no text at"):
        read_token_parts(tmp_path / "none.txt", tmp_path / "kept")
    with pytest.raises(SourceNotFoundError, match="no text in the folder"):
        read_token_parts(tmp_path, tmp_path / "kept")
    for name, content, words in [
        ("empty.txt", b"", "is empty"),
        ("binary.txt", bytes(range(256)) * 40, "binary"),
        ("short.txt", b"abc", "too short to be divided"),
        ("word.txt", b"antidisestablishmentarianism", None),
    ]:
        (tmp_path / name).write_bytes(content)
        if words is None:
            parts = read_token_parts(tmp_path / name, tmp_path / "kept")
            assert len(parts.train) == 24
        else:
            with pytest.raises(DataError, match=words):
                read_token_parts(tmp_path / name, tmp_path / "kept")
    with pytest.raises(DataError, match="too short to be divided"):
        read_token_parts(tmp_path / "word.txt", tmp_path / "kept", by="words")


def test_pythons_own_sources_are_without_tests() -> None:
    sources = python_sources()
    assert sources == sorted(sources)
    assert not any("test" in path.parts or "site-packages" in path.parts for path in sources)
    assert {"ast.py", "textwrap.py"} <= {path.name for path in sources}
