"""Huffman's code: the tree in which frequent words have short paths, for hierarchical softmax."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from leadline.errors import ArgumentError


class CodeTree(NamedTuple):
    """Paths from the root of a tree to each word: of word w they stand at `starts[w]` … `starts[w + 1]` − 1.

    `nodes` are the inner nodes on the way, the root first, and `branches` 1 where the path goes on to the more frequent side.

    Example:
        >>> tree = code_tree([5, 2, 1])
        >>> [tree.branches[tree.starts[word] : tree.starts[word + 1]].tolist() for word in range(3)]
        [[1.0], [0.0, 1.0], [0.0, 0.0]]
    """

    starts: NDArray[np.int64]
    nodes: NDArray[np.int32]
    branches: NDArray[np.float32]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """How many steps the path of each word has, [V]."""
        return np.diff(self.starts)


def code_tree(counts: NDArray[np.integer] | list[int]) -> CodeTree:
    """The tree whose mean path length Σ p_w length_w is the least that there is: between the entropy of p and 1 bit more.

    Shapes: counts [V] → V − 1 inner nodes at most. A word that was never seen has no path.

    Args:
        counts: how often each word was seen.

    Errors: `ArgumentError` where fewer than two words were seen, or a count is below 0.

    Example:
        >>> code_tree([4, 2, 1, 1]).lengths.tolist()
        [1, 2, 3, 3]

    Source: Huffman (1952), A method for the construction of minimum-redundancy codes; in a language model: Morin and Bengio
    (2005), Hierarchical probabilistic neural network language model.
    """
    table = np.asarray(counts, np.int64)
    if table.ndim != 1 or (table < 0).any() or (seen := np.flatnonzero(table)).size < 2:
        raise ArgumentError("A tree needs words", expected="counts [V] of at least two words that were seen", got=table.shape)
    leaves = seen[np.argsort(table[seen], kind="stable")]
    parents, sides = _joined(table[leaves].tolist())
    # All words climb at once; the highest inner node is the root.
    count, root = len(leaves), 2 * len(leaves) - 2
    at, steps = np.arange(count), []
    while (climbing := at != root).any():
        steps.append((np.where(climbing, parents[at] - count, -1), sides[at]))
        at = np.where(climbing, parents[at], root)
    ways, turns = (np.array(each) for each in zip(*steps, strict=True))  # [steps, leaves], the root last
    lengths = np.zeros(len(table), np.int64)
    lengths[leaves] = (ways >= 0).sum(axis=0)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    nodes, branches = np.zeros(starts[-1], np.int32), np.zeros(starts[-1], np.float32)
    for step, (way, turn) in enumerate(zip(ways, turns, strict=True)):
        on = way >= 0
        place = starts[leaves[on] + 1] - 1 - step
        nodes[place], branches[place] = way[on], turn[on]
    return CodeTree(starts, nodes, branches)


def _joined(counts: list[int]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The parent of each node, leaves first in rising order, and 1 where a node is the more frequent child of its parent.

    Inner nodes come into being in rising order too, so that the two rarest always stand at the head of one of two queues.
    """
    many = len(counts)
    weights, parents, sides = (
        [*counts, *([0] * (many - 1))],
        np.zeros(2 * many - 1, np.int64),
        np.zeros(2 * many - 1, np.float32),
    )
    leaf, inner = 0, many
    for node in range(many, 2 * many - 1):
        pair = []
        for _ in range(2):
            if leaf < many and (inner == node or weights[leaf] <= weights[inner]):
                pair.append(leaf)
                leaf += 1
            else:
                pair.append(inner)
                inner += 1
        weights[node] = weights[pair[0]] + weights[pair[1]]
        parents[pair], sides[pair[1]] = node, 1
    return parents, sides
