"""A Run of word vectors from the file to the report: neighbours, resumed to the bit, and as a network's first layer."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

import leadline
from leadline.data import load
from leadline.data.words.word_answers import CorpusWords
from leadline.errors import ArgumentError, DataError, Interrupted, PlanError, RunError, SourceNotFoundError
from leadline.plan import Plan, build, propose, save_script
from leadline.plan.notes import plan_notes
from leadline.runs import Observer, Run
from leadline.text.vector_files import read_vectors, write_vectors
from leadline.text.word_vectors import WordVectors

TypeIn = Callable[..., tuple[int, str, str]]
ANIMALS, FRUITS = ("cat", "dog", "horse", "cow"), ("apple", "pear", "plum", "cherry")
QUICK = {"data.task": "words", "model.width": 12, "training.epochs": 6, "training.learning_rate": 0.05, "training.threads": 1}


def farm(seed: int, lines: int = 6000) -> str:
    chance = random.Random(seed)
    does = {ANIMALS: ("runs", "sleeps", "drinks"), FRUITS: ("ripens", "hangs", "falls")}
    said = []
    for _ in range(lines):
        kind = chance.choice((ANIMALS, FRUITS))
        said.append(f"The {chance.choice(kind)} {chance.choice(does[kind])} {chance.choice(('here', 'there'))}\n")
    return "".join(said)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "farm.txt"
    path.write_text(farm(0), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return leadline.train(text, changes=QUICK, folder=tmp_path_factory.mktemp("runs") / "farm")


def test_words_used_alike_are_near(run: Run) -> None:
    assert {near.word for near in run.most_similar("cat", top=3)} == set(ANIMALS) - {"cat"}
    assert {near.word for near in run.most_similar("Plum", top=3)} == set(FRUITS) - {"plum"}
    with pytest.raises(ArgumentError, match="'hors' is not known.*horse"):
        run.most_similar("hors")
    assert run.analogy("cat", "dog", "plum", top=1)[0].word in FRUITS
    assert run.features(["cat", "dog"]).shape == (2, 12)
    with pytest.raises(ArgumentError, match="most_similar"):
        run.predict("cat")


def test_the_history_tells_a_loss_that_falls_and_the_speed(run: Run) -> None:
    assert run.history["epoch"] == [1, 2, 3, 4, 5, 6]
    assert run.history["valid_loss"][-1] < 0.97 * run.history["valid_loss"][0]
    assert min(run.history["words_per_second"]) > 0
    results = run.results
    assert (results["headline"], results["noun"], results["vocabulary"]) == ("loss", "words", 17)
    assert results["scores"]["loss"]["value"] == pytest.approx(run.history["valid_loss"][-1], rel=0.1)


def test_compiling_is_told_apart_and_counted_nowhere(text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Hearing(Observer):
        def __init__(self) -> None:
            self.notes: dict[str, str] = {}
            self.units: list[str] = []

        def note(self, label: str, text: str) -> None:
            self.notes[label] = text

        def count_in(self, unit: str) -> None:
            self.units.append(unit)

    now = itertools.count()  # a clock that goes on by a second whenever somebody looks

    def compiling() -> float:
        for _ in range(1000):
            next(now)
        return 1000.0

    monkeypatch.setattr("leadline.runs.word_runs.compile_word2vec", compiling)
    monkeypatch.setattr("leadline.runs.word_runs.time", SimpleNamespace(perf_counter=lambda: float(next(now))))
    heard = Hearing()
    run = leadline.train(text, changes={**QUICK, "training.epochs": 2}, folder=tmp_path / "r", observer=heard)
    assert heard.notes["compiling"] == "1000.0 s, which is not counted below"
    assert run.history["seconds"] == [1, 2]
    assert run.results["seconds"]["training"] == 2
    assert heard.units == ["words"]
    rates = run.history["words_per_second"]
    assert run.results["words_per_second"] == np.median(rates) > 0
    assert heard.notes["result"].endswith(f"learned at {np.median(rates):,.0f} words of text a second")


def test_it_opens_with_the_same_vectors_and_reports(run: Run, drawn: None) -> None:
    opened = leadline.open(run.folder)
    assert opened.most_similar("cow") == run.most_similar("cow")
    page = run.report().read_text(encoding="utf-8")
    assert "Map of the commonest words" in page
    assert ">horse<" in page
    assert "data:image/png;base64," in page


def test_resumed_it_comes_to_the_same_bits(run: Run, text: Path, tmp_path: Path) -> None:
    class Impatient(Observer):
        def log(self, record: dict[str, Any]) -> None:
            if record["epoch"] == 2:
                raise Interrupted("Stopped in the middle")

    with contextlib.suppress(Interrupted):
        leadline.train(text, changes=QUICK, folder=tmp_path / "stopped", observer=Impatient())
    resumed = leadline.resume(tmp_path / "stopped")
    assert torch.equal(resumed.model.vectors.weight, run.model.vectors.weight)
    assert resumed.history["valid_loss"] == run.history["valid_loss"]


def test_the_plan_says_why(text: Path) -> None:
    dataset = load(text, task="words")
    plan = propose(dataset, {})
    assert plan.model.name == "word2vec"
    assert all(plan.why[f"model.{name}"] for name in plan.model.arguments)
    assert plan.training.epochs == 60  # few words are read many times
    assert isinstance(dataset.schema.inputs, CorpusWords)
    assert propose(dataset, {"model.method": "cbow"}).training.learning_rate == 0.05
    assert Plan.from_toml(plan.to_toml()).model == plan.model
    with pytest.raises(PlanError, match="not written as a script"):
        save_script(plan, dataset, text.with_suffix(".py"))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"training.batch": 8}, "training.batch"),
        ({"start.restarts": 2}, "learned once"),
        ({"model": "recurrent_language"}, "word2vec"),
        ({"model.window": 0}, "window"),
        ({"model.method": "glove"}, "skip_gram"),
    ],
)
def test_choices_that_words_do_not_know_are_refused(changes: dict[str, Any], says: str, text: Path, tmp_path: Path) -> None:
    with pytest.raises((PlanError, ArgumentError), match=says):
        leadline.train(text, changes={"data.task": "words", **changes}, folder=tmp_path / "r")


@pytest.mark.parametrize(
    ("content", "changes", "says"),
    [
        ("", {}, "empty"),
        ("word " * 3000, {}, "at least two different words"),
        ("\n".join(f"only{at} once{at} here{at}" for at in range(900)), {}, "comes 2 times"),
        ("to be or not to be", {"data.min_count": 5}, "comes 5 times"),
        ("a\nb\n" * 500, {}, "too few words in a line"),
    ],
)
def test_texts_without_anything_to_learn(content: str, changes: dict[str, Any], says: str, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text(content)
    with pytest.raises(DataError, match=says):
        leadline.train(tmp_path / "t.txt", changes={"data.task": "words", **changes}, folder=tmp_path / "r")


def test_an_endless_line_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "line.txt").write_text(farm(1).replace("\n", " "))
    run = leadline.train(
        tmp_path / "line.txt", changes={**QUICK, "training.epochs": 2, "model.subsample": 0}, folder=tmp_path / "r"
    )
    assert run.history.records[-1]["words_read"] == run.results["rows"]["train"]


def test_judged_by_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text("cat dog 9\ncat apple 1\npear plum 8\npear cow 2\ncat nowhere 3\n")
    result = run.evaluate(tmp_path / "pairs.txt")
    assert result["scores"]["rank_correlation"]["value"] > 0.5
    assert result["scores"]["rank_correlation"]["low"] is None  # four pairs say nothing of how sure that is
    assert result["note"].startswith("4 of 5")
    (tmp_path / "strange.txt").write_text("rome oslo 3\n")
    with pytest.raises(DataError, match="asks nothing"):
        run.evaluate(tmp_path / "strange.txt")
    with pytest.raises(SourceNotFoundError):
        run.evaluate(tmp_path / "none.txt")


def test_a_score_comes_with_an_interval(run: Run, tmp_path: Path) -> None:
    """Of analogies Wilson's, against scipy; of ranks one that holds the score and narrows with the pairs."""
    lines = [f"{a} {b} {c} {d}" for a, b in itertools.permutations(ANIMALS, 2) for c, d in itertools.permutations(ANIMALS, 2)]
    (tmp_path / "q.txt").write_text(": animals\n" + "\n".join(lines))
    result = run.evaluate(tmp_path / "q.txt")
    score = result["scores"]["accuracy"]
    known = binomtest(round(score["value"] * len(lines)), len(lines)).proportion_ci(method="wilson")
    assert (score["low"], score["high"]) == pytest.approx((known.low, known.high), abs=1e-4)
    assert result["note"] == "144 of 144 have only words that are known and among the 30,000 commonest."
    assert result["sections"] == {"animals": (round(score["value"] * len(lines)), len(lines))}
    pairs = [(a, b, 9 - (a in ANIMALS) - (b in FRUITS)) for a, b in itertools.combinations(ANIMALS + FRUITS, 2)]
    (tmp_path / "pairs.txt").write_text("\n".join(f"{a} {b} {score}" for a, b, score in pairs))
    ranks = run.evaluate(tmp_path / "pairs.txt")["scores"]["rank_correlation"]
    assert -1 < ranks["low"] < ranks["value"] < ranks["high"] < 1
    expected = 1.96 * np.sqrt((1 + ranks["value"] ** 2 / 2) / (len(pairs) - 3))
    assert np.arctanh(ranks["high"]) - np.arctanh(ranks["low"]) == pytest.approx(2 * expected)


