"""A Run on a text from the file to the report: better than counts, opened, resumed to the bit, judged again, writing."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import leadline
from leadline.baselines.token_counts import CountedTokens
from leadline.data.tokens.token_loading import is_token_source, stream_of
from leadline.data.tokens.tokens import Tokens
from leadline.errors import ArgumentError, DataError, Interrupted, PlanError, SourceNotFoundError
from leadline.files import sha256
from leadline.optim import AverageOnceStuck
from leadline.plan import Plan, build, propose, save_script
from leadline.runs import Observer, Run

TypeIn = Callable[..., tuple[int, str, str]]
QUICK = {
    "data.unit": "characters",
    "model.hidden": 24,
    "model.embedding": 12,
    "training.epochs": 4,
    "training.batch": 8,
    "training.truncation": 24,
    "training.learning_rate": 0.02,
    "training.threads": 1,
    "training.device": "cpu",
    "training.precision": "float32",
}


def rhymes(seed: int, lines: int = 260) -> str:
    """Lines in which a word at the beginning decides the word at the end, too far away for five characters in a row."""
    chance = random.Random(seed)
    pairs = (("cat", "hat"), ("dog", "log"), ("fly", "sky"))
    said = []
    for _ in range(lines):
        who, where = chance.choice(pairs)
        said.append(f"the {who} {chance.choice(('sat', 'lay'))} down on the very big {where}\n")
    return "".join(said)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "rhymes.txt"
    path.write_text(rhymes(0), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return leadline.train(text, changes=QUICK, folder=tmp_path_factory.mktemp("runs") / "rhymes")


def test_it_is_clearly_better_than_pairs_of_characters(run: Run) -> None:
    results = run.results
    assert (results["headline"], results["noun"]) == ("bits", "characters")
    score = results["scores"]["bits"]
    assert score["title"] == "Bits per character"
    assert score["low"] < score["value"] < score["high"]
    beside = {row["name"]: row for row in results["baselines"]}
    assert list(beside) == ["unigram model", "bigram model", "5-gram model"]
    assert beside["bigram model"]["network_ahead"]["high"] < 0
    values = [row["scores"]["bits"]["value"] for row in beside.values()]
    assert values == sorted(values, reverse=True)
    assert results["rows"]["train"] > 17 * results["rows"]["test"]
    assert results["scores"]["perplexity"]["value"] == pytest.approx(2 ** score["value"])


def test_the_score_is_that_of_the_test_part_foretold_apart(run: Run, text: Path) -> None:
    dataset = leadline.data.load(text, unit="characters")
    ids = stream_of(dataset.test)
    written = text.read_text(encoding="utf-8")
    assert dataset.schema.inputs.decode(ids) == written[-len(ids) :]
    start = dataset.schema.inputs.start
    inputs = torch.tensor([[start, *ids[:-1].tolist()]])
    with torch.inference_mode():
        log_p = run.model(inputs).log_softmax(-1)[0, torch.arange(len(ids)), torch.tensor(ids.tolist())]
    assert run.score == pytest.approx(-log_p.mean().item() / np.log(2), rel=1e-4)
    counted = CountedTokens(stream_of(dataset.train), len(dataset.schema.inputs.vocabulary), order=2, start=start)
    counted.choose_strengths(stream_of(dataset.valid))
    expected = counted.surprises(ids).mean() / np.log(2)
    assert run.results["baselines"][1]["scores"]["bits"]["value"] == pytest.approx(expected)


def test_it_is_opened_and_judged_again_on_its_own_text_and_on_another(run: Run, text: Path, tmp_path: Path) -> None:
    again = leadline.open(run.folder)
    assert isinstance(again.schema.inputs, Tokens)
    assert again.schema == run.schema
    judged = again.evaluate(text)
    assert judged["scores"] == run.results["scores"]
    assert "only its test part counts" in judged["note"]
    (tmp_path / "other.txt").write_text(rhymes(1, 40) + "ZZZ\n")
    other = again.evaluate(tmp_path / "other.txt")
    assert other["rows"] == len((tmp_path / "other.txt").read_text())
    assert other["scores"]["bits"]["value"] < run.results["baselines"][1]["scores"]["bits"]["value"]
    assert "are not known" in other["note"]
    with pytest.raises(SourceNotFoundError):
        again.evaluate(tmp_path / "nowhere.txt")
    with pytest.raises(DataError, match="judged on text files"):
        again.evaluate(np.zeros((3, 2)))


def test_it_writes_the_same_text_for_the_same_seed(run: Run) -> None:
    one, same, other = ("".join(run.write("the cat ", length=80, seed=seed)) for seed in (1, 1, 2))
    assert one == same != other
    assert len(one) == 80
    assert set(one) <= set(rhymes(0))
    assert run.predict("the very bi").answer == "g"
    several = run.predict(["the very bi", "the ca"])
    assert several.answers[0] == "g"
    assert run.predict("the ca").probabilities == pytest.approx(several[1].probabilities, abs=1e-5)
    with pytest.raises(ArgumentError, match="nothing that a token could follow"):
        run.predict("")


def test_a_training_that_was_stopped_ends_with_the_same_weights(run: Run, text: Path, tmp_path: Path) -> None:
    class Impatient(Observer):
        def advance(self, step: int) -> None:
            if step == 70:  # in the middle of an epoch, with a state to carry on
                raise Interrupted("Stopped in the middle")

    with contextlib.suppress(Interrupted):
        leadline.train(text, changes=QUICK, folder=tmp_path / "stopped", observer=Impatient(), checkpoint_every=0.0)
    resumed = leadline.resume(tmp_path / "stopped")
    assert sha256(resumed.folder / "model.safetensors") == sha256(run.folder / "model.safetensors")
    assert resumed.results["scores"] == run.results["scores"]


def test_the_report_shows_what_it_writes(run: Run, drawn: None) -> None:
    page = run.report().read_text(encoding="utf-8")
    assert "What it writes" in page
    assert "bits per character on text it had never seen" in page
    assert page.count("<pre style") == 2


def test_files_that_say_their_parts_by_word(tmp_path: Path) -> None:
    for part, lines in (("train", 240), ("valid", 30), ("test", 30)):
        (tmp_path / f"rhymes.{part}.txt").write_text(rhymes(len(part) + lines, lines))
    assert is_token_source(tmp_path)
    changes = {**QUICK, "data.unit": "words", "model.embedding": 24, "training.truncation": 12, "training.epochs": 2}
    trained = leadline.train(tmp_path, changes=changes, folder=tmp_path / "run")
    assert trained.results["headline"] == "perplexity"
    assert trained.results["rows"]["test"] == 30 * 10
    assert [row["name"] for row in trained.results["baselines"]] == ["unigram model", "bigram model", "trigram model"]
    beside = leadline.data.load(tmp_path / "rhymes.train.txt", unit="words")
    assert stream_of(beside.test).tolist() == stream_of(leadline.data.load(tmp_path, unit="words").test).tolist()
    assert "the" in "".join(trained.write("", length=40))


@pytest.mark.parametrize("model", ["window_language", "small_transformer"])
def test_the_other_networks_train_as_well(model: str, text: Path, tmp_path: Path) -> None:
    sizes = {
        "window_language": {"model.hidden": 24, "model.embedding": 8},
        "small_transformer": {"model.width": 16, "model.heads": 2, "model.blocks": 1, "model.context": 48},
    }[model]
    quick = {key: value for key, value in QUICK.items() if not key.startswith("model.")}
    changes = {**quick, "model": model, **sizes, "training.epochs": 1}
    trained = leadline.train(text, changes=changes, folder=tmp_path / "run")
    assert trained.score < trained.results["baselines"][0]["scores"]["bits"]["value"]
    assert leadline.open(tmp_path / "run").score == trained.score


def test_every_choice_has_a_reason_and_survives_a_file(text: Path) -> None:
    dataset = leadline.data.load(text)
    plan = propose(dataset)
    assert (plan.data.task, plan.data.unit, plan.model.name) == ("tokens", "words", "recurrent_language")
    assert plan.training.truncation == 35
    for key in ("data.unit", "model.hidden", "training.truncation", "training.batch", "training.epochs"):
        assert any(letter.isdigit() for letter in plan.why[key]), key
    assert Plan.from_json(plan.to_json()) == plan
    assert propose(dataset, {"training.truncation": 16}).why["training.truncation"] == "chosen by you"
    with pytest.raises(PlanError, match="not written as a script"):
        save_script(plan, dataset, "rhymes.py")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"training.label_smoothing": 0.1}, "training.label_smoothing"),
        ({"training.accumulate": 4}, "training.accumulate"),
        ({"start.restarts": 2, "start.ensemble": True}, "start.ensemble"),
        ({"training.optimizer": "lbfgs"}, "training.optimizer"),
        ({"model": "mlp"}, "not for the task 'tokens'|does not foretell tokens"),
    ],
)
def test_what_a_text_does_not_allow_is_said_before_it_is_trained(
    changes: dict[str, Any], said: str, text: Path, tmp_path: Path
) -> None:
    with pytest.raises(PlanError, match=said):
        leadline.train(text, changes=changes, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_bad_texts_end_in_a_paragraph(tmp_path: Path) -> None:
    for name, content in (("empty.txt", b""), ("word.txt", b"word"), ("binary.txt", bytes(range(256)) * 20)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError):
            leadline.train(tmp_path / name, folder=tmp_path / "run")
    with pytest.raises(PlanError, match="does foretell tokens, and is not for the task 'classes'"):
        leadline.train("digits", changes={"model": "recurrent_language"}, folder=tmp_path / "run")


def test_penalties_sampled_words_and_a_late_average_are_settings(text: Path, tmp_path: Path) -> None:
    settings = {
        "training.penalties.activation": 2.0,
        "training.penalties.temporal": 1.0,
        "training.loss": "sampled_cross_entropy(samples=5)",
        "training.average": "once_stuck(1)",
        "training.schedule": "constant",
        "training.optimizer": "sgd",
        "training.learning_rate": 8.0,
        "training.patience": 0,
        "training.epochs": 6,
        "model.weight_drop": 0.2,
        "model.word_dropout": 0.1,
    }
    run = leadline.train(text, changes=QUICK | settings, folder=tmp_path / "run")
    last = run.history.records[-1]
    assert {"penalty_activation", "penalty_temporal"} <= set(last)
    assert last["valid_loss"] < run.history.records[0]["valid_loss"]
    dataset = leadline.data.load(text, unit="characters")
    built = build(propose(dataset, QUICK | settings), dataset)
    assert isinstance(built.step, AverageOnceStuck)
    assert (built.step.step.penalties, built.step.step.samples) == ((2.0, 1.0), 5)  # type: ignore[attr-defined]
    built.evaluate()
    assert len(built.step._told) == 1, "the average hears of every evaluation"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"training.loss": "squared_error"}, "not for a language model"),
        ({"training.loss": "sampled_cross_entropy"}, "missing a required argument"),
        ({"training.penalties.l2": 0.1}, "penalties of weights"),
        ({"training.average": "once_stuck(0)"}, "patience before averaging"),
    ],
)
def test_settings_that_a_text_does_not_allow(text: Path, changes: dict[str, Any], said: str) -> None:
    dataset = leadline.data.load(text, unit="characters")
    with pytest.raises(PlanError, match=said):
        build(propose(dataset, QUICK | changes), dataset)


def test_penalties_of_activations_are_for_language_models_alone() -> None:
    digits = leadline.data.load("digits")
    with pytest.raises(PlanError, match="for language models"):
        build(propose(digits, {"model": "linear", "training.penalties.activation": 1.0}), digits)


def test_on_the_command_line(run: Run, text: Path, tmp_path: Path, type_in: TypeIn) -> None:
    status, out, err = type_in("write", run.folder, "the cat ", "--length", "40", "--seed", "1")
    assert (status, err) == (0, "")
    assert out == "the cat " + "".join(run.write("the cat ", length=40, seed=1)) + "\n"
    status, _, err = type_in("write", run.folder, "QUARK", "--length", "3")
    assert status == 0
    assert "'Q', 'U', 'A', 'R', 'K'" in " ".join(err.split())
    status, out, _ = type_in("evaluate", run.folder, text)
    assert status == 0
    assert "Bits per character" in out
    assert f"text      {run.results['rows']['test']:,} characters" in out
    status, out, _ = type_in("predict", run.folder, "the very bi")
    assert status == 0
    assert "g" in out
    words = [part for key, value in {**QUICK, "training.epochs": 1}.items() for part in ("--set", f"{key}={value}")]
    status, out, err = type_in("train", text, "--folder", tmp_path / "typed", *words)
    assert (status, err) == (0, "")
    assert "characters to learn from" in " ".join(out.split())
    assert f"leadline write {tmp_path / 'typed'}" in out


def test_a_network_for_something_else_writes_nothing(tmp_path: Path, type_in: TypeIn) -> None:
    rows = np.random.default_rng(0).normal(size=(60, 4))
    quick = {"model": "linear", "training.epochs": 1, "training.threads": 1}
    trained = leadline.train(rows, targets=rows[:, 0] > 0, changes=quick, folder=tmp_path / "run")
    with pytest.raises(ArgumentError, match="not trained to foretell a text"):
        trained.write("To be")
    status, _, err = type_in("write", trained.folder)
    assert status == 2
    assert "was not trained to foretell a text" in " ".join(err.split())


def test_the_source_text_of_python_is_a_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("def add(one, other):\n    return one + other\n\n\n" * 60)
    monkeypatch.setattr("leadline.data.tokens.token_loading.python_sources", lambda: [tmp_path / "code.py"])
    dataset = leadline.data.load("python")
    assert (dataset.name, dataset.origin.source, dataset.task) == ("python", "python", "tokens")
    assert dataset.schema.inputs.by == "characters"
    again = leadline.data.load(dataset.origin.source, **dataset.origin.options)
    assert again.fingerprint() == dataset.fingerprint()
