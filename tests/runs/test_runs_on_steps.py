"""Rows with an answer for each step from the file to a Run: better than word by word, opened, resumed to the bit, typed."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import leadline
from leadline import data
from leadline.data.ragged import Ragged
from leadline.data.schema import Schema
from leadline.data.steps.step_answers import StepClasses
from leadline.data.steps.step_loading import load_steps
from leadline.data.steps.tagged_sentences import Sentences
from leadline.errors import ArgumentError, DataError, Interrupted, LeadlineError, PlanError
from leadline.files import sha256
from leadline.metrics.spans import spans_in
from leadline.runs import Observer, Run, StepAnswer, StepPredictions
from leadline.runs.answering_steps import said_of
from leadline.runs.steps import _measured, _score

TypeIn = Callable[..., tuple[int, str, str]]
QUICK = {
    "model.hidden": 16,
    "model.embedding": 8,
    "model.dropout": 0.0,
    "training.epochs": 20,
    "training.batch": 16,
    "training.learning_rate": 0.02,
    "training.threads": 1,
    "training.device": "cpu",
    "training.precision": "float32",
}


def sentences(count: int, seed: int) -> tuple[list[list[str]], list[list[str]]]:
    """Sentences in which one word, at either end, decides what every bank in them is: no word by itself can tell."""
    chance = random.Random(seed)
    words, tags = [], []
    for _ in range(count):
        hint, kind = chance.choice((("boat", "LOC"), ("loan", "ORG")))
        row: list[str] = []
        said: list[str] = []
        for _ in range(chance.randint(3, 7)):
            if chance.random() < 0.5:
                row += ["old", "bank"]
                said += [f"B-{kind}", f"I-{kind}"]
            else:
                row.append(chance.choice(("the", "by", "a")))
                said.append("O")
        at_end = chance.random() < 0.5
        words.append([*row, hint] if at_end else [hint, *row])
        tags.append([*said, "O"] if at_end else ["O", *said])
    return words, tags


def conll(count: int, seed: int) -> str:
    rows = zip(*sentences(count, seed), strict=True)
    return "".join("".join(f"{word} {tag}\n" for word, tag in zip(*row, strict=True)) + "\n" for row in rows)


@pytest.fixture(scope="module")
def banks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("banks") / "banks.txt"
    path.write_text(conll(260, 0), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(banks: Path) -> Run:
    return leadline.train(banks, changes=QUICK, folder=banks.parent / "run")


def test_it_is_right_where_no_word_alone_can_tell(run: Run, banks: Path) -> None:
    results = run.results
    assert (results["task"], results["headline"], results["noun"]) == ("sequence", "span_f1", "words")
    score = results["scores"]["span_f1"]
    assert score["value"] > 0.95
    assert score["low"] <= score["value"] <= score["high"]
    by_word = results["baselines"][0]
    assert by_word["name"] == "most frequent class of each word"
    assert by_word["scores"]["span_f1"]["value"] < 0.75
    assert by_word["network_ahead"]["low"] > 0
    assert results["sequences"]["test"] == len(data.load(banks).test)
    assert results["rows"]["test"] == sum(map(sum, results["confusion"]))
    assert set(results["span_kinds"]) == {"LOC", "ORG"}


def test_the_scores_are_those_of_the_answers(run: Run, banks: Path) -> None:
    dataset = data.load(banks)
    names = dataset.schema.answers.names
    found: Any = run.predict([list(words) for words in dataset.test.words])  # type: ignore[attr-defined]
    said = [tag for row in found.answers for tag in row]
    truth = [names[number] for number in dataset.test.targets.values]
    assert run.results["scores"]["accuracy"]["value"] == pytest.approx(np.mean(np.array(said) == np.array(truth)))
    right = told = true = 0
    for row, answers in enumerate(found.answers):
        mine, theirs = set(spans_in(answers)), set(spans_in([names[number] for number in dataset.test.targets.row(row)]))
        right, told, true = right + len(mine & theirs), told + len(mine), true + len(theirs)
    assert run.score == pytest.approx(2 * right / (told + true))


def test_a_sentence_gets_its_tags(run: Run) -> None:
    answer = run.predict("the old bank by a boat")
    assert isinstance(answer, StepAnswer)
    assert answer.words == ("the", "old", "bank", "by", "a", "boat")
    assert answer.answers == ("O", "B-LOC", "I-LOC", "O", "O", "O")
    assert answer.spans == (("LOC", 1, 3),)
    assert run.predict(["the", "old", "bank", "by", "a", "loan"]).answers[1] == "B-ORG"  # type: ignore[union-attr]
    several = run.predict(["the old bank by a boat", "", "loan the old bank"])
    assert isinstance(several, StepPredictions)
    assert [row.answers[1] for row in several] == ["B-LOC", "O"]
    assert [row.id for row in several.excluded] == ["1"]
    # Beside other rows and padding the answers are the same.
    np.testing.assert_allclose(several[0].probabilities, answer.probabilities, atol=1e-5)
    with pytest.raises(ArgumentError, match="The input is an empty text"):
        run.predict("")


def test_it_is_opened_and_judged_again(run: Run, banks: Path, tmp_path: Path) -> None:
    again = leadline.open(run.folder)
    assert again.schema == run.schema
    own = again.evaluate(banks)
    assert own["scores"] == run.results["scores"]
    assert "only its test split counts" in own["note"]
    (tmp_path / "new.conll").write_text(conll(40, 1) + "the O\nold B-XXX\nbank I-XXX\n\n")
    new = again.evaluate(tmp_path / "new.conll")
    assert (new["rows"], new["unseen"]) == (41, 2)
    assert "never showed (B-XXX, I-XXX)" in new["note"]
    assert new["span_kinds"]["XXX"] == {"spans": 1, "precision": None, "recall": 0, "f1": 0}
    true = sum(kind["spans"] for kind in new["span_kinds"].values())
    assert new["scores"]["span_recall"]["value"] <= 1 - 1 / true
    (tmp_path / "one.conll").write_text("the O\nold B-LOC\nbank I-LOC\nboat O\n")
    assert again.evaluate(tmp_path / "one.conll")["rows"] == 1
    json.dumps(new, allow_nan=False)
    words, tags = sentences(30, 2)
    assert again.evaluate(words, targets=tags)["scores"]["accuracy"]["value"] > 0.95
    with pytest.raises(DataError, match="Not one of the answers"):
        again.evaluate(words, targets=[["z"] * len(row) for row in words])


def test_the_report_shows_sentences_with_their_tags(run: Run, drawn: None) -> None:
    page = run.report().read_text(encoding="utf-8")
    assert 'id="steps"' in page
    assert "Spans, kind by kind" in page
    assert "words it had never seen" in page
    assert "test words" in page
    assert "whole sentences anew" in page
    assert page.count('<p class="tagged">') == 10


def test_a_training_that_was_stopped_ends_with_the_same_weights(run: Run, banks: Path, tmp_path: Path) -> None:
    class Impatient(Observer):
        def advance(self, step: int) -> None:
            if step == 31:  # in the middle of an epoch
                raise Interrupted("Stopped in the middle")

    with contextlib.suppress(Interrupted):
        leadline.train(banks, changes=QUICK, folder=tmp_path / "run", observer=Impatient(), checkpoint_every=0.0)
    resumed = leadline.resume(tmp_path / "run")
    assert sha256(resumed.folder / "model.safetensors") == sha256(run.folder / "model.safetensors")
    assert resumed.results["scores"] == run.results["scores"]


@pytest.mark.parametrize("ensemble", [False, True])
def test_restarts_are_trained_one_after_another(banks: Path, tmp_path: Path, ensemble: bool) -> None:
    changes = {**QUICK, "training.epochs": 1, "start.restarts": 2, "start.ensemble": ensemble}
    run = leadline.train(banks, changes=changes, folder=tmp_path / "run")
    assert run.plan.start.together == "in turn" or "one after another" in run.plan.why["start.together"]
    assert len(run.results["restarts"]["networks"]) == 2
    again = leadline.open(run.folder)
    assert again.score == run.score
    assert len(again.predict("the old bank")) == 3  # type: ignore[arg-type]


def test_numbers_of_series_and_a_csv_of_steps(tmp_path: Path) -> None:
    """What is to be said is the running mean of the past and the future: far more than a step and its neighbors hold."""
    chance = np.random.default_rng(0)
    rows = []
    for row in range(60):
        values = np.cumsum(chance.normal(size=24))
        total = values.mean() + values
        rows += [{"who": f"p{row}", "x": x, "level": y} for x, y in zip(values, total, strict=True)]
    path = tmp_path / "levels.csv"
    pl.DataFrame(rows).write_csv(path)
    changes = {**QUICK, "data.task": "sequence", "data.group": "who", "data.target": "level", "training.epochs": 15}
    changes = {key: value for key, value in changes.items() if key != "model.embedding"}
    run = leadline.train(path, changes=changes, folder=tmp_path / "run")
    assert run.results["headline"] == "mae"
    assert [row["name"] for row in run.results["baselines"]] == ["linear model", "mean"]
    assert run.score < run.results["baselines"][1]["scores"]["mae"]["value"] / 2
    assert (run.folder / "report.html").read_text().count("<figure") >= 5
    found: Any = leadline.open(run.folder).predict(pl.DataFrame(rows[:48]).drop("level"))
    assert [(row.id, len(row)) for row in found] == [("p0", 24), ("p1", 24)]
    assert run.evaluate(path)["scores"]["mae"]["value"] == pytest.approx(run.score)
    one = run.predict(np.arange(5.0)[:, None])
    assert len(one) == 5  # type: ignore[arg-type]
    assert run.predict(path)[0].answers == pytest.approx(found[0].answers, rel=1e-4)  # type: ignore[index,union-attr]


def test_rows_that_were_cut_are_drawn_whole_for_the_intervals() -> None:
    """All pieces of a row are right or wrong together, so that there are as many chances as rows, and not as pieces."""
    series = [np.zeros((40, 1)) + row for row in range(60)]
    said = [[row % 2, *[(row // 2) % 2] * 39] for row in range(60)]
    pieces, rows = (load_steps(series, said, longest=longest, test=0.4) for longest in (4, 40))
    assert len(pieces.test) == 10 * len(rows.test) == 240
    scores = []
    for dataset in (pieces, rows):
        answers: Any = dataset.schema.answers
        counts = _measured(answers, np.zeros(dataset.test.targets.values.shape, np.int64), dataset.test)  # type: ignore[arg-type]
        metric, sums = counts["accuracy"]
        assert len(sums) == 24
        scores.append(_score(metric, sums))
    assert scores[0]["high"] - scores[0]["low"] > 0.2
    assert scores[0]["value"] == pytest.approx((pieces.test.targets.values == 0).mean())


class Reads:
    """Stands in for a network: says of each word what it is, and how many steps of its row it was given."""

    def __init__(self, schema: Schema) -> None:
        self.schema, self.longest = schema, 0

    def together(self, rows: Ragged) -> np.ndarray[Any, Any]:
        return rows.padded(0)

    def values(self, stored: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        self.longest = max(self.longest, stored.shape[1])
        return np.eye(len(self.schema.answers.names))[np.maximum(stored - 2, 0)]


@pytest.mark.parametrize("lengths", [[1], [3000], [5, 4097, 1, 2048, 2049], [50] * 900])
def test_rows_of_any_length_are_answered_step_by_step_in_their_order(lengths: list[int]) -> None:
    chance = np.random.default_rng(0)
    rows = Ragged.of([chance.integers(2, 9, length).astype(np.int32) for length in lengths])
    reads: Any = Reads(Schema(Sentences(("", "<unk>", *"abcdefg"), 9), StepClasses(tuple("abcdefg"))))
    said, sure = said_of(reads, rows)
    np.testing.assert_array_equal(said, rows.values - 2)
    assert (sure == 1).all()
    assert reads.longest <= 2048


def test_no_script_no_features_no_explanation(run: Run) -> None:
    with pytest.raises(PlanError, match="not written as a script"):
        leadline.runs.script_run(run.folder)
    with pytest.raises(ArgumentError, match="no features"):
        run.features("the old bank")
    assert run.sampled is not None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("The DT\ncat NN\nsat VBD\n" * 30, "too few rows.*blank line behind each"),
        ("The DT\ncat NN\nsat VBD\n" * 2000, "no blank line"),
        ("The X\ncat X\n\n" * 30, "only one class"),
        ("The DT\ncat\n\n" * 30, "no sentence that can be used"),
        ("The DT\ncat NN\n\nNo UH\n", "too few rows"),
    ],
)
def test_careless_files_end_in_one_paragraph(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text(text)
    with pytest.raises(LeadlineError, match=says):
        leadline.train(path, changes=QUICK, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_typed(type_in: TypeIn, banks: Path, tmp_path: Path) -> None:
    quick = [f"--set={key}={value}" for key, value in {**QUICK, "training.epochs": 2}.items()]
    folder = tmp_path / "run"
    status, said, _ = type_in("train", banks, "--folder", folder, *quick)
    assert status == 0
    assert "most frequent class of each word" in " ".join(said.split())
    assert f'leadline predict {folder} "A sentence"' in said
    status, said, _ = type_in("predict", folder, "the old bank by a boat")
    lines = [line.split() for line in said.splitlines()]
    assert status == 0
    assert [line[0] for line in lines] == ["the", "old", "bank", "by", "a", "boat"]
    assert all(line[3] == "%" for line in lines)
    _, said, _ = type_in("predict", folder, "the old bank", "a loan", "--json")
    records = [json.loads(line) for line in said.splitlines()]
    assert [record["words"] for record in records] == [["the", "old", "bank"], ["a", "loan"]]
    assert all(len(record["answers"]) == len(record["words"]) for record in records)
    _, said, _ = type_in("predict", folder, banks, "--csv")
    assert said.splitlines()[0] == "id,step,word,answer,probability"
    assert said.splitlines()[1].startswith("banks.txt:1,1,")
    status, said, _ = type_in("evaluate", folder, banks)
    assert status == 0
    assert "Span F1" in said
    for more in (("--top", 3), ("--features",)):
        status, _, told = type_in("predict", folder, "the old bank", *more)
        assert status == 2
        assert "answers each step" in told
    status, _, told = type_in("predict", folder, "")
    assert status == 2
    assert "The input is an empty text" in told
    status, _, told = type_in("show", "script", folder)
    assert status == 2
    assert "not written as a script" in told
    for words in (("the old bank",), (), ("the old bank", "--top", 2)):
        status, _, told = type_in("explain", folder, *words)
        assert status == 2
        assert "answers each step of a row" in " ".join(told.split())
        assert "leadline predict" in " ".join(told.split())
    status, said, _ = type_in("show", "summary", folder)
    assert status == 0
    assert "recurrent" in said
    status, said, _ = type_in("plan", banks)
    assert status == 0
    assert "recurrent" in said
