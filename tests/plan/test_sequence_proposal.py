"""What is proposed for texts and series: by their length and number, in arguments that the builders take."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest

from leadline import data
from leadline.data.dataset import Dataset
from leadline.models import MODELS
from leadline.plan import propose
from leadline.plan.network_building import network
from leadline.plan.sequences import sequence_arguments, sequence_network, sequence_training

WORDS = [f"word{number}" for number in range(50)]


def texts(rows: int, words: int, classes: int = 2) -> Dataset:
    random = np.random.default_rng(0)
    # A number of its own, so that no two are copies.
    lines = [" ".join([*random.choice(WORDS, words - 1), f"number{row}"]) for row in range(rows)]
    return data.load(lines, [f"class {row % classes}" for row in range(rows)])


def series(rows: int) -> Dataset:
    random = np.random.default_rng(0)
    found = [random.normal(size=(20 + row % 5, 1)).astype(np.float32) for row in range(rows)]
    return data.load(found, np.arange(rows) % 2)


SHORT, LONG = texts(200, 10), texts(200, 80)


@pytest.mark.parametrize(("made", "name"), [(SHORT, "averaged_embeddings"), (LONG, "tfidf_linear")])
def test_the_length_of_the_texts_decides(made: Dataset, name: str) -> None:
    proposed, reason = sequence_network(made)
    assert proposed == name
    assert f"{len(made.train):,}" in reason
    words = float(made.train.inputs.lengths.mean())
    assert f"{words:.0f} words" in reason


def test_many_long_texts_are_worth_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leadline.plan.sequences._MANY_TEXTS", len(LONG.train))
    assert sequence_network(LONG)[0] == "averaged_embeddings"
    monkeypatch.setattr("leadline.plan.sequences._MANY_TEXTS", len(LONG.train) + 1)
    assert sequence_network(LONG)[0] == "tfidf_linear"


def test_names_are_read_by_letters_and_series_by_filters() -> None:
    random = np.random.default_rng(0)
    names = ["".join(random.choice(list("abcdefghij"), 7)) for _ in range(120)]
    assert sequence_network(data.load(names, [name[0] < "e" for name in names]))[0] == "recurrent"
    assert sequence_network(series(40))[0] == "series_convnet"


@pytest.mark.parametrize("made", [SHORT, LONG, series(40)])
@pytest.mark.parametrize("name", ["tfidf_linear", "averaged_embeddings", "text_convnet", "recurrent", "series_convnet"])
def test_the_arguments_are_those_of_the_builder_and_each_reason_is_of_one_of_them(made: Dataset, name: str) -> None:
    if (name == "series_convnet") != (made.schema.inputs.kind == "series") and name != "recurrent":
        pytest.skip("a network for other inputs")
    why: dict[str, str] = {}
    arguments = sequence_arguments(name, made, why)
    assert set(arguments) <= set(inspect.signature(MODELS[name]).parameters)
    assert {key.removeprefix("model.") for key in why} <= set(arguments)
    assert network(propose(made, {"model": name}), made.schema)


def places(made: Dataset) -> int:
    return int(made.train.inputs.lengths.sum())


def test_buckets_grow_with_the_texts_and_their_weights_stay_few(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}
    for words in (10**4, 2**21, 10**9):
        monkeypatch.setattr("leadline.plan.sequences._tokens", lambda _, words=words: words)
        asked[words] = sequence_arguments("tfidf_linear", LONG, {})["buckets"]
    assert asked == {10**4: 2**17, 2**21: 2**18, 10**9: 2**19}
    many = sequence_arguments("tfidf_linear", texts(400, 30, classes=100), {})["buckets"]
    assert many == 2 ** int(math.log2(2**22 / 100))
    assert many * 100 <= 2**22


def test_the_reason_for_the_buckets_counts_the_words() -> None:
    why: dict[str, str] = {}
    sequence_arguments("tfidf_linear", LONG, why)
    assert f"{places(LONG):,}" in why["model.buckets"]


@pytest.mark.parametrize(("model", "fewest", "power"), [("tfidf_linear", 8, 1.0), ("averaged_embeddings", 4, 0.5)])
def test_as_many_steps_whatever_the_rows_and_lower_rates_for_more(model: str, fewest: int, power: float) -> None:
    rows = [500, 2_500, 7_000, 22_500]
    made = [sequence_training(model, each) for each in rows]
    for each, training in zip(rows, made, strict=True):
        steps = training.epochs * each / training.batch
        assert steps == pytest.approx(1_400, rel=0.1) or (training.epochs == fewest and steps > 1_400)
    rates = [training.learning_rate for training in made]
    assert rates == sorted(rates, reverse=True)
    # n times the rows, so much lower a rate, up to its bounds
    assert made[2].learning_rate / made[3].learning_rate == pytest.approx((22_500 / 7_000) ** power, rel=0.05)
    assert sequence_training(model, 10**6).learning_rate == made[3].learning_rate
    assert sequence_training(model, 10**6).epochs == fewest
    assert sequence_training(model, 10).learning_rate == sequence_training(model, 100).learning_rate


def test_few_series_are_gone_through_more_often_than_few_texts() -> None:
    assert sequence_training("series_convnet", 40).epochs == 300
    assert sequence_training("recurrent", 40).epochs == 100
    assert sequence_training("series_convnet", 2_000).epochs == 10


def test_a_batch_is_a_power_of_two_between_16_and_64() -> None:
    assert {sequence_training("recurrent", rows).batch for rows in (2, 100, 2_000, 10**6)} == {16, 32, 64}
