"""The section about transfer: what was measured, what was taken, and the penalties of a head."""

from __future__ import annotations

from typing import Any

import pytest
from page_records import STRANGE, Page, a_record

from leadline import report
from leadline.report.transfer_section import solved, transfer_view


def skill(name: str, value: float, layer: str = "before fc") -> dict[str, Any]:
    return {"name": name, "layer": layer, "value": value, "low": value - 0.05, "high": value + 0.05, "detail": "64 features",
            "seconds": 0.4}  # fmt: skip


def a_transfer(**changes: Any) -> dict[str, Any]:
    grid = [
        {"l2": 0.1, "valid_loss": 0.5, "valid_score": 0.8, "rows": 10_000, "evaluations": 9},
        {"l2": 0.01, "valid_loss": 0.4, "valid_score": 0.85, "rows": 10_000, "evaluations": 9},
        {"l2": 0.01, "valid_loss": 0.39, "valid_score": 0.86, "rows": 40_000, "evaluations": 9},
        {"l2": 0.001, "valid_loss": 0.41, "valid_score": 0.84, "rows": 40_000, "evaluations": 9},
    ]
    record = {
        "decision": "head",
        "words": "little data, similar to what the network was trained on",
        "weights": "the Run runs/a",
        "reason": "new head on late features reached 0.860",
        "rows": 516,
        "rows_per_class": 98.0,
        "metric": "accuracy",
        "layer": "before fc",
        "skills": [skill("new head on late features", 0.86), skill("training from scratch", 0.4, "")],
        "cost": 0.18,
        "seconds": 12.0,
        "grid_table": grid,
        "l2": 0.01,
    }
    return {**record, **changes}


def page_of(transfer: dict[str, Any], **results: Any) -> Page:
    record = a_record()
    return Page(report.render({**record, "results": {**record["results"], **results, "transfer": transfer}}))


def test_the_situation_the_numbers_and_the_reason_are_on_the_page() -> None:
    text = " ".join(page_of(a_transfer()).text.split())
    assert "Little data, similar to what the network was trained on. So the network stays frozen" in text
    assert "It began with the Run runs/a. 516 rows to learn from, about 98 a class." in text
    assert "New head on late features reached 0.860. Finding this out took 12" in text
    assert "the work of 18 % of a training" in text
    assert "81 to 91" in text.replace("81.0 to 91.0", "81 to 91"), "the interval of the first way"


@pytest.mark.parametrize(
    ("decision", "says"), [("early head", "first layers stay frozen"), ("fine-tune", "trains on"), ("scratch", "fresh weights")]
)
def test_each_way_is_told_in_words(decision: str, says: str) -> None:
    view = transfer_view({"transfer": a_transfer(decision=decision)})
    assert view is not None
    assert says in view["sentence"]
    assert ("cut at before fc" in view["sentence"]) == (decision != "scratch")


def test_what_a_person_chose_has_no_other_reason() -> None:
    view = transfer_view({"transfer": a_transfer(forced=True)})
    assert view is not None
    assert "As you chose" in view["sentence"]
    assert "0.860" not in view["reason"]


def test_of_two_rows_with_the_penalty_that_was_kept_the_last_counts() -> None:
    view = transfer_view({"transfer": a_transfer()})
    assert view is not None
    assert [row["kept"] for row in view["penalties"]] == [False, False, True, False]
    assert view["penalties"][2]["rows"] == "40,000"


def test_a_solved_head_has_no_curves() -> None:
    trained, with_head = page_of(a_transfer()), page_of(a_transfer(), epochs=None)
    assert "The training" in trained.text
    assert "The training" not in with_head.text
    assert solved({"transfer": a_transfer(), "epochs": None})
    assert not solved({"transfer": a_transfer(), "epochs": 3})


def test_features_of_somebody_else() -> None:
    page = page_of({"decision": "head", "features": True, "l2": 0.1, "grid_table": a_transfer()["grid_table"]}, epochs=None)
    assert "features that are computed already" in page.text
    assert "The head, by its penalty" in page.text
    assert "tried on the validation rows" not in page.text


def test_other_trainings_have_no_such_section() -> None:
    assert transfer_view({}) is None
    assert transfer_view({"transfer": {"decision": "whole"}}) is None
    assert "What it started from" not in report.render(a_record())


@pytest.mark.parametrize("text", STRANGE)
def test_strange_names_are_shown_as_they_are(text: str) -> None:
    page = page_of(a_transfer(weights=text, skills=[skill(text, 0.5, text)]))
    assert page.all("script") == []
    assert "".join(text.split()) in "".join(page.text.split())
