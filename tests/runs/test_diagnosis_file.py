"""`diagnosis.json`: written and read without loss, and the commands beside its findings."""

from __future__ import annotations

import json
import math
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leadline.diagnose.findings import Finding, Measure, Remedy, Verdict
from leadline.diagnose.readings import Branch, Readings, Sample
from leadline.errors import RunError
from leadline.plan import Plan, parse_changes
from leadline.runs.diagnosis_file import command_for, keep_diagnosis, kept_diagnosis, readings_in, verdict_in, writable


def some_readings() -> Readings:
    readings = Readings()
    readings.steps.names = ["head.weight"]
    readings.steps.samples = [Sample(1, 0.1, math.inf, [math.nan], [1.0], [None], dead={"relu": 0.25})]
    readings.steps.losses = [(1, 2.0), (2, math.nan)]
    readings.branches = [Branch("rate", 0.1, 50, [1.0], [2.0], gain=0.5)]
    readings.splits.pairs = [(1, 2)]
    return readings


def some_verdict() -> Verdict:
    finding = Finding(
        "rate_too_high", "severe", 0.9, (Measure("ratio", 0.3, high=0.01),), "Too long.", Remedy("Less.", {"a": 1})
    )
    return Verdict((finding,), (), "So so.", ("rates",), ("nothing",), 1.5)


def same(one: Any, other: Any) -> bool:
    """Equal, and no number equals no number."""
    return json.dumps(writable(one)) == json.dumps(writable(other))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    readings, verdict = some_readings(), some_verdict()
    keep_diagnosis(tmp_path, verdict, readings)
    record = kept_diagnosis(tmp_path)
    assert record is not None
    assert verdict_in(record) == verdict
    back = readings_in(record)
    assert same(back.to_json(), readings.to_json())
    assert math.isnan(back.steps.samples[0].gradient[0])
    assert back.steps.samples[0].loss == math.inf
    assert back.steps.losses[1][0] == 2
    assert back.steps.samples[0].update == [None]
    assert isinstance(back.branches[0], Branch)


def test_the_file_is_strict_json(tmp_path: Path) -> None:
    keep_diagnosis(tmp_path, some_verdict(), some_readings())

    def refuse(name: str) -> None:
        raise AssertionError(name)

    json.loads((tmp_path / "diagnosis.json").read_text(), parse_constant=refuse)


def test_numbers_of_numpy_are_numbers() -> None:
    assert writable({"a": np.float32(0.5), "b": (np.int64(3), np.float64(math.nan)), 1: None}) == {
        "a": 0.5,
        "b": [3, "float:nan"],
        "1": None,
    }


def test_the_story_stays_when_the_diagnosis_is_made_again(tmp_path: Path) -> None:
    story = [{"kind": "tried", "text": "Less.", "helped": True}]
    keep_diagnosis(tmp_path, some_verdict(), Readings(), story=story)
    keep_diagnosis(tmp_path, Verdict(), Readings())
    record = kept_diagnosis(tmp_path)
    assert record is not None
    assert (record["story"], record["verdict"]["findings"]) == (story, [])
    keep_diagnosis(tmp_path, Verdict(), Readings(), story=[{"kind": "seen", "text": "More.", "helped": None}])
    record = kept_diagnosis(tmp_path)
    assert record is not None
    assert [each["text"] for each in record["story"]] == ["More."]


def test_no_file_is_none_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    assert kept_diagnosis(tmp_path) is None
    for text in ("{", "[]", '{"verdict": {}}'):
        (tmp_path / "diagnosis.json").write_text(text)
        with pytest.raises(RunError, match="damaged"):
            kept_diagnosis(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"training.learning_rate": 1e-4},
        {"training.clip": "norm(limit=1.0)", "training.epochs": 40},
        {"model.batch_norm": True},
        {"model.hidden": [64, 32]},
        {"model.activation": "leaky_relu"},
    ],
)
def test_the_command_says_the_very_changes(changes: dict[str, Any]) -> None:
    plan = Plan().but({"data.source": "a b.csv\nc.csv"})
    words = shlex.split(command_for(changes, plan, Path("runs/my run")))
    assert words[:6] == ["leadline", "train", "a b.csv", "c.csv", "--plan", "runs/my run/plan.json"]
    assert words[6::2] == ["--set"] * len(changes)
    assert parse_changes(words[7::2]) == changes


def test_no_changes_are_no_command() -> None:
    assert command_for({}, Plan().but({"data.source": "digits"}), Path("runs/a")) == ""
