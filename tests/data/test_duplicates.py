"""Exact copies, against a dictionary of the rows' bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from leadline.data import duplicates
from leadline.data.duplicates import first_copies


def by_dictionary(rows: NDArray[np.generic]) -> list[int]:
    seen: dict[bytes, int] = {}
    return [seen.setdefault(row.tobytes(), number) for number, row in enumerate(rows)]


@given(st.integers(0, 60), st.integers(1, 11), st.integers(0, 9))
def test_copies_are_those_of_a_dictionary(count: int, width: int, seed: int) -> None:
    rows = np.random.default_rng(seed).integers(0, 2, (count, width), dtype=np.uint8)
    assert first_copies(rows).tolist() == by_dictionary(rows)


def test_other_types_and_shapes() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (30, 5, 3, 3), dtype=np.uint8)
    pictures[[7, 20]] = pictures[3]
    assert first_copies(pictures).tolist() == by_dictionary(pictures)
    assert first_copies(pictures.astype(np.float32)).tolist() == by_dictionary(pictures)
    assert first_copies(pictures[:, ::-1]).tolist() == by_dictionary(np.ascontiguousarray(pictures[:, ::-1]))


def test_rows_that_only_share_a_hash_are_no_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_hashes", lambda rows: np.zeros(len(rows), dtype=np.uint64))
    assert first_copies(np.array([[1], [2], [1]])).tolist() == [0, 1, 0]


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(0).integers(0, 3, (500, 3), dtype=np.uint8)
    whole = first_copies(rows)
    monkeypatch.setattr(duplicates, "_CHUNK", 21)
    np.testing.assert_array_equal(first_copies(rows), whole)
