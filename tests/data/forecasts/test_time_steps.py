import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadline.data.forecasts.time_steps import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    YEAR,
    TimeStep,
    calendar_features,
    calendar_names,
    calendar_width,
    infer_step,
)
from leadline.errors import DataError


def ticks(*texts):
    return np.array(texts, "datetime64[us]").astype(np.int64)


def every(first, last, step):
    return np.arange(first, last, dtype=f"datetime64[{step}]").astype("datetime64[us]").astype(np.int64)


STEPS = [
    TimeStep("duration", HOUR),
    TimeStep("duration", 15 * MINUTE, 7 * MINUTE),
    TimeStep("duration", 7 * DAY, 3 * DAY),
    TimeStep("weekday", clock=9 * HOUR),
    TimeStep("month"),
    TimeStep("month", 3, 2, 31),
    TimeStep("month", 12, 6, 15, 8 * HOUR),
    TimeStep("number", 5, 2),
]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.describe())
@given(places=st.lists(st.integers(-3000, 3000), min_size=1, max_size=20))
def test_places_and_moments_are_each_others_inverse(step, places):
    places = np.array(places)
    moments = step.ticks(places)
    assert (step.places(moments) == places).all()
    assert (step.off(moments) == 0).all()
    assert (np.diff(step.ticks(np.sort(np.unique(places)))) > 0).all()


@pytest.mark.parametrize(
    ("moments", "told"),
    [
        (every("1949-01", "1961-01", "M"), "monthly"),
        (every("2000-01-01", "2000-03-01", "D"), "daily"),
        (every("2000-01-01T00:30", "2000-01-05T00:30", "h"), "hourly"),
        (every("2000-01-01", "2000-09-01", "D")[::7], "weekly"),
        (every("2000-01", "2010-01", "M")[::3], "quarterly"),
        (every("1900", "2000", "Y"), "yearly"),
        (every("2000-01-01T00:00", "2000-01-02T00:00", "m")[::10], "every 10 minutes"),
        (every("2000-01-01", "2001-01-01", "D")[::28], "every 28 days"),
        (ticks("2020-01-31", "2020-02-29", "2020-03-31", "2020-04-30"), "monthly"),
        (every("1700", "1710", "Y"), "yearly"),
    ],
)
def test_the_step_of_a_regular_series(moments, told):
    step = infer_step([moments])
    assert step.describe() == told
    assert (step.off(moments) == 0).all()
    assert (np.diff(step.places(moments)) == 1).all()
    assert (step.ticks(step.places(moments)) == moments).all()


def test_months_that_end_go_on_ending():
    step = infer_step([ticks("2020-01-31", "2020-02-29", "2020-03-31")])
    place = step.places(ticks("2020-03-31"))[0]
    assert step.words(step.ticks(place + np.arange(1, 12)))[10] == "2021-02-28"


