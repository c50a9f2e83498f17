"""Batches of trees: their levels are found once, and put together for each batch without going through a tree again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from leadline.data.bucketing import bucketed_order
from leadline.data.dataset import Split
from leadline.data.ragged import Ragged
from leadline.data.schema import Schema
from leadline.errors import ArgumentError
from leadline.layers.level_arrays import TreeLevels, node_heights, node_slots, tree_levels

_Batch = tuple[Tensor, TreeLevels, Tensor]
_MOST_KEPT = 500_000  # nodes of batches that are always the same: about 40 MB


class TreeBatches:
    """Batches `(levels, targets)` of a split of trees: `TreeLevels` of B trees, and the class of each node in their order.

    Which child each node is and how high it stands is found once for all trees and kept for all epochs. Trees of like height
    share a batch, as rows of like length do elsewhere, so that a batch has few levels; the order of an epoch depends on its
    number and the seed alone, and it can be entered at any batch.

    Shapes: trees of n nodes, int [n, 2] and [n] → `TreeLevels` and int64 [N] for each batch.

    Args:
        split: inputs and targets `Ragged`, as `Trees` stores them.
        schema: of trees.
        batch_size: B; the last batch is smaller.
        device: where batches come out.
        seed: of the order.
        shuffle: a new order each epoch, or the order of the trees.

    Errors: `ArgumentError` for a batch below 1 or rows that are no trees.

    Example:
        >>> from leadline.data.trees.trees import NodeClasses, Trees
        >>> inputs = Ragged.of([np.array([[2, 2], [3, 1], [0, 0]]), np.array([[2, 0]])])
        >>> split = Split(inputs, Ragged.of([np.array([0, 1, 1]), np.array([0])]), ["a", "b"])
        >>> schema = Schema(Trees(("", "<unk>", "good", "film")), NodeClasses(("0", "1")))
        >>> [(len(levels), targets) for levels, targets in TreeBatches(split, schema, 2)]
        [(4, tensor([0, 1, 0, 1]))]
    """

    def __init__(
        self,
        split: Split,
        schema: Schema,
        batch_size: int,
        *,
        device: torch.device | None = None,
        seed: int = 0,
        shuffle: bool = False,
    ) -> None:
        if batch_size < 1:
            raise ArgumentError("The batch is too small", expected="at least 1 tree", got=batch_size)
        if not isinstance(split.inputs, Ragged) or split.inputs.values.shape[1:] != (2,):
            raise ArgumentError("These rows are no trees", expected="words and distances [n, 2] of each", got=schema.task)
        self.ids, self.rows, self.seed, self.shuffle = split.ids, len(split), seed, shuffle
        self.batch_size = min(batch_size, self.rows)
        self.device = device or torch.device("cpu")
        inputs, targets = split.inputs, split.targets
        self._offsets, self._lengths = inputs.offsets, inputs.lengths
        self._words, self._distances = (np.ascontiguousarray(column).astype(np.int64) for column in inputs.values.T)
        self._heights, self._slots = node_heights(self._distances), node_slots(self._distances)
        self.targets: Tensor = schema.answers.prepare(torch.from_numpy(np.ascontiguousarray(targets.values)))
        self.root_places = torch.from_numpy(self._offsets[1:] - 1)
        self.depths = torch.from_numpy(self._heights)[self.root_places]
        self._kept: list[_Batch] = []

    def __len__(self) -> int:
        return -(-self.rows // self.batch_size)

    def __iter__(self) -> Iterator[tuple[TreeLevels, Tensor]]:
        return self.epoch(0)

    def order(self, epoch: int) -> Tensor:
        """The numbers of the trees in the order of this epoch, int64 [rows]."""
        if not self.shuffle:
            return torch.arange(self.rows)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        return bucketed_order(self.depths, self.batch_size, generator)

    def epoch(self, epoch: int, first: int = 0) -> Iterator[tuple[TreeLevels, Tensor]]:
        """The batches of one epoch from number `first` on."""
        order = self.order(epoch)
        for at in range(first, len(self)):
            yield self.batch_of(order[at * self.batch_size : (at + 1) * self.batch_size])

    def batch_of(self, trees: Tensor) -> tuple[TreeLevels, Tensor]:
        """Some trees by their numbers, in this order, as a batch on the device.

        Args:
            trees: int64 [B].
        """
        _, levels, targets = self._put_together(trees)
        return levels, targets

    def by_height(self) -> Iterator[_Batch]:
        """All trees, those of like height together: of each batch the numbers of its nodes among all, levels and targets.

        These are the same every time, so those of a split of up to 500,000 nodes are kept from the first time on.
        """
        if self._kept:
            yield from self._kept
            return
        order, kept = self.depths.argsort(stable=True), list[_Batch]()
        for at in range(0, self.rows, self.batch_size):
            with torch.inference_mode(mode=False):  # what is kept must serve a training as well
                batch = self._put_together(order[at : at + self.batch_size])
            if len(self._words) <= _MOST_KEPT:
                kept.append(batch)
            yield batch
        self._kept = kept

    def _put_together(self, trees: Tensor) -> _Batch:
        rows = trees.numpy()
        starts, lengths = self._offsets[rows], self._lengths[rows]
        ends = np.cumsum(lengths)
        nodes = np.arange(ends[-1]) + np.repeat(starts - (ends - lengths), lengths)
        levels = tree_levels(self._words[nodes], self._distances[nodes], heights=self._heights[nodes], slots=self._slots[nodes])
        places = torch.from_numpy(nodes)[levels.order]
        targets = self.targets[places]
        if self.device.type == "cuda":
            targets = targets.pin_memory()
        return places, levels.to(self.device), targets.to(self.device, non_blocking=True)
