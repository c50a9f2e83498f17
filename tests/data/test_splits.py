"""Who is in which part: stratified, seeded, exact in number, copies together."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadline.data.splits import TEST, TRAIN, VALID, assign, assign_in_order, check_shares, strata_of_labels, strata_of_numbers
from leadline.errors import ArgumentError, DataError


def alone(count: int) -> np.ndarray:
    return np.arange(count)


def test_parts_have_their_share_in_each_class() -> None:
    strata = np.repeat([0, 1, 2], [1000, 200, 40])
    parts = assign(strata, alone(len(strata)), valid=0.1, test=0.2)
    for stratum, count in enumerate((1000, 200, 40)):
        assert np.bincount(parts[strata == stratum]).tolist() == [round(0.7 * count), round(0.1 * count), round(0.2 * count)]


@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.floats(0.05, 0.4), st.floats(0.05, 0.4), st.integers(0, 5))
def test_every_class_is_where_it_can_be(counts: list[int], valid: float, test: float, seed: int) -> None:
    counts = [*counts, 20]
    strata = np.repeat(np.arange(len(counts)), counts)
    parts = assign(strata, alone(len(strata)), valid=valid, test=test, seed=seed)
    for stratum, count in enumerate(counts):
        inside = set(parts[strata == stratum].tolist())
        assert inside == ({TRAIN, VALID, TEST} if count >= 3 else {TRAIN, TEST} if count == 2 else {TRAIN})


def test_numbers_of_rows_are_exact() -> None:
    strata = np.random.default_rng(0).integers(0, 7, 1000)
    assert np.bincount(assign(strata, alone(1000), valid=123, test=77)).tolist() == [800, 123, 77]


def test_the_seed_decides_and_the_order_is_shuffled() -> None:
    strata = np.zeros(300, dtype=int)
    first, again, other = (assign(strata, alone(300), valid=0.2, test=0.2, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (np.diff(np.flatnonzero(first == TEST)) > 1).any()


@given(st.integers(0, 100))
def test_copies_stay_together(seed: int) -> None:
    random = np.random.default_rng(seed)
    copies = np.arange(400)
    copies[200:] = random.integers(0, 200, 200)
    parts = assign(random.integers(0, 3, 400), copies, valid=0.2, test=0.2, seed=seed)
    np.testing.assert_array_equal(parts, parts[copies])
    assert set(parts.tolist()) == {TRAIN, VALID, TEST}


def test_every_picture_twice_still_gives_three_parts() -> None:
    copies = np.arange(10) // 2 * 2
    parts = assign(np.zeros(10, int), copies, valid=0.15, test=0.15)
    assert np.bincount(parts).tolist() == [6, 2, 2]


def test_a_thousand_copies_of_one_row_do_not_fill_the_test() -> None:
    copies = np.where(np.arange(1100) < 1000, 0, np.arange(1100))
    for seed in range(10):
        parts = assign(np.zeros(1100, int), copies, valid=0.15, test=0.15, seed=seed)
        assert (parts[:1000] == TRAIN).all()


def test_only_the_part_that_is_lacking() -> None:
    assert np.bincount(assign(np.zeros(20, int), alone(20), valid=0.2, test=0), minlength=3).tolist() == [16, 4, 0]
    assert np.bincount(assign(np.zeros(20, int), alone(20), valid=0, test=0.2), minlength=3).tolist() == [16, 0, 4]


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_rows(count: int) -> None:
    with pytest.raises(DataError, match="too few rows"):
        assign(np.zeros(count, int), alone(count), valid=0.15, test=0.15)


@pytest.mark.parametrize(
    ("valid", "test"), [(0.0, 0.1), (-0.1, 0.1), (0.5, 0.5), (1.5, 0.1), (True, 0.1), (0, 0.1), (float("nan"), 0.1)]
)
def test_impossible_shares(valid: float, test: float) -> None:
    with pytest.raises(ArgumentError):
        check_shares(valid, test)


def test_numbers_written_as_floats_are_numbers() -> None:
    check_shares(20.0, 0.1)
    assert np.bincount(assign(np.zeros(100, int), alone(100), valid=20.0, test=0.1)).tolist() == [70, 20, 10]


def test_strata_of_labels_are_the_rarest_labels() -> None:
    targets = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 0, 0]], dtype=np.float32)
    assert strata_of_labels(targets).tolist() == [1, 0, 3, 0]


def test_strata_of_numbers_are_tenths() -> None:
    values = np.random.default_rng(0).standard_normal((1000, 2))
    strata = strata_of_numbers(values)
    assert np.bincount(strata).tolist() == [100] * 10
    assert values[strata == 0, 0].max() < values[strata == 9, 0].min()


def test_a_million_rows_are_split_in_seconds() -> None:
    strata = np.random.default_rng(0).integers(0, 1000, 1_000_000)
    began = time.process_time()
    assign(strata, alone(1_000_000), valid=0.15, test=0.15)
    assert time.process_time() - began < 5


@given(st.lists(st.integers(0, 30), min_size=8, max_size=80), st.integers(1, 3), st.integers(1, 3))
def test_later_rows_are_never_learned_from(order: list[int], valid: int, test: int) -> None:
    places = np.array(order)
    try:
        part = assign_in_order(places, valid=valid, test=test)
    except DataError:
        # Too many rows at the last moments.
        assert np.sort(places)[-test - 1] == places.max()
        return
    for earlier, later in ((TRAIN, VALID), (VALID, TEST)):
        if (part == earlier).any() and (part == later).any():
            assert places[part == earlier].max() < places[part == later].min()
    assert (part == TRAIN).any()
    assert 1 <= (part == TEST).sum() <= test