def test_working_days_have_no_weekend_between_them():
    days = every("2024-01-01", "2024-03-01", "D")  # a Monday
    weekdays = days[(days // DAY + 3) % 7 < 5]
    step = infer_step([weekdays])
    assert step.unit == "weekday"
    assert (np.diff(step.places(weekdays)) == 1).all()
    friday = step.places(ticks("2024-03-01"))
    assert step.words(step.ticks(friday + 1)) == ["2024-03-04"]


def test_the_last_working_day_of_each_month_is_monthly():
    ends = ticks("2023-01-31", "2023-02-28", "2023-03-31", "2023-04-28", "2023-05-31", "2023-06-30", "2023-07-31")
    step = infer_step([ends])
    assert step.describe() == "monthly"
    assert (np.diff(step.places(ends)) == 1).all()


def test_gaps_do_not_change_the_step():
    months = np.delete(every("2000-01", "2004-01", "M"), [3, 4, 20, 33])
    assert infer_step([months]).describe() == "monthly"
    hours = np.delete(every("2000-01-01T00", "2000-02-01T00", "h"), np.arange(50, 200))
    step = infer_step([hours])
    assert step.describe() == "hourly"
    assert np.diff(step.places(hours)).max() == 151


def test_stamps_that_jitter_mean_the_usual_step():
    rng = np.random.default_rng(0)
    exact = 1_600_000_000 * SECOND + np.arange(2000) * 10 * MINUTE
    jittered = exact + rng.integers(-20 * SECOND, 20 * SECOND, 2000)
    step = infer_step([jittered])
    assert step.describe() == "every 10 minutes"
    assert (np.diff(step.places(jittered)) == 1).all()
    assert step.off(jittered).max() < 0.06


def test_several_series_share_the_step_and_numbers_count_by_themselves():
    months = every("2000-01", "2004-01", "M")
    assert infer_step([months[:10], months[20:]]).describe() == "monthly"
    step = infer_step([np.arange(3, 103, 5)], numbers=True)
    assert (step.count, step.origin) == (5, 3)
    assert step.words(step.ticks(np.array([0, 20]))) == ["3", "103"]


def test_one_moment_has_no_step():
    with pytest.raises(DataError, match="no two moments"):
        infer_step([np.array([5])])


@pytest.mark.parametrize(
    ("step", "seasons"),
    [
        (TimeStep("duration", 10 * MINUTE), (6, 144, 1008, 52596)),
        (TimeStep("duration", DAY), (7, 365)),
        (TimeStep("duration", 7 * DAY), (52,)),
        (TimeStep("month"), (12,)),
        (TimeStep("month", 12), ()),
        (TimeStep("number", 3), ()),
    ],
)
def test_seasons_are_whole_numbers_of_steps(step, seasons):
    assert step.seasons() == seasons


def test_moments_read_as_briefly_as_they_can():
    moment = ticks("2024-02-03T04:05")
    assert TimeStep("duration", HOUR, 5 * MINUTE).words(moment) == ["2024-02-03 04:05"]
    assert TimeStep("duration", DAY).words(ticks("2024-02-03")) == ["2024-02-03"]
    assert TimeStep("duration", 30 * SECOND).words(ticks("2024-02-03T04:05:30")) == ["2024-02-03 04:05:30"]
    assert TimeStep("month", 12).words(ticks("2024-01-01")) == ["2024"]
    assert TimeStep("duration", 1000).words(ticks("2024-02-03T04:05:30.5"))[0].startswith("2024-02-03 04:05:30.5")


@given(st.datetimes(datetime.datetime(1950, 1, 1), datetime.datetime(2100, 1, 1)))
def test_the_calendar_goes_round(moment):
    at = ticks(moment.isoformat())
    names = ("hour", "weekday", "year")
    features = calendar_features(names, at)
    assert features.shape == (1, calendar_width(names))
    phases = (
        (moment - datetime.datetime.combine(moment.date(), datetime.time())) / datetime.timedelta(days=1),
        moment.weekday() / 7,
        (moment - datetime.datetime(moment.year, 1, 1))
        / (datetime.datetime(moment.year + 1, 1, 1) - datetime.datetime(moment.year, 1, 1)),
    )
    expected = [
        turn(2 * np.pi * k * phase)
        for phase, most in zip(phases, (4, 3, 2), strict=True)
        for k in range(1, most + 1)
        for turn in (np.sin, np.cos)
    ]
    np.testing.assert_allclose(features[0], expected, atol=1e-6)


def test_seven_weekdays_can_be_told_apart_by_a_linear_model():
    features = calendar_features(["weekday"], np.arange(7) * DAY)
    assert np.linalg.matrix_rank(np.concatenate([features, np.ones((7, 1))], axis=1), tol=1e-4) == 7


def test_a_year_that_was_seen_once_is_not_told():
    assert calendar_names(TimeStep("duration", HOUR), 1.4 * YEAR) == ("hour", "weekday")
    assert calendar_names(TimeStep("duration", HOUR), 1.6 * YEAR) == ("hour", "weekday", "year")
    assert calendar_names(TimeStep("duration", DAY), 10.0 * DAY) == ()
    assert calendar_names(TimeStep("month", 12), 50 * YEAR) == ()
    assert calendar_names(TimeStep("number"), 0.0) == ()
