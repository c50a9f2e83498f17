import datetime

import numpy as np
import polars as pl
import pytest

from leadline.data.forecasts.time_columns import TimeReading, find_time
from leadline.errors import DataError


def read(frame, chosen=None):
    reading = find_time(frame, chosen)
    ticks, known = reading.read(frame)
    return reading, ticks.astype("datetime64[us]"), known


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        (["1949-01", "1949-02", "1949-03"], "1949-01-01"),
        (["2011-12-31", "2012-01-01", "2012-01-02"], "2011-12-31"),
        (["31.12.2011", "01.01.2012", "02.01.2012"], "2011-12-31"),
        (["12/31/2011", "1/1/2012", "1/2/2012"], "2011-12-31"),
        (["31/12/2011 13:00", "31/12/2011 14:00", "31/12/2011 15:00"], "2011-12-31T13:00"),
        (["2011-12-31T13:00:05", "2011-12-31T13:00:10", "2011-12-31T13:00:15"], "2011-12-31T13:00:05"),
        (["2011-12-31 13:00:00+02:00", "2011-12-31 14:00:00+02:00", "2011-12-31 15:00:00+02:00"], "2011-12-31T11:00"),
        (["Jan 2011", "Feb 2011", "Mar 2011"], "2011-01-01"),
        (["20111231", "20120101", "20120102"], "2011-12-31"),
        (["31-Dec-2011", "01-Jan-2012", "02-Jan-2012"], "2011-12-31"),
    ],
)
def test_text_dates_in_the_usual_forms(cells, first):
    reading, moments, known = read(pl.DataFrame({"value": ["1", "2", "3"], "when": cells}))
    assert reading.names == ("when",)
    assert moments[0] == np.datetime64(first)
    assert known.all()


def test_dates_and_moments_of_data_frames():
    days = [datetime.date(2024, 1, day) for day in (1, 2, 3)]
    _, moments, _ = read(pl.DataFrame({"day": days, "y": [1.0, 2.0, 3.0]}))
    assert moments.astype("datetime64[D]").tolist() == days
    zoned = pl.Series("at", [datetime.datetime(2024, 1, 1, 12)]).dt.replace_time_zone("Europe/Berlin")
    _, moments, _ = read(pl.DataFrame({"at": zoned, "y": [1.0]}))
    assert moments[0] in (np.datetime64("2024-01-01T11:00"), np.datetime64("2024-01-01T12:00"))


@pytest.mark.parametrize("clock", [["13:00", "14:30", "00:15"], ["13.00.00", "14.30.00", "00.15.00"]])
def test_a_date_with_a_clock_beside_it(clock):
    frame = pl.DataFrame({"Date": ["10/03/2004", "10/03/2004", "11/03/2004"], "Time": clock, "CO": ["2.6", "2", "2.2"]})
    reading, moments, _ = read(frame)
    assert reading.kind == "date and clock"
    assert [str(moment)[11:16] for moment in moments] == ["13:00", "14:30", "00:15"]
    assert find_time(frame, "Date,Time") == reading
    assert find_time(frame, "Date") == reading


def test_parts_in_columns_of_their_own():
    frame = pl.DataFrame({"yr": ["2011"] * 3, "mnth": ["1", "1", "2"], "day": ["30", "31", "1"], "y": list("123")})
    reading, moments, _ = read(frame)
    assert reading.roles == ("year", "month", "day")
    assert moments[-1] == np.datetime64("2011-02-01")
    words = pl.DataFrame({"Year": ["2011", "2011"], "Month": ["January", "Feb"], "y": ["1", "2"]})
    assert read(words)[1][1] == np.datetime64("2011-02-01")


def test_days_that_no_column_tells_are_counted_by_their_hours():
    hours = [*range(24), *range(2, 24), *range(24)]  # two hours of the second day are missing
    frame = pl.DataFrame({"Year": [2011] * 70, "Month": [1] * 70, "Hour": hours, "Count": range(70)})
    _, moments, known = read(frame)
    assert known.all()
    assert moments[24] == np.datetime64("2011-01-02T02:00")
    assert moments[-1] == np.datetime64("2011-01-03T23:00")
    later = pl.concat([frame, frame.with_columns(pl.lit(2, dtype=pl.Int64).alias("Month"))])
    assert read(later)[1][70] == np.datetime64("2011-02-01T00:00")


def test_hours_that_go_round_too_often_are_refused():
    frame = pl.DataFrame({"Year": [2011] * 99, "Month": [2] * 99, "Hour": [0, 8, 16] * 33, "Count": range(99)})
    with pytest.raises(DataError, match="2011-02 make more days than that month has"):
        read(frame)
    shuffled = pl.DataFrame({"Year": [2011] * 3, "Month": [2, 1, 3], "Hour": [0, 0, 0], "Count": range(3)})
    with pytest.raises(DataError, match="not in the order of time"):
        read(shuffled)


def test_numbers_that_count_the_time():
    reading, moments, _ = read(pl.DataFrame({"y": [3.5, 1.5, 2.5], "year": [1821, 1822, 1823]}))
    assert (reading.kind, moments[0]) == ("years", np.datetime64("1821-01-01"))
    assert find_time(pl.DataFrame({"step": [1, 2, 3], "y": [1.5, 2.5, 0.5]})).is_numbers
    seconds = pl.DataFrame({"timestamp": [1_600_000_000 + 60 * at for at in range(5)], "y": [0.5] * 5})
    reading, moments, _ = read(seconds)
    assert (reading.kind, moments[0]) == ("seconds", np.datetime64("2020-09-13T12:26:40"))
    thousands = seconds.with_columns(pl.col("timestamp") * 1000)
    assert (read(thousands)[1] == moments).all()


def test_cells_that_tell_no_moment_are_known_as_such():
    frame = pl.DataFrame(
        {"day": ["2024-01-01", "?", "2024-01-03", *(f"2024-02-{day:02}" for day in range(1, 29))], "y": range(31)}
    )
    _, _, known = read(frame)
    assert known.sum() == 30
    assert not known[1]


def test_a_reading_survives_json_and_keeps_its_formats():
    reading = find_time(pl.DataFrame({"day": ["13/01/2024", "14/01/2024"], "y": ["1", "2"]}))
    again = TimeReading.from_json(
        {"kind": reading.kind, "names": list(reading.names), "formats": list(reading.formats), "roles": []}
    )
    assert again == reading
    ambiguous = pl.DataFrame({"day": ["01/02/2024"], "y": ["1"]})
    assert again.read(ambiguous)[0].astype("datetime64[us]")[0] == np.datetime64("2024-02-01")


def test_mistakes_end_in_one_paragraph():
    frame = pl.DataFrame({"name": ["a", "b"], "price": ["1.5", "2.5"]})
    with pytest.raises(DataError, match=r"No column tells the time.*--time COLUMN"):
        find_time(frame)
    with pytest.raises(DataError, match="tells no time"):
        find_time(frame, "price")
    with pytest.raises(DataError, match="Did you mean 'price'"):
        find_time(frame, "prise")
    with pytest.raises(DataError, match="do not make up moments"):
        find_time(frame, "name,price")
    reading = find_time(pl.DataFrame({"day": ["2024-01-01", "2024-01-02"]}))
    with pytest.raises(DataError, match="no column 'day' for the time"):
        reading.read(frame)
