"""Trees by level: a batch of trees as integer arrays, all leaves first, then all nodes above leaves alone, and so on.

B trees of N nodes together, L of them leaves, I inner ones, E = N − B of them children, A children of a node at most.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leadline.errors import ArgumentError

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TreeLevels:
    """A batch of trees, their nodes in the order of their level: what the layers for trees go through.

    The level of a leaf is 0, that of an inner node one more than the highest of its children. All that is computed of one level
    depends on lower levels alone, so that it can be computed at once.

    Attributes:
        words: the number of the word of each leaf, int64 [L].
        children: the places of all children, those of the first inner node first, int64 [E].
        owners: for each of them the number of its parent among the inner nodes, int64 [E].
        slots: and which child it is of that parent, from 0, int64 [E].
        above: for each node where it stands in `children`; E for a root, int64 [N].
        roots: the places of the roots, in the order of the trees, int64 [B].
        order: which node stands at each place, counted through the trees one after another, int64 [N].
        sizes: how many nodes each level has.
        edges: how many children the nodes of each level above 0 have together.
        arity: A.

    Example:
        >>> levels = tree_levels(np.array([5, 6, 0]), np.array([2, 1, 0]))
        >>> levels.words, levels.children, levels.roots, levels.sizes
        (tensor([5, 6]), tensor([0, 1]), tensor([2]), (2, 1))
    """

    words: Tensor
    children: Tensor
    owners: Tensor
    slots: Tensor
    above: Tensor
    roots: Tensor
    order: Tensor
    sizes: tuple[int, ...]
    edges: tuple[int, ...]
    arity: int

    def __len__(self) -> int:
        """N: a batch has as many rows as nodes, each with an output of its own."""
        return len(self.order)

    @property
    def leaves(self) -> int:
        """L."""
        return self.sizes[0]

    @property
    def inner(self) -> int:
        """I."""
        return len(self.order) - self.sizes[0]

    @property
    def device(self) -> torch.device:
        """Where the arrays are, as a tensor says it."""
        return self.words.device

    @property
    def is_cuda(self) -> bool:
        """Whether that is a GPU of NVIDIA, as a tensor says it."""
        return self.words.is_cuda

    def spans(self) -> list[tuple[int, int]]:
        """Where each level above 0 begins and ends among the inner nodes."""
        return list(pairwise(accumulate(self.sizes[1:], initial=0)))

    def edge_spans(self) -> list[tuple[int, int]]:
        """Where the children of each level begin and end in `children`."""
        return list(pairwise(accumulate(self.edges, initial=0)))

    def to(self, device: torch.device) -> TreeLevels:
        """The same arrays on a device; the copies do not wait."""
        if device == self.device:
            return self
        pinned = device.type == "cuda" and self.device.type == "cpu"
        moved: dict[str, Any] = {
            field.name: (value.pin_memory() if pinned else value).to(device, non_blocking=True)
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), Tensor)
        }
        return replace(self, **moved)


def tree_levels(
    words: NDArray[Any], distances: NDArray[Any], *, heights: NDArray[Any] | None = None, slots: NDArray[Any] | None = None
) -> TreeLevels:
    """The nodes of some trees, one tree after another, in the order of their levels.

    Args:
        words: the number of the word of each leaf; of inner nodes it is not looked at, [N].
        distances: how many places after a node its parent stands, 0 for a root, every child before its parent, [N].
        heights: of the nodes, where `node_heights` has found them before.
        slots: likewise, of `node_slots`.

    Errors: `ArgumentError` for arrays that do not fit or distances that lead out of the trees.

    Example:
        >>> two = tree_levels(np.array([5, 6, 0, 7]), np.array([2, 1, 0, 0]))
        >>> two.order, two.roots, two.sizes
        (tensor([0, 1, 3, 2]), tensor([3, 2]), (3, 1))
    """
    count = len(distances)
    if not count or np.shape(words) != (count,) or distances[-1] != 0:
        raise ArgumentError(
            "These are no trees", expected="words and distances [N], each root behind its tree", got=(len(words), count)
        )
    heights = node_heights(distances) if heights is None else heights
    slots = node_slots(distances) if slots is None else slots
    order = np.argsort(heights, kind="stable")
    place = np.empty(count, np.int64)
    place[order] = np.arange(count)
    is_root = distances == 0
    node = np.flatnonzero(~is_root)
    parent = place[node + distances[node]]
    # Sorted by parent; siblings keep their order.
    sorting = np.argsort(parent, kind="stable")
    node, parent = node[sorting], parent[sorting]
    above = np.full(count, len(node), np.int64)
    above[place[node]] = np.arange(len(node))
    sizes = np.bincount(heights)
    starts = np.cumsum(sizes)
    edges = np.diff(np.searchsorted(parent, starts))
    slot = slots[node]
    arrays = {
        "words": words[order[: sizes[0]]],
        "children": place[node],
        "owners": parent - sizes[0],
        "slots": slot,
        "above": above,
        "roots": place[is_root],
        "order": order,
    }
    tensors: dict[str, Any] = {name: torch.from_numpy(array.astype(np.int64, copy=False)) for name, array in arrays.items()}
    arity = int(slot.max(initial=-1)) + 1
    return TreeLevels(**tensors, sizes=tuple(sizes.tolist()), edges=tuple(edges.tolist()), arity=arity)


def node_heights(distances: NDArray[Any]) -> Ints:
    """The level of each node: 0 for a leaf, one more than the highest child for others, int64 [N].

    Args:
        distances: how many places after a node its parent stands, 0 for a root, [N].

    Errors: `ArgumentError` for a distance that leads out of the trees.

    Example:
        >>> node_heights(np.array([2, 1, 1, 0]))
        array([0, 0, 1, 2])
    """
    _check_distances(distances)
    heights = [0] * len(distances)
    for at, distance in enumerate(distances.tolist()):
        if distance and heights[at + distance] <= heights[at]:
            heights[at + distance] = heights[at] + 1
    return np.array(heights, np.int64)


def node_slots(distances: NDArray[Any]) -> Ints:
    """Which child of its parent each node is, from 0; 0 for a root, int64 [N].

    Args:
        distances: how many places after a node its parent stands, 0 for a root, [N].

    Errors: `ArgumentError` for a distance that leads out of the trees.

    Example:
        >>> node_slots(np.array([2, 1, 0]))
        array([0, 1, 0])
    """
    _check_distances(distances)
    seen, slots = [0] * len(distances), [0] * len(distances)
    for at, distance in enumerate(distances.tolist()):
        if distance:
            slots[at] = seen[at + distance]
            seen[at + distance] += 1
    return np.array(slots, np.int64)


def _check_distances(distances: NDArray[Any]) -> None:
    beyond = np.arange(len(distances)) + distances
    if len(distances) and (distances.min() < 0 or beyond.max() >= len(distances)):
        raise ArgumentError("A parent stands outside of its tree", expected="distances from 0 to the end", got=distances)
