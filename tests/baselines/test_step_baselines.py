"""Simple answers for each step, against counts and a regression of their own."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from leadline.baselines.steps import fit_step_baselines
from leadline.data.steps.step_loading import load_steps


def test_the_commonest_tag_of_each_word_is_counted() -> None:
    random = np.random.default_rng(0)
    words = [[f"w{n}" for n in random.integers(0, 6, 5)] for _ in range(60)]
    tags = [["ABC"[(int(word[1:]) + (random.random() < 0.2)) % 3] for word in row] for row in words]
    dataset = load_steps(words, tags)
    by_word, commonest = fit_step_baselines(dataset, dataset.test, seconds=1)
    learned = [int(name.split(":")[1]) for name in dataset.train.ids]
    counts: dict[str, Counter[str]] = {}
    for row in learned:
        for word, tag in zip(words[row], tags[row], strict=True):
            counts.setdefault(word, Counter())[tag] += 1
    asked = [word for name in dataset.test.ids for word in words[int(name.split(":")[1])]]
    assert [dataset.schema.answers.names[each] for each in by_word.said] == [
        counts[word].most_common(1)[0][0] for word in asked
    ]
    assert len(set(commonest.said.tolist())) == 1
    assert by_word.name == "most frequent class of each word"


def test_an_unknown_word_gets_what_is_commonest_of_all() -> None:
    words = [["a", "b"], ["a", "b", "b"], ["b", "a"]] * 6 + [["a"] * n for n in range(3, 9)]
    dataset = load_steps(words, [["X" if word == "a" else "Y" for word in row] for row in words])
    strange: Any = dataset.test.take(np.arange(1))
    strange.inputs.values[:] = 1
    by_word, commonest = fit_step_baselines(dataset, strange, seconds=1)
    assert (by_word.said == commonest.said).all()


@pytest.mark.parametrize("numeric", [False, True])
def test_the_linear_model_sees_the_neighbors_of_a_step(numeric: bool) -> None:
    random = np.random.default_rng(0)
    series = [random.normal(size=(40, 2)) for _ in range(30)]
    before = [np.concatenate([[0.0, 0.0, 0.0], row[:-3, 1]]) for row in series]  # what was three steps ago
    targets: Any = [values * 5 + 7 if numeric else (values > 0).astype(int) for values in before]
    dataset = load_steps(series, targets)
    linear, plain = fit_step_baselines(dataset, dataset.test, seconds=10)
    truth = dataset.test.targets.values
    assert linear.name == "linear model"
    if numeric:
        assert np.abs(linear.said - truth).mean() < 0.05 * np.abs(plain.said - truth).mean()
    else:
        assert (linear.said == truth).mean() > 0.95 > 0.8 > (plain.said == truth).mean()
