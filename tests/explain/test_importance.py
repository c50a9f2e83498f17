"""Permutation importance against closed forms: linear models, unused and duplicated columns, and how often intervals hold."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.inspection import permutation_importance as by_scikit_learn

from leadline.errors import ArgumentError
from leadline.explain import Importance, importance, permutation_importance
from leadline.metrics import Metric, for_task
from leadline.metrics.weighting import number_rows, row_weights, weighted_mean

Array = NDArray[Any]


def squared_error(p: torch.Tensor, t: torch.Tensor, *, weights: torch.Tensor | None = None) -> torch.Tensor:
    p, t = number_rows(p, t)
    return weighted_mean((p - t).square().mean(dim=1), row_weights(p, weights))


SQUARED = Metric("squared_error", squared_error, False, "Squared error")
RMSE = for_task("number", 1)["rmse"]
ACCURACY = for_task("classes", 2)["accuracy"]


def linear(*weights: float) -> Callable[[Array], Array]:
    return lambda rows: rows[:, : len(weights)] @ np.array(weights)[:, None]


def normal(rows: int, columns: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=(rows, columns))


def named(found: list[Importance]) -> dict[str, Importance]:
    return {column.name: column for column in found}


def test_a_linear_model_gets_twice_its_weights_squared_times_the_variance() -> None:
    # Over all pairs of different rows, E β² (xᵢ − xⱼ)² = 2 β² s², s² the sample variance: exactly, where there is no noise.
    x = normal(400, 3)
    answer = linear(1.0, -2.0, 0.5)
    found = named(permutation_importance(answer, x, answer(x), {"a": (0,), "b": (1,), "c": (2,)}, SQUARED, repeats=60))
    for place, (name, weight) in enumerate({"a": 1.0, "b": -2.0, "c": 0.5}.items()):
        exact = 2 * weight**2 * x[:, place].var(ddof=1)
        assert found[name].value == pytest.approx(exact, rel=0.04)
        assert found[name].low < exact < found[name].high
    assert list(found) == ["b", "a", "c"]


def test_noise_in_the_truth_does_not_count() -> None:
    x = normal(4000, 1)
    truth = linear(1.0)(x) + normal(4000, 1, seed=1)
    (found,) = permutation_importance(linear(1.0), x, truth, {"a": (0,)}, RMSE)
    assert found.low < math.sqrt(3) - 1 < found.high  # √(σ² + 2 β²) − σ
    assert found.value == pytest.approx(math.sqrt(3) - 1, rel=0.05)


def test_an_unused_column_is_worth_exactly_nothing() -> None:
    x = normal(300, 2)
    t = (x[:, 0] > 0).astype(np.int64)
    found = named(permutation_importance(lambda rows: two_classes(rows[:, 0]), x, t, {"used": (0,), "unused": (1,)}, ACCURACY))
    assert found["unused"] == Importance("unused", 0.0, 0.0, 0.0)
    assert found["used"].low > 0.3


def test_a_column_that_is_noise_to_the_truth_but_not_to_the_model_has_an_interval_around_nothing() -> None:
    # The model guesses from column 1, the truth knows nothing of it: shuffled or not, it is right half of the time.
    x = normal(500, 1)
    t = np.random.default_rng(1).integers(0, 2, 500)
    (found,) = permutation_importance(lambda rows: two_classes(rows[:, 0]), x, t, {"guess": (0,)}, ACCURACY)
    assert found.low < 0 < found.high


def test_duplicated_columns_share_what_they_matter_and_a_block_has_it_whole() -> None:
    x = np.repeat(normal(2000, 1), 2, axis=1)
    found = named(
        permutation_importance(linear(0.5, 0.5), x, x[:, :1], {"one": (0,), "other": (1,), "both": (0, 1)}, SQUARED, repeats=20)
    )
    variance = x[:, 0].var(ddof=1)
    assert found["both"].value == pytest.approx(2 * variance, rel=0.05)
    for name in ("one", "other"):
        assert found[name].value == pytest.approx(2 * variance / 4, rel=0.05)


def test_a_block_moves_together() -> None:
    # The two columns agree in every row. Shuffled as one block they still agree, and a model that asks only that is not hurt.
    x = np.repeat(np.random.default_rng(0).integers(0, 2, (200, 1)).astype(float), 2, axis=1)
    agree = {"both": (0, 1), "one": (0,)}
    found = named(
        permutation_importance(
            lambda rows: two_classes(0.5 - np.abs(rows[:, 0] - rows[:, 1])), x, np.ones(200, np.int64), agree, ACCURACY
        )
    )
    assert found["both"].value == 0
    assert found["one"].value == pytest.approx(0.5, abs=0.1)


class Given(RegressorMixin, BaseEstimator):
    """A function as a fitted model of scikit-learn."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer
        self.fitted_ = True

    def fit(self, x: Array, y: Array) -> Given:
        return self

    def predict(self, x: Array) -> Array:
        return np.asarray(self.answer(x)[:, 0])


