"""Batches of a split, gathered and prepared on the device, in an order that depends on nothing but seed and epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from leadline.data.bucketing import bucketed_order
from leadline.data.dataset import Split
from leadline.data.forecasts.window_rows import WindowRows, WindowTensor
from leadline.data.padding import RaggedRows, as_tensor, picked
from leadline.data.pictures.augment import Augment
from leadline.data.pictures.enlarging import LargePictures
from leadline.data.ragged import Ragged
from leadline.data.schema import Schema
from leadline.errors import ArgumentError

_RESIDENT_SHARE = 0.4  # of the accelerator's free memory; the rest belongs to activations and optimizer state


class Batches:
    """Batches `(inputs, targets)` of one split, prepared by the Schema.

    The order of an epoch is `torch.randperm(N, generator=manual_seed(seed · 1_000_003 + epoch))` and augmentation is hashed
    from (seed, epoch, row), so an epoch can be entered at any batch without replaying what came before. Rows of different
    lengths come out padded to the longest of their batch, with what the Schema's inputs pad with (targets for each step with
    −100 or NaN); the order of an epoch then puts rows of like length together, see `bucketing.bucketed_order`.

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
        >>> import numpy as np
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
        self.stored = _stored(split.inputs, schema.inputs)
        self._lengths = self.stored.lengths if isinstance(self.stored, RaggedRows) else None
        self.resident = _fits(self.stored, self.device)
        if self.resident:
            self.stored = self.stored.to(self.device)
        # Pictures as targets stay bytes until they are learned: as floats they would take four times the memory.
        self._prepare_late = schema.answers.prepare if isinstance(schema.answers, LargePictures) else None
        self.targets = _targets(split.targets, None if self._prepare_late else schema.answers.prepare)
        if self._prepare_late is None or _fits(self.targets, self.device):
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
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        if self._lengths is not None:
            return bucketed_order(self._lengths, self.batch_size, generator)
        return torch.randperm(self.rows, generator=generator)

    def epoch(self, epoch: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of one epoch from number `first` on."""
        return self._in_order(self.order(epoch), epoch, first)

    def by_length(self) -> tuple[Iterable[tuple[Tensor, Tensor]], Tensor | None]:
        """All batches with the least padding, the longest rows first, and the place of each row among them, int64 [N].

        Where rows are shuffled or all of one length these are the batches of epoch 0 as they are, and None.
        """
        if self.shuffle or self._lengths is None or bool((self._lengths == self._lengths[0]).all()):
            return self, None
        order = self._lengths.argsort(descending=True, stable=True)
        return self._in_order(order, epoch=0, first=0), order.argsort().to(self.device)

    def _in_order(self, order: Tensor, epoch: int, first: int) -> Iterator[tuple[Tensor, Tensor]]:
        there = order.to(self.device)  # once an epoch: a copy for each batch would make the device wait
        places = [slice(at * self.batch_size, (at + 1) * self.batch_size) for at in range(first, len(self))]
        if self.resident:
            stored_batches: Iterator[Tensor] = (picked(self.stored, order, there, place) for place in places)
        else:
            stored_batches = self._gathered([order[place] for place in places])
        for place, stored in zip(places, stored_batches, strict=True):
            targets = picked(self.targets, order, there, place)
            if self._prepare_late is not None:
                targets = self._prepare_late(targets.to(self.device, non_blocking=True))
            yield self.varied(self.prepare(stored), targets, epoch, there[place])

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


def _stored(inputs: NDArray[Any] | Ragged | WindowRows, kind: Any) -> Tensor | RaggedRows | WindowTensor:
    """The rows on their own memory, with what fills them up where they differ in length."""
    if isinstance(inputs, WindowRows):
        return inputs.tensor()
    if not isinstance(inputs, Ragged):
        return as_tensor(inputs)
    if not hasattr(kind, "padding"):
        raise ArgumentError("The rows differ in length, and nothing says what fills them up", got=kind.describe())
    return RaggedRows.of(inputs, kind.padding)


def _targets(targets: NDArray[Any] | Ragged, prepare: Callable[[Tensor], Tensor] | None) -> Tensor | RaggedRows:
    if isinstance(targets, Ragged):
        return RaggedRows.of(targets, prepare=prepare)
    stored = as_tensor(targets)
    return stored if prepare is None else prepare(stored)


def _fits(inputs: Tensor | RaggedRows | WindowTensor, device: torch.device) -> bool:
    if device.type != "cuda":
        return device.type == "cpu"
    free, _ = torch.cuda.mem_get_info(device)
    return inputs.nbytes <= _RESIDENT_SHARE * free
