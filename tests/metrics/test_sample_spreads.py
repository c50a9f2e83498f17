"""Spread, coverage and copying against plain loops, closed forms, and generators that have lost their way on purpose."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.metrics.sample_spreads import (
    Copying,
    SampleSpread,
    copying,
    coverage,
    mean_pairwise_distance,
    nearest_rows_of,
    sample_spread,
)


def draw(rows: int, width: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(seed=st.integers(0, 1000), rows=st.integers(2, 12), width=st.integers(1, 5))
def test_mean_distance_is_the_mean_over_pairs(seed: int, rows: int, width: int) -> None:
    x = draw(rows, width, seed)
    expected = [math.dist(a, b) for a, b in itertools.combinations(x.tolist(), 2)]
    assert mean_pairwise_distance(x).item() == pytest.approx(sum(expected) / len(expected), rel=1e-6)


@given(seed=st.integers(0, 1000), rows=st.integers(3, 30), count=st.integers(1, 3))
def test_nearest_rows_are_those_of_a_loop(seed: int, rows: int, count: int) -> None:
    among, queries = draw(rows, 3, seed), draw(5, 3, seed + 1)
    distances, found = nearest_rows_of(queries, among, count=count)
    for query, near, places in zip(queries.tolist(), distances.tolist(), found.tolist(), strict=True):
        expected = sorted((math.dist(query, row), at) for at, row in enumerate(among.tolist()))[:count]
        assert places == [at for _, at in expected]
        assert near == pytest.approx([distance for distance, _ in expected], rel=1e-9)


def test_a_copy_has_a_distance_of_nothing_far_from_the_middle() -> None:
    among = (100 + draw(3000, 50)).float()
    distances, rows = nearest_rows_of(among[1500:1503], among)
    assert distances.flatten().tolist() == [0, 0, 0]
    assert rows.flatten().tolist() == [1500, 1501, 1502]


def test_a_table_of_distances_does_not_grow_with_the_rows_that_are_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, plain = list[int](), torch.addmm

    def counted(*values: Any, **options: Any) -> Tensor:
        made: Tensor = plain(*values, **options)
        sizes.append(made.numel())
        return made

    monkeypatch.setattr(torch, "addmm", counted)
    among = torch.arange(34_000.0, dtype=torch.float64)[:, None]
    distances, rows = nearest_rows_of(among[:1000] + 0.25, among)
    assert max(sizes) <= 2**25
    assert sum(sizes) == 1000 * 34_000
    assert rows.flatten().tolist() == list(range(1000))
    assert distances.unique().tolist() == [0.25]


def test_coverage_of_the_same_distribution_is_its_expectation() -> None:
    count, neighbours = 200, 5
    expected = 1 - math.prod((count - 1 - i) / (2 * count - 1 - i) for i in range(neighbours))
    found = [coverage(draw(count, 3, 2 * s), draw(count, 3, 2 * s + 1), neighbours=neighbours).item() for s in range(20)]
    assert sum(found) / 20 == pytest.approx(expected, abs=0.01)


def test_coverage_is_the_share_of_modes_that_are_drawn() -> None:
    modes = 100 * draw(4, 2)
    real = modes.repeat_interleave(50, 0) + draw(200, 2, 1)
    samples = modes[:1].repeat_interleave(200, 0) + draw(200, 2, 2)
    assert coverage(samples, real).item() == pytest.approx(0.25, abs=0.02)
    spread = sample_spread(samples, real[torch.randperm(200, generator=torch.Generator().manual_seed(0))])
    assert "collapsed" in spread.told


def test_one_picture_again_and_again() -> None:
    real = draw(200)
    spread = sample_spread(real[:1].expand(100, -1) + 1e-3 * draw(100, 4, 3), real[100:])
    assert spread.pairwise < 0.01
    assert spread.nearest < 0.01
    assert spread.told.startswith("The generator has collapsed: two of its drawings differ 0.00 times")


def test_a_handful_of_pictures_in_turn_shows_in_the_nearest() -> None:
    real = draw(400)
    spread = sample_spread(real[:10].repeat(20, 1) + 1e-2 * draw(200, 4, 3), real[200:])
    assert spread.pairwise > 0.7
    assert spread.nearest < 0.1
    assert "a few pictures again and again" in spread.told


def test_drawings_as_various_as_what_is_real_are_sound() -> None:
    for seed in range(5):
        spread = sample_spread(draw(300, 6, 2 * seed), draw(300, 6, 2 * seed + 1))
        assert spread.told == ""
        assert spread.pairwise == pytest.approx(1, abs=0.1)
        assert spread.nearest == pytest.approx(1, abs=0.1)


def test_various_drawings_beside_the_point_cover_nothing() -> None:
    spread = sample_spread(draw(200) + 100, draw(200, 4, 1))
    assert spread.coverage == 0
    assert "leaves out" in spread.told


def test_the_larger_set_is_cut() -> None:
    assert sample_spread(draw(50), draw(400, 4, 1)) == sample_spread(draw(50), draw(400, 4, 1)[:50])
    assert SampleSpread(1.0, 1.0, 0.9).collapsed is False


def test_copies_are_found_and_what_is_made_up_is_none() -> None:
    training, held_out = draw(500, 5), draw(200, 5, 1)
    copied = copying(training[:100] + 1e-3 * draw(100, 5, 2), training, held_out)
    assert copied.ratio < 0.01
    assert copied.share == 1
    assert copied.copies
    fresh = copying(draw(200, 5, 3), training, held_out)
    assert fresh.ratio == pytest.approx(1, abs=0.1)
    assert fresh.share < 0.05
    assert not fresh.copies
    assert Copying(0.9, 0.2).copies, "a part of them is copied"
    with pytest.raises(ArgumentError, match="training rows too"):
        copying(training[:100], training, training[:50])


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ArgumentError, match="same features"):
        sample_spread(draw(20), draw(20, 5))
    with pytest.raises(ArgumentError, match="at least 7"):
        sample_spread(draw(6), draw(20))
    with pytest.raises(ArgumentError, match="all the same"):
        sample_spread(draw(20), torch.ones(20, 4))
    with pytest.raises(ArgumentError, match="from 1 to 3"):
        nearest_rows_of(draw(2), draw(3), count=4)
    with pytest.raises(ArgumentError, match="more than 5"):
        coverage(draw(9), draw(5))
    with pytest.raises(ArgumentError, match="N ≥ 2"):
        mean_pairwise_distance(draw(1))
