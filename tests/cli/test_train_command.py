"""`leadline train` and `leadline resume`: what is asked of the library, and what stands on stdout."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import leadline
from leadline.errors import Interrupted
from leadline.plan import Plan

TypeIn = Callable[..., tuple[int, str, str]]


class FakeRuns:
    """Stands where `leadline.runs.train` and `.resume` stand; keeps what it was called with and plays a short training."""

    def __init__(self, folder: Path) -> None:
        self.calls: list[dict[str, Any]] = []
        self.run = SimpleNamespace(
            folder=folder, results={"headline": "accuracy", "name": "digits"}, schema=SimpleNamespace(task="classes")
        )

    def train(self, source: str, plan: Plan | None = None, **rest: Any) -> SimpleNamespace:
        return self.play({"source": source, "plan": plan, **rest})

    def resume(self, folder: str, **rest: Any) -> SimpleNamespace:
        return self.play({"folder": folder, **rest})

    def play(self, call: dict[str, Any]) -> SimpleNamespace:
        self.calls.append(call)
        observer = call["observer"]
        observer.note("data", "1,797 pictures")
        observer.begin(10, 5)
        for step in range(10):
            observer.advance(step + 1)
        observer.log({"epoch": 2.0, "loss": 0.5, "valid_accuracy": 0.9})
        observer.end()
        observer.note("result", "test accuracy 0.99")
        return self.run


@pytest.fixture
def fake(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> FakeRuns:
    fake = FakeRuns(Path("runs") / "digits-1")
    monkeypatch.setattr("leadline.runs.train", fake.train)
    monkeypatch.setattr("leadline.runs.resume", fake.resume)
    return fake


def test_nothing_needs_to_be_configured(fake: FakeRuns, type_in: TypeIn) -> None:
    status, out, err = type_in("train", "digits")
    assert (status, err) == (0, "")
    (call,) = fake.calls
    assert (call["source"], call["plan"], call["folder"], call["changes"]) == ("digits", None, None, {})
    lines = out.splitlines()
    assert lines[0] == f"leadline {leadline.__version__} · reading digits"
    assert lines[1] == "data      1,797 pictures"
    assert any(line.startswith("training") and "90.0 %" in line for line in lines)
    assert lines[-2] == "saved     runs/digits-1 (to look at: runs/digits-1/report.html)"
    assert lines[-1].endswith("leadline predict runs/digits-1 INPUT…")
    assert max(map(len, lines)) <= 80


def test_weights_to_start_from(fake: FakeRuns, type_in: TypeIn) -> None:
    status, _, err = type_in("train", "flowers", "--from", "runs/birds-1", "--set", "start.transfer=early head")
    assert (status, err) == (0, "")
    assert fake.calls[0]["changes"] == {"start.weights": "runs/birds-1", "start.transfer": "early head"}


def test_everything_can_be_configured(fake: FakeRuns, type_in: TypeIn) -> None:
    Path("plan.toml").write_text(Plan().but({"training.batch": 7}).to_toml(), encoding="utf-8")
    words = "flowers --task labels --target tags --size 64 --seed 2 --device cpu --plan plan.toml --folder out"
    status, _, err = type_in("train", *words.split(), "--set", "training.epochs=3", "--set", "model=mlp")
    assert (status, err) == (0, "")
    (call,) = fake.calls
    assert call["plan"].training.batch == 7
    assert call["folder"] == Path("out")
    assert call["changes"] == {
        "data.task": "labels",
        "data.target": "tags",
        "data.size": 64,
        "data.seed": 2,
        "training.seed": 2,
        "training.device": "cpu",
        "training.epochs": 3,
        "model": "mlp",
    }


@pytest.mark.parametrize("verb", ["train", "resume"])
def test_quiet_is_the_folder_alone(verb: str, fake: FakeRuns, type_in: TypeIn) -> None:
    assert type_in(verb, "digits", "--quiet") == (0, "runs/digits-1\n", "")


@pytest.mark.parametrize("verb", ["train", "resume"])
def test_json_is_one_object_alone(verb: str, fake: FakeRuns, type_in: TypeIn) -> None:
    status, out, err = type_in(verb, "digits", "--json")
    assert (status, err) == (0, "")
    assert json.loads(out) == {"folder": "runs/digits-1", "headline": "accuracy", "name": "digits"}


def test_a_folder_with_a_space_can_be_pasted(fake: FakeRuns, type_in: TypeIn) -> None:
    fake.run.folder = Path("my runs") / "1"
    assert "leadline predict 'my runs/1' INPUT…" in " ".join(type_in("train", "digits")[1].split())


def test_resume_goes_on(fake: FakeRuns, type_in: TypeIn) -> None:
    status, out, _ = type_in("resume", "last")
    assert status == 0
    assert fake.calls[0]["folder"] == "last"
    assert out.startswith(f"leadline {leadline.__version__} · resuming last\n")
    assert out.endswith("leadline predict runs/digits-1 INPUT…\n")


def test_an_interruption_says_how_to_go_on(fake: FakeRuns, type_in: TypeIn, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any, observer: Any, **__: Any) -> None:
        observer.begin(10, 5)
        raise Interrupted("Stopped after epoch 1 of 2", do="Go on with: leadline resume runs/digits-1")

    monkeypatch.setattr("leadline.runs.train", stop)
    status, _, err = type_in("train", "digits")
    assert (status, err) == (130, "Stopped after epoch 1 of 2. Go on with: leadline resume runs/digits-1\n")


@pytest.mark.parametrize(
    "words",
    [
        ("--set", "training.batch"),
        ("--set", "training.batsh=3"),
        ("--plan", "nowhere.toml"),
        ("--size", "2"),
        ("--task", "clases"),
    ],
)
def test_a_mistake_is_told_before_any_training(words: tuple[str, str], fake: FakeRuns, type_in: TypeIn) -> None:
    status, _, err = type_in("train", "digits", *words)
    assert (status, fake.calls) == (2, [])
    assert "Error: " in err
    assert "Traceback" not in err
