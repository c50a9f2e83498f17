"""`leadline train --mend`: the same training, with mending after it."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from leadline.cli import main
from leadline.runs import mending_runs, starting


def test_mend_hands_the_training_to_what_mends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def train_mended(source: str, plan: Any, **more: Any) -> Any:
        seen.update(more, source=source)
        return starting.train(source, plan, **more)

    monkeypatch.setattr(mending_runs, "train_mended", train_mended)
    words = ["train", "iris", "--folder", str(tmp_path / "run"), "--epochs", "1", "--set", "model=linear", "--json"]
    plain = CliRunner().invoke(main, words)
    assert plain.exit_code == 0
    assert seen == {}
    words[3] = str(tmp_path / "mended")
    mended = CliRunner().invoke(main, [*words, "--mend"])
    assert mended.exit_code == 0, mended.output
    assert seen["source"] == "iris"
    assert seen["changes"] == {"training.epochs": 1, "model": "linear"}
    assert json.loads(mended.output)["folder"] == str(tmp_path / "mended")


def test_mend_is_in_the_help() -> None:
    assert "--mend" in CliRunner().invoke(main, ["train", "--help"]).output
