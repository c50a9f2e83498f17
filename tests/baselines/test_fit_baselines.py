"""Baselines: as good as scikit-learn by hand, honest about rows, within the time, and calm about odd data."""

from __future__ import annotations

import dataclasses
import itertools
import time
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsClassifier

from leadline.baselines import Baseline, fit_baselines
from leadline.data.answers import Answers, Classes, Labels, Numbers
from leadline.data.dataset import Dataset, Origin, Split
from leadline.data.pictures.pictures import Pictures
from leadline.data.schema import Schema
from leadline.data.vectors import Vectors

Array = NDArray[np.generic]
FLAT = ("linear model", "nearest neighbours")


def dataset(inputs: Array, targets: Array, answers: Answers) -> Dataset:
    """Half of the rows to train, a quarter each to choose and to test."""
    cuts = [0, len(inputs) // 2, 3 * len(inputs) // 4, len(inputs)]
    train, valid, test = (
        Split(inputs[start:end], targets[start:end], [f"row:{row}" for row in range(start, end)])
        for start, end in itertools.pairwise(cuts)
    )
    learned = Pictures.learn(train.inputs) if inputs.ndim == 4 else Vectors.learn(train.inputs)
    return Dataset("rows", train, valid, test, Schema(learned, answers), Origin("arrays", "", {}))


def digits() -> Dataset:
    found = load_digits()
    return dataset(found.images.astype(np.uint8)[..., None], found.target.astype(np.int64), Classes(tuple("0123456789")))


def named(found: list[Baseline]) -> dict[str, Baseline]:
    return {baseline.name: baseline for baseline in found}


def test_digits_are_read_as_well_as_by_hand() -> None:
    data = digits()
    found = named(fit_baselines(data, seconds=60))
    assert tuple(found) == FLAT
    truth = data.test.targets
    accuracy = {name: (baseline.probabilities.argmax(1) == truth).mean() for name, baseline in found.items()}
    assert accuracy["linear model"] > 0.9
    by_hand = KNeighborsClassifier(1).fit(data.train.inputs.reshape(len(data.train), -1), data.train.targets)
    assert accuracy["nearest neighbours"] >= by_hand.score(data.test.inputs.reshape(len(truth), -1), truth) - 0.02
    for baseline in found.values():
        assert baseline.probabilities.shape == (len(truth), 10)
        assert baseline.probabilities.sum(1) == pytest.approx(1)
        assert f"all {len(data.train)} training rows" in baseline.detail
        assert baseline.seconds > 0
    assert found["nearest neighbours"].probabilities.min() > 0
    assert "logistic regression, C = " in found["linear model"].detail


def test_the_test_split_teaches_nothing() -> None:
    data = digits()
    blind = dataclasses.replace(data, test=dataclasses.replace(data.test, targets=np.zeros_like(data.test.targets)))
    for seen, unseen in zip(fit_baselines(data, seconds=60), fit_baselines(blind, seconds=60), strict=True):
        assert seen.detail == unseen.detail
        assert np.array_equal(seen.probabilities, unseen.probabilities)


def test_the_setting_is_chosen_on_the_validation_split() -> None:
    # Every training label of the second blob is wrong once in three: one neighbour believes it, many do not.
    draw = np.random.default_rng(0)
    t = np.arange(800) % 2
    x = (draw.normal(size=(800, 2)) + 6 * t[:, None]).astype(np.float32)
    data = dataset(x, t, Classes(("low", "high")))
    noisy = np.where(draw.random(len(data.train)) < 0.3, 1 - data.train.targets, data.train.targets)
    data = dataclasses.replace(data, train=dataclasses.replace(data.train, targets=noisy))
    many = named(fit_baselines(data, seconds=30))["nearest neighbours"]
    assert int(many.detail.split()[0]) > 5
    memory = dataclasses.replace(data, valid=data.train)
    assert named(fit_baselines(memory, seconds=30))["nearest neighbours"].detail.startswith("1 nearest neighbour,")


def test_several_labels() -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(600, 4)).astype(np.float32)
    t = np.stack([x[:, 0] > 0, x[:, 1] > 0.5, np.ones(600), np.zeros(600)], 1).astype(np.float32)
    data = dataset(x, t, Labels(("a", "b", "always", "never")))
    for baseline in fit_baselines(data, seconds=30):
        assert baseline.probabilities.shape == (150, 4)
        assert ((baseline.probabilities >= 0.5) == (data.test.targets == 1))[:, :2].mean() > 0.8
        assert baseline.probabilities[:, 2] == pytest.approx(1)
        assert baseline.probabilities[:, 3] == pytest.approx(0)


