"""Stopped by a signal, a full disk, vanished data or a mistake: nothing is lost, and it is said what to do."""

from __future__ import annotations

import errno
import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_trainings import QUICK, AtStep, tables

import leadline
from leadline.errors import (
    ArgumentError,
    DataError,
    Interrupted,
    RunError,
    RunExistsError,
    SourceNotFoundError,
    StorageError,
    TrainingError,
)
from leadline.runs import Observer, Run
from leadline.runs.folder import locked


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


class AtNote(Observer):
    """Ctrl-C as soon as something is told."""

    def __init__(self, label: str) -> None:
        self.label = label

    def note(self, label: str, text: str) -> None:
        if label == self.label:
            raise KeyboardInterrupt


def test_stopped_while_layers_are_pre_trained_it_is_not_said_that_they_are_kept(tmp_path: Path) -> None:
    inputs, targets = tables("classes", 60)
    changes = {"model": "mlp", "start.pretrain": "autoencoder(epochs=1)", "training.epochs": 1, "training.threads": 1}
    with pytest.raises(Interrupted, match="before anything .* could be kept. Begin it again: leadline resume"):
        leadline.train(inputs, targets=targets, folder=tmp_path / "run", changes=changes, observer=AtNote("pretrain"))
    assert leadline.resume(tmp_path / "run", inputs, targets=targets).results["epochs"] == 1


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
    with pytest.raises(RunError, match="failed, so there is no network.*Train anew with another choice.*--plan") as told:
        leadline.open(tmp_path / "run")
    assert "leadline resume" not in str(told.value)
    with pytest.raises(RunExistsError, match=r"Choose another\.$"):
        leadline.train(inputs, targets=targets, folder=tmp_path / "run")


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


def test_a_training_killed_before_its_plan_was_written(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "early"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({**json.loads((run.folder / "run.json").read_text()), "status": "training"}))
    with pytest.raises(RunError, match="before its plan was written.*Train anew"):
        leadline.resume(folder)
    (folder / "plan.json").write_text("{")
    with pytest.raises(RunError, match=r"plan\.json is damaged"):
        leadline.resume(folder)


def test_what_a_kill_left_half_written_is_swept_up(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        leadline.train(
            "digits", folder=tmp_path / "run", changes=QUICK, observer=AtStep(20, lambda: os.kill(os.getpid(), signal.SIGINT))
        )
    left = tmp_path / "run" / "checkpoint" / f".training.safetensors.0123{leadline.files.ASIDE}"
    left.write_bytes(b"half")
    leadline.resume(tmp_path / "run")
    assert not left.exists()


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
