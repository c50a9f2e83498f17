"""Language models judged together: weights, scores and the cache against what is computed by hand."""

from __future__ import annotations

import json
import math
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

import leadline
from leadline.data.tokens.token_loading import stream_of
from leadline.errors import ArgumentError, DataError
from leadline.language import NetworkForetelling, NGramNetwork, read_arpa, write_arpa
from leadline.runs import Run, evaluate_mixed

SPACED = {"data.unit": "spaced words"}
QUICK = SPACED | {"model.hidden": 12, "model.embedding": 12, "training.epochs": 2, "training.threads": 1}


def tales(seed: int, count: int = 700) -> str:
    """Lines whose last word is that of their beginning, three words before; names come in streaks, which a cache sees."""
    chance = random.Random(seed)
    names = [f"name{number}" for number in range(30)]
    lines, name = [], names[0]
    for _ in range(count):
        name = chance.choice(names) if chance.random() < 0.1 else name
        between = [chance.choice(words) for words in (("sees", "hears"), ("the", "a"), ("cat", "dog"))]
        lines.append(" ".join([name, *between, name]) + "\n")
    return "".join(lines)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tales") / "tales.txt"
    path.write_text(tales(0))
    return path


@pytest.fixture(scope="module")
def network(text: Path) -> Run:
    return leadline.train(text, changes=QUICK, folder=text.parent / "runs" / "network")


@pytest.fixture(scope="module")
def counted(text: Path) -> Run:
    return leadline.train(text, changes=SPACED | {"model": "ngram", "model.order": 3}, folder=text.parent / "runs" / "counted")


@pytest.fixture(scope="module")
def found(network: Run, counted: Run, text: Path) -> dict[str, Any]:
    return evaluate_mixed(network, [counted], text, cache=True)


def by_hand(network: Run, counted: Run, text: Path) -> dict[str, list[NDArray[np.float64]]]:
    """Surprises of both at the tokens of validation and test."""
    assert isinstance(counted.model, NGramNetwork)
    dataset = leadline.data.load(text, unit="spaced words")
    models = [NetworkForetelling(network.model, start=network.schema.inputs.start), counted.model.counted]
    return {part: [model.surprises(stream_of(getattr(dataset, part))) for model in models] for part in ("valid", "test")}


def test_each_model_and_each_mixture_stands_apart(found: dict[str, Any], network: Run, counted: Run, text: Path) -> None:
    rows = found["mixtures"]
    assert [row["names"] for row in rows] == [
        ["recurrent_language"],
        ["ngram"],
        ["recurrent_language", "ngram"],
        ["recurrent_language", "ngram"],
        ["recurrent_language", "cache"],
        ["recurrent_language", "ngram", "cache"],
    ]
    assert [bool(row.get("gated")) for row in rows] == [False, False, False, True, False, False]
    perplexities = [row["scores"]["perplexity"]["value"] for row in rows]
    assert perplexities[3] == pytest.approx(perplexities[2], rel=0.01)  # so weak a network is asked nowhere
    assert perplexities[:2] == pytest.approx([network.score, counted.score], rel=1e-5)
    assert found["scores"] == network.evaluate(text)["scores"]
    assert rows[0]["difference"]["value"] == 0
    assert rows[2]["difference"]["value"] == pytest.approx(perplexities[2] - perplexities[0])
    assert all(sum(row["weights"]) == pytest.approx(1) for row in rows)


def test_the_weight_is_the_best_on_validation_text(found: dict[str, Any], network: Run, counted: Run, text: Path) -> None:
    surprises = by_hand(network, counted, text)

    def mixed(part: str, share: float) -> float:
        one, other = surprises[part]
        return float(-np.log((1 - share) * np.exp(-one) + share * np.exp(-other)).mean())

    best = minimize_scalar(lambda share: mixed("valid", share), bounds=(0, 1), method="bounded", options={"xatol": 1e-9}).x
    row = found["mixtures"][2]
    assert row["weights"][1] == pytest.approx(best, abs=2e-3)
    assert row["scores"]["perplexity"]["value"] == pytest.approx(math.exp(mixed("test", row["weights"][1])), rel=1e-5)


