"""Recursive networks: what they compute of a known tree, what dropout does to them, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from leadline.data.dataset import Split
from leadline.data.ragged import Ragged
from leadline.data.schema import Schema
from leadline.data.trees.tree_batches import TreeBatches
from leadline.data.trees.trees import NodeClasses, Trees
from leadline.errors import ArgumentError
from leadline.layers.level_arrays import TreeLevels, tree_levels
from leadline.layers.tree_layers import TREE_CELLS
from leadline.losses import cross_entropy
from leadline.models.recursive_networks import recursive
from leadline.models.tree_evaluation import TreeEvaluation, tree_outputs


def two_words() -> TreeLevels:
    return tree_levels(np.array([5, 6, 0]), np.array([2, 1, 0]))


@pytest.mark.parametrize("cell", TREE_CELLS)
def test_gradients_reach_every_parameter(cell: str) -> None:
    torch.manual_seed(0)
    network = recursive(9, 4, cell=cell, embedding=6, hidden=5)
    logits = network(two_words())
    assert logits.shape == (3, 4)
    cross_entropy(logits, torch.tensor([0, 1, 2])).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.any()), name
    words = network.words.weight.grad
    assert words is not None
    assert words.any(dim=1).nonzero().flatten().tolist() == [5, 6]


def test_a_binary_tree_lstm_by_hand() -> None:
    torch.manual_seed(0)
    network = recursive(9, 4, embedding=6, hidden=5).double()
    states = []
    for word in (5, 6):
        o, i, u = network.tree.leaf(network.words.weight[word]).chunk(3)
        c = torch.sigmoid(i) * torch.tanh(u)
        states.append((torch.sigmoid(o) * torch.tanh(c), c))
    (left, left_cell), (right, right_cell) = states
    o, i, f, g, u = network.tree.inner(torch.cat([left, right])).chunk(5)
    c = torch.sigmoid(i) * torch.tanh(u) + torch.sigmoid(f) * left_cell + torch.sigmoid(g) * right_cell
    expected = network.head(torch.stack([left, right, torch.sigmoid(o) * torch.tanh(c)]))
    torch.testing.assert_close(network(two_words()), expected)


def test_words_are_taken_for_unknown_in_training_alone() -> None:
    network = recursive(9, 4, embedding=6, hidden=5, word_dropout=0.5)
    network.words.weight.requires_grad_()
    torch.manual_seed(0)
    counts = torch.zeros(9)
    for _ in range(200):
        network.zero_grad()
        network(two_words()).sum().backward()
        counts += network.words.weight.grad.any(dim=1)  # type: ignore[union-attr]
    assert 70 < counts[5] < 130
    assert counts[1] > 100
    network.eval().zero_grad()
    network(two_words()).sum().backward()
    assert not network.words.weight.grad[1].any()  # type: ignore[index]


def test_dropout_draws_in_training_alone() -> None:
    network = recursive(9, 4, embedding=6, hidden=50, dropout=0.5)
    assert not torch.equal(network(two_words()), network(two_words()))
    network.eval()
    assert torch.equal(network(two_words()), network(two_words()))


def test_what_is_no_tree_or_no_word() -> None:
    network = recursive(9, 4, embedding=3, hidden=5)
    with pytest.raises(ArgumentError, match="A recursive network reads trees"):
        network(torch.zeros(2, 3))
    with pytest.raises(ArgumentError, match=r"words that the network has no vectors for\. Expected numbers from 0 to 8"):
        network(tree_levels(np.array([9, 5, 0]), np.array([2, 1, 0])))
    with pytest.raises(ArgumentError, match=r"There is no cell of a recursive network 'lstn'\. .* Did you mean 'lstm'"):
        recursive(9, 4, cell="lstn")


def test_evaluation_is_what_each_tree_gets_alone() -> None:
    torch.manual_seed(0)
    rows = [np.array([[2, 2], [3, 1], [0, 0]]), np.array([[4, 0]]), np.array([[2, 4], [3, 2], [4, 1], [0, 1], [0, 0]])]
    targets = [np.array([0, 1, -100]), np.array([2]), np.array([1, -100, 0, 2, 1])]
    schema = Schema(Trees(("", "<unk>", "a", "b", "c")), NodeClasses(("0", "1", "2")))
    split = Split(Ragged.of(rows), Ragged.of(targets), ["a", "b", "c"])
    network = recursive(5, 3, embedding=4, hidden=6).eval()
    alone = []
    for row in rows:
        levels = tree_levels(row[:, 0], row[:, 1])
        alone.append(torch.empty(len(row), 3).index_copy(0, levels.order, network(levels).detach()))
    for size in (1, 2, 3):
        batches = TreeBatches(split, schema, size)
        torch.testing.assert_close(tree_outputs(network, batches), torch.cat(alone))
        columns = TreeEvaluation(network, batches, cross_entropy)()
        logits, truth = torch.cat(alone), torch.tensor([0, 1, -100, 2, 1, -100, 0, 2, 1])
        known = truth >= 0
        assert columns["valid_loss"] == pytest.approx(cross_entropy(logits[known], truth[known]).item(), rel=1e-5)
        right = (logits.argmax(1) == truth)[known].double().mean().item()
        assert columns["valid_node_accuracy"] == pytest.approx(right)
        roots = torch.stack([alone[1][-1], alone[2][-1]])
        assert columns["valid_root_loss"] == pytest.approx(cross_entropy(roots, torch.tensor([2, 1])).item(), rel=1e-5)
