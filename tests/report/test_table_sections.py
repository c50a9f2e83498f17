import re

import pytest

from leadline.report import table_sections


def number(name, **more):
    return {
        "name": name,
        "kind": "number",
        "why": "numbers",
        "missing": 0.0,
        "distinct": 73,
        "low": 17,
        "median": 37.5,
        "high": 90,
        "histogram": [1, 4, 2, 0],
        **more,
    }


def category(name, **more):
    common = [["Private", 2000], ["Local", 40], ["State", 30], ["", 2]]
    return {"name": name, "kind": "category", "why": "words", "missing": 0.25, "distinct": 9, "common": common, **more}


def importance(*columns, metric="auroc", **more):
    rows = [{"name": name, "value": value, "low": low, "high": high} for name, value, low, high in columns]
    return {"importance": {"metric": metric, "title": "AUROC", "rows": 2000, "repeats": 5, "columns": rows, **more}}


def plain(text):
    return re.sub("[\u2068\u2069]", "", text).replace("\u202f", " ")


def test_a_number_shows_its_range_and_a_category_its_levels():
    view = table_sections.column_view({"columns": [number("age"), category("job")]})
    age, job = view["groups"][1]["rows"]
    assert (age["range"], age["levels"], age["more"]) == ("17 to 90, median 37.5", [], 0)
    assert (age["missing"], age["complete"], age["distinct"]) == ("0\u202f%", True, "73")
    assert [(level["name"], level["count"]) for level in job["levels"]] == [
        ("Private", "2,000"),
        ("Local", "40"),
        ("State", "30"),
    ]
    assert (job["more"], job["range"], job["missing"], job["complete"]) == (6, "", "25.0\u202f%", False)
    blank = table_sections.column_view({"columns": [category("x", common=[[" ", 3]])]})["groups"][1]["rows"][0]
    assert blank["levels"][0]["name"] == "(blank)"


def test_bars_are_as_high_as_their_counts_and_what_is_rare_can_be_seen():
    drawn = str(
        table_sections.column_view({"columns": [number("x", histogram=[1, 500, 0, 1000])]})["groups"][1]["rows"][0]["bars"]
    )
    assert re.findall(r"M(\d+) 100V(\d+)", drawn) == [("0", "96"), ("10", "50"), ("30", "0")]
    assert 'viewBox="0 0 40 100"' in drawn
    assert table_sections.column_view({"columns": [number("x", histogram=[0, 0])]})["groups"][1]["rows"][0]["bars"] == ""


def test_dates_keep_their_text_and_years_read_as_years():
    rows = table_sections.column_view(
        {
            "columns": [
                number("day", kind="date", low="2011-01-01", median="2012-06-30", high="2012-12-31"),
                number("year", low=1999, median=None, high=2012),
                number("price", low=0.12345, median=1234.5, high=1_500_000),
                number("nothing", low=None),
            ]
        }
    )["groups"][1]["rows"]
    assert [row["range"] for row in rows] == [
        "2011-01-01 to 2012-12-31, median 2012-06-30",
        "1999 to 2012",
        "0.123 to 1,500,000, median 1234",
        "",
    ]


def test_the_target_comes_first_and_what_is_left_out_last_by_its_reason():
    columns = [
        category("a"),
        {"name": "id", "kind": "left out", "why": "each its own"},
        {"name": "zero", "kind": "left out", "why": "constant"},
        {"name": "key", "kind": "left out", "why": "each its own"},
        {"name": "y", "kind": "target"},
    ]
    view = table_sections.column_view({"columns": columns})
    assert [[row["name"] for row in group["rows"]] for group in view["groups"]] == [["y"], ["a"]]
    assert [(group["why"], group["names"]) for group in view["left_out"]] == [
        ("each its own", ["id", "key"]),
        ("constant", ["zero"]),
    ]
    assert plain(view["sentence"]) == "5 columns: the target, 1 category, 3 left out. Values are missing in “a” (25.0 %)."


@pytest.mark.parametrize(
    ("shares", "says"),
    [
        ([0, 0], ""),
        ([0.1, 0.5, 0], " Values are missing in 2 of them, most of all in “1” (50.0 %)."),
    ],
)
def test_missing_values_are_summed_up(shares, says):
    view = table_sections.column_view({"columns": [number(str(at), missing=share) for at, share in enumerate(shares)]})
    assert plain(view["sentence"]) == f"{len(shares)} columns: {len(shares)} numbers.{says}"


def test_a_thousand_columns_are_cut_by_kind_and_the_important_ones_shown():
    columns = [number(f"n{at}") for at in range(900)] + [category(f"c{at}") for at in range(99)] + [number("d", kind="date")]
    record = {"columns": columns, **importance(("n801", 0.2, 0.1, 0.3), ("n7", 0.1, 0.0, 0.2))}
    view = table_sections.column_view(record)
    numbers, categories, dates = view["groups"][1:]
    assert [row["name"] for row in numbers["rows"]] == ["n801", "n7", "n0", "n1", "n2", "n3"]
    assert (numbers["rest"], categories["rest"], dates["rest"]) == ("… 894 more numbers …", "… 93 more categories …", "")
    assert "1,000 columns: 900 numbers, 99 categories, 1 date." in view["sentence"]
    assert "all are in results.json" in view["sentence"]
    few = table_sections.column_view({"columns": columns[:40]})
    assert len(few["groups"][1]["rows"]) == 40
    assert "results.json" not in few["sentence"]


