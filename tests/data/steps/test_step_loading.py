"""From rows of steps to a Dataset: lists, tables and files; parts, pieces, strangers, and careless input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from leadline import data
from leadline.data.ragged import Ragged
from leadline.data.series.series import Series
from leadline.data.steps.step_answers import StepClasses, StepNumbers
from leadline.data.steps.step_loading import load_steps
from leadline.data.steps.step_reading import read_steps, unlabelled_rows
from leadline.data.steps.step_sources import is_step_source
from leadline.data.steps.tagged_sentences import Sentences
from leadline.errors import ArgumentError, DataError, LeadlineError, SourceNotFoundError

WORDS = [[f"w{(row * 7 + at) % 11}" for at in range(2 + row % 5)] for row in range(40)]
TAGS = [[f"t{int(word[1:]) % 3}" for word in row] for row in WORDS]


def walk(rows: int = 12, steps: int = 30) -> pl.DataFrame:
    """Steps of people who walk or stand."""
    random = np.random.default_rng(0)
    on = np.repeat(random.integers(0, 2, rows * steps // 10), 10)
    return pl.DataFrame(
        {
            "who": np.repeat([f"p{row}" for row in range(rows)], steps),
            "t": np.tile(np.arange(steps), rows),
            "x": random.normal(size=rows * steps) + on,
            "y": random.normal(size=rows * steps),
            "doing": np.where(on, "walk", "stand"),
        }
    )


def test_lists_of_words_are_told_by_their_targets() -> None:
    dataset = data.load(WORDS, TAGS)
    assert dataset.task == "sequence"
    assert isinstance(dataset.schema.inputs, Sentences)
    assert dataset.schema.answers == StepClasses(("t0", "t1", "t2"))
    assert len(dataset.train) + len(dataset.valid) + len(dataset.test) == 40
    for split in (dataset.train, dataset.valid, dataset.test):
        assert isinstance(split.inputs, Ragged)
        np.testing.assert_array_equal(split.inputs.lengths, split.targets.lengths)
    again = data.load((WORDS, TAGS))
    assert again.fingerprint() == dataset.fingerprint()
    assert data.load(WORDS, TAGS, seed=1).fingerprint() != dataset.fingerprint()
    columns = [np.zeros((4, 1)), np.ones((4, 1))]
    assert is_step_source(columns, [[0, 1, 1, 0], [0, 0, 1, 1]])  # of one length, and too narrow for pictures
    assert not is_step_source(columns, [0, 1])
    assert not is_step_source([np.zeros((4, 4))] * 2, [[0, 1, 1, 0], [0, 0, 1, 1]])
    assert not is_step_source(["a text", "another"], ["x", "y"])


def test_each_target_stays_with_its_word() -> None:
    dataset = data.load(WORDS, TAGS)
    inputs: Any = dataset.schema.inputs
    for split in (dataset.train, dataset.valid, dataset.test):
        for row, name in enumerate(split.ids):
            number = int(name.split(":")[1])
            words = [inputs.vocabulary[each] for each in split.inputs.row(row)]  # type: ignore[union-attr]
            assert words == WORDS[number]
            assert [dataset.schema.answers.names[each] for each in split.targets.row(row)] == TAGS[number]


@pytest.mark.parametrize("numeric", [False, True])
def test_series_in_memory(numeric: bool) -> None:
    random = np.random.default_rng(0)
    series = [random.normal(size=(length, 2)) for length in random.integers(5, 9, 20)]
    targets: list[Any] = [row[:, 0] * 3 + 100 if numeric else (row[:, 0] > 0).astype(int) for row in series]
    dataset = data.load(series, targets)
    assert isinstance(dataset.schema.inputs, Series)
    assert not dataset.schema.inputs.fixed
    if numeric:
        answers = dataset.schema.answers
        assert isinstance(answers, StepNumbers)
        assert answers.mean[0] == pytest.approx(dataset.train.targets.values.mean())
        assert answers.std[0] == pytest.approx(dataset.train.targets.values.std())
    else:
        assert dataset.schema.answers.names == ("0", "1")
    whole = data.load(np.arange(45.0).reshape(9, 5, 1), np.tile([0, 1, 0, 1, 1], (9, 1)), task="sequence")
    assert whole.train.inputs.values.shape[1] == 1  # type: ignore[union-attr]


def test_steps_without_a_target_are_kept_and_not_learned() -> None:
    targets = [[None if at == 0 else tag for at, tag in enumerate(row)] for row in TAGS]
    dataset = load_steps(WORDS, targets)
    assert (dataset.train.targets.values == -100).sum() == len(dataset.train)
    assert "have no target" in " ".join(dataset.notes)
    series = [np.arange(4.0) + row for row in range(9)]
    numbers = load_steps(series, [[0.5, float("nan"), 2.25, 1.5]] * 9)
    assert np.isnan(numbers.train.targets.values).sum() == len(numbers.train)


def test_a_table_of_series(tmp_path: Path) -> None:
    path = tmp_path / "walk.csv"
    walk().write_csv(path)
    dataset = data.load(path, task="sequence", group="who")
    inputs: Any = dataset.schema.inputs
    assert inputs.channels == ("x", "y")  # t counts the steps
    assert dataset.schema.answers.names == ("stand", "walk")
    assert {*dataset.train.ids, *dataset.valid.ids, *dataset.test.ids} == {f"p{row}" for row in range(12)}
    expected = walk().filter(pl.col("who") == dataset.train.ids[0]).select("x", "y").to_numpy()
    np.testing.assert_allclose(dataset.train.inputs.row(0), expected, rtol=1e-5)  # type: ignore[union-attr]
    shuffled = walk().sample(fraction=1, shuffle=True, seed=1)
    again = data.load(shuffled, task="sequence", group="who", time="t", target="doing")
    at = again.train.ids.index(dataset.train.ids[0]) if dataset.train.ids[0] in again.train.ids else 0
    expected = walk().filter(pl.col("who") == again.train.ids[at]).select("x", "y").to_numpy()
    np.testing.assert_allclose(again.train.inputs.row(at), expected, rtol=1e-5)  # type: ignore[union-attr]
    new = unlabelled_rows(walk().drop("doing"), dataset.schema)
    assert len(new) == 12
    assert len(data.read(path, dataset.schema)) == 12


def test_a_table_is_read_again_by_the_names_of_its_columns() -> None:
    """Whatever stands last, in whatever order its steps come, and whether it counts them."""
    schema = load_steps(walk(), group="who", time="t").schema
    assert (schema.answers.target, schema.answers.time) == ("doing", "t")  # type: ignore[union-attr]
    mixed = walk().sample(fraction=1, shuffle=True, seed=1).select("doing", "y", "t", "x", "who")
    split = read_steps(mixed, schema)
    expected = read_steps(walk(), schema)
    for row, name in enumerate(split.ids):
        there = list(expected.ids).index(name)
        np.testing.assert_array_equal(split.inputs.row(row), expected.inputs.row(there))  # type: ignore[union-attr]
        np.testing.assert_array_equal(split.targets.row(row), expected.targets.row(there))
    assert len(unlabelled_rows(walk().select("y", "x"), schema)) == 1
    by_number = load_steps(walk().select("doing", "who", "x", "y"), group="who", target="1")
    assert by_number.schema.answers.target == "doing"  # type: ignore[union-attr]
    assert len(unlabelled_rows(walk().select("x", "y", "who"), by_number.schema)) == 12


def test_columns_that_teach_nothing_are_named() -> None:
    frame = walk().with_columns(note=pl.lit("a"))
    notes = " ".join(load_steps(frame, group="who", target="doing").notes)
    assert "Columns that were left out: t, note." in notes


def test_classes_that_are_written_as_numbers_stay_what_they_were() -> None:
    frame = walk().with_columns(pl.col("doing").replace_strict({"walk": "07", "stand": "1"}))
    plain = load_steps(frame, group="who").schema
    assert plain.answers.names == ("1", "7")
    assert set(read_steps(frame, plain).targets.values) == {0, 1}
    written = load_steps(frame, group="who", columns={"doing": "category"}).schema
    assert written.answers.names == ("1", "07")
    assert set(read_steps(frame, written).targets.values) == {0, 1}
    many = frame.with_columns(doing=pl.int_range(pl.len()) + 1)  # so many that by themselves they would be a quantity
    assert [int((read_steps(many, plain).targets.values == each).sum()) for each in (0, 1)] == [1, 1]


def test_a_table_of_words_with_groups_named_once() -> None:
    lines = [
        (f"s{row}" if not at else None, word, tag)
        for row, (words, tags) in enumerate(zip(WORDS, TAGS, strict=True))
        for at, (word, tag) in enumerate(zip(words, tags, strict=True))
    ]
    frame = pl.DataFrame(lines, schema=["sentence", "word", "tag"], orient="row")
    dataset = data.load(frame, task="sequence", group="sentence")
    assert isinstance(dataset.schema.inputs, Sentences)
    assert dataset.schema.inputs.column == "word"
    assert sum(map(len, (dataset.train, dataset.valid, dataset.test))) == 40
    number = int(dataset.test.ids[0][1:])
    assert dataset.test.words[0] == WORDS[number]  # type: ignore[attr-defined]


def test_one_long_series_is_cut_and_divided_by_its_time() -> None:
    frame = walk(rows=1, steps=400).drop("who", "t")
    dataset = load_steps(frame, longest=50, target="doing")
    assert [len(split) for split in (dataset.train, dataset.valid, dataset.test)] == [6, 1, 1]
    values = np.concatenate([split.inputs.values for split in (dataset.train, dataset.valid, dataset.test)])  # type: ignore[union-attr]
    np.testing.assert_allclose(values, frame.select("x", "y").to_numpy(), rtol=1e-5)
    assert "follow time" in " ".join(dataset.notes)


def test_pieces_of_one_row_stay_in_one_split() -> None:
    dataset = load_steps(walk(), group="who", longest=10)
    where = [{name.split(" ")[0] for name in split.ids} for split in (dataset.train, dataset.valid, dataset.test)]
    assert len(dataset.train) == 3 * len(where[0])
    assert not where[0] & where[1]
    assert not where[0] & where[2]
    assert not where[1] & where[2]


def test_copies_of_long_rows_stay_with_them_and_rows_to_judge_stay_whole() -> None:
    random = np.random.default_rng(0)
    series = [random.normal(size=(20, 1)) for _ in range(15)]
    dataset = load_steps([*series, *series], [(row[:, 0] > 0).astype(int) for row in [*series, *series]], longest=10)
    parts = (dataset.train, dataset.valid, dataset.test)
    rows = [{int(name.split(" ")[0].split(":")[1]) % 15 for name in split.ids} for split in parts]
    assert sum(map(len, rows)) == 15
    for split in parts:
        assert [int(name.split(" ")[0].split(":")[1]) for name in split.ids] == list(split.whole)  # type: ignore[attr-defined]
    long = read_steps([random.normal(size=(5000, 1))], dataset.schema, targets=[[0, 1] * 2500])
    assert long.inputs.lengths.tolist() == [5000]  # type: ignore[union-attr]


def test_an_answer_that_training_never_showed_is_kept_as_another(tmp_path: Path) -> None:
    for part, tag in (("train", "NN"), ("dev", "NN"), ("test", "XX")):
        (tmp_path / f"a.{part}.conll").write_text(f"The DT\ncat {tag}\n\nNo UH\n\n" * 3)
    dataset = data.load(tmp_path / "a.train.conll")
    assert dataset.schema.answers.names == ("DT", "NN", "UH")
    assert (dataset.test.targets.values == -1).sum() == 3
    assert "3 steps have in test an answer that the training never showed (XX)" in " ".join(dataset.notes)


@pytest.mark.parametrize(
    ("inputs", "targets", "says"),
    [
        ([["a", "b"], ["c", "d"], ["e"]], [["x", "y"], ["x"], ["y"]], "Row 1 has not one target for each step"),
        ([["a"], ["b"], ["c"]], [["x"], ["y"]], "differ in number"),
        (["a b", "c d", "e f"], [["x", "y"]] * 3, "Row 0 is no row of steps.*Divide the text"),
        ([1, 2, 3], [0, 1, 0], "Row 0 is no row of steps"),
        ([["a"], ["b"], ["c"]], ["x", "y", "x"], "Row 0 has not one target"),
        ([["a"], ["b"], ["c"]], [0, 1, 0], "Row 0 has not one target"),
        (None, None, "rows are no list"),
        (WORDS, None, "targets are no list"),
        ([np.zeros((2, 1))] * 4, [[[1.0], [1.0, 2.0]]] * 4, "not numbers"),
        ([np.zeros((2, 1))] * 4, [[[1.0], [2.0]], [[1.0, 2.0]] * 2] * 2, "one width"),
        (WORDS, [["x"] * len(row) for row in WORDS], "only one class"),
        ([[], []], [[], []], "Not one row has a step"),
        (WORDS, [[None] * len(row) for row in WORDS], "Not one step has a target"),
        (WORDS[:2], TAGS[:2], "too few rows"),
        ([np.zeros((3, 2)), np.zeros((4, 3))] * 3, [[0, 1, 1], [0, 0, 1, 1]] * 3, "how many channels"),
        ([np.full((3, 1), np.inf)] * 3, [[0, 1, 1]] * 3, "no series that can be used"),
        (WORDS, [[f"{row}-{at}" for at in range(400 * len(words))][: len(words)] for row, words in enumerate(WORDS)], "."),
    ],
)
def test_careless_rows_are_told(inputs: Any, targets: Any, says: str) -> None:
    if says == ".":
        inputs, targets = [list("ab" * 600)] * 3, [[f"{row}-{at}" for at in range(1200)] for row in range(3)]
        says = "no classes"
    with pytest.raises(LeadlineError, match=says):
        load_steps(inputs, targets)


def test_an_empty_row_is_set_aside_and_many_are_too_many() -> None:
    dataset = load_steps([*WORDS, []], [*TAGS, []])
    assert [(row.id, row.reason) for row in dataset.excluded] == [("row:40", "it has no steps")]
    with pytest.raises(DataError, match="cannot be used"):
        load_steps([*WORDS, *[[]] * 5], [*TAGS, *[[]] * 5])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"group": "whom"}, "Did you mean 'who'"),
        ({"target": "doin"}, "Did you mean 'doing'"),
        ({"group": "doing"}, "is the target, too"),
        ({"target": "doing,x"}, "must all be numbers"),
        ({"longest": 0}, "would be empty"),
        ({"vocabulary": 5}, "Only sentences"),
    ],
)
def test_careless_options_of_a_table_are_told(options: dict[str, Any], says: str) -> None:
    with pytest.raises(LeadlineError, match=says):
        load_steps(walk(), **options)


def test_numbers_for_each_step_of_a_table() -> None:
    frame = walk().with_columns(depth=pl.col("x") * 2)
    dataset = load_steps(frame, group="who", target="depth", columns={"doing": "leave out"})
    assert isinstance(dataset.schema.answers, StepNumbers)
    assert dataset.schema.answers.names == ("depth",)
    whole = read_steps(frame.with_columns(depth=pl.lit(3)), dataset.schema)  # numbers that would be classes by themselves
    assert set(whole.targets.values.ravel()) == {3.0}
    both = load_steps(frame.drop("doing"), group="who", target="depth,y")
    assert both.train.targets.values.shape[1] == 2
    counted = load_steps(frame.with_columns(n=pl.col("t") % 5), group="who", target="n", columns={"n": "number"})
    assert isinstance(counted.schema.answers, StepNumbers)


def test_rows_of_another_kind_are_refused_for_a_schema_that_exists(tmp_path: Path) -> None:
    schema = load_steps(walk(), group="who").schema
    with pytest.raises(DataError, match="not like those of the training"):
        read_steps(WORDS, schema, targets=TAGS)
    with pytest.raises(DataError, match="no column 'x', which the training had"):
        read_steps(walk().drop("x"), schema)
    tags = load_steps(WORDS, TAGS).schema
    with pytest.raises(DataError, match="Not one of the answers"):
        read_steps(WORDS, tags, targets=[["z"] * len(row) for row in WORDS])
    with pytest.raises(SourceNotFoundError):
        load_steps(tmp_path / "nowhere.conll")
    with pytest.raises(ArgumentError, match="no choice of 'unit'"):
        data.load(WORDS, TAGS, unit="words")
