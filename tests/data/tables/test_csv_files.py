"""read_csv: each rule by itself, on files as people have them."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from leadline.data.dataset import Excluded
from leadline.data.tables.csv_files import read_csv
from leadline.data.tables.frame import Frame
from leadline.errors import DataError, SourceNotFoundError

Read = Callable[..., Frame]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write text or bytes to a file and read it."""

    def read_content(
        content: str | bytes, *, name: str = "my.csv", header: bool | None = None, encoding: str | None = None
    ) -> Frame:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_csv(path, header=header, encoding=encoding)

    return read_content


def test_everything_about_a_plain_file(read: Read) -> None:
    content = "name,age\nAnn,31\nBo,\n"
    frame = read(content)
    assert frame.data.columns == ["name", "age"]
    assert frame.data.rows() == [("Ann", "31"), ("Bo", None)]
    assert list(frame.ids) == ["my.csv:2", "my.csv:3"]
    assert frame.digest == hashlib.sha256(content.encode()).hexdigest()
    assert (frame.name, frame.header, frame.notes, frame.excluded, frame.parts) == ("my", True, (), (), None)


def test_ids_are_the_lines_on_which_records_start(read: Read) -> None:
    frame = read('a,b\r\n\r\n1,"x\r\ny"\r\n\r\n2,z\r\n')
    assert frame.data.rows() == [("1", "x\ny"), ("2", "z")]
    assert list(frame.ids) == ["my.csv:3", "my.csv:6"]


def test_ragged_rows_are_listed_with_their_lines_and_both_counts(read: Read) -> None:
    frame = read("a,b,c\n1,2,3\n4,5\n6\n7,8,9,10\n1,1,1\n")
    assert frame.data.height == 2
    assert frame.excluded == (
        Excluded("my.csv:3", "it has 2 fields where the others have 3"),
        Excluded("my.csv:4", "it has 1 field where the others have 3"),
        Excluded("my.csv:5", "it has 4 fields where the others have 3"),
    )


def test_every_other_reason_to_set_a_record_aside(read: Read) -> None:
    frame = read(b'Title\n,,\na,b,c\n1,2,3\n,"", \n1,"2,3\n4,\x005,6\na,b,c\n7,8,9\n')
    assert frame.data.rows() == [("1", "2", "3"), ("7", "8", "9")]
    assert [(row.id.removeprefix("my.csv:"), row.reason) for row in frame.excluded] == [
        ("1", "it has 1 field where the others have 3"),
        ("2", "it is empty"),
        ("5", "it is empty"),
        ("6", "a quote in it is never closed, or is followed by other characters"),
        ("7", "it has bytes that are not text"),
        ("8", "it repeats the header"),
    ]


def test_lines_that_are_not_utf_8_in_a_file_that_is(read: Read) -> None:
    frame = read("a,b\né,1\nü,2\n".encode() + b"\xfc,3\nx,4\n")
    assert frame.data["b"].to_list() == ["1", "2", "4"]
    assert frame.excluded == (Excluded("my.csv:4", "it has bytes that are not text"),)


def test_bytes_that_mean_nothing_are_replaced_in_sentences_and_cost_their_row_elsewhere(read: Read) -> None:
    lines = [f"{'ham' if n % 2 else 'spam'}\tthis is the größte of message {n}".encode() for n in range(40)]
    lines[3] = b"ham\tcaf\xe9 au lait, and th\xe9 with it"
    lines[4] = b"sp\xe4m\tthis is another one"
    lines[5] = b"sp\xe4m\tand this \xe4 third"
    lines[6] = b"ham\tone with a \0 in it"
    frame = read(b"\n".join(lines), name="my.tsv", header=False)
    assert [(row.id, row.reason) for row in frame.excluded] == [
        ("my.tsv:5", "it has bytes that are not text"),
        ("my.tsv:6", "it has bytes that are not text"),
    ]
    assert frame.data["column 1"].unique().sort().to_list() == ["ham", "spam"]
    said = frame.data["column 2"].to_list()
    assert said[3:5] == ["caf\ufffd au lait, and th\ufffd with it", "one with a \ufffd in it"]
    assert "3 bytes in my.tsv meant nothing in its encoding; replaced by \ufffd." in frame.notes


def test_a_name_with_such_a_byte_stays_a_name(read: Read) -> None:
    frame = read("größe,b\né,1\nü,2\n".encode().replace("ö".encode(), b"\xf6"))
    assert frame.data.columns == ["gr\ufffd\xdfe", "b"]


def test_a_delimiter_at_the_end_of_every_line_makes_no_column(read: Read) -> None:
    for content in ("a,b,\n1,2,\n3,4,\n", "a,b\n1,2,\n3,4,\n"):
        frame = read(content)
        assert frame.data.columns == ["a", "b"]
        assert frame.data.rows() == [("1", "2"), ("3", "4")]
        assert frame.notes == ()


def test_a_last_column_with_a_name_or_a_value_is_kept(read: Read) -> None:
    assert read("a,b,c\n1,2,\n3,4,\n").data.columns == ["a", "b", "c"]
    assert read("a,b,\n1,2,\n3,4,5\n").data.columns == ["a", "b", "column 3"]


def test_names_of_rows_get_a_column(read: Read) -> None:
    frame = read("x,y\nann,1,2\nbo,3,4\n")
    assert frame.data.columns == ["row", "x", "y"]
    assert frame.data.rows()[0] == ("ann", "1", "2")
    assert "one field more than its header has names" in frame.notes[0]


