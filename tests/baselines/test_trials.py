"""Trials: within the time, the best setting, the rows before the settings; and the order in which rows are drawn."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from leadline.baselines.problem import Problem, stratified_order
from leadline.baselines.trials import Fit, Method, fit_growing, next_rows
from leadline.data import Classes, Dataset, Origin, Schema, Split, Vectors


def problem(rows: int) -> Problem:
    """A data set whose class is the sign of its only number."""
    x = np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
    split = Split(x, (x[:, 0] > 0).astype(np.int64), [str(row) for row in range(rows)])
    return Problem(
        Dataset("signs", split, split, split, Schema(Vectors.learn(x), Classes(("low", "high"))), Origin("arrays", "", {}))
    )


def right_on(inputs: Any, share: float) -> Any:
    """Probabilities that are right on the first `share` of the rows."""
    truth = (inputs[:, 0] > 0).astype(int)
    truth[int(share * len(truth)) :] ^= 1
    return np.eye(2)[truth]


class Recorder:
    """A method whose settings are the shares of rows it gets right; it notes what it was asked to fit."""

    def __init__(self, seconds: float = 0.0, refuses: int | None = None) -> None:
        self.asked: list[tuple[int, tuple[float, ...]]] = []
        self.seconds, self.refuses = seconds, refuses

    def __call__(self, problem: Problem, rows: int, settings: Sequence[float], until: float) -> Iterator[Fit]:
        if rows == self.refuses:
            raise ValueError("as scikit-learn would")
        self.asked.append((rows, tuple(settings)))
        for share in settings:
            time.sleep(self.seconds)
            yield Fit(share, f"{share} right", right_on(problem.valid, share), lambda share=share: np.full((1, 1), share))


def test_all_rows_are_reached_and_the_best_setting_answers() -> None:
    method = Recorder()
    found = fit_growing(Method("", "", method, (0.6, 0.9, 0.7)), problem(9000), time.perf_counter() + 60)
    assert found is not None
    assert [rows for rows, _ in method.asked] == [500, 4000, 9000]
    assert method.asked[0][1] == (0.6, 0.9, 0.7)
    assert method.asked[1][1] == (0.9, 0.7, 0.6)  # the most promising first
    assert found[0] == "0.9 right, all 9,000 training rows"
    assert found[2].item() == 0.9


def test_where_settings_are_dear_only_the_last_rows_try_them_all() -> None:
    method = Recorder()
    found = fit_growing(Method("", "", method, (0.6, 0.9, 0.7), early=1), problem(9000), time.perf_counter() + 60)
    assert found is not None
    assert method.asked == [(500, (0.6,)), (4000, (0.6,)), (9000, (0.6, 0.9, 0.7))]
    assert found[2].item() == 0.9


def test_without_time_the_first_setting_on_the_first_rows_counts() -> None:
    method = Recorder(seconds=0.01)
    found = fit_growing(Method("", "", method, (0.6, 0.9)), problem(9000), time.perf_counter())
    assert found is not None
    assert found[0] == "0.6 right, 500 of 9,000 training rows"


def test_answers_for_the_test_rows_are_asked_for_only_where_they_count() -> None:
    asked: list[float] = []

    def method(problem: Problem, rows: int, settings: Sequence[float], until: float) -> Iterator[Fit]:
        for share in settings:
            yield Fit(share, "", right_on(problem.valid, share), lambda share=share: asked.append(share) or np.zeros((1, 1)))

    fit_growing(Method("", "", method, (0.6, 0.5, 0.9, 0.8)), problem(100), time.perf_counter() + 60)
    assert asked == [0.6, 0.9]


def test_what_was_fitted_on_fewer_rows_stays_where_more_are_refused() -> None:
    found = fit_growing(Method("", "", Recorder(refuses=4000), (0.6,)), problem(9000), time.perf_counter() + 60)
    assert found is not None
    assert found[0] == "0.6 right, 500 of 9,000 training rows"
    assert fit_growing(Method("", "", Recorder(refuses=500), (0.6,)), problem(9000), time.perf_counter() + 60) is None


@pytest.mark.parametrize(("power", "speed"), [(1.0, 1e4), (1.2, 1e4), (1.0, 1e2), (1.0, 1e9)])
def test_trials_grow_within_the_time(power: float, speed: float) -> None:
    """Trials whose time is rows^power / speed, on 1,000,000 rows in 60 s."""
    rows, spent = 500, 0.0
    used: list[int] = []
    while rows:
        took = rows**power / speed
        spent, used = spent + took, [*used, rows]
        rows = next_rows(rows, 1_000_000, took=took, left=60 - spent)
    assert spent <= 60
    assert used[-1] == 1_000_000 or spent > 20


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.data())
def test_every_beginning_of_the_order_holds_the_classes_in_proportion(classes: list[int], drawn: st.DataObject) -> None:
    targets = np.array(classes, dtype=np.int64)
    order = stratified_order(targets)
    assert sorted(order) == list(range(len(targets)))
    start = drawn.draw(st.integers(1, len(targets)))
    for kind in set(classes):
        share = (targets == kind).mean()
        assert abs((targets[order[:start]] == kind).sum() - share * start) <= len(set(classes))
    present = len(set(classes))
    assert len(set(targets[order[:present]])) == present
    assert torch.equal(torch.from_numpy(order), torch.from_numpy(stratified_order(targets)))