def test_a_cache_beside_counts_is_that_of_what_was_just_read(counted: Run, text: Path) -> None:
    found = evaluate_mixed(counted, [], text, cache=True)
    assert [row["names"] for row in found["mixtures"]] == [["ngram"], ["ngram", "cache"]]
    assert found["cache"]["flatness"] == 0
    ids = stream_of(leadline.data.load(text, unit="spaced words").test)
    size, (own, cached) = found["cache"]["size"], found["mixtures"][1]["weights"]
    p_cache = [float(np.mean(ids[max(0, at - size) : at] == ids[at])) if at else 0.0 for at in range(len(ids))]
    assert isinstance(counted.model, NGramNetwork)
    p = own * np.exp(-counted.model.counted.surprises(ids)) + cached * np.array(p_cache)
    assert found["mixtures"][1]["scores"]["perplexity"]["value"] == pytest.approx(math.exp(-np.log(p).mean()), rel=1e-5)


def test_an_arpa_file_is_mixed_in(network: Run, counted: Run, text: Path, tmp_path: Path, found: dict[str, Any]) -> None:
    assert isinstance(counted.model, NGramNetwork)
    vocabulary = network.schema.inputs.vocabulary
    write_arpa(counted.model.counted, vocabulary, tmp_path / "m.arpa")
    read = evaluate_mixed(network, [read_arpa(tmp_path / "m.arpa", vocabulary).model], text)
    assert read["mixtures"][1]["names"] == ["3-gram model"]
    assert read["mixtures"][2]["scores"]["perplexity"]["value"] == pytest.approx(
        found["mixtures"][2]["scores"]["perplexity"]["value"], rel=1e-4
    )
    assert "trained on other data" in read["note"]
    assert "trained on other data" not in found["note"]


