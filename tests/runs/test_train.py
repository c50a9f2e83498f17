"""From data to a Run: everything the folder promises, for each task."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import leadline
from leadline.errors import (
    ArgumentError,
    DataError,
    Interrupted,
    PlanError,
    RunError,
    RunExistsError,
    SourceNotFoundError,
    StorageError,
    TrainingError,
)
from leadline.runs import Observer, Prediction, Predictions, Run
from leadline.runs.folder import locked

QUICK = {"training.epochs": 4, "model": "convnet", "model.width": 8, "training.threads": 1, "training.layout": "contiguous"}
FILES = {
    "run.json", "plan.json", "schema.json", "model.safetensors", "golden.safetensors", "history.jsonl", "checkpoint",
    "environment.json", "results.json", "examples.json", "report.html",
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return leadline.train("digits", folder=tmp_path_factory.mktemp("runs") / "digits", changes=QUICK)


@pytest.fixture
def copy(run: Run, tmp_path: Path) -> Path:
    """The folder of a finished Run, to be damaged."""
    return Path(shutil.copytree(run.folder, tmp_path / "copy"))


def tables(task: str, rows: int = 200) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(rows, 5)).astype(np.float32)
    if task == "number":
        return inputs, (3 * inputs[:, 0] - inputs[:, 1] + 100).astype(np.float32)
    if task == "labels":
        return inputs, (inputs[:, :3] > 0).astype(np.float32)
    return inputs, (inputs[:, 0] > 0).astype(np.int64)


def test_the_folder_holds_what_it_promises(run: Run) -> None:
    assert {path.name for path in run.folder.iterdir() if not path.name.startswith(".")} == FILES
    assert json.loads((run.folder / "run.json").read_text())["status"] == "finished"
    assert run.score > 0.8
    headline = run.results["scores"]["accuracy"]
    assert headline["low"] <= headline["value"] <= headline["high"]
    assert [row["name"] for row in run.results["baselines"]] == ["linear model", "nearest neighbours"]
    assert sum(map(sum, run.results["confusion"])) == run.results["rows"]["test"]
    assert "digits" in (run.folder / "report.html").read_text()


def test_opened_it_gives_the_same_answers(run: Run) -> None:
    opened = leadline.open(run.folder, device="cpu")
    pictures = leadline.data.load("digits").test.inputs[:20]
    np.testing.assert_array_equal(opened.predict(pictures).values, run.predict(pictures).values)
    assert opened.plan == run.plan
    assert opened.results == run.results
    assert opened._repr_html_()
    assert len(opened.history) == len(run.history)


def test_the_test_score_is_what_the_predictions_say(run: Run) -> None:
    test = leadline.data.load("digits").test
    answers = run.predict(test.inputs, test.ids)
    assert isinstance(answers, Predictions)
    right = np.mean([int(answer) == target for answer, target in zip(answers.answers, test.targets, strict=True)])
    assert right == pytest.approx(run.score)
    assert [one.id for one in answers] == list(test.ids)


def test_one_prediction_in_every_form(run: Run, tmp_path: Path) -> None:
    picture = leadline.data.load("digits").test.inputs[0]
    expected = run.predict(picture)
    assert isinstance(expected, Prediction)
    assert sum(expected.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert expected.probability == max(expected.probabilities.values())
    for form in (
        picture[:, :, 0],
        picture.transpose(2, 0, 1),
        torch.from_numpy(picture),
        picture.astype(np.float64),
        Image.fromarray(picture[:, :, 0]),
    ):
        assert run.predict(form).probabilities == expected.probabilities
    Image.fromarray(picture[:, :, 0]).save(tmp_path / "a.png")
    by_path = run.predict(tmp_path / "a.png")
    assert (by_path.answer, by_path.id) == (expected.answer, str(tmp_path / "a.png"))
    (tmp_path / "b.png").write_text("no picture")
    several = run.predict(tmp_path)
    assert [one.answer for one in several] == [expected.answer]
    assert [row.id for row in several.excluded] == [str(tmp_path / "b.png")]
    assert len(several[:1]) == 1


def test_an_input_that_does_not_fit_says_what_would(run: Run) -> None:
    with pytest.raises(ArgumentError, match="8 × 8 × 1"):
        run.predict(np.zeros((5, 5)))
    with pytest.raises(SourceNotFoundError, match="nowhere.png"):
        run.predict("nowhere.png")
    with pytest.raises(ArgumentError, match="as many ids"):
        run.predict(np.zeros((2, 8, 8, 1), np.uint8), ["a"])


def test_evaluate_on_other_data_and_on_its_own(run: Run) -> None:
    own = run.evaluate("digits")
    assert own["scores"]["accuracy"]["value"] == run.score
    assert "only its test split" in own["note"]
    test = leadline.data.load("digits").test
    other = run.evaluate(test.inputs[:50], test.targets[:50])
    assert (other["rows"], other["note"]) == (50, "")
    with pytest.raises(DataError, match="not among those of the training: cat, dog"):
        run.evaluate(test.inputs[:20], np.array(["cat", "dog"] * 10))


@pytest.mark.parametrize("task", ["classes", "labels", "number"])
def test_arrays_of_every_task(task: str, tmp_path: Path) -> None:
    inputs, targets = tables(task)
    run = leadline.train(
        inputs,
        targets=targets,
        folder=tmp_path / "run",
        changes={"training.epochs": 25, "training.threads": 1, "training.schedule": "constant"},
    )
    assert run.results["task"] == task
    opened = leadline.open(tmp_path / "run")
    one = opened.predict(inputs[0])
    if task == "number":
        assert run.results["scores"]["r2"]["value"] > 0.8
        assert one.answer == pytest.approx(targets[0], abs=3)  # in its own units, around 100
        assert one.probabilities == {}
    elif task == "labels":
        assert run.results["scores"]["auroc"]["value"] > 0.9
        assert isinstance(one.answer, list)
    else:
        assert run.score > 0.8
        assert one.answer in ("0", "1")


def test_resolved_plan_again_gives_the_same_weights(run: Run, tmp_path: Path) -> None:
    again = leadline.train("digits", run.plan, folder=tmp_path / "again")
    for name, tensor in run.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], tensor)


def test_a_run_is_never_written_into(run: Run) -> None:
    before = (run.folder / "run.json").read_bytes()
    with pytest.raises(RunExistsError, match="already holds something"):
        leadline.train("digits", folder=run.folder, changes=QUICK)
    with pytest.raises(RunError, match="is finished"):
        leadline.resume(run.folder)
    assert (run.folder / "run.json").read_bytes() == before


def test_folders_are_numbered_and_last_is_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceNotFoundError, match="no run yet"):
        leadline.open("last")
    inputs, targets = tables("classes", 60)
    changes = {"training.epochs": 1, "training.threads": 1, "model": "linear"}
    first = leadline.train(inputs, targets=targets, changes=changes)
    second = leadline.train(inputs, targets=targets, changes=changes)
    assert [first.folder.name[-2:], second.folder.name[-2:]] == ["-1", "-2"]
    assert leadline.open("last").folder == second.folder
    assert not (tmp_path / "runs" / ".lock").exists()


@pytest.mark.parametrize("name", ["model.safetensors", "plan.json", "schema.json", "golden.safetensors"])
def test_a_changed_byte_is_noticed(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(RunError, match=f"{name} has changed"):
        leadline.open(copy)


def test_weights_that_no_longer_give_the_golden_outputs(copy: Path) -> None:
    """As when another version of torch computes something else: hashes agree, outputs do not."""
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    save_file({name: tensor * 1.5 for name, tensor in weights.items()}, copy / "model.safetensors")
    record = json.loads((copy / "run.json").read_text())
    record["sha256"]["model.safetensors"] = leadline.files.sha256(copy / "model.safetensors")
    (copy / "run.json").write_text(json.dumps(record))
    with pytest.raises(RunError, match="no longer gives the outputs"):
        leadline.open(copy)


def test_a_run_from_a_newer_version_or_a_missing_file(copy: Path) -> None:
    record = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**record, "format": 99, "leadline": "9.0"}))
    with pytest.raises(RunError, match="newer Leadline.*pip install -U"):
        leadline.open(copy)
    (copy / "run.json").write_text(json.dumps(record))
    (copy / "golden.safetensors").unlink()
    with pytest.raises(RunError, match="golden.safetensors is missing"):
        leadline.open(copy)
    (copy / "run.json").write_text("{")
    with pytest.raises(RunError, match="damaged"):
        leadline.open(copy)
    with pytest.raises(SourceNotFoundError, match="no folder"):
        leadline.open(copy / "nothing")
    with pytest.raises(SourceNotFoundError, match="not a Run folder"):
        leadline.open(copy / "checkpoint")


class AtStep(Observer):
    """Does something in the middle of the training."""

    def __init__(self, step: int, action: Any) -> None:
        self.at, self.action = step, action

    def advance(self, step: int) -> None:
        if step == self.at:
            self.action()


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals reach the main thread only")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_and_resumed_as_if_it_had_not_been(run: Run, tmp_path: Path, number: int) -> None:
    before = signal.getsignal(number)
    observer = AtStep(50, lambda: os.kill(os.getpid(), number))
    with pytest.raises(Interrupted, match="leadline resume") as caught:
        leadline.train("digits", folder=tmp_path / "run", changes=QUICK, observer=observer)
    assert caught.value.exit_status == 130
    assert signal.getsignal(number) is before
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "interrupted"
    with pytest.raises(RunError, match="not finished.*leadline resume"):
        leadline.open(tmp_path / "run")
    resumed = leadline.resume(tmp_path / "run")
    for name, tensor in run.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], tensor)
    assert resumed.history["loss"] == run.history["loss"]


def test_arrays_are_needed_again_to_resume(tmp_path: Path) -> None:
    inputs, targets = tables("classes")
    changes = {"training.epochs": 3, "training.threads": 1}
    with pytest.raises(Interrupted):
        leadline.train(
            inputs,
            targets=targets,
            folder=tmp_path / "run",
            changes=changes,
            observer=AtStep(2, lambda: os.kill(os.getpid(), signal.SIGINT)),
        )
    with pytest.raises(ArgumentError, match="same arrays again"):
        leadline.resume(tmp_path / "run")
    with pytest.raises(DataError, match="have changed"):
        leadline.resume(tmp_path / "run", inputs + 1, targets=targets)
    assert leadline.resume(tmp_path / "run", inputs, targets=targets).results["epochs"] == 3


def test_a_failed_training_says_so_and_keeps_what_there_is(tmp_path: Path) -> None:
    inputs, targets = tables("number")
    with pytest.raises(TrainingError, match="no longer a number"):
        leadline.train(
            inputs,
            targets=targets,
            folder=tmp_path / "run",
            changes={"training.optimizer": "sgd", "training.learning_rate": 1e30, "training.threads": 1},
        )
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "failed"


def test_a_mistaken_plan_makes_no_folder(tmp_path: Path) -> None:
    with pytest.raises(PlanError):
        leadline.train("digits", folder=tmp_path / "run", changes={"training.bach": 3})
    assert not (tmp_path / "run").exists()


def test_a_plan_made_for_other_data_is_said(run: Run, tmp_path: Path) -> None:
    said = []

    class Listener(Observer):
        def note(self, label: str, text: str) -> None:
            said.append(text)

    inputs, targets = leadline.data.load("digits").test.inputs, leadline.data.load("digits").test.targets
    other = leadline.train(
        inputs, run.plan, targets=targets, folder=tmp_path / "other", changes={"training.epochs": 1}, observer=Listener()
    )
    assert any("made for other data" in text for text in said)
    assert other.plan.data.hash != run.plan.data.hash


def test_weights_of_another_run_to_start_from(run: Run, tmp_path: Path) -> None:
    started = leadline.train(
        "digits", folder=tmp_path / "run", changes={**QUICK, "training.epochs": 1, "start.weights": str(run.folder)}
    )
    assert started.history["loss"][0] < run.history["loss"][0]
    with pytest.raises(PlanError, match="do not fit"):
        leadline.train(
            "digits", folder=tmp_path / "other", changes={**QUICK, "model.width": 5, "start.weights": str(run.folder)}
        )


def test_the_report_can_be_written_elsewhere(run: Run, tmp_path: Path) -> None:
    path = run.report(tmp_path / "page.html")
    assert path.read_text() == (run.folder / "report.html").read_text()


def test_a_disk_that_fills_up_loses_nothing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Full in the middle of the training: one sentence; with space again, the same weights as if it had not been."""
    real = os.fsync
    full = False

    def fsync(number: int) -> None:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(number)

    def fill() -> None:
        nonlocal full
        full = True

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StorageError, match="disk is full.*Free some space"):
        leadline.train("digits", folder=tmp_path / "run", changes=QUICK, checkpoint_every=0.01, observer=AtStep(60, fill))
    full = False
    resumed = leadline.resume(tmp_path / "run")
    for name, tensor in run.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], tensor)


