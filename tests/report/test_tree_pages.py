"""The page of a person's own trees: each of them once, its colors explained, nothing fetched."""

from __future__ import annotations

from leadline.report.tree_pages import trees_page


def test_each_tree_stands_on_the_page_once() -> None:
    tree = {"words": ["a", "film", None], "distances": [2, 1, 0], "said": [0, 1, 2], "sure": [0.9, 0.8, 0.7]}
    drawn = [{**tree, "id": f"some.txt:{number}", "truth": [None, None, None]} for number in range(30)]
    page = trees_page("films", {"names": ["0", "1", "2"], "middle": 1, "drawn": drawn})
    assert page.count("<svg role") == 30
    assert "Orange is below 1, blue above it" in page
    assert "A dashed node" not in page
    assert "some.txt:29: 2 (70" in page
    wrong = {**tree, "id": "a", "truth": [0, 1, 0]}
    page = trees_page("films", {"names": ["0", "1", "2"], "middle": 1, "drawn": [wrong]})
    assert "A dashed node" in page
    assert "truly 0" in page
    assert "http" not in page.replace("http-equiv", "")
