"""Word vectors asked, written and read: against plain NumPy, and files made by hand."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from leadline.errors import ArgumentError, DataError, SourceNotFoundError
from leadline.text.vector_files import read_vectors, write_vectors
from leadline.text.word_vectors import WordVectors


def drawn(count: int = 50, width: int = 7, seed: int = 0) -> WordVectors:
    rng = np.random.default_rng(seed)
    return WordVectors([f"word{number}" for number in range(count)], rng.normal(size=(count, width)).astype(np.float32))


def test_the_nearest_are_those_of_all_cosines() -> None:
    vectors = drawn()
    wanted = vectors.directions[3] + vectors.directions[8] - vectors.directions[5]
    cosines = vectors.directions @ (wanted / np.linalg.norm(wanted))
    order = [row for row in np.argsort(-cosines).tolist() if row not in (3, 8, 5)]
    near = vectors.most_similar(["word3", "word8"], ["word5"], top=6)
    assert [each.word for each in near] == [f"word{row}" for row in order[:6]]
    assert [each.cosine for each in near] == pytest.approx(cosines[order[:6]].tolist(), abs=1e-6)
    assert vectors.analogy("word5", "word3", "word8", top=6) == near
    assert len(vectors.most_similar("word1", top=1000)) == 49
    assert vectors.similarity("word1", "word2") == pytest.approx(float(vectors.directions[1] @ vectors.directions[2]))


def test_a_word_that_is_not_known_is_told_with_the_nearest_spelling() -> None:
    vectors = WordVectors(["monday", "money", "bank"], np.eye(3))
    with pytest.raises(ArgumentError, match=r"'mondy' is not known.*Spelled alike: monday"):
        vectors.most_similar("mondy")
    assert vectors.most_similar("Bank") == vectors.most_similar("bank")  # in small letters where it is known only so
    with pytest.raises(ArgumentError, match="no word to look beside"):
        vectors.most_similar([])


@pytest.mark.parametrize(("words", "shape"), [(["a"], (2, 3)), (["a", "a"], (2, 3)), (["a"], (1, 0)), (["a", "b"], (2,))])
def test_words_and_vectors_must_fit(words: list[str], shape: tuple[int, ...]) -> None:
    with pytest.raises(ArgumentError):
        WordVectors(words, np.zeros(shape))


@pytest.mark.parametrize("name", ["v.txt", "v.bin", "v.txt.gz", "v.bin.gz", "v.vec"])
def test_what_is_written_is_read_to_the_bit(name: str, tmp_path: Path) -> None:
    vectors = drawn(30, 5)
    again = read_vectors(write_vectors(vectors, tmp_path / name))
    assert again.words == vectors.words
    assert np.array_equal(again.vectors, vectors.vectors)
    assert read_vectors(tmp_path / name, most=4).words == vectors.words[:4]


@pytest.mark.parametrize("word", ["\u3000", "\xa0", "\u200b", "\xad", "\u2028", "a\u3000b", "\x7f"])
@pytest.mark.parametrize("name", ["v.txt", "v.bin"])
def test_a_word_may_be_what_cannot_be_seen(name: str, word: str, tmp_path: Path) -> None:
    vectors = WordVectors([word, *(f"word{number}" for number in range(20)), f"{word}last"], drawn(22, 3).vectors)
    again = read_vectors(write_vectors(vectors, tmp_path / name))
    assert again.words == vectors.words
    assert np.array_equal(again.vectors, vectors.vectors)
    if name == "v.txt":
        (tmp_path / "glove.txt").write_bytes((tmp_path / name).read_bytes().split(b"\n", 1)[1])
        assert read_vectors(tmp_path / "glove.txt").words == vectors.words


def test_blanks_in_a_word_are_written_as_others_can_read_them(tmp_path: Path) -> None:
    vectors = WordVectors(["new york", "\n", "tab\there"], np.eye(3))
    assert read_vectors(write_vectors(vectors, tmp_path / "v.txt")).words == ("new_york", "_", "tab_here")


def test_the_binary_format_is_the_one_of_word2vec(tmp_path: Path) -> None:
    """Bytes put together by hand, as the authors' program writes them (a line feed behind each row) and as others do (none)."""
    for behind in (b"\n", b""):
        rows = b"".join(
            word + b" " + struct.pack("<3f", *row) + behind
            for word, row in ((b"to", (1, 2, 3)), ("süß".encode(), (0, -1, 0.5)))
        )
        (tmp_path / "a.bin").write_bytes(b"2 3\n" + rows)
        vectors = read_vectors(tmp_path / "a.bin")
        assert vectors.words == ("to", "süß")
        assert vectors.vectors.tolist() == [[1, 2, 3], [0, -1, 0.5]]
    write_vectors(vectors, tmp_path / "b.bin")
    assert (tmp_path / "b.bin").read_bytes() == b"2 3\nto " + struct.pack(
        "<3f", 1, 2, 3
    ) + b"\ns\xc3\xbc\xc3\x9f " + struct.pack("<3f", 0, -1, 0.5) + b"\n"


