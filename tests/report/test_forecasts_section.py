"""The section of forecasts: what is drawn, what is said of band and intervals, and nothing where nothing is known."""

from __future__ import annotations

from typing import Any

import pytest

from leadline.report.forecasts_section import forecasts_view
from leadline.report.page import render

EXAMPLE = {"title": "from <b>1960</b>", "past": [1, 2, 3], "forecast": [4, 5], "times": list("abcde"), "truth": [4, 6]}


def results(**more: Any) -> dict[str, Any]:
    score = {"value": 2.5, "low": 2.0, "high": 3.0, "title": "Mean absolute error", "higher_is_better": False}
    ahead = {"value": -1.5, "low": -2.0, "high": -1.0}
    baseline = {"name": "seasonal naive", "detail": "d", "scores": {"mae": {**score, "value": 4.0}}, "network_ahead": ahead}
    return {
        "name": "bikes",
        "task": "forecast",
        "headline": "mae",
        "noun": "moments",
        "rows": {"train": 90, "valid": 20, "test": 300},
        "scores": {"mae": score},
        "baselines": [baseline],
        "steps": {"network": [2.0, 3.0], "seasonal naive": [4.0, 4.0]},
        "bands": {"share": 0.8, "held": 0.77},
        "redrawn": "stretches of 2 steps",
        **more,
    }


def test_the_section_shows_forecasts_errors_band_and_intervals() -> None:
    view = forecasts_view(results(), {"forecasts": [EXAMPLE]})
    assert view is not None
    assert [panel.title for panel in view["errors"]] == ["Error by step"]
    assert len(view["panels"]) == 1
    assert "80.0" in view["sentence"]
    assert "77.0" in view["sentence"]
    assert "stretches of 2 steps" in view["redrawn"]
    short = forecasts_view(results(redrawn=""), {"forecasts": [EXAMPLE]})
    assert short is not None
    assert "no interval" in short["redrawn"]


@pytest.mark.parametrize("examples", [{}, {"forecasts": []}, {"forecasts": None}])
def test_without_forecasts_there_is_no_section(examples: dict[str, Any]) -> None:
    assert forecasts_view({}, examples) is None
    assert 'id="forecasts"' not in render({"results": {"name": "digits"}, "examples": examples})


def test_the_page_speaks_of_moments_and_windows_and_escapes_titles() -> None:
    history = [{"epoch": at, "loss": 1.0, "valid_loss": 1.0, "valid_scaled_error": 0.5} for at in (1, 2)]
    page = render({"results": results(), "examples": {"forecasts": [EXAMPLE]}, "history": history})
    assert 'href="#forecasts"' in page
    assert "off by 2.50 on average on moments it had never seen, clearly better than the seasonal naive forecast" in page
    assert "windows to learn from" in page
    assert "moments to test on" in page
    assert "Mean absolute error, in deviations" in page
    assert "<b>1960</b>" not in page


def test_a_test_part_too_short_for_intervals_is_called_that() -> None:
    short = results()
    short["scores"]["mae"] |= {"low": None, "high": None}
    short["baselines"][0]["network_ahead"] = {"value": -1.5, "low": None, "high": None}
    page = render({"results": short, "examples": {}, "plan": {}, "history": []})
    assert "where the seasonal naive forecast is off by" in page
    assert "too short for intervals" in page
    assert "too close" not in page
