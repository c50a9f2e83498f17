"""Splits hold rows that belong together."""

from __future__ import annotations

import numpy as np
import pytest

from leadline import data
from leadline.data.dataset import Split
from leadline.errors import ArgumentError


def test_parts_of_a_split_have_one_length() -> None:
    with pytest.raises(ArgumentError, match="differ in length"):
        Split(np.zeros((3, 2)), np.zeros(2), ["a", "b", "c"])


def test_rows_are_taken_with_their_ids_as_a_copy() -> None:
    split = Split(np.arange(6).reshape(3, 2), np.array([5, 6, 7]), ["a", "b", "c"])
    taken = split.take(np.array([2, 0]))
    assert taken.ids == ["c", "a"]
    assert taken.targets.tolist() == [7, 5]
    taken.inputs[:] = 0
    assert split.inputs.sum() == 15


def test_a_dataset_tells_its_sizes() -> None:
    assert (
        repr(data.load("digits")) == "Dataset('digits', task='classes', 1,257 + 270 + 270 rows, inputs pictures of 8 × 8 × 1)"
    )
