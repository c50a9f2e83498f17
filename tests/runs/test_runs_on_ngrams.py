"""A Run of an n-gram model, from the text to its report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import leadline
from leadline.data.tokens.token_loading import read_tokens, stream_of
from leadline.errors import DataError, Interrupted, PlanError, RunError
from leadline.language import Mixture, NetworkForetelling, NGramModel, NGramNetwork, fit_mixture, read_arpa
from leadline.runs import ngrams

WHO, DOES, WHAT = ("the cat", "the dog", "a bird"), ("sees", "hears", "likes"), ("the sea", "the rain", "a song")


def rhymes(count: int = 900, seed: int = 0) -> str:
    draw = np.random.default_rng(seed)
    return "".join(f"{draw.choice(WHO)} {draw.choice(DOES)} {draw.choice(WHAT)} .\n" for _ in range(count))


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rhymes") / "rhyme.txt"
    path.write_text(rhymes())
    return path


@pytest.fixture(scope="module")
def run(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    changes = {"data.task": "ngram", "data.unit": "spaced words", "model.order": 4}
    return leadline.train(text, changes=changes, folder=tmp_path_factory.mktemp("runs") / "rhyme")


def model_of(run: Any) -> NGramModel:
    assert isinstance(run.model, NGramNetwork)
    return run.model.counted


def test_the_score_is_the_perplexity_of_the_test_part(run: Any, text: Path) -> None:
    dataset = leadline.data.load(text, task="ngram", unit="spaced words")
    surprises = model_of(run).surprises(stream_of(dataset.test))
    assert run.schema.task == dataset.task == run.results["task"] == "ngram"
    assert run.score == pytest.approx(np.exp(surprises.mean()), rel=1e-6)
    score = run.results["scores"]["perplexity"]
    assert score["low"] < score["value"] < score["high"]
    # Three choices at three places of a line of six words and its end: the best there can be is about 3^(3/7).
    assert 3 ** (3 / 7) * 0.97 < run.score < 3 ** (3 / 7) * 1.05
    assert [row["name"] for row in run.results["baselines"]] == ["unigram model", "bigram model"]
    assert run.results["baselines"][1]["network_ahead"]["high"] < 0
    lengths = run.results["ngrams"]["lengths"]
    assert [row["length"] for row in lengths] == [1, 2, 3, 4]
    assert sum(row["share"] for row in lengths) == pytest.approx(1)
    # Of single words those that came are told; the unknown word, which never did, can come as well.
    assert [row["ngrams"] for row in lengths] == [model_of(run).sizes[0] - 1, *model_of(run).sizes[1:]]


def test_it_opens_memory_mapped_and_answers_as_before(run: Any) -> None:
    opened = leadline.open(run.folder)
    assert isinstance(model_of(opened).levels[1].codes.base, np.memmap)
    assert opened.score == run.score
    answer = opened.predict("the cat")
    assert answer.answer in ("sees", "hears", "likes")
    assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert answer.probabilities[answer.answer] == pytest.approx(1 / 3, abs=0.05)
    several = opened.predict(["the cat sees", "a"])
    assert [each.answer in ("the", "a", "bird", "song") for each in several] == [True, True]
    assert "".join(opened.write("the cat", length=3, seed=3)) == "".join(run.write("the cat", length=3, seed=3))
    assert "".join(run.write("", length=60, temperature=0)).count("\n") >= 5


def test_another_text_is_judged_and_unknown_words_are_told(run: Any, text: Path, tmp_path: Path) -> None:
    own = run.evaluate(text)
    assert own["scores"]["perplexity"]["value"] == pytest.approx(run.score)
    assert "only its test part counts" in own["note"]
    other = tmp_path / "other.txt"
    other.write_text(rhymes(80, seed=5).replace("bird", "heron"))
    found = run.evaluate(other)
    assert "not known" in found["note"]
    assert found["scores"]["perplexity_known"]["value"] < found["scores"]["perplexity"]["value"]
    ids = stream_of(read_tokens(other, run.schema))
    assert found["scores"]["perplexity_known"]["value"] == pytest.approx(np.exp(model_of(run).surprises(ids)[ids != 1].mean()))


def test_it_is_mixed_with_a_network(run: Any, text: Path, type_in: Any) -> None:
    changes = {
        "data.unit": "spaced words",
        "model.hidden": 8,
        "model.embedding": 8,
        "training.epochs": 1,
        "training.threads": 1,
    }
    network = leadline.train(text, changes=changes, folder=run.folder.parent / "network")
    models = [model_of(run), NetworkForetelling(network.model, start=network.schema.inputs.start)]
    ids = stream_of(leadline.data.load(text, task="ngram", unit="spaced words").valid)
    weights = fit_mixture(np.stack([each.surprises(ids) for each in models], axis=1))
    mixed = Mixture(models, weights.tolist())
    assert mixed.surprises(ids).mean() <= min(each.surprises(ids).mean() for each in models) + 1e-6
    status, _, err = type_in("write", network.folder, "--arpa", text.with_suffix(".arpa"))
    assert status == 2
    assert "Only an n-gram model can be written as an ARPA file" in " ".join(err.split())


def test_characters_are_read_across_the_ends_of_lines(text: Path, tmp_path: Path) -> None:
    changes = {"data.task": "ngram", "data.unit": "characters", "model.order": 6}
    run = leadline.train(text, changes=changes, folder=tmp_path / "run")
    assert model_of(run).boundary is None
    assert run.plan.model.arguments["sentences"] is False
    assert run.results["headline"] == "bits"
    assert run.predict("the ca").answer == "t"
    assert "".join(run.write("the c", length=12, seed=1)).startswith("at ")


@pytest.mark.parametrize("smoothing", ["katz", "add_k", "kneser_ney"])
def test_other_smoothings_are_a_setting_away(text: Path, tmp_path: Path, smoothing: str) -> None:
    changes = {"model": "ngram", "model.smoothing": smoothing, "model.order": 2, "data.unit": "spaced words"}
    run = leadline.train(text, changes=changes, folder=tmp_path / "run")
    assert run.schema.task == "ngram", "the model says the task"
    assert ngrams.smoothing_named(smoothing) == run.results["ngrams"]["smoothing"]
    assert (run.results["ngrams"]["k"] is not None) == (smoothing == "add_k")
    assert run.score < 2.5


def test_the_report_shows_the_lengths_and_the_samples(run: Any, drawn: None) -> None:
    page = run.report().read_text(encoding="utf-8")
    assert 'id="ngrams"' in page
    assert "modified Kneser–Ney smoothing" in page
    assert "What it writes" in page
    assert "this model" in page
    assert "this network" not in page
    assert "epoch" not in json.dumps(run.results["scores"])


def test_a_changed_file_is_noticed(run: Any, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(run.folder, copy)
    with (copy / "model.safetensors").open("r+b") as file:
        file.seek(-3, 2)
        file.write(b"xyz")
    with pytest.raises(RunError, match="has changed since the training"):
        leadline.open(copy)


def test_stopped_while_counting_it_is_counted_again(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Any
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    changes = {"data.task": "ngram", "data.unit": "spaced words", "model.order": 4}
    with monkeypatch.context() as patched:
        patched.setattr(ngrams, "fit_ngrams", stop)
        with pytest.raises(Interrupted, match="leadline resume"):
            leadline.train(text, changes=changes, folder=tmp_path / "run")
    with pytest.raises(RunError, match="is not finished"):
        leadline.open(tmp_path / "run")
    assert leadline.resume(tmp_path / "run").score == run.score


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"model.order": 0}, PlanError, "order of an n-gram model is out of range"),
        ({"model.order": 60}, DataError, "longest sentence of the text is shorter than the order"),
        ({"model.smoothing": "kneser"}, PlanError, "Did you mean 'kneser_ney'"),
        ({"model.smoothing": "katz", "model.k": 0.5}, PlanError, "Only add-k has a k"),
        ({"training.epochs": 5}, PlanError, "training.epochs cannot be chosen"),
        ({"model": "recurrent_language"}, PlanError, "is not counted"),
        ({"model.width": 5}, PlanError, "has no key 'model.width'"),
        ({"start.restarts": 3}, PlanError, "cannot be chosen"),
    ],
)
def test_careless_plans_end_in_a_paragraph(
    text: Path, tmp_path: Path, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        leadline.train(text, changes={"data.task": "ngram", "data.unit": "spaced words", **changes}, folder=tmp_path / "run")


def test_an_ngram_model_is_no_network_of_the_task_tokens(text: Path, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"is counted.*--task ngram"):
        leadline.train(text, changes={"data.task": "tokens", "model": "ngram"}, folder=tmp_path / "run")


@pytest.mark.parametrize("content", ["", "\n", "w"])
def test_texts_too_short_to_count_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "short.txt").write_text(content)
    with pytest.raises(DataError):
        leadline.train(tmp_path / "short.txt", changes={"data.task": "ngram"}, folder=tmp_path / "run")


@pytest.mark.parametrize("unit", ["words", "spaced words"])
def test_one_endless_line_is_counted_by_word(unit: str, tmp_path: Path) -> None:
    line = rhymes(3000).replace("\n", " ")
    (tmp_path / "line.txt").write_text(line)
    run = leadline.train(
        tmp_path / "line.txt", changes={"data.task": "ngram", "data.unit": unit, "model.order": 3}, folder=tmp_path / "run"
    )
    assert sum(run.results["rows"].values()) == len(line.split())
    assert run.score < 2
    assert run.predict("the cat").answer in DOES
    assert len("".join(run.write("the", length=50, seed=1)).replace(".", " ").split()) > 40


def test_one_endless_run_without_a_space_is_cut(tmp_path: Path) -> None:
    (tmp_path / "run.txt").write_text("abc" * 200_000)
    changes = {"data.task": "ngram", "data.unit": "spaced words", "model.order": 2}
    run = leadline.train(tmp_path / "run.txt", changes=changes, folder=tmp_path / "run")
    assert sum(run.results["rows"].values()) == 600  # of 1,000 characters each, of three kinds
    assert len(run.schema.inputs.vocabulary) == 2 + 3


def test_a_text_of_one_word_is_learned(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("word\n" * 200)
    run = leadline.train(
        tmp_path / "one.txt", changes={"data.task": "ngram", "data.unit": "spaced words"}, folder=tmp_path / "run"
    )
    assert run.plan.model.arguments["order"] == 3
    assert run.score < 1.1
    assert any("too few" in note for note in run.results["notes"])


def test_it_is_written_as_an_arpa_file_from_the_command_line(run: Any, tmp_path: Path, type_in: Any) -> None:
    status, out, _ = type_in("write", run.folder, "--arpa", tmp_path / "m.arpa")
    assert (status, out.strip()) == (0, str(tmp_path / "m.arpa"))
    ids = run.schema.inputs.encode("the cat sees a song .\n")
    model = read_arpa(tmp_path / "m.arpa", run.schema.inputs.vocabulary).model
    np.testing.assert_allclose(model.surprises(ids), model_of(run).surprises(ids), rtol=1e-5)
    status, _, err = type_in("write", run.folder, "--arpa", tmp_path / "m.arpa")
    assert status == 2
    assert "is there already" in " ".join(err.split())


def test_the_command_line_counts_writes_and_foretells(text: Path, workplace: Path, type_in: Any) -> None:
    status, out, err = type_in("train", text, "--task", "ngram", "--set", "model.order=3", "--set", "data.unit=spaced words")
    assert status == 0, err
    assert "3-grams with modified Kneser–Ney smoothing" in out + err
    assert "leadline write" in out
    status, out, _ = type_in("write", "last", "the cat", "--length", 4, "--seed", 1)
    assert status == 0
    assert out.startswith("the cat ")
    status, out, _ = type_in("predict", "last", "the cat")
    assert status == 0
    assert "%" in out
    status, out, _ = type_in("predict", "last", "the sea .")
    assert status == 0
    assert "'\\n' (" in out, "the end of a line is shown"
    status, _, err = type_in("predict", "last", "")
    assert status == 2
    assert "An INPUT is an empty text" in " ".join(err.split())
    status, out, _ = type_in("plan", text, "--task", "ngram")
    assert status == 0
    assert "smoothing" in out
