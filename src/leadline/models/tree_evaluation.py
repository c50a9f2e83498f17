"""What a recursive network says of whole splits of trees: scores while it trains, and the outputs of every node.

N nodes, K labels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from leadline.data.trees.tree_batches import TreeBatches
from leadline.data.trees.trees import NO_CLASS
from leadline.errors import ArgumentError


class TreeEvaluation:
    """Calling it gives columns for the history, fetched from the device in one transfer.

    `valid_loss` is the mean loss of all nodes with a label and `valid_node_accuracy` the share of them that is right;
    `valid_root_loss` and `valid_accuracy` are the same of the roots alone, which answer for whole trees.

    Args:
        model: as the step has it.
        batches: of the validation split.
        loss: (outputs, targets) → scalar mean.
        prefix: what the columns start with.
        then: is told the columns each time, for instance a schedule that waits for a plateau.

    Errors: `ArgumentError` where no node has a label.

    Example:
        >>> import numpy as np
        >>> from leadline.data import Ragged, Schema, Split
        >>> from leadline.data.trees.trees import NodeClasses, Trees
        >>> from leadline.models.recursive_networks import recursive
        >>> split = Split(Ragged.of([np.array([[2, 0]])]), Ragged.of([np.array([1])]), ["a"])
        >>> batches = TreeBatches(split, Schema(Trees(("", "<unk>", "good")), NodeClasses(("0", "1"))), 1)
        >>> sorted(TreeEvaluation(recursive(3, 2, embedding=2, hidden=2), batches, nn.functional.cross_entropy)())
        ['valid_accuracy', 'valid_loss', 'valid_node_accuracy', 'valid_root_loss']
    """

    def __init__(
        self,
        model: nn.Module,
        batches: TreeBatches,
        loss: Callable[[Tensor, Tensor], Tensor],
        *,
        prefix: str = "valid_",
        then: Callable[[dict[str, float]], None] | None = None,
    ) -> None:
        self.model, self.batches, self.loss, self.prefix, self.then = model, batches, loss, prefix, then
        self.measures: dict[str, Callable[[Tensor, Tensor], Tensor]] = {}

    def __call__(self) -> dict[str, float]:
        outputs = tree_outputs(self.model, self.batches)
        targets = self.batches.targets.to(outputs.device)
        told: dict[str, Tensor] = {}
        with torch.inference_mode():
            for kind, accuracy, places in (
                ("loss", "node_accuracy", None),
                ("root_loss", "accuracy", self.batches.root_places.to(outputs.device)),
            ):
                logits, truth = (outputs, targets) if places is None else (outputs[places], targets[places])
                known = truth != NO_CLASS
                logits, truth = logits[known], truth[known]
                if not len(truth):
                    raise ArgumentError("There is nothing to judge the network on", expected="at least 1 node with a label")
                told[kind] = self.loss(logits, truth).double()
                told[accuracy] = (logits.argmax(1) == truth).double().mean()
            values = torch.stack(list(told.values())).tolist()
        columns = {self.prefix + name: value for name, value in zip(told, values, strict=True)}
        if self.then is not None:
            self.then(columns)
        return columns


def tree_outputs(model: nn.Module, batches: TreeBatches) -> Tensor:
    """The logits of every node of a split [N, K], its trees one after another, each in its own order of nodes.

    Args:
        model: a recursive network, in the mode in which it is to be used.
        batches: of the split.

    Example:
        >>> import numpy as np
        >>> from leadline.data import Ragged, Schema, Split
        >>> from leadline.data.trees.trees import NodeClasses, Trees
        >>> from leadline.models.recursive_networks import recursive
        >>> split = Split(Ragged.of([np.array([[2, 0]])]), Ragged.of([np.array([1])]), ["a"])
        >>> batches = TreeBatches(split, Schema(Trees(("", "<unk>", "good")), NodeClasses(("0", "1"))), 1)
        >>> tree_outputs(recursive(3, 2, embedding=2, hidden=2), batches).shape
        torch.Size([1, 2])
    """
    outputs: Tensor | None = None
    with torch.inference_mode():
        for places, levels, _ in batches.by_height():
            logits = model(levels).float()
            if outputs is None:
                outputs = logits.new_empty(len(batches.targets), logits.shape[1])
            outputs[places.to(logits.device)] = logits
    assert outputs is not None  # a split has at least one tree
    return outputs
