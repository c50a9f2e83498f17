"""Ragged rows against lists of arrays, which are slower and obvious."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from leadline.data import ragged
from leadline.data.ragged import Ragged
from leadline.errors import ArgumentError

LENGTHS = st.lists(st.integers(0, 5), min_size=1, max_size=12)


def rows_of(lengths: list[int], width: int = 0) -> list[NDArray[np.float32]]:
    numbers = np.random.default_rng(len(lengths)).normal(size=(sum(lengths), width) if width else sum(lengths))
    return np.split(numbers.astype(np.float32), np.cumsum(lengths)[:-1])


def same(found: Ragged, expected: list[NDArray[np.float32]]) -> bool:
    return len(found) == len(expected) and all(np.array_equal(*pair) for pair in zip(found, expected, strict=True))


@given(LENGTHS, st.sampled_from([0, 3]))
def test_rows_come_back_as_they_went_in(lengths: list[int], width: int) -> None:
    rows = rows_of(lengths, width)
    found = Ragged.of(rows)
    assert same(found, rows)
    assert found.lengths.tolist() == lengths
    assert np.array_equal(found.row(-1), rows[-1])
    assert found.nbytes == found.values.nbytes + 8 * (len(lengths) + 1)


@given(st.data(), LENGTHS, st.sampled_from([0, 2]), st.sampled_from([1, 4, 1 << 22]))
def test_some_rows_by_number_slice_and_mask(data: st.DataObject, lengths: list[int], width: int, piece: int) -> None:
    rows = rows_of(lengths, width)
    found = Ragged.of(rows)
    count = len(rows)
    numbers = data.draw(st.lists(st.integers(-count, count - 1), max_size=15))
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    part = data.draw(st.slices(count))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ragged, "_PIECE", piece)
        assert same(found[np.array(numbers, np.int64)], [rows[number] for number in numbers])
        assert same(found[numbers], [rows[number] for number in numbers])
        assert same(found[mask], [row for row, kept in zip(rows, mask, strict=True) if kept])
        assert same(found[part], rows[part])


@given(LENGTHS, st.sampled_from([0, 2]))
def test_padding_stands_behind_each_row(lengths: list[int], width: int) -> None:
    rows = rows_of(lengths, width)
    table = Ragged.of(rows).padded(np.nan)
    assert table.shape[:2] == (len(rows), max(lengths))
    for row, filled in zip(rows, table, strict=True):
        assert np.array_equal(filled[: len(row)], row)
        assert np.isnan(filled[len(row) :]).all()


def test_some_rows_are_padded_to_their_own_longest() -> None:
    found = Ragged.of([np.arange(5), np.arange(2), np.arange(3)])
    assert found.padded(9, [2, 1]).tolist() == [[0, 1, 2], [0, 1, 9]]
    assert found.padded(9, []).shape == (0, 0)


def test_a_slice_of_neighbors_is_a_view_and_a_choice_a_copy() -> None:
    found = Ragged.of([np.arange(3), np.arange(2), np.arange(4)])
    assert np.shares_memory(found[1:].values, found.values)
    assert np.shares_memory(found.row(1), found.values)
    assert not np.shares_memory(found[[1, 2]].values, found.values)


def test_the_digest_is_that_of_the_content_wherever_it_lies(tmp_path: Path) -> None:
    rows = [np.arange(5, dtype=np.int32), np.arange(2, dtype=np.int32)]
    found = Ragged.of(rows)
    np.save(tmp_path / "values.npy", found.values)
    mapped = Ragged(np.load(tmp_path / "values.npy", mmap_mode="r"), found.offsets)
    assert isinstance(mapped.values, np.memmap)
    assert mapped.digest() == found.digest() == Ragged.of(rows).digest()
    others = [Ragged.of(rows[::-1]), Ragged.of([rows[0][:4], np.append(rows[0][4:], rows[1])])]
    others += [Ragged.of([row.astype(np.int64) for row in rows]), Ragged.of([rows[0], rows[1] + 1])]
    assert len({found.digest(), *(other.digest() for other in others)}) == 5


def test_the_digest_does_not_depend_on_the_pieces_it_is_made_in(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Ragged.of([np.arange(6.0).reshape(3, 2), np.arange(8.0).reshape(4, 2)])
    whole = found.digest()
    monkeypatch.setattr(ragged, "_PIECE", 3)
    assert found.digest() == whole


@pytest.mark.parametrize("offsets", [[1, 3], [0, 2], [0, 4], [0, 2, 1, 3], [], [[0, 3]], [0.0, 3.0]])
def test_offsets_that_do_not_divide_the_values(offsets: list[int]) -> None:
    with pytest.raises(ArgumentError, match="offsets"):
        Ragged(np.arange(3), np.array(offsets))


def test_rows_that_differ_in_more_than_their_length() -> None:
    with pytest.raises(ArgumentError, match=r"\(2,\), \(3,\)"):
        Ragged.of([np.zeros((1, 3)), np.zeros((4, 2))])
    with pytest.raises(ArgumentError, match="got none"):
        Ragged.of([])
    with pytest.raises(ArgumentError, match="T"):
        Ragged.of([np.array(3)])


def test_a_row_that_is_not_there() -> None:
    with pytest.raises(IndexError, match="2 rows"):
        Ragged.of([np.arange(1), np.arange(2)]).row(2)


@pytest.mark.parametrize(("dtype", "fill"), [(np.int32, np.nan), (np.uint16, -1), (np.uint8, 256), (np.int64, 0.5)])
def test_a_filling_that_the_values_cannot_hold(dtype: type[np.generic], fill: float) -> None:
    with pytest.raises(ArgumentError, match="cannot hold"):
        Ragged.of([np.zeros(2, dtype)]).padded(fill)
