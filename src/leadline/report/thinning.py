"""A long series in a few hundred points, without hiding its spikes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Thinned:
    """A series in buckets: the last x, the mean, the lowest and the highest value of each."""

    x: list[float]
    mean: list[float]
    low: list[float]
    high: list[float]


def thin(x: Sequence[float], y: Sequence[float], most: int = 300) -> Thinned:
    """Gather neighbouring points into at most `most` buckets of equal count; shorter series stay as they are.

    The means draw the line, lowest and highest the band around it, so that a spike one point wide still shows.

    Example:
        >>> thin([1, 2, 3, 4], [0.0, 8.0, 1.0, 3.0], most=2)
        Thinned(x=[2, 4], mean=[4.0, 2.0], low=[0.0, 1.0], high=[8.0, 3.0])
    """
    count = len(x)
    if count <= most:
        return Thinned(list(x), list(y), list(y), list(y))
    edges = [count * bucket // most for bucket in range(most + 1)]
    parts = [y[start:end] for start, end in pairwise(edges)]
    return Thinned(
        [x[end - 1] for end in edges[1:]],
        [sum(part) / len(part) for part in parts],
        [min(part) for part in parts],
        [max(part) for part in parts],
    )
