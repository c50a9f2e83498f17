"""Encodings: recognised where they can be, said where they are guessed, refused where there is no text."""

from __future__ import annotations

import gzip

import pytest

from leadline.data.tables.plain_text import read_text
from leadline.errors import DataError

TEXT = "name,city\nZoë,Köln\nJosé,Łódź\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_every_form_of_unicode_is_recognised(encoding: str) -> None:
    text = read_text(TEXT.encode(encoding), "a.csv")
    assert text.data == TEXT.encode()
    assert text.notes == ()


def test_windows_1252_is_guessed_and_the_guess_can_be_judged_and_corrected() -> None:
    text = read_text("a,b\n1,€ 5\n2,Müller\n".encode("cp1252"), "a.csv")
    assert text.data == "a,b\n1,€ 5\n2,Müller\n".encode()
    (note,) = text.notes
    assert 'read as Windows-1252, in which line 3 says "Müller"' in note
    assert "--set data.encoding=" in note


def test_without_a_letter_the_note_quotes_a_sign() -> None:
    assert 'line 2 says "5€"' in read_text("a,b\n1,5€\n".encode("cp1252"), "a.csv").notes[0]


def test_a_text_that_is_mostly_utf_8_stays_so_and_its_broken_lines_are_marked() -> None:
    content = "é,1\nü,2\n".encode() + b"\xfc,3\n"
    text = read_text(content, "a.csv")
    assert text.data == "é,1\nü,2\n".encode() + b"\0,3\n"
    assert text.notes == ()


def test_many_sound_lines_far_from_the_broken_one_count() -> None:
    content = "é,1\n".encode() * 2_000_000 + b"\xfc,3\n\xfc,4\n"
    assert read_text(content, "a.csv").data.endswith(b"1\n\0,3\n\0,4\n")


def test_an_encoding_that_is_named_is_used() -> None:
    assert read_text("Łódź".encode("cp1250"), "a.csv", "cp1250").data == "Łódź".encode()
    assert read_text("表".encode("shift_jis"), "a.csv", "shift_jis").data == "表".encode()
    assert read_text(TEXT.encode("utf-8-sig"), "a.csv", "UTF-8").data == TEXT.encode()
    assert read_text(TEXT.encode("utf-16"), "a.csv", "utf-16").data == TEXT.encode()


@pytest.mark.parametrize("encoding", ["klingon", "", "rot13", "hex", "a\0b"])
def test_what_is_no_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(DataError, match="encoding"):
        read_text(b"a,b", "a.csv", encoding)


def test_bytes_that_are_not_in_the_named_encoding_are_located() -> None:
    with pytest.raises(DataError, match="a.csv is not in ascii.*line 2"):
        read_text("a\né".encode(), "a.csv", "ascii")


def test_bytes_that_fit_neither_guess_ask_for_the_name() -> None:
    with pytest.raises(DataError, match=r"neither in UTF-8 nor in Windows-1252.*line 2.*data\.encoding"):
        read_text(b"a,b\n\x81\xfc,1\n", "a.csv")


def test_a_few_bytes_that_fit_nothing_are_marked_in_a_text_that_is_sound_otherwise() -> None:
    content = b"a,b\n" * 300 + b"x\x81,1\n"
    assert read_text(content, "a.csv").data == b"a,b\n" * 300 + b"x\0,1\n"
    latin = b"a,b\n" * 300 + b"x\xe4,1\n"
    for encoding in ("utf-8", "UTF8"):
        assert read_text(latin, "a.csv", encoding).data == b"a,b\n" * 300 + b"x\0,1\n"
    assert read_text(latin, "a.csv").data.endswith("xä,1\n".encode())  # as nothing speaks for UTF-8
    with pytest.raises(DataError, match="a.csv is not in utf-8.*line 1"):
        read_text(b"x\xe4,1\n" * 20, "a.csv", "utf-8")


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
def test_lines_may_end_in_any_way(end: str) -> None:
    assert read_text(f"a,b{end}1,2{end}".encode(), "a.csv").data == b"a,b\n1,2\n"


def test_lines_may_end_in_several_ways() -> None:
    assert read_text(b"a\r\nb\rc\nd", "a.csv").data == b"a\nb\nc\nd"


def test_gzip_is_unpacked_and_a_part_of_it_is_not_taken_for_the_whole() -> None:
    packed = gzip.compress(b"a,b\n1,2\n")
    assert read_text(packed, "a.csv.gz").data == b"a,b\n1,2\n"
    with pytest.raises(DataError, match="not a whole gzip file"):
        read_text(packed[:-6], "a.csv.gz")
    with pytest.raises(DataError, match="not a whole gzip file"):
        read_text(packed[:12] + b"\xff\xff\xff" + packed[15:], "a.csv.gz")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "is empty"),
        (b" \n\r\n\t", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (gzip.compress(b"", mtime=0), "is empty"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"\n <HTML lang=de>", "is a web page"),
        ("<!doctype html>".encode("utf-16"), "is a web page"),
        (b'<?xml version="1.0"?><rows/>', "is XML"),
        (b'[{"a": 1}]', "is JSON"),
        (b"PK\x03\x04....xl/workbook.xml", "is an Excel file.*save it as csv"),
        (b"PK\x03\x04....other", "is a zip archive.*Unpack it"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an old Excel file"),
        (b"PAR1....PAR1", "is a parquet file"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\x06\0\0\0", "is a binary file"),
        (bytes(range(256)) * 40, "is a binary file"),
        (b"\0" * 100, "is a binary file"),
        (b"x,y\n1,2\n3,4\na\0a\0a\0a\0", "is a binary file"),
    ],
)
def test_what_is_no_text_is_called_by_its_name(content: bytes, kind: str) -> None:
    with pytest.raises(DataError, match=f"a.csv {kind}"):
        read_text(content, "a.csv")


def test_a_few_nuls_are_no_reason_to_refuse_a_text() -> None:
    assert b"\0" in read_text(b"name,age\n" * 20 + b"A\0nn,31\n", "a.csv").data
