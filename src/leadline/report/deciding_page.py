"""What `leadline explain` found as one HTML page that holds everything it shows."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from leadline.report.data_sections import picture_view
from leadline.report.page import page_templates
from leadline.report.sequence_section import row_view

Record = dict[str, Any]

MADE_BY = "Leadline explain"  # stands in each page, so that nobody else's file is ever overwritten
_BYTES = 200_000_000  # of all pictures: the page is a person's own, and may be as large as they ask for


def explained_page(title: str, rows: Sequence[Record], *, kind: str, odds: bool) -> str:
    """One page with a row for each explained input.

    Args:
        title: of the page: the Run.
        rows: as the report shows them, each also with "likeliest" [(name, probability)] and "pictures" [{"says", "source"}].
        kind: "words", "letters" or "stretches".
        odds: whether what parts are worth is log odds, and not a number.

    Example:
        >>> row = {"id": "a", "answer": "ham", "pieces": ["Hi"], "gaps": [""], "worth": [1.0]}
        >>> page = explained_page("sms", [row], kind="words", odds=True)
        >>> page.startswith("<!doctype html>"), 'title="×2.7"' in page, "<script" in page
        (True, True, False)
    """
    budget = [_BYTES]
    views = []
    for row in rows:
        view = row_view(row, odds=odds)
        if view is None:
            continue
        view["note"] = str(row.get("note") or "")
        view["pictures"] = [
            {"says": str(each.get("says", "")), "source": found["source"]}
            for each in row.get("pictures") or ()
            if (found := picture_view(each.get("source"), budget))
        ]
        views.append(view)
    page = (
        page_templates()
        .get_template("explained.html")
        .render(
            title=title,
            maker=MADE_BY,
            style=(files("leadline.report") / "style.css").read_text(encoding="utf-8"),
            rows=views,
            kind=kind,
            odds=odds,
            strangers=any(view["strangers"] for view in views),
        )
    )
    return page.encode("utf-8", "replace").decode("utf-8")
