"""Batches of a split, gathered and prepared on the device, in an order that depends on nothing but seed and epoch."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leadline.data.augment import Augment
from leadline.data.dataset import Split
from leadline.data.enlarging import LargePictures
from leadline.data.schema import Schema
from leadline.errors import ArgumentError

_RESIDENT_SHARE = 0.4  # of the accelerator's free memory; the rest belongs to activations and optimizer state


class Batches:
    """Batches `(inputs, targets)` of one split, prepared by the Schema.

    The order of an epoch is `torch.randperm(N, generator=manual_seed(seed · 1_000_003 + epoch))` and augmentation is hashed
    from (seed, epoch, row), so an epoch can be entered at any batch without replaying what came before.

    Args:
        split: the rows, as stored.
        schema: prepares inputs (cast, standardize) and targets.
        batch_size: rows a batch; the last one is shorter. In shuffled order a last batch of a single row is left out: it has no
            variance for batch normalization, and another row meets that fate each epoch.
        device: where batches come out. What fits there is kept there whole; otherwise the next batch is gathered in a thread.
        seed: of the order and of augmentation.
        shuffle: a new order each epoch, or the order of the rows.
        augment: changes prepared pictures, per row and epoch, and may mix them: then targets are mixtures, of classes as
            distributions [B, K].
        channels_last: the memory layout of pictures.

    Example:
        >>> from leadline.data import Classes, Vectors
        >>> rows = np.arange(10, dtype=np.float32).reshape(5, 2)
        >>> split = Split(rows, np.array([0, 1, 0, 1, 1]), ids=list("abcde"))
        >>> schema = Schema(Vectors.learn(rows), Classes(("no", "yes")))
        >>> [tuple(inputs.shape) for inputs, targets in Batches(split, schema, batch_size=2)]
        [(2, 2), (2, 2), (1, 2)]
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
        augment: Augment | None = None,
        channels_last: bool = False,
    ) -> None:
        if batch_size < 1:
            raise ArgumentError("The batch is too small", expected="at least 1 row", got=batch_size)
        self.rows, self.ids = len(split), split.ids
        self.batch_size = min(batch_size, self.rows)
        self.device = device or torch.device("cpu")
        self.seed, self.shuffle, self.augment = seed, shuffle, augment
        if augment is not None:
            augment.check(schema.inputs.shape)
        self.classes = schema.answers.outputs if schema.task == "classes" else 0
        self.prepare = schema.inputs.preparer(self.device, channels_last=channels_last)
        self.stored = _tensor(split.inputs)
        self.resident = _fits(self.stored, self.device)
        if self.resident:
            self.stored = self.stored.to(self.device)
        self.targets = _tensor(split.targets)
        # Pictures as targets stay bytes until they are learned: as floats they would take four times the memory.
        self._prepare_late = schema.answers.prepare if isinstance(schema.answers, LargePictures) else None
        if self._prepare_late is None:
            self.targets = schema.answers.prepare(self.targets).to(self.device)
        elif _fits(self.targets, self.device):
            self.targets = self.targets.to(self.device)

    def __len__(self) -> int:
        whole, rest = divmod(self.rows, self.batch_size)
        return whole + (rest > 0 and not (self.shuffle and rest == 1 and whole > 0))

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self.epoch(0)

    def order(self, epoch: int) -> Tensor:
        """The row numbers in the order of this epoch, int64 [N], on the CPU."""
        if not self.shuffle:
            return torch.arange(self.rows)
        return torch.randperm(self.rows, generator=torch.Generator().manual_seed(self.seed * 1_000_003 + epoch))

    def epoch(self, epoch: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of one epoch from number `first` on."""
        order = self.order(epoch)
        there = order.to(self.device)  # once an epoch: a copy for each batch would make the device wait
        places = [slice(at * self.batch_size, (at + 1) * self.batch_size) for at in range(first, len(self))]
        if self.resident:
            stored_batches: Iterator[Tensor] = (self.stored.index_select(0, there[place]) for place in places)
        else:
            stored_batches = self._gathered([order[place] for place in places])
        for place, stored in zip(places, stored_batches, strict=True):
            rows = there[place]
            targets = self.targets.index_select(0, rows if self.targets.device == rows.device else order[place])
            if self._prepare_late is not None:
                targets = self._prepare_late(targets.to(self.device, non_blocking=True))
            yield self.varied(self.prepare(stored), targets, epoch, rows)

    def varied(self, inputs: Tensor, targets: Tensor, epoch: int, rows: Tensor) -> tuple[Tensor, Tensor]:
        """One batch, prepared, as the network sees it in this epoch: augmented, where the training augments.

        Args:
            inputs: prepared, [B, …].
            targets: of the same rows, [B, …].
            epoch: its number.
            rows: row numbers, int64 [B], on the device.
        """
        if self.augment is None:
            return inputs, targets
        inputs = self.augment(inputs, self.seed, epoch, rows)
        if not self.augment.mixes:
            return inputs, targets
        return self.augment.mix(inputs, targets, self.seed, epoch, rows, self.classes)

    def _gathered(self, chosen: list[Tensor]) -> Iterator[Tensor]:
        with ThreadPoolExecutor(1) as pool:  # one batch ahead hides the reading behind the computing
            ahead = pool.submit(self._gather, chosen[0]) if chosen else None
            for at in range(len(chosen)):
                assert ahead is not None
                stored = ahead.result()
                ahead = pool.submit(self._gather, chosen[at + 1]) if at + 1 < len(chosen) else None
                yield stored.to(self.device, non_blocking=True)

    def _gather(self, rows: Tensor) -> Tensor:
        stored = self.stored.index_select(0, rows)
        return stored.pin_memory() if self.device.type == "cuda" else stored


def _tensor(array: NDArray[np.generic]) -> Tensor:
    """A tensor on the array's own memory: a memory-mapped array is not read before its rows are asked for."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def _fits(inputs: Tensor, device: torch.device) -> bool:
    if device.type != "cuda":
        return device.type == "cpu"
    free, _ = torch.cuda.mem_get_info(device)
    return inputs.nbytes <= _RESIDENT_SHARE * free