def test_a_part_too_short_to_be_judged_is_told_before_training(tmp_path: Path) -> None:
    for part, lines in (("train", farm(2)), ("valid", farm(3, 50)), ("test", "cat\ndog\n")):
        (tmp_path / f"f.{part}.txt").write_text(lines)
    seen: list[dict[str, Any]] = []

    class Watching(Observer):
        def log(self, record: dict[str, Any]) -> None:
            seen.append(record)

    with pytest.raises(DataError, match="too short"):
        leadline.train(tmp_path / "f.train.txt", changes=QUICK, folder=tmp_path / "r", observer=Watching())
    assert not seen


def test_a_table_of_texts_is_learned_from_and_resumed(tmp_path: Path) -> None:
    lines = farm(4, 3000).splitlines()
    (tmp_path / "t.csv").write_text("stars,said,other\n" + "\n".join(f"{at % 5},{line},x y" for at, line in enumerate(lines)))
    changes = {**QUICK, "training.epochs": 2, "data.columns.said": "text"}

    class Impatient(Observer):
        def log(self, record: dict[str, Any]) -> None:
            raise Interrupted("Stopped in the middle")

    with contextlib.suppress(Interrupted):
        leadline.train(tmp_path / "t.csv", changes=changes, folder=tmp_path / "r", observer=Impatient())
    resumed = leadline.resume(tmp_path / "r")
    assert resumed.history["epoch"] == [1, 2]
    assert "stars" not in resumed.word_vectors
    assert "plum" in resumed.word_vectors


