"""Random trees, and the plain recursion over single nodes that the layers by level must equal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from hypothesis import strategies
from numpy.typing import NDArray
from torch import Tensor

from leadline.layers.tree_layers import ChildSumTreeLSTM, NaryTreeLSTM, TensorTreeRecursion, TreeRecursion


def random_tree(seed: int, leaves: int, arity: int) -> NDArray[np.int64]:
    """The distances of a tree with so many leaves, whose nodes have one to `arity` children each."""
    draw = np.random.default_rng(seed)

    def shape(count: int, alone: int) -> list[Any]:
        if count == 1:
            return [shape(1, alone - 1)] if alone > 0 and draw.random() < 0.4 else []
        parts = int(draw.integers(2, min(arity, count) + 1))
        cuts = np.sort(draw.choice(np.arange(1, count), parts - 1, replace=False)).tolist()
        sizes = np.diff([0, *cuts, count]).tolist()
        return [shape(size, 2) for size in sizes]

    distances: list[int] = []

    def write(node: list[Any]) -> int:
        children = [write(child) for child in node]
        place = len(distances)
        distances.append(0)
        for child in children:
            distances[child] = place - child
        return place

    write(shape(leaves if arity > 1 else 1, 2 * arity))
    return np.array(distances, np.int64)


def chain(depth: int) -> NDArray[np.int64]:
    """A tree so deep: each inner node has one leaf at its right and all the rest at its left."""
    return np.array([*[2, 1] * depth, 0], np.int64)


def forests(arity: int) -> strategies.SearchStrategy[list[NDArray[np.int64]]]:
    """One to five trees of up to 12 leaves."""
    tree = strategies.builds(random_tree, strategies.integers(0, 10**6), strategies.integers(1, 12), strategies.just(arity))
    return strategies.lists(tree, min_size=1, max_size=5)


def recursion(layer: Any, x: Tensor, distances: NDArray[np.int64]) -> Tensor:
    """The states [N, H] of all nodes in their own order, one node after another, written from the formulas."""
    of = next(plain for kind, plain in _PLAIN.items() if isinstance(layer, kind))(layer)
    found: list[Any] = [None] * len(distances)
    children: list[list[Any]] = [[] for _ in distances]
    leaf = 0
    for at, distance in enumerate(distances.tolist()):
        if children[at]:
            found[at] = of(None, children[at])
        else:
            found[at], leaf = of(x[leaf], []), leaf + 1
        if distance:
            children[at + distance].append(found[at])
    return torch.stack([state[0] for state in found])


def _nary(layer: NaryTreeLSTM) -> Callable[[Any, list[Any]], tuple[Tensor, Tensor]]:
    def node(x: Any, children: list[Any]) -> tuple[Tensor, Tensor]:
        if x is not None:
            o, i, u = layer.leaf(x).chunk(3)
            c = i.sigmoid() * u.tanh()
        else:
            none = torch.zeros(layer.hidden, dtype=layer.inner.weight.dtype)
            given = [*children, *[(none, none)] * (layer.arity - len(children))]
            o, i, *forget, u = layer.inner(torch.cat([h for h, _ in given])).chunk(3 + layer.arity)
            c = i.sigmoid() * u.tanh()
            for gate, (_, cell) in zip(forget, given, strict=True):
                c = c + gate.sigmoid() * cell
        return o.sigmoid() * c.tanh(), c

    return node


def _child_sum(layer: ChildSumTreeLSTM) -> Callable[[Any, list[Any]], tuple[Tensor, Tensor]]:
    def node(x: Any, children: list[Any]) -> tuple[Tensor, Tensor]:
        sums = layer.leaf(x) if x is not None else layer.inner(torch.stack([h for h, _ in children]).sum(0))
        o, i, u = sums.chunk(3)
        c = i.sigmoid() * u.tanh()
        for h, cell in children:
            c = c + layer.forget(h).sigmoid() * cell
        return o.sigmoid() * c.tanh(), c

    return node


def _plain(layer: TreeRecursion | TensorTreeRecursion) -> Callable[[Any, list[Any]], tuple[Tensor]]:
    def node(x: Any, children: list[Any]) -> tuple[Tensor]:
        if x is not None:
            return (layer.leaf(x).tanh(),)
        weight = layer.inner.weight
        none = torch.zeros(layer.hidden, dtype=weight.dtype)
        below = torch.cat([*(h for (h,) in children), *[none] * (layer.arity - len(children))])
        h = weight[:, : len(below)] @ below + layer.inner.bias
        if layer.pairs:  # aᵀ V_j a
            tensor = weight[:, len(below) :].view(-1, len(below), len(below))
            h = h + torch.einsum("a,jab,b->j", below, tensor, below)
        return (h.tanh(),)

    return node


_PLAIN: dict[type, Callable[[Any], Any]] = {
    NaryTreeLSTM: _nary,
    ChildSumTreeLSTM: _child_sum,
    TreeRecursion: _plain,
    TensorTreeRecursion: _plain,
}
