"""Baselines for tables: boosting as good as scikit-learn by hand, trees chosen on the validation split, categories as sets."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from encoded_tables import table
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import Ridge

from leadline.baselines import Baseline, boosting, fit_baselines
from leadline.baselines.boosting import BOOSTING, Setting
from leadline.baselines.problem import Problem
from leadline.baselines.trials import Method, fit_growing
from leadline.data import Classes, Dataset, Labels, Numbers

Array = NDArray[Any]
ONE = dataclasses.replace(BOOSTING, settings=(Setting(0.1, 31, 20),))


def named(found: list[Baseline]) -> dict[str, Baseline]:
    return {baseline.name: baseline for baseline in found}


def boosted(data: Dataset, method: Method = ONE, seconds: float = 60) -> tuple[str, float, Array]:
    found = fit_growing(method, Problem(data), time.perf_counter() + seconds)
    assert found is not None
    return found[:3]


def rings(rows: int = 1600) -> Dataset:
    """Whether a point lies inside a circle, with noise; plus a category that says nothing."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(rows, 2))
    inside = (np.square(x).sum(axis=1) + 0.5 * draw.normal(size=rows) < 1.4).astype(np.int64)
    return table(x, draw.integers(0, 4, (rows, 1)), (4,), inside, Classes(("out", "in")))


def sets_of_levels(rows: int = 2400, levels: int = 40) -> Dataset:
    """A category alone decides: the codes of the levels that mean "yes" are scattered."""
    draw = np.random.default_rng(0)
    codes = draw.integers(0, levels, (rows, 1))
    yes = draw.permutation(levels) % 2
    return table(draw.normal(size=(rows, 1)), codes, (levels,), yes[codes[:, 0]].astype(np.int64), Classes(("no", "yes")))


def test_a_table_has_a_linear_model_and_boosting() -> None:
    data = rings()
    found = named(fit_baselines(data, seconds=30))
    assert list(found) == ["linear model", "gradient boosting"]
    truth = data.test.targets
    right = {name: (baseline.probabilities.argmax(1) == truth).mean() for name, baseline in found.items()}
    assert right["gradient boosting"] > right["linear model"] + 0.15  # a circle is not linear
    for baseline in found.values():
        assert baseline.probabilities.shape == (400, 2)
        assert baseline.probabilities.sum(1) == pytest.approx(1)
        assert "all 800 training rows" in baseline.detail
    assert " trees with up to " in found["gradient boosting"].detail


def test_the_trees_are_those_of_scikit_learn() -> None:
    data = rings()
    detail, _, answers = boosted(data)
    by_hand = HistGradientBoostingClassifier(max_iter=int(detail.split()[0]), early_stopping=False, categorical_features=[2])
    by_hand.fit(data.train.inputs, data.train.targets)
    assert answers == pytest.approx(by_hand.predict_proba(data.test.inputs), abs=1e-9)


def test_the_number_of_trees_is_where_the_validation_loss_is_lowest() -> None:
    data = rings()
    count = int(boosted(data)[0].split()[0])
    by_hand = HistGradientBoostingClassifier(max_iter=3 * count, early_stopping=False, categorical_features=[2])
    by_hand.fit(data.train.inputs, data.train.targets)
    rows = np.arange(len(data.valid))
    losses = [-np.log(p[rows, data.valid.targets]).mean() for p in by_hand.staged_predict_proba(data.valid.inputs)]
    assert np.argmin(losses) == count - 1
    # Where memory is all that is asked for, more trees are always better, and it goes on growing.
    memory = dataclasses.replace(data, valid=data.train)
    assert int(boosted(memory)[0].split()[0]) > 5 * count


def test_the_test_split_teaches_nothing() -> None:
    data = rings(800)
    blind = dataclasses.replace(data, test=dataclasses.replace(data.test, targets=np.zeros_like(data.test.targets)))
    for seen, unseen in zip(fit_baselines(data, seconds=60), fit_baselines(blind, seconds=60), strict=True):
        assert seen.detail == unseen.detail
        assert np.array_equal(seen.probabilities, unseen.probabilities)


def test_the_best_setting_on_the_validation_rows_is_taken() -> None:
    data = rings(1000)
    stumps = dataclasses.replace(BOOSTING, settings=(Setting(0.001, 2, 200), Setting(0.1, 31, 20)))
    assert "up to 31 leaves, learning rate 0.1" in boosted(data, stumps)[0]


def test_categories_are_split_into_sets_and_spread_for_the_linear_model() -> None:
    data = sets_of_levels()
    for baseline in fit_baselines(data, seconds=30):
        assert (baseline.probabilities.argmax(1) == data.test.targets).mean() > 0.97, baseline.name


def test_a_category_of_very_many_levels_counts_as_a_number() -> None:
    many = sets_of_levels(2400, 300)
    problem = Problem(many)
    assert boosting._arguments(problem, Setting(0.1, 31, 20))["categorical_features"] is None
    assert boosting._arguments(Problem(sets_of_levels(400, 255)), Setting(0.1, 31, 20))["categorical_features"] == [1]
    assert boosted(many)[2].shape == (600, 2)


def test_a_level_that_training_never_saw_is_answered() -> None:
    data = sets_of_levels(800, 5)
    strange = data.test.inputs.copy()
    strange[:, 1] = 0  # the code of what is unseen
    train = data.train.take(np.flatnonzero(data.train.inputs[:, 1] > 0))
    data = dataclasses.replace(data, train=train, test=dataclasses.replace(data.test, inputs=strange))
    for baseline in fit_baselines(data, seconds=30):
        assert np.isfinite(baseline.probabilities).all()