def test_a_place_that_cannot_be_written_to_is_said_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "mkdir", refuse)
    inputs, targets = tables("classes", 60)
    with pytest.raises(StorageError, match="read-only.*Choose a folder"):
        leadline.train(inputs, targets=targets, changes={"training.epochs": 1})
    assert list(tmp_path.iterdir()) == []


def test_two_processes_never_train_in_one_folder(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        leadline.train(
            "digits", folder=tmp_path / "run", changes=QUICK, observer=AtStep(20, lambda: os.kill(os.getpid(), signal.SIGINT))
        )
    with locked(tmp_path / "run"), pytest.raises(RunExistsError, match="Another process"):
        leadline.resume(tmp_path / "run")


def test_other_splits_of_the_same_data_are_other_data(tmp_path: Path) -> None:
    """Or rows that were trained on would count as unseen."""
    own = leadline.train(
        leadline.data.load("digits", valid=0.3, seed=7), folder=tmp_path / "own", changes={**QUICK, "training.epochs": 1}
    )
    assert (own.plan.data.valid, own.plan.data.seed) == (0.3, 7)
    assert own.evaluate("digits")["scores"]["accuracy"]["value"] == own.score
    with pytest.raises(Interrupted):
        leadline.train(
            "digits", folder=tmp_path / "run", changes=QUICK, observer=AtStep(20, lambda: os.kill(os.getpid(), signal.SIGINT))
        )
    with pytest.raises(DataError, match="have changed"):
        leadline.resume(tmp_path / "run", leadline.data.load("digits", seed=5))


@pytest.mark.parametrize("changes", [{"data.source": "cifar10"}, {"data.hash": "x"}])
def test_what_the_data_are_is_no_choice(changes: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="not a choice"):
        leadline.train("digits", folder=tmp_path / "run", changes=changes)


def test_splits_of_a_loaded_dataset_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="too late"):
        leadline.train(leadline.data.load("digits"), folder=tmp_path / "run", changes={"data.valid": 0.4})