@pytest.mark.parametrize("columns", [1, 2])
def test_numbers_come_in_their_own_units(columns: int) -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(400, 3)).astype(np.float32)
    t = (1000 + 50 * x[:, :columns] + draw.normal(size=(400, columns))).astype(np.float32)
    names = ("a", "b")[:columns]
    data = dataset(x, t, Numbers(names, (1000.0,) * columns, (50.0,) * columns))
    found = named(fit_baselines(data, seconds=30))
    assert tuple(found) == FLAT
    by_hand = Ridge(0.1).fit(data.train.inputs, data.train.targets).predict(data.test.inputs).reshape(100, columns)
    assert found["linear model"].probabilities == pytest.approx(by_hand, abs=1)
    assert np.abs(found["nearest neighbours"].probabilities - t[300:]).mean() < 25


def test_large_pictures_are_averaged_down() -> None:
    draw = np.random.default_rng(0)
    t = np.arange(80) % 2
    pictures = (draw.integers(0, 100, (80, 48, 40, 3)) + 100 * t[:, None, None, None]).astype(np.uint8)
    for baseline in fit_baselines(dataset(pictures, t, Classes(("dark", "light"))), seconds=30):
        assert baseline.detail.endswith("pictures averaged to 32 × 32")
        assert (baseline.probabilities.argmax(1) == t[60:]).all()


def two_blobs(rows: int, features: int = 2) -> Dataset:
    t = np.arange(rows) % 2
    x = np.random.default_rng(0).normal(size=(rows, features)).astype(np.float32) + t[:, None].astype(np.float32)
    return dataset(x, t, Classes(("low", "high")))


def with_train(data: Dataset, keep: Callable[[Split], NDArray[np.integer]]) -> Dataset:
    return dataclasses.replace(data, train=data.train.take(keep(data.train)))


def test_a_class_that_training_lacks_gets_no_votes() -> None:
    data = dataset(np.eye(3, dtype=np.float32)[np.arange(90) % 3], np.arange(90) % 3, Classes(("a", "b", "c")))
    data = with_train(data, lambda train: np.flatnonzero(train.targets != 2))
    found = fit_baselines(data, seconds=10)
    assert [baseline.name for baseline in found] == list(FLAT)
    for baseline in found:
        assert baseline.probabilities.shape == (23, 3)
        assert (baseline.probabilities[:, 2] == 0).all()


@pytest.mark.parametrize(
    "odd",
    [
        lambda data: with_train(data, lambda train: np.flatnonzero(train.targets == 0)),
        lambda data: with_train(data, lambda train: np.arange(1)),
        lambda data: with_train(data, lambda train: np.arange(0)),
        lambda data: dataclasses.replace(data, valid=data.valid.take(np.arange(0))),
        lambda data: dataclasses.replace(data, test=data.test.take(np.arange(0))),
        lambda data: dataclasses.replace(data, test=data.test.take(np.arange(1))),
    ],
    ids=["one class", "one row", "no rows", "nothing to choose on", "nothing to test", "one to test"],
)
def test_odd_data_leave_baselines_out(odd: Callable[[Dataset], Dataset]) -> None:
    data = odd(two_blobs(80))
    for baseline in fit_baselines(data, seconds=10):
        assert baseline.probabilities.shape == (len(data.test), 2)
        assert np.isfinite(baseline.probabilities).all()


def test_one_class_in_training_has_no_linear_model() -> None:
    data = with_train(two_blobs(80), lambda train: np.flatnonzero(train.targets == 0))
    assert "linear model" not in named(fit_baselines(data, seconds=10))


def test_what_does_not_converge_says_nothing() -> None:
    data = two_blobs(400, 60)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert len(fit_baselines(data, seconds=10)) == 2
    assert not said


def test_no_time_no_baselines() -> None:
    assert fit_baselines(two_blobs(80), seconds=0) == []


def test_little_time_means_fewer_rows() -> None:
    data = two_blobs(40_000, 200)
    start = time.perf_counter()
    found = fit_baselines(data, seconds=1)
    assert len(found) == 2
    assert time.perf_counter() - start < 4  # a first trial is always made, and other work may run beside
    assert "of 20,000 training rows" in named(found)["nearest neighbours"].detail
