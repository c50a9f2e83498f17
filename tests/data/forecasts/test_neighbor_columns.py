"""The order of columns means something in series and next to nothing in tables, whatever a table's columns have in common."""

from __future__ import annotations

import numpy as np
import pytest

from leadline.data.forecasts.neighbor_columns import about_order

RANDOM = np.random.default_rng(0)


def smooth(rows: int = 60, columns: int = 80) -> np.ndarray:
    """Random walks, smoothed: series of no particular shape."""
    walks = RANDOM.normal(size=(rows, columns + 10)).cumsum(1)
    return np.stack([np.convolve(walk, np.ones(6) / 6, "valid")[:columns] for walk in walks])


TABLES = {
    "independent": RANDOM.normal(size=(200, 60)),
    "one factor in all": RANDOM.normal(size=(200, 1)) + 0.3 * RANDOM.normal(size=(200, 60)),
    "pairs": np.repeat(RANDOM.normal(size=(200, 30)), 2, axis=1) + 0.1 * RANDOM.normal(size=(200, 60)),
    "groups of five": np.repeat(RANDOM.normal(size=(200, 12)), 5, axis=1) + 0.3 * RANDOM.normal(size=(200, 60)),
    "groups of ten": np.repeat(RANDOM.normal(size=(200, 6)), 10, axis=1) + 0.3 * RANDOM.normal(size=(200, 60)),
    "groups of twenty": np.repeat(RANDOM.normal(size=(200, 3)), 20, axis=1) + 0.2 * RANDOM.normal(size=(200, 60)),
    "different units": RANDOM.normal(size=(200, 40)) * np.exp(4 * RANDOM.normal(size=40)) + np.exp(4 * RANDOM.normal(size=40)),
    "one large column": np.concatenate([RANDOM.normal(size=(200, 30)), 1e6 * RANDOM.random((200, 1))], axis=1),
    "two large columns": np.concatenate([1e6 + 1e5 * RANDOM.random((200, 2)), RANDOM.normal(size=(200, 30))], axis=1),
    "answers from 1 to 5": RANDOM.integers(1, 6, (200, 40)).astype(float),
    "0 and 1": RANDOM.integers(0, 2, (200, 45)).astype(float),
    "hardly ever not 0": (RANDOM.random((200, 50)) < 0.02).astype(float),
}


@pytest.mark.parametrize("name", list(TABLES))
def test_no_table_is_taken_for_series(name: str) -> None:
    for sure in (False, True) if name in ("independent", "0 and 1", "answers from 1 to 5") else (False,):
        found, reason = about_order(TABLES[name], sure=sure)
        assert not found, reason
        assert "as in a table" in reason


def test_pictures_are_not_taken_for_series() -> None:
    pictures = np.clip(np.rint(smooth(50, 64) * 10 + 100), 0, 255)
    found, reason = about_order(pictures)
    assert not found
    assert "pixels of pictures" in reason
    assert about_order(pictures + 0.5)[0]


def test_series_are_found_at_any_level_and_scale() -> None:
    for table in (smooth(), 1e6 + smooth(), 1e-9 * smooth(), smooth() + 100 * RANDOM.normal(size=(60, 1))):
        found, reason = about_order(table)
        assert found, reason


def test_the_same_numbers_in_another_order_are_a_table() -> None:
    series = smooth()
    assert about_order(series)[0]
    assert not about_order(series[:, RANDOM.permutation(80)])[0]


def test_gaps_are_passed_over() -> None:
    series = smooth()
    series[RANDOM.random(series.shape) < 0.003] = np.nan
    series[:, -10:] = np.nan
    assert about_order(series)[0]
    series[RANDOM.random(series.shape) < 0.3] = np.nan
    assert "too few" in about_order(series)[1]


def test_few_lines_tell_nothing() -> None:
    assert "too few" in about_order(smooth(5))[1]
    assert about_order(smooth(5), sure=True)[0]
    assert "too few" in about_order(smooth(60, 12))[1]
    assert not about_order(np.zeros((20, 30)))[0]


def test_files_of_an_archive_need_show_less() -> None:
    noisy = smooth()
    noisy = noisy + 0.8 * noisy.std(1, keepdims=True) * RANDOM.normal(size=(60, 80))
    assert not about_order(noisy)[0]
    assert about_order(noisy, sure=True)[0]
    alternating = RANDOM.normal(size=(60, 1)) + np.tile([1.0, -1.0], 40) + 0.3 * RANDOM.normal(size=(60, 80))
    standardized = (alternating - alternating.mean(1, keepdims=True)) / alternating.std(1, keepdims=True)
    assert not about_order(alternating, sure=True)[0]
    assert about_order(standardized, sure=True)[0]
    assert not about_order(standardized)[0]
