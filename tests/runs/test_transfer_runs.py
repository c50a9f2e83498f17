"""Runs that start from another one: every way, judged, opened, resumed and predicted with when that one is gone."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from small_trainings import QUICK, AtStep, tables

import leadline
from leadline.data.pictures.pictures import Pictures
from leadline.errors import DataError, Interrupted, LeadlineError, PlanError, RunError, SourceNotFoundError
from leadline.models import resnet20
from leadline.plan import build, propose
from leadline.plan.transferring import Resolved, resolve
from leadline.runs import Observer, Run
from leadline.runs.scripting import script_plan, script_run
from leadline.training import run_loop
from leadline.transfer import cut, fit_vectors_head, frozen

Rows = tuple[NDArray[Any], NDArray[Any]]
SMALL = {"training.epochs": 4, "training.threads": 1, "training.layout": "contiguous"}


class Noting(Observer):
    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def note(self, label: str, text: str) -> None:
        self.said.append((label, text))

    def all(self) -> str:
        return "\n".join(f"{label}: {text}" for label, text in self.said)


def digits(low: bool, rows: int = 400) -> Rows:
    """Pictures of the digits 0 to 4, or of 5 to 9."""
    whole = leadline.data.load("digits").train
    chosen = np.flatnonzero((whole.targets < 5) == low)[:rows]
    return np.asarray(whole.inputs)[chosen], np.asarray(whole.targets)[chosen]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Run:
    inputs, targets = digits(low=True)
    return leadline.train(inputs, targets=targets, folder=tmp_path_factory.mktemp("known") / "run", changes=QUICK)


@pytest.fixture
def source(known: Run, tmp_path: Path) -> Path:
    """A copy of that Run that a test can take away."""
    return Path(shutil.copytree(known.folder, tmp_path / "source"))


def start(path: Path, way: str = "auto", **changes: Any) -> dict[str, Any]:
    return {**SMALL, "start.weights": str(path), "start.transfer": way, **changes}


def transferred(source: Path, way: str, folder: Path, observer: Observer | None = None, **changes: Any) -> Run:
    inputs, targets = digits(low=False)
    return leadline.train(inputs, targets=targets, folder=folder, changes=start(source, way, **changes), observer=observer)


@pytest.mark.parametrize("way", ["head", "early head", "fine-tune", "scratch"])
def test_every_way_stands_for_itself_when_the_source_is_gone(way: str, source: Path, tmp_path: Path) -> None:
    run = transferred(source, way, tmp_path / "run")
    shutil.rmtree(source)
    again = leadline.open(run.folder)
    assert again.plan.start.transfer == way
    inputs, targets = digits(low=False)
    assert again.score == run.score > 0.7
    assert again.evaluate(inputs, targets)["scores"]["accuracy"]["value"] == pytest.approx(run.score)
    assert [one.answer for one in again.predict(inputs[:20])] == [one.answer for one in run.predict(inputs[:20])]
    assert again.features(inputs[:3]).shape[0] == 3
    assert not (run.folder / "checkpoint" / "first.safetensors").exists()


def test_what_was_measured_is_said_written_and_reported(source: Path, tmp_path: Path) -> None:
    listener = Noting()
    run = transferred(source, "auto", tmp_path / "run", listener)
    plan, record = run.plan, run.results["transfer"]
    assert plan.start.transfer in ("head", "early head", "fine-tune", "scratch")
    assert record["decision"] == plan.start.transfer
    assert plan.start.layer == ("" if plan.start.transfer == "scratch" else record["layer"])
    best = next(skill for skill in record["skills"] if skill["name"] == "new head on late features")
    assert f"new head on late features at {best['layer']}: {best['value']:.3f}" in listener.all()
    assert record["words"] in plan.why["start.transfer"]
    assert f"{best['value']:.3f}" in plan.why["start.transfer"], "the reason has its numbers"
    assert f"transfer: {record['words']}: {record['decision']}" in listener.all()
    page = (run.folder / "report.html").read_text()
    assert "What it started from" in page
    assert record["words"][1:] in page
    assert plan.why["model.name"].startswith("that of the Run")
    assert type(plan).from_toml(plan.to_toml()).start == plan.start


def test_a_head_is_on_the_very_features_of_the_source(known: Run, tmp_path: Path) -> None:
    run = transferred(known.folder, "head", tmp_path / "run")
    inputs, _ = digits(low=False)
    assert isinstance(run.schema.inputs, Pictures)
    assert isinstance(known.schema.inputs, Pictures)
    assert run.schema.inputs.mean == known.schema.inputs.mean, "prepared as the network knows it"
    prepared = known.schema.inputs.preparer(torch.device("cpu"))(torch.from_numpy(inputs[:50]))
    backbone = cut(known.model, run.plan.start.layer, prepared.shape[1:], grid=run.plan.start.grid)
    with torch.no_grad():
        expected = run.model.get_submodule("head")(backbone(prepared))
        assert torch.allclose(run.model(prepared), expected, atol=1e-5)
    assert frozen(run.model.get_submodule("backbone"))
    grid = run.results["transfer"]["grid_table"]
    assert run.history["valid_loss"] == [row["valid_loss"] for row in grid]
    assert run.history["l2"] == [row["l2"] for row in grid]
    kept = [record["l2"] for record in run.history if record["best"]]
    assert kept == [min(grid, key=lambda row: row["valid_loss"])["l2"]]
    assert run.results["epochs"] is None


def test_the_best_head_of_the_first_layers_or_a_layer_of_ones_own(known: Run, tmp_path: Path) -> None:
    early = transferred(known.folder, "early head", tmp_path / "early")
    assert early.plan.start.layer != transferred(known.folder, "head", tmp_path / "head").plan.start.layer
    mine = transferred(known.folder, "head", tmp_path / "mine", **{"start.layer": "0", "start.grid": 2})
    assert (mine.plan.start.layer, mine.plan.start.grid) == ("0", 2)
    assert mine.plan.why["start.layer"] == "chosen by you"
    assert mine.model.get_submodule("head").in_features == 8 * 2 * 2


def resolved(known: Run, way: str, **changes: Any) -> Resolved:
    data = leadline.data.load(*digits(low=False))
    arguments = {f"model.{name}": value for name, value in known.plan.model.arguments.items()}
    return resolve(propose(data, {"model": "convnet", **arguments, **start(known.folder, way, **changes)}), data)


def test_fine_tuning_trains_everything_and_the_far_layers_less(known: Run) -> None:
    found = resolved(known, "fine-tune", **{"training.optimizer": "adam", "training.weight_decay": 0})
    built = build(found.plan, found.dataset, first=found.first)
    run_loop(built.step, built.batches, epochs=4)
    before = known.model.state_dict()
    moved = [
        float((value.detach() - before[short]).abs().max())
        for name, value in built.model.named_parameters()
        if (short := name.removeprefix("backbone.network.")) in before and value.ndim == 4
    ]
    assert 0 < moved[0] < 0.5 * moved[-1]
    assert found.plan.training.step == "plain"
    assert found.plan.training.learning_rate == 1e-3


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals reach the main thread only")
def test_fine_tuning_goes_on_to_the_bit_without_its_source(source: Path, tmp_path: Path) -> None:
    whole = transferred(source, "fine-tune", tmp_path / "whole")
    stop = AtStep(30, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(Interrupted):
        transferred(source, "fine-tune", tmp_path / "parts", stop)
    shutil.rmtree(source)
    inputs, targets = digits(low=False)
    resumed = leadline.resume(tmp_path / "parts", inputs, targets=targets)
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], tensor), name
    assert resumed.history["loss"] == whole.history["loss"]
    assert resumed.results["transfer"]["grid_table"] == whole.results["transfer"]["grid_table"]


def test_a_head_that_was_interrupted_is_solved_when_resumed(source: Path, tmp_path: Path) -> None:
    class Impatient(Observer):
        def note(self, label: str, text: str) -> None:
            if label == "head":
                raise KeyboardInterrupt

    whole = transferred(source, "head", tmp_path / "whole")
    with pytest.raises(Interrupted):
        transferred(source, "head", tmp_path / "parts", Impatient())
    shutil.rmtree(source)
    inputs, targets = digits(low=False)
    resumed = leadline.resume(tmp_path / "parts", inputs, targets=targets)
    assert torch.equal(resumed.model.get_submodule("head").weight, whole.model.get_submodule("head").weight)
    assert resumed.schema == whole.schema


def test_a_transfer_of_a_transfer_remembers_every_network(source: Path, tmp_path: Path) -> None:
    first = transferred(source, "head", tmp_path / "first")
    inputs, targets = digits(low=True)
    second = leadline.train(inputs, targets=targets, folder=tmp_path / "second", changes=start(first.folder, "fine-tune"))
    shutil.rmtree(source)
    shutil.rmtree(first.folder)
    assert len(second.plan.start.known) == 2
    again = leadline.open(second.folder)
    assert again.score == second.score > 0.9
    assert any(weight.requires_grad for name, weight in again.model.named_parameters() if name.startswith("backbone"))


def test_other_colours_and_another_size(known: Run, tmp_path: Path) -> None:
    inputs, targets = digits(low=False, rows=200)
    larger = np.repeat(np.repeat(np.repeat(inputs, 2, 1), 2, 2), 3, 3)
    run = leadline.train(larger, targets=targets, folder=tmp_path / "run", changes=start(known.folder, "head"))
    assert run.schema.inputs.shape == (3, 16, 16)
    assert leadline.open(run.folder).score == run.score > 0.6


def test_a_file_of_weights_with_the_name_of_its_network(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = torch.nn.DataParallel(resnet20(classes=7))
    torch.save({"state_dict": network.state_dict(), "best": 1.0}, tmp_path / "net.th")
    inputs, targets = digits(low=False, rows=120)
    changes = start(tmp_path / "net.th", "head", **{"training.augment.flip": False})
    with pytest.raises(PlanError, match=r"Which network are the weights in .*--set model="):
        leadline.train(inputs, targets=targets, folder=tmp_path / "none", changes=changes)
    run = leadline.train(inputs, targets=targets, folder=tmp_path / "run", changes={**changes, "model": "resnet20"})
    assert run.plan.start.known[0]["outputs"] == 7
    assert torch.equal(run.model.state_dict()["backbone.cut.network.conv1.weight"], network.module.conv1.weight)
    (tmp_path / "net.th").unlink()
    assert leadline.open(run.folder).score == run.score


def test_features_that_are_computed_already_get_a_head(known: Run, tmp_path: Path) -> None:
    inputs, targets = digits(low=False)
    np.savez(tmp_path / "features.npz", x=known.features(inputs), y=targets)
    listener = Noting()
    run = leadline.train(
        tmp_path / "features.npz", folder=tmp_path / "run", changes={"start.transfer": "head"}, observer=listener
    )
    _, expected = fit_vectors_head(leadline.data.load(tmp_path / "features.npz"))
    assert run.plan.model.name == "linear"
    assert torch.equal(run.model.state_dict()["1.weight"], expected.head.weight)
    assert run.score > 0.7
    assert "a head with a penalty of" in listener.all()
    assert leadline.open(run.folder).score == run.score
    assert "features that are computed already" in (run.folder / "report.html").read_text()


def test_several_fine_tunings_and_the_best_of_them(known: Run, tmp_path: Path) -> None:
    run = transferred(known.folder, "fine-tune", tmp_path / "run", **{"start.restarts": 2, "training.epochs": 2})
    assert len(run.results["restarts"]["networks"]) == 2
    assert run.plan.start.together == "one by one"
    assert leadline.open(run.folder).score == run.score


def test_the_last_run_by_name(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(source, tmp_path / "runs" / "digits-1")
    assert transferred(Path("last"), "head", tmp_path / "run").plan.start.weights == "runs/digits-1"


def test_a_frozen_network_takes_a_batch_of_one(known: Run) -> None:
    head, tuned = (resolved(known, way, **{"training.batch": 1}) for way in ("head", "fine-tune"))
    assert build(head.plan, head.dataset, first=head.first).batches.batch_size == 1
    with pytest.raises(PlanError, match="no variance"):
        build(tuned.plan, tuned.dataset, first=tuned.first)


def test_a_plan_alone_does_not_hold_the_weights(known: Run, tmp_path: Path) -> None:
    run = transferred(known.folder, "head", tmp_path / "run")
    inputs, targets = digits(low=False)
    with pytest.raises(PlanError, match=r"`first` of plan.resolve"):
        build(run.plan, leadline.data.load(inputs, targets))
    for write in (script_run, script_plan):
        with pytest.raises(PlanError, match="cannot be written as a script"):
            write(run.folder if write is script_run else run.plan, tmp_path / "a.py", source=inputs, targets=targets)


def unfinished(folder: Path) -> Path:
    (folder / "model.safetensors").unlink()
    return folder


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"start.weights": "{tmp}"}, SourceNotFoundError, "is not a Run folder"),
        ({"start.weights": "resnet81"}, SourceNotFoundError, "Did you mean 'resnet18'"),
        ({"start.weights": "{source}", "model": "convnet", "model.width": 9}, PlanError, "do not fit this network.*width = 8"),
        ({"start.weights": "{source}", "model": "resnet20"}, PlanError, "do not fit.*model.name = convnet"),
        ({"start.weights": "{pickle}", "model": "resnet20"}, DataError, "nothing of it was run"),
        ({"start.weights": "{words}", "model": "resnet20"}, DataError, "holds no weights"),
        ({"start.weights": "{other}", "model": "resnet20"}, PlanError, "do not fit this network"),
        ({"start.weights": "{tables}"}, PlanError, "knows no pictures"),
        ({"start.weights": "{mlp}"}, PlanError, r"cannot take pictures of 8 × 8.*--size 12"),
        ({"start.transfer": "fine-tune"}, PlanError, "needs weights"),
        ({"start.transfer": "haed"}, PlanError, "Did you mean 'head'"),
        ({"start.weights": "{source}", "start.layer": "layre"}, PlanError, "There is no layer 'layre'"),
        ({"start.weights": "{source}", "start.transfer": "head", "start.restarts": 3}, PlanError, "would be the same"),
        ({"start.weights": "{source}", "start.transfer": "fine-tune", "training.step": "recorded"}, PlanError, "recorded"),
        ({"start.weights": "{source}", "start.initialize": "he"}, PlanError, "Leave one of them out"),
    ],
)
def test_whatever_cannot_be_ends_in_one_clear_paragraph(
    changes: dict[str, Any], error: type[LeadlineError], says: str, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "pickle.pt").write_bytes(pickle.dumps(Path(".")))
    (tmp_path / "words.pt").write_text("these are no weights")
    torch.save(torch.nn.Linear(3, 4).state_dict(), tmp_path / "other.pt")
    places = {"tmp": tmp_path, "source": source, **{name: tmp_path / f"{name}.pt" for name in ("pickle", "words", "other")}}
    if changes.get("start.weights") in ("{tables}", "{mlp}"):
        places |= {name: tmp_path / name for name in ("tables", "mlp")}
        rows = np.random.default_rng(0).integers(0, 255, (60, 12, 12, 1)).astype(np.uint8)
        quick = {"training.epochs": 1, "training.threads": 1}
        if changes["start.weights"] == "{tables}":
            leadline.train(tables("classes")[0], targets=tables("classes")[1], folder=tmp_path / "tables", changes=quick)
        else:
            leadline.train(rows, targets=np.arange(60) % 2, folder=tmp_path / "mlp", changes={**quick, "model": "mlp"})
    inputs, targets = digits(low=False, rows=100)
    given = {key: value.format(**places) if isinstance(value, str) else value for key, value in changes.items()}
    with pytest.raises(error, match=f"(?s){says}"):
        leadline.train(inputs, targets=targets, folder=tmp_path / "run", changes={**SMALL, **given})
    assert not (tmp_path / "run").exists(), "nothing is begun"


def test_an_unfinished_run_and_tables_that_want_heads(source: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not finished"):
        transferred(unfinished(source), "head", tmp_path / "run")
    inputs, targets = tables("classes")
    first = leadline.train(inputs, targets=targets, folder=tmp_path / "first", changes={**SMALL, "model": "mlp"})
    with pytest.raises(PlanError, match="is for networks on pictures"):
        leadline.train(inputs, targets=targets, folder=tmp_path / "two", changes=start(first.folder, "head"))
    again = leadline.train(inputs, targets=targets, folder=tmp_path / "three", changes=start(first.folder))
    assert again.plan.start.transfer == "whole"
    assert again.history["loss"][0] < first.history["loss"][0]


def test_maps_of_features_are_averaged_in_training_and_prediction(tmp_path: Path) -> None:
    targets = np.arange(240) % 3
    maps = np.random.default_rng(0).normal(size=(240, 6, 6, 40)).astype(np.float32)
    maps[np.arange(240), :, :, targets] += 1.0
    np.savez(
        tmp_path / "bottleneck.npz", train=maps[:160], train_targets=targets[:160], test=maps[160:], test_targets=targets[160:]
    )
    listener = Noting()
    run = leadline.train(
        tmp_path / "bottleneck.npz", folder=tmp_path / "run", changes={"start.transfer": "head"}, observer=listener
    )
    assert run.schema.inputs.shape == (40,)
    assert "maps of 6 × 6 × 40" in listener.all()
    assert run.score > 0.9
    again = leadline.open(run.folder)
    found = again.predict(maps[160:])
    assert np.mean([int(answer) for answer in found.answers] == targets[160:]) == pytest.approx(run.score)
    assert again.predict(maps[200]).answer == found[40].answer
    assert again.evaluate(tmp_path / "bottleneck.npz")["scores"]["accuracy"]["value"] == pytest.approx(run.score)


def test_the_time_left_of_a_fine_tuning_knows_that_later_steps_cost_more(source: Path, tmp_path: Path) -> None:
    class Weighed(Observer):
        def __init__(self) -> None:
            self.works: list[Any] = []

        def weigh(self, work: Any) -> None:
            self.works.append(work)

    observer = Weighed()
    transferred(source, "fine-tune", tmp_path / "run", observer)
    (work,) = observer.works
    assert (work(0.0), work(1.0)) == (0.0, pytest.approx(1.0))
    assert work(0.15) < 0.12
    transferred(source, "scratch", tmp_path / "other", observer)
    assert len(observer.works) == 1
