"""The words of tables: which columns, which parts, whole texts; and what is refused."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from leadline.data import load
from leadline.data.tokens.token_loading import stream_of
from leadline.data.words.word_answers import CorpusWords
from leadline.data.words.word_tables import tables_by_part, write_texts
from leadline.errors import ArgumentError, DataError

SAID = [f"the review number {number} says\nthat it was good" for number in range(120)]
ROWS = {"id": range(120), "stars": [1, 2, 3, 4] * 30, "title": [f"a title of {number}" for number in range(120)], "said": SAID}


def written(folder: Path) -> list[str]:
    return (folder / "texts.train.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.parquet"])
def test_all_columns_of_sentences_are_the_text_row_by_row(name: str, tmp_path: Path) -> None:
    frame = pl.DataFrame(ROWS)
    if name.endswith("parquet"):
        frame.write_parquet(tmp_path / name)
    else:
        frame.write_csv(tmp_path / name, separator="\t" if name.endswith("tsv") else ",")
    notes = write_texts(tables_by_part(tmp_path / name), tmp_path)
    assert notes[0] == f"The texts are the columns 'title' and 'said' of {name}."
    expected = [line for title, said in zip(ROWS["title"], SAID, strict=True) for line in (title, *said.split("\n"))]
    assert written(tmp_path) == expected


def test_a_column_can_be_chosen_or_left_out(tmp_path: Path) -> None:
    pl.DataFrame(ROWS).write_csv(tmp_path / "a.csv")
    tables = tables_by_part(tmp_path / "a.csv")
    write_texts(tables, tmp_path, kinds={"title": "text"})
    assert written(tmp_path) == list(ROWS["title"])
    write_texts(tables, tmp_path, kinds={"title": "leave out"})
    assert written(tmp_path) == [line for said in SAID for line in said.split("\n")]
    with pytest.raises(DataError, match="tittle.*title"):
        write_texts(tables, tmp_path, kinds={"tittle": "text"})


def test_parts_are_told_by_the_names_of_files(tmp_path: Path) -> None:
    for part in ("train", "test"):
        pl.DataFrame(ROWS).write_csv(tmp_path / f"r.{part}.csv")
    assert set(tables_by_part(tmp_path)) == set(tables_by_part(tmp_path / "r.train.csv")) == {"train", "test"}
    both = tables_by_part([tmp_path / "r.train.csv", tmp_path / "r.test.csv"])
    assert [path.name for path in both["test"]] == ["r.test.csv"]
    (tmp_path / "notes.txt").write_text("a text beside them: the folder is one of texts")
    assert tables_by_part(tmp_path) == {}


def test_a_table_is_a_source_of_words(tmp_path: Path) -> None:
    for part in ("train", "test"):
        pl.DataFrame(ROWS).write_csv(tmp_path / f"r.{part}.csv")
    dataset = load(tmp_path / "r.train.csv", task="words", cache=tmp_path / "cache")
    words = dataset.schema.inputs
    assert isinstance(words, CorpusWords)
    assert {"review", "good", "title"} <= set(words.known)
    assert "stars" not in words.known  # neither the header nor the other columns
    assert len(stream_of(dataset.test)) == 3 * 120 + sum(len(text.split()) for text in [*ROWS["title"], *SAID])
    assert dataset.origin.options["columns"] == {}
    chosen = load(tmp_path / "r.train.csv", task="words", columns={"title": "text"}, cache=tmp_path / "cache")
    assert isinstance(chosen.schema.inputs, CorpusWords)
    assert "review" not in chosen.schema.inputs.known
    assert chosen.fingerprint() != dataset.fingerprint()


def test_what_holds_no_texts_is_refused(tmp_path: Path) -> None:
    pl.DataFrame({"a": range(50), "b": range(50)}).write_csv(tmp_path / "n.csv")
    with pytest.raises(DataError, match=r"No column of .*n.csv holds texts.*'a', 'b'.*data.columns"):
        load(tmp_path / "n.csv", task="words", cache=tmp_path)
    (tmp_path / "t.txt").write_text("one two three\n" * 50)
    with pytest.raises(ArgumentError, match="Only a table has columns"):
        load(tmp_path / "t.txt", task="words", columns={"a": "text"}, cache=tmp_path)
