"""Quotes that are characters of a text: no row is lost to them, and no well-formed file is read otherwise than before."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadline.data.tables.csv_files import read_csv
from leadline.data.tables.scanning import UNCLOSED, scan

SAYINGS = [
    'I said "no" to that',
    '"Never" is what she said',
    '"Come over at six',
    'he was late again"',
    '"All of this is quoted"',
    "a plain one without any",
    'the 5" one, or the 6" one',
    'so "she said" that he "is" late',
]


def plain(rows: list[tuple[str, str]], delimiter: str = "\t") -> str:
    return "".join(f"{label}{delimiter}{text}\n" for label, text in rows)


def messages(count: int, seed: int = 0) -> list[tuple[str, str]]:
    random = np.random.default_rng(seed)
    return [(str(random.choice(["ham", "spam"])), f"{random.choice(SAYINGS)} {n}") for n in range(count)]


def read(path: Path, text: str, name: str = "my.tsv") -> tuple[list[tuple[str | None, ...]], list[str]]:
    (path / name).write_text(text, encoding="utf-8")
    frame = read_csv(path / name, header=False)
    assert frame.excluded == ()
    return frame.data.rows(), [note for note in frame.notes if "Quotes in" in note]


@pytest.mark.parametrize("seed", range(3))
def test_every_row_is_kept_as_python_and_polars_read_it_without_quotes(seed: int, tmp_path: Path) -> None:
    text = plain(messages(400, seed))
    rows, notes = read(tmp_path, text)
    assert rows == [tuple(row) for row in csv.reader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)]
    by_polars = pl.read_csv(text.encode(), separator="\t", quote_char=None, has_header=False, infer_schema=False)
    assert rows == by_polars.rows()
    (note,) = notes
    with_quotes = [row for row in csv.reader(io.StringIO(text), delimiter="\t") if len(row) == 2]
    assert len(with_quotes) < len(rows)
    assert "Quotes in my.tsv are ordinary characters: as marks around values they would cost " in note


def test_with_semicolons_too_and_above_rows_that_are_ragged_for_another_reason(tmp_path: Path) -> None:
    rows = messages(300)
    assert read(tmp_path, plain(rows, ";"), "my.csv")[0] == rows
    (tmp_path / "ragged.tsv").write_text(plain(rows) + "ham\ttoo\tmany\n", encoding="utf-8")
    frame = read_csv(tmp_path / "ragged.tsv", header=False)
    assert frame.data.rows() == rows
    assert [row.reason for row in frame.excluded] == ["it has 3 fields where the others have 2"]


def test_line_breaks_within_quotes_go_on_to_work(tmp_path: Path) -> None:
    rows = [(label, f"{text}\nand a second line") for label, text in messages(50)]
    written = io.StringIO()
    csv.writer(written, delimiter="\t", lineterminator="\n").writerows(rows)
    assert read(tmp_path, written.getvalue()) == (rows, [])


MARKED = {
    "a quote forgotten before a number": 'a,b\n1,"2\n3,4\n5,"6\n',
    "all values enclosed, quotes within not doubled": "".join(f'"{n}","he said "no" to me"\n' for n in range(9)) + '"9","x\n',
    "one value that does not close among many that do": "".join(f'{n},"all is well"\n' for n in range(9)) + '9,"x y z w\n',
    "values that hold delimiters": "".join(f'{n},"Smith, John"\n' for n in range(9)) + '9,"x y z w\n',
    "lines that are no rows without the quotes": 'a\tb\n1\t"x\ty "z" w"\n2\t"x y z\n3\tp "q" r\n4\tp "q" r\n',
    "one column": 'He said "no" to me\n"So be it\nand "yes" to you\n',
}


@pytest.mark.parametrize("text", MARKED.values(), ids=MARKED.keys())
def test_marks_around_values_stay_what_they_are(text: str) -> None:
    records = scan(text.encode(), b"\t" if "\t" in text else b",")
    assert records.quoted
    assert records.gained == 0
    assert (records.widths == UNCLOSED).any()


CELLS = st.text(alphabet='ab,"\n ', max_size=8)


@settings(max_examples=300)
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=12), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_no_well_formed_file_is_read_without_quotes(rows: list[tuple[str, str, str]], quoting: int) -> None:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n", quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    assert scan(written.getvalue().encode(), b",").gained == 0


WORDS = st.text(alphabet='ab " ', min_size=1, max_size=12).filter(lambda text: text.strip() != "")


@settings(max_examples=200)
@given(st.lists(WORDS, min_size=2, max_size=12))
def test_where_quotes_are_characters_no_row_is_lost_and_none_is_changed(texts: list[str]) -> None:
    text = "".join(f"x\t{each}\n" for each in texts)
    records = scan(text.encode(), b"\t")
    if records.gained:
        assert len(records) == len(texts)
        assert [records.fields(row)[1] for row in range(len(records))] == [each.strip() for each in texts]
