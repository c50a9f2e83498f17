"""`leadline train --mend`: the same training, with mending after it."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from leadline import runs
from leadline.cli.train_command import command
from leadline.runs import mending_runs


def test_mend_hands_the_training_to_what_mends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[str, str, dict[str, Any]]] = []
    run = SimpleNamespace(folder=tmp_path, results={"headline": "accuracy"}, schema=SimpleNamespace(task="classes"))

    def standing_for(name: str) -> Any:
        def train(source: str, plan: Any, **more: Any) -> Any:
            called.append((name, source, more["changes"]))
            return run

        return train

    monkeypatch.setattr(runs, "train", standing_for("train"))
    monkeypatch.setattr(mending_runs, "train_mended", standing_for("train_mended"))
    words = ["iris", "--epochs", "1", "--set", "model=linear", "--json"]
    changes = {"training.epochs": 1, "model": "linear"}
    for flags, name in (([], "train"), (["--mend"], "train_mended")):
        result = CliRunner().invoke(command, [*words, *flags])
        assert result.exit_code == 0, result.output
        assert called.pop() == (name, "iris", changes)
        assert json.loads(result.output)["folder"] == str(tmp_path)


def test_mend_is_in_the_help() -> None:
    assert "--mend" in CliRunner().invoke(command, ["--help"]).output
