"""What figures of a code show: units within what they can be, and pictures a few at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import leadline
from leadline.runs import Run
from leadline.runs.reconstructing import code_figures
from leadline.runs.reconstructing.code_figures import CodeFigures, pictures_of_units


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Run:
    changes = {
        "data.task": "reconstruct",
        "model": "rbm",
        "model.hidden": 16,
        "training.epochs": 3,
        "training.learning_rate": 0.2,
        "training.threads": 1,
        "training.device": "cpu",
    }
    return leadline.train("digits", changes=changes, folder=tmp_path_factory.mktemp("run") / "digits")


@pytest.fixture
def figures(machine: Run) -> CodeFigures:
    return CodeFigures(machine.predictor, leadline.data.load("digits", task="reconstruct").test)


def test_single_numbers_go_as_far_as_they_ever_do(figures: CodeFigures, monkeypatch: pytest.MonkeyPatch) -> None:
    """The units of a machine are probabilities, which 2.5 deviations would lead out of."""
    asked, shown = list[Tensor](), figures._of_codes

    def noting(codes: Tensor) -> Any:
        asked.append(codes)
        return shown(codes)

    monkeypatch.setattr(figures, "_of_codes", noting)
    figures._codes = np.random.default_rng(0).integers(0, 2, (60, 16)).astype(np.float32)
    assert figures._numbers() is not None
    for swept in asked:
        assert (swept.amin(), swept.amax()) == (0, 1)
        assert int((swept.std(dim=0) > 0).sum()) == 1


def test_pictures_of_the_map_are_prepared_a_few_at_a_time(figures: CodeFigures, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, seen, prepared = np.arange(50), list[int](), figures._rows

    def counting(part: Any) -> Tensor:
        seen.append(len(part))
        return prepared(part)

    monkeypatch.setattr(figures, "_rows", counting)
    monkeypatch.setattr(code_figures, "_BATCH", 20)
    small = figures._thumbnails(rows)
    assert seen == [20, 20, 10]
    for mine, whole in zip(small, pictures_of_units(prepared(rows)), strict=True):
        np.testing.assert_array_equal(mine, whole)


@pytest.mark.parametrize(("size", "shown"), [((224, 200), (74, 66)), ((300, 3), (100, 1)), ((64, 40), (64, 40))])
def test_large_pictures_are_shrunk_for_the_map(size: tuple[int, int], shown: tuple[int, int]) -> None:
    x = torch.rand(2, 3, *size)
    small = code_figures._small(x)
    assert small.shape == (2, 3, *shown)
    assert small.mean() == pytest.approx(float(x.mean()), abs=0.02)
