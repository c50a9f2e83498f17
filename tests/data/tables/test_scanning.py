"""Scanning: every line belongs to one record, whatever the quotes do, in time that grows with the text."""

from __future__ import annotations

import csv
import io
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadline.data.tables import scanning
from leadline.data.tables.scanning import BLANK, UNCLOSED, Records, commonest, scan


def shape(text: str, delimiter: str = ",") -> list[tuple[int, int]]:
    """Line and width of every record."""
    records = scan(text.encode(), delimiter.encode())
    return list(zip(records.lines.tolist(), records.widths.tolist(), strict=True))


def values(records: Records) -> list[list[str]]:
    return [records.fields(record) for record in np.flatnonzero(records.widths > 0).tolist()]


def test_the_text_may_end_without_a_line_feed() -> None:
    assert shape("a,b\n1,2") == shape("a,b\n1,2\n") == [(1, 2), (2, 2)]


@pytest.mark.parametrize("text", ["", "\n", "\n\n  \n\t\n"])
def test_lines_of_nothing_are_blank(text: str) -> None:
    assert [width for _, width in shape(text)] == [BLANK] * text.count("\n")


def test_a_quoted_nothing_is_a_field_and_so_is_what_a_delimiter_leaves() -> None:
    assert shape('""\n,\n  ,  \n') == [(1, 1), (2, 2), (3, 2)]
    assert shape("\t\n \n", "\t") == [(1, 2), (2, BLANK)]


def test_a_field_may_span_lines_and_several_may_in_one_record() -> None:
    text = 'a,b,c\n1,"x\ny","p\n\nq, r"\n2,"z ""w""\n",3\n'
    assert shape(text) == [(1, 3), (2, 3), (6, 3)]
    assert values(scan(text.encode(), b",")) == [["a", "b", "c"], ["1", "x\ny", "p\n\nq, r"], ["2", 'z "w"', "3"]]


def test_a_quote_that_never_closes_costs_its_own_line_only() -> None:
    assert shape('a,b\n1,"2\n3,4\n5,"6"\n7,"8') == [(1, 2), (2, UNCLOSED), (3, 2), (4, 2), (5, UNCLOSED)]


def test_a_quote_that_closes_far_below_is_taken_for_forgotten_when_rows_lie_between() -> None:
    rows = "".join(f"{number},x,y,z\n" for number in range(50))
    text = f'a,b,c,d\n1,"x,y,z\n{rows}2,x,y,z"\n3,4,5,6\n'
    assert shape(text) == [(1, 4), (2, UNCLOSED), *((line, 4) for line in range(3, 55))]


def test_a_long_text_with_commas_is_no_forgotten_quote() -> None:
    text = "".join(f"So, line {number} has, well, commas{',' * (number % 3)}\n" for number in range(50))
    assert shape(f'a,b\n1,"{text}"\n2,x\n') == [(1, 2), (2, 2), (53, 2)]
    assert scan(f'a,b\n1,"{text}"\n2,x\n'.encode(), b",").longest == (51, 2)


def test_in_two_columns_the_lines_within_must_also_begin_like_rows() -> None:
    messages = "".join(f"{'spam' if number % 3 else 'ham'},Hello {number}\n" for number in range(30))
    assert len(shape(f'label,text\nham,"I am late\n{messages}ham,stop"\n{messages}')) == 63
    numbered = "".join(f"{number},Hello\n" for number in range(30))
    assert len(shape(f'label,text\n77,"I am late\n{numbered}78,stop"\n{numbered.replace("1", "5")}')) == 63
    names = "".join(f"Ann{number}, Ulm\n" for number in range(30))
    assert len(shape(f'label,text\nham,"{names}"\n{messages}')) == 32


def test_an_address_with_one_comma_a_line_is_no_forgotten_quote() -> None:
    assert shape('a,b\n1,"12 Elm St, Apt 3\nAustin, TX\nUSA, Earth"\n2,x\n') == [(1, 2), (2, 2), (5, 2)]


