"""Trainings on inputs alone from end to end: judged beside components, opened again, asked, resumed, served to others."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

import leadline
from leadline.data.unlabelled.reconstructions import Reconstructions
from leadline.errors import LeadlineError
from leadline.models import RestrictedBoltzmannMachine
from leadline.models.boltzmann.annealed_sampling import exact_log_partition
from leadline.models.boltzmann.belief_nets import upward_weights
from leadline.runs import Observer, Run
from leadline.runs.reconstructing.telling_again import ToldAgain, ToldRows

QUICK = {"data.task": "reconstruct", "training.threads": 1, "training.device": "cpu"}


class Heard(Observer):
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def note(self, label: str, text: str) -> None:
        self.lines.append((label, text))

    def said(self, label: str) -> str:
        return " ".join(text for name, text in self.lines if name == label)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Heard]:
    heard = Heard()
    changes = {**QUICK, "data.usual": "0,1,2,3,4,5,6,7,8", "training.epochs": 30, "model.hidden": "64-32"}
    run = leadline.train("digits", changes=changes, folder=tmp_path_factory.mktemp("run") / "digits", observer=heard)
    return run, heard


def test_it_is_judged_beside_as_many_components_as_the_code_has_numbers(digits: tuple[Run, Heard]) -> None:
    run, heard = digits
    results, code = run.results, run.plan.model.arguments["code"]
    assert (results["task"], results["headline"], results["code"]["numbers"]) == ("reconstruct", "explained", code)
    components, mean = results["baselines"]
    assert components["name"] == "principal components"
    assert components["detail"].startswith(f"{code} of them")
    assert mean["scores"]["explained"]["value"] == pytest.approx(0, abs=0.02)
    assert 0.5 < results["scores"]["explained"]["value"] < 1
    assert components["network_ahead"]["value"] == pytest.approx(
        results["scores"]["explained"]["value"] - components["scores"]["explained"]["value"]
    )
    assert "principal components" in heard.said("beside it")
    assert "AUROC" in heard.said("odd")


def test_components_are_judged_as_scikit_learn_would(digits: tuple[Run, Heard]) -> None:
    from sklearn.decomposition import PCA

    run, _ = digits
    dataset = leadline.data.load("digits", task="reconstruct", usual="0,1,2,3,4,5,6,7,8")
    answers: Any = dataset.schema.answers
    train, test = (np.asarray(part.inputs, np.float64).reshape(len(part), -1) / 16 for part in (dataset.train, dataset.test))
    test = test[~answers.is_odd(dataset.test.targets)]
    fitted = PCA(run.plan.model.arguments["code"], svd_solver="full").fit(train)
    errors = np.square(fitted.inverse_transform(fitted.transform(test)) - test).sum()
    spread = np.square(test - train.mean(0)).sum()
    assert run.results["baselines"][0]["scores"]["explained"]["value"] == pytest.approx(1 - errors / spread, abs=1e-5)


def test_odd_rows_are_found_and_the_threshold_is_kept(digits: tuple[Run, Heard]) -> None:
    run, _ = digits
    told = run.results["oddness"]
    assert told["classes"] == ["9"]
    assert told["chosen"]["by"] == "f1"
    assert told["odd"] > 40
    assert run.results["scores"]["anomaly_auroc"]["value"] > 0.6
    opened = leadline.open(run.folder)
    answers = opened.schema.answers
    assert isinstance(answers, Reconstructions)
    assert answers.threshold == told["threshold"]
    assert len(answers.reference) > 100


def test_it_tells_one_again_and_several(digits: tuple[Run, Heard]) -> None:
    run = leadline.open(digits[0].folder)
    test = leadline.data.load("digits").test
    one, several = run.predict(test.inputs[0]), run.predict(list(test.inputs[:5]), ids=list("abcde"))
    assert isinstance(one, ToldAgain)
    assert isinstance(several, ToldRows)
    assert one.told.shape == (8, 8, 1)
    assert one.told.dtype == np.uint8
    assert several.scores[0] == pytest.approx(one.score, rel=1e-5)
    assert [row.id for row in several] == list("abcde")
    error = np.square(one.told.astype(float) - test.inputs[0]).mean()
    assert error < np.square(np.asarray(test.inputs[0], float).mean() - test.inputs[0]).mean()
    # Noise is nothing like a digit.
    noise = np.random.default_rng(0).integers(0, 17, (8, 8, 1), dtype=np.uint8)
    strange = run.predict(noise)
    assert isinstance(strange, ToldAgain)
    assert strange.odd
    assert strange.rarity < 0.05
    bad = run.predict([test.inputs[0], "nowhere.png"])
    assert len(bad) == 1
    assert len(bad.excluded) == 1


def test_features_are_codes(digits: tuple[Run, Heard]) -> None:
    run = digits[0]
    codes = run.features(leadline.data.load("digits").test.inputs[:7])
    assert codes.shape == (7, run.plan.model.arguments["code"])
    assert codes.std() > 0


def test_other_rows_are_judged_too(digits: tuple[Run, Heard]) -> None:
    run = leadline.open(digits[0].folder)
    own, other = run.evaluate("digits"), run.evaluate("digits", usual="0,1")
    assert own["scores"]["explained"]["value"] == pytest.approx(run.results["scores"]["explained"]["value"], abs=1e-6)
    assert own["note"]
    assert own["baselines"][0]["name"] == "principal components"
    assert len(other["oddness"]["classes"]) == 8
    assert other["rows"] == 1797
    unlabelled = run.evaluate(np.asarray(leadline.data.load("digits").test.inputs[:, :, :, 0]))
    assert "anomaly_auroc" not in unlabelled["scores"]
    with pytest.raises(LeadlineError, match="no class '77'"):
        run.evaluate("digits", usual="0,77")


def test_components_that_were_too_large_to_keep_are_told(digits: tuple[Run, Heard], tmp_path: Path) -> None:
    folder = shutil.copytree(digits[0].folder, tmp_path / "run")
    kept = load_file(folder / "components.safetensors")
    save_file({"mean": kept["mean"]}, folder / "components.safetensors")
    found = leadline.open(folder).evaluate("digits", usual="0,1")
    assert [row["name"] for row in found["baselines"]] == ["mean"]
    assert "too large to be kept" in found["note"]
    assert "too large" not in digits[0].evaluate("digits", usual="0,1")["note"]


def test_the_report_shows_what_was_told_again(digits: tuple[Run, Heard], drawn: None) -> None:
    page = digits[0].report().read_text(encoding="utf-8")
    assert page.count("data:image/png") >= 6
    assert "of the variance" in page
    assert "AUROC" in page
    assert len(page) < 5_000_000


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "rbm", "model.hidden": 20, "training.learning_rate": 0.2},
        {"model": "deep_belief_net", "model.hidden": "24-12", "training.learning_rate": 0.2},
        {"model": "variational_autoencoder", "model.hidden": "32", "model.code": 4},
        {"model": "conv_autoencoder", "model.width": 4, "model.code": 4, "training.learning_rate": 0.01},
        {"model": "conv_variational_autoencoder", "model.width": 4, "model.code": 4, "training.learning_rate": 0.01},
        {"model": "autoencoder", "model.tied": True, "training.loss": "reconstruct(sparsity='kl(rho=0.2, weight=0.1)')"},
    ],
    ids=lambda changes: changes["model"],
)
def test_every_family_goes_the_whole_way(changes: dict[str, Any], tmp_path: Path) -> None:
    run = leadline.train("digits", changes={**QUICK, "training.epochs": 12, **changes}, folder=tmp_path / "run")
    assert run.results["scores"]["explained"]["value"] > 0
    assert run.results["by_class"]
    assert run.results["oddness"]["chosen"]["by"] == "quantile"
    opened = leadline.open(run.folder)
    rows = leadline.data.load("digits").test.inputs[:4]
    np.testing.assert_allclose(
        [row.score for row in opened.predict(list(rows))],  # type: ignore[union-attr]
        [row.score for row in run.predict(list(rows))],  # type: ignore[union-attr]
        rtol=1e-5,
    )
    assert (run.folder / "report.html").exists()
    assert ("likelihood" in run.results) == (changes["model"] == "rbm" or "variational" in changes["model"])
    if "likelihood" in run.results:
        # Better than that of values by themselves, each as often 1 as in the training rows: 28.8 nats.
        assert -27.5 < run.results["likelihood"]["nats"] < -18
        assert run.results["likelihood"]["standard_error"] < 0.5
    if changes["model"] == "rbm":
        machine = run.model
        assert isinstance(machine, RestrictedBoltzmannMachine)
        found = run.results["likelihood"]["log_partition"], run.results["likelihood"]["log_partition_error"]
        assert abs(found[0] - exact_log_partition(machine)) < 5 * found[1] + 0.02


def test_tables_say_which_column_is_odd(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    size = chance.normal(size=400)
    lines = ["a,b,kind,label"] + [
        f"{value:.3f},{-2 * value + 0.1 * chance.normal():.3f},{'up' if value > 0 else 'down'},ok" for value in size
    ]
    wrong = ["2.0,3.9,up,bad", "-1.5,-3.2,down,bad", "1.0,-2.0,down,bad"] * 6
    (tmp_path / "rows.csv").write_text("\n".join(lines + wrong))
    changes = {**QUICK, "data.target": "label", "data.usual": "ok", "training.epochs": 60}
    run = leadline.train(tmp_path / "rows.csv", changes=changes, folder=tmp_path / "run")
    assert run.results["scores"]["anomaly_auroc"]["value"] > 0.9
    one = run.predict({"a": 1.0, "b": -2.0, "kind": "down"})
    assert isinstance(one, ToldAgain)
    assert one.odd
    assert one.columns[0].name == "kind"
    assert (one.columns[0].value, one.columns[0].told) == ("down", "up")
    usual = run.predict({"a": 0.8, "b": -1.6, "kind": "up"})
    assert isinstance(usual, ToldAgain)
    assert not usual.odd
    assert set(usual.told) == {"a", "b", "kind"}
    assert run.predict(tmp_path / "rows.csv").scores[400:].mean() > 2 * abs(
        run.predict(tmp_path / "rows.csv").scores[:400].mean()
    )  # type: ignore[union-attr]


def test_its_first_layers_begin_a_classifier(digits: tuple[Run, Heard], tmp_path: Path) -> None:
    changes = {"start.weights": str(digits[0].folder), "training.epochs": 3, "training.threads": 1, "training.device": "cpu"}
    run = leadline.train("digits", changes={**changes, "start.transfer": "fine-tune"}, folder=tmp_path / "tuned")
    assert run.results["task"] == "classes"
    assert run.score > 0.8
    assert leadline.open(run.folder).model.state_dict().keys() == run.model.state_dict().keys()
    head = leadline.train("digits", changes={**changes, "start.transfer": "head"}, folder=tmp_path / "head")
    assert head.score > 0.8


def test_layers_of_a_machine_do_too(tmp_path: Path) -> None:
    machine = leadline.train(
        "digits", changes={**QUICK, "model": "rbm", "model.hidden": 64, "training.epochs": 10}, folder=tmp_path / "rbm"
    )
    changes = {"start.weights": str(machine.folder), "training.epochs": 3, "training.threads": 1, "training.device": "cpu"}
    run = leadline.train("digits", changes={**changes, "start.transfer": "head"}, folder=tmp_path / "head")
    assert run.score > 0.8
    assert isinstance(machine.model, RestrictedBoltzmannMachine)
    layer = next(each for each in run.model.get_submodule("backbone").modules() if isinstance(each, torch.nn.Linear))
    for own, learned in zip((layer.weight, layer.bias), upward_weights(machine.model), strict=True):
        assert torch.equal(own, learned)  # random ones would do for the score
    fresh = leadline.train("digits", changes={**changes, "start.transfer": "scratch"}, folder=tmp_path / "fresh")
    assert fresh.results["task"] == "classes"


def test_it_goes_on_with_its_own_weights(digits: tuple[Run, Heard], tmp_path: Path) -> None:
    changes = {**QUICK, "start.weights": str(digits[0].folder), "training.epochs": 1}
    run = leadline.train("digits", changes=changes, folder=tmp_path / "on")
    assert run.plan.start.transfer == "whole"
    assert run.results["scores"]["explained"]["value"] > 0.5


def test_layers_are_pretrained_once_and_told(tmp_path: Path) -> None:
    heard = Heard()
    changes = {
        "start.pretrain": "rbm(epochs=2)",
        "training.epochs": 2,
        "model.width": 32,
        "training.threads": 1,
        "training.device": "cpu",
    }
    run = leadline.train("digits", changes=changes, folder=tmp_path / "run", observer=heard)
    assert "layer 2, 32 units" in heard.said("")
    assert "rbm" in heard.said("pretrain")
    assert any("Before the training layer 1" in note for note in run.results["notes"])
    assert leadline.open(run.folder).score == run.score
    assert not list((run.folder / "checkpoint").glob("first*"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "convnet"}, "does not tell its inputs again"),
        ({"start.ensemble": True, "start.restarts": 2}, "ensemble"),
        ({"data.usual": "12"}, "class"),
        ({"training.loss": "reconstruct(corruption='mask(0.2)')"}, "corruption"),
    ],
)
def test_mistakes_end_in_one_sentence(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(LeadlineError, match=said):
        leadline.train("digits", changes={**QUICK, "training.epochs": 1, **changes}, folder=tmp_path / "run")
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_code_on_rows_of_a_table_begins_no_classifier(tmp_path: Path) -> None:
    run = leadline.train("iris", changes={**QUICK, "training.epochs": 2}, folder=tmp_path / "iris")
    with pytest.raises(LeadlineError, match="features"):
        leadline.train("iris", changes={"start.weights": str(run.folder)}, folder=tmp_path / "next")
    with pytest.raises(LeadlineError, match="whole"):
        run.sampled(5)
