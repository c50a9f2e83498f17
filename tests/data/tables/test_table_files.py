"""Several files as one table: parts by their names, nothing used or left out without a word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from leadline.data.tables.table_files import is_table, read_file, read_files, table_files_in
from leadline.errors import ArgumentError, DataError, SourceNotFoundError

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write rows of two columns, "x" and "y", to a csv or parquet file of some name."""

    def write_rows(name: str, *rows: str, header: str | None = "x,y") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            pl.DataFrame([row.split(",") for row in rows], schema=(header or "x,y").split(","), orient="row").write_parquet(
                path
            )
        else:
            path.write_text("\n".join([header, *rows] if header else rows) + "\n")
        return path

    return write_rows


@pytest.mark.parametrize(
    "name", ["a.csv", "A.CSV", "a.tsv", "a.tab", "a.data", "a.parquet", "a.pq", "a.feather", "a.arrow", "a.csv.gz"]
)
def test_names_of_tables(name: str) -> None:
    assert is_table(Path(name))


@pytest.mark.parametrize("name", ["a.txt", "a.npz", "a.xlsx", "a.parquet.gz", "a.gz", "csv", ".csv"])
def test_names_of_other_things(name: str, tmp_path: Path) -> None:
    assert not is_table(Path(name))
    (tmp_path / "folder.csv").mkdir()
    assert not is_table(tmp_path / "folder.csv")


def test_the_tables_of_a_folder(write: Write, tmp_path: Path) -> None:
    for name in ("b.csv", "a.tsv", ".hidden.csv", "inner/c.csv", "d.txt"):
        write(name, "1,2")
    assert [path.name for path in table_files_in(tmp_path)] == ["a.tsv", "b.csv"]


def test_one_file_is_what_it_is(write: Write) -> None:
    path = write("train.csv", "1,2")
    frame = read_files([path])
    assert (frame.name, frame.parts, frame.notes) == ("train", None, ())
    assert frame.digest == read_file(path).digest
    assert list(frame.ids) == ["train.csv:2"]
    assert read_files([path], header=False).data.height == 2
    assert read_file(write("a.parquet", "1,2")).ids[0] == "a.parquet:0"


def test_files_whose_names_say_so_are_parts(write: Write, tmp_path: Path) -> None:
    write("my-test.csv", "5,6")
    write("my-validation.csv", "3,4", "3")
    write("my-train.csv", "1,2", "1,3")
    frame = read_files(table_files_in(tmp_path))
    assert frame.parts is not None
    assert frame.parts.tolist() == ["train", "train", "valid", "test"]
    assert list(frame.ids) == ["my-train.csv:2", "my-train.csv:3", "my-validation.csv:2", "my-test.csv:2"]
    assert [row.id for row in frame.excluded] == ["my-validation.csv:3"]
    assert frame.name == "my"
    assert frame.notes[-1] == (
        "my-train.csv (2 rows) is for training, my-validation.csv (1 rows) for validation, my-test.csv (1 rows) for the test."
    )


@pytest.mark.parametrize(
    ("first", "second", "parts"),
    [
        ("train.csv", "test.csv", True),
        ("Adult_TRAIN.csv", "adult.Test.csv", True),
        ("train1.csv", "val2.csv", True),
        ("training.csv", "valid.csv", True),
        ("trainer.csv", "tester.csv", False),
        ("train.csv", "contest.csv", False),
        ("valid.csv", "test.csv", False),
        ("train_a.csv", "train_b.csv", False),
        ("train_test_a.csv", "test.csv", False),
    ],
)
def test_parts_are_words_of_the_names(first: str, second: str, parts: bool, write: Write) -> None:
    frame = read_files([write(first, "1,2"), write(second, "3,4")])
    assert len(frame) == 2
    assert (frame.parts is not None) == parts
    assert first in frame.notes[-1]
    assert second in frame.notes[-1]


def test_a_file_that_says_nothing_beside_parts_is_left_out_and_named(write: Write, tmp_path: Path) -> None:
    for name in ("train.csv", "test.csv", "sample_submission.csv"):
        write(name, f"{name},2")
    frame = read_files(table_files_in(tmp_path))
    assert len(frame) == 2
    assert any("sample_submission.csv was left out" in note for note in frame.notes)


def test_a_test_file_without_the_target_is_left_out_and_named(write: Write) -> None:
    frame = read_files([write("train.csv", "1,2"), write("test.csv", "1", header="x")])
    assert frame.parts is None
    assert any('test.csv was left out: it has no column "y"' in note for note in frame.notes)
    assert frame.notes[-1] == "The rows were read from train.csv (1 rows)."


def test_files_that_differ_are_refused_by_name(write: Write) -> None:
    with pytest.raises(DataError, match=r'b\.csv has no column "y", which a\.csv has'):
        read_files([write("a.csv", "1,2"), write("b.csv", "1,2", header="x,z")])


def test_the_same_rows_in_another_format_or_a_copy_are_read_once(write: Write) -> None:
    frame = read_files([write("a.csv", "1,2"), write("a.parquet", "1,2"), write("b.csv", "1,2"), write("c.csv", "3,4")])
    assert frame.data.rows() == [("1", "2"), ("3", "4")]
    assert "a.parquet was left out: a.csv has the same name." in frame.notes
    assert "b.csv was left out: it holds the same as a.csv." in frame.notes
    assert frame.notes[-1] == "The rows were read from a.csv (1 rows) and c.csv (1 rows)."


def test_files_of_one_name_are_told_apart_by_their_folders(write: Write, tmp_path: Path) -> None:
    paths = [write("2020/rows.csv", "1,2", "1"), write("2021/rows.csv", "3,4")]
    frame = read_files(paths)
    assert list(frame.ids) == ["2020/rows.csv:2", "2021/rows.csv:2"]
    assert frame.excluded[0].id == "2020/rows.csv:3"
    assert frame.name == "rows"


@pytest.mark.parametrize(
    ("names", "whole"),
    [(("adult-train.csv", "adult-test.csv"), "adult"), (("a b 1.csv", "a b 2.csv"), "a b"), (("one.csv", "two.csv"), "folder")],
)
def test_the_whole_is_called_by_what_its_files_share(names: tuple[str, str], whole: str, write: Write) -> None:
    paths = [write(f"folder/{name}", f"{name},1") for name in names]
    assert read_files(paths).name == whole


def test_files_without_a_header_and_a_choice_for_all(write: Write) -> None:
    paths = [write("a.csv", "1,2", "3,4", header=None), write("b.csv", "5,6", "7,8", header=None)]
    assert read_files(paths).data.columns == ["column 1", "column 2"]
    assert not read_files(paths).header
    latin = write("c.csv", "é,1", "é,2")
    latin.write_bytes("x,y\né,1\n".encode("cp850"))
    assert read_files([latin, write("d.csv", "ab,2")], encoding="cp850").data["x"].to_list() == ["é", "ab"]


def test_no_files_and_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="no files"):
        read_files([])
    with pytest.raises(SourceNotFoundError):
        read_files([tmp_path / "a.csv", tmp_path / "b.csv"])
