"""Trainings on inputs alone, and layers that learn first, that are stopped and come to the weights of those that are not."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import leadline
from leadline.errors import Interrupted
from leadline.runs import Observer, Run

QUICK = {"training.threads": 1, "training.device": "cpu", "training.epochs": 4}
DRAWN = "persistent_divergence(particles=20, binarize=True)"
FAMILIES: dict[str, dict[str, Any]] = {
    "autoencoder": {"model": "autoencoder"},
    "variational": {"model": "variational_autoencoder", "model.hidden": "32", "model.code": 4},
    "persistent": {"model": "rbm", "model.hidden": 24, "training.loss": DRAWN},
    "belief net": {"model": "deep_belief_net", "model.hidden": "24-16-8"},  # stopped while the second machine learns
}


class Impatient(Observer):
    """Stops a training where something is told of it, and keeps the labels of what was."""

    def __init__(self, *, at_note: Callable[[str], bool] = lambda text: False, at_epoch: int = 0) -> None:
        self.at_note, self.at_epoch, self.labels = at_note, at_epoch, list[str]()

    def note(self, label: str, text: str) -> None:
        self.labels.append(label)
        if self.at_note(text):
            raise Interrupted("Stopped before the training")

    def log(self, record: dict[str, Any]) -> None:
        if record["epoch"] == self.at_epoch:
            raise Interrupted("Stopped in the middle")


def check_same(whole: Run, again: Run) -> None:
    weights = again.model.state_dict()
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, weights[name]), name


@pytest.mark.parametrize("family", FAMILIES)
def test_a_training_that_was_stopped_comes_to_the_same_weights(family: str, tmp_path: Path) -> None:
    changes = {**QUICK, "data.task": "reconstruct", **FAMILIES[family]}
    whole = leadline.train("digits", changes=changes, folder=tmp_path / "whole")
    stopped = Impatient(at_epoch=2)
    with contextlib.suppress(Interrupted):
        leadline.train("digits", changes=changes, folder=tmp_path / "cut", observer=stopped, checkpoint_every=0)
    check_same(whole, leadline.resume(tmp_path / "cut"))


@pytest.mark.parametrize("stops", ["at the second layer", "after them"])
def test_layers_that_learned_first_are_the_same_when_it_goes_on(stops: str, tmp_path: Path) -> None:
    how = {"at the second layer": "rbm(epochs=2)", "after them": "autoencoder(epochs=2, corruption='masking(0.2)')"}[stops]
    changes = {**QUICK, "model.width": 16, "start.pretrain": how}
    whole = leadline.train("digits", changes=changes, folder=tmp_path / "whole")
    stopped, going_on = Impatient(at_epoch=2), Impatient()
    if stops == "at the second layer":
        stopped = Impatient(at_note=lambda said: said.startswith("layer 2"))
    with contextlib.suppress(Interrupted):
        leadline.train("digits", changes=changes, folder=tmp_path / "cut", observer=stopped, checkpoint_every=0)
    check_same(whole, leadline.resume(tmp_path / "cut", observer=going_on))
    if stops == "after them":
        assert "pretrain" not in going_on.labels
