import numpy as np
import polars as pl
import pytest

from leadline.data.forecasts.forecast_tables import Covariate, check_moments, find_columns, learn_covariate, series_names
from leadline.data.tables.cells import Cells
from leadline.errors import DataError

DAYS = [f"2024-01-{day:02}" for day in range(1, 11)]


def shops(count=3, **more):
    names = [f"shop {number}" for number in range(count) for _ in DAYS]
    rows = {"day": DAYS * count, "shop": names, "sold": [str(at) for at in range(len(names))]}
    return pl.DataFrame(rows | {name: values * count for name, values in more.items()})


def test_a_plain_series():
    columns, notes = find_columns(pl.DataFrame({"day": DAYS, "sold": list("0123456789")}))
    assert (columns.series, columns.targets, columns.others) == ((), ("sold",), ())
    assert notes == ("The time is told by 'day'.",)


def test_the_last_column_of_numbers_is_forecast_and_said():
    frame = pl.DataFrame({"day": DAYS, "warm": list("0123456789"), "sold": list("9876543210"), "sky": ["blue", "grey"] * 5})
    columns, notes = find_columns(frame)
    assert columns.targets == ("sold",)
    assert columns.others == ("warm", "sky")
    assert "'sold' is forecast, the last of 2 columns of numbers; choose with --target." in notes
    assert find_columns(frame, target="warm")[0].targets == ("warm",)
    assert find_columns(frame, target="warm, sold")[0].targets == ("warm", "sold")


def test_decimal_commas_are_kept_in_mind():
    frame = pl.DataFrame({"day": DAYS, "price": [f"{at},5" for at in range(10)]})
    assert find_columns(frame)[0].decimals == (",",)


def test_several_series_are_told_by_a_column_whose_grid_repeats():
    columns, notes = find_columns(shops())
    assert (columns.series, columns.targets) == (("shop",), ("sold",))
    assert "The rows are of several series, told apart by 'shop'." in notes
    by_number = shops().with_columns(pl.col("shop").str.replace("shop ", ""))
    assert find_columns(by_number)[0].series == ("shop",)


def test_two_columns_together_tell_series_apart():
    frame = pl.concat([shops().with_columns(pl.lit(item).alias("item")) for item in ("tea", "rice")])
    columns, _ = find_columns(frame)
    assert set(columns.series) == {"shop", "item"}
    names, known = series_names(frame, ["shop", "item"])
    assert len(set(names)) == 6
    assert known.all()


def test_a_few_repeated_moments_are_no_series():
    many = pl.DataFrame(
        {"day": [*(f"2024-{m:02}-{d:02}" for m in range(1, 5) for d in range(1, 29)), "2024-01-05"], "y": range(113)}
    )
    assert find_columns(many)[0].series == ()


def test_repeated_moments_that_nothing_explains_are_refused():
    frame = shops().with_columns(pl.Series("shop", ["same"] * 30))
    with pytest.raises(DataError, match=r"20 of 30 rows have the moment of another row.*--series COLUMN"):
        find_columns(frame)


def test_rows_that_share_their_moments_are_refused_for_a_training_that_exists() -> None:
    three = shops()
    alone = find_columns(three.head(10).drop("shop"))[0]
    check_moments(three.head(10), alone)
    with pytest.raises(DataError, match=r"20 of 30 rows have the moment of another row, and the training had a single series"):
        check_moments(three, alone)
    by_shop = find_columns(three)[0]
    check_moments(three, by_shop)
    with pytest.raises(DataError, match=r"30 of 60 rows have the moment of another row of their series, as 'shop' tells"):
        check_moments(pl.concat([three, three]), by_shop)
    check_moments(pl.concat([three, three.head(1)]), by_shop)  # one of 31


def test_columns_known_beforehand_are_neither_targets_nor_series():
    frame = shops(1, holiday=["0", "1"] * 5).drop("shop").select("day", "sold", "holiday")
    columns, _ = find_columns(frame, known=["holiday"])
    assert (columns.targets, columns.known) == (("sold",), ("holiday",))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "solt"}, "no column 'solt'.*Did you mean 'sold'"),
        ({"target": "day"}, "'day' tells the time, and cannot be forecast as well"),
        ({"target": "sold", "known": ["sold"]}, "'sold' was given two parts"),
        ({"series": "sold", "target": "sold"}, "'sold' was given two parts"),
        ({"known": ["holliday"]}, "no column 'holliday'"),
        ({"series": "city"}, "no column 'city'"),
        ({"time": "shop"}, "'shop' tells no time"),
    ],
)
def test_mistakes_are_named(options, message):
    with pytest.raises(DataError, match=message):
        find_columns(shops(), **options)


def test_words_cannot_be_forecast():
    frame = pl.DataFrame({"day": DAYS, "sky": ["blue", "grey"] * 5, "sold": list("0123456789")})
    with pytest.raises(DataError, match="'sky' cannot be forecast. Expected numbers; got 'blue'"):
        find_columns(frame, target="sky")


def test_a_table_without_numbers_has_nothing_to_forecast():
    with pytest.raises(DataError, match=r"no column of numbers to forecast.*--target"):
        find_columns(pl.DataFrame({"day": DAYS, "sky": ["blue", "grey"] * 5}))


def test_what_helps_to_forecast():
    number = learn_covariate("warm", Cells(pl.Series(["1,5", "2,5", "?", "3,5"])), known=False)
    assert (number.kind, number.decimal, number.centre) == ("number", ",", 2.5)
    assert number.scale == pytest.approx(np.std([1.5, 2.5, 3.5]))
    np.testing.assert_array_equal(number.read(Cells(pl.Series(["2,5", None]))), [[2.5], [np.nan]])
    sky = learn_covariate("sky", Cells(pl.Series(["blue", "grey", "red", "grey"])), known=True)
    assert (sky.kind, sky.levels, sky.width) == ("category", ("blue", "grey", "red"), 3)
    np.testing.assert_array_equal(sky.read(Cells(pl.Series(["red", "green", None]))), [[0, 0, 1], [0, 0, 0], [np.nan] * 3])
    assert Covariate.from_json({**vars(sky), "levels": list(sky.levels)}) == sky


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([None, "?"], "every value of the training part is missing"),
        (["a", "a"], "constant: always 'a'"),
        ([f"name {at}" for at in range(13)], "13 different texts, more than 12"),
    ],
)
def test_what_does_not_help(cells, reason):
    assert learn_covariate("x", Cells(pl.Series(cells, dtype=pl.String)), known=False) == reason