def test_text_without_a_first_line_is_read_as_glove_writes_it(tmp_path: Path) -> None:
    (tmp_path / "glove.txt").write_text("the 0.1 0.2 0.3\n. 1 2 3\nnew york 4 5 6\n".replace("new york", "new_york"))
    assert read_vectors(tmp_path / "glove.txt").words == ("the", ".", "new_york")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"3 2\na 1 2\nb 3 4\n", "its end is wrong. Expected 3 words"),
        (b"1 2\na 1 2\nb 3 4\n", "its first line is wrong. Expected 2 words"),
        (b"2 2\na 1 2\nb 3\n", "line 3 is wrong. Expected a word and 2 numbers"),
        (b"2 2\na 1 2\nb 3 4.5 5.5\n", "line 3 is wrong"),
        (b"2 2\na 1 2\nb 3 x\n", "line 3 is wrong"),
        (b"a 1 2\nb 3\n", "line 2 is wrong"),
        (b"2 many\na 1 2\n", "its first line is wrong"),
        (b"0 2\n", "its first line is wrong"),
        (b"2 2\na 1 2\nb nan 4\n", "the word 'b' is wrong"),
        (b"2 3\nto " + struct.pack("<3f", 1, 2, 3) + b"\nbe " + struct.pack("<2f", 1, 2), "its end is wrong|word 2 is wrong"),
        (gzip.compress(b"3 2\na 1 2\n", mtime=0), "its end is wrong"),
        (b"1 1\n\na 2\n", "line 2 is wrong. Expected a word and 1 numbers"),
        (b"1 2\n\na 1 2\n", "line 2 is wrong"),
        (b"1 2\nto " + struct.pack("<2f", 1, 2) + b"\nbe " + struct.pack("<2f", 1, 2), "its first line is wrong"),
    ],
)
def test_a_damaged_file_is_told_where_it_is_damaged(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=says):
        read_vectors(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="no file of word vectors"):
        read_vectors(tmp_path / "none.bin")


@pytest.mark.parametrize("name", ["v.bin", "v.txt"])
def test_a_file_that_ends_too_early_is_refused_wherever_it_ends(name: str, tmp_path: Path) -> None:
    content = write_vectors(drawn(12, 3), tmp_path / name).read_bytes()
    least = content.index(b"\n") + 1
    # In text what is cut of the last number leaves another number.
    for end in range(least, content.rindex(b" ") if name.endswith("txt") else len(content) - 1):
        (tmp_path / "cut").write_bytes(content[:end])
        with pytest.raises(DataError, match="is no file of word vectors that can be used"):
            read_vectors(tmp_path / "cut")


# Written by gensim 4.4.0: KeyedVectors.save_word2vec_format(path, binary=False) and the same with binary=True.
_OF_GENSIM = {
    "v.txt": "4 3\nthe 0.5 -1.0 0.1\nsüß 1e-07 2.0 3.0\n\u3000 0.33333334 -0.25 7.0\nnew_york 4.0 5.0 -6.0\n".encode(),
    "v.bin": b"4 3\nthe \x00\x00\x00?\x00\x00\x80\xbf\xcd\xcc\xcc=s\xc3\xbc\xc3\x9f \x95\xbf\xd63\x00\x00\x00@\x00\x00@@"
    b"\xe3\x80\x80 \xab\xaa\xaa>\x00\x00\x80\xbe\x00\x00\xe0@new_york \x00\x00\x80@\x00\x00\xa0@\x00\x00\xc0\xc0",
}


@pytest.mark.parametrize("name", _OF_GENSIM)
def test_what_gensim_wrote_is_read(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(_OF_GENSIM[name])
    vectors = read_vectors(tmp_path / name)
    wanted = [[0.5, -1, 0.1], [1e-7, 2, 3], [1 / 3, -0.25, 7], [4, 5, -6]]
    assert vectors.words == ("the", "süß", "\u3000", "new_york")
    assert np.array_equal(vectors.vectors, np.array(wanted, np.float32))


@pytest.mark.parametrize("name", ["v.txt", "v.bin"])
def test_gensim_reads_what_was_written(name: str, tmp_path: Path) -> None:
    models = pytest.importorskip("gensim.models", reason="gensim is not installed")
    vectors = WordVectors(["the", "süß", "\u3000", "\u2028", "new_york"], drawn(5, 4).vectors)
    write_vectors(vectors, tmp_path / name)
    read = models.KeyedVectors.load_word2vec_format(str(tmp_path / name), binary=name == "v.bin")
    assert tuple(read.index_to_key) == vectors.words
    assert np.array_equal(read.vectors, vectors.vectors)
