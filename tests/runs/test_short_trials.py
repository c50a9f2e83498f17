"""What is tried before a short training stays shorter than it, and what there was no room to try is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_trainings import QUICK

import leadline
from leadline.runs import Observer, Run
from leadline.runs.telling import tell_untried


class Noting(Observer):
    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def note(self, label: str, text: str) -> None:
        self.said.append((label, text))

    def of(self, label: str) -> list[str]:
        return [text for each, text in self.said if each == label]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Run:
    low = digits(low=True)
    return leadline.train(low[0], targets=low[1], folder=tmp_path_factory.mktemp("known") / "run", changes=QUICK)


def digits(low: bool) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    whole = leadline.data.load("digits").train
    chosen = np.flatnonzero((whole.targets < 5) == low)[:400]
    return np.asarray(whole.inputs)[chosen], np.asarray(whole.targets)[chosen]


@pytest.mark.parametrize("epochs", [1, 2])
def test_deciding_never_costs_more_than_the_training_that_was_asked_for(epochs: int, known: Run, tmp_path: Path) -> None:
    inputs, targets = digits(low=False)
    changes = {"training.epochs": epochs, "training.threads": 1, "start.weights": str(known.folder)}
    run = leadline.train(inputs, targets=targets, folder=tmp_path / "run", changes=changes, observer=(heard := Noting()))
    assert run.results["transfer"]["cost"] < 1
    tried = {skill["name"] for skill in run.results["transfer"]["skills"]}
    untried = [name for name in ("fine-tuning", "training from scratch") if name not in tried]
    passes = f"a fifth of {epochs} epoch{'s' if epochs > 1 else ''} of 280 rows"
    expected = [f"{' and '.join(untried)}: in what trials may take, {passes}, they could show nothing"] if untried else []
    assert heard.of("not tried") == expected
    assert untried or epochs > 1, "one epoch is too little for both"


def test_what_was_tried_or_chosen_needs_no_words() -> None:
    tried = [{"name": "new head on late features"}, {"name": "fine-tuning"}]
    heard = Noting()
    tell_untried({}, 1, heard)
    tell_untried({"skills": tried[:1], "rows": 9, "forced": True}, 1, heard)
    tell_untried({"skills": [*tried, {"name": "training from scratch"}], "rows": 9}, 1, heard)
    assert heard.said == []
    tell_untried({"skills": tried, "rows": 9}, 4, heard)
    assert [text.partition(":")[0] for _, text in heard.said] == ["training from scratch"]
