"""Coloured texts, drawn series and gradients: what counts is coloured, no markup of others, nothing without a record."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadline.report.deciding_page import explained_page
from leadline.report.sequence_section import draw_stretches, row_view, sequence_view
from leadline.report.time_gradient_section import gradient_view


def text_row(**more: Any) -> dict[str, Any]:
    row = {"id": "a<b>.txt:3", "answer": "ham", "truth": "spam", "probability": 0.9, "right": False, "of": "ham"}
    words = {"pieces": ["<b>Hi", "there", "!"], "gaps": [" ", "", ""], "known": [True, False, True], "worth": [2.0, -1.0, 0.0]}
    return row | words | more


def gradient(**more: Any) -> dict[str, Any]:
    norms = [0.5**at for at in range(30)]
    return {
        "name": "recurrent.ahead.0", "backward": False, "rows": 16, "norms": norms,
        "growth": 0.5, "half_life": 1.0, "across": 0.5**29, "verdict": "vanishing", **more,
    }  # fmt: skip


def test_nothing_is_shown_without_a_record() -> None:
    assert sequence_view({}) is None
    assert sequence_view({"deciding": {"rows": [], "gradients": []}}) is None
    assert sequence_view({"deciding": {"rows": [{"id": "x", "worth": []}], "gradients": [gradient(norms=[1.0])]}}) is None


def test_words_have_the_colours_of_what_they_are_worth() -> None:
    view = sequence_view({"deciding": {"kind": "texts", "unit": "words", "scale": "odds", "rows": [text_row()]}})
    assert view is not None
    assert (view["kind"], view["strangers"], [group["title"] for group in view["groups"]]) == (
        "words",
        True,
        ["Where it was wrong, and sure of it"],
    )
    (row,) = view["groups"][0]["rows"]
    assert [(each["level"], each["said"], each["unknown"]) for each in row["text"]] == [
        ("p4", "×7.4", False),
        ("n2", "÷2.7", True),
        ("", "", False),
    ]


def test_where_nothing_counts_nothing_shines() -> None:
    faint = row_view(text_row(worth=[0.02, -0.01, 0.0]))
    assert faint is not None
    assert [each["level"] for each in faint["text"]] == ["", "", ""]
    numbers = row_view(text_row(worth=[0.02, -0.01, 0.0]), odds=False)
    assert numbers is not None
    assert [(each["level"], each["said"]) for each in numbers["text"]] == [("p4", "+0.02"), ("n2", "−0.01"), ("", "")]


@given(st.integers(1, 600), st.integers(0, 599))
def test_of_a_long_text_the_words_that_count_are_shown_in_order(count: int, at: int) -> None:
    at %= count
    worth = [0.0] * count
    worth[at] = 3.0
    words = [f"w{number}" for number in range(count)]
    view = row_view(text_row(pieces=words, gaps=[" "] * count, known=[True] * count, worth=worth))
    assert view is not None
    shown = [each["text"] for each in view["text"] if not each["left_out"]]
    assert f"w{at}" in shown
    assert shown == sorted(shown, key=lambda word: int(word[1:]))
    assert len(shown) <= 150
    holes = sum(each["left_out"] for each in view["text"])
    assert (holes == 0) == (len(shown) == count)


def test_a_broken_record_shows_nothing() -> None:
    assert row_view(text_row(worth=[1.0])) is None
    assert row_view({"id": "a", "series": [[1.0, 2.0]], "worth": [1.0]}) is None
    assert row_view({"id": "a", "series": [[math.nan]], "worth": [1.0]}) is None
    odd = row_view(text_row(worth=[math.nan, 1.0, None], gaps=[], known=[]))
    assert odd is not None
    assert [each["gap"] for each in odd["text"]] == [" ", " ", " "]


def test_a_series_lies_over_its_colours() -> None:
    svg = draw_stretches([[0.0, 1.0, 2.0, 1.0], [5.0] * 4], [0.0, 1.0, 1.0, -1.0], '"><script>', odds=True)
    assert svg is not None
    assert svg.count("<rect") == 2
    assert svg.count("<polyline") == 2
    assert 'class="p4" x="90.0"' in svg
    assert "stroke-dasharray" in svg
    assert "<script>" not in svg
    long = draw_stretches([[float(at % 97) for at in range(20_000)]], [0.0] * 20_000, "a", odds=True)
    assert long is not None
    assert len(long) < 10_000
    assert ",4.0" in long, "the highest points are kept"


def test_gradients_are_told_by_how_far_they_reach() -> None:
    view = gradient_view({"gradients": [gradient(), gradient(name="recurrent.back.0", backward=True)], "pooling": "last"})
    assert view is not None
    assert "vanishes" in view["sentence"]
    assert "model.cell=lstm" in view["sentence"]
    assert view["rows"][0] | {"across": ""} == {
        "name": "recurrent.ahead.0", "pace": "halves every 1.0 steps", "across": "", "steps": 29, "verdict": "vanishing",
    }  # fmt: skip
    assert view["rows"][1]["name"].endswith("(read from the end)")
    assert "ahead.0" in view["svg"]
    pooled = gradient_view({"gradients": [gradient()], "pooling": "max"})
    assert pooled is not None
    assert "largest value" in pooled["sentence"]
    growing = gradient_view({"gradients": [gradient(growth=1.5, half_life=None, across=None, verdict="exploding")]})
    assert growing is not None
    assert growing["rows"][0]["pace"].startswith("grows by 50")
    assert "clipping" in growing["sentence"]
    assert gradient_view({"gradients": [gradient(norms=[0.0, 0.0])]}) is None
    assert gradient_view({"gradients": [gradient(norms=[math.nan, 1.0])]}) is None


@pytest.mark.parametrize("odds", [True, False])
def test_a_page_of_ones_own_holds_everything_and_no_markup_of_others(odds: bool) -> None:
    series = {"id": "walk.csv", "answer": "run", "series": [[0.0, 1.0]], "worth": [0.0, 1.0], "channels": ["x"]}
    evil = {"says": "a", "source": 'https://example.org/a.png" onload="'}
    page = explained_page("a & b", [text_row(pictures=[evil]), series, {"id": "none"}], kind="words", odds=odds)
    assert "<script" not in page
    assert "example.org" not in page
    assert "&lt;b&gt;Hi" in page
    assert "<b>Hi" not in page
    assert "a &amp; b" in page
    assert page.count("<polyline") == 1
    assert page.count("<section>") == 2
    assert 'name="generator" content="Leadline explain"' in page[:2000]
    assert ("×7.4" in page) is odds
