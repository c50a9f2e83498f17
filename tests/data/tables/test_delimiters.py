"""Delimiters: told from the shape of the records, not from how often a character occurs."""

from __future__ import annotations

import pytest

from leadline.data.tables.delimiters import hinted, sniff


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_every_usual_delimiter_is_found(mark: str) -> None:
    text = "\n".join(mark.join(row) for row in (["a", "b", "c"], ["1", "x y", "3"], ["4", "z", "6"]))
    assert sniff(text.encode()) == mark.encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a;b\n1,5;2,5\n3,5;4,5\n", b";"),  # decimal commas
        ("1,5;2,5\n3,5;4,5\n", b";"),
        ("a;b;c\n1,5;2,5;x\n3,5;4,5\n1,0;2,0;y\n" + "1,1;2,2;z\n" * 30, b";"),  # a ragged row among them
        ("id,genres\n1,a|b\n2,c|d\n3,e|f\n", b","),  # a bar in every row, but not in the header
        ("t,x\n12:00;a,1\n12:30;b,2\n", b","),
        ('a,b\n"x;y;z",1\n"p;q;r",2\n', b","),
        ("a,b\n39, x; y\n40, z\n", b","),
        ("a\tb\n1,2\t3\n4,5\t6\n", b"\t"),
        ("My table\n\na;b;c\n1;2;3\n4;5;6\n", b";"),
        ('a|b\n"x\ny,z"|2\n"p,\nq"|4\n', b"|"),
    ],
)
def test_what_stands_within_values_is_no_delimiter(text: str, expected: bytes) -> None:
    assert sniff(text.encode()) == expected


@pytest.mark.parametrize("text", ["one\ntwo\n", "text\nHello, you\nyes\nno\nwell\n", "price\n1,5\n2,75\n-3,5\n4\n", "x"])
def test_one_column_has_no_delimiter(text: str) -> None:
    found = sniff(text.encode())
    assert found not in text.encode()
    assert found < b" "


def test_two_columns_of_numbers_are_no_decimal_commas() -> None:
    assert sniff(b"a,b\n1,5\n2,7\n") == b","
    assert sniff(b"1,5\n2,7\n") == b","


def test_the_extension_decides_where_both_fit() -> None:
    text = b"a,x\tb,y\n1,2\t3,4\n"
    assert sniff(text, prefer=b"\t") == b"\t"
    assert sniff(b"a,b\n1,2\n", prefer=b"\t") == b","


@pytest.mark.parametrize(
    ("line", "mark"), [("sep=;", b";"), ("SEP=,", b","), ('"sep=|"', b"|"), ("sep=\t", b"\t"), ("sep=;;;", b";")]
)
def test_a_first_line_may_name_the_delimiter(line: str, mark: bytes) -> None:
    text = f"{line}\na;b,c|d\te\n1;2,3|4\t5\n".encode()
    assert hinted(text) == mark
    assert sniff(text) == mark


@pytest.mark.parametrize("text", [b"sep=ab\n", b"separator=;\n", b"a\nsep=;\n", b"sep=;", b'sep="\n'])
def test_other_lines_name_none(text: bytes) -> None:
    assert hinted(text) is None


def test_only_the_start_of_a_long_text_is_looked_at() -> None:
    assert sniff(b"a;b\n" * 200_000 + b"a,b,c\n" * 400_000) == b";"
