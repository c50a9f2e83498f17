"""Whether the first record of a csv holds names or values, told by comparing it with the columns below."""

from __future__ import annotations

import re
from collections.abc import Sequence

from leadline.data.tables.number_text import MISSING

_NUMBER = re.compile(r"[\W_]*\d[\d\W_]*([eE][-+]?\d+[\W_]*)?|[\d\W_]+T\d[\d\W_]*Z?")  # also dates and times: digits and signs
_MOST = 0.8  # of the values must be numbers for a column of numbers


def is_number(value: str) -> bool:
    """Whether a value is made of digits and signs, as numbers, dates and times are.

    Example:
        >>> [is_number(value) for value in ("-1.5e3", "$ 1,000", "2011-01-02T10:00Z", "12 %", "age", "column 3", "")]
        [True, True, True, True, False, False, False]
    """
    return _NUMBER.fullmatch(value) is not None


def judge_header(first: Sequence[str], below: Sequence[Sequence[str]]) -> int:
    """Evidence that a record holds the names of the columns (above 0) or values like those below it (below 0).

    A word above numbers is a name; a number above numbers is a value, and so is a word that occurs again below, or "A17" above
    "B203".

    Args:
        first: the values of the record.
        below: the records after it, as wide.

    Example:
        >>> judge_header(["age", "city"], [["31", "Ulm"], ["25", "Bonn"]])
        1
        >>> judge_header(["40", "Ulm"], [["31", "Ulm"], ["25", "Bonn"]])
        -2
        >>> judge_header(["name", "city"], [["Ann", "Ulm"], ["Bo", "Bonn"]])
        0
    """
    below = [row for row in below if list(row) != list(first)]  # a header that stands again below is no evidence of values
    counted = _are_counted(first)
    votes = [_vote(name, [row[at] for row in below], counted=counted) for at, name in enumerate(first) if not _is_missing(name)]
    return sum(votes)


def is_header(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether a record holds names; where nothing speaks for or against it, names are words, and each occurs once.

    Example:
        >>> is_header(["name", "city"], [["Ann", "Ulm"]]), is_header(["Ann", "Ann"], [["Bo", "Ulm"]])
        (True, False)
    """
    evidence = judge_header(first, below)
    if evidence:
        return evidence > 0
    named = first if first[0] or len(first) == 1 else first[1:]  # the index of a data frame has no name
    return all(named) and len(set(first)) == len(first) and not any(map(is_number, named))


def _vote(name: str, values: list[str], *, counted: bool) -> int:
    values = [value for value in values if not _is_missing(value)]
    if not values:
        return 0
    numbers = sum(map(is_number, values)) / len(values)
    if is_number(name):
        return (1 if counted else -1) if numbers >= _MOST else 0
    if numbers >= _MOST:
        return 1
    alike = any(map(str.isdigit, name)) and sum(_shape(value) == _shape(name) for value in values) >= _MOST * len(values)
    return -1 if alike or name in values else 0


def _shape(value: str) -> str:
    """ "A17" and "B203" have one shape, a0: what holds digits and looks like the values is one of them."""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "0", value))


def _is_missing(value: str) -> bool:
    return value.casefold() in MISSING


def _are_counted(first: Sequence[str]) -> bool:
    """Whether the numbers among names are themselves names: years, or the running numbers that data frames give."""
    numbers = [int(name) for name in first if name.isascii() and name.isdigit() and len(name) < 10]
    if len(numbers) < 2 or len(numbers) == len(first) or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        return False
    years = len(numbers) > 2 and 1800 <= numbers[0] <= numbers[-1] <= 2100
    return years or (numbers[0] in (0, 1) and (len(numbers) >= 10 or not first[0]))