def test_quotes_that_enclose_nothing_mean_nothing() -> None:
    records = scan(b'size,n\n5" pipe,1\n6",2\n', b",")
    assert not records.quoted
    assert records.mended == {}
    assert values(records) == [["size", "n"], ['5" pipe', "1"], ['6"', "2"]]


def test_what_is_not_rfc_4180_is_written_again_so_that_any_reader_reads_it() -> None:
    records = scan(b'a,b\n5" pipe,"x, y"\n"a "big" dog",1\n "p, q",2\n"r",3\n', b",")
    assert list(records.mended) == [2, 3, 4]
    assert records.loose == (3,)
    read = [next(csv.reader(io.StringIO(records.mended[line].decode()))) for line in (2, 3, 4)]
    assert read == [['5" pipe', "x, y"], ['a "big" dog', "1"], ["p, q", "2"]]


def test_records_with_bytes_that_are_no_text_are_told() -> None:
    records = scan(b'a,b\n1,\x002\n3,"4\n\x00"\n5,6\n', b",")
    assert records.widths.tolist() == [2, 2, 2, 2]
    assert records.holed.tolist() == [1, 2]
    assert values(records)[1:3] == [["1", "\x002"], ["3", "4\n\x00"]]


@pytest.mark.parametrize("few", [0, 10_000])
def test_white_space_is_found_in_records_over_several_lines(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "_FEW", few)
    assert scan(b'a,b,c\n1,x,"p\n q "\n', b",").padded >= {2}
    assert scan(b'a,b,c\n"1\n",x,p\n', b",").padded >= {0}
    assert scan('a,b,c\n5" x,"p"q\xa0",x\n'.encode(), b",").padded >= {1}


def test_the_commonest_width_is_the_first_of_equals() -> None:
    assert commonest(np.array([3, 2, 2, 3, 0, 0, 0, -1])) == 3
    assert commonest(np.array([2, 3, 3])) == 3
    assert commonest(np.array([0, -1])) == 0


@given(st.text(alphabet='ab,"\n ', max_size=80))
def test_every_line_belongs_to_exactly_one_record(text: str) -> None:
    records = scan(text.encode(), b",")
    pieces = [text.encode()[start:stop] for start, stop in zip(records.starts, records.stops, strict=True)]
    assert b"\n".join(pieces) == text.encode().removesuffix(b"\n")
    assert records.lines.tolist() == [text.encode()[:start].count(b"\n") + 1 for start in records.starts.tolist()]
    for number, piece in enumerate(pieces):
        if records.widths[number] != BLANK and records.widths[number] != UNCLOSED:
            assert len(records.fields(number)) == records.widths[number]
        assert (records.widths[number] == BLANK) == (not piece.strip())


CHAINS = {
    "quotes that chain to the end": b'x","a\n',
    "quotes that never close": b'1,"b\n',
    "doubled quotes": b'1,"b""\n',
    "three quotes": b'a,"""x\n',
    "rows with a quote that a far one closes": b'1,2,3,4,5\n1,2,3,4,5\n1,2,3,4,5\nx",2,3,4,"5\n1,2,3,4,5\n',
    "quoted words before others in one line": b'"a"x,',
    "quotes and spaces in one line": b'"a"' + b" " * 50 + b"x,",
    "backslashes": b'"\\",',
}


@pytest.mark.parametrize("pattern", CHAINS.values(), ids=CHAINS.keys())
def test_work_grows_with_the_text_and_not_with_its_square(pattern: bytes) -> None:
    def seconds(size: int) -> float:
        started = time.process_time()
        scan(b"a,b\n" + pattern * (size // len(pattern)), b",")
        return time.process_time() - started

    # Eight times the text takes about eight times as long; its square would take 64 times. The sum keeps noise out of it.
    seconds(1_000)
    assert seconds(64_000) < 25 * (seconds(8_000) + 0.02)