def test_a_wide_one_hot_is_made_some_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    data = sets_of_levels(800, 50)
    whole = named(fit_baselines(data, seconds=30))["linear model"]
    monkeypatch.setattr("leadline.baselines.problem._PART_NUMBERS", 1000)
    parts = [len(part) for part in Problem(data).one_hot_parts(data.test.inputs)]  # type: ignore[arg-type]
    assert max(parts) == 1000 // 51
    assert sum(parts) == 200
    assert named(fit_baselines(data, seconds=30))["linear model"].probabilities == pytest.approx(whole.probabilities, abs=1e-6)


def test_memory_limits_the_rows_by_the_width_that_a_method_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leadline.baselines.problem._MOST_NUMBERS", 5100)
    problem = Problem(sets_of_levels(800, 50))
    assert problem.affordable(one_hot=True) == 100  # of 1 + 50 columns
    assert problem.affordable(one_hot=False) == 400  # of 2: all
    found = named(fit_baselines(sets_of_levels(800, 50), seconds=30))
    assert "100 of 400 training rows" in found["linear model"].detail
    assert "all 400 training rows" in found["gradient boosting"].detail


def test_several_classes_of_which_training_lacks_one() -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(1200, 2))
    t = np.digitize(x[:, 0], [-0.5, 0.5]) + (x[:, 1] > 1.5) * (np.arange(1200) >= 600)
    data = table(x, np.zeros((1200, 0)), (), t.astype(np.int64), Classes(("a", "b", "c", "d")))
    detail, _, answers = boosted(data)
    assert "trees for each class with" in detail
    assert answers.sum(1) == pytest.approx(1)
    assert (answers[:, 3] == 0).all()
    assert (answers.argmax(1) == data.test.targets).mean() > 0.85


def test_several_labels_have_a_model_each() -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(1200, 3))
    t = np.stack([x[:, 0] > 0, np.abs(x[:, 1]) > 0.7, np.ones(1200), np.zeros(1200)], 1).astype(np.float32)
    data = table(x, np.zeros((1200, 0)), (), t, Labels(("a", "b", "always", "never")))
    found = named(fit_baselines(data, seconds=30))["gradient boosting"]
    assert ((found.probabilities >= 0.5) == (data.test.targets == 1))[:, :2].mean() > 0.95
    assert (found.probabilities[:, 2:] == [1, 0]).all()
    assert " for each label with " in found.detail


@dataclass(frozen=True)
class LogNumbers(Numbers):
    """Numbers that are learned as logarithms."""

    def prepare(self, targets: torch.Tensor) -> torch.Tensor:
        return targets.log()

    def values(self, outputs: torch.Tensor) -> torch.Tensor:
        return outputs.exp()


def skewed() -> tuple[Array, Array, Dataset]:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(1600, 2)).astype(np.float32)
    t = np.exp(2 * x + 0.1 * draw.normal(size=(1600, 2))).astype(np.float32)
    return x, t, table(x, np.zeros((1600, 0)), (), t, LogNumbers(("a", "b"), (0.0, 0.0), (1.0, 1.0)))


def test_numbers_are_learned_on_their_transformed_scale() -> None:
    x, t, data = skewed()
    found = named(fit_baselines(data, seconds=60))
    by_hand = Ridge(0.1).fit(x[:800], np.log(t[:800])).predict(x[1200:])
    assert np.log(found["linear model"].probabilities) == pytest.approx(by_hand, abs=0.02)
    detail, _, values = boosted(data)
    assert " for each number with " in detail
    for column in range(2):
        trees = HistGradientBoostingRegressor(max_iter=60, early_stopping=False).fit(x[:800], np.log(t[:800, column]))
        by_hand = np.abs(trees.predict(x[1200:]) - np.log(t[1200:, column])).mean()
        assert np.abs(np.log(values[:, column]) - np.log(t[1200:, column])).mean() < 1.1 * by_hand


def test_the_time_is_kept() -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(40_000, 60)).astype(np.float32)
    t = draw.integers(0, 12, 40_000)  # twelve trees a round
    data = table(x, np.zeros((40_000, 0)), (), t, Classes(tuple("abcdefghijkl")))
    start = time.perf_counter()
    found = fit_growing(BOOSTING, Problem(data), start + 2)
    assert time.perf_counter() - start < 8  # a first trial is always made, and other work may run beside
    assert found is not None
    assert "of 20,000 training rows" in found[0]


@pytest.mark.parametrize("odd", ["one class", "nothing to choose on", "one row"])
def test_odd_data_leave_boosting_out_or_are_answered(odd: str) -> None:
    data = rings(400)
    if odd == "one class":
        data = dataclasses.replace(data, train=data.train.take(np.flatnonzero(data.train.targets == 0)))
    elif odd == "one row":
        data = dataclasses.replace(data, train=data.train.take(np.arange(1)))
    else:
        data = dataclasses.replace(data, valid=data.valid.take(np.arange(0)))
    assert "gradient boosting" not in named(fit_baselines(data, seconds=10))


def test_few_rows_are_answered_by_what_is_common() -> None:
    data = rings(40)
    for baseline in fit_baselines(data, seconds=10):
        assert np.isfinite(baseline.probabilities).all()


def test_no_part_of_the_description_before_the_rows_reads_like_them() -> None:
    # The command line takes the part with " of " for the rows.
    detail, _, _ = boosted(rings(800))
    assert " of " not in detail.split(", ")[0] + detail.split(", ")[1]
