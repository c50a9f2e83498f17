"""The whole path in real processes: digits to a Run, and everything that is done with one."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import leadline as library
from leadline.runs import Predictions

TypeIn = Callable[..., tuple[int, str, str]]
LEADLINE = [sys.executable, "-m", "leadline"]
RUN = Path("runs") / "digits-1"
SMALL = ["--set", "model=linear", "--set", "training.epochs=2"]


def leadline(*words: str, place: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*LEADLINE, *words], cwd=place, capture_output=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `leadline train digits` has run once."""
    folder = tmp_path_factory.mktemp("place")
    done = leadline("train", "digits", *SMALL, place=folder)
    assert done.returncode == 0, done.stderr.decode()
    (folder / "said.txt").write_bytes(done.stdout)
    return folder


@pytest.fixture
def place(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same folder, as the current one."""
    monkeypatch.chdir(trained)
    return trained


def test_training_leaves_a_run_and_says_so(place: Path) -> None:
    lines = (place / "said.txt").read_text(encoding="utf-8").splitlines()
    labels = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert labels[0] == "leadline"
    assert {"data", "plan", "training", "result"} <= set(labels)
    assert labels[-2:] == ["saved", "next"]
    assert max(map(len, lines)) <= 80
    for name in ("run.json", "plan.json", "schema.json", "model.safetensors", "history.jsonl", "results.json", "report.html"):
        assert (place / RUN / name).stat().st_size > 0


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def test_a_second_training_never_touches_the_first(place: Path, type_in: TypeIn) -> None:
    before = contents(place / RUN)
    status, _, err = type_in("train", "digits", *SMALL, "--folder", RUN)
    assert (status, "already holds something" in err) == (2, True)
    status, _, err = type_in("resume", RUN)
    assert (status, "is finished" in err) == (2, True)
    assert contents(place / RUN) == before


def test_predictions_are_those_of_the_library(place: Path, type_in: TypeIn) -> None:
    pictures = load_digits().images.astype(np.uint8)[:5]
    np.save("five.npy", pictures)
    expected = library.open(RUN).predict(list(pictures))
    assert isinstance(expected, Predictions)
    status, out, err = type_in("predict", "last", "five.npy", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert (status, err) == (0, "")
    assert [row["id"] for row in rows] == [f"five.npy:{row}" for row in range(5)]
    for row, one in zip(rows, expected, strict=True):
        assert row["answer"] == one.answer
        assert row["probabilities"] == pytest.approx(one.probabilities, abs=1e-6)
    table = csv.DictReader(io.StringIO(type_in("predict", "last", "five.npy", "--csv")[1]))
    assert [row["answer"] for row in table] == expected.answers


def test_pictures_come_as_files_folders_paths_and_bytes(place: Path, type_in: TypeIn, monkeypatch: pytest.MonkeyPatch) -> None:
    scans = place / "scans"
    scans.mkdir(exist_ok=True)
    for number in range(2):
        Image.fromarray(load_digits().images[number].astype(np.uint8)).save(scans / f"{number}.png")
    (scans / "broken.png").write_bytes(b"this is no picture")
    status, out, err = type_in("predict", "last", "scans", "--json")
    assert [json.loads(line)["id"] for line in out.splitlines()] == ["scans/0.png", "scans/1.png"]
    assert status == 2
    assert "scans/broken.png" in err
    assert "1 of 3 inputs" in err
    answer = json.loads(out.splitlines()[0])
    for stdin, name in ((b"scans/0.png\n", "scans/0.png"), ((scans / "0.png").read_bytes(), "-")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        alone = json.loads(type_in("predict", "last", "-", "--json")[1])
        assert alone["id"] == name
        assert alone["probabilities"] == pytest.approx(answer["probabilities"], abs=1e-6)


def test_evaluate_and_report_read_only_the_run(place: Path, type_in: TypeIn) -> None:
    judged = json.loads(type_in("evaluate", "last", "digits", "--json")[1])
    results = json.loads((place / RUN / "results.json").read_text(encoding="utf-8"))
    assert judged["scores"]["accuracy"]["value"] == pytest.approx(results["scores"]["accuracy"]["value"])
    assert "\nAccuracy" in type_in("evaluate", "last", "digits")[1]
    assert type_in("report", "last", "--output", "copy.html") == (0, "copy.html\n", "")
    assert "<html" in Path("copy.html").read_text(encoding="utf-8")


def test_a_plan_can_be_written_edited_and_given_back(workplace: Path, type_in: TypeIn) -> None:
    words = ["digits", *SMALL, "--seed", "7"]
    status, printed, _ = type_in("plan", *words)
    assert status == 0
    assert type_in("plan", *words, "--output", "plan.toml") == (0, "leadline train digits --plan plan.toml\n", "")
    text = Path("plan.toml").read_text(encoding="utf-8")
    assert text == printed
    assert type_in("plan", "digits", "--output", "plan.toml")[0] == 2
    Path("plan.toml").write_text(re.sub(r"^batch = \d+", "batch = 100", text, flags=re.MULTILINE), encoding="utf-8")
    assert type_in("train", "digits", "--plan", "plan.toml", "--quiet") == (0, f"{RUN}\n", "")
    plan = json.loads((RUN / "plan.json").read_text(encoding="utf-8"))
    assert (plan["training"]["batch"], plan["model"]["name"]) == (100, "linear")
    assert (plan["data"]["seed"], plan["training"]["seed"]) == (7, 7)


def test_control_c_saves_and_says_how_to_go_on(workplace: Path, type_in: TypeIn) -> None:
    words = ["train", "digits", "--set", "model=linear", "--set", "training.epochs=100000", "--set", "training.patience=0"]
    with subprocess.Popen([*LEADLINE, *words], cwd=workplace, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        history = workplace / RUN / "history.jsonl"
        until = time.monotonic() + 120
        while not history.exists() or history.stat().st_size == 0:
            assert time.monotonic() < until
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=120)
    assert process.returncode == 130
    said = " ".join(complaint.decode().split())
    assert "leadline resume runs/digits-1" in said
    assert "Traceback" not in said
    status, _, err = type_in("predict", "last", "x.png")
    assert (status, "leadline resume" in " ".join(err.split())) == (2, True)


@pytest.mark.parametrize("source", ["nowhere", "empty"])
def test_a_bad_source_is_one_paragraph(source: str, workplace: Path, type_in: TypeIn) -> None:
    (workplace / "empty").mkdir()
    status, _, err = type_in("train", source)
    assert status == 2
    assert err.startswith("Error: ")
    assert "Traceback" not in err
    assert not (workplace / "runs").exists()


def test_the_first_line_comes_before_torch(workplace: Path) -> None:
    # Half a second is the promise on a machine that does nothing else; the best of five leaves out what the other workers do.
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        with subprocess.Popen([*LEADLINE, "train", "digits", *SMALL], cwd=workplace, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith(b"leadline ")
            seconds.append(time.perf_counter() - started)
            process.kill()
    assert min(seconds) < 0.5


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_a_terminal_shows_a_bar_and_keeps_its_cursor(workplace: Path) -> None:
    ours, theirs = os.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"}
    words = ["train", "digits", "--set", "model=linear", "--set", "training.epochs=30"]
    with subprocess.Popen(
        [*LEADLINE, *words], cwd=workplace, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 65536):
                shown += part
        except OSError:  # Linux says so when the last writer has gone
            pass
    os.close(ours)
    assert process.returncode == 0
    text = shown.decode()
    assert "steps/s" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") >= 1
    assert text.splitlines()[-1].startswith("next ")
