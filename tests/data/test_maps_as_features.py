"""Maps of features: told from pictures, averaged or laid out the same way whatever their layout and type."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadline.data.arrays import understand
from leadline.data.maps_as_features import rows_of_maps

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(5, 7, 7, 512), (5, 4, 4, 512), (5, 13, 13, 512), (5, 8, 8, 2048), (5, 7, 9, 300)])
def test_the_mean_over_the_cells_in_either_layout(shape: tuple[int, ...], dtype: type) -> None:
    maps = RANDOM.normal(size=shape).astype(dtype)
    for given_maps in (maps, np.ascontiguousarray(maps.transpose(0, 3, 1, 2))):
        found = rows_of_maps(given_maps)
        assert found is not None
        np.testing.assert_allclose(found[0], maps.astype(np.float64).mean((1, 2)), rtol=1e-6, atol=1e-6)
        assert found[0].dtype == np.float32
        assert f"{shape[1]} × {shape[2]} × {shape[3]}" in found[1]


@pytest.mark.parametrize("shape", [(5, 1, 1, 2048), (5, 2, 2, 128), (5, 4, 4, 64)])
def test_small_ones_are_kept_as_they_are(shape: tuple[int, ...]) -> None:
    maps = RANDOM.normal(size=shape).astype(np.float32)
    found = rows_of_maps(maps)
    assert found is not None
    if shape[1] == 1:
        assert found[0].shape == (5, 2048)
        np.testing.assert_array_equal(found[0], maps.reshape(5, -1))
        return
    np.testing.assert_array_equal(found[0], maps.reshape(5, -1))
    turned = rows_of_maps(np.ascontiguousarray(maps.transpose(0, 3, 1, 2)))
    assert turned is not None
    np.testing.assert_array_equal(turned[0], found[0])
    assert "each number" in found[1]


@pytest.mark.parametrize(
    "shape", [(2, 32, 32, 3), (2, 3, 32, 32), (2, 16, 20, 3), (2, 3, 16, 20), (2, 1, 16, 16), (2, 28, 28, 1), (2, 3, 20, 16)]
)
def test_pictures_of_floats_stay_pictures(shape: tuple[int, ...]) -> None:
    assert rows_of_maps(RANDOM.normal(size=shape)) is None
    assert understand(RANDOM.normal(size=shape))[0].ndim == 4


@pytest.mark.parametrize("shape", [(2, 8, 8, 5), (2, 12, 64, 64), (2, 64, 64, 13), (2, 32, 32, 16), (2, 7, 7, 0), (2, 7, 512)])
def test_what_are_neither_maps_nor_pictures(shape: tuple[int, ...]) -> None:
    assert rows_of_maps(np.zeros(shape)) is None


def test_bytes_are_no_maps() -> None:
    assert rows_of_maps(np.zeros((2, 7, 7, 512), np.uint8)) is None


def test_a_value_that_is_not_finite_stays_so() -> None:
    maps = np.ones((3, 7, 7, 64), np.float32)
    maps[1, 2, 3, 4] = np.nan
    found = rows_of_maps(maps)
    assert found is not None
    assert np.isfinite(found[0]).all(1).tolist() == [True, False, True]


@given(st.integers(1, 40), st.integers(1, 12), st.integers(16, 700))
def test_one_map_alone_gives_the_row_that_it_has_among_others(rows: int, side: int, channels: int) -> None:
    maps = np.random.default_rng(rows).normal(size=(rows, side, side, channels)).astype(np.float32)
    found = rows_of_maps(maps)
    assert found is not None
    alone = rows_of_maps(maps[rows // 2][None])
    assert alone is not None
    np.testing.assert_allclose(alone[0][0], found[0][rows // 2], rtol=1e-6, atol=1e-7)
