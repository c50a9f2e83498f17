"""Scaling: from numbers in their own units to the bounded numbers that a network takes, and back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_REACH = 3.0  # the largest value a scaled number can come near
_EDGES = 32  # intervals with as many training rows each, at most
_LARGEST = 1e150  # beyond it squares leave float64
_FAR = 1e6  # beyond it a scaled number is 3 in float32


@dataclass(frozen=True)
class Scaling:
    """z = u / √(1 + (u/3)²) with u = (x − centre) / scale: nearly linear in the middle, never beyond ±3, NaN → 0.

    `centre` is the median of the training rows, `scale` 0.74 of the distance between their quartiles (the standard deviation
    of a normal distribution); where the quartiles coincide, the standard deviation. So no outlier, however large, moves the
    others. `edges` are quantiles of z in the training rows, between which a piecewise-linear embedding interpolates.

    Example:
        >>> scaling = Scaling.learn(np.array([1.0, 2.0, 3.0, 1e30]))
        >>> scaling(np.array([2.5, np.nan, 1e300])).round(3).tolist()
        [0.0, 0.0, 3.0]
        >>> float(scaling.inverse(scaling(np.array([2.0]))).round(6)[0])
        2.0

    Source: Holzmüller, Grinsztajn and Steinwart (2024), Better by default: strong pre-tuned MLPs and boosted trees on tabular
    data.
    """

    centre: float
    scale: float
    edges: tuple[float, ...] = ()

    @classmethod
    def learn(cls, values: NDArray[np.floating[Any]]) -> Scaling:
        """From training values [N]; NaN is passed over."""
        known = np.clip(values[np.isfinite(values)].astype(np.float64), -_LARGEST, _LARGEST)
        if not len(known):
            return cls(0.0, 1.0)
        low, centre, high = np.quantile(known, (0.25, 0.5, 0.75))
        scale = (high - low) * 0.7413
        if not scale > 1e-12 * max(abs(low), abs(high)):
            scale = float(np.std(known))
        if not scale > 1e-12 * max(1e-300, float(np.abs(known).max())):
            scale = 1.0
        found = cls(float(centre), float(scale))
        return cls(found.centre, found.scale, _edges(found(known)))

    def __call__(self, values: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Numbers [N] in their own units to float32 [N]."""
        with np.errstate(over="ignore"):
            u = (np.clip(values.astype(np.float64, copy=False), -_LARGEST, _LARGEST) - self.centre) / self.scale
        u = np.nan_to_num(np.clip(u, -_FAR, _FAR), nan=0.0)
        return np.asarray(u / np.sqrt(1 + np.square(u / _REACH)), np.float32)

    def inverse(self, scaled: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Scaled numbers [N] back to their own units."""
        z = np.clip(scaled.astype(np.float64) / _REACH, -1 + 1e-7, 1 - 1e-7)
        return np.asarray(self.centre + self.scale * _REACH * z / np.sqrt(1 - np.square(z)))


def _edges(scaled: NDArray[np.float32]) -> tuple[float, ...]:
    """At most 33 edges with equally many rows between them; none where too few values differ to interpolate between.

    A value that alone fills an interval is an edge by itself, and the others divide the remaining rows: in a column that is
    nearly always 0 plain quantiles would all be 0, and the few rows that differ, which matter most, would lie in one interval.
    """
    different, counts = np.unique(scaled, return_counts=True)
    if len(different) < 3:
        return ()
    edges = different
    if len(different) > _EDGES + 1:
        heavy = different[counts > len(scaled) / _EDGES]
        others = np.quantile(scaled[~np.isin(scaled, heavy)], np.linspace(0, 1, _EDGES + 1 - len(heavy)))
        edges = np.unique(np.concatenate([heavy, others]))
    # Edges so close that their distance is lost in float32 would divide by next to nothing.
    kept = [float(edges[0])]
    for edge in edges[1:].tolist():
        if edge - kept[-1] > 1e-4:
            kept.append(float(edge))
    return tuple(round(edge, 6) for edge in kept) if len(kept) > 2 else ()


def skewness(values: NDArray[np.floating[Any]]) -> float:
    """E[(x − μ)³] / σ³ of the finite values; 0 where they do not vary.

    Example:
        >>> skewness(np.array([0.0, 1.0])), round(skewness(np.array([0.0, 0.0, 0.0, 4.0])), 3)
        (0.0, 1.155)
    """
    known = values[np.isfinite(values)].astype(np.float64)
    deviation = known.std() if len(known) else 0.0
    if not (math.isfinite(deviation) and deviation > 0):
        return 0.0
    return float(np.mean(((known - known.mean()) / deviation) ** 3))