def test_names_twice_or_missing_are_made_up_and_said(read: Read) -> None:
    frame = read("price,price,,\n1,2,3,x\n4,5,6,y\n")
    assert frame.data.columns == ["price", "price (2)", "column 3", "column 4"]
    assert '"price (2)"' in frame.notes[0]
    assert '"column 3", "column 4"' in frame.notes[1]


def test_a_file_without_a_header(read: Read) -> None:
    frame = read("39, State-gov, <=50K\n50, Private, <=50K\n38, State-gov, >50K\n")
    assert not frame.header
    assert frame.data.columns == ["column 1", "column 2", "column 3"]
    assert frame.data.rows()[0] == ("39", "State-gov", "<=50K")
    assert frame.ids[0] == "my.csv:1"
    assert "has no header" in frame.notes[0]


def test_the_header_can_be_decided(read: Read) -> None:
    assert read("1,2\n3,4\n", header=True).data.columns == ["1", "2"]
    frame = read("a,b\n3,4\n", header=False)
    assert frame.data.rows() == [("a", "b"), ("3", "4")]


def test_only_a_header_of_several_names_can_be_repeated(read: Read) -> None:
    assert read("word\nword\nother\n", header=True).data.height == 2
    assert read("a,\na,\nx,y\n", header=True).data.rows() == [("x", "y")]


@pytest.mark.parametrize("name", ["my.csv.gz", "my.csv"])
def test_gzip(read: Read, name: str) -> None:
    packed = gzip.compress(b"a,b\n1,2\n")
    frame = read(packed, name=name)
    assert frame.data.rows() == [("1", "2")]
    assert (frame.name, frame.digest) == ("my", hashlib.sha256(packed).hexdigest())


@pytest.mark.parametrize("name", ["my.tsv", "my.TAB", "my.tsv.gz"])
def test_a_tsv_is_read_by_its_tabs(read: Read, name: str) -> None:
    frame = read("a,x\tb,y\n1,2\t3,4\n5,6\t7,8\n", name=name)
    assert frame.data.columns == ["a,x", "b,y"]


def test_the_encoding_is_guessed_said_and_can_be_chosen(read: Read) -> None:
    content = "name,n\nŁódź,1\nGdańsk,2\n".encode("cp1250")
    assert read(content, encoding="cp1250").data["name"].to_list() == ["Łódź", "Gdańsk"]
    assert "Windows-1252" in read("a,b\nMüller,2\n".encode("latin-1")).notes[0]
    assert read("a,b\n€,2\n".encode("utf-16")).data.rows() == [("€", "2")]
    with pytest.raises(DataError, match="no encoding 'klingon'"):
        read("a,b\n1,2\n", encoding="klingon")


def test_quotes_that_are_not_doubled_are_read_and_said(read: Read) -> None:
    frame = read('a,b\n"5" pipe",1\n6" pipe,2\n"7" pipe, long",3\n')
    assert frame.data["a"].to_list() == ['5" pipe', '6" pipe', '7" pipe, long']
    assert frame.notes == (
        "Line 2 and 1 others of my.csv hold quotes within quoted values that are not doubled; "
        "they were taken for part of the value.",
    )


def test_a_value_over_very_many_lines_is_said(read: Read) -> None:
    frame = read('a,b\n1,"' + "x\n" * 150 + '"\n2,y\n')
    assert frame.data.height == 2
    assert "spans 151 lines from line 2 on" in frame.notes[0]


def test_one_column(read: Read) -> None:
    frame = read("price\n1,5\n2,75\n\n-3,5\n")
    assert frame.data.rows() == [("1,5",), ("2,75",), ("-3,5",)]
    assert "has one column" in frame.notes[0]


def test_a_thousand_columns_and_a_row_in_one_line(read: Read) -> None:
    names = ",".join(f"c{number}" for number in range(1000))
    frame = read(f"{names}\n{','.join(map(str, range(1000)))}\n")
    assert frame.data.shape == (1, 1000)
    assert frame.data.row(0)[999] == "999"


def test_a_field_longer_than_what_is_looked_at_together(read: Read) -> None:
    long = "x, \n" * 1_000_000
    frame = read(f'a,b\n1,"{long}"\n2,y\n')
    assert frame.data["b"].to_list() == [long[:65_536].strip(), "y"]
    assert "1 value of my.csv is longer than 65,536 characters" in frame.notes[-2]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "my.csv is empty"),
        (b"\n\n \n", "my.csv is empty"),
        (b"a,b,c\n", "my.csv has no rows.*got a header alone"),
        (b"a,b,c\n,,\n", "no row that can be used.*my.csv:2.*it is empty"),
        (b'a,b\n"x\n"y\n', "no row that can be used.*2 that cannot; the first is my.csv:2"),
        (b"<!DOCTYPE html><html><body>404", "my.csv is a web page"),
        (b"\x00\x01\x02\x03" * 50, "my.csv is a binary file"),
        (b"PK\x03\x04 xl/worksheets", "my.csv is an Excel file"),
    ],
)
def test_what_is_no_table_is_refused_in_a_paragraph(read: Read, content: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read(content)


def test_a_file_that_is_not_there_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="There is no file"):
        read_csv(tmp_path / "none.csv")
    with pytest.raises(DataError, match="is a folder"):
        read_csv(tmp_path)
