"""A Run that mends itself: better where it can be, as it was where not, and nothing lost."""

import json
from pathlib import Path

import pytest

import leadline
from leadline.diagnose.findings import Finding, Verdict
from leadline.diagnose.readings import Branch, Readings
from leadline.errors import LeadlineError, TrainingError
from leadline.runs import mending_runs
from leadline.runs.diagnosis_file import keep_diagnosis
from leadline.runs.mending_runs import BEFORE, mend_run, train_mended

QUICK = {"model": "mlp", "model.width": 32, "model.depth": 1, "training.threads": 1, "training.epochs": 4}
FILES = ("model.safetensors", "plan.json", "results.json", "history.jsonl", "golden.safetensors", "schema.json")


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def diagnosed(monkeypatch: pytest.MonkeyPatch, *verdicts: tuple[Verdict, Readings]) -> None:
    """In the place of the diagnosis, these verdicts one after another, and then a healthy one."""
    waiting = list(verdicts)

    def say(path: Path, *rest: object, **more: object) -> None:
        keep_diagnosis(path, *(waiting.pop(0) if waiting else (Verdict(), Readings())))

    monkeypatch.setattr(mending_runs, "diagnose_run", say)


def with_branch(change: str, argument: float | str | None, kind: str = "rate_too_high") -> tuple[Verdict, Readings]:
    readings = Readings()
    readings.branches = [Branch(change, argument, 50, [1.0], [2.0], gain=0.4, gain_se=0.05)]
    return Verdict((Finding(kind, "severe", 0.9, (), "Too much of it.", confirmed=True),)), readings


def story(folder: Path) -> list[dict[str, object]]:
    told: list[dict[str, object]] = json.loads((folder / "diagnosis.json").read_text())["story"]
    return told


def test_a_better_network_takes_the_place_and_the_old_one_stays_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = leadline.train("digits", changes={**QUICK, "model.dropout": 0.97}, folder=tmp_path / "run")
    old, created = bytes_of(run.folder), json.loads((run.folder / "run.json").read_text())["created"]
    diagnosed(monkeypatch, with_branch("no_dropout", None, "over_regularized"))
    mended = mend_run(run.folder)
    assert mended.plan.model.arguments["dropout"] == 0.0
    assert mended.plan.why["model.dropout"] == "mending: against too much regularization"
    assert mended.score > 0.8
    assert leadline.open(run.folder).score == mended.score
    assert bytes_of(run.folder / BEFORE) == old
    assert leadline.open(run.folder / BEFORE).score < mended.score
    assert json.loads((run.folder / "run.json").read_text())["created"] == created
    assert [(each["kind"], each["helped"]) for each in story(run.folder)] == [
        ("seen", None), ("tried", True), ("trained", True), ("seen", None),
    ]  # fmt: skip
    assert not (run.folder / "mending").exists()
    assert "mending/1" not in (run.folder / "results.json").read_text() + (run.folder / "report.html").read_text()


def test_a_network_that_is_not_surely_better_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = leadline.train("digits", changes=QUICK, folder=tmp_path / "run")
    old = bytes_of(run.folder)
    diagnosed(monkeypatch, with_branch("rate", 1e-4))  # which makes it worse
    assert mend_run(run.folder).score == run.score
    assert bytes_of(run.folder) == old
    assert not (run.folder / BEFORE).exists()
    assert story(run.folder)[-1]["helped"] is False
    leadline.open(run.folder)


def test_a_healthy_run_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = leadline.train("digits", changes=QUICK, folder=tmp_path / "run")
    old = bytes_of(run.folder)
    diagnosed(monkeypatch)
    mend_run(run.folder)
    assert bytes_of(run.folder) == old
    assert len(story(run.folder)) == 1


def test_a_training_that_fails_again_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = leadline.train("digits", changes=QUICK, folder=tmp_path / "run")
    diagnosed(monkeypatch, with_branch("rate", 1e30))
    mend_run(run.folder)
    assert story(run.folder)[-1]["helped"] is False
    assert leadline.open(run.folder).score == run.score


def test_a_training_that_failed_is_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    diagnosed(monkeypatch, with_branch("rate", 1e-33))
    wild = {**QUICK, "model.batch_norm": False, "training.optimizer": "sgd", "training.learning_rate": 1e30}
    run = train_mended(
        "digits", changes={**wild, "training.schedule": "constant", "training.epochs": 8}, folder=tmp_path / "run"
    )
    assert run.plan.training.learning_rate == pytest.approx(1e-3)
    assert run.score > 0.15
    assert leadline.open(tmp_path / "run").score == run.score


def test_a_training_that_cannot_be_mended_fails_as_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    diagnosed(monkeypatch, (Verdict((Finding("label_noise", "severe", 0.9, (), "Wrong."),)), Readings()))
    wild = {**QUICK, "model.batch_norm": False, "training.optimizer": "sgd", "training.learning_rate": 1e30}
    with pytest.raises(TrainingError):
        train_mended("digits", changes=wild, folder=tmp_path / "run")
    with pytest.raises(LeadlineError):
        leadline.open(tmp_path / "run")
