"""What targets mean, told from their types and values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from leadline.data.answers import Classes, Labels, Numbers
from leadline.data.labelling import interpret, learn_answers, natural_order, without_label
from leadline.errors import ArgumentError, DataError

MANY = np.arange(300)


@pytest.mark.parametrize(
    ("targets", "task"),
    [
        (np.array(["b", "a", "b"]), "classes"),
        (np.array(["b", 3, None], dtype=object), "classes"),
        (np.array([True, False]), "classes"),
        (np.array([3, 1, 2]), "classes"),
        (np.array([[3], [1]]), "classes"),
        (np.array([3.0, 1.0]), "classes"),
        (np.array([3.5, 1.0]), "number"),
        (MANY, "number"),
        (MANY.astype(float), "number"),
        (np.repeat(MANY, 20), "classes"),
        (np.eye(4), "classes"),
        (np.array([[0, 1], [1, 1], [0, 0]]), "labels"),
        (np.array([[0.5, 1], [1, 1]]), "number"),
    ],
)
def test_the_task_is_told_from_the_values(targets: np.ndarray, task: str) -> None:
    assert interpret(targets).task == task


@pytest.mark.parametrize(("targets", "word"), [(np.array([3.0, 1.0]), "floats"), (MANY, "300"), (np.eye(4), "exactly one 1")])
def test_a_guess_that_could_be_wrong_is_said(targets: np.ndarray, word: str) -> None:
    meaning = interpret(targets)
    assert meaning.note is not None
    assert word in meaning.note
    assert interpret(targets, meaning.task).note is None


def test_the_caller_decides() -> None:
    assert interpret(MANY, "classes").values.tolist() == [str(number) for number in MANY]
    assert interpret(np.array([1, 2]), "number").values.tolist() == [[1.0], [2.0]]
    assert interpret(np.array(["1.5", "2"]), "number").values.tolist() == [[1.5], [2.0]]
    assert interpret(np.eye(3), "labels").values.shape == (3, 3)
    assert interpret(np.array([0, 1]), "labels").values.tolist() == [[0.0], [1.0]]
    assert interpret(np.eye(2)[[1, 0]], "classes", ("cat", "dog")).values.tolist() == ["dog", "cat"]


@pytest.mark.parametrize(
    ("targets", "task", "words"),
    [
        (np.array([0.5, 1.0]), "classes", "some are no whole numbers"),
        (np.array([[1, 1], [0, 1]]), "classes", "not classes"),
        (np.array([[1, 2]]), "labels", "columns of 0 and 1"),
        (np.array(["a", "b"]), "number", "not numbers"),
        (np.zeros((2, 2, 2)), None, "too many dimensions"),
    ],
)
def test_targets_that_cannot_be_what_the_caller_says(targets: np.ndarray, task: str | None, words: str) -> None:
    with pytest.raises(DataError, match=words):
        interpret(targets, task)


def test_a_task_that_does_not_exist_names_the_nearest() -> None:
    with pytest.raises(ArgumentError, match="Did you mean 'classes'"):
        interpret(np.array([0, 1]), "classs")


@pytest.mark.parametrize(
    ("targets", "rows"),
    [
        (np.array([1.0, np.nan, np.inf]), [1, 2]),
        (np.array([[1.0, 2.0], [np.nan, 1.0]]), [1]),
        (np.array(["a", ""]), [1]),
        (np.array(["a", None, float("nan")], dtype=object), [1, 2]),
        (np.array([1, 2]), []),
    ],
)
def test_rows_without_a_label(targets: np.ndarray, rows: list[int]) -> None:
    assert sorted(without_label(targets)) == rows


def test_names_stand_in_natural_order() -> None:
    assert natural_order(["10", "9", "-3"]) == ("-3", "9", "10")
    assert natural_order(["b10", "b9", "A"]) == ("A", "b9", "b10")
    mixed: list[Any] = ["1a", "a1", "", "²", "10", "2"]
    assert sorted(natural_order(mixed)) == sorted(mixed)


def test_answers_are_learned_from_the_training_rows_alone() -> None:
    train = np.array([0, 1, 2])
    classes = learn_answers(interpret(np.array(["10", "9", "9", "1"])), train, columns=None, classes=None)
    assert classes == Classes(("9", "10"))
    assert learn_answers(interpret(np.array([0, 1, 0])), train, columns=None, classes=("1", "0")) == Classes(("1", "0"))
    labels = learn_answers(interpret(np.ones((4, 2))), train, columns=("x", "y"), classes=None)
    assert labels == Labels(("x", "y"))
    numbers = learn_answers(
        interpret(np.array([[1.5, 2.0], [2.5, 2.0], [6.5, 2.0], [99.5, 9.0]])), train, columns=None, classes=None
    )
    assert isinstance(numbers, Numbers)
    assert numbers.names == ("value 0", "value 1")
    assert numbers.mean == pytest.approx((3.5, 2.0))
    assert numbers.std == pytest.approx((np.std([1.5, 2.5, 6.5]), 1.0))
