"""The layers over trees by level against the plain recursion, node by node, forward and backward."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from random_trees import chain, forests, random_tree, recursion
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.layers import tree_loops
from leadline.layers.level_arrays import TreeLevels, tree_levels
from leadline.layers.tree_layers import TREE_CELLS, ChildSumTreeLSTM, NaryTreeLSTM, TensorTreeRecursion, TreeRecursion

Distances = NDArray[np.int64]


def levels_of(trees: list[Distances]) -> TreeLevels:
    """The words are the numbers of the leaves, counted through all trees."""
    distances = np.concatenate(trees)
    return tree_levels(np.cumsum(is_leaf(distances)) - 1, distances)


def is_leaf(distances: Distances) -> NDArray[np.bool_]:
    places = np.arange(len(distances))
    return ~np.isin(places, (places + distances)[distances > 0])


def made(cell: str, arity: int, hidden: int = 4, features: int = 3, std: float = 0.5) -> Any:
    kind = TREE_CELLS[cell]
    layer = kind(features, hidden) if cell == "child_sum" else kind(features, hidden, arity=arity)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=std)
    return layer.double()


def by_levels(layer: Any, trees: list[Distances], leaves: list[Tensor]) -> Tensor:
    """The states of all nodes, tree after tree, by way of the levels."""
    levels = levels_of(trees)
    states = layer(torch.cat(leaves)[levels.words], levels)
    return torch.empty_like(states).index_copy(0, levels.order, states)


def by_nodes(layer: Any, trees: list[Distances], leaves: list[Tensor]) -> Tensor:
    """The same by the plain recursion."""
    return torch.cat([recursion(layer, x, tree) for x, tree in zip(leaves, trees, strict=True)])


def leaves_of(trees: list[Distances], features: int = 3, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    return [torch.randn(int(is_leaf(distances).sum()), features, dtype=dtype) for distances in trees]


def states_and_gradients(way: Any, layer: Any, trees: list[Distances], leaves: list[Tensor], weights: Tensor) -> list[Tensor]:
    """The states, and the gradients of leaves and parameters where every node has a gradient of its own."""
    leaves = [x.detach().requires_grad_() for x in leaves]
    layer.zero_grad()
    states = way(layer, trees, leaves)
    (states * weights).sum().backward()
    of = [*leaves, *layer.parameters()]
    return [states.detach(), *(torch.zeros_like(each) if each.grad is None else each.grad.clone() for each in of)]


def assert_equal_to_the_recursion(layer: Any, trees: list[Distances], leaves: list[Tensor], tolerance: float = 1e-9) -> None:
    weights = torch.randn(sum(map(len, trees)), layer.hidden, dtype=leaves[0].dtype)
    ours, theirs = (states_and_gradients(way, layer, trees, leaves, weights) for way in (by_levels, by_nodes))
    for one, other in zip(ours, theirs, strict=True):
        scale = max(1.0, float(other.abs().max()))
        torch.testing.assert_close(one / scale, other / scale, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("cell", TREE_CELLS)
@given(data=st.data(), arity=st.integers(1, 4), seed=st.integers(0, 1000))
@settings(max_examples=25)
def test_levels_equal_the_plain_recursion(cell: str, data: Any, arity: int, seed: int) -> None:
    trees = data.draw(forests(arity))
    torch.manual_seed(seed)
    assert_equal_to_the_recursion(made(cell, arity), trees, leaves_of(trees))


@pytest.mark.parametrize(("dtype", "std", "tolerance"), [(torch.float64, 0.5, 1e-9), (torch.float32, 0.2, 1e-4)])
@pytest.mark.parametrize("cell", TREE_CELLS)
def test_a_tree_of_depth_500(cell: str, dtype: torch.dtype, std: float, tolerance: float) -> None:
    """In single precision with weights small enough that rounding is not blown up on the way."""
    trees = [chain(500), chain(3), random_tree(7, 12, 2)]
    torch.manual_seed(1)
    assert len(levels_of(trees).sizes) == 501
    layer, leaves = made(cell, 2, std=std).to(dtype), leaves_of(trees, dtype=dtype)
    assert_equal_to_the_recursion(layer, trees, leaves, tolerance)


def test_a_level_too_large_to_be_held_at_once_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(2)
    trees = [random_tree(seed, 8, 2) for seed in range(12)]
    layer, leaves = made("tensor", 2), leaves_of(trees)
    whole = by_levels(layer, trees, leaves)
    monkeypatch.setattr(tree_loops, "_MOST_FEATURES", 3 * layer.inner.in_features)
    rows: list[int] = []
    features = tree_loops._features
    monkeypatch.setattr(tree_loops, "_features", lambda below, pairs: rows.append(len(below)) or features(below, pairs))
    assert_equal_to_the_recursion(layer, trees, leaves)
    assert max(rows) == 3
    torch.testing.assert_close(by_levels(layer, trees, leaves), whole)


@pytest.mark.parametrize("cell", TREE_CELLS)
def test_gradients_against_central_differences(cell: str) -> None:
    trees = [random_tree(3, 6, 2), random_tree(4, 1, 2)]
    torch.manual_seed(2)
    layer, leaves, levels = made(cell, 2, hidden=3), leaves_of(trees), levels_of(trees)
    names = [name for name, _ in layer.named_parameters()]

    def function(x: Tensor, *weights: Tensor) -> Tensor:
        given_weights = dict(zip(names, weights, strict=True))
        return torch.func.functional_call(layer, given_weights, (x[levels.words], levels))  # type: ignore[no-any-return]

    weights = [parameter.detach().clone().requires_grad_() for parameter in layer.parameters()]
    assert torch.autograd.gradcheck(function, [torch.cat(leaves).requires_grad_(), *weights])


@pytest.mark.parametrize("cell", TREE_CELLS)
def test_trees_of_one_word_alone(cell: str) -> None:
    trees = [random_tree(0, 1, 1)[-1:], random_tree(0, 1, 1)[-1:]]
    layer, leaves = made(cell, 2), leaves_of(trees)
    leaves[0].requires_grad_()
    states = by_levels(layer, trees, leaves)
    torch.testing.assert_close(states, by_nodes(layer, trees, leaves))
    states.sum().backward()
    assert leaves[0].grad is not None
    assert layer.inner.weight.grad is not None
    assert not layer.inner.weight.grad.any()


def test_the_order_of_children_counts_for_places_and_not_for_sums() -> None:
    torch.manual_seed(0)
    levels = levels_of([np.array([2, 1, 0])])
    x = torch.randn(2, 3, dtype=torch.float64)
    for cell, same in (("lstm", False), ("plain", False), ("tensor", False), ("child_sum", True)):
        layer = made(cell, 2)
        root, turned = layer(x, levels)[levels.roots], layer(x.flip(0), levels)[levels.roots]
        assert torch.allclose(root, turned) is same, cell


def test_a_tree_in_a_batch_is_what_it_is_alone() -> None:
    torch.manual_seed(0)
    trees = [random_tree(seed, 9, 3) for seed in range(6)]
    layer, leaves = made("child_sum", 3), leaves_of(trees)
    together = by_levels(layer, trees, leaves)
    alone = torch.cat([by_levels(layer, [tree], [x]) for tree, x in zip(trees, leaves, strict=True)])
    torch.testing.assert_close(together, alone)


def test_the_parameters_are_as_many_as_is_said() -> None:
    def count(layer: nn.Module) -> int:
        return sum(parameter.numel() for parameter in layer.parameters())

    d, h, a = 7, 5, 3
    assert count(NaryTreeLSTM(d, h, arity=a)) == 3 * h * (d + 1) + (3 + a) * h * (a * h + 1)
    assert count(ChildSumTreeLSTM(d, h)) == 3 * h * (d + 1) + 4 * h * (h + 1)
    assert count(TreeRecursion(d, h, arity=a)) == h * (d + 1) + h * (a * h + 1)
    assert count(TensorTreeRecursion(d, h, arity=a)) == h * (d + 1) + h * (a * h + (a * h) ** 2 + 1)
    assert count(TensorTreeRecursion(30, 30)) - 30 * 31 == 109_830


def test_cells_of_a_deep_tree_neither_grow_nor_fade_at_first() -> None:
    """With children that all have one cell the forget gates' shares add up to 1."""
    for arity in (2, 3, 4):
        layer = NaryTreeLSTM(3, 8, arity=arity)
        shares = layer.inner.bias[16 : 16 + 8 * arity].sigmoid()
        torch.testing.assert_close(shares.view(arity, 8).sum(0), torch.ones(8))


@pytest.mark.parametrize("autocast", [False, True])
def test_half_precision_around_it_leaves_its_products_alone(autocast: bool) -> None:
    layer, levels = NaryTreeLSTM(3, 4), levels_of([chain(4)])
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        states = layer(torch.randn(levels.leaves, 3), levels)
    assert states.dtype == torch.float32
    states.sum().backward()


def test_what_does_not_fit_is_refused() -> None:
    levels = levels_of([np.array([3, 2, 1, 0])])
    with pytest.raises(
        ArgumentError, match=r"NaryTreeLSTM knows 2 children .* got a node with 3\. Build it with a larger arity"
    ):
        NaryTreeLSTM(3, 4)(torch.zeros(3, 3), levels)
    with pytest.raises(ArgumentError, match=r"one row for each leaf\. Expected 3; got 4"):
        ChildSumTreeLSTM(3, 4)(torch.zeros(4, 3), levels)
    with pytest.raises(ArgumentError, match=r"TreeRecursion cannot take these inputs\. Expected shape \[L, 3\]"):
        TreeRecursion(3, 4)(torch.zeros(3, 5), levels)
    with pytest.raises(ArgumentError, match=r"TensorTreeRecursion cannot be built: hidden"):
        TensorTreeRecursion(3, 0)
