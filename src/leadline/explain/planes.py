"""A map of features in two dimensions: what the network takes for alike lies close together."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from leadline.errors import ArgumentError

_COMPONENTS = 50  # as van der Maaten and Hinton have it: t-SNE's distances are dearer and noisier in more
_LEAST = 4


class Plane(NamedTuple):
    """Where features lie on a plane: `points` [M, 2], the `rows` [M] of the features that they stand for, and the share of the
    variance that the principal components kept.

    Example:
        >>> Plane(np.zeros((1, 2)), np.array([5]), 1.0).rows
        array([5])
    """

    points: NDArray[np.float64]
    rows: NDArray[np.int64]
    kept: float


def feature_plane(features: NDArray[Any], *, rows: int = 2000, perplexity: float = 30.0, seed: int = 0) -> Plane:
    """Features on a plane: their first 50 principal components, then t-SNE, which keeps neighbours together.

    t-SNE minimizes KL(P ‖ Q) = Σ pᵢⱼ log(pᵢⱼ / qᵢⱼ), where pᵢⱼ falls with the distance of rows i and j as a normal density of
    width set by the perplexity, and qᵢⱼ with that of their points as 1 / (1 + d²). How far groups lie apart means little.

    Shapes: [N, D] → points [min(N, rows), 2]. The same input and seed give the same points on one machine.

    Args:
        features: of at least 4 rows, not all alike; finite; may be memory-mapped.
        rows: at most so many are taken, at random.
        perplexity: how many neighbours count, about; at most a third of the rows.
        seed: of the choice of rows and of t-SNE.

    Errors: `ArgumentError` for too few rows, values that are not finite, rows all alike, or an argument out of range.

    Example:
        >>> features = np.concatenate([np.zeros((20, 3)), np.ones((20, 3))]) + np.random.default_rng(0).normal(size=(40, 3)) / 9
        >>> plane = feature_plane(features)
        >>> plane.points.shape, bool(np.linalg.norm(plane.points[:20].mean(0) - plane.points[20:].mean(0)) > 3)
        ((40, 2), True)

    Source: van der Maaten and Hinton (2008), Visualizing data using t-SNE.
    """
    found = np.asarray(features)
    if found.ndim != 2 or len(found) < _LEAST or rows < _LEAST or not perplexity >= 1:
        raise ArgumentError(
            "There are no features to map",
            expected=f"an array [N, D] of at least {_LEAST} rows, rows ≥ {_LEAST} and perplexity ≥ 1",
            got=(list(found.shape), rows, perplexity),
        )
    taken_rows = np.sort(np.random.default_rng(seed).permutation(len(found))[:rows])
    found = found[taken_rows].astype(np.float64)
    if not np.isfinite(found).all():
        raise ArgumentError("The features hold values that are not finite (NaN or infinity)")
    centred = found - found.mean(axis=0)
    largest = float(np.abs(centred).max())
    if not largest > 1e-9 * max(1.0, float(np.abs(found).max())):
        raise ArgumentError("The features are the same in all rows, so there is nothing to map")
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    count = min(_COMPONENTS, *centred.shape)
    principal = PCA(count, svd_solver="full" if min(centred.shape) <= 500 else "randomized", random_state=seed)
    parts = principal.fit_transform(centred / largest)
    near = min(perplexity, (len(parts) - 1) / 3)
    # A start of its own, since scikit-learn's is NaN where there is only one direction.
    start = np.zeros((len(parts), 2))
    start[:, : min(2, count)] = parts[:, :2]
    start += 1e-6 * np.random.default_rng(seed).normal(size=start.shape) * start[:, 0].std()
    points = TSNE(2, perplexity=near, init=start / start[:, 0].std() * 1e-4, random_state=seed).fit_transform(parts)
    return Plane(points.astype(np.float64), taken_rows, float(principal.explained_variance_ratio_.sum()))