def test_trained_from_the_command_line(text: Path, type_in: TypeIn, workplace: Path) -> None:
    sets = ("model.width=8", "training.epochs=2", "training.threads=1")
    status, out, err = type_in("train", text, "--task", "words", *(part for each in sets for part in ("--set", each)))
    said = " ".join((out + err).split())
    assert status == 0, said
    assert "which is not counted below" in said
    assert "words of text a second" in said
    assert leadline.open("last").results["task"] == "words"
    assert type_in("similar", "last", "cat")[0] == 0


def test_on_the_command_line(run: Run, type_in: TypeIn, tmp_path: Path) -> None:
    status, out, _ = type_in("similar", run.folder, "cat", "--top", 3, "--json")
    assert status == 0
    assert {row["word"] for row in json.loads(out)["similar"]} == set(ANIMALS) - {"cat"}
    status, out, _ = type_in("similar", run.folder, "dog", "plum", "--less", "cat", "--top", 2)
    assert status == 0
    assert "dog + plum − cat" in out
    status, _, said = type_in("similar", run.folder, "hors")
    assert status == 2
    assert "Spelled alike: horse" in " ".join(said.split())
    status, out, said = type_in("similar", run.folder, "hors", "cow")
    assert status == 2
    assert "cow" in out
    assert "1 of 2 words" in said
    assert type_in("similar", run.folder, "cow", "--among", tmp_path)[0] == 2
    status, _, said = type_in("predict", run.folder, "cow")
    assert status == 2
    assert "leadline similar" in said
    (tmp_path / "pairs.txt").write_text("cat dog 9\ncat apple 1\npear plum 8\n")
    status, out, _ = type_in("evaluate", run.folder, tmp_path / "pairs.txt")
    assert status == 0
    assert "Rank correlation" in out
    (tmp_path / "q.txt").write_text(": beasts\ncat dog horse cow\ndog cat cow horse\n")
    status, out, _ = type_in("evaluate", run.folder, tmp_path / "q.txt")
    assert status == 0
    assert "beasts" in out
    assert "of 2" in out
    status, _, said = type_in("explain", run.folder, "cow")
    assert status == 2
    assert "leadline similar" in said


