"""Places for names: free, the nearest there are by trying all, and none where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadline.errors import ArgumentError
from leadline.explain.label_places import places_for_names

AIR, STEP = 4, 4


@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 14), st.floats(0, 0.01))
def test_a_place_is_free_and_the_nearest_of_all(seed: int, width: int, height: int, share: float) -> None:
    random = np.random.default_rng(seed)
    taken = random.random((60, 90)) < share
    taken[20:40, 30:60] = True
    point = random.uniform((0, 0), (90, 60))
    (place,) = places_for_names(taken, [point[None]], [(width, height)])
    distances = {}
    for top in range(0, 60 - height - 2 * AIR + 1, STEP):
        for left in range(0, 90 - width - 2 * AIR + 1, STEP):
            if not taken[top : top + height + 2 * AIR, left : left + width + 2 * AIR].any():
                near = np.clip(point, (left, top), (left + width + 2 * AIR, top + height + 2 * AIR))
                distances[left + AIR, top + AIR] = float(((near - point) ** 2).sum())
    if place is None:
        assert not distances
    else:
        assert distances[place.left, place.top] == pytest.approx(min(distances.values()))
        assert (place.x, place.y) == tuple(point)


def test_names_keep_clear_of_each_other_and_the_largest_group_chooses_first() -> None:
    middle = np.full((50, 2), (100.0, 50.0))
    places = places_for_names(np.zeros((100, 200), bool), [middle[:9], middle, middle[:20]], [(60, 12)] * 3)
    boxes = [(place.left, place.top, place.left + 60, place.top + 12) for place in places if place is not None]
    assert len(boxes) == 3
    for at, one in enumerate(boxes):
        for other in boxes[:at]:
            assert one[0] >= other[2] or other[0] >= one[2] or one[1] >= other[3] or other[1] >= one[3]
    away = [np.hypot(*(np.clip((100, 50), box[:2], box[2:]) - (100, 50))) for box in boxes]
    assert away[1] <= away[2] <= away[0]


def test_a_stray_point_does_not_draw_the_name_to_it() -> None:
    points = np.concatenate([np.random.default_rng(0).normal((30, 30), 2, (20, 2)), [(180, 90)]])
    (place,) = places_for_names(np.zeros((100, 200), bool), [points], [(20, 10)])
    assert place is not None
    assert place.left < 60
    assert np.hypot(place.x - 30, place.y - 30) < 5


def test_no_room_is_said_by_none_and_other_numbers_are_refused() -> None:
    full, point = np.ones((50, 50), bool), np.array([[25.0, 25.0]])
    assert places_for_names(full, [point], [(10, 10)]) == [None]
    assert places_for_names(~full, [point, point], [(45, 10), (10, 43)]) == [None, None]
    assert places_for_names(full, [], []) == []
    with pytest.raises(ArgumentError, match="size of its name"):
        places_for_names(full, [point], [])
