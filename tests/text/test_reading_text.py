"""Text files: encodings, invalid bytes, binary files, and memory that does not grow with the file or its lines."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadline.errors import ArgumentError, DataError, SourceNotFoundError
from leadline.text.reading_text import TextReader, sample_of_text
from leadline.text.tokenizers import WordTokenizer

SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
POEM = "Größe, naïve café — 日本\r\nline two\rline three\n\nend \U0001f600"
PARTS = st.sampled_from(["to", "be,", "<br />", "don't", "1,000.5", "", "\n", "日本", "x" * 30, "(é)", "\r\n"])
PLAIN = POEM.replace("\r\n", "\n").replace("\r", "\n")


def write(folder: Path, content: bytes, name: str = "a.txt") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1 << 20])
def test_encodings_that_are_known_by_themselves(encoding: str, piece: int, tmp_path: Path) -> None:
    mark = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}.get(encoding, b"")
    reader = TextReader(write(tmp_path, mark + POEM.encode(encoding)), piece=piece)
    assert "".join(reader) == PLAIN
    assert reader.replaced == 0
    assert reader.characters == len(PLAIN)
    assert reader.notes() == []


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark(encoding: str, tmp_path: Path) -> None:
    assert "".join(TextReader(write(tmp_path, ("To be, or not.\r\n" * 9).encode(encoding)))) == "To be, or not.\n" * 9


def test_an_encoding_that_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "größer\r\n".encode("cp1252"))
    assert "".join(TextReader(path, "cp1252")) == "größer\n"
    assert "".join(TextReader(write(tmp_path, "日本".encode("shift_jis")), "shift_jis")) == "日本"
    for wrong in ("cp12525", "rot13", "hex"):
        with pytest.raises(ArgumentError, match="no encoding"):
            TextReader(path, wrong)


def test_invalid_bytes_are_replaced_and_counted(tmp_path: Path) -> None:
    content = b"caf\xc3\xa9 caf\xe9 \xe2\x82 \xed\xa0\x80 " + "\ufffd".encode() + b" and so on, " * 3 + b"\xc3"
    for piece in (1, 5, 1 << 20):
        reader = TextReader(write(tmp_path, content), piece=piece)
        # The replacement character that stood there itself is not counted.
        assert "".join(reader) == "café caf\ufffd \ufffd\ufffd \ufffd\ufffd\ufffd \ufffd" + " and so on, " * 3 + "\ufffd"
        assert reader.replaced == 7
        assert reader.notes() == ["a.txt holds 7 bytes that mean nothing in UTF-8; replaced by \ufffd."]


def test_a_hint_where_no_foreign_letter_could_be_read(tmp_path: Path) -> None:
    reader = TextReader(write(tmp_path, ("Die Größe der Höhe ist " * 9).encode("cp1252")))
    list(reader)
    assert reader.replaced == 27
    assert "name it, as in --set data.encoding" in reader.notes()[0]


def test_a_text_that_would_be_in_tatters(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is not in UTF-8. Got .* bytes that mean nothing.*Name its encoding"):
        list(TextReader(write(tmp_path, ("Привет, мир " * 50).encode("cp1251"))))


@SAME_FOLDER
@given(st.lists(PARTS, min_size=1), st.integers(1, 50))
def test_pieces_end_between_tokens(tmp_path: Path, parts: list[str], piece: int) -> None:
    text = " ".join(parts) + "."
    pieces = list(TextReader(write(tmp_path, text.encode()), piece=piece))
    plain = text.replace("\r\n", "\n")
    assert "".join(pieces) == plain
    split = WordTokenizer(lines=True).split
    assert [token for each in pieces for token in split(each)] == split(plain)


def test_memory_does_not_grow_with_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with path.open("wb") as file:
        for _ in range(24):
            file.write(b"word " * 100_000 + b"w" * 500_000)
    tracemalloc.start()
    try:
        reader = TextReader(path)
        longest = max(map(len, reader))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert reader.characters == 24_000_000
    assert longest < 3_000_000
    assert peak < 12_000_000


def test_a_line_without_a_space_is_cut_all_the_same(tmp_path: Path) -> None:
    path = write(tmp_path, b"x" * 20_000_000)
    pieces = list(TextReader(path))
    assert sum(map(len, pieces)) == 20_000_000
    assert max(map(len, pieces)) < 6_000_000


@pytest.mark.parametrize(
    "content", [b"", b" \n\t \r\n", codecs.BOM_UTF8, codecs.BOM_UTF8 + b"\n", "\u2003 \n".encode("utf-16")]
)
def test_an_empty_text(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a.txt is empty. Expected a text"):
        list(TextReader(write(tmp_path, content)))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (np.random.default_rng(0).bytes(5_000), "binary file"),
        (b"\x7fELF\x02\x01\x01" + bytes(64), "binary file"),
        (b"text at first " * 10_000 + bytes(5_000), "binary file"),
        (b"\x01\x02\x03\x04", "binary file"),
        (b"PK\x03\x04 and so on", "zip archive or an office document"),
        (b"%PDF-1.7 and so on", "a PDF"),
        (b"{\\rtf1 and so on", "rich text"),
        (b"\xfd7zXZ and so on", "packed with xz"),
    ],
)
def test_what_is_no_text(content: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=words):
        list(TextReader(write(tmp_path, content)))


def test_a_stray_control_character_is_no_binary_file(tmp_path: Path) -> None:
    reader = TextReader(write(tmp_path, b"one\x00two \x1b[31mred\x1b[0m \x07 " + b"and so on " * 20))
    assert "".join(reader).startswith("one\ufffdtwo \x1b[31mred")
    assert reader.replaced == 1


def test_gzip(tmp_path: Path) -> None:
    packed = gzip.compress(POEM.encode())
    reader = TextReader(write(tmp_path, packed))
    assert "".join(reader) == PLAIN
    assert reader.digest == hashlib.sha256(packed).hexdigest()
    for broken in (packed[:-5], packed[:40] + bytes(20)):
        with pytest.raises(DataError, match="not a whole gzip file"):
            list(TextReader(write(tmp_path, broken)))


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="no file"):
        list(TextReader(tmp_path / "b.txt"))
    with pytest.raises(DataError, match="is a folder"):
        list(TextReader(tmp_path))
    with pytest.raises(ArgumentError, match="pieces"):
        TextReader(tmp_path, piece=0)


def test_a_reader_reads_again_from_the_beginning(tmp_path: Path) -> None:
    path = write(tmp_path, b"to be \xff or not" * 5)
    reader = TextReader(path, piece=8)
    first, replaced = "".join(reader), reader.replaced
    assert ("".join(reader), reader.replaced) == (first, replaced) == ("to be \ufffd or not" * 5, 5)
    assert reader.digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_sample(tmp_path: Path) -> None:
    path = write(tmp_path, b"word " * 100_000)
    assert sample_of_text(path, most=12) == "word word wo"
    assert sample_of_text(path, most=10_000_000) == "word " * 100_000
