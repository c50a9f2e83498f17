"""The section about inputs told again: sentences that promise no more than was measured, and nothing for other tasks."""

from __future__ import annotations

from typing import Any

from leadline.report import page
from leadline.report.told_again_section import odd_sentence, told_again_view

PNG = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
ODDNESS = {"threshold": 12.5, "rows": 120, "usual": 100, "above": 20, "odd": 20, "found": 15, "false_alarms": 0.05}
RESULTS: dict[str, Any] = {
    "task": "reconstruct",
    "headline": "explained",
    "name": "digits",
    "rows": {"train": 800, "valid": 100, "test": 120},
    "scores": {
        "explained": {"value": 0.9, "low": 0.88, "high": 0.92, "title": "Explained variance", "higher_is_better": True},
        "anomaly_auroc": {"value": 0.95, "low": 0.9, "high": 0.98, "title": "AUROC of odd rows", "higher_is_better": True},
    },
    "baselines": [
        {
            "name": "principal components",
            "detail": "8 of them, as many as the code has numbers",
            "scores": {"explained": {"value": 0.8, "low": 0.78, "high": 0.82}},
            "network_ahead": {"value": 0.1, "low": 0.09, "high": 0.11},
        }
    ],
    "code": {"numbers": 8, "values": 64, "active": 5},
    "oddness": {**ODDNESS, "chosen": {"by": "f1", "odd": 20, "f1": 0.8, "precision": 0.8, "recall": 0.8, "rows": 120}},
    "by_class": [{"name": "9", "rows": 20, "explained": 0.4, "above": 0.75, "score": 20.0, "odd": True}],
}


def test_the_page_says_what_was_told_and_beside_what() -> None:
    drawn = [{"name": "walk", "says": "A walk <b>", "picture": PNG}, {"name": "x", "says": "", "picture": "javascript:1"}]
    odd = {"id": "r:1", "odd": True, "score": 33.0, "columns": [{"name": "<i>", "value": "7", "told": "41"}]}
    text = page.render({"results": RESULTS, "examples": {"told_again": drawn, "odd_rows": [odd]}, "history": []}).replace(
        "\u202f", " "
    )
    assert (
        "It tells 90.0 % of the variance of rows it had never seen, clearly better than principal components (80.0 %)." in text
    )
    assert "15 lie above it, and 5.0 % of 100 usual ones" in text
    assert "8 numbers a row stand for 64 values. 5 of them" in text
    assert "A walk through the codes" in text
    assert text.count(PNG) == 1
    assert "javascript" not in text
    assert "&lt;i&gt;" in text
    assert "not learned from" in text
    whole = page.render({"results": {**RESULTS, "code": {**RESULTS["code"], "active": 8}}, "history": []})
    assert "say anything" not in whole


def test_without_odd_rows_only_the_threshold_is_told() -> None:
    told = {"threshold": 3.0, "rows": 50, "above": 2, "chosen": {"by": "quantile", "false_alarms": 0.05, "rows": 60}}
    said = odd_sentence({"oddness": told}).replace("\u202f", " ")
    assert said == "A score above 3 is called odd, as 5.0 % of 60 usual validation rows are. Of 50 test rows 2 lie above it."
    assert odd_sentence({}) == ""


def test_how_likely_rows_are_is_told_with_its_doubts() -> None:
    def said(**changes: Any) -> str:
        view = told_again_view({**RESULTS, "likelihood": {"nats": -95.3, "rows": 300, "by": "the sum"} | changes}, {})
        assert view is not None
        return next((text for text in view["sentences"] if "nats" in text), "").replace("\u202f", " ").replace("\u2212", "-")

    assert said() == "It makes 300 test rows as likely as -95.3 nats a row on average (the sum)."
    assert "with log Z known to ± 0.12 (the sum)." in said(log_partition_error=0.12)
    assert said(doubt="log Z rests on 3 of 100 chains").endswith("(the sum); log Z rests on 3 of 100 chains.")
    assert said(nats=float("nan")) == ""


def test_other_tasks_have_no_such_section() -> None:
    assert told_again_view({"task": "classes"}, {"told_again": [{"picture": PNG}]}) is None
