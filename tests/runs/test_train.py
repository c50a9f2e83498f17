"""From data to a Run: everything the folder promises, for each task."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_trainings import QUICK, tables

import leadline
from leadline.errors import (
    ArgumentError,
    DataError,
    PlanError,
    SourceNotFoundError,
)
from leadline.runs import Observer, Prediction, Predictions, Run

FILES = {
    "run.json", "plan.json", "schema.json", "model.safetensors", "golden.safetensors", "history.jsonl", "checkpoint",
    "environment.json", "results.json", "examples.json", "report.html", "diagnosis.json",
}  # fmt: skip


def test_the_folder_holds_what_it_promises(run: Run) -> None:
    assert {path.name for path in run.folder.iterdir() if not path.name.startswith(".")} == FILES
    assert json.loads((run.folder / "run.json").read_text())["status"] == "finished"
    assert run.score > 0.8
    headline = run.results["scores"]["accuracy"]
    assert headline["low"] <= headline["value"] <= headline["high"]
    assert [row["name"] for row in run.results["baselines"]] == ["linear model", "nearest neighbours"]
    assert sum(map(sum, run.results["confusion"])) == run.results["rows"]["test"]
    assert "digits" in (run.folder / "report.html").read_text()


def test_the_test_score_is_what_the_predictions_say(run: Run) -> None:
    test = leadline.data.load("digits").test
    answers = run.predict(test.inputs, test.ids)
    assert isinstance(answers, Predictions)
    right = np.mean([int(answer) == target for answer, target in zip(answers.answers, test.targets, strict=True)])
    assert right == pytest.approx(run.score)
    assert [one.id for one in answers] == list(test.ids)


def test_one_prediction_in_every_form(run: Run, tmp_path: Path) -> None:
    picture = leadline.data.load("digits").test.inputs[0]
    expected = run.predict(picture)
    assert isinstance(expected, Prediction)
    assert sum(expected.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert expected.probability == max(expected.probabilities.values())
    for form in (
        picture[:, :, 0],
        picture.transpose(2, 0, 1),
        torch.from_numpy(picture),
        picture.astype(np.float64),
        Image.fromarray(picture[:, :, 0]),
    ):
        assert run.predict(form).probabilities == expected.probabilities
    Image.fromarray(picture[:, :, 0]).save(tmp_path / "a.png")
    by_path = run.predict(tmp_path / "a.png")
    assert (by_path.answer, by_path.id) == (expected.answer, str(tmp_path / "a.png"))
    (tmp_path / "b.png").write_text("no picture")
    several = run.predict(tmp_path)
    assert [one.answer for one in several] == [expected.answer]
    assert [row.id for row in several.excluded] == [str(tmp_path / "b.png")]
    assert len(several[:1]) == 1


def test_an_input_that_does_not_fit_says_what_would(run: Run) -> None:
    with pytest.raises(ArgumentError, match="8 × 8 × 1"):
        run.predict(np.zeros((5, 5)))
    with pytest.raises(SourceNotFoundError, match="nowhere.png"):
        run.predict("nowhere.png")
    with pytest.raises(ArgumentError, match="as many ids"):
        run.predict(np.zeros((2, 8, 8, 1), np.uint8), ["a"])


def test_evaluate_on_other_data_and_on_its_own(run: Run) -> None:
    own = run.evaluate("digits")
    assert own["scores"]["accuracy"]["value"] == run.score
    assert "only its test split" in own["note"]
    test = leadline.data.load("digits").test
    other = run.evaluate(test.inputs[:50], test.targets[:50])
    assert (other["rows"], other["note"]) == (50, "")
    with pytest.raises(DataError, match="not among those of the training: cat, dog"):
        run.evaluate(test.inputs[:20], np.array(["cat", "dog"] * 10))


@pytest.mark.parametrize("task", ["classes", "labels", "number"])
def test_arrays_of_every_task(task: str, tmp_path: Path) -> None:
    inputs, targets = tables(task)
    run = leadline.train(
        inputs,
        targets=targets,
        folder=tmp_path / "run",
        changes={"training.epochs": 25, "training.threads": 1, "training.schedule": "constant"},
    )
    assert run.results["task"] == task
    opened = leadline.open(tmp_path / "run")
    one = opened.predict(inputs[0])
    if task == "number":
        assert run.results["scores"]["r2"]["value"] > 0.8
        assert one.answer == pytest.approx(targets[0], abs=3)  # in its own units, around 100
        assert one.probabilities == {}
    elif task == "labels":
        assert run.results["scores"]["auroc"]["value"] > 0.9
        assert isinstance(one.answer, list)
    else:
        assert run.score > 0.8
        assert one.answer in ("0", "1")


def test_resolved_plan_again_gives_the_same_weights(run: Run, tmp_path: Path) -> None:
    again = leadline.train("digits", run.plan, folder=tmp_path / "again")
    for name, tensor in run.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], tensor)


def test_a_mistaken_plan_makes_no_folder(tmp_path: Path) -> None:
    with pytest.raises(PlanError):
        leadline.train("digits", folder=tmp_path / "run", changes={"training.bach": 3})
    assert not (tmp_path / "run").exists()


def test_a_plan_made_for_other_data_is_said(run: Run, tmp_path: Path) -> None:
    said = []

    class Listener(Observer):
        def note(self, label: str, text: str) -> None:
            said.append(text)

    inputs, targets = leadline.data.load("digits").test.inputs, leadline.data.load("digits").test.targets
    other = leadline.train(
        inputs, run.plan, targets=targets, folder=tmp_path / "other", changes={"training.epochs": 1}, observer=Listener()
    )
    assert any("made for other data" in text for text in said)
    assert other.plan.data.hash != run.plan.data.hash


def test_weights_of_another_run_to_start_from(run: Run, tmp_path: Path) -> None:
    started = leadline.train(
        "digits",
        folder=tmp_path / "run",
        changes={**QUICK, "training.epochs": 1, "start.weights": str(run.folder), "start.transfer": "whole"},
    )
    assert started.history["loss"][0] < run.history["loss"][0]
    with pytest.raises(PlanError, match="do not fit"):
        leadline.train(
            "digits", folder=tmp_path / "other", changes={**QUICK, "model.width": 5, "start.weights": str(run.folder)}
        )


def test_the_report_can_be_written_elsewhere(run: Run, tmp_path: Path, drawn: None) -> None:
    path = run.report(tmp_path / "page.html")
    assert path.read_text() == run.report().read_text()


@pytest.mark.parametrize("changes", [{"data.source": "cifar10"}, {"data.hash": "x"}])
def test_what_the_data_are_is_no_choice(changes: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="not a choice"):
        leadline.train("digits", folder=tmp_path / "run", changes=changes)


def test_splits_of_a_loaded_dataset_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="too late"):
        leadline.train(leadline.data.load("digits"), folder=tmp_path / "run", changes={"data.valid": 0.4})


def test_a_training_leaves_torch_as_it_was(tmp_path: Path) -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    threads = torch.get_num_threads()
    leadline.train("digits", folder=tmp_path / "run", changes={**QUICK, "training.epochs": 1, "training.threads": 2})
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.rand(3), expected)


def test_rows_set_aside_are_said_and_listed(tmp_path: Path) -> None:
    said: dict[str, str] = {}

    class Listener(Observer):
        def note(self, label: str, text: str) -> None:
            said[label] = text

    inputs, targets = tables("classes", 100)
    inputs[7, 2] = np.nan
    changes = {"training.epochs": 1, "model": "linear", "training.threads": 1}
    run = leadline.train(inputs, targets=targets, folder=tmp_path / "run", changes=changes, observer=Listener())
    assert "1 of the rows: row:7 (" in said["set aside"]
    assert [row["id"] for row in run.results["excluded"]] == ["row:7"]


def test_a_file_is_no_row_of_numbers(tmp_path: Path) -> None:
    inputs, targets = tables("classes", 60)
    run = leadline.train(inputs, targets=targets, folder=tmp_path / "run", changes={"training.epochs": 1, "model": "linear"})
    with pytest.raises(ArgumentError, match="not on files. Expected 5 numbers"):
        run.predict(b"bytes")


def test_a_plan_file_stays_one_when_all_that_it_says_is_changed(tmp_path: Path) -> None:
    rows, targets = tables("classes")
    plan = leadline.plan.Plan.from_toml("[training]\nlearning_rate = 0.01\n")
    changes = {"training.learning_rate": 0.02, "training.epochs": 1, "training.threads": 1, "model.depth": 1}
    run = leadline.train(rows, plan, targets=targets, folder=tmp_path / "run", changes=changes)
    proposed = leadline.plan.propose(leadline.data.load(rows, targets=targets), changes)
    assert run.plan.training.batch == proposed.training.batch != leadline.plan.Plan().training.batch
    assert run.plan.training.average == proposed.training.average
    assert run.plan.model == proposed.model
    assert run.plan.why["training.learning_rate"] == run.plan.why["model.depth"] == "chosen by you"


def test_arguments_of_the_proposed_network_can_be_changed_beside_a_file(tmp_path: Path) -> None:
    plan = leadline.plan.Plan.from_toml("[training]\nepochs = 1\n")
    changes = {"model.members": 2, "training.threads": 1}
    run = leadline.train("wine", plan, folder=tmp_path / "run", changes=changes)
    assert (run.plan.model.name, run.plan.model.arguments["members"]) == ("tabular", 2)
    assert run.plan.why["model.members"] == "chosen by you"
