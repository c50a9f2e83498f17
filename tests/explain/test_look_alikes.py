"""Look-alikes: exact neighbours against a search in float64, groups against a graph library's answer, a sheet to look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from leadline.errors import ArgumentError
from leadline.explain import look_alikes
from leadline.explain.contact_sheets import contact_sheet
from leadline.explain.look_alikes import PairCosines, joined_groups, nearest_by_features, pair_cosines, unit_rows


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
@pytest.mark.parametrize("queries", [1, 3, 9])
def test_the_neighbours_are_those_of_an_exact_search(dtype: torch.dtype, queries: int) -> None:
    random = np.random.default_rng(queries)
    # All cosines lie close together, so that half precision alone would put many in the wrong place.
    features = 5 + random.normal(size=(3000, 40))
    asked = 5 + random.normal(size=(queries, 40))
    stored = unit_rows(features, dtype=dtype)
    rows, cosines = nearest_by_features(stored, asked, 7)
    exact = (stored.double().numpy() @ (asked / np.linalg.norm(asked, axis=1, keepdims=True)).T).T
    order = np.argsort(-exact, axis=1, kind="stable")[:, :7]
    np.testing.assert_allclose(np.take_along_axis(exact, rows, 1), np.take_along_axis(exact, order, 1), atol=1e-6)
    np.testing.assert_allclose(cosines, np.take_along_axis(exact, rows, 1), atol=1e-6)
    assert all(len(set(row)) == 7 for row in rows.tolist())


def test_many_queries_are_answered_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    stored, asked = unit_rows(random.normal(size=(500, 16))), random.normal(size=(20, 16))
    whole = nearest_by_features(stored, asked, 9)
    monkeypatch.setattr(look_alikes, "_BATCH", 16 * 37)
    parts = nearest_by_features(stored, asked, 9)
    np.testing.assert_array_equal(parts[0], whole[0])
    np.testing.assert_allclose(parts[1], whole[1], atol=1e-6)


def test_fewer_rows_than_asked_for_are_all_given() -> None:
    rows, cosines = nearest_by_features(unit_rows(np.eye(3)), np.array([1.0, 0.5, 0.1]), 10)
    assert rows.tolist() == [0, 1, 2]
    assert (np.diff(cosines) < 0).all()


def test_a_query_without_length_is_equally_far_from_all() -> None:
    rows, cosines = nearest_by_features(unit_rows(np.eye(3)), np.zeros(3), 2)
    assert len(set(rows.tolist())) == 2
    assert cosines.tolist() == [0.0, 0.0]


def test_the_cosines_of_few_rows_are_those_of_every_pair() -> None:
    features = np.random.default_rng(0).normal(size=(60, 5)) + 1
    stored = unit_rows(features, dtype=torch.float64)
    whole = np.array([float(stored[one] @ stored[other]) for one in range(60) for other in range(one)])
    expected = [np.quantile(whole, share) for share in (0.5, 0.1, 0.9)]
    np.testing.assert_allclose(pair_cosines(stored, pairs=1770), expected, atol=1e-6)


def test_the_cosines_of_many_rows_are_drawn_without_any_row_against_itself() -> None:
    features = unit_rows(np.concatenate([np.eye(40), -np.eye(40)]))  # a row against itself would have 1
    assert pair_cosines(features, pairs=3000) == PairCosines(0.0, 0.0, 0.0)
    random = np.random.default_rng(0)
    stored = unit_rows(random.normal(size=(3000, 16)))
    found = pair_cosines(stored, pairs=4000)
    assert found is not None
    # Of directions at random cos has mean 0 and variance 1/D; 1.28 deviations cut off a tenth.
    assert found.median == pytest.approx(0, abs=0.02)
    assert found.high == pytest.approx(1.2816 / 4, abs=0.03)
    assert found.low == pytest.approx(-found.high, abs=0.03)
    assert pair_cosines(stored, pairs=4000) == found
    assert pair_cosines(stored, pairs=4000, seed=1) != found


def test_pairs_need_three_rows_and_a_matrix() -> None:
    assert pair_cosines(unit_rows(np.eye(2))) is None
    for features, pairs in ((torch.zeros(4), 5), (torch.zeros(4, 2), 0)):
        with pytest.raises(ArgumentError, match="There are no pairs of rows"):
            pair_cosines(features, pairs=pairs)


def test_a_read_only_map_of_a_file_is_searched_as_it_is(tmp_path: Path) -> None:
    stored = unit_rows(np.random.default_rng(0).normal(size=(30, 8)))
    np.save(tmp_path / "features.npy", stored.numpy())
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    rows, cosines = nearest_by_features(mapped, np.asarray(mapped[7]), 3)
    assert (rows[0], cosines[0]) == (7, pytest.approx(1, abs=1e-3))
    assert torch.equal(unit_rows(mapped), stored)


def test_mistakes_are_told() -> None:
    for queries in (np.float64(3), np.ones((2, 2, 3))):
        with pytest.raises(ArgumentError, match="do not fit the features"):
            nearest_by_features(unit_rows(np.eye(3)), queries)
    with pytest.raises(ArgumentError, match=r"do not fit the features.*\(3, 3\) and \(4,\)"):
        nearest_by_features(unit_rows(np.eye(3)), np.ones(4))
    with pytest.raises(ArgumentError, match="do not fit"):
        nearest_by_features(torch.zeros(0, 3), np.ones(3))
    with pytest.raises(ArgumentError, match="at least 1"):
        nearest_by_features(unit_rows(np.eye(3)), np.ones(3), 0)
    with pytest.raises(ArgumentError, match="NaN"):
        unit_rows(np.array([[np.nan, 1.0]]))
    with pytest.raises(ArgumentError, match="Each neighbour needs its caption"):
        contact_sheet(np.zeros((4, 4, 3), np.uint8), [], [["1"]])


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).filter(lambda pair: pair[0] != pair[1]), max_size=40))
def test_groups_are_the_connected_components(pairs: list[tuple[int, int]]) -> None:
    graph = coo_matrix((np.ones(len(pairs)), np.array(pairs).reshape(-1, 2).T), shape=(31, 31))
    _, labels = connected_components(graph, directed=False)
    expected = {tuple(np.flatnonzero(labels == label).tolist()) for label in set(labels) if (labels == label).sum() > 1}
    groups = joined_groups(pairs)
    assert {tuple(group) for group in groups} == expected
    assert [len(group) for group in groups] == sorted((len(group) for group in expected), reverse=True)


def test_a_sheet_shows_the_query_large_and_each_neighbour_in_its_place() -> None:
    colours = [(250, 10, 10), (10, 250, 10), (10, 10, 250)]
    query = np.full((30, 90, 3), (90, 60, 30), np.uint8)
    neighbours = [np.full((200, 200, 3), colour, np.uint8) for colour in colours]
    sheet = contact_sheet(query, [*neighbours, None], [["1", "a"], ["2"], ["3"], ["4", "gone"]], title=["q"], columns=2)
    shown = {tuple(pixel) for pixel in sheet.reshape(-1, 3)[::7].tolist()}
    assert {*colours, (90, 60, 30)} <= shown
    places = [np.argwhere((sheet == colour).all(2)).mean(0) for colour in colours]
    assert places[0][0] == pytest.approx(places[1][0])
    assert places[0][1] == pytest.approx(places[2][1])
    assert places[0][1] < places[1][1]
    assert places[0][0] < places[2][0]
    large = np.argwhere((sheet == (90, 60, 30)).all(2))
    assert np.ptp(large[:, 1]) + 1 == 320  # as wide as its place, in its own proportions
    assert np.ptp(large[:, 0]) + 1 == pytest.approx(107, abs=1)


def test_a_sheet_takes_any_kind_of_picture_and_any_name() -> None:
    clear = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    sheet = contact_sheet(clear, [Image.new("1", (5, 5)), np.zeros((8, 8, 1), np.uint8)], [["\udce9" * 80], []])
    assert tuple(sheet[100, 100]) == (255, 255, 255)  # what is transparent shows white
    assert sheet.dtype == np.uint8
    assert contact_sheet(clear, [], []).shape[2] == 3
