import math
import re
import xml.etree.ElementTree as ElementTree

import pytest

from leadline.report.forecast_figures import PANELS, draw_forecasts, draw_step_errors


def words(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")]


def paths(svg, style):
    return [path for path, found in re.findall(r'<path d="([^"]*)"[^>]*style="([^"]*)"', svg) if style in found]


def example(**changes):
    past = [10.0, 12.0, 11.0, 13.0]
    record = {
        "title": "from 1960-05",
        "past": past,
        "forecast": [14.0, 15.0],
        "truth": [14.0, 17.0],
        "naive": [13.0, 13.0],
        "low": [13.0, 13.5],
        "high": [15.0, 17.5],
        "share": 0.8,
        "times": [f"1960-{month:02}" for month in range(1, 7)],
    }
    return record | changes


def test_a_forecast_beside_truth_and_naive():
    (panel,) = draw_forecasts([example()])
    assert panel.title == "from 1960-05"
    assert panel.note.startswith("Off by 1 on average; the naive forecast 2.5. The truth is expected within the band")
    assert panel.note.endswith("with a probability of 80.0\u202f%.")
    assert {"— forecast", "— naive forecast", "— what was and came", "1960-01", "1960-06"} <= set(words(panel.svg))
    assert 'aria-label="Forecast from 1960-05: from 14 to 15; the truth from 14 to 17"' in panel.svg


def test_the_future_has_no_truth_yet():
    (panel,) = draw_forecasts([example(truth=None, naive=None, low=None, high=None)])
    assert panel.note == ""
    assert "— what was" in words(panel.svg)
    assert "— naive forecast" not in words(panel.svg)
    assert panel.svg.count("fill-opacity: 0.16") == 0
    assert draw_forecasts([example()])[0].svg.count("fill-opacity: 0.16") >= 1


def test_lines_begin_where_the_past_ends():
    (panel,) = draw_forecasts([example()])
    (forecast,) = (path for path in paths(panel.svg, "stroke: var(--accent") if path.count("L") == 2)
    past = next(path for path in paths(panel.svg, "stroke: currentColor") if path.count("L") == 3)
    assert re.findall(r"[ML] ([-\d.]+ [-\d.]+)", forecast)[0] == re.findall(r"[ML] ([-\d.]+ [-\d.]+)", past)[-1]


def test_a_long_past_is_cut_to_its_end():
    long = example(past=[float(at % 7) for at in range(500)], times=[f"t{at}" for at in range(502)])
    (panel,) = draw_forecasts([long])
    assert {"t476", "t501"} <= set(words(panel.svg))
    assert "t0" not in words(panel.svg)


@pytest.mark.parametrize(
    "strange",
    [
        example(past=[]),
        example(past=[math.nan, 1.0, 2.0, 3.0]),
        example(truth=[1.0]),
        example(times=["only one"]),
        example(low=[1.0, math.nan]),
        example(forecast=[5.0], truth=[5.0], naive=[4.0], low=[], high=[], times=["a"] * 5),
        example(title="<script>", past=[3.0] * 4, forecast=[3.0, 3.0], truth=[3.0, 3.0], naive=[3.0, 3.0]),
        {"forecast": [1.0, 2.0]},
    ],
)
def test_strange_records_are_drawn_as_far_as_they_go(strange):
    (panel,) = draw_forecasts([strange])
    ElementTree.fromstring(panel.svg)


def test_what_cannot_be_drawn_is_left_out():
    assert draw_forecasts([example(forecast=[]), example(forecast=[math.inf, 1.0]), {}]) == []
    assert len(draw_forecasts([example(title=str(at)) for at in range(10)])) == PANELS


def test_errors_step_by_step():
    (panel,) = draw_step_errors([1.0, 2.0, 3.0], {"seasonal naive": [3.0, 3.5, 4.0], "broken": [1.0]}, "passengers")
    assert (
        'aria-label="Mean absolute error of passengers by step: network from 1 to 3; seasonal naive from 3 to 4"' in panel.svg
    )
    assert {"network", "a season ago", "steps ahead"} <= set(words(panel.svg))
    assert draw_step_errors([1.0], {}) == []
    assert draw_step_errors([1.0, math.nan], {}) == []
