"""The grammar: RFC 4180 as Python reads it, and a careful reading of what is not."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadline.data.tables.grammar import Grammar


def fields(text: str, delimiter: str = ",") -> list[str] | None:
    parsed = Grammar(delimiter.encode()).parse(text.encode(), 0, len(text.encode()))
    return [value.decode() for value in parsed.fields] if parsed else None


@given(st.lists(st.text(alphabet='ab,"\n é', max_size=6), min_size=1, max_size=5))
def test_what_is_written_is_read_again_here_and_in_python(values: list[str]) -> None:
    grammar = Grammar(b",")
    written = grammar.written([value.encode() for value in values])
    parsed = grammar.parse(written + b"\nnext", 0, len(written) + 5)
    assert parsed is not None
    assert [value.decode() for value in parsed.fields] == values
    assert (parsed.stop, parsed.exact, parsed.loose) == (len(written), True, False)
    assert next(csv.reader(io.StringIO(written.decode(), newline=""))) == values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [""]),
        (",", ["", ""]),
        ('5" pipe,6"', ['5" pipe', '6"']),
        (' "a, b" ,c', ["a, b", "c"]),
        ('"a "big" dog",c', ['a "big" dog', "c"]),
        (r'"a \"big\" dog",c', ['a "big" dog', "c"]),
        (r'"a \"b, c\" d",e', ['a "b, c" d', "e"]),
        (r'"a, \", b",c', ["a, \\", ' b"', "c"]),  # RFC 4180 knows no backslash
        (r'"C:\dir\",c', ["C:\\dir\\", "c"]),
        ('"Hi" she said,c', ['"Hi" she said', "c"]),
        ('a"",b', ['a""', "b"]),
        ('"",""', ["", ""]),
        ('"a\nb",c', ["a\nb", "c"]),
        ('a,"b', None),
        ('"', None),
        ('"a"b"c', None),
        ('"a "b\nc" d",e', ['"a "b']),
    ],
)
def test_what_people_write(text: str, expected: list[str] | None) -> None:
    assert fields(text) == expected


def test_a_tab_that_separates_is_no_white_space() -> None:
    assert fields('\t"a\tb"\t ', "\t") == ["", "a\tb", " "]


@pytest.mark.parametrize(
    ("text", "exact", "loose"), [('"a",b', True, False), (' "a",b', False, False), ('"a"b",c', False, True)]
)
def test_what_is_not_rfc_4180_is_marked(text: str, exact: bool, loose: bool) -> None:
    parsed = Grammar(b",").parse(text.encode(), 0, len(text))
    assert parsed is not None
    assert (parsed.exact, parsed.loose) == (exact, loose)


def test_a_start_that_was_in_vain_is_not_tried_again() -> None:
    data = b'a,"b\n","c\n","d\n'
    hopeless: set[int] = set()
    grammar = Grammar(b",")
    assert grammar.parse(data, 0, len(data), hopeless) is None
    assert hopeless == {2, 7}
    whole = data + b'"'
    assert grammar.parse(whole, 0, len(whole)) is not None
    assert grammar.parse(whole, 0, len(whole), hopeless) is None
