"""Files of any kind: never anything but a table or a LeadlineError, and every record is accounted for."""

from __future__ import annotations

import atexit
import contextlib
import csv
import gzip
import io
import shutil
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadline.data.tables.csv_files import read_csv
from leadline.data.tables.frame import Frame
from leadline.data.tables.scanning import scan
from leadline.data.tables.table_files import read_file
from leadline.errors import LeadlineError

FOLDER = Path(tempfile.mkdtemp(prefix="leadline-fuzz-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
MANY = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
DELIMITERS = [",", ";", "\t", "|"]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-32"]
LINE_ENDS = ["\n", "\r\n", "\r"]
CELLS = st.one_of(
    st.text(alphabet='ab1 ,;\t|"\n\ré日\xa0\u2003\\#', max_size=6),
    st.integers(-99, 99).map(str),
    st.floats(-10, 10, width=16).map(str),
    st.sampled_from(["", "NA", "?", "yes", "2020-01-02", "12,5", "=1+1"]),
)


def read(content: bytes, name: str = "my.csv", header: bool | None = None, encoding: str | None = None) -> Frame | None:
    """The table, or None where a LeadlineError says why there is none; anything else escapes."""
    path = FOLDER / name
    path.write_bytes(content)
    with contextlib.suppress(LeadlineError):
        return checked(read_csv(path, header=header, encoding=encoding))
    return None


def checked(frame: Frame) -> Frame:
    """What is true of every table."""
    names = frame.data.columns
    assert len(set(names)) == len(names)
    assert all(each and each == each.strip() for each in names)
    assert len(frame.ids) == frame.data.height > 0
    assert all(value is None or value == value.strip(" \t\n\xa0\u2003") != "" for row in frame.data.rows() for value in row)
    return frame


def lines_of(frame: Frame) -> list[int]:
    return [int(each.rpartition(":")[2]) for each in (*frame.ids, *(row.id for row in frame.excluded))]


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[list[str]], str, str, str, bool]:
    """A table with a header, as wide throughout, its delimiter, line end and encoding, and whether all is quoted."""
    width = draw(st.integers(2, 6))
    rows = draw(st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=2, max_size=12))
    header = [f"name {number}" for number in range(width)]
    return [header, *rows], *map(draw, map(st.sampled_from, (DELIMITERS, LINE_ENDS, ENCODINGS, [True, False])))  # type: ignore[return-value]


def written(table: list[list[str]], delimiter: str, end: str, *, all_quoted: bool) -> str:
    def cell(value: str) -> str:
        needed = all_quoted or any(mark in value for mark in f'"\r\n{delimiter}') or value != value.strip()
        return '"' + value.replace('"', '""') + '"' if needed else value

    return end.join(delimiter.join(map(cell, row)) for row in table) + end


@MANY
@given(tables())
def test_well_formed_files_are_read_as_python_reads_them(case: tuple[list[list[str]], str, str, str, bool]) -> None:
    table, delimiter, end, encoding, all_quoted = case
    text = written(table, delimiter, end, all_quoted=all_quoted)
    reference = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
    cells = [tuple(value.strip() or None for value in row) for row in reference[1:]]
    full = [row for row in cells if any(row)]
    frame = read(f"sep={delimiter}\n{text}".encode(encoding), header=True)
    if frame is None:
        assert not full
        return
    kept = [row for row in full if row != tuple(table[0])]
    assert [tuple(value and value.replace("\r", "\n") for value in row) for row in frame.data.rows()] == [
        tuple(value and value.replace("\r\n", "\n").replace("\r", "\n") for value in row) for row in kept
    ]
    assert (
        len(frame) + len(frame.excluded) == len(reference) - 1 + 1
    )  # without the header, with the line that names the delimiter


LINES = st.lists(st.text(alphabet="ab1, ;\t|é\\", max_size=12), max_size=15)


@MANY
@given(LINES, st.sampled_from(LINE_ENDS), st.sampled_from([None, True, False]))
def test_every_line_without_quotes_is_the_header_a_row_or_set_aside(lines: list[str], end: str, header: bool | None) -> None:
    frame = read(end.join(lines).encode(), header=header)
    if frame is None:
        return
    accounted = lines_of(frame)
    assert len(set(accounted)) == len(accounted)
    full = {number for number, line in enumerate(lines, 1) if line.strip()}
    assert len(full - set(accounted)) == int(frame.header)
    assert all("\t" in lines[number - 1] for number in set(accounted) - full)  # empty fields between tabs


MARKS = ["a", "b", "1", ",", ",", '"', '"', "\n", "\n", "\r\n", " ", ";", "\t", "é", "\0", "\\", '""']
RAGGED = st.lists(st.sampled_from(MARKS), max_size=80).map("".join)


@MANY
@given(RAGGED, st.sampled_from([None, True, False]))
def test_every_record_is_accounted_for_whatever_its_quotes_do(text: str, header: bool | None) -> None:
    frame = read(("x,y\n1,2\n3,4\n" + text).encode(), header=header)
    if frame is None:
        return
    accounted = lines_of(frame)
    assert len(set(accounted)) == len(accounted)
    plain = ("x,y\n1,2\n3,4\n" + text).replace("\r\n", "\n").encode()
    counts = []
    for delimiter in b",", b";", b"\t", b"\x1f":
        records = scan(plain, delimiter)
        found = int(np.count_nonzero(records.widths != 0))
        counts.append(found == len(frame) + len(frame.excluded) + int(frame.header))
    assert any(counts)


@MANY
@given(RAGGED, st.integers(0, 3))
def test_a_sound_part_of_a_file_survives_whatever_stands_behind_it(text: str, ahead: int) -> None:
    rows = "".join(f"{number},b{number},c{number}\n" for number in range(40))
    frame = read(("n,p,q\n" + rows + text).encode())
    if frame is not None:  # None where the text behind holds mostly NUL
        assert frame.data.rows()[:39] == [(str(number), f"b{number}", f"c{number}") for number in range(39)]


@MANY
@given(st.binary(max_size=200), st.sampled_from([None, "latin-1", "utf-16", "shift_jis", "idna", "utf-7"]))
def test_bytes_of_any_kind(content: bytes, encoding: str | None) -> None:
    read(content, encoding=encoding)


@MANY
@given(st.text(max_size=100), st.sampled_from([*ENCODINGS, "utf-16-le", "utf-16-be", "utf-7"]), st.integers(0, 3))
def test_text_of_any_kind_in_any_encoding_whole_or_cut_off(text: str, encoding: str, cut: int) -> None:
    content = text.encode(encoding, errors="ignore")
    read(content[: len(content) - cut])


@settings(MANY, max_examples=100)
@given(st.binary(max_size=200), st.sampled_from(["a.parquet", "a.arrow", "a.csv.gz", "a.tsv", "a.data"]), st.booleans())
def test_files_that_are_not_what_their_names_say(content: bytes, name: str, packed: bool) -> None:
    path = FOLDER / name
    path.write_bytes(gzip.compress(content) if packed else content)
    with contextlib.suppress(LeadlineError):
        read_file(path)
