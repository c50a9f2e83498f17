import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import numpy as np
import pytest

from leadline.report.figures import _apart, draw_calibration, draw_curves, draw_residuals


def words(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")]


def history(points, **more):
    return [{"epoch": i + 1, "step": 10 * i, "loss": 1.0 + 1 / (i + 1), "rate": 0.01, **more} for i in range(points)]


def test_curves_are_labelled_where_they_end():
    records = [record | {"valid_loss": 1.5, "valid_accuracy": 0.875, "best": record["epoch"] == 3} for record in history(9)]
    panels = draw_curves(records)
    assert [panel.title for panel in panels] == ["Loss", "Accuracy", "Learning rate"]
    assert {"training", "validation", "1.11", "1.5", "kept", "epoch"} <= set(words(panels[0].svg))
    assert {"validation", "87.5\u202f%"} <= set(words(panels[1].svg))
    assert "training" not in words(panels[1].svg)


def test_panels_follow_what_was_recorded():
    assert [panel.title for panel in draw_curves(history(3, penalty_l2=0.1, clipped=0.25))] == [
        "Loss",
        "Penalty on the weights",
        "Share of steps whose gradient was clipped",
        "Learning rate",
    ]
    assert [panel.title for panel in draw_curves(history(3, valid_mae=2.0), "mae", "Mean absolute error")][
        1
    ] == "Mean absolute error"
    assert draw_curves([]) == []
    assert "step" in words(draw_curves([{"step": 1, "loss": 1.0}, {"step": 2, "loss": 1.0}])[0].svg)


def test_a_loss_over_decades_is_drawn_in_decades():
    (panel,) = draw_curves([{"epoch": i, "loss": 10.0**-i} for i in range(5)])
    assert panel.title == "Loss, logarithmic"
    assert {"1", "0.01"} <= set(words(panel.svg))
    (panel,) = draw_curves([{"epoch": i, "loss": 10.0**-i - 1} for i in range(5)])
    assert panel.title == "Loss"


@pytest.mark.parametrize("odd", [None, float("nan"), float("inf"), "x"])
def test_what_is_no_number_is_left_out(odd):
    (panel,) = draw_curves([{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": odd}, {"epoch": 3, "loss": 1.0}])
    assert "from 2 to 1" in panel.svg


@pytest.mark.parametrize("losses", [[2.0], [0.0, 0.0], [1e300, 1.0], [1e-300, 1.0], [-3.0, 5e6]])
def test_extreme_losses_are_drawn(losses):
    (panel,) = draw_curves([{"epoch": i, "loss": loss} for i, loss in enumerate(losses)])
    assert "NaN" not in panel.svg.replace("nan", "NaN")


def test_long_histories_are_thinned_and_keep_their_spikes():
    records = history(100_000)
    records[50_000]["loss"] = 25.0
    panel = draw_curves(records)[0]
    assert len(panel.svg) < 40_000
    assert "20" in words(panel.svg)  # the axis reaches up to the spike


def test_colours_are_those_of_the_page():
    for svg in (
        draw_curves(history(5, valid_loss=1.0))[0].svg,
        draw_calibration([0.5], [0.5], [3]),
        draw_residuals([1.0], [2.0])[1].svg,
    ):
        assert set(re.findall(r"(?:fill|stroke): (#\w+)", svg)) == set()
        assert "var(--accent" in svg
        assert "font-family" not in svg
        assert 'id="' not in re.sub(r' id="[mp]?[0-9a-f]{10,}"', "", svg)


def test_panels_share_no_ids():
    svgs = [panel.svg for panel in draw_curves(history(5, valid_loss=1.0, accuracy=0.5))] + [
        draw_calibration([0.5, 0.9], [0.5, 0.8], [3, 9])
    ]
    ids = [name for svg in svgs for name in re.findall(r' id="([^"]+)"', svg)]
    assert ids
    assert len(ids) == len(set(ids))


def test_drawing_is_repeatable():
    assert draw_curves(history(5)) == draw_curves(history(5))


def test_calibration_draws_each_filled_bin_with_wilson_interval():
    svg = draw_calibration([None, 0.5, 0.9], [None, 0.25, 0.75], [0, 100, 400])
    assert "says 50.0\u202f%, right 25.0\u202f%; says 90.0\u202f%, right 75.0\u202f%" in svg
    # Two dots; of the paths in the accent colour, the intervals reach (p + z²/2n ± z√(p(1-p)/n + z²/4n²)) / (1 + z²/n).
    heights = [
        re.findall(r"[ML] [\d.]+ ([\d.]+)", path) for path in re.findall(r'<path d="([^"]*)"[^>]*stroke: var\(--accent', svg)
    ]
    spans = sorted(abs(float(ends[0]) - float(ends[1])) for ends in heights if len(ends) == 2)
    scale = (300 - 36 - 12) / 1.10
    expected = sorted(
        scale * 2 * 1.96 / (1 + 3.8416 / n) * (p * (1 - p) / n + 3.8416 / (4 * n * n)) ** 0.5
        for p, n in ((0.25, 100), (0.75, 400))
    )
    assert spans == pytest.approx(expected, abs=0.1)


def test_residuals():
    generator = np.random.default_rng(0)
    truth = generator.normal(size=5000)
    panels = draw_residuals(truth.tolist(), (truth + generator.normal(size=5000)).tolist(), "<b>price")
    assert "1,500 of 5,000 rows" in panels[0].note
    assert len(panels[0].svg) < 250_000
    assert "&lt;b&gt;price" in panels[0].svg
    low, high = (float(word.replace("−", "-")) for word in re.findall(r"from (\S+) to (\S+)\.", panels[1].note)[0])
    assert (low, high) == pytest.approx((-1.28, 1.28), abs=0.1)  # the tenths of a standard normal
    assert draw_residuals([], []) == []
    assert len(draw_residuals([1.0, 1.0], [1.0, 1.0])) == 2


@pytest.mark.parametrize(
    "heights",
    [
        {"a": 0.5},
        {"a": 0.1, "b": 0.8},
        {"a": 0.5, "b": 0.5, "c": 0.5},
        {"a": 0.0, "b": 0.05, "c": 0.3, "d": 0.31},
        {"a": 1.0, "b": 0.99},
    ],
)
def test_names_at_the_ends_of_lines_are_pushed_apart_and_keep_their_order(heights):
    placed = _apart(heights)
    in_order = sorted(heights, key=heights.get)
    for below, above in pairwise(in_order):
        assert placed[above] - placed[below] >= 0.19 - 1e-9
    for name, height in heights.items():
        if all(abs(height - other) > 0.4 for key, other in heights.items() if key != name):
            assert placed[name] == height


def test_penalties_of_very_different_sizes_have_a_panel_and_a_scale_each():
    records = [record | {"penalty_l2": 3e-4, "penalty_orthogonal": 40.0 + record["epoch"]} for record in history(6)]
    small, large = [panel for panel in draw_curves(records) if panel.title.startswith("Penalty")]
    assert (small.title, large.title) == ("Penalty on the weights: l2", "Penalty on the weights: orthogonal")
    assert "0.0003" in words(small.svg)
    assert "40" in words(large.svg)
    assert small.svg.count("aria-label") == 1
    assert "from 0.0003 to 0.0003" in small.svg


def test_no_epoch_is_marked_where_that_of_one_network_says_nothing():
    records = [record | {"valid_loss": 1.5, "best": record["epoch"] == 3} for record in history(9)]
    assert "kept" in words(draw_curves(records)[0].svg)
    assert "kept" not in words(draw_curves(records, mark_kept=False)[0].svg)
