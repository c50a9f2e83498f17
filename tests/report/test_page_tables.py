"""The page of a training on a table."""

import pytest
from page_records import Page, a_table

from leadline import report


def test_a_table_shows_its_columns_what_matters_and_the_values_of_wrong_rows():
    page = Page(report.render(a_table()))
    for text in (
        "5 columns: the target, 1 number, 1 category, 1 date, 1 left out.",
        "why age",
        "1 to 9, median 2",
        "12.5 % missing",
        "1 column left out",
        "each row has its own",
        "How far the accuracy falls when one column is shuffled",
        "10.0 %",
        "The intervals of",
        "the mean probability of",
        "value when",
    ):
        assert text in page.text.replace("\u202f", " "), text
    sections = [attributes["id"] for attributes in page.all("section")]
    assert sections[:4] == ["data", "columns", "training", "matters"]
    assert {"#columns", "#matters"} <= {link["href"] for link in page.all("a")}
    assert len([svg for svg in page.all("svg") if svg.get("class") == "spark"]) == 4
    assert len([svg for svg in page.all("svg") if "The mean answer by" in svg.get("aria-label", "")]) == 3


@pytest.mark.parametrize("missing", ["columns", "importance", "dependence", "coverage"])
def test_a_table_without_a_part(missing):
    record = a_table()
    for nothing in (None, [], {}):
        record["results"][missing] = nothing
        Page(report.render(record))
    for kept in ("importance", "dependence"):
        record = a_table()
        record["results"][{"importance": "dependence", "dependence": "importance"}[kept]] = None
        assert "What matters" in Page(report.render(record)).text


def test_few_values_of_wrong_rows_are_columns_and_many_are_listed():
    record = a_table()
    wrong = record["examples"]["wrong"]
    wrong.append({"id": "t.csv:9", "truth": "no", "answer": "yes", "probability": 0.8, "values": {"job": "baker"}})
    few = Page(report.render(record))
    assert len([cell for cell in few.all("td") if cell.get("class") == "cell"]) == 2 * 3
    wrong[1]["values"] = {f"other {at}": str(at) for at in range(9)}
    many = Page(report.render(record))
    assert not [cell for cell in many.all("td") if cell.get("class") == "cell"]
    assert "its values" in many.text
    assert "other 8 8" in many.text


def test_a_number_that_was_learned_as_a_quantile_says_so():
    record = a_table()
    record["results"]["coverage"] = {"quantile": 0.9, "share": 0.88}
    assert "It answers with the 90 % quantile" in Page(report.render(record)).text.replace("\u202f", " ")
