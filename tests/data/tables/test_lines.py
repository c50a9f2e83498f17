"""Lines, looked at by themselves: however the text is divided, and with plain Python as the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadline.data.tables import lines as lines_module
from leadline.data.tables.lines import find_lines

TEXT = st.text(alphabet='a,"\n \t', max_size=60)


def slowly(line: str, inside: bool) -> tuple[int, bool, bool]:
    """Delimiters outside quotes, whether a quote stands where it may not, and whether the line ends inside."""
    delimiters, wrong = 0, False
    for at, character in enumerate(line):
        if character == "," and not inside:
            delimiters += 1
        if character == '"':
            beside = line[at + 1 : at + 2] if inside else line[at - 1 : at] if at else ""
            wrong |= beside not in ("", ",", '"')
            inside = not inside
    return delimiters, wrong, inside


@pytest.fixture(params=[1, 7, 1 << 20])
def _pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "_CHUNK", request.param)


@pytest.mark.usefixtures("_pieces")
def test_a_text_divided_anyhow_gives_the_same_lines() -> None:
    @given(TEXT)
    def check(text: str) -> None:
        found = find_lines(text.encode(), b",", quotes=True)
        expected = text.split("\n")
        if not expected[-1]:
            expected.pop()
        assert [text.encode()[a:b].decode() for a, b in zip(found.starts, found.stops, strict=True)] == expected
        for number, line in enumerate(expected):
            outside, inside = slowly(line, False), slowly(line, True)
            assert (found.delimiters[number], found.within[number]) == (outside[0], inside[0])
            assert (found.wrong[number], found.odd[number]) == (outside[1], outside[2])
            assert found.wrong_within[number] or not inside[1]  # it may be wrong to be careful, never the other way round

    check()


def test_without_quotes_every_delimiter_counts() -> None:
    found = find_lines(b'a,"b,c"\n"\n', b",", quotes=False)
    assert found.delimiters.tolist() == [2, 0]
    assert not found.odd.any()
    assert not found.opens


@pytest.mark.parametrize(
    ("text", "opens"),
    [("a,b", False), ('5" x,6"', False), ('"a",b', True), ('a, "b"', True), ('a\n"b"', True), ('a"",b', False)],
)
def test_a_quote_opens_a_field_only_at_its_start(text: str, opens: bool) -> None:
    assert find_lines(text.encode(), b",", quotes=True).opens == opens


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        (b"a,b\nc,d", []),
        (b"a, b\nc,d", [1]),
        (b"a ,b\nc,d", [0]),
        (b" a,b\nc,d\t", [0, 1]),
        (b'a,b,"c "\n', [2]),
        (b'a," b",c\n', [1]),
        ("a,b\n\xa0c,d,é".encode(), [0, 2]),
        (b"a b,c", []),
    ],
)
def test_columns_with_white_space_around_values_are_found(text: bytes, columns: list[int]) -> None:
    assert np.flatnonzero(find_lines(text, b",", quotes=True).padded).tolist() == columns


def test_a_tab_is_white_space_within_quotes_only() -> None:
    assert not find_lines(b"a\tb\t\t\n", b"\t", quotes=True).padded.any()
    assert np.flatnonzero(find_lines(b'a\t"b\t"\n', b"\t", quotes=True).padded).tolist() == [1]
