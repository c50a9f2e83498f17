from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from leadline.errors import DataError, SourceNotFoundError
from leadline.text.vector_rows import read_vector_rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "vectors.txt"
    file.write_text("3 2\n</s> 0.5 1\ngood 1 -1e-1 \nfilm 2 3\ngood 9 9\n", encoding="utf-8")
    return file


def test_words_in_their_order_and_the_first_of_two(path: Path) -> None:
    words, vectors = read_vector_rows(path)
    assert words == ["</s>", "good", "film"]
    np.testing.assert_allclose(vectors, [[0.5, 1], [1, -0.1], [2, 3]])
    assert vectors.dtype == np.float32


def test_only_what_is_wanted_and_only_the_first(path: Path) -> None:
    assert read_vector_rows(path, wanted={"film", "elsewhere"})[0] == ["film"]
    assert read_vector_rows(path, most=2)[0] == ["</s>", "good"]
    words, vectors = read_vector_rows(path, wanted=set())
    assert words == []
    assert vectors.shape == (0, 2)


def test_a_file_without_a_first_line_of_numbers(tmp_path: Path) -> None:
    (tmp_path / "glove.txt").write_text("the 0.1 0.2 0.3\n", encoding="utf-8")
    assert read_vector_rows(tmp_path / "glove.txt")[1].shape == (1, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("2 3\n", "is empty"),
        ("good 1 2\nfilm 1\n", r"Line 2 of .* is no word with its vector\. Expected a word and 2 numbers"),
        ("good\n", "Line 1 of .* is no word with its vector"),
        ("good 1 2\nfilm 1 x\n", "Line 2 of .* has a vector with what is no number"),
    ],
)
def test_what_is_no_file_of_vectors(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "wrong.txt").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_vector_rows(tmp_path / "wrong.txt")
    with pytest.raises(SourceNotFoundError):
        read_vector_rows(tmp_path / "nowhere.txt")