def test_many_left_out_are_counted():
    columns = [{"name": str(at), "kind": "left out", "why": "constant"} for at in range(300)]
    view = table_sections.column_view({"columns": columns})
    assert (len(view["left_out"][0]["names"]), view["left_out"][0]["more"], view["count_left_out"]) == (20, 280, 300)


@pytest.mark.parametrize("columns", [None, [], [{}]])
def test_without_columns_there_is_no_section(columns):
    assert table_sections.column_view({"columns": columns}) is None


def test_a_column_of_which_little_is_known_is_shown():
    rows = table_sections.column_view({"columns": [{"name": "x"}, {"name": None, "kind": "text", "common": [["a", None]]}]})
    assert [row["name"] for row in rows["groups"][1]["rows"]] == ["x", "—"]


def test_dots_stand_where_their_values_are_on_a_scale_that_holds_nothing():
    view = table_sections.importance_view(importance(("b", -0.002, -0.013, 0.004), ("a", 0.05, 0.04, 0.06)))
    assert [row["name"] for row in view["rows"]] == ["a", "b"]
    start, end = (float(view[side].replace("−", "-")) for side in ("start", "end"))
    assert start <= -0.013
    assert end >= 0.06
    assert start + view["zero"] / 100 * (end - start) == pytest.approx(0)
    for row, column in zip(view["rows"], [(0.05, 0.04, 0.06), (-0.002, -0.013, 0.004)], strict=True):
        for key, value in zip(("at", "from", "to"), column, strict=True):
            assert start + row[key] / 100 * (end - start) == pytest.approx(value)
    assert [row["doubtful"] for row in view["rows"]] == [False, True]
    assert [(row["shown"], row["interval"]) for row in view["rows"]] == [
        ("0.0500", "0.0400 to 0.0600"),
        ("−0.0020", "−0.0130 to 0.0040"),
    ]


def test_a_scale_starts_at_nothing_where_no_interval_goes_below():
    view = table_sections.importance_view(importance(("a", 0.05, 0.04, 0.06), ("unused", 0.0, 0.0, 0.0)))
    assert (view["start"], view["zero"]) == ("0", 0)
    only = table_sections.importance_view(importance(("unused", 0.0, 0.0, 0.0)))
    assert only["rows"][0]["at"] == 0
    assert only["doubt"] == "Every interval holds 0: these rows do not show that any column matters."


def test_what_holds_nothing_is_said_plainly():
    sure, unsure = ("a", 0.05, 0.04, 0.06), ("b", 0.001, -0.01, 0.004)
    assert table_sections.importance_view(importance(sure))["doubt"] == ""
    one = table_sections.importance_view(importance(sure, unsure))["doubt"]
    assert plain(one) == "The interval of “b” holds 0: these rows do not show that it matters."
    two = table_sections.importance_view(importance(sure, unsure, ("c", 0.0, 0.0, 0.0)))["doubt"]
    assert plain(two) == "The intervals of “b” and “c”, in grey, do not lie above 0: these rows do not show that they matter."


def test_all_but_fifteen_are_summed_up():
    strong = [(f"s{at}", 0.5 - at / 100, 0.2, 0.8) for at in range(15)]
    rest = [("r0", 0.04, 0.03, 0.05), ("r1", 0.03, -0.01, 0.05), ("r2", 0.0, -0.01, 0.01)]
    view = table_sections.importance_view(importance(*rest, *strong))
    assert len(view["rows"]) == 15
    assert view["rest"] == "The other 3 columns matter less, each at most 0.040; 2 of them are not shown to matter."
    assert (
        table_sections.importance_view(importance(*strong, *rest[1:]))["rest"] == "The other 2 columns are not shown to matter."
    )
    assert (
        table_sections.importance_view(importance(*strong, rest[0]))["rest"] == "The other column matters less, at most 0.040."
    )
    assert table_sections.importance_view(importance(*strong))["rest"] == ""


def test_meaning_says_which_way_the_metric_goes():
    falls = table_sections.importance_view(importance(("a", 1.0, 0.5, 2.0)))["meaning"]
    assert "How far the AUROC falls when one column is shuffled" in falls
    assert "the mean of 5 shuffles over 2,000 test rows" in falls
    rises = table_sections.importance_view(importance(("a", 1.0, 0.5, 2.0), metric="mae", title="Mean absolute error"))[
        "meaning"
    ]
    assert "How far the mean absolute error rises" in rises
    told = {"scores": {"own": {"higher_is_better": False}}, **importance(("a", 1.0, 0.5, 2.0), metric="own", title="Own cost")}
    assert "How far the own cost rises" in table_sections.importance_view(told)["meaning"]


def test_percentages_have_their_unit_once_in_an_interval():
    row = table_sections.importance_view(importance(("a", 0.05, 0.04, 0.06), metric="accuracy"))["rows"][0]
    assert (plain(row["shown"]), plain(row["interval"])) == ("5.00 %", "4.00 to 6.00 %")


@pytest.mark.parametrize("odd", [None, {}, {"columns": []}, {"columns": [{"name": "a", "value": None, "low": 0, "high": 1}]}])
def test_without_importance_there_is_no_drawing(odd):
    assert table_sections.importance_view({"importance": odd}) is None
