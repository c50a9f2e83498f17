"""Shards that can be stopped and started, and tables that count right."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import report
import run
from families import BY_NAME
from faults import faulty
from report import measures
from tally import OURS, cases_of, slim


def called(monkeypatch: pytest.MonkeyPatch, module: Any, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, words)])
    module.main()


def test_a_shard_goes_on_where_it_was_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--folder", tmp_path, "--families", "logistic", "--faults", "none,rate too high", "--seeds", 1, "--plain")
    called(monkeypatch, run, *words)
    first = {record["key"]: record["clean"] for record in run.read(tmp_path)}
    assert len(first) >= 5
    path = next(tmp_path.glob("shard-*"))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - 40])  # the power went in the middle of the last line
    assert len(list(run.read(tmp_path))) == len(first) - 1
    capsys.readouterr()
    called(monkeypatch, run, *words)
    assert "1 left" in capsys.readouterr().out
    assert {record["key"]: record["clean"] for record in run.read(tmp_path)} == first
    called(monkeypatch, run, *words)
    assert "0 left" in capsys.readouterr().out


def test_shards_part_the_subjects() -> None:
    keys = [subject.key for subject in run.subjects(seeds=2, each=1)]
    assert len(keys) == len(set(keys))
    healthy = [subject for subject in run.subjects(seeds=5) if not subject.fault]
    assert len(healthy) >= 300
    assert 2000 < sum(1 for _ in run.subjects(seeds=5)) < 6000
    assert 6 <= sum(1 for _ in run.tiny()) <= 12


def test_a_subject_is_diagnosed_and_its_readings_judged_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("--folder", tmp_path, "--families", "moons", "--faults", "sign", "--seeds", 1, "--each", 9, "--confirm", 0)
    called(monkeypatch, run, *words)
    (record,) = run.read(tmp_path)
    assert record["same_weights"]
    assert record["left_alone"]
    as_run, again = slim(record, rejudge=False), slim(record, rejudge=True)
    assert as_run["said"][OURS] == again["said"][OURS]
    assert as_run["said"][OURS]


def a_record(fault: str, seed: int, clean: float, said: list[str], **more: Any) -> dict[str, Any]:
    strengths = (0,) * len(fault.split(" + ")) if fault else ()
    return {
        "key": f"{fault} {seed}",
        "family": "moons",
        "configuration": "adam",
        "fault": fault,
        "strengths": strengths,
        "seed": seed,
        "half": "tune",
        "chance": 0.5,
        "clean": clean,
        "promised": clean,
        "crashed": "",
        "seconds": 1.0,
        "said": {OURS: said},
        **more,
    }


def some_records() -> list[dict[str, Any]]:
    healthy = [a_record("", seed, 0.95 + 0.001 * seed, ["overfitting"] if seed == 0 else []) for seed in range(5)]
    said = (["rate_too_high"], ["oscillation", "rate_too_high"], [], ["label_noise"], ["a", "b", "c", "rate_too_high"])
    harmful = [a_record("rate too high", seed, 0.6 + 0.01 * seed, list(kinds)) for seed, kinds in enumerate(said)]
    harmless = [a_record("rate too low", seed, 0.95 + 0.001 * seed, ["rate_too_low"] if seed < 2 else []) for seed in range(5)]
    return healthy + harmful + harmless


def test_alarms_detections_and_right_kinds_are_counted() -> None:
    found = measures(cases_of(some_records()), OURS)
    assert {name: rate.value for name, rate in found.items() if rate.n} == {
        "healthy with any alarm": 0.2,
        "healthy with an untrue alarm": 0.2,
        "harmless faults with any alarm": 0.4,
        "harmful faults detected": 0.8,
        "right kind first": 0.2,
        "right kind among three": 0.4,
        "right or following kind first": 0.4,
        "right or following kind among three": 0.4,
    }


def test_a_leak_hurts_by_what_it_promises() -> None:
    healthy = [a_record("", seed, 0.95, []) for seed in range(5)]
    leaks = [a_record("training rows held out", seed, 0.95, ["split_mismatch"]) | {"promised": 0.999} for seed in range(5)]
    assert all(case.hurts for case in cases_of(healthy + leaks) if not case.healthy)
    honest = [record | {"promised": 0.95} for record in leaks]
    assert not any(case.hurts for case in cases_of(healthy + honest))


def test_of_pairs_both_faults_may_be_named() -> None:
    name = "softmax before cross entropy + rate too low"
    records = [a_record("", seed, 0.95, []) for seed in range(5)]
    records += [a_record(name, seed, 0.5, ["rate_too_low", "head_or_loss_wrong"]) for seed in range(5)]
    found = measures(cases_of(records), OURS)
    assert found["right kind first"].value == found["pairs with both named among three"].value == 1.0


def test_a_program_that_python_stopped_is_not_counted() -> None:
    records = [record | {"crashed": "IndexError"} if record["fault"] else record for record in some_records()]
    assert measures(cases_of(records), OURS)["harmful faults detected"].n == 0


def test_a_tiny_run_ends_with_what_is_wrong() -> None:
    def diagnosed(fault: str, *kinds: str, **more: Any) -> dict[str, Any]:
        return a_record(fault, 0, 0.9, []) | {"verdict": {"findings": [{"kind": kind} for kind in kinds]}, **more}

    well = [diagnosed(""), diagnosed("sign", "head_or_loss_wrong"), diagnosed("rate too low")]
    assert run.wrong_with(well) == []
    assert run.wrong_with([diagnosed("", "overfitting")]) == [" 0: sound, but overfitting"]
    assert run.wrong_with([diagnosed("", left_alone=False)]) == [" 0: the diagnosis changed weights"]
    assert run.wrong_with([diagnosed("", failed="findings: ValueError")]) == [" 0: findings: ValueError"]
    assert run.wrong_with([*well, diagnosed("labels misaligned")]) == [
        "not found: rate too low 0",
        "not found: labels misaligned 0",
    ]


def test_the_tables_are_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(report, "read", lambda folder: some_records())
    monkeypatch.setattr(report, "slim", lambda record, rejudge: record)
    called(monkeypatch, report, "--folder", tmp_path, "--details")
    said = capsys.readouterr().out
    for words in ("healthy with any alarm", "20.0%", "rate too high", "moons, adam, seed 0: overfitting", "harmless 1"):
        assert words in said, words


def test_the_harness_can_be_told_from_the_program() -> None:
    """The clean test rows are nowhere among what a program sees."""
    for name in ("digits", "table"):
        arrays = BY_NAME["digits mlp" if name == "digits" else name].recipe("adam", 0).arrays
        seen = {row.numpy().tobytes() for part in (arrays.train, arrays.valid) for row in part[0]}
        assert not any(row.numpy().tobytes() in seen for row in arrays.test[0])
    recipe = BY_NAME["moons"].recipe("adam", 0)
    leaked = faulty(recipe, "training rows held out", (2,), 0)
    assert leaked.arrays.test[0] is recipe.arrays.test[0]
