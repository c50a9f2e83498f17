"""A person's own trees, drawn with what a network says of every node, as one HTML page that holds everything it shows."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from leadline.report.deciding_page import MADE_BY
from leadline.report.page import page_templates
from leadline.report.trees_section import drawn_view, scale_sentence

Record = dict[str, Any]


def trees_page(title: str, record: Record) -> str:
    """One page with drawings of a person's own trees.

    Args:
        title: of the page: the Run.
        record: "names", "middle" and "drawn", as `trees_section.trees_view` takes them.

    Example:
        >>> tree = {"id": "a", "words": ["good"], "distances": [0], "said": [1], "sure": [0.9], "truth": [None]}
        >>> page = trees_page("films", {"names": ["0", "1"], "drawn": [tree]})
        >>> page.startswith("<!doctype html>"), page.count("<circle"), "<script" in page
        (True, 1, False)
    """
    drawn = drawn_view(record)
    page = (
        page_templates()
        .get_template("tree_page.html")
        .render(
            title=title,
            maker=MADE_BY,
            style=(files("leadline.report") / "style.css").read_text(encoding="utf-8"),
            trees=drawn,
            scale=scale_sentence(record),
            dashed=any("stroke-dasharray" in tree["svg"] for tree in drawn),
        )
    )
    return page.strip().encode("utf-8", "replace").decode("utf-8")
