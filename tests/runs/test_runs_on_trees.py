"""A Run on trees from the files to the report: better than its words alone, opened, resumed to the bit, judged, answering."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import leadline
from leadline.data.trees.trees import Trees
from leadline.errors import DataError, Interrupted, PlanError
from leadline.files import sha256
from leadline.plan import Plan, propose, save_script
from leadline.runs import Observer, Run
from leadline.text.brackets import tree_from_brackets

TypeIn = Callable[..., tuple[int, str, str]]
# What "not" does shows only to a network that multiplies: the loss stays where it was for some epochs, and then falls.
QUICK = {
    "model.hidden": 16,
    "model.embedding": 12,
    "model.dropout": 0.1,
    "training.epochs": 14,
    "training.batch": 16,
    "training.optimizer": "adamw",
    "training.learning_rate": 0.02,
    "training.threads": 1,
    "training.device": "cpu",
    "training.precision": "float32",
}

SLOW = {**QUICK, "training.epochs": 30, "training.learning_rate": 0.05, "model.dropout": 0.0, "training.patience": 30}


def negations(seed: int, count: int) -> list[str]:
    """Sentences in which "not" turns what it stands over, so that the words alone do not say what the whole means."""
    chance = random.Random(seed)

    def noun() -> tuple[str, int]:
        return f"(1 {chance.choice(['film', 'plot', 'cast'])})", 1

    def praise() -> tuple[str, int]:
        word, label = chance.choice([("good", 2), ("fine", 2), ("bad", 0), ("dull", 0)])
        return f"({label} {word})", label

    def phrase(depth: int) -> tuple[str, int]:
        inside, label = praise() if depth == 0 else phrase(depth - 1)
        if chance.random() < 0.5:
            return f"({2 - label} (1 not) {inside})", 2 - label
        return f"({label} (1 so) {inside})", label

    lines = []
    for _ in range(count):
        said, label = phrase(chance.randrange(0, 4))
        lines.append(f"({label} {noun()[0]} {said})")
    return lines


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("trees")
    for seed, (part, count) in enumerate((("train", 500), ("dev", 120), ("test", 160))):
        (place / f"{part}.txt").write_text("\n".join(negations(seed, count)), encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return leadline.train(folder, changes=QUICK, folder=tmp_path_factory.mktemp("runs") / "negations")


def test_it_learns_what_words_alone_do_not_tell(run: Run) -> None:
    results = run.results
    assert (results["task"], results["headline"], results["noun"]) == ("trees", "accuracy", "trees")
    scores = results["scores"]
    assert run.score > 0.95
    assert scores["node_accuracy"]["value"] > 0.97
    assert scores["polar_accuracy"]["value"] > 0.95
    for name in ("accuracy", "node_accuracy", "polar_accuracy"):
        assert scores[name]["low"] <= scores[name]["value"] <= scores[name]["high"]
    beside = {row["name"]: row for row in results["baselines"]}
    assert set(beside) == {"linear model", "linear model on phrases"}
    assert beside["linear model"]["scores"]["accuracy"]["value"] < 0.9
    assert beside["linear model"]["network_ahead"]["low"] > 0
    assert results["rows"] == {"train": 500, "valid": 120, "test": 160}
    assert results["classes"] == ["0", "1", "2"]


def test_scores_are_those_of_each_tree_answered_alone(run: Run, folder: Path) -> None:
    right = nodes = known = sides = opposite = 0
    lines = (folder / "test.txt").read_text().splitlines()
    for line in lines:
        tree = tree_from_brackets(line)
        said = run.predict(line)
        labels = tree_from_brackets(said.tree).labels  # type: ignore[union-attr]
        right += said.answer == tree.labels[-1] == labels[-1]  # type: ignore[union-attr]
        nodes += sum(one == other for one, other in zip(labels, tree.labels, strict=True))
        known += len(tree)
        if tree.labels[-1] != "1":
            p = said.probabilities  # type: ignore[union-attr]
            opposite += 1
            sides += (p["2"] > p["0"]) == (tree.labels[-1] == "2")
    scores = run.results["scores"]
    assert scores["accuracy"]["value"] == pytest.approx(right / len(lines))
    assert scores["node_accuracy"]["value"] == pytest.approx(nodes / known)
    assert scores["polar_accuracy"]["value"] == pytest.approx(sides / opposite)


def test_it_is_opened_and_judged_again_on_its_own_trees_and_on_others(run: Run, folder: Path, tmp_path: Path) -> None:
    again = leadline.open(run.folder)
    assert isinstance(again.schema.inputs, Trees)
    assert again.schema == run.schema
    judged = again.evaluate(folder)
    assert judged["scores"] == run.results["scores"]
    assert "only its test split counts" in judged["note"]
    (tmp_path / "other.txt").write_text("\n".join([*negations(9, 40), "(2 (2 brilliant) (1 film))"]))
    other = again.evaluate(tmp_path / "other.txt")
    assert other["rows"] == 41
    assert other["scores"]["accuracy"]["value"] > 0.9
    (tmp_path / "wrong.txt").write_text("(2 (2 good) (1 film)\n")
    with pytest.raises(DataError, match=r"line 1: 1 bracket is never closed"):
        again.evaluate(tmp_path / "wrong.txt")


def test_it_answers_for_one_tree_and_for_several(run: Run) -> None:
    one = run.predict("((film) ((not) (good)))")
    assert one.answer == "0"
    assert tree_from_brackets(one.tree).sentence == "film not good"
    assert tree_from_brackets(one.tree).labels[-1] == "0"  # type: ignore[union-attr]
    several = run.predict(["((film) ((not) (good)))", "(2 (1 film) (2 good))", "(film", "good"])
    assert several.answers == ["0", "2"]  # type: ignore[union-attr]
    assert [row.id for row in several.excluded] == ["(film", "good"]  # type: ignore[union-attr]
    assert several[0].probabilities == pytest.approx(one.probabilities, abs=1e-5)  # type: ignore[index, union-attr]
    assert run.predict("(good)").answer == "2"
    features = run.features(["((film) ((not) (good)))", "(good)"])
    assert features.shape == (2, 16)
    torch.testing.assert_close(torch.from_numpy(features[1:]), torch.from_numpy(run.features("(good)")), rtol=1e-4, atol=1e-5)
    assert run.sampled(3).predict("(good)").probabilities != run.predict("(good)").probabilities  # type: ignore[union-attr]


def test_the_command_line(run: Run, folder: Path, tmp_path: Path, type_in: TypeIn) -> None:
    place = str(run.folder)
    status, out, _ = type_in("predict", place, "((film) ((not) (good)))")
    assert status == 0
    assert out.startswith("film not good  0 (")
    assert "\n    (0 (" in out
    (tmp_path / "some.txt").write_text("((film) (good))\n((film)\n((plot) ((not) (good)))\n")
    status, out, err = type_in("predict", place, str(tmp_path / "some.txt"), "--json")
    answers = [json.loads(line) for line in out.splitlines()]
    assert status == 2
    assert [answer["answer"] for answer in answers] == ["2", "0"]
    assert answers[1]["id"].endswith("some.txt:3")
    assert tree_from_brackets(answers[1]["tree"]).sentence == "plot not good"
    assert "line 2: 1 bracket is never closed" in err
    status, out, _ = type_in("evaluate", place, str(folder))
    assert status == 0
    assert "Accuracy at all nodes" in out
    assert "Accuracy of sides" in out
    status, _, err = type_in("predict", place, "a good film")
    assert status == 2
    assert "There is no tree in this text" in err
    assert "Traceback" not in err


def test_trained_from_the_command_line(folder: Path, type_in: TypeIn, workplace: Path) -> None:
    sets = ("model.hidden=4", "model.embedding=4", "training.epochs=1", "training.threads=1", "training.device=cpu")
    status, out, err = type_in("train", folder, "--task", "trees", *(part for each in sets for part in ("--set", each)))
    assert status == 0, err
    assert "leadline predict" in out
    assert leadline.open("last").results["rows"] == {"train": 500, "valid": 120, "test": 160}
    status, _, err = type_in("train", folder, "--task", "wood")
    assert status == 2
    assert "trees" in err


def test_a_node_of_too_many_children_costs_its_own_tree_alone(run: Run, tmp_path: Path, type_in: TypeIn) -> None:
    wide = "((film) (good) (bad))"
    (tmp_path / "some.txt").write_text(f"((film) (good))\n{wide}\n((plot) ((not) (good)))\n")
    for verb, more in (("predict", ()), ("explain", ("--out", tmp_path / "page"))):
        status, out, err = type_in(verb, run.folder, tmp_path / "some.txt", "--json", *more)
        assert (status, len(out.splitlines())) == (2, 2)
        said = " ".join(err.split())
        assert "some.txt:2: A node of the tree has 3 children" in said
        assert "1 of 3" in said
    answers = map(json.loads, type_in("predict", run.folder, tmp_path / "some.txt", "--json")[1].splitlines())
    assert [(each["id"].rpartition(":")[2], each["answer"]) for each in answers] == [("1", "2"), ("3", "0")]
    several = run.predict(["((film) (good))", wide])
    assert several.answers == ["2"]  # type: ignore[union-attr]
    assert [row.id for row in several.excluded] == [wide]  # type: ignore[union-attr]
    with pytest.raises(DataError, match="3 children"):
        run.predict(wide)
    status, _, err = type_in(
        "predict", str(run.folder), str(tmp_path / "some.txt"), "--features", "--output", tmp_path / "f.parquet"
    )
    assert status == 2
    assert "some.txt:2: A node of the tree has 3 children" in " ".join(err.split())
    assert (tmp_path / "f.parquet").is_file()


def test_trees_that_are_too_wide_are_named_with_their_lines_and_not_judged(run: Run, tmp_path: Path, type_in: TypeIn) -> None:
    wide, lines = "(2 (1 film) (2 good) (0 bad))", negations(9, 40)
    (tmp_path / "some.txt").write_text("\n".join([*lines[:6], wide, *lines[6:]]))
    judged = run.evaluate(tmp_path / "some.txt")
    assert judged["rows"] == 40
    assert "1 tree was left out: some.txt:7: a node has 3 children, and the network takes 2 (" in judged["note"]
    (tmp_path / "some.txt").write_text("\n".join([*lines[:6], wide, wide]))
    status, out, err = type_in("evaluate", run.folder, tmp_path / "some.txt")
    assert status == 2
    assert "Accuracy" not in out
    said = " ".join(err.split())
    assert "2 of 8 trees cannot be used" in said
    assert "some.txt:7: a node has 3 children, and the network takes 2 (" in said
    assert "some.txt:8: a node has 3" in said


def test_the_report_draws_trees(run: Run, drawn: None) -> None:
    page = run.report().read_text(encoding="utf-8")
    assert 'id="trees"' in page
    assert page.count('class="branch"') > 20
    assert "Where its root is right" in page


def test_the_plan_gives_reasons_with_numbers(folder: Path) -> None:
    dataset = leadline.data.load(folder)
    plan = propose(dataset)
    assert plan.model.name == "recursive"
    assert plan.model.arguments["cell"] == "lstm"
    rows = {row["key"]: row["why"] for row in plan.rows()}
    for key in ("data.task", "model.name", "model.hidden", "training.batch", "training.epochs", "training.monitor"):
        assert any(mark.isdigit() for mark in rows[key]), key
    assert "500" in plan.why["model.name"]
    assert Plan.from_toml(plan.to_toml()).training == plan.training


def test_many_children_are_summed(tmp_path: Path) -> None:
    lines = [
        f"({n % 2} " + " ".join(f"({n % 2} {'good' if n % 2 else 'bad'})" for _ in range(2 + n % 5)) + ")" for n in range(60)
    ]
    (tmp_path / "wide.txt").write_text("\n".join(lines))
    plan = propose(leadline.data.load(tmp_path / "wide.txt"))
    assert plan.model.arguments["cell"] == "child_sum"
    assert "up to 6 children" in plan.why["model.cell"]
    run = leadline.train(tmp_path / "wide.txt", changes={**QUICK, "training.epochs": 2}, folder=tmp_path / "run")
    assert run.score == 1
    leadline.open(tmp_path / "run").predict("((bad) (bad) (bad) (bad) (bad) (bad) (bad) (bad))")


def test_stopped_anywhere_and_resumed_it_is_the_same_to_the_bit(folder: Path, tmp_path: Path) -> None:
    class Impatient(Observer):
        def advance(self, step: int) -> None:
            if step in self.at:
                raise KeyboardInterrupt

        def __init__(self, *at: int) -> None:
            self.at = at

    changes = {**QUICK, "training.epochs": 3, "training.average": "ema(0.9)"}
    whole = leadline.train(folder, changes=changes, folder=tmp_path / "whole")
    with contextlib.suppress(Interrupted, KeyboardInterrupt):
        leadline.train(folder, changes=changes, folder=tmp_path / "cut", observer=Impatient(41), checkpoint_every=0)
    again = leadline.resume(tmp_path / "cut")
    assert sha256(again.folder / "model.safetensors") == sha256(whole.folder / "model.safetensors")
    assert [record["loss"] for record in again.history] == [record["loss"] for record in whole.history]


def test_it_starts_from_word_vectors(folder: Path, tmp_path: Path) -> None:
    """Words that training has not: their vectors are like those of words that it has."""
    praise, draw = np.array([1, -1, 1, 1, -1, 1, -1, -1]), np.random.default_rng(0)
    signs = {"good": 1, "fine": 1, "superb": 1, "bad": -1, "dull": -1, "dreadful": -1}
    base = {word: np.tile(sign * praise + draw.normal(0, 0.1, 8), 16) for word, sign in signs.items()}
    path = tmp_path / "vectors.txt"
    path.write_text(f"{len(base)} 128\n" + "".join(f"{word} {' '.join(map(str, row))}\n" for word, row in base.items()))
    quick = {key: value for key, value in SLOW.items() if key != "model.embedding"}
    quick |= {"training.learning_rate": 0.003, "training.epochs": 12}  # so that the vectors stay near where they began
    run = leadline.train(folder, changes={**quick, "start.vectors": str(path)}, folder=tmp_path / "run")
    assert run.plan.model.arguments["embedding"] == 128
    assert "vectors" in run.plan.why["model.embedding"]
    opened = leadline.open(tmp_path / "run")
    path.unlink()  # a Run needs it no more
    # No tree has these words: their vectors are those of the file, as long as new ones are, and lie on the sides of the others.
    inputs = opened.schema.inputs
    assert isinstance(inputs, Trees)
    kept = opened.model.words.weight[[inputs.vocabulary.index(word) for word in ("superb", "dreadful")]]  # type: ignore[union-attr,index]
    given = torch.tensor(np.stack([base["superb"], base["dreadful"]]), dtype=kept.dtype)
    torch.testing.assert_close(torch.nn.functional.cosine_similarity(kept, given), torch.ones(2))
    superb, dreadful = (opened.predict(f"((film) ((so) ({word})))").probabilities for word in ("superb", "dreadful"))
    assert superb["2"] > dreadful["2"] + 0.1
    assert dreadful["0"] > superb["0"] + 0.1
    path.write_text("good 1 0 0 1\n")
    with pytest.raises(PlanError, match=r"do not fit this network\. Expected model\.embedding = 4"):
        leadline.train(folder, changes={**QUICK, "start.vectors": str(path)}, folder=tmp_path / "other")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training.batch": 0}, "training.batch"),
        ({"start.restarts": 2, "start.ensemble": True}, "start.ensemble"),
        ({"training.augment.flip": True}, "training.augment"),
        ({"model": "recurrent"}, "recurrent"),
        ({"training.monitor": "valid_bits"}, "valid_node_accuracy"),
        ({"training.loss": "huber"}, "not for the task"),
    ],
)
def test_what_trees_do_not_allow_is_told_before_the_first_step(
    folder: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(leadline.errors.LeadlineError, match=message):
        leadline.train(folder, changes={**QUICK, **changes}, folder=tmp_path / "run")
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_restarts_train_one_after_another(folder: Path, tmp_path: Path) -> None:
    run = leadline.train(folder, changes={**QUICK, "training.epochs": 2, "start.restarts": 2}, folder=tmp_path / "run")
    assert len(run.results["restarts"]["networks"]) == 2


def test_no_script_and_no_recursive_network_for_other_tasks(folder: Path, tmp_path: Path) -> None:
    dataset = leadline.data.load(folder)
    with pytest.raises(PlanError, match="trees is not written as a script"):
        save_script(propose(dataset), dataset, tmp_path / "a.py")
    with pytest.raises(PlanError, match="does read trees"):
        leadline.train("digits", changes={"model": "recursive"}, folder=tmp_path / "digits")


def test_nodes_without_labels_are_not_learned(tmp_path: Path) -> None:
    lines = [line.replace("(1 not)", "(not)").replace("(1 so)", "(so)") for line in negations(3, 200)]
    bad = [line for line in lines if "(not)" in line or "(so)" in line]
    (tmp_path / "some.txt").write_text("\n".join(bad))
    with pytest.raises(DataError, match="is a label without a word"):
        leadline.data.load(tmp_path / "some.txt")
    wrapped = [line[:-1] + f" ((1 so) (1 it{number % 3})))" for number, line in enumerate(negations(3, 200))]
    (tmp_path / "some.txt").write_text("\n".join(wrapped))
    run = leadline.train(tmp_path / "some.txt", changes=SLOW, folder=tmp_path / "run")
    assert run.score > 0.9
    assert np.isfinite(run.history["loss"][-1])
    assert torch.isfinite(torch.tensor(run.results["scores"]["node_accuracy"]["value"]))
