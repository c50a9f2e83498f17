"""The way of transfer that was taken, beside those that were measured before."""

from __future__ import annotations

from typing import Any

from leadline.diagnose.findings import Finding, Verdict
from leadline.diagnose.readings import Judged, Readings
from leadline.runs.diagnoses import Diagnosis
from leadline.runs.transfer_verdicts import with_transfer

RECORD: dict[str, Any] = {
    "metric": "accuracy",
    "decision": "scratch",
    "skills": [
        {"name": "nearest neighbours", "value": 0.99, "low": 0.98},
        {"name": "new head on late features", "value": 0.90, "low": 0.87},
        {"name": "training from scratch", "value": 0.95, "low": 0.93},
    ],
}


def diagnosis(error: float) -> Diagnosis:
    readings = Readings()
    readings.last.valid = Judged(500, 1.0, error, 0.02, 0.01)
    return Diagnosis(Verdict((Finding("underfitting", "moderate", 0.5, (), "It learned little."),)), readings)


def test_a_way_that_had_reached_more_comes_first_with_the_change_that_takes_it() -> None:
    found = with_transfer(diagnosis(0.4), RECORD).verdict.findings
    assert [each.kind for each in found] == ["wrong_transfer", "underfitting"]
    assert found[0].remedy.changes == {"start.transfer": "head"}
    assert "0.900" in found[0].cause
    assert "0.600" in found[0].cause


def test_the_way_that_was_taken_and_what_is_no_way_say_nothing() -> None:
    as_good = diagnosis(0.09)  # behind the short training that stood for the same way, and behind neighbours, which are none
    assert with_transfer(as_good, RECORD) is as_good
    within_chance = diagnosis(0.12)
    assert with_transfer(within_chance, RECORD) is within_chance
    assert with_transfer(within_chance, None) is within_chance
