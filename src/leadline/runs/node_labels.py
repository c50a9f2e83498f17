"""What a network says of every node of a tree, written into the tree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from leadline.data.dataset import Split
from leadline.data.ragged import Ragged
from leadline.data.schema import Schema
from leadline.data.tree_batches import TreeBatches
from leadline.data.trees import NO_CLASS, NodeClasses, Trees
from leadline.models.tree_evaluation import tree_outputs

_AT_ONCE = 128  # trees


def labelled_trees(model: nn.Module, schema: Schema, device: torch.device, raws: Sequence[Any]) -> list[str]:
    """Trees in brackets, each node with what the network says of it.

    Args:
        model: in evaluation mode.
        schema: of trees.
        device: of the model.
        raws: trees, as `Trees.encode` takes them.
    """
    trees, answers = schema.inputs, schema.answers
    assert isinstance(trees, Trees)
    assert isinstance(answers, NodeClasses)
    read = [trees.parsed(raw) for raw in raws]
    stored = Ragged.of([trees.encode_tree(tree) for tree in read])
    targets = Ragged(np.full(len(stored.values), NO_CLASS, np.int64), stored.offsets)
    batches = TreeBatches(Split(stored, targets, [""] * len(read)), schema, _AT_ONCE, device=device)
    said = tree_outputs(model, batches).argmax(1).cpu().numpy()
    found = []
    for tree, low, high in zip(read, stored.offsets[:-1], stored.offsets[1:], strict=True):
        found.append(tree.in_brackets([answers.names[label] for label in said[low:high]]))
    return found