def test_scikit_learn_finds_the_same() -> None:
    x = normal(500, 3)
    answer = lambda rows: np.tanh(rows[:, :1] * rows[:, 1:2]) + 0.3 * rows[:, 2:]  # noqa: E731
    truth = answer(x) + 0.1 * normal(500, 1, seed=1)
    theirs = by_scikit_learn(Given(answer), x, truth[:, 0], scoring="neg_root_mean_squared_error", n_repeats=40, random_state=0)
    ours = named(permutation_importance(answer, x, truth, {"0": (0,), "1": (1,), "2": (2,)}, RMSE, repeats=40))
    for place in range(3):
        assert ours[str(place)].value == pytest.approx(theirs.importances_mean[place], rel=0.03)


@pytest.mark.parametrize("repeats", [1, 5])
def test_intervals_hold_the_truth_about_as_often_as_they_say(repeats: int) -> None:
    # Each change of an error belongs to a pair of rows; redrawing only one would hold it far too seldom.
    held = 0
    for seed in range(150):
        x = normal(150, 1, seed)
        truth = linear(1.0)(x) + 0.5 * normal(150, 1, seed + 1000)
        (found,) = permutation_importance(
            linear(1.0), x, truth, {"a": (0,)}, SQUARED, repeats=repeats, resamples=150, seed=seed
        )
        held += found.low <= 2.0 <= found.high
    assert 0.89 <= held / 150 <= 0.995


def test_a_metric_that_falls_and_one_that_rises_agree_in_sign() -> None:
    x = normal(300, 1)
    found = [
        permutation_importance(linear(1.0), x, x, {"a": (0,)}, for_task("number", 1)[name])[0] for name in ("mae", "rmse", "r2")
    ]
    assert all(column.low > 0 for column in found)
    assert found[2].value == pytest.approx(2, abs=0.3)  # R² falls from 1 to about −1


def test_several_classes_and_labels() -> None:
    x = normal(300, 3)
    spread = np.exp(3 * x)
    share = lambda rows: np.exp(3 * rows) / np.exp(3 * rows).sum(axis=1, keepdims=True)  # noqa: E731
    blocks = {"a": (0,), "b": (1,), "c": (2,)}
    auroc = for_task("classes", 3)["auroc"]
    assert all(found.low > 0.1 for found in permutation_importance(share, x, spread.argmax(axis=1), blocks, auroc))
    labels = for_task("labels", 2)["average_precision"]
    odds = lambda rows: 1 / (1 + np.exp(-rows[:, :2]))  # noqa: E731
    found = named(permutation_importance(odds, x, (x[:, :2] > 0).astype(np.float32), blocks, labels))
    assert found["c"].value == 0
    assert found["a"].low > 0.1


