"""An ensemble of extremely randomized trees, grown all at once level by level: ready in a tenth of a second."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float32]
_DEPTH, _JUDGED = 14, 16  # of many outputs so many say where to split; a leaf answers for all


class RandomTrees:
    """Each node tries a few features at random thresholds and keeps the one after which outputs vary least.

    The gain of a split is Σ_sides ‖Σ y‖² / n: for one-hot outputs it is the Gini gain. A threshold lies between two rows of
    the node. Answers are the mean outputs of the leaves.

    Args:
        x: [N, D].
        y: [N, M]; for classes one-hot.
        trees: how many.
        leaf: rows below which a node is not split.
        seed: of all draws.

    Example:
        >>> x = np.linspace(-1, 1, 200, dtype=np.float32)[:, None]
        >>> y = (np.abs(x) < 0.5).astype(np.float32)
        >>> float(np.abs(RandomTrees(x, y, trees=20)(x) - y).mean()) < 0.02
        True

    Source: Geurts, Ernst and Wehenkel (2006), Extremely randomized trees.
    """

    def __init__(self, x: Numbers, y: Numbers, *, trees: int = 40, leaf: int = 2, seed: int = 0) -> None:
        self.trees, random = trees, np.random.default_rng(seed)
        rows, features = x.shape
        tried = int(min(features, max(6, features**0.5)))
        judged = y[:, random.permutation(y.shape[1])[:_JUDGED]]
        self.feature: list[NDArray[Any]] = []
        self.threshold: list[NDArray[Any]] = []
        self.child: list[NDArray[Any]] = []
        row = np.tile(np.arange(rows), trees)  # [S] of all trees: each row once in each
        node = np.repeat(np.arange(trees), rows)  # the node in which it is, numbered anew at each level
        for level in range(_DEPTH + 1):
            count = int(node.max(initial=-1)) + 1
            self._values(y, row, node, count)
            if level == _DEPTH or not count:
                break
            row, node = self._split(x, judged, row, node, count, tried, leaf, random)

    def __call__(self, x: Numbers) -> Numbers:
        """The mean answer of the trees, [N, M]."""
        rows = len(x)
        row = np.tile(np.arange(rows), self.trees)
        node = np.repeat(np.arange(self.trees), rows)
        answers = np.zeros((rows, self.value[0].shape[1]), np.float32)
        for level, values in enumerate(self.value):
            stopped = np.ones(len(row), bool) if level == len(self.child) else self.feature[level][node] < 0
            np.add.at(answers, row[stopped], values[node[stopped]])
            row, node = row[~stopped], node[~stopped]
            if not len(row):
                break
            right = x[row, self.feature[level][node]] > self.threshold[level][node]
            node = self.child[level][node] + right
        return answers / np.float32(self.trees)

    def _values(self, y: Numbers, row: NDArray[Any], node: NDArray[Any], count: int) -> None:
        if not hasattr(self, "value"):
            self.value: list[Numbers] = []
        size = np.bincount(node, minlength=count)
        sums = np.stack([np.bincount(node, y[row, each], count) for each in range(y.shape[1])], axis=1)
        self.value.append((sums / np.maximum(size, 1)[:, None]).astype(np.float32))

    def _split(
        self,
        x: Numbers,
        y: Numbers,
        row: NDArray[Any],
        node: NDArray[Any],
        count: int,
        tried: int,
        leaf: int,
        random: np.random.Generator,
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        size = np.bincount(node, minlength=count)
        first = np.cumsum(size) - size
        order = np.argsort(node, kind="stable")
        features = random.integers(0, x.shape[1], (count, tried))
        pairs = order[first[:, None, None] + (random.random((count, tried, 2)) * size[:, None, None]).astype(np.int64)]
        ends = x[row[pairs], features[:, :, None]]
        thresholds = ends[..., 0] + random.random((count, tried), np.float32) * (ends[..., 1] - ends[..., 0])
        right = x[row[:, None], features[node]] > thresholds[node]  # S, tried
        place = ((node * tried)[:, None] + np.arange(tried)) * 2 + right
        slots = count * tried * 2
        filled = np.bincount(place.ravel(), minlength=slots)
        gain = np.zeros(slots)
        for each in range(y.shape[1]):
            gain += np.bincount(place.ravel(), np.repeat(y[row, each], tried), slots) ** 2
        gain = (gain / np.maximum(filled, 1)).reshape(count, tried, 2).sum(2)
        gain[(filled.reshape(count, tried, 2) == 0).any(2)] = -1.0
        best = gain.argmax(1)
        at = np.arange(count)
        whole = sum(np.bincount(node, y[row, each], count) ** 2 for each in range(y.shape[1])) / np.maximum(size, 1)
        squares = np.bincount(node, (y[row] ** 2).sum(1), count)
        pure = squares - whole <= 1e-6 * np.maximum(squares, 1e-12)
        splits = (gain[at, best] >= 0) & (size >= 2 * leaf) & ~pure
        child = np.cumsum(splits) * 2 - 2
        self.feature.append(np.where(splits, features[at, best], -1))
        self.threshold.append(thresholds[at, best])
        self.child.append(child)
        going = splits[node]
        row, node, chosen = row[going], node[going], best[node[going]]
        return row, child[node] + right[going, chosen]
