"""A Run that mends itself: better where it can be, as it was where not, and nothing lost."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import leadline
from leadline.diagnose.findings import Finding, Verdict
from leadline.diagnose.readings import Branch, Readings
from leadline.errors import Interrupted, LeadlineError, TrainingError
from leadline.runs import Observer, folder, mending_runs
from leadline.runs.diagnosis_file import keep_diagnosis
from leadline.runs.mended_folders import BEFORE, take_place
from leadline.runs.mending_runs import mend_run, train_mended

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
    monkeypatch.setattr(mending_runs, "is_suspicious", lambda readings: bool(waiting))


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


class Heard(Observer):
    def __init__(self) -> None:
        self.notes: list[tuple[str, str]] = []

    def note(self, label: str, text: str) -> None:
        self.notes.append((label, text))


def test_it_is_told_in_order_and_of_no_folder_that_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = leadline.train("digits", changes={**QUICK, "model.dropout": 0.97}, folder=tmp_path / "run")
    diagnosed(monkeypatch, with_branch("no_dropout", None, "over_regularized"))
    heard = Heard()
    mend_run(run.folder, observer=heard)
    told = [text for label, text in heard.notes if label == "mending"]
    assert [text[:13] for text in told] == ["training anew", "Trained anew ", "Nothing more "]
    assert not any(str(Path("mending") / "1") in text for _, text in heard.notes)


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A Run, and another that might take its place."""
    place = tmp_path_factory.mktemp("two")
    for epochs in (1, 2):
        leadline.train("iris", changes={**QUICK, "training.epochs": epochs}, folder=place / f"{epochs}")
    return place / "1", place / "2"


@pytest.mark.parametrize("files", [0, 1, 4, 8])
def test_killed_while_files_are_replaced_the_run_is_as_it_was(
    files: int, two_runs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run"
    shutil.copytree(two_runs[0], path)
    shutil.copytree(two_runs[1], path / "mending" / "1")
    old, left, copy_file = bytes_of(path), [files], folder.copy_file

    def killed(source: Path, target: Path) -> None:
        if not left[0]:
            raise SystemExit
        left[0] -= 1
        copy_file(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(folder, "copy_file", killed)
        patched.setattr(folder, "undo_mending", lambda path: None)  # by one who was killed nothing is undone
        with pytest.raises(SystemExit):
            take_place(path, path / "mending" / "1")
    assert json.loads((path / "run.json").read_text())["status"] == "mending"
    leadline.open(path)
    assert bytes_of(path) == old
    assert not list(path.glob("*mending*"))


def test_stopped_while_files_are_replaced_it_is_so_too(
    two_runs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run"
    shutil.copytree(two_runs[0], path)
    old = bytes_of(path)

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("leadline.runs.mended_folders._rename_within", stopped)
    with pytest.raises(KeyboardInterrupt):
        take_place(path, two_runs[1])
    assert json.loads((path / "run.json").read_text())["status"] == "finished"
    assert bytes_of(path) == old


@pytest.mark.parametrize("wish", [KeyboardInterrupt(), Interrupted("Stopped after epoch 1, all saved in mending/1")])
def test_stopped_in_a_training_anew_the_run_is_as_it_was(
    wish: BaseException, two_runs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run"
    shutil.copytree(two_runs[0], path)
    old = bytes_of(path)
    keep_diagnosis(path, *with_branch("rate", 0.1))

    def train(*_: object, folder: Path, **more: object) -> Any:
        folder.mkdir(parents=True)
        raise wish

    diagnosed(monkeypatch, with_branch("rate", 0.1))
    monkeypatch.setattr(mending_runs, "train", train)
    with pytest.raises(Interrupted, match="is as it was before") as stopped:
        mend_run(path)
    assert "mending/1" not in str(stopped.value)
    assert bytes_of(path) == old
    assert not (path / "mending").exists()


def test_no_remedy_is_tried_twice_and_a_second_mending_goes_on_with_the_story(
    two_runs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, trained = tmp_path / "run", list[dict[str, Any]]()
    shutil.copytree(two_runs[0], path)
    train = mending_runs.train

    def counted(dataset: Any, plan: Any, **more: Any) -> Any:
        trained.append({key: plan.why.get(key) for key in ("training.epochs", "training.learning_rate")})
        return train(dataset, plan, **more)

    monkeypatch.setattr(mending_runs, "train", counted)
    monkeypatch.setattr(mending_runs.Compared, "better", True)
    for _ in range(2):
        verdict = with_branch("longer", 2.0, "stopped_too_early")
        diagnosed(monkeypatch, verdict, verdict)  # of the old network and of the new one
        keep_diagnosis(path, *verdict)
        mend_run(path)
    assert len(trained) == 2
    assert [each["kind"] for each in story(path)].count("trained") == 2
    assert {each.name for each in path.glob("*mending*")} == {BEFORE, f"{BEFORE}_2"}
    assert not list(path.glob("*/*mending*"))


@pytest.mark.parametrize(("steps", "looked"), [(1000, False), (10, True)])
def test_copies_are_trained_only_where_something_is_suspected(
    steps: int, looked: bool, two_runs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, readings, asked = tmp_path / "run", Readings(), list[float]()
    shutil.copytree(two_runs[0], path)
    readings.program.steps = steps  # so few that it may have stopped too early
    keep_diagnosis(path, Verdict(checked=("rates",)), readings)
    monkeypatch.setattr(mending_runs, "diagnose_run", lambda *_, confirm, **more: asked.append(confirm))
    mend_run(path)
    assert asked == [6.0] * looked  # of a short training
