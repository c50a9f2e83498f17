"""Boxes on synthetic maps, and maps made larger."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadline.errors import ArgumentError
from leadline.explain.boxes import Box, box_of, enlarged

EDGE = st.integers(0, 12)


@given(EDGE, EDGE, st.integers(1, 8), st.integers(1, 8))
def test_a_square_is_its_own_box(top: int, left: int, height: int, width: int) -> None:
    heat = np.full((20, 20), 0.1)
    heat[top : top + height, left : left + width] = 1.0
    truth = Box(top, left, top + height, left + width)
    found = box_of(heat)
    assert found is not None
    assert found == truth
    assert found.overlap(truth) == 1
    assert truth.overlap(Box(top + height, left, top + height + 1, left + width)) == 0


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 12), st.integers(2, 6), st.floats(0.05, 1))
def test_it_holds_the_first_of_the_largest_regions_that_a_flood_finds(
    seed: int, height: int, width: int, shades: int, share: float
) -> None:
    heat = np.random.default_rng(seed).integers(0, shades, (height, width)).astype(float)  # few shades: many equal regions
    above = heat >= share * heat.max()
    seen, regions = np.zeros_like(above), []
    for start in np.argwhere(above):
        if seen[tuple(start)]:
            continue
        stack, region = [tuple(start)], []
        seen[tuple(start)] = True
        while stack:
            row, column = stack.pop()
            region.append((row, column))
            for near in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
                if 0 <= near[0] < height and 0 <= near[1] < width and above[near] and not seen[near]:
                    seen[near] = True
                    stack.append(near)
        regions.append(np.array(region))
    largest = max(regions, key=len)  # the first of equal ones
    expected = Box(*largest.min(0).tolist(), *(largest.max(0) + 1).tolist()) if heat.max() > 0 else None
    assert box_of(heat, share=share) == expected


def test_a_large_noisy_map_takes_no_longer_than_its_pixels() -> None:
    """A million pixels in about 100,000 regions: looking at them region by region would take hours."""
    heat = np.random.default_rng(0).random((1000, 1000))
    heat[300:340, 600:690] = 1.0
    start = time.perf_counter()
    found = box_of(heat, share=0.7)
    assert time.perf_counter() - start < 5
    assert found is not None
    assert found.overlap(Box(300, 600, 340, 690)) > 0.5


def test_a_blurred_square_is_nearly_found() -> None:
    rows, columns = np.mgrid[:40, :40]
    heat = np.exp(-(((rows - 25) / 6) ** 2 + ((columns - 12) / 4) ** 2) / 2)
    wide = 1.1774  # half the peak lies so many deviations away
    found = box_of(heat, share=0.5)
    assert found is not None
    assert found.overlap(Box(25.5 - 6 * wide, 12.5 - 4 * wide, 25.5 + 6 * wide, 12.5 + 4 * wide)) > 0.85


def test_no_peak_no_box_and_bad_maps_are_said() -> None:
    assert box_of(np.zeros((4, 4))) is None
    assert box_of(-np.ones((4, 4))) is None
    for heat, share in ((np.ones(4), 0.2), (np.ones((4, 4)), 0.0), (np.full((4, 4), np.nan), 0.2)):
        with pytest.raises(ArgumentError, match="no box to find"):
            box_of(heat, share=share)


def test_larger_maps_are_linear_between_the_middles_of_places() -> None:
    heat = np.arange(4, dtype=np.float32)[None, :] * np.ones((3, 1), np.float32)
    larger = enlarged(np.stack([heat, 2 * heat]), 6, 12)
    middles = (np.arange(12) + 0.5) / 3 - 0.5
    assert larger[0, 2] == pytest.approx(np.clip(middles, 0, 3), abs=1e-6)
    assert larger[1] == pytest.approx(2 * larger[0], abs=1e-6)
    with pytest.raises(ArgumentError, match="cannot have this size"):
        enlarged(heat, 0, 3)
