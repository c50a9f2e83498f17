"""Lines for people."""

from __future__ import annotations

import pytest

from leadline.cli.printing import clock, labelled, number, paragraph, printable, width


def test_nothing_can_steer_the_terminal() -> None:
    assert printable("a\x1b[31mb\x07c\u202ed") == "a�[31mb�c�d"
    assert printable("two\nlines\tand a tab") == "two lines and a tab"
    assert printable("é · × … 日本") == "é · × … 日本"


def test_a_file_name_that_is_no_text_can_be_printed() -> None:
    assert printable(b"\xff.jpg".decode("utf-8", "surrogateescape")).encode("utf-8").endswith(b".jpg")


def test_long_text_hangs_below_its_beginning() -> None:
    lines = labelled("data", "word " * 40).splitlines()
    assert len(lines) > 1
    assert lines[0].startswith("data      word")
    assert all(line.startswith(" " * 10 + "word") for line in lines[1:])
    assert max(map(len, lines)) <= 80


def test_a_path_is_never_broken() -> None:
    path = "/a-very/" + "long-name/" * 20
    assert path in paragraph(f"The folder {path} is empty.").split()


@pytest.mark.parametrize(("columns", "expected"), [("40", 40), ("80", 80), ("300", 100)])
def test_the_width_is_that_of_the_terminal_within_reason(columns: str, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert width() == expected


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        ("accuracy", "50.0 %"),
        ("average_precision", "50.0 %"),
        ("auroc", "50.0 %"),
        ("exact_match", "50.0 %"),
        ("log_loss", "0.5"),
        ("rmse", "0.5"),
    ],
)
def test_shares_are_percent_and_other_scores_are_numbers(metric: str, text: str) -> None:
    assert number(0.5, metric) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (61, "1:01"), (3599.7, "1:00:00"), (90061, "25:01:01")]
)
def test_the_clock_carries(seconds: float, text: str) -> None:
    assert clock(seconds) == text