def test_a_file_that_lacks_words_is_infinitely_surprised_alone_and_mixed_all_the_same(
    network: Run, text: Path, tmp_path: Path, type_in: Any
) -> None:
    path, told = tmp_path / "few.arpa", tmp_path / "told.txt"
    vocabulary = network.schema.inputs.vocabulary
    words = ["<s>", "</s>", "<unk>", *(word for word in vocabulary.words if word.isalnum() and word != "cat")]
    singles = "".join(f"-1.6\t{word}\n" for word in words)
    path.write_text(f"\\data\\\nngram 1={len(words)}\n\n\\1-grams:\n{singles}\n\\end\\\n")
    told.write_text(tales(1, 40))
    rows = evaluate_mixed(network, [read_arpa(path, vocabulary).model], told)["mixtures"]
    alone = {"value": None, "low": None, "high": None}
    cats = tales(1, 40).count("cat")
    assert [row["ruled_out"] for row in rows] == [0, cats, 0, 0]
    assert {key: rows[1]["scores"]["perplexity"][key] for key in alone} == alone == rows[1]["difference"]
    assert rows[1]["weights"] == [1.0]
    assert math.isfinite(rows[2]["scores"]["perplexity"]["value"])
    status, out, err = type_in("evaluate", network.folder, told, "--mix", path)
    assert status == 0, err
    assert f"beside it 1-gram model: perplexity infinite, as it rules out {cats} tokens of the text" in " ".join(out.split())
    status, out, _ = type_in("evaluate", network.folder, told, "--mix", path, "--json")
    json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_another_text_is_judged(network: Run, counted: Run, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text(tales(5, 60))
    found = evaluate_mixed(network, [counted], other)
    assert found["rows"] == 60 * 6
    assert found["mixtures"][0]["scores"] == network.evaluate(other)["scores"]
    assert "1,2" not in found["note"]
    assert "tokens of validation" not in found["note"]
    assert "words of validation text" in found["note"]


def test_the_command_line_prints_each_in_its_line(network: Run, counted: Run, text: Path, tmp_path: Path, type_in: Any) -> None:
    status, out, err = type_in("evaluate", network.folder, text, "--mix", counted.folder, "--cache")
    assert status == 0, err
    assert max(map(len, out.splitlines())) <= 80
    labels = [line[:10].strip() for line in out.splitlines()]
    assert [labels.count(label) for label in ("alone", "beside it", "mixed", "cache", "note")] == [1, 1, 4, 1, 1]
    assert "alone     recurrent_language\nPerplexity" in out
    assert " ngram + " in " ".join(out.split())
    status, out, _ = type_in("evaluate", network.folder, text, "--mix", counted.folder, "--json")
    assert status == 0
    assert len(json.loads(out)["mixtures"]) == 4
    assert json.loads(out)["cache"] is None
    (tmp_path / "bad.arpa").write_text("\\data\\\n")
    for words, message in (
        (("--mix", tmp_path / "nowhere"), "nowhere"),
        (("--mix", tmp_path / "none.arpa"), "There is no file"),
        (("--mix", text), "is no language model to be mixed in. Expected a Run"),
        (("--mix", tmp_path / "bad.arpa"), "does not say how many n-grams"),
        (("--cache", "--samples", 5), "--samples is not for language models"),
    ):
        status, _, err = type_in("evaluate", network.folder, text, *words)
        assert status == 2
        assert message in " ".join(err.split())


def test_a_text_without_lines_is_judged_from_its_second_token(tmp_path: Path) -> None:
    path = tmp_path / "line.txt"
    path.write_text(tales(3, 400).replace("\n", " "))
    letters = {"data.unit": "characters"}
    sizes = {"model.hidden": 8, "model.embedding": 8, "training.epochs": 1, "training.threads": 1}
    network = leadline.train(path, changes=letters | sizes, folder=tmp_path / "network")
    counted = leadline.train(path, changes=letters | {"model": "ngram", "model.order": 4}, folder=tmp_path / "counted")
    assert network.schema.inputs.start is None
    for first, other in ((network, counted), (counted, network)):
        found = evaluate_mixed(first, [other], path, cache=True)
        alone, beside, both = (row["scores"]["bits"]["value"] for row in found["mixtures"][:3])
        assert both <= min(alone, beside) + 0.02
        assert found["rows"] == network.results["rows"]["test"]
    assert beside == pytest.approx(network.score)


def test_models_that_do_not_read_alike_are_refused(network: Run, counted: Run, text: Path, tmp_path: Path) -> None:
    changes = {"data.unit": "characters", "model": "ngram", "model.order": 2}
    letters = leadline.train(text, changes=changes, folder=tmp_path / "letters")
    with pytest.raises(
        ArgumentError, match="letters does not read text as counted does.*words between spaces.*characters of a text"
    ):
        evaluate_mixed(counted, [letters], text)
    assert isinstance(letters.model, NGramNetwork)
    with pytest.raises(ArgumentError, match="2-gram model is over another vocabulary"):
        evaluate_mixed(counted, [letters.model.counted], text)
    rows = np.random.default_rng(0).normal(size=(60, 4))
    quick = {"model": "linear", "training.epochs": 1, "training.threads": 1}
    table = leadline.train(rows, targets=rows[:, 0] > 0, changes=quick, folder=tmp_path / "run")
    for pair in ((table, []), (counted, [table])):
        with pytest.raises(ArgumentError, match="run was not trained to foretell a text, so that it cannot be mixed"):
            evaluate_mixed(*pair, text)


def test_a_model_without_weight_is_said_to_add_nothing(text: Path, tmp_path: Path, type_in: Any) -> None:
    letters = {"data.unit": "characters", "model": "ngram"}
    runs = [leadline.train(text, changes=letters | {"model.order": n}, folder=tmp_path / str(n)) for n in (1, 5)]
    status, out, _ = type_in("evaluate", runs[0].folder, text, "--mix", runs[1].folder)
    assert status == 0
    assert "mixed 1.00 5 and nothing of 1: bits per character" in " ".join(out.split())


def test_runs_of_one_kind_are_called_by_their_folders(counted: Run, text: Path) -> None:
    shutil.copytree(counted.folder, counted.folder.parent / "again")
    found = evaluate_mixed(counted, [leadline.open(counted.folder.parent / "again")], text)
    assert found["mixtures"][2]["names"] == ["counted", "again"]
    assert found["mixtures"][2]["weights"] == pytest.approx([0.5, 0.5])


def test_a_text_that_has_changed_since_is_told(text: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.txt"
    shutil.copy(text, own)
    run = leadline.train(own, changes=SPACED | {"model": "ngram", "model.order": 2}, folder=tmp_path / "run")
    own.write_text(tales(9))
    with pytest.raises(DataError, match="fitted on the validation text of the training, which has changed since"):
        evaluate_mixed(run, [], text, cache=True)
    own.unlink()
    with pytest.raises(DataError, match="which cannot be read.*There is"):
        evaluate_mixed(run, [], text, cache=True)


def test_a_text_too_long_for_a_cache_is_told(network: Run, text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leadline.runs.mixed_scoring._FEATURES", 600)
    with pytest.raises(ArgumentError, match="too long for a cache. Expected 50 words at most"):
        evaluate_mixed(network, [], text, cache=True)
