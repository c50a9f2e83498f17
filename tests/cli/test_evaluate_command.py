"""`leadline evaluate`."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

TypeIn = Callable[..., tuple[int, str, str]]
RESULT: dict[str, Any] = {
    "note": "only its test split counts",
    "rows": 1234,
    "classes": ["cat", "dog"],
    "scores": {
        "accuracy": {"value": 0.9, "low": 0.85, "high": 0.95, "title": "Accuracy", "higher_is_better": True},
        "auroc": {"value": None, "low": None, "high": None, "title": "AUROC", "higher_is_better": True},
        "log_loss": {"value": 0.25, "low": None, "high": None, "title": "Log loss", "higher_is_better": False},
    },
    "confusion": [[600, 120], [3, 511]],
}


@pytest.fixture(autouse=True)
def run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "leadline.runs.open", lambda folder: SimpleNamespace(evaluate=lambda source: {**RESULT, "source": source})
    )


def test_scores_with_their_intervals_and_the_commonest_confusions(type_in: TypeIn) -> None:
    status, out, err = type_in("evaluate", "last", "photos")
    assert (status, err) == (0, "")
    assert out.splitlines()[1:] == [
        "rows      1,234",
        "Accuracy   90.0 %  (95 % interval: 85.0 % to 95.0 %)",
        "Log loss     0.25",
        "confused  cat taken for dog: 120 of 720",
        "confused  dog taken for cat: 3 of 514",
        "note      only its test split counts",
    ]


def test_json_is_all_of_it_alone(type_in: TypeIn) -> None:
    status, out, err = type_in("evaluate", "last", "photos", "--json")
    assert (status, err) == (0, "")
    assert json.loads(out) == {**RESULT, "source": "photos"}
