"""Walks through codes against the geometry that they promise."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.distributions import Normal

from leadline.errors import ArgumentError
from leadline.models.autoencoders.latent_walks import latent_grid, linear_path, path_through, spherical_path

seeds = st.integers(0, 2**31)


def codes(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(seeds, st.integers(2, 9), st.integers(2, 8))
def test_an_arc_turns_by_equal_angles_in_one_plane(seed: int, width: int, steps: int) -> None:
    a, b = (each / each.norm() for each in codes(seed, 2, width))
    total = math.acos(max(-1.0, min(1.0, float(a @ b))))
    assume(1e-3 < total < math.pi - 1e-3)
    arc = spherical_path(a, b, steps)
    torch.testing.assert_close(arc.norm(dim=1), torch.ones(steps, dtype=torch.float64))
    turns = torch.acos((arc[1:] * arc[:-1]).sum(1).clamp(-1, 1))
    torch.testing.assert_close(turns, torch.full_like(turns, total / (steps - 1)), rtol=1e-5, atol=1e-7)
    assert torch.linalg.matrix_rank(arc, atol=1e-8) == 2
    assert torch.equal(arc[0], a)
    assert torch.equal(arc[-1], b)


@given(seeds, st.integers(2, 9))
def test_scaling_both_ends_scales_the_arc(seed: int, steps: int) -> None:
    a, b = codes(seed, 2, 5)
    torch.testing.assert_close(spherical_path(3 * a, 3 * b, steps), 3 * spherical_path(a, b, steps))


def test_the_middle_of_an_arc_is_as_long_as_normal_codes_are() -> None:
    a, b = codes(0, 2, 400).float()
    arc, line = spherical_path(a, b, 3)[1].norm(), linear_path(a, b, 3)[1].norm()
    assert arc == pytest.approx(20, rel=0.1)
    assert line == pytest.approx(20 / math.sqrt(2), rel=0.1)


@pytest.mark.parametrize("factor", [2.0, -1.0, 0.0])
def test_where_there_is_no_arc_the_line_is_taken(factor: float) -> None:
    a = codes(0, 6)
    found = spherical_path(a, factor * a, 5)
    torch.testing.assert_close(found, linear_path(a, factor * a, 5))
    assert found.isfinite().all()


def test_a_walk_visits_its_stations_in_order() -> None:
    stations = codes(1, 4, 3)
    for spherical in (True, False):
        walk = path_through(stations, 6, spherical=spherical)
        assert walk.shape == (16, 3)
        assert torch.equal(walk[::5], stations)


@given(st.integers(1, 12))
def test_a_sheet_holds_equal_shares_of_the_prior(side: int) -> None:
    grid = latent_grid(side)
    assert grid.shape == (side * side, 2)
    shares = Normal(0.0, 1.0).cdf(grid)
    expected = (torch.arange(side) + 0.5) / side
    square = shares.reshape(side, side, 2)
    torch.testing.assert_close(square[..., 0], expected.repeat(side, 1), atol=1e-5, rtol=0)  # to the right
    torch.testing.assert_close(square[..., 1], expected.flip(0)[:, None].repeat(1, side), atol=1e-5, rtol=0)  # upwards


def test_a_sheet_around_a_code_leaves_its_other_units() -> None:
    middle = torch.arange(5.0)
    grid = latent_grid(3, units=(4, 1), around=middle)
    assert torch.equal(grid[:, [0, 2, 3]], middle[[0, 2, 3]].repeat(9, 1))
    assert torch.equal(grid[:3, 4], grid[3:6, 4])
    assert grid[0, 1] > grid[-1, 1]


def test_careless_arguments() -> None:
    a = torch.zeros(3)
    with pytest.raises(ArgumentError, match="not two codes"):
        linear_path(a, torch.zeros(2), 3)
    with pytest.raises(ArgumentError, match="steps is out of range"):
        spherical_path(a, a, 1)
    with pytest.raises(ArgumentError, match="somewhere to go"):
        path_through(a[None], 3)
    with pytest.raises(ArgumentError, match="side is out of range"):
        latent_grid(0)
    for units in ((0, 0), (0, 2), (-1, 0), (0,)):
        with pytest.raises(ArgumentError, match="A sheet has two axes"):
            latent_grid(3, units=units)
