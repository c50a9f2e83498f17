import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadline.data.forecasts.forecast_tables import find_columns
from leadline.data.series.series_grids import cut_places, lay_out_series, part_length
from leadline.errors import DataError


def frame(numbers, values, **more):
    return pl.DataFrame({"t": list(numbers), "y": [None if value is None else str(value) for value in values], **more})


def laid(table, **options):
    return lay_out_series(table, find_columns(table, time="t", target="y", **options)[0])


def test_rows_in_any_order_become_one_series_and_it_is_said():
    grid, steps, notes = laid(frame([3, 1, 2, 0], [30, 10, 20, 0]))
    assert steps[:, 0].tolist() == [0, 10, 20, 30]
    assert grid.places().tolist() == [0, 1, 2, 3]
    assert any("not in the order of time" in note for note in notes)
    assert not any("order" in note for note in laid(frame(range(4), range(4)))[2])


def test_repeated_moments_are_averaged_and_counted():
    numbers = [*range(40), 5]
    _, steps, notes = laid(frame(numbers, [*range(40), 7]))
    assert steps[5, 0] == 6
    assert "1 row has the moment of another row; such rows were averaged." in notes


def test_gaps_are_interpolated_and_counted():
    _, steps, notes = laid(frame([0, 1, 2, 5, 6, 7, 8], [0, 1, None, 5, None, 7, 8]))
    assert steps[:, 0].tolist() == pytest.approx(range(9))
    assert notes[-1] == "4 of 9 steps had no value and were interpolated; the longest gap is 3 steps."


def test_mostly_gaps_are_refused():
    with pytest.raises(DataError, match=r"have no value, where the rows are taken as .* sum the rows over regular steps"):
        laid(frame([0, 1, 2, 3, 50, 51, 52], range(7)))


def test_missing_ends_are_no_part_of_a_series():
    grid, steps, _ = laid(frame(range(8), [None, None, 2, 3, 4, 5, 6, None]))
    assert (grid.first.tolist(), steps[:, 0].tolist()) == ([2], [2, 3, 4, 5, 6])


def test_rows_after_the_last_target_are_the_future_where_something_is_known():
    table = frame(range(8), [0, 1, 2, 3, 4, 5, None, None], holiday=[0, 1] * 4)
    grid, steps, _ = laid(table, known=["holiday"])
    assert (grid.observed.tolist(), grid.lengths.tolist()) == ([6], [8])
    assert np.isnan(steps[6:]).all()
    assert laid(table)[0].lengths.tolist() == [6]


def test_several_series_lie_one_after_the_other():
    table = pl.DataFrame({"t": [0, 1, 2, 1, 2, 3, 4], "shop": list("bbbaaaa"), "y": list("1234567")})
    grid, steps, _ = lay_out_series(table, find_columns(table, time="t", target="y", series="shop")[0])
    assert grid.names == ("a", "b")
    assert (grid.offsets.tolist(), grid.first.tolist()) == ([0, 4, 7], [1, 0])
    assert steps[:, 0].tolist() == [4, 5, 6, 7, 1, 2, 3]
    assert grid.at.tolist() == [4, 5, 6, 0, 1, 2, 3]


@given(st.data())
def test_whatever_is_there_stays_and_what_is_between_lies_between(data):
    length = data.draw(st.integers(6, 40))
    there = data.draw(st.lists(st.booleans(), min_size=length, max_size=length))
    there[0] = there[1] = there[-1] = True
    if sum(there) < 0.5 * length + 1:
        there = [True] * length
    values = data.draw(st.lists(st.integers(-50, 50), min_size=length, max_size=length))
    order = data.draw(st.permutations([at for at in range(length) if there[at]]))
    columns = find_columns(frame(range(length), values))[0]
    from leadline.data.forecasts.time_steps import TimeStep

    _, steps, _ = lay_out_series(frame(order, [values[at] for at in order]), columns, TimeStep("number"))
    kept = np.array(there)
    assert steps[kept, 0].tolist() == [value for value, is_there in zip(values, there, strict=True) if is_there]
    known = np.flatnonzero(kept)
    np.testing.assert_allclose(steps[:, 0], np.interp(np.arange(length), known, np.array(values)[known]))


def test_categories_go_on_as_they_were():
    grid, _, _ = laid(frame([0, 1, 2, 3, 5], [0, 1, 2, 3, 5]))
    spread = grid.spread(np.array([[1.0], [np.nan], [2.0], [np.nan], [3.0]]))
    assert grid.filled(spread, linear=False)[:, 0].tolist() == [1, 1, 2, 2, 2, 3]
    assert np.isnan(spread[1, 0])


@given(st.integers(1, 40), st.integers(20, 2000), st.floats(0.05, 0.4))
def test_a_part_has_a_horizon_at_the_least(horizon, span, share):
    length = part_length(share, span, horizon)
    assert length >= horizon
    assert length >= round(share * span)
    assert length <= max(round(share * span), 2 * horizon - 1)
    assert part_length(7, span, 3) == max(7, min(5, span // 6))


def test_cuts_are_the_same_for_all_series():
    table = pl.DataFrame({"t": [*range(100), *range(50, 100)], "s": ["a"] * 100 + ["b"] * 50, "y": list(range(150))})
    grid, _, _ = lay_out_series(table, find_columns(table, time="t", target="y", series="s")[0])
    assert cut_places(grid, (0.1, 0.2), 5) == (70, 80)


def test_nothing_to_forecast_from_is_refused():
    columns = find_columns(frame(range(4), range(4)))[0]
    with pytest.raises(DataError, match="Not one row has a value of 'y'"):
        lay_out_series(frame(range(4), [None] * 4), columns)