def test_a_training_leaves_torch_as_it_was(tmp_path: Path) -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    threads = torch.get_num_threads()
    leadline.train("digits", folder=tmp_path / "run", changes={**QUICK, "training.epochs": 1, "training.threads": 2})
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.rand(3), expected)


def test_a_training_killed_before_its_plan_was_written(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "early"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({**json.loads((run.folder / "run.json").read_text()), "status": "training"}))
    with pytest.raises(RunError, match="before its plan was written.*Train anew"):
        leadline.resume(folder)
    (folder / "plan.json").write_text("{")
    with pytest.raises(RunError, match=r"plan\.json is damaged"):
        leadline.resume(folder)


def test_a_damaged_run_does_not_hide_the_others(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(run.folder, tmp_path / "runs" / "good-1")
    (tmp_path / "runs" / "bad-1").mkdir()
    (tmp_path / "runs" / "bad-1" / "run.json").write_text("{")
    assert leadline.open("last").folder == Path("runs/good-1")


def test_what_a_kill_left_half_written_is_swept_up(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        leadline.train(
            "digits", folder=tmp_path / "run", changes=QUICK, observer=AtStep(20, lambda: os.kill(os.getpid(), signal.SIGINT))
        )
    left = tmp_path / "run" / "checkpoint" / f".training.safetensors.0123{leadline.files.ASIDE}"
    left.write_bytes(b"half")
    leadline.resume(tmp_path / "run")
    assert not left.exists()


def test_class_names_survive_any_locale(tmp_path: Path) -> None:
    inputs, targets = tables("classes", 60)
    np.savez(tmp_path / "data.npz", inputs=inputs, targets=np.array(["é", "ö"])[targets])
    code = f"""
import leadline
changes = {{"model": "linear", "training.epochs": 1}}
run = leadline.train({str(tmp_path / "data.npz")!r}, folder={str(tmp_path / "run")!r}, changes=changes)
assert leadline.open(run.folder).schema.answers.names == ("\\xe9", "\\xf6")
"""
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_rows_set_aside_are_said_and_listed(tmp_path: Path) -> None:
    said: dict[str, str] = {}

    class Listener(Observer):
        def note(self, label: str, text: str) -> None:
            said[label] = text

    inputs, targets = tables("classes", 100)
    inputs[7, 2] = np.nan
    changes = {"training.epochs": 1, "model": "linear", "training.threads": 1}
    run = leadline.train(inputs, targets=targets, folder=tmp_path / "run", changes=changes, observer=Listener())
    assert "1 of the rows: row:7 (" in said["set aside"]
    assert [row["id"] for row in run.results["excluded"]] == ["row:7"]


def test_data_that_are_gone_are_named_when_resuming(tmp_path: Path) -> None:
    inputs, targets = tables("classes")
    np.savez(tmp_path / "data.npz", inputs=inputs, targets=targets)
    with pytest.raises(Interrupted):
        leadline.train(
            tmp_path / "data.npz",
            folder=tmp_path / "run",
            changes={"training.epochs": 3, "training.threads": 1},
            observer=AtStep(2, lambda: os.kill(os.getpid(), signal.SIGINT)),
        )
    (tmp_path / "data.npz").unlink()
    with pytest.raises(SourceNotFoundError, match=r"are gone.*data\.npz.*Put them back"):
        leadline.resume(tmp_path / "run")


def test_a_file_is_no_row_of_numbers(tmp_path: Path) -> None:
    inputs, targets = tables("classes", 60)
    run = leadline.train(inputs, targets=targets, folder=tmp_path / "run", changes={"training.epochs": 1, "model": "linear"})
    with pytest.raises(ArgumentError, match="not on files. Expected 5 numbers"):
        run.predict(b"bytes")
