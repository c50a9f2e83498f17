"""Opening a Run: the same answers as before, or one sentence on what has changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_trainings import QUICK, tables

import leadline
from leadline.errors import (
    RunError,
    RunExistsError,
    SourceNotFoundError,
)
from leadline.runs import Run


@pytest.fixture
def copy(run: Run, tmp_path: Path) -> Path:
    """The folder of a finished Run, to be damaged."""
    return Path(shutil.copytree(run.folder, tmp_path / "copy"))


def test_opened_it_gives_the_same_answers(run: Run) -> None:
    opened = leadline.open(run.folder, device="cpu")
    pictures = leadline.data.load("digits").test.inputs[:20]
    np.testing.assert_array_equal(opened.predict(pictures).values, run.predict(pictures).values)
    assert opened.plan == run.plan
    assert opened.results == run.results
    assert opened._repr_html_()
    assert len(opened.history) == len(run.history)


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


def test_a_damaged_run_does_not_hide_the_others(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(run.folder, tmp_path / "runs" / "good-1")
    (tmp_path / "runs" / "bad-1").mkdir()
    (tmp_path / "runs" / "bad-1" / "run.json").write_text("{")
    assert leadline.open("last").folder == Path("runs/good-1")


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
