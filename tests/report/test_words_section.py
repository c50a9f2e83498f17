"""The section about words shows what a record holds, and nothing that is no picture or no number."""

from __future__ import annotations

from leadline.report.sentences import outcome
from leadline.report.words_section import words_view

NEAR = [["queen", 0.71], ["<b>", float("nan")], ["prince", 0.5]]
PNG = "data:image/png;base64,iVBORw0KGgo="


def test_neighbours_and_map_are_shown() -> None:
    view = words_view(
        {"vocabulary": 1234, "words_per_second": 1e6}, {"words": {"near": [{"word": "king", "near": NEAR}], "map": PNG}}
    )
    assert view is not None
    assert view["rows"] == [{"word": "king", "near": [("queen", "0.71"), ("prince", "0.50")]}]
    assert view["map"] == PNG
    assert "1,234 words" in view["sentence"]
    assert "1,000,000 words of text a second" in view["sentence"]


def test_what_is_no_picture_is_left_out() -> None:
    assert words_view({}, {"words": {"near": [], "map": "javascript:alert(1)"}}) is None
    assert words_view({}, {"words": {"near": [{"word": "king", "near": [["queen", None]]}], "map": None}}) is None


def test_the_outcome_tells_where_the_loss_began() -> None:
    score = {"value": 2.5, "low": None, "high": None, "title": "Loss", "higher_is_better": False}
    told = outcome(
        {"task": "words", "headline": "loss", "scores": {"loss": score}, "drawn_loss": 4.159, "rows": {"test": 500}}, "words"
    )
    assert told.headline == "Its loss is 2.500 on words it had never seen."
    assert "4.159" in told.details[0]
