"""Drawn trees: every node and word once, parents above their children, wrong nodes marked, no stranger's markup."""

from __future__ import annotations

import re
from typing import Any

import pytest

from leadline.report import render
from leadline.report.trees_section import draw_tree, trees_view

NAMES = ["0", "1", "2", "3", "4"]


def tree(**other: Any) -> dict[str, Any]:
    """((a good) film)"""
    return {
        "id": "test.txt:3",
        "words": ["a", "good", None, "film", None],
        "distances": [2, 1, 2, 1, 0],
        "said": [2, 3, 3, 2, 4],
        "sure": [0.9, 0.8, 0.7, 0.95, 0.6],
        "truth": [2, 3, 3, 2, 3],
        **other,
    }


def places(svg: str) -> list[tuple[float, float]]:
    """The middle of each node."""
    nodes = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="11" class="node"', svg)
    return [(float(x), float(y)) for x, y in nodes]


def test_a_parent_stands_above_the_middle_of_its_children() -> None:
    svg = str(draw_tree(tree(), NAMES, 2))
    a, good, both, film, root = places(svg)
    assert a[0] < good[0] < film[0]
    assert both[0] == pytest.approx((a[0] + good[0]) / 2, abs=0.1)
    assert root[0] == pytest.approx((both[0] + film[0]) / 2, abs=0.1)
    assert root[1] < both[1] < a[1] == good[1] == film[1]
    assert svg.count('class="branch"') == 4
    assert re.findall(r">(a|good|film)</text>", svg) == ["a", "good", "film"]


def test_a_wrong_node_is_dashed_and_its_true_label_told() -> None:
    svg = str(draw_tree(tree(), NAMES, 2))
    assert svg.count("stroke-dasharray") == 1
    assert "<title>4, 60" in svg
    assert "; truly 3</title>" in svg
    assert re.findall(r'class="truth">(\d)<', svg) == ["3"]
    assert "stroke-dasharray" not in str(draw_tree(tree(truth=[None] * 5), NAMES, 2))


def test_colors_say_on_which_side_of_the_middle_and_how_far() -> None:
    svg = str(draw_tree(tree(said=[0, 1, 2, 3, 4]), NAMES, 2))
    assert re.findall(r'fill="(#\w+)" fill-opacity="([\d.]+)"', svg) == [
        ("#c2571a", "0.65"),
        ("#c2571a", "0.25"),
        ("#1f6fb2", "0.25"),
        ("#1f6fb2", "0.65"),
    ]
    assert "fill-opacity" not in str(draw_tree(tree(said=[0, 1, 2, 3, 4]), NAMES))


def test_no_lines_cross() -> None:
    """Branches go up and across; no line across passes over a line up that is not its own."""
    words = ["a", "b", "c", None, None, "d", None, "e", None]
    shape = tree(words=words, distances=[8, 3, 1, 1, 2, 1, 2, 1, 0], said=[2] * 9, sure=[1.0] * 9, truth=[2] * 9)
    svg = str(draw_tree(shape, NAMES, 2))
    branches = [[float(number) for number in found] for found in re.findall(r"M([\d.]+) ([\d.]+)V([\d.]+)H([\d.]+)", svg)]
    assert len(branches) == 8
    for x, low, high, _ in branches:
        for start, _, across, end in branches:
            inside = min(start, end) < x < max(start, end)
            assert not (inside and high < across < low)


def test_long_labels_have_room() -> None:
    svg = str(draw_tree(tree(), ["N", "V", "adjective phrase", "VP", "S"]))
    assert svg.count("<rect") == 2  # of the two nodes called so


@pytest.mark.parametrize(
    "other",
    [
        {"words": []},
        {"distances": []},
        {"distances": [2, 1, 2, 1, 1]},
        {"distances": [9, 1, 2, 1, 0]},
        {"distances": [2, 1, 0, 1, 0]},
        {"said": [1]},
    ],
)
def test_what_is_no_tree_is_not_drawn(other: dict[str, Any]) -> None:
    assert draw_tree(tree(**other), NAMES, 2) is None


def test_right_and_wrong_ones_apart_on_the_page() -> None:
    examples = {"trees": {"names": NAMES, "middle": 2, "drawn": [tree(), tree(truth=[2, 3, 3, 2, 4])]}}
    view = trees_view(examples)
    assert view is not None
    assert [(group["title"], len(group["trees"])) for group in view["groups"]] == [
        ("Where its root is right", 1),
        ("Where its root is wrong, and it was sure", 1),
    ]
    page = render({"examples": examples, "results": {"name": "films"}})
    assert "What it says of every node" in page
    assert "Orange is below 2, blue above it" in page
    assert "test.txt:3: 4 (60" in page
    assert "truly 3" in page
    assert "What it says of every node" not in render({"results": {"name": "films"}})


def test_words_of_strangers_are_no_markup() -> None:
    words = ["<b>", '"&', None, "</svg>", None]
    svg = str(draw_tree(tree(words=words), ["<i>", *NAMES[1:]], 2))
    assert "<b>" not in svg
    assert "<i>" not in svg
    assert svg.count("</svg>") == 1
    assert "&lt;b&gt;" in svg
