"""Stretches and gates of series, and what the report shows of both kinds, through Runs that were trained."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import leadline
from leadline.data import Classes, Schema
from leadline.data.series.series import Series
from leadline.errors import ArgumentError
from leadline.plan import Plan
from leadline.report.sequence_section import sequence_view
from leadline.runs import Run
from leadline.runs.explaining_gates import GateDrawer, recurrent_layers
from leadline.runs.explaining_sequences import find_deciding, gradients_of
from leadline.runs.explaining_series import SeenSeries, SeriesExplainer, explain_series
from leadline.runs.explaining_texts import explain_text
from leadline.runs.predicting import Prediction

STEPS = 40
QUICK = {"training.epochs": 12, "training.threads": 1, "training.device": "cpu", "training.batch": 16}


def bumps(rows: int = 90) -> tuple[list[np.ndarray[Any, Any]], list[str]]:
    """Two channels of noise; the second has a bump at steps 8 to 13 in half of the rows."""
    random = np.random.default_rng(0)
    series = [random.normal(0, 0.2, (STEPS + row % 3, 2)).astype(np.float32) for row in range(rows)]
    for row in range(0, rows, 2):
        series[row][8:14, 1] += 3
    return series, ["bump", "flat"] * (rows // 2)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    series, names = bumps()
    changes = {
        "model": "recurrent",
        "model.hidden": 12,
        "model.cell": "gru",
        "training.learning_rate": 0.02,
        **QUICK,
        "training.epochs": 40,
    }
    return leadline.train(series, targets=names, changes=changes, folder=tmp_path_factory.mktemp("runs") / "bumps")


def test_the_stretch_and_the_channel_that_decided_are_found(run: Run) -> None:
    series, _ = bumps()
    seen = explain_series(run, series[0])
    assert seen.classes == ("bump",)
    (start, end, worth), *_ = seen.decisive()
    assert worth > 0.4
    assert seen.window > 4, "a tenth of the series leaves enough of the bump for the largest value over all steps"
    assert start < 14
    assert end > 8
    assert end - start <= 2 * seen.window
    assert seen.apart[0, :, 1].max() > 3 * np.abs(seen.apart[0, :, 0]).max()
    assert seen.to_json()["stretches"]["bump"][0][0] == start
    both = explain_series(run, series[0], top=2, window=4)
    assert both.window == 4
    assert both.worth[0] == pytest.approx(-both.worth[1], abs=1e-4)


def test_stretches_for_and_against() -> None:
    worth = np.array([[0, 2, 2, 0, -3, -3, -1, 1.5]], np.float32)
    seen = SeenSeries("a", Prediction("a", "x", {}), ("x",), (1.0,), np.zeros((8, 1)), ("v",), worth, worth[:, :, None])
    assert seen.decisive() == [(1, 3, 2.0), (7, 8, 1.5)]
    assert seen.decisive(against=True) == [(4, 6, -3.0)]
    assert seen.decisive(most=1) == [(1, 3, 2.0)]
    nothing = SeenSeries("a", Prediction("a", "x", {}), ("x",), (1.0,), np.zeros((8, 1)), ("v",), 0 * worth, worth[:, :, None])
    assert nothing.decisive() == nothing.decisive(against=True) == []


def test_many_channels_are_covered_together_only() -> None:
    class Mean(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean((1, 2))[:, None] * torch.tensor([1.0, -1.0])

    inputs = Series.learn(np.random.default_rng(0).normal(size=(3, 9, 70)).astype(np.float32))
    run = Run(Path("nowhere"), Plan(), Schema(inputs, Classes(("up", "down"))), Mean(), torch.device("cpu"))
    seen = SeriesExplainer(run)(np.ones((9, 70)), "a")
    assert (seen.worth.shape, seen.apart.shape) == ((1, 9), (1, 9, 0))


def test_gates_and_single_units_of_both_directions(run: Run) -> None:
    explainer, (series, _) = SeriesExplainer(run), bumps()
    stored = explainer.inputs.encode(series[0])
    x = explainer.prepared(stored)
    names = recurrent_layers(run.model)
    pictures = GateDrawer(run).series(x, stored, explainer.inputs.channels)
    assert [each.name for each in pictures] == ["gates", "cells", "gates-back", "cells-back"]
    assert all(Image.open(io.BytesIO(each.png)).width > 500 for each in pictures)
    assert "reads from the end" in pictures[2].says
    one = GateDrawer(run, layer=names[0], units=[3, 5]).series(x, stored, explainer.inputs.channels)
    assert [each.name for each in one] == ["gates", "cells"]
    with pytest.raises(ArgumentError, match=r"no cell 12.*0 to 11"):
        GateDrawer(run, units=[12]).series(x, stored, explainer.inputs.channels)
    with pytest.raises(ArgumentError, match="no recurrent layer 'recurrent.ahead.1'.*Did you mean"):
        GateDrawer(run, layer="recurrent.ahead.1")
    with pytest.raises(ArgumentError, match="at most 12"):
        GateDrawer(run, units=range(13))
    with pytest.raises(ArgumentError, match="no recurrent layer, and so no gates"):
        GateDrawer(Run(run.folder, run.plan, run.schema, nn.Linear(2, 2), run.device))


def test_the_report_has_rows_of_both_kinds_and_the_gradient(run: Run) -> None:
    series, names = bumps()
    dataset = leadline.data.load(series, names)
    values = run.predictor.all_values(dataset.test.inputs)
    values[0] = values[0][::-1]  # one that counts as wrong
    pools = [(each.kind, each.attention) for each in run.model.modules() if hasattr(each, "attention")]
    found = find_deciding(run, dataset, values, seconds=60)
    assert [row["right"] for row in found["rows"]].count(False) == 1
    assert [row["right"] for row in found["rows"]].count(True) == 3
    wrong = next(row for row in found["rows"] if not row["right"])
    assert wrong["answer"] != wrong["truth"]
    assert len({row["id"] for row in found["rows"]}) == 4
    assert [each["name"] for each in found["gradients"]] == recurrent_layers(run.model)
    assert [each["backward"] for each in found["gradients"]] == [False, True]
    assert all(len(each["norms"]) == STEPS + 2 for each in found["gradients"])
    assert pools == [(each.kind, each.attention) for each in run.model.modules() if hasattr(each, "attention")]
    view = sequence_view({"deciding": found})
    assert view is not None
    assert [len(group["rows"]) for group in view["groups"]] == [3, 1]
    late = find_deciding(run, dataset, values, seconds=-1)
    assert late["rows"] == []


def test_the_gradient_is_that_of_the_way_through_time_whatever_the_head_takes(run: Run) -> None:
    series, names = bumps()
    dataset = leadline.data.load(series, names)
    last = gradients_of(run, dataset)
    (pool,) = [each for each in run.model.modules() if hasattr(each, "attention")]
    kind = pool.kind
    try:
        pool.kind = "mean" if kind != "mean" else "max"
        assert gradients_of(run, dataset) == last
    finally:
        pool.kind = kind


def test_the_report_of_texts(tmp_path: Path) -> None:
    texts = [f"{mark} film with number {number}" for number in range(60) for mark in ("good", "bad")]
    changes = {"model": "recurrent", "model.hidden": 6, "model.cell": "rnn", **QUICK, "training.epochs": 3}
    run = leadline.train(texts, targets=["yes", "no"] * 60, changes=changes, folder=tmp_path / "run")
    dataset = leadline.data.load(texts, ["yes", "no"] * 60)
    found = find_deciding(run, dataset, run.predictor.all_values(dataset.test.inputs), seconds=60)
    assert found["kind"] == "texts"
    assert all(len(row["pieces"]) == len(row["worth"]) == len(row["gaps"]) for row in found["rows"])
    assert any("film" in row["pieces"] for row in found["rows"])
    assert found["gradients"]
    (ids,) = [torch.tensor([2, 3, 4])]
    pictures = GateDrawer(run).text(ids, ["a", "b", "c"], [" ", " ", ""])
    assert {each.name for each in pictures} >= {"gates", "cells"}
    with pytest.raises(ArgumentError, match="was not trained on texts.*got series"):
        explain_text(
            Run(run.folder, run.plan, Schema(Series(("v",), (0.0,), (1.0,), 5, 5), run.schema.answers), run.model, run.device),
            "a",
        )
    assert find_deciding(run, leadline.data.load("digits"), np.zeros((0, 2)), seconds=1) == {}
