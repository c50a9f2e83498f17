"""The section about steps: words with wrong ones marked, bands along a series, drawings of numbers, strangers' text."""

from __future__ import annotations

from leadline.report.page import render
from leadline.report.steps_section import steps_view

WORDS = {
    "id": "a.conll:3",
    "words": ["<b>Ann</b>", "ran", "off"],
    "said": ["B-PER", "O", "O"],
    "truth": ["B-PER", "B-LOC", None],
    "sure": [0.99, 0.5, 0.4],
}
SERIES = {
    "id": "p1",
    "series": [[0.0, 1.0, 2.0, 3.0]],
    "said": ["sit", "sit", "run", "run"],
    "truth": ["sit", "run", "run", None],
}
NUMBERS = {"id": "p2", "series": [[0.0, 1.0]], "said": [0.5, 1.5], "truth": [0.25, None]}


def test_words_that_are_wrong_are_marked_and_unknown_ones_are_not_counted() -> None:
    view = steps_view({}, {"steps": [WORDS]})
    assert view is not None
    row = view["rows"][0]
    assert [step["wrong"] for step in row["words"]] == [False, True, False]
    assert row["title"] == "1 of 2 words wrong"
    page = render({"results": {"name": "x"}, "examples": {"steps": [WORDS]}})
    assert "&lt;b&gt;Ann&lt;/b&gt;" in page
    assert "<b>Ann" not in page
    assert page.count('<span class="wrong"') == 1
    assert 'href="#steps"' not in page or 'id="steps"' in page


def test_bands_are_as_wide_as_their_runs() -> None:
    view = steps_view({}, {"steps": [SERIES]})
    assert view is not None
    said, truth = view["rows"][0]["bands"]
    assert [(piece["name"], piece["width"], piece["wrong"]) for piece in said["pieces"]] == [
        ("sit", 25.0, False),
        ("sit", 25.0, True),
        ("run", 50.0, False),
    ]
    assert [piece["name"] for piece in truth["pieces"]] == ["sit", "run", "not known"]
    assert [each["name"] for each in view["legend"]] == ["run", "sit"]
    assert view["rows"][0]["title"] == "1 of 3 steps wrong"
    page = render({"results": {"name": "x"}, "examples": {"steps": [SERIES]}})
    assert "steps 3 to 4: run" in page
    assert page.count("<polyline") == 1
    assert steps_view({}, {"steps": [SERIES | {"series": [[0.0, None, 1.0, 2.0]]}]})["rows"][0]["signal"] is None  # type: ignore[index]


def test_numbers_are_drawn() -> None:
    view = steps_view({}, {"steps": [NUMBERS]})
    assert view is not None
    assert view["rows"][0]["panel"].svg.startswith("<svg")
    assert "<svg" in render({"results": {"name": "x"}, "examples": {"steps": [NUMBERS]}})


def test_kinds_of_spans_and_what_the_numbers_are_of() -> None:
    results = {
        "task": "sequence",
        "noun": "words",
        "of": "sentences",
        "sequences": {"test": 9},
        "unseen": 2,
        "span_kinds": {"PER": {"spans": 4, "precision": 0.5, "recall": None, "f1": 0.25}},
    }
    view = steps_view(results, {})
    assert view is not None
    assert view["kinds"][0]["recall"] == "—"
    assert "9 test sentences" in view["sentence"]
    assert "2 of their words" in view["sentence"]
    assert "whole sentences" in view["redrawn"]
    assert steps_view({}, {}) is None
