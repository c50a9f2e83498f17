"""Levels against what is found by going through each tree node by node."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray
from random_trees import chain, forests

from leadline.errors import ArgumentError
from leadline.layers.level_arrays import node_heights, node_slots, tree_levels


@given(trees=forests(4))
def test_every_node_stands_after_its_children_and_knows_them(trees: list[NDArray[np.int64]]) -> None:
    distances = np.concatenate(trees)
    words = np.arange(len(distances))
    levels = tree_levels(words, distances)
    order = levels.order.numpy()
    assert sorted(order.tolist()) == list(range(len(distances)))
    assert sum(levels.sizes) == len(distances) == len(levels)
    assert sum(levels.edges) == len(distances) - len(trees) == len(levels.children)
    children: dict[int, list[int]] = {}
    for node, distance in enumerate(distances.tolist()):
        if distance:
            children.setdefault(node + distance, []).append(node)
    # Node by node: what stands in the arrays is what the distances say.
    found: dict[int, list[int]] = {}
    for edge, (child, owner, slot) in enumerate(zip(levels.children, levels.owners, levels.slots, strict=True)):
        parent = int(order[levels.leaves + int(owner)])
        found.setdefault(parent, []).append(int(order[int(child)]))
        assert len(found[parent]) == int(slot) + 1
        assert int(levels.above[int(child)]) == edge
        assert int(child) < levels.leaves + int(owner)
    assert found == children
    assert order[levels.words.numpy().argsort().argsort()[: levels.leaves]].size == levels.leaves
    assert set(levels.words.tolist()) == set(range(len(distances))) - set(children)
    ends = np.cumsum([len(tree) for tree in trees]) - 1
    assert order[levels.roots.numpy()].tolist() == ends.tolist()
    assert all(int(levels.above[root]) == len(levels.children) for root in levels.roots.tolist())
    assert levels.arity == max(map(len, children.values()), default=0)


@given(trees=forests(3))
def test_a_level_holds_what_depends_on_lower_ones_alone(trees: list[NDArray[np.int64]]) -> None:
    distances = np.concatenate(trees)
    levels = tree_levels(np.zeros(len(distances), int), distances)
    ends = np.cumsum(levels.sizes)
    level = np.searchsorted(ends, np.arange(len(distances)), side="right")
    of_children = level[levels.children.numpy()]
    of_owners = level[levels.leaves + levels.owners.numpy()]
    highest = np.full(len(distances), -1)
    np.maximum.at(highest, levels.leaves + levels.owners.numpy(), of_children)
    assert (of_children < of_owners).all()
    assert (highest + 1 == level).all()
    spans = levels.edge_spans()
    assert [end - start for start, end in spans] == list(levels.edges)


def test_heights_and_slots_of_a_known_tree() -> None:
    # ((a b) c), then a single d, then (e f g)
    distances = np.array([2, 1, 2, 1, 0, 0, 3, 2, 1, 0])
    assert node_heights(distances).tolist() == [0, 0, 1, 0, 2, 0, 0, 0, 0, 1]
    assert node_slots(distances).tolist() == [0, 1, 0, 1, 0, 0, 0, 1, 2, 0]
    levels = tree_levels(np.arange(10), distances)
    assert levels.sizes == (7, 2, 1)
    assert levels.words.tolist() == [0, 1, 3, 5, 6, 7, 8]
    assert levels.roots.tolist() == [9, 3, 8]
    assert len(tree_levels(np.zeros(1001, int), chain(500)).sizes) == 501


def test_what_is_no_tree_is_refused() -> None:
    for words, distances in (([], []), ([1], [0, 0]), ([1, 2], [1, 1]), ([1, 2], [0, 1])):
        with pytest.raises(ArgumentError, match=r"These are no trees"):
            tree_levels(np.array(words, int), np.array(distances, int))
    with pytest.raises(ArgumentError, match=r"A parent stands outside of its tree"):
        tree_levels(np.array([1, 2]), np.array([5, 0]))
