"""Arrays of every kind and shape, and what is said of those that do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from leadline.data.arrays import as_array, from_arrays, from_mapping, understand
from leadline.data.ragged import Ragged
from leadline.data.series.series_rows import is_series
from leadline.errors import DataError

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    "inputs", [np.ones((3, 2)), np.ones((3, 2), int), np.ones((3, 2), bool), torch.ones(3, 2), [[1, 1]] * 3]
)
def test_rows_of_numbers_become_float32(inputs: Any) -> None:
    raw = from_arrays(inputs, [0, 1, 0])
    assert raw.inputs.dtype == np.float32
    np.testing.assert_array_equal(raw.inputs, np.ones((3, 2)))


@pytest.mark.parametrize("shape", [(2, 9, 8), (2, 9, 8, 1), (2, 1, 9, 8)])
def test_grey_pictures_in_every_layout(shape: tuple[int, ...]) -> None:
    values = np.arange(144, dtype=np.uint8).reshape(2, 9, 8, 1)
    stored, note = understand(values.reshape(shape))
    np.testing.assert_array_equal(stored, values)
    assert stored.dtype == np.uint8
    assert note is None


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_channels_first_are_put_last(channels: int) -> None:
    values = RANDOM.integers(0, 256, (2, channels, 9, 8), dtype=np.uint8)
    np.testing.assert_array_equal(understand(values)[0], values.transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(understand(values.transpose(0, 2, 3, 1))[0], values.transpose(0, 2, 3, 1))


def test_whole_floats_are_kept_as_bytes_and_that_is_said() -> None:
    stored, note = understand(RANDOM.integers(0, 256, (2, 8, 8)).astype(np.float64))
    assert stored.dtype == np.uint8
    assert note is not None
    assert "bytes" in note
    assert understand(np.full((2, 8, 8), 0.5))[0].dtype == np.float32
    assert understand(np.full((2, 8, 8), 256))[0].dtype == np.float32
    assert understand(np.full((2, 8, 8), 255))[0].dtype == np.uint8


def test_maps_of_features_become_rows_and_that_is_said() -> None:
    raw = from_arrays(np.ones((4, 7, 7, 512), np.float16), [0, 1, 0, 1])
    assert raw.inputs.shape == (4, 512)
    assert raw.inputs.dtype == np.float32
    assert raw.notes == ("The inputs are maps of 7 × 7 × 512: the mean over the cells of each is what is learned from.",)


def test_narrow_arrays_are_series() -> None:
    walks = np.arange(40.0).reshape(4, 10, 1)
    walks[1, 8:] = np.nan  # it is shorter
    for inputs in (walks, list(walks), [torch.from_numpy(walk) for walk in walks]):
        raw = from_arrays(inputs, ["slow", "fast"] * 2)
        assert is_series(raw.inputs)
        assert isinstance(raw.inputs, Ragged)
        assert raw.inputs.lengths.tolist() == [10, 8, 10, 10]
        assert raw.inputs.row(2).tolist() == walks[2].tolist()
    raw = from_mapping({"train": walks[2:], "train_targets": [0, 1], "test": walks[:1], "test_targets": [1]})
    assert (raw.ids, raw.parts.tolist()) == (["train:0", "train:1", "test:0"], ["train", "train", "test"])  # type: ignore[union-attr]
    assert raw.array.shape == (3, 10, 1)


@pytest.mark.parametrize("shape", [(4,), (4, 0), (4, 3, 3), (4, 8, 8, 5), (4, 8, 8, 3, 2)])
def test_shapes_that_are_not_understood(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"Expected \[N, D\] numbers, or pictures"):
        from_arrays(np.zeros(shape), np.zeros(4, int))


@pytest.mark.parametrize(
    ("inputs", "targets", "words"),
    [
        (np.zeros((5, 2)), [0, 1], "5 inputs and 2 targets"),
        ([[1, 2], [3]], [0, 1], "not all of one shape"),
        ([np.zeros((8, 8, 3)), np.zeros((8, 8))], [0, 1], r"\(8, 8\), \(8, 8, 3\)"),
        (np.array([["a"], ["b"]]), [0, 1], "not numbers"),
        (np.zeros((0, 2)), [], "no rows"),
        (3, [0], "single value"),
    ],
)
def test_arrays_that_do_not_fit(inputs: Any, targets: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        from_arrays(inputs, targets)


def test_rows_that_are_not_finite_are_bad() -> None:
    inputs = np.ones((5, 2))
    inputs[1, 0], inputs[3, 1], inputs[4, 1] = np.nan, np.inf, 1e300
    assert sorted(from_arrays(inputs, range(5)).bad) == [1, 3, 4]
    pictures = np.full((3, 8, 8), 0.5)
    pictures[2, 0, 0] = np.nan
    assert sorted(from_arrays(pictures, range(3)).bad) == [2]


@pytest.mark.parametrize(
    "keys",
    [
        ("train", "train_targets", "val", "val_targets", "test", "test_targets"),
        ("x_train", "y_train", "x_valid", "y_valid", "x_test", "y_test"),
        ("train_inputs", "train_targets", "valid_inputs", "valid_targets", "test_inputs", "test_targets"),
    ],
)
def test_parts_are_found_by_their_keys(keys: tuple[str, ...]) -> None:
    arrays = {
        key: np.full((count, 2), number) if number % 2 == 0 else np.full(count, number)
        for number, (key, count) in enumerate(zip(keys, (4, 4, 3, 3, 2, 2), strict=True))
    }
    raw = from_mapping(arrays)
    assert raw.parts is not None
    assert raw.parts.tolist() == ["train"] * 4 + ["valid"] * 3 + ["test"] * 2
    assert raw.ids[3:5] == ["train:3", "valid:0"]
    assert raw.inputs[:, 0].tolist() == [0] * 4 + [2] * 3 + [4] * 2
    assert raw.targets.tolist() == [1] * 4 + [3] * 3 + [5] * 2


def test_keys_that_are_not_understood_are_listed() -> None:
    with pytest.raises(DataError, match="got pictures, words"):
        from_mapping({"words": [1], "pictures": [2]})
    with pytest.raises(DataError, match="of test differ in length"):
        from_mapping({"train": [[1], [2]], "train_targets": [0, 1], "test": [[1], [2]], "test_targets": [0]})
    with pytest.raises(DataError, match="parts differ in shape"):
        from_mapping({"train": [[1], [2]], "train_targets": [0, 1], "test": [[1, 2]], "test_targets": [0]})


def test_torch_tensors_of_any_kind() -> None:
    assert as_array(torch.ones(2, requires_grad=True), "inputs").tolist() == [1.0, 1.0]
    assert as_array(torch.ones(2, dtype=torch.bfloat16), "inputs").dtype == np.float32
