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
from leadline.layers.level_arrays import TreeLevels, tree_levels
from leadline.layers.tree_layers import TREE_CELLS, ChildSumTreeLSTM, NaryTreeLSTM, TensorTreeRecursion, TreeRecursion

Distances = NDArray[np.int64]


def levels_of(trees: list[Distances]) -> TreeLevels:
    distances = np.concatenate(trees)
    return tree_levels(np.arange(len(distances)), distances)


def made(cell: str, arity: int, hidden: int = 4, features: int = 3) -> Any:
    kind = TREE_CELLS[cell]
    layer = kind(features, hidden) if cell == "child_sum" else kind(features, hidden, arity=arity)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.5)
    return layer.double()


def by_levels(layer: Any, trees: list[Distances], leaves: list[Tensor]) -> Tensor:
    """The states of all nodes, tree after tree, by way of the levels."""
    levels = levels_of(trees)
    distances = np.concatenate(trees)
    # Words are the nodes' own numbers: which leaf of all a place of level 0 is.
    number = (
        np.cumsum(~np.isin(np.arange(len(distances)), np.arange(len(distances))[distances > 0] + distances[distances > 0])) - 1
    )
    x = torch.cat(leaves)[torch.from_numpy(number)[levels.words]]
    states = layer(x, levels)
    return torch.empty_like(states).index_copy(0, levels.order, states)


def leaves_of(trees: list[Distances], features: int = 3) -> list[Tensor]:
    found = []
    for distances in trees:
        parents = np.unique((np.arange(len(distances)) + distances)[distances > 0])
        found.append(torch.randn(len(distances) - len(parents), features, dtype=torch.float64))
    return found


@pytest.mark.parametrize("cell", TREE_CELLS)
@given(data=st.data(), arity=st.integers(1, 4), seed=st.integers(0, 1000))
@settings(max_examples=25)
def test_levels_equal_the_plain_recursion(cell: str, data: Any, arity: int, seed: int) -> None:
    trees = data.draw(forests(arity))
    torch.manual_seed(seed)
    layer, leaves = made(cell, arity), leaves_of(trees)
    gradients = []
    weights: Tensor | None = None
    for way in (
        lambda: by_levels(layer, trees, leaves),
        lambda: torch.cat([recursion(layer, x, tree) for x, tree in zip(leaves, trees, strict=True)]),
    ):
        for x in leaves:
            x.grad = None
            x.requires_grad_()
        layer.zero_grad()
        states = way()
        weights = torch.randn_like(states) if weights is None else weights
        (states * weights).sum().backward()  # every node has a gradient of its own
        of = [*leaves, *layer.parameters()]
        grads = [torch.zeros_like(each) if each.grad is None else each.grad.clone() for each in of]
        gradients.append([states.detach(), *grads])
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("cell", TREE_CELLS)
def test_a_tree_of_depth_500(cell: str) -> None:
    trees = [chain(500), chain(3)]
    torch.manual_seed(1)
    layer, leaves = made(cell, 2), leaves_of(trees)
    assert len(levels_of(trees).sizes) == 501
    theirs = torch.cat([recursion(layer, x, tree) for x, tree in zip(leaves, trees, strict=True)])
    torch.testing.assert_close(by_levels(layer, trees, leaves), theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("cell", TREE_CELLS)
def test_gradients_against_central_differences(cell: str) -> None:
    trees = [random_tree(3, 6, 2), random_tree(4, 1, 2)]
    torch.manual_seed(2)
    layer, leaves = made(cell, 2, hidden=3), leaves_of(trees)
    names = [name for name, _ in layer.named_parameters()]

    def function(*tensors: Tensor) -> Tensor:
        given_weights = dict(zip(names, tensors[len(leaves) :], strict=True))
        levels = levels_of(trees)
        distances = np.concatenate(trees)
        parents = np.unique((np.arange(len(distances)) + distances)[distances > 0])
        number = torch.from_numpy(np.cumsum(~np.isin(np.arange(len(distances)), parents)) - 1)
        x = torch.cat(tensors[: len(leaves)])[number[levels.words]]
        return torch.func.functional_call(layer, given_weights, (x, levels))  # type: ignore[no-any-return]

    inputs = [*(x.requires_grad_() for x in leaves), *(p.detach().clone().requires_grad_() for p in layer.parameters())]
    assert torch.autograd.gradcheck(function, inputs)


@pytest.mark.parametrize("cell", TREE_CELLS)
def test_trees_of_one_word_alone(cell: str) -> None:
    trees = [random_tree(0, 1, 1)[-1:], random_tree(0, 1, 1)[-1:]]
    layer, leaves = made(cell, 2), leaves_of(trees)
    leaves[0].requires_grad_()
    states = by_levels(layer, trees, leaves)
    theirs = torch.cat([recursion(layer, x, tree) for x, tree in zip(leaves, trees, strict=True)])
    torch.testing.assert_close(states, theirs)
    states.sum().backward()
    assert leaves[0].grad is not None
    assert layer.inner.weight.grad is not None
    assert not layer.inner.weight.grad.any()


def test_the_order_of_children_counts_for_places_and_not_for_sums() -> None:
    torch.manual_seed(0)
    tree, levels = np.array([2, 1, 0]), levels_of([np.array([2, 1, 0])])
    x = torch.randn(2, 3, dtype=torch.float64)
    for cell, same in (("lstm", False), ("plain", False), ("tensor", False), ("child_sum", True)):
        layer = made(cell, 2)
        root, turned = layer(x, levels)[levels.roots], layer(x.flip(0), levels)[levels.roots]
        assert torch.allclose(root, turned) is same, cell
    assert len(tree) == 3


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