@pytest.mark.parametrize("name", ["v.txt", "v.bin", "v.txt.gz", "v.bin.gz"])
def test_vectors_are_saved_from_the_command_line(name: str, run: Run, type_in: TypeIn, tmp_path: Path) -> None:
    status, out, _ = type_in("similar", run.folder, "--save", tmp_path / name)
    assert status == 0
    assert "17 words of 12 numbers each" in " ".join(out.split())
    whole = read_vectors(tmp_path / name)
    assert whole.words == run.word_vectors.words
    assert np.array_equal(whole.vectors, run.word_vectors.vectors)
    status, _, said = type_in("similar", run.folder, "--save", tmp_path / name)
    assert status == 2
    assert "exists already" in " ".join(said.split())


def test_saving_vectors_goes_with_asking_and_is_for_words_alone(
    run: Run, type_in: TypeIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, _ = type_in("similar", run.folder, "cat", "--save", "v.bin", "--json")
    assert status == 0
    saved, near = (json.loads(line) for line in out.splitlines())
    assert saved == {"saved": "v.bin", "words": 17, "width": 12}
    assert near["id"] == "cat"
    status, _, said = type_in("similar", run.folder, "--save", tmp_path / "nowhere" / "v.bin")
    assert status == 2
    assert "There is no folder" in " ".join(said.split())
    quick = {"model": "linear", "training.epochs": 1, "training.threads": 1}
    pictures = leadline.train("digits", changes=quick, folder=tmp_path / "digits").folder
    status, _, said = type_in("similar", pictures, "--save", "w.bin")
    assert status == 2
    assert "--save is for words" in " ".join(said.split())
    assert not Path("w.bin").exists()


def texts_file(tmp_path: Path) -> Path:
    chance = random.Random(3)
    rows = [
        f"{kind},the {chance.choice(words)} and the {chance.choice(words)}"
        for kind, words in (("animal", ANIMALS), ("fruit", FRUITS)) * 60
    ]
    (tmp_path / "kinds.csv").write_text("kind,text\n" + "\n".join(rows) + "\n")
    return tmp_path / "kinds.csv"


@pytest.mark.parametrize("model", ["averaged_embeddings", "text_convnet", "recurrent"])
def test_vectors_are_the_first_layer_of_a_network(model: str, run: Run, tmp_path: Path) -> None:
    dataset = load(texts_file(tmp_path), target="kind", columns={"text": "text"})
    plan = propose(dataset, {"model": model, "start.vectors": str(run.folder), "training.device": "cpu"})
    network = build(plan, dataset).model
    table = next(module for module in network.modules() if isinstance(module, torch.nn.Embedding))
    assert table.embedding_dim == 12
    words = dataset.schema.inputs.vocabulary
    rows = [row for row, word in enumerate(words) if word in run.word_vectors and row > 1]
    assert len(rows) >= 9
    ours = np.stack([run.word_vectors[words[row]] for row in rows])
    theirs = table.weight.detach().numpy()[rows]
    ratio = (theirs * ours).sum() / (ours * ours).sum()
    assert theirs == pytest.approx(ratio * ours, abs=1e-5)
    assert plan_notes(plan, dataset.schema)[0].startswith(f"{len(rows)} of ")


@pytest.mark.parametrize("model", ["recurrent_language", "window_language", "small_transformer"])
def test_a_language_model_begins_with_vectors_of_a_file(model: str, run: Run, text: Path, tmp_path: Path) -> None:
    path = write_vectors(run.word_vectors, tmp_path / "farm.bin")
    dataset = load(text, unit="words")
    plan = propose(dataset, {"model": model, "start.vectors": str(path), "training.device": "cpu"})
    network = build(plan, dataset).model
    row = dataset.schema.inputs.vocabulary.numbers["cow"]
    table = next(module for module in network.modules() if isinstance(module, torch.nn.Embedding))
    assert table.embedding_dim == 12
    found = table.weight[row].detach().numpy()
    own = read_vectors(path)["cow"]
    assert float(found @ own / np.linalg.norm(found) / np.linalg.norm(own)) == pytest.approx(1, abs=1e-5)


def test_the_last_run_gives_vectors_and_a_wrong_path_is_told_before_the_data_are_read(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = tmp_path / "farm.txt"
    text.write_text(farm(5, 500))
    leadline.train(text, changes={**QUICK, "training.epochs": 1})
    texts = texts_file(tmp_path)
    quick = {"model": "averaged_embeddings", "training.epochs": 1, "training.device": "cpu", "data.columns.text": "text"}
    begun = leadline.train(texts, target="kind", changes={**quick, "start.vectors": "last"})
    assert begun.plan.start.vectors.endswith("farm-1")
    assert begun.plan.model.arguments["width"] == 12
    with pytest.raises(SourceNotFoundError, match="no file of word vectors at nowhere"):
        leadline.train("no such data", target="kind", changes={**quick, "start.vectors": "nowhere"})


def test_vectors_that_do_not_fit_are_refused(run: Run, tmp_path: Path) -> None:
    dataset = load(texts_file(tmp_path), target="kind", columns={"text": "text"})
    vectors = {"start.vectors": str(run.folder)}
    with pytest.raises(PlanError, match="has no vectors of words"):
        propose(dataset, {"model": "tfidf_linear", **vectors})
    with pytest.raises(PlanError, match="model.embedding = 12"):
        propose(dataset, {"model": "text_convnet", "model.embedding": 50, **vectors})
    with pytest.raises(PlanError, match="on texts"):
        propose(load("iris"), vectors)
    with pytest.raises(RunError, match="no finished Run"):
        propose(dataset, {"model": "text_convnet", "start.vectors": str(tmp_path)})
    strange = write_vectors(WordVectors(["rome", "oslo"], np.eye(2)), tmp_path / "strange.txt")
    plan = propose(dataset, {"model": "text_convnet", "start.vectors": str(strange), "training.device": "cpu"})
    with pytest.raises(PlanError, match="Not one word"):
        build(plan, dataset)
