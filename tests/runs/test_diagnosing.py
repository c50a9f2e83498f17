"""Every training of a Run ends with a verdict, which changes no weight; older Runs are looked at afterwards."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_trainings import tables

import leadline
from leadline.baselines import fit_baselines
from leadline.data import load
from leadline.diagnose.checks import first_look, label_looks, simple_methods, split_likeness
from leadline.diagnose.findings import Verdict
from leadline.diagnose.readings import Readings
from leadline.errors import RunError, TrainingError
from leadline.plan import build, propose
from leadline.runs import Observer, Run, run_diagnosis
from leadline.runs.diagnosed_rows import named_rows, rows_spoken_of
from leadline.runs.diagnoses import Diagnosis, rows_of_both, subject_of, supervised_of, with_collapse
from leadline.runs.diagnosing import Watching
from leadline.runs.diagnosis_file import kept_diagnosis, readings_in
from leadline.runs.known_baselines import beside_of
from leadline.runs.run_diagnosis import diagnose_run

PLAIN = {"model": "mlp", "training.epochs": 4, "training.threads": 1}


class Heard(Observer):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, str]] = []

    def note(self, label: str, text: str) -> None:
        self.notes.append((label, text))


def kept(run: Run) -> dict[str, Any]:
    record = kept_diagnosis(run.folder)
    assert record is not None
    return record


def test_a_training_keeps_its_verdict_and_what_was_measured(run: Run) -> None:
    readings = readings_in(kept(run))
    assert isinstance(run.diagnosis, Verdict)
    assert run.diagnosis.checked
    assert not kept(run)["afterwards"]
    assert len(readings.steps.samples) >= 3
    assert readings.steps.valid[-1][0] == run.history["step"][-1]
    assert readings.program.classes == 10
    assert "everything" not in " ".join(run.diagnosis.unchecked)


def test_the_report_shows_it(run: Run, drawn: None) -> None:
    page = run.report().read_text()
    assert 'id="diagnosis"' in page
    assert "Gradient of each layer" in page


def test_the_verdict_is_the_last_line_that_is_told(tmp_path: Path) -> None:
    heard = Heard()
    leadline.train("digits", folder=tmp_path / "a", changes=PLAIN, observer=heard)
    label, text = heard.notes[-1]
    assert label == "diagnosis"
    assert f"leadline diagnose {tmp_path / 'a'}" in text


@pytest.mark.parametrize(("model", "step"), [("linear", "plain"), ("mlp", "recorded"), ("convnet", "recorded")])
def test_weights_and_random_numbers_are_those_of_an_unwatched_training(
    model: str, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What would be decided by measuring is decided, as it may come out otherwise the second time.
    decided = {"training.step": step, "training.layout": "contiguous"}
    changes = {**PLAIN, "model": model, "training.epochs": 3, **decided}
    torch.manual_seed(5)
    watched = leadline.train("digits", folder=tmp_path / "watched", changes=changes)
    drawn = torch.rand(3)
    monkeypatch.setattr("leadline.runs.restarts.watched", lambda *_: None)
    torch.manual_seed(5)
    alone = leadline.train("digits", folder=tmp_path / "alone", changes=changes)
    assert torch.equal(torch.rand(3), drawn)
    one, other = (load_file(each.folder / "model.safetensors") for each in (watched, alone))
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name
    assert [record["loss"] for record in watched.history] == [record["loss"] for record in alone.history]


@pytest.mark.parametrize("task", ["classes", "labels", "number"])
def test_tables_of_each_task(task: str, tmp_path: Path) -> None:
    inputs, targets = tables(task)
    run = leadline.train(inputs, targets=targets, folder=tmp_path / "a", changes=PLAIN)
    readings = readings_in(kept(run))
    assert readings.program.task == task if task != "labels" else readings.program.task in ("labels", "other")
    assert run.diagnosis.checked


def test_a_diagnosis_that_fails_does_not_take_the_training_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object, history: object, **more: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(Watching, "conclude", fail)
    run = leadline.train("digits", folder=tmp_path / "a", changes=PLAIN)
    assert run.score > 0.3
    assert not run.diagnosis.checked
    assert run.diagnosis.unchecked == ("everything: the diagnosis failed with ZeroDivisionError: oh",)


def doubled() -> leadline.data.Dataset:
    """Digits whose validation rows are training rows."""
    digits = load("digits")
    return dataclasses.replace(digits, valid=digits.train.take(np.arange(200)))


def test_what_is_severe_is_told_before_the_first_step(tmp_path: Path) -> None:
    class Ordered(Heard):
        def begin(self, total_steps: int, steps_per_epoch: int) -> None:
            self.notes.append(("begin", ""))

    heard = Ordered()
    changes = {**PLAIN, "model": "linear", "training.epochs": 6}
    leadline.train(doubled(), folder=tmp_path / "a", changes=changes, observer=heard)
    labels = [label for label, _ in heard.notes]
    assert labels.index("before") < labels.index("begin") < labels.index("result")
    told = dict(heard.notes)["before"]
    assert told.startswith("Leakage or unlike splits: Held-out rows are in the training rows too")
    assert len(told) <= 140


def test_a_sound_training_is_told_nothing_before_it_and_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    for module, name in ((split_likeness, "read_splits"), (first_look, "read_first"), (label_looks, "read_labels")):
        own = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a, own=own, name=name, **k: looked.append(name) or own(*a, **k))

    def fitted_again(*_: object) -> None:
        raise AssertionError("the baselines of the Run are known")

    monkeypatch.setattr(simple_methods, "read_beside", fitted_again)
    heard = Heard()
    changes = {**PLAIN, "model": "linear", "training.epochs": 6}
    run = leadline.train("digits", folder=tmp_path / "a", changes=changes, observer=heard)
    assert "before" not in dict(heard.notes)
    assert sorted(looked) == ["read_first", "read_labels", "read_splits"]
    readings = readings_in(kept(run))
    assert set(readings.beside.valid_error) == {"constant", "linear", "neighbours"}
    assert readings.beside.valid_error["constant"] == pytest.approx(0.9, abs=0.03)
    assert readings.splits.copies is not None
    assert readings.drill.error is None  # of a short training it would take a good part
    assert not [each for each in run.diagnosis.unchecked if "simple methods" in each or "time" in each]


@pytest.mark.parametrize("task", ["labels", "number"])
def test_baselines_tell_of_each_task_what_simple_methods_would(task: str) -> None:
    inputs, targets = tables(task, rows=400)
    dataset = load(inputs, targets)
    beside = beside_of(dataset, fit_baselines(dataset, seconds=5))
    assert beside is not None
    assert beside.task == task
    assert beside.valid_error["linear"] < 0.12 < 0.3 < beside.valid_error["constant"]
    assert beside.valid_rows == len(dataset.valid)


def test_a_check_that_fails_does_not_keep_a_training_from_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **more: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("leadline.runs.diagnosing.check_subject", fail)
    run = leadline.train("digits", folder=tmp_path / "a", changes={**PLAIN, "model": "linear", "training.epochs": 1})
    assert run.diagnosis.checked
    assert "what is seen before the first step: ZeroDivisionError: oh" in run.diagnosis.unchecked


def test_the_range_test_of_a_run_begins_where_its_training_began(tmp_path: Path) -> None:
    run = leadline.train("digits", folder=tmp_path / "a", changes={**PLAIN, "model": "linear", "training.epochs": 2})
    diagnose_run(run.folder, rates=True)
    rates = readings_in(kept(run)).rates
    assert rates.curve
    assert rates.first_loss > 2 > run.history["loss"][-1]  # the trained network would have begun lower
    assert rates.own == run.plan.training.learning_rate
    assert "The loss at each learning rate" in (run.folder / "report.html").read_text()


def test_a_run_from_before_is_diagnosed_from_its_folder(tmp_path: Path) -> None:
    run = leadline.train("digits", folder=tmp_path / "a", changes=PLAIN)
    before = kept(run)
    (run.folder / "diagnosis.json").unlink()
    old = leadline.open(run.folder)
    with pytest.raises(RunError, match="leadline diagnose"):
        _ = old.diagnosis
    assert old.record()["diagnosis"] == {}
    weights = load_file(run.folder / "model.safetensors")
    verdict = diagnose_run(run.folder)
    assert old.diagnosis == verdict
    after = kept(run)
    assert after["afterwards"]
    assert "nothing listened" in " ".join(verdict.unchecked)
    assert after["readings"]["steps"]["samples"] == []
    # The same data and the same network: what does not need the training is as it was.
    for part in ("columns", "answers", "splits"):
        assert after["readings"][part] == before["readings"][part], part
    assert after["readings"]["last"]["valid"] == before["readings"]["last"]["valid"]
    # It began with the same weights, though dropout draws anew.
    spreads = [[each["weight_std"] for each in record["readings"]["program"]["layers"]] for record in (before, after)]
    assert spreads[0] == spreads[1] != []
    assert after["readings"]["first"]["loss"] == pytest.approx(before["readings"]["first"]["loss"], rel=0.03)
    for name, tensor in load_file(run.folder / "model.safetensors").items():
        assert torch.equal(tensor, weights[name])


def test_the_kept_one_is_shown_without_reading_the_data(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_diagnosis, "load_for", None)
    assert diagnose_run(run.folder) == run.diagnosis


def test_trials_on_copies_are_made_afterwards(tmp_path: Path) -> None:
    changes = {**PLAIN, "training.learning_rate": 3e-6, "training.optimizer": "adamw"}
    run = leadline.train("digits", folder=tmp_path / "a", changes=changes)
    readings = readings_in(kept(run))
    verdict = diagnose_run(run.folder, confirm=8)
    again = readings_in(kept(run))
    assert again.branches
    assert len(again.steps.samples) == len(readings.steps.samples) > 0, "what was heard in the training stays"
    assert max(branch.gain for branch in again.branches if branch.change == "rate") > 0
    assert verdict[0].kind == "rate_too_low"
    assert verdict[0].remedy.changes["training.learning_rate"] > 1e-5


def test_a_training_that_fails_says_why(tmp_path: Path) -> None:
    heard = Heard()
    inputs, targets = tables("number")
    changes = {**PLAIN, "training.learning_rate": 1e18, "training.optimizer": "sgd"}
    with pytest.raises(TrainingError):
        leadline.train(inputs, targets=targets, folder=tmp_path / "a", changes=changes, observer=heard)
    assert heard.notes[-1][0] == "diagnosis"
    verdict = diagnose_run(tmp_path / "a")
    assert verdict
    assert {"non_finite", "rate_too_high"} & {finding.kind for finding in verdict}


def test_several_networks_are_looked_at_afterwards(tmp_path: Path) -> None:
    changes = {**PLAIN, "start.restarts": 2, "training.epochs": 2}
    run = leadline.train("digits", folder=tmp_path / "a", changes=changes)
    assert kept(run)["afterwards"]
    assert run.diagnosis.checked


def test_a_text_has_no_rows_and_its_verdict_says_so(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("the cat sat on the mat and the dog sat on the log. " * 60)
    run = leadline.train(text, folder=tmp_path / "a", changes={"training.epochs": 1, "training.threads": 1})
    assert run.diagnosis.healthy
    assert not run.diagnosis.judged
    assert "does not tell whether anything is wrong" in (run.folder / "report.html").read_text()
    assert run.diagnosis.checked == ("the course of the loss",)
    assert "one stream of tokens" in run.diagnosis.unchecked[0]
    assert diagnose_run(run.folder, anew=True).checked == ("the course of the loss",)


def test_rows_are_named_as_the_data_name_them() -> None:
    digits = load("digits")
    train, valid = named_rows([digits.train, digits.valid], digits.schema, torch.device("cpu"))
    readings = Readings()
    readings.last.suspicious = [{"row": 7, "label": 1, "likelier": 3, "confidence": 0.9}]
    readings.splits.pairs = [(2, 5)]
    found = rows_spoken_of(readings, train, valid, digits.schema)
    (label,), (pair,) = found["labels"], found["copies"]
    assert label["id"] == digits.train.ids[7]
    assert label["label"] == digits.schema.answers.names[int(digits.train.targets[7])]
    assert (label["likelier"], label["confidence"]) == (digits.schema.answers.names[3], 0.9)
    assert label["picture"].startswith("data:image/png")
    assert (pair["held_out"]["id"], pair["training"]["id"]) == (digits.valid.ids[2], digits.train.ids[5])


def test_of_many_rows_some_are_drawn_the_same_each_time() -> None:
    inputs = np.arange(20_000, dtype=np.float32).reshape(5000, 4)
    dataset = load(inputs, np.arange(5000) % 2)
    (one,), (other,) = (named_rows([dataset.train], dataset.schema, torch.device("cpu")) for _ in range(2))
    assert len(one.rows) == 2048
    assert one.split.ids == other.split.ids
    assert len(set(one.split.ids)) == 2048


def test_of_all_rows_in_a_batch_the_batch_is_all_of_them_not_those_that_were_kept() -> None:
    dataset = load(np.arange(20_000, dtype=np.float32).reshape(5000, 4), np.arange(5000) % 2)
    plan = propose(dataset).but({"model": "linear", "training.batch": 10_000})
    built = build(plan, dataset)
    subject = subject_of(plan, dataset, supervised_of(built.step), *rows_of_both(plan, dataset, built.device))
    assert len(subject.train) == 2048
    assert subject.batch == subject.rows == len(dataset.train)


def test_rows_of_different_lengths_are_filled_up_alike() -> None:
    texts = [("good " if at % 2 else "bad ") + "word " * (at % 9) for at in range(90)]
    dataset = load(texts, [at % 2 for at in range(90)])
    parts = [dataset.train, dataset.valid.take(np.argsort(dataset.valid.inputs.lengths)[:4])]
    named = named_rows(parts, dataset.schema, torch.device("cpu"))
    assert named[0].rows.inputs.shape[1:] == named[1].rows.inputs.shape[1:]
    for part, rows in zip(parts, named, strict=True):
        (alone,) = named_rows([part], dataset.schema, torch.device("cpu"))
        width = alone.rows.inputs.shape[1]
        assert torch.equal(rows.rows.inputs[:, :width], alone.rows.inputs)
        assert torch.equal(rows.rows.targets, alone.rows.targets)
        assert list(rows.split.ids) == list(part.ids)


def test_the_record_of_a_run_has_commands(run: Run) -> None:
    record = kept(run)
    remedy = {"says": "Slower.", "changes": {"training.learning_rate": 1e-4}, "code": ""}
    finding = {"kind": "rate_too_high", "title": "t", "remedy": remedy}
    record["verdict"]["findings"] = [finding]
    text = (run.folder / "diagnosis.json").read_text()
    try:
        (run.folder / "diagnosis.json").write_text(json.dumps(record))
        command = run.record()["diagnosis"]["verdict"]["findings"][0]["command"]
    finally:
        (run.folder / "diagnosis.json").write_text(text)
    assert command == f"leadline train digits --plan {run.folder / 'plan.json'} --set training.learning_rate=0.0001"


def test_a_generator_that_collapsed_is_the_first_finding() -> None:
    told = (
        "The generator has collapsed: two of its drawings differ 0.02 times as much as two real pictures do (about 1 is sound)."
    )
    sound = Diagnosis(Verdict(outcome="…"), Readings())
    assert with_collapse(sound, "") is sound
    verdict = with_collapse(sound, told).verdict
    assert [finding.kind for finding in verdict] == ["adversarial_collapse"]
    assert verdict[0].cause == told
    assert verdict[0].remedy.says
