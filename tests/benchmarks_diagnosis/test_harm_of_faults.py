"""The criterion of harm and the intervals, against what is known in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from harm import harm_of, permutation, rate_of


def test_scores_that_do_not_overlap_have_the_least_possible_chance() -> None:
    assert permutation([5, 6, 7, 8, 9], [1, 2, 3]) == pytest.approx(0.5 / math.comb(8, 3))
    assert permutation([1, 2, 3], [5, 6, 7]) == pytest.approx(1 - 0.5 / math.comb(6, 3))
    assert permutation([1, 1, 1], [1, 1, 1]) == 0.5
    assert permutation([1, 2], [2, 1]) == 0.5


def test_without_harm_one_program_in_twenty_at_most_is_called_significant() -> None:
    draw = np.random.default_rng(0)
    called = [permutation(draw.normal(size=5), draw.normal(size=5)) < 0.05 for _ in range(400)]
    assert np.mean(called) < 0.05 + 2 * math.sqrt(0.05 * 0.95 / 400)
    assert any(called)


def test_harm_needs_a_loss_that_matters() -> None:
    healthy = [0.950, 0.951, 0.952, 0.953, 0.954]
    assert harm_of(healthy, [0.6, 0.7, 0.65], 0.1).verdict == "hurts"
    small = harm_of(healthy, [0.945, 0.944, 0.943], 0.1)
    assert small.verdict == "between"
    assert small.effect > 0.5
    assert harm_of(healthy, [0.950, 0.955, 0.952], 0.1).verdict == "harmless"
    # Of a skill of 0.05 above chance, 0.02 is much.
    assert harm_of([0.55, 0.551, 0.552, 0.549], [0.53, 0.529, 0.531], 0.5).verdict == "hurts"


def test_intervals_are_over_families_not_over_trainings() -> None:
    apart = [(f"family {number}", number % 2 == 0) for number in range(200)]
    together = [(f"family {number % 4}", number % 4 < 2) for number in range(200)]
    narrow, wide = rate_of(apart), rate_of(together)
    assert narrow.value == wide.value == 0.5
    assert narrow.high - narrow.low == pytest.approx(2 * 1.96 * math.sqrt(0.25 / 200), abs=0.02)
    assert wide.high - wide.low > 0.6
    assert rate_of([]).n == 0
