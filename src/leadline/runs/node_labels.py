"""What a network says of every node of a tree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from leadline.data.dataset import Split
from leadline.data.ragged import Ragged
from leadline.data.schema import Schema
from leadline.data.trees.tree_batches import TreeBatches
from leadline.data.trees.trees import NO_CLASS, NodeClasses, Trees
from leadline.errors import DataError
from leadline.models.tree_evaluation import tree_outputs
from leadline.text.bracketed_trees import BracketedTree

_AT_ONCE = 128  # trees


class SaidOfTree(NamedTuple):
    """A tree, and the probabilities [n, K] of the labels of its nodes."""

    tree: BracketedTree
    p: NDArray[np.float32]


def most_children(model: nn.Module) -> int:
    """How many children of a node a network takes at most; 0 where it takes any number.

    Example:
        >>> from leadline.layers.tree_layers import ChildSumTreeLSTM, NaryTreeLSTM
        >>> most_children(NaryTreeLSTM(4, 8, arity=3)), most_children(ChildSumTreeLSTM(4, 8))
        (3, 0)
    """
    found = [getattr(module, "arity", None) for module in model.modules()]
    return min((arity for arity in found if isinstance(arity, int)), default=0)


def check_children(stored: NDArray[np.int32], most: int) -> None:
    """Refuse a tree with a node of more children than a network takes.

    Args:
        stored: as `Trees.encode` gives it, [n, 2].
        most: of `most_children`.

    Errors: `DataError`.

    Example:
        >>> check_children(Trees(("", "<unk>", "good")).encode("((good) (good))"), 2)
    """
    distances = stored[:, 1]
    parents = (np.arange(len(distances)) + distances)[distances > 0]
    many = int(np.bincount(parents).max(initial=0))
    if 0 < most < many:
        raise DataError(
            f"A node of the tree has {many:,} children, more than the network has places for",
            expected=f"at most {most:,}, as in the trees of the training",
            do="Train on such trees too, or with model.cell=child_sum, which takes any number.",
        )


def said_of_trees(model: nn.Module, schema: Schema, device: torch.device, raws: Sequence[Any]) -> list[SaidOfTree]:
    """What is said of each node of some trees.

    Args:
        model: in evaluation mode.
        schema: of trees.
        device: of the model.
        raws: trees, as `Trees.encode` takes them; at least one.

    Errors: `DataError` for what is no tree.
    """
    trees, answers = schema.inputs, schema.answers
    assert isinstance(trees, Trees)
    assert isinstance(answers, NodeClasses)
    read = [trees.parsed(raw) for raw in raws]
    stored = Ragged.of([trees.encode_tree(tree) for tree in read])
    targets = Ragged(np.full(len(stored.values), NO_CLASS, np.int64), stored.offsets)
    batches = TreeBatches(Split(stored, targets, [""] * len(read)), schema, _AT_ONCE, device=device)
    p = answers.probabilities(tree_outputs(model, batches)).numpy(force=True)
    spans = zip(read, stored.offsets[:-1].tolist(), stored.offsets[1:].tolist(), strict=True)
    return [SaidOfTree(tree, p[low:high]) for tree, low, high in spans]


def labelled_trees(model: nn.Module, schema: Schema, device: torch.device, raws: Sequence[Any]) -> list[str]:
    """Trees in brackets, each node with what the network says of it.

    Args:
        model: in evaluation mode.
        schema: of trees.
        device: of the model.
        raws: trees, as `Trees.encode` takes them; at least one.
    """
    names = schema.answers.names
    said = said_of_trees(model, schema, device, raws)
    return [each.tree.in_brackets([names[label] for label in each.p.argmax(1)]) for each in said]
