"""Batches of rows of different lengths: padded, bucketed, resumable, and the same wherever the rows lie."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from leadline.data.answers import Classes, Numbers
from leadline.data.batches import Batches
from leadline.data.bucketing import padding_share
from leadline.data.dataset import Split
from leadline.data.pictures.augment import Augment
from leadline.data.ragged import Ragged
from leadline.data.schema import Schema
from leadline.data.series.series import Series
from leadline.data.vectors import Vectors
from leadline.errors import ArgumentError

RANDOM = np.random.default_rng(0)
LENGTHS = RANDOM.integers(1, 40, 103)
ROWS = Ragged.of([RANDOM.normal(2, 3, (length, 2)).astype(np.float32) for length in LENGTHS])
TARGETS = np.arange(103, dtype=np.int64) % 3


def batches(size: int = 4, *, inputs: Ragged = ROWS, targets: object = TARGETS, **options: object) -> Batches:
    split = Split(inputs, targets, [f"row:{row}" for row in range(len(inputs))])  # type: ignore[arg-type]
    schema = Schema(Series.learn(inputs), Classes(("a", "b", "c")))  # type: ignore[arg-type]
    return Batches(split, schema, size, **options)  # type: ignore[arg-type]


def test_a_batch_holds_its_rows_standardized_and_padded_with_nan() -> None:
    kind = Series.learn(ROWS)
    given = batches(5)
    for number, (inputs, targets) in enumerate(given):
        rows = range(5 * number, min(103, 5 * number + 5))
        assert targets.tolist() == TARGETS[list(rows)].tolist()
        assert inputs.shape == (len(rows), max(LENGTHS[list(rows)]), 2)
        for place, row in enumerate(rows):
            expected = (ROWS.row(row) - np.array(kind.mean)) / np.array(kind.std)
            np.testing.assert_allclose(inputs[place, : LENGTHS[row]].numpy(), expected, rtol=1e-4, atol=1e-5)
            assert inputs[place, LENGTHS[row] :].isnan().all()


def test_an_epoch_holds_every_row_once_and_less_padding() -> None:
    given = batches(4, shuffle=True, seed=3)
    order = given.order(2)
    whole = list(given.epoch(2))
    assert sorted(order.tolist()) == list(range(103))
    assert torch.equal(torch.cat([targets for _, targets in whole]), torch.from_numpy(TARGETS)[order])
    for number, (inputs, _) in enumerate(whole):
        lengths = (~inputs[..., 0].isnan()).sum(1)
        assert lengths.tolist() == LENGTHS[order[4 * number : 4 * number + 4]].tolist()
    lengths = torch.from_numpy(LENGTHS)
    plain = torch.randperm(103, generator=torch.Generator().manual_seed(3 * 1_000_003 + 2))
    assert padding_share(lengths, order, 4) < 0.5 * padding_share(lengths, plain, 4)
    assert not torch.equal(given.order(1), given.order(2))
    assert torch.equal(batches(4, shuffle=True, seed=3).order(2), order)


def test_an_epoch_can_be_entered_at_any_batch() -> None:
    given = batches(4, shuffle=True)
    whole = list(given.epoch(5))
    for first in (0, 1, 7, len(given) - 1, len(given)):
        for one, other in zip(given.epoch(5, first), whole[first:], strict=True):
            for mine, theirs in zip(one, other, strict=True):
                torch.testing.assert_close(mine, theirs, rtol=0, atol=0, equal_nan=True)


def test_a_single_last_row_is_left_out_of_training_only() -> None:
    inputs, targets = ROWS[:9], TARGETS[:9]
    assert [len(each) for _, each in batches(4, inputs=inputs, targets=targets, shuffle=True)] == [4, 4]
    assert [len(each) for _, each in batches(4, inputs=inputs, targets=targets)] == [4, 4, 1]


def test_rows_of_one_length_are_as_an_array() -> None:
    even = Ragged.of([RANDOM.normal(size=(7, 2)).astype(np.float32) for _ in range(30)])
    array = even.values.reshape(30, 7, 2)
    schema = Schema(Series.learn(even), Classes(("a", "b", "c")))  # type: ignore[arg-type]
    for shuffle in (False, True):
        both = [
            Batches(Split(inputs, TARGETS[:30], list(map(str, range(30)))), schema, 4, shuffle=shuffle, seed=2)
            for inputs in (even, array)
        ]
        for one, other in zip(*(each.epoch(3) for each in both), strict=True):
            assert all(torch.equal(mine, theirs) for mine, theirs in zip(one, other, strict=True))


def test_what_does_not_fit_the_device_is_gathered_ahead_and_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    resident = list(batches(4, shuffle=True).epoch(1))
    monkeypatch.setattr("leadline.data.batches._fits", lambda inputs, device: False)
    for one, other in zip(resident, batches(4, shuffle=True).epoch(1), strict=True):
        for mine, theirs in zip(one, other, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=0, equal_nan=True)


def test_by_length_little_is_padded_and_each_row_finds_its_place() -> None:
    given = batches(8)
    sorted_batches, place = given.by_length()
    assert place is not None
    parts = list(sorted_batches)
    lengths = torch.cat([(~inputs[..., 0].isnan()).sum(1) for inputs, _ in parts])
    assert lengths[place].tolist() == LENGTHS.tolist()
    assert torch.cat([targets for _, targets in parts])[place].tolist() == TARGETS.tolist()
    assert (lengths.diff() <= 0).all()
    assert sum(inputs.shape[0] * inputs.shape[1] for inputs, _ in parts) < 1.1 * LENGTHS.sum()
    assert batches(8, shuffle=True).by_length()[1] is None


def test_each_step_may_have_a_target_of_its_own() -> None:
    tags = Ragged.of([RANDOM.integers(0, 3, length) for length in LENGTHS])
    for inputs, targets in batches(4, targets=tags, shuffle=True):
        assert targets.shape == inputs.shape[:2]
        assert torch.equal(targets == -100, inputs[..., 0].isnan())
    given = batches(4, targets=tags)
    _, first = next(iter(given))
    for row in range(4):
        assert first[row, : LENGTHS[row]].tolist() == tags.row(row).tolist()


def test_numbers_for_each_step_are_standardized_and_padded_with_nan() -> None:
    heights = Ragged.of([RANDOM.normal(size=(length, 1)) for length in LENGTHS])
    split = Split(ROWS, heights, [str(row) for row in range(103)])
    schema = Schema(Series.learn(ROWS), Numbers(("height",), (0.5,), (2.0,)))  # type: ignore[arg-type]
    inputs, targets = next(iter(Batches(split, schema, 4)))
    assert targets.shape == (*inputs.shape[:2], 1)
    assert torch.equal(targets[..., 0].isnan(), inputs[..., 0].isnan())
    np.testing.assert_allclose(targets[1, : LENGTHS[1]].numpy(), (heights.row(1) - 0.5) / 2, rtol=1e-5, atol=1e-6)


def test_careless_rows_are_refused() -> None:
    split = Split(ROWS, TARGETS, [str(row) for row in range(103)])
    with pytest.raises(ArgumentError, match="nothing says what fills them up"):
        Batches(split, Schema(Vectors((0.0,), (1.0,)), Classes(("a",))), 4)
    with pytest.raises(ArgumentError, match="Only pictures can be augmented"):
        batches(4, augment=Augment(shift=0.2))
    tags = Ragged.of([np.zeros(length + (number == 5), np.int64) for number, length in enumerate(LENGTHS)])
    with pytest.raises(ArgumentError, match=r"not one target for each step. Expected .* for 'row:5'; got .* \(1 of 103"):
        batches(4, targets=tags)


def test_rows_are_taken_with_their_targets() -> None:
    tags = Ragged.of([RANDOM.integers(0, 3, length) for length in LENGTHS])
    split = Split(ROWS, tags, [str(row) for row in range(103)])
    taken = split.take(np.array([7, 2]))
    assert isinstance(taken.inputs, Ragged)
    assert isinstance(taken.targets, Ragged)
    assert taken.ids == ["7", "2"]
    np.testing.assert_array_equal(taken.inputs.row(0), ROWS.row(7))
    np.testing.assert_array_equal(taken.targets.row(1), tags.row(2))


def test_a_copy_of_the_batches_can_go_through_the_rows_in_order() -> None:
    """What counts right rows goes through the training batches in the order of the split."""
    plain = copy.copy(batches(4, shuffle=True))
    plain.shuffle = False
    assert torch.cat([targets for _, targets in plain]).tolist() == TARGETS.tolist()