def test_where_the_metric_is_undefined_so_is_importance() -> None:
    x = normal(20, 1)
    found = permutation_importance(
        lambda rows: two_classes(rows[:, 0]), x, np.zeros(20, np.int64), {"a": (0,)}, for_task("classes", 2)["auroc"]
    )
    assert math.isnan(found[0].value)
    assert math.isnan(found[0].low)


def test_one_row_can_be_shuffled_with_nothing() -> None:
    (found,) = permutation_importance(linear(1.0), np.ones((1, 1)), np.zeros((1, 1)), {"a": (0,)}, SQUARED)
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_the_callers_array_is_left_alone_and_the_answers_may_be_one_array() -> None:
    x = normal(50, 2)
    kept, told = x.copy(), np.empty((50, 1))

    def answer(rows: Array) -> Array:
        told[:] = rows[:, :1]
        return told

    x.setflags(write=False)
    found = named(permutation_importance(answer, x, x[:, :1], {"a": (0,), "b": (1,)}, SQUARED))
    assert found["a"].value > 1
    assert found["b"].value == 0
    assert np.array_equal(x, kept)


def test_the_model_is_asked_once_a_column_and_repeat() -> None:
    asked: list[int] = []

    def answer(rows: Array) -> Array:
        asked.append(len(rows))
        return rows[:, :1]

    permutation_importance(answer, normal(50, 2), normal(50, 1), {"a": (0,), "b": (1,)}, SQUARED, repeats=3)
    assert asked == [50] * (1 + 2 * 3)


def test_the_same_seed_gives_the_same_and_another_another() -> None:
    x = normal(100, 2)
    ask = lambda seed: permutation_importance(linear(1.0, 1.0), x, normal(100, 1), {"a": (0,)}, SQUARED, seed=seed)  # noqa: E731
    assert ask(3) == ask(3) != ask(4)


def test_many_redraws_are_worked_through_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    x = normal(100, 1)
    whole = permutation_importance(linear(1.0), x, x, {"a": (0,)}, SQUARED)
    monkeypatch.setattr(importance, "_CELLS", 700)
    assert permutation_importance(linear(1.0), x, x, {"a": (0,)}, SQUARED) == whole


def test_two_thousand_rows_of_thirty_columns_take_seconds() -> None:
    x = normal(2000, 30)
    t = (x[:, 0] > 0).astype(np.int64)
    start = time.process_time()
    permutation_importance(lambda rows: two_classes(rows[:, 0]), x, t, {str(place): (place,) for place in range(30)}, ACCURACY)
    assert time.process_time() - start < 20


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 60), st.integers(0, 2**32 - 1))
def test_a_shuffle_is_one_cycle_through_all_rows(rows: int, seed: int) -> None:
    giver = importance._cycle(rows, np.random.default_rng(seed))
    at, visited = 0, set()
    for _ in range(rows):
        at = int(giver[at])
        visited.add(at)
    assert visited == set(range(rows))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"inputs": np.zeros((0, 2))}, "nothing to explain"),
        ({"inputs": np.zeros(3)}, "nothing to explain"),
        ({"blocks": {"a": (2,)}}, "no such encoded column of 'a'"),
        ({"blocks": {"a": (-1,)}}, "no such encoded column of 'a'"),
        ({"repeats": 0}, "repeats and resamples"),
        ({"resamples": 0}, "repeats and resamples"),
        ({"targets": np.zeros((4, 1))}, "differ in shape"),
    ],
)
def test_what_cannot_be_asked_is_refused(wrong: dict[str, Any], says: str) -> None:
    arguments: dict[str, Any] = {"inputs": normal(5, 2), "targets": normal(5, 1), "blocks": {"a": (0,)}, **wrong}
    with pytest.raises(ArgumentError, match=says):
        permutation_importance(linear(1.0, 1.0), metric=SQUARED, **arguments)


def two_classes(score: Array) -> Array:
    """Probabilities [N, 2]: the second class where the score is above 0."""
    second = (score > 0).astype(float)
    return np.stack([1 - second, second], axis=1)
