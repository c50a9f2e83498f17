"""The linear model on tf-idf: the rows it is given are those of the layer, and it is as good as scikit-learn by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from leadline.baselines import fit_baselines
from leadline.baselines.text_problem import TextProblem
from leadline.data import Dataset, load
from leadline.data.ragged import Ragged
from leadline.models.tfidf_networks import TfidfLinear

ROWS = 900


def reviews() -> tuple[list[str], list[str]]:
    """Of 300 words, each with a lean of its own; only together they tell."""
    random = np.random.default_rng(0)
    words = np.array([f"word{number}" for number in range(300)])
    lean = random.normal(size=300)
    marks = ["good" if row % 2 else "bad" for row in range(ROWS)]
    shares = {mark: np.exp(sign * 0.35 * lean) for mark, sign in (("good", 1), ("bad", -1))}
    return [" ".join(random.choice(words, 25, p=shares[mark] / shares[mark].sum())) for mark in marks], marks


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load(*reviews())


def test_it_is_as_good_as_by_hand_on_all_rows(dataset: Dataset) -> None:
    (found,) = fit_baselines(dataset, seconds=30)
    assert f"all {len(dataset.train)} training rows" in found.detail
    assert "on tf-idf of words and up to 2 together" in found.detail
    texts, marks = reviews()
    rows = {part: [int(name.split(":")[1]) for name in getattr(dataset, part).ids] for part in ("train", "test")}
    vectorizer = TfidfVectorizer(sublinear_tf=True)
    x = vectorizer.fit_transform([texts[row] for row in rows["train"]])
    by_hand = LogisticRegression(C=10).fit(x, [marks[row] for row in rows["train"]])
    score = by_hand.score(vectorizer.transform([texts[row] for row in rows["test"]]), [marks[row] for row in rows["test"]])
    assert (found.probabilities.argmax(1) == dataset.test.targets).mean() >= score - 0.03
    assert score > 0.8


@pytest.mark.parametrize("unit", ["words", "characters"])
def test_rows_are_those_of_the_network_on_tf_idf(unit: str) -> None:
    texts, marks = reviews()
    dataset = load([*texts[:200], "word1", "word1 word1"], [*marks[:200], "good", "bad"], unit=unit)
    problem, rows = TextProblem(dataset), dataset.train.inputs
    assert isinstance(rows, Ragged)
    layer = TfidfLinear(len(dataset.schema.inputs.vocabulary), 1, ngrams=2 if unit == "words" else 4, buckets=2**18)
    ids = torch.from_numpy(rows.padded(0)).long()
    layer.learn_frequencies([ids])
    features, values = layer.values(ids)
    dense = torch.zeros(len(ids), len(layer.idf)).scatter_add_(1, features, values).numpy()
    made, targets = problem.training(len(rows))
    assert abs(made.toarray() - dense[problem.order]).max() < 1e-5
    assert np.array_equal(targets, dataset.train.targets[problem.order])
    assert abs(problem.training(30)[0] - made[:30]).max() == 0
    assert np.linalg.norm(problem.test.toarray(), axis=1) == pytest.approx(1)


def test_columns_that_no_training_row_has_make_no_difference(dataset: Dataset) -> None:
    (found,) = fit_baselines(dataset, seconds=60)
    problem = TextProblem(dataset)
    inputs, targets = problem.training(len(dataset.train))
    strength = float(found.detail.split("C = ")[1].split(",")[0])
    whole = LogisticRegression(C=strength, tol=1e-8, max_iter=2000).fit(inputs, targets)
    assert inputs.shape[1] > 2**18
    assert found.probabilities == pytest.approx(whole.predict_proba(problem.test), abs=2e-3)


def test_a_model_is_fitted_to_the_columns_that_its_rows_have(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    widths, fit = [], LogisticRegression.fit
    monkeypatch.setattr(LogisticRegression, "fit", lambda self, x, y: widths.append(x.shape[1]) or fit(self, x, y))
    fit_baselines(dataset, seconds=60)
    inputs, _ = TextProblem(dataset).training(len(dataset.train))
    assert max(widths) == len(np.unique(inputs.indices)) < inputs.shape[1] / 10


def test_parts_of_the_rows_make_no_difference(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = TextProblem(dataset)
    monkeypatch.setattr("leadline.baselines.text_problem._TOKENS", 500)
    parts = TextProblem(dataset)
    assert abs(whole.training(300)[0] - parts.training(300)[0]).max() < 1e-6
    assert abs(whole.test - parts.test).max() < 1e-6


def test_memory_limits_the_rows(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leadline.baselines.text_problem._MOST_ENTRIES", 100 * 50)
    assert TextProblem(dataset).affordable(one_hot=True) == 100
    (found,) = fit_baselines(dataset, seconds=30)
    assert f"100 of {len(dataset.train)} training rows" in found.detail
