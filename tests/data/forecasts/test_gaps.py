"""Gaps in series are filled along the line between what was measured."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadline.data.forecasts.gaps import fill_gaps, on_one_clock, without_empty_end
from leadline.errors import DataError

nan = np.nan


@given(st.floats(-5, 5), st.floats(-3, 3), st.lists(st.booleans(), min_size=3, max_size=12))
def test_a_straight_line_is_restored_between_its_ends(start: float, slope: float, missing: list[bool]) -> None:
    times = np.cumsum(np.linspace(0.5, 2, len(missing)))
    line = start + slope * times
    holes = np.array([False, *missing[1:-1], False])
    filled, count = fill_gaps(np.where(holes, nan, line)[:, None], times)
    assert count == holes.sum()
    np.testing.assert_allclose(filled[:, 0], line, rtol=1e-5, atol=1e-5)


def test_the_ends_get_the_nearest_value_and_each_channel_its_own() -> None:
    values = np.array([[nan, 1.0], [2.0, nan], [nan, nan], [5.0, 4.0], [nan, nan]])
    filled, count = fill_gaps(values)
    np.testing.assert_allclose(filled, [[2, 1], [2, 2], [3.5, 3], [5, 4], [5, 4]])
    assert (count, filled.dtype) == (6, np.float32)
    assert np.isnan(values).sum() == 6


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([[nan], [nan]], "nothing but gaps"),
        ([[1.0, nan], [2.0, nan]], "no value in channel 'height'"),
        ([[1.0, np.inf]], "infinite"),
        ([[1.0, 1e39]], "too large"),
        (np.empty((0, 2)), "holds no values"),
    ],
)
def test_what_cannot_be_filled_is_refused(values: list[list[float]], words: str) -> None:
    with pytest.raises(DataError, match=words):
        fill_gaps(np.array(values), channels=("pulse", "height"))


def test_only_the_empty_end_is_cut_off() -> None:
    values = np.array([[nan, nan], [1.0, nan], [nan, nan], [nan, 2.0], [nan, nan], [nan, nan]])
    assert len(without_empty_end(values)) == 4
    assert len(without_empty_end(np.full((3, 1), nan))) == 0


def test_channels_with_their_own_times_are_put_on_one_clock() -> None:
    series, clock, repeated = on_one_clock(
        [np.array([3.0, 1.0, nan]), np.array([7.0, 8.0, 10.0])], [np.array([4.0, 0.0, 2.0]), np.array([1.0, 4.0, 4.0])]
    )
    assert clock.tolist() == [0, 1, 2, 4]
    np.testing.assert_array_equal(series, [[1, nan], [nan, 7], [nan, nan], [3, 9]])
    assert repeated == 1
    np.testing.assert_allclose(fill_gaps(series, clock)[0][:, 0], [1, 1.5, 2, 3])
