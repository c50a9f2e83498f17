"""Headers: a first record is compared with the columns below it."""

from __future__ import annotations

import pytest

from leadline.data.tables.headers import is_header, is_number, judge_header

HEADERS = {
    "words above numbers": ("age,income", "31,100\n25,200"),
    "words above words": ("name,city", "Ann,Ulm\nBo,Bonn"),
    "words above dates": ("day,word", "2020-01-02,a\n2020-01-03,b"),
    "one above missing values": ("a,b", "?,x\nNA,y"),
    "the index of a data frame": (",a,b", "0,x,1\n1,y,2"),
    "running numbers of a data frame": (",0,1,2", "0,1.5,2.5,3.5\n1,4.5,5.5,6.5"),
    "years": ("country,1990,1991,1992", "Chad,1.5,2,3\nMali,4,5,6"),
    "pixels by number": ("label," + ",".join(map(str, range(12))), "5," + ",".join(["0"] * 12) + "\n3," + ",".join(["7"] * 12)),
    "a header again below": ("sex,age", "f,3\nsex,age\nm,4"),
    "a name twice": ("x,x", "1,2\n3,4"),
    "a name missing": ("x,", "1,2\n3,4"),
}
VALUES = {
    "numbers": ("31,100", "25,200\n26,300"),
    "a word that occurs again": ("Ulm,a", "Bonn,b\nUlm,c"),
    "numbers and words": ("39, x".replace(" ", ""), "50,y\n38,z"),
    "a missing value above numbers": ("?,5,a", "3,6,b\n4,7,c"),
    "a date": ("2020-01-01,a", "2020-01-02,b\n2020-01-03,c"),
    "things of one shape": ("A17,12kg", "B18,9kg\nC203,10kg"),
    "words that occur twice in it": ("a,a", "b,c\nd,e"),
    "three numbers in a row": ("1,2,3,a", "4,5,6,b\n7,8,9,c"),
}


def split(text: str) -> list[list[str]]:
    return [line.split(",") for line in text.split("\n")]


@pytest.mark.parametrize(("first", "below"), HEADERS.values(), ids=HEADERS.keys())
def test_names(first: str, below: str) -> None:
    assert is_header(first.split(","), split(below))


@pytest.mark.parametrize(("first", "below"), VALUES.values(), ids=VALUES.keys())
def test_values(first: str, below: str) -> None:
    assert not is_header(first.split(","), split(below))


def test_a_few_words_in_a_column_of_numbers_do_not_matter() -> None:
    below = [[str(number)] for number in range(9)] + [["many"]]
    assert judge_header(["count"], below) == 1
    assert judge_header(["12"], below) == -1


def test_more_evidence_outweighs_less() -> None:
    # One cell says "unknown" above numbers, but two words occur again below.
    assert judge_header(["unknown", "Ulm", "red"], [["1", "Ulm", "blue"], ["2", "Bonn", "red"]]) == -1


@pytest.mark.parametrize("value", ["0", "-1.5", "1e5", "1,234.5", "12 %", "$ 3", "(5)", "12:30", "2020-01-02 10:00", "٣"])
def test_numbers_dates_and_times_are_made_of_digits(value: str) -> None:
    assert is_number(value)


@pytest.mark.parametrize("value", ["", "-", "a", "x1", "1st", "Q1", "12 kg", "e5", "nan"])
def test_words_are_not(value: str) -> None:
    assert not is_number(value)
