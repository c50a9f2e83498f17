"""Where names go on a map of points: beside their points, on nothing that is drawn, as near as there is room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from leadline.errors import ArgumentError

_AIR = 4  # pixels around a name
_STEP = 4  # pixels between two places that are tried
_CORE = 30  # points of a group that a name may stand beside


class LabelPlace(NamedTuple):
    """Where a name goes, and the point that it stands for: left and top of its box, and x and y of the point, in pixels.

    Example:
        >>> LabelPlace(3, 40, 20.0, 60.0).top
        40
    """

    left: int
    top: int
    x: float
    y: float


def places_for_names(
    taken: NDArray[np.bool_], groups: Sequence[NDArray[np.float64]], sizes: Sequence[tuple[int, int]]
) -> list[LabelPlace | None]:
    """A place for the name of each group of points: free, and the nearest to one of the points in its middle.

    The middle of a group is the half of its points that lies nearest to its median, so that a name never points at a stray. The
    largest group chooses first.

    Shapes: a map [H, W] of pixels and G groups of points [n, 2], as x and y in its pixels → G places.

    Args:
        taken: where something is drawn.
        groups: each of at least one point.
        sizes: width and height of each name in pixels.

    Returns:
        A place for each group; None where no free one of its size is left.

    Errors: `ArgumentError` where the numbers of groups and sizes differ.

    Example:
        >>> taken = np.zeros((60, 100), bool)
        >>> taken[20:40, 40:60] = True
        >>> place, = places_for_names(taken, [np.array([[50.0, 30.0]])], [(30, 10)])
        >>> bool(taken[place.top : place.top + 10, place.left : place.left + 30].any()), place.x
        (False, 50.0)
    """
    if len(groups) != len(sizes):
        raise ArgumentError("Each group needs the size of its name", expected=len(groups), got=len(sizes))
    taken = taken.copy()
    found: list[LabelPlace | None] = [None] * len(groups)
    for at in sorted(range(len(groups)), key=lambda each: (-len(groups[each]), each)):
        width, height = (size + 2 * _AIR for size in sizes[at])
        place = _nearest_free(taken, _middle(groups[at]), width, height)
        if place is not None:
            taken[place.top : place.top + height, place.left : place.left + width] = True
            found[at] = place._replace(left=place.left + _AIR, top=place.top + _AIR)
    return found


def _middle(points: NDArray[np.float64]) -> NDArray[np.float64]:
    away = np.abs(points - np.median(points, axis=0)).sum(axis=1)
    return points[np.argsort(away, kind="stable")[: min(_CORE, (len(points) + 1) // 2)]]


def _nearest_free(taken: NDArray[np.bool_], points: NDArray[np.float64], width: int, height: int) -> LabelPlace | None:
    """Of all boxes in which nothing is taken, the one whose edge lies nearest to one of the points."""
    if height > taken.shape[0] or width > taken.shape[1]:
        return None
    # How much is taken above and left of each pixel gives how much is taken in any box by four look-ups.
    sums = np.pad(taken.cumsum(axis=0, dtype=np.int64).cumsum(axis=1), ((1, 0), (1, 0)))
    corners = sums[::_STEP, ::_STEP][: (len(sums) - 1 - height) // _STEP + 1, : (sums.shape[1] - 1 - width) // _STEP + 1]
    tops, lefts = (np.arange(count) * _STEP for count in corners.shape)
    across = np.ix_(tops, lefts + width), np.ix_(tops + height, lefts), np.ix_(tops + height, lefts + width)
    free = np.argwhere(sums[across[2]] - sums[across[0]] - sums[across[1]] + corners == 0) * _STEP
    if not len(free):
        return None
    right_of = free[:, None, 1] - points[None, :, 0]
    below = free[:, None, 0] - points[None, :, 1]
    beside = np.maximum(0, np.maximum(right_of, -right_of - width))
    above = np.maximum(0, np.maximum(below, -below - height))
    box, point = np.unravel_index(int((beside**2 + above**2).argmin()), beside.shape)
    return LabelPlace(int(free[box, 1]), int(free[box, 0]), float(points[point, 0]), float(points[point, 1]))
