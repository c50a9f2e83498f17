"""A training that failed by itself is not gone on with in silence: why it failed, and what to change, is said first."""

from __future__ import annotations

import json
import os
import shlex
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_trainings import AtStep, tables

import leadline
from leadline.errors import Interrupted, RunError, StorageError, TrainingError
from leadline.plan import Plan
from leadline.runs.failing import check_worth_resuming, write_failure

WILD = {"model": "linear", "training.optimizer": "sgd", "training.learning_rate": 1e30, "training.threads": 1}


def status(folder: Path) -> tuple[str, str | None]:
    record = json.loads((folder / "run.json").read_text())
    return record["status"], record.get("failure")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    inputs, targets = tables("number")
    path = tmp_path_factory.mktemp("my data") / "rows.npz"
    np.savez(path, inputs=inputs, targets=targets)
    return path


@pytest.fixture(scope="module")
def failed(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "failed run"
    with pytest.raises(TrainingError):
        leadline.train(source, folder=folder, changes=WILD)
    return folder


def test_it_is_refused_with_the_reason_and_what_to_type(failed: Path, source: Path) -> None:
    state, failure = status(failed)
    assert state == "failed"
    assert failure is not None
    with pytest.raises(RunError) as caught:
        leadline.resume(failed)
    said = str(caught.value)
    assert "no longer a number after step" in failure
    assert failure in said, "the very reason that the training gave"
    command = shlex.split(said.partition("leadline train ")[2].partition(" To go on")[0].rstrip("."))
    assert command == [str(source), "--plan", str(failed / "plan.json"), "--set", "training.learning_rate=1e+29"]
    assert said.endswith(f"leadline resume {shlex.quote(str(failed))} --anyway.")
    assert status(failed) == ("failed", failure), "nothing was begun"


def test_what_it_says_to_type_can_be_typed(failed: Path, source: Path, tmp_path: Path, type_in: Any) -> None:
    """The rate of the test is so wild that a tenth of it fails as well, so another stands in its place."""
    words = [source, "--plan", failed / "plan.json", "--set", "training.learning_rate=0.001", "--epochs", 2]
    code, out, err = type_in("train", *words, "--folder", tmp_path / "run", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["epochs"] == 2


def test_anyway_tries_it_again(failed: Path) -> None:
    with pytest.raises(TrainingError, match="no longer a number"):
        leadline.resume(failed, anyway=True)
    assert status(failed)[0] == "failed"


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals reach the main thread only")
def test_anyway_ends_well_where_the_reason_is_gone(source: Path, tmp_path: Path) -> None:
    """As after a failure that other versions of a library do not have."""
    changes = {"model": "linear", "training.epochs": 3, "training.threads": 1}
    with pytest.raises(Interrupted):
        leadline.train(
            source, folder=tmp_path, changes=changes, observer=AtStep(2, lambda: os.kill(os.getpid(), signal.SIGINT))
        )
    write_failure(tmp_path, TrainingError("The loss is no longer a number"))
    with pytest.raises(RunError, match="failed, and resumed it would fail again"):
        leadline.resume(tmp_path)
    assert leadline.resume(tmp_path, anyway=True).results["epochs"] == 3
    assert status(tmp_path) == ("finished", None)


def test_a_full_disk_is_no_failure_of_the_training(failed: Path, tmp_path: Path) -> None:
    for name in ("run.json", "plan.json"):
        (tmp_path / name).write_bytes((failed / name).read_bytes())
    write_failure(tmp_path, StorageError("The disk is full"))
    assert status(tmp_path) == ("interrupted", None)
    check_worth_resuming(tmp_path, anyway=False)


def test_arrays_and_several_rates_and_a_run_of_an_older_leadline(failed: Path, tmp_path: Path) -> None:
    record = json.loads((failed / "run.json").read_text())
    del record["failure"]
    (tmp_path / "run.json").write_text(json.dumps(record))
    plan = Plan().but({"data.source": "arrays", "training.learning_rate": [0.5, 0.02]})
    (tmp_path / "plan.json").write_text(json.dumps(plan.to_json()))
    with pytest.raises(RunError) as caught:
        check_worth_resuming(tmp_path, anyway=False)
    said = str(caught.value)
    assert "training.learning_rate=[0.05, 0.002]" in said
    assert "from the arrays" in said
    assert "Its loss was no longer a number" in said


def test_on_the_command_line_it_is_one_paragraph(failed: Path, type_in: Any) -> None:
    code, out, err = type_in("resume", failed, "--quiet")
    assert (code, out) == (2, "")
    assert err.startswith("Error: The training in")
    assert "\n\n" not in err.strip()
    assert "Traceback" not in err
    code, _, err = type_in("resume", failed, "--quiet", "--anyway")
    assert (code, "no longer a number" in " ".join(err.split())) == (1, True)
