"""Tables of texts: which they are, and their rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from leadline.data.answers import Classes
from leadline.data.loading import load
from leadline.data.raw import Raw
from leadline.data.sources import Reading
from leadline.data.tables.cells import Cells
from leadline.data.tables.csv_files import read_csv
from leadline.data.tables.rows import table_rows
from leadline.data.tables.table import Table
from leadline.data.texts.text_tables import (
    BY_CHANCE,
    gives_away,
    learn_texts,
    read_texts_again,
    rows_of_texts,
    text_column,
    told_target,
)
from leadline.data.texts.texts import Texts
from leadline.errors import DataError

ROWS = 60
WORDS = ["call", "free", "later", "win", "home", "prize", "tomorrow", "love"]


def sentences(count: int = ROWS) -> list[str]:
    random = np.random.default_rng(0)
    return [" ".join(random.choice(WORDS, 6)) + f" {number}" for number in range(count)]


def names(count: int = ROWS) -> list[str]:
    random = np.random.default_rng(0)
    return ["".join(random.choice(list("abcdefgh"), 7)).capitalize() for _ in range(count)]


CLASSES = ["ham", "spam"] * (ROWS // 2)


@pytest.mark.parametrize(
    ("columns", "kinds", "expected"),
    [
        ({"text": sentences()}, {}, "text"),
        ({"id": list(range(ROWS)), "text": sentences(), "lang": ["en"] * ROWS, "nothing": [None] * ROWS}, {}, "text"),
        ({"code": [f"tt{n:07}" for n in range(ROWS)], "text": sentences()}, {}, "text"),
        ({"id": [n // 2 for n in range(ROWS)], "text": sentences()}, {}, "text"),  # each class counts its own
        ({"size": [n // 2 for n in range(ROWS)], "text": sentences()}, {}, None),
        ({"text": sentences(), "stars": [1, 2, 3] * 20}, {}, None),
        ({"text": sentences(), "stars": [1, 2, 3] * 20}, {"stars": "leave out"}, "text"),
        ({"text": sentences(), "title": sentences()[::-1]}, {}, None),
        ({"text": sentences(), "title": sentences()[::-1]}, {"title": "leave out"}, "text"),
        ({"text": sentences(), "city": ["Bonn", "Ulm", "Kiel"] * 20}, {}, None),
        ({"text": sentences()}, {"text": "category"}, None),
        ({"name": names()}, {}, "name"),
        ({"name": names(), "id": list(range(ROWS))}, {}, "name"),
        ({"name": names(), "age": [20, 30, 40] * 20}, {}, None),
        ({"name": ["good", "bad"] * 30}, {}, None),
        ({"name": ["good", "bad"] * 30}, {"name": "text"}, "name"),
        ({"size": [n * 1.5 for n in range(ROWS)]}, {}, None),
        ({"code": [f"{n:07}x" for n in range(ROWS)]}, {}, None),
        ({"text": ["この映画はとても良いと思いますよ、本当に。" + str(n) for n in range(ROWS)]}, {}, "text"),
    ],
)
def test_where_a_text_is_all_there_is(columns: dict[str, list[object]], kinds: dict[str, str], expected: str | None) -> None:
    assert text_column(pl.DataFrame(columns), kinds) == expected


def test_the_target_beside_a_text() -> None:
    found = told_target(pl.DataFrame({"column 1": CLASSES, "column 2": sentences()}))
    assert found is not None
    assert found[0] == "column 1"
    assert "'column 2', holds texts" in found[1]


@pytest.mark.parametrize(
    "columns",
    [
        {"a": sentences(), "b": sentences()[::-1]},
        {"a": sentences(), "b": ["one"] * ROWS},
        {"a": sentences(), "b": list(range(ROWS))},
        {"a": CLASSES, "b": [1, 2, 3] * 20},
        {"a": CLASSES, "b": sentences(), "c": CLASSES},
        {"a": sentences()},
    ],
)
def test_no_target_can_be_told(columns: dict[str, list[object]]) -> None:
    assert told_target(pl.DataFrame(columns)) is None


def write(folder: Path, texts: list[str], header: str = "label\ttext\n") -> Path:
    path = folder / "sms.tsv"
    path.write_text(header + "".join(f"{label}\t{text}\n" for label, text in zip(CLASSES, texts, strict=False)))
    return path


def test_the_rows_of_a_table_become_texts(tmp_path: Path) -> None:
    texts = sentences()
    texts[3], texts[5] = "", texts[4].upper()
    frame = read_csv(write(tmp_path, texts))
    table = table_rows(frame, Reading(target="label"))
    raw = rows_of_texts(table)
    assert not raw.is_table
    learned = learn_texts(raw, np.arange(40))
    assert (learned.column, learned.targets, learned.header) == ("text", ("label",), True)
    assert replace(learned, column=None, targets=()) == Texts.learn(texts[:40])
    assert raw.inputs.tolist() == texts
    assert raw.targets.tolist() == CLASSES
    assert raw.bad == {3: "its text is empty"}
    assert raw.copies is not None
    assert raw.copies[5] == 4
    assert raw.notes == ("The texts are the column 'text'.",)
    assert len(raw.hash()) == 64


def test_other_tables_stay_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("label,size\n" + "".join(f"{label},{n * 0.5}\n" for n, label in enumerate(CLASSES)))
    table = table_rows(read_csv(path), Reading(target="label"))
    assert rows_of_texts(table) is table


def test_rows_for_a_training_that_exists(tmp_path: Path) -> None:
    texts = sentences()
    frame = read_csv(write(tmp_path, texts))
    inputs = Texts(("", "<unk>"), longest=5, column="text", targets=("label",))
    raw = read_texts_again(frame, inputs, Classes(("ham", "spam")))
    assert raw.inputs.tolist() == texts
    assert raw.targets.tolist() == CLASSES
    renamed = read_csv(write(tmp_path, texts, "label\tmessage\n"))
    assert read_texts_again(renamed, inputs, Classes(("ham", "spam"))).inputs.tolist() == texts
    other = tmp_path / "other.csv"
    other.write_text("label,size\n" + "".join(f"{label},{n * 0.5}\n" for n, label in enumerate(CLASSES)))
    with pytest.raises(DataError, match="There is no column 'text' of texts"):
        read_texts_again(read_csv(other), inputs, Classes(("ham", "spam")))


def test_invalid_bytes_in_texts_are_replaced_and_counted_and_in_classes_set_aside(tmp_path: Path) -> None:
    path = write(tmp_path, sentences())
    content = path.read_bytes().replace(b"later", b"lat\xe9r", 2).replace(b"home", "höme".encode())
    path.write_bytes(b"\nh\xe4m".join(content.rsplit(b"\nham", 1)))
    raw = rows_of_texts(table_rows(read_csv(path), Reading(target="label")))
    assert len(raw) == ROWS - 1
    (lost,) = raw.lost
    assert lost.reason == "it has bytes that are not text"
    assert sum(text.count("\ufffd") for text in raw.array) == 2
    assert "2 bytes in sms.tsv meant nothing in its encoding; replaced by \ufffd." in raw.notes


def test_a_long_text_in_a_data_frame_is_cut_and_said() -> None:
    frame = pl.DataFrame({"said": [*sentences(29), "word " * 20_000]})
    raw = rows_of_texts(Raw("letters", frame, np.arange(30) % 2, [str(n) for n in range(30)], digest=""))
    assert len(raw.array[29]) == 65_536
    assert raw.notes[-1] == "1 value of letters is longer than 65,536 characters; the rest was not read."


def test_alike_texts_are_copies_and_no_chance(tmp_path: Path) -> None:
    texts = sentences(4000)
    texts[1::200] = texts[::200]
    path = tmp_path / "a.tsv"
    path.write_text("label\ttext\n" + "".join(f"{CLASSES[n % 2]}\t{text}\n" for n, text in enumerate(texts)))
    table = table_rows(read_csv(path), Reading(target="label"))
    assert any(note.endswith(BY_CHANCE) for note in table.notes)  # which is what is said of tables with few values
    raw = rows_of_texts(table)
    assert not any(note.endswith(BY_CHANCE) for note in raw.notes)
    assert raw.copies is not None
    assert (raw.copies != np.arange(4000)).sum() == 20


@pytest.mark.parametrize(
    ("values", "classes", "expected"),
    [
        ([1, 2, 9, 10] * 15, ["bad", "bad", "good", "good"] * 15, True),
        (["x", "y"] * 30, [0, 1] * 30, True),
        ([1, 2, 9, 10] * 15, ["bad", "bad", "good", "good"] * 14 + ["bad"] * 4, False),  # not always
        ([1, 2, 9, None] * 15, ["bad", "bad", "good", "good"] * 15, True),  # none given says it, too
        (list(range(60)), ["bad", "good"] * 30, False),  # an identifier gives nothing away
        ([1] * 60, ["bad", "good"] * 30, False),
        ([1, 2] * 30, [0.5, 1.5] * 30, False),  # a number
    ],
)
def test_a_column_that_is_the_answer_under_another_name(values: list[object], classes: list[object], expected: bool) -> None:
    assert gives_away(Cells(pl.Series(values)), np.array(classes)) is expected
    assert not gives_away(Cells(pl.Series(values)), None)
    assert not gives_away(Cells(pl.Series(values)), np.array(classes)[:, None])


def reviews_with_marks(path: Path, seed: int = 0) -> Path:
    """As the large collection of film reviews has them: each class counts its own, and the stars give it away."""
    random = np.random.default_rng(seed)
    rows = [
        (kind, number, random.choice(stars), " ".join(random.choice(WORDS, 6)) + f" {seed} {number}")
        for kind, stars in (("neg", [1, 2, 3, 4]), ("pos", [7, 8, 9, 10]))
        for number in range(60)
    ]
    path.write_text("label\tid\trating\ttext\n" + "".join("\t".join(map(str, row)) + "\n" for row in rows))
    return path


def test_numbers_of_reviews_and_stars_that_tell_the_class_are_left_out_and_said(tmp_path: Path) -> None:
    dataset = load(reviews_with_marks(tmp_path / "train.tsv"))
    assert isinstance(dataset.schema.inputs, Texts)
    assert dataset.schema.inputs.column == "text"
    (note,) = [note for note in dataset.notes if "The texts are" in note]
    assert "The others (id, rating) are left out. Each value of 'rating' goes with one class alone" in note
    assert "--set data.columns.rating=category" in note
    assert isinstance(load(tmp_path / "train.tsv", columns={"rating": "category"}).schema.inputs, Table)
    assert isinstance(load(tmp_path / "train.tsv", target="rating", columns={"label": "leave out"}).schema.inputs, Texts)


def test_several_files_and_data_frames_are_read_as_one_file_is(tmp_path: Path) -> None:
    train, test = reviews_with_marks(tmp_path / "train.tsv"), reviews_with_marks(tmp_path / "test.tsv", seed=1)
    whole = load([train, test])
    for source in ([str(train), str(test)], f"{train}\n{test}", tmp_path):
        again = load(source)
        assert isinstance(again.schema.inputs, Texts)
        assert again.schema.inputs.vocabulary == whole.schema.inputs.vocabulary
        assert len(again.test) == len(whole.test) == 120
    frame = pl.read_csv(train, separator="\t")
    for source, targets in ((frame, None), (frame.drop("label"), frame["label"])):
        from_frame = load(source, targets)
        assert isinstance(from_frame.schema.inputs, Texts)
        assert from_frame.schema.inputs.column == "text"


def test_a_column_of_identifiers_does_not_hide_the_target(tmp_path: Path) -> None:
    path = tmp_path / "comments.csv"
    lines = [f"c{number},{said},{kind}" for number, (said, kind) in enumerate(zip(sentences(), CLASSES, strict=True))]
    path.write_text("comment_id,comment,verdict\n" + "\n".join(lines))
    dataset = load(path)
    assert isinstance(dataset.schema.inputs, Texts)
    assert dataset.schema.answers.names == ("ham", "spam")
    assert any("The target is the column 'verdict'" in note for note in dataset.notes)
