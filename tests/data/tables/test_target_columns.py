"""Targets: which column is learned, as what, and what cannot be."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from leadline.data.answers import Classes, Labels, Numbers
from leadline.data.tables.target_columns import choose_targets, read_targets, reread_targets
from leadline.errors import DataError

FRAME = pl.DataFrame({"size": ["1", "2"], "Price": ["3", "4"], "a,b": ["x", "y"]})


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ("size", ("size",)),
        ("size,Price", ("size", "Price")),
        ("a,b", ("a,b",)),
        ("2", ("Price",)),
        ("-1", ("a,b",)),
        ("1, 2", ("size", "Price")),
    ],
)
def test_targets_are_named_numbered_and_listed(wanted: str, names: tuple[str, ...]) -> None:
    assert choose_targets(FRAME, wanted) == (names, None)


@pytest.mark.parametrize(
    ("wanted", "words"), [("price", "Did you mean 'Price'"), ("sizes", "Did you mean 'size'"), ("9", "no column '9'")]
)
def test_a_slip_names_the_nearest(wanted: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        choose_targets(FRAME, wanted)


def test_the_only_usual_name_is_taken_and_said() -> None:
    names, note = choose_targets(pl.DataFrame({"size": ["1"], "Target": ["2"]}), None)
    assert names == ("Target",)
    assert note is not None
    assert "--target" in note


def test_without_one_candidate_the_columns_are_listed_with_what_they_hold() -> None:
    with pytest.raises(DataError, match=r"'size' \(1\), 'Price' \(3\).*--target"):
        choose_targets(FRAME, None)
    with pytest.raises(DataError, match="'label', 'class' have usual names"):
        choose_targets(pl.DataFrame({"label": ["1"], "class": ["2"]}), None)


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["yes", "no"] * 20, "classes"),
        ([True, False] * 20, "classes"),
        (["1", "2", "3", "4"] * 10, "classes"),
        ([1.0, 2.0] * 20, "classes"),
        ([str(value) for value in range(40)], "number"),
        (["1.5", "2.5"] * 20, "number"),
        (["1,5", "2,5"] * 20, "number"),
        (["$1,200", "$900"] * 5 + ["$7.50"] * 30, "number"),
        (["2020-01-01", "2020-01-02"] * 20, "classes"),
    ],
)
def test_the_task_is_told_from_the_values(values: list[object], task: str) -> None:
    assert read_targets(pl.DataFrame({"y": values}), ["y"]).task == task


def test_the_rule_for_whole_numbers_is_said_and_can_be_overruled() -> None:
    few = pl.DataFrame({"y": [1, 2, 3] * 20})
    assert "3 different whole numbers: up to 20 are classes" in str(read_targets(few, ["y"]).note)
    assert read_targets(few, ["y"], "number").values.ravel().tolist() == [1, 2, 3] * 20
    many = pl.DataFrame({"y": list(range(25)) * 10})
    assert "more than 20 are a number" in str(read_targets(many, ["y"]).note)
    assert read_targets(many, ["y"], "classes").task == "classes"


def test_rows_without_a_target_are_told() -> None:
    targets = read_targets(pl.DataFrame({"y": ["a", "b", "?", None] * 9}), ["y"])
    assert sorted(targets.bad) == [row for row in range(36) if row % 4 > 1]
    numbers = read_targets(pl.DataFrame({"y": [f"{row}.5" for row in range(40)] + ["NA", "soon", "1e39"]}), ["y"])
    assert numbers.bad == {40: "it has no 'y'", 41: "its 'y' is no number", 42: "its 'y' is beyond what 32 bits hold"}
    assert np.isfinite(numbers.values).all()


def test_several_columns_are_labels_or_numbers() -> None:
    labels = read_targets(pl.DataFrame({"a": ["yes", "no"] * 9, "b": [1, 0] * 9, "c": [False, True] * 9}), ["a", "b", "c"])
    assert (labels.task, labels.values[:2].tolist()) == ("labels", [[1, 1, 0], [0, 0, 1]])
    numbers = read_targets(pl.DataFrame({"a": [1.5, 2.5] * 9, "b": [1, 0] * 9}), ["a", "b"])
    assert (numbers.task, numbers.values[:2].tolist()) == ("number", [[1.5, 1], [2.5, 0]])
    assert read_targets(pl.DataFrame({"a": ["yes", "no"] * 9}), ["a"], "labels").values.shape == (18, 1)


@pytest.mark.parametrize(
    ("columns", "task", "words"),
    [
        ({"y": [None, "NA"]}, None, "no value in any row"),
        ({"y": ["a", "a", None]}, None, "constant"),
        ({"y": [f"name {row}" for row in range(50)]}, None, "50 different values in 50 rows"),
        ({"y": ["a", "b"] * 5}, "number", "is no number.*'a'"),
        ({"y": ["a", "b"] * 5, "z": ["1", "2"] * 5}, None, "'y' is no number"),
        ({"y": ["yes", "maybe"] * 5, "z": ["1", "0"] * 5}, "labels", "'y' is no label.*maybe"),
        ({"y": ["1", "0"] * 5, "z": ["1", "0"] * 5}, "classes", "Several columns cannot be the classes"),
    ],
)
def test_what_cannot_be_learned_is_told(columns: dict[str, list[str]], task: str | None, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_targets(pl.DataFrame(columns), list(columns), task)


def test_targets_are_read_again_as_the_training_read_them() -> None:
    classes = reread_targets(pl.DataFrame({"y": [1, 2]}), ["y"], Classes(("1", "2")))
    assert classes.values.tolist() == ["1", "2"]
    dotted = reread_targets(pl.DataFrame({"y": ["<=50K.", ">50K."]}), ["y"], Classes(("<=50K", ">50K")))
    assert dotted.values.tolist() == ["<=50K", ">50K"]
    numbers = reread_targets(pl.DataFrame({"y": ["1", "2"]}), ["y"], Numbers(("y",), (0.0,), (1.0,)))
    assert numbers.values.tolist() == [[1], [2]]
    labels = reread_targets(pl.DataFrame({"a": ["yes", "no"], "b": ["0", "0"]}), ["a", "b"], Labels(("a", "b")))
    assert labels.values.tolist() == [[1, 0], [0, 0]]
    with pytest.raises(DataError, match="lack the target 'y'.*'Y'"):
        reread_targets(pl.DataFrame({"Y": ["1"]}), ["y"], Classes(("1", "2")))
