"""What augmentation makes of some training pictures, epoch after epoch: exactly what the network is shown, in stored units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leadline.data.batches import Batches
from leadline.data.dataset import Dataset
from leadline.data.pictures.augment import Augment
from leadline.data.pictures.pictures import Pictures
from leadline.errors import ArgumentError

_OWN = torch.tensor([1, 0])  # a partner and the picture itself, as classes: what the mixture says is whose share


@dataclass(frozen=True)
class View:
    """One training picture as it is stored and as each epoch shows it.

    `before` [H, W, C] and `after` [E, H, W, C] are in the units of the stored pictures; `partner` is the row that it was mixed
    with in each epoch, and `own` its own share, 1 where pictures are not mixed. `scale` are the values of black and white.

    Example:
        >>> picture = np.full((4, 4, 1), 8, np.uint8)
        >>> view = View(row=3, before=picture, after=picture[None], partner=(3,), own=(1.0,), scale=(0.0, 16.0))
        >>> view.shades[0].shape, int(view.shades[1, 0, 0, 0])
        ((4, 4, 1), 128)
    """

    row: int
    before: NDArray[Any]
    after: NDArray[Any]
    partner: tuple[int, ...]
    own: tuple[float, ...]
    scale: tuple[float, float]

    @property
    def shades(self) -> NDArray[np.uint8]:
        """The picture before, then after in each epoch, uint8 [1 + E, H, W, C], to be looked at."""
        low, high = self.scale
        every = np.concatenate([self.before[None].astype(np.float32), self.after])
        return np.rint((every - low) / max(high - low, 1e-12) * 255).clip(0, 255).astype(np.uint8)


def augmented_views(
    dataset: Dataset, augment: Augment, *, rows: Sequence[int], epochs: int, batch_size: int, seed: int = 0
) -> list[View]:
    """What a training with this augmentation shows of these rows of the training split in its first epochs.

    Args:
        dataset: of pictures.
        augment: what changes them.
        rows: row numbers, at least one.
        epochs: how many, at least 1.
        batch_size: rows a batch, which decides what a picture is mixed with; 0 for all rows.
        seed: of the training.

    Errors: `ArgumentError` where the rows are no pictures, cannot be changed so or do not exist, or for no row or epoch.

    Example:
        >>> from leadline import data
        >>> views = augmented_views(data.load("digits"), Augment(rotate=10), rows=[0, 1], epochs=3, batch_size=64)
        >>> len(views), views[0].after.shape
        (2, (3, 8, 8, 1))
    """
    inputs = dataset.schema.inputs
    if not isinstance(inputs, Pictures):
        raise ArgumentError("Only pictures can be augmented", got=inputs.describe())
    count = len(dataset.train)
    if not rows or epochs < 1 or not all(0 <= row < count for row in rows):
        raise ArgumentError(
            "There is nothing to show of the augmentation",
            expected=f"rows from 0 to {count - 1:,}, and at least one epoch",
            got=f"rows {list(rows)[:5]} and {epochs} epochs",
        )
    batches = Batches(dataset.train, dataset.schema, batch_size or len(dataset.train), seed=seed, shuffle=True, augment=augment)
    std, mean = (torch.tensor(values).reshape(1, -1, 1, 1) for values in (inputs.std, inputs.mean))
    before = np.asarray(dataset.train.inputs[list(rows)])
    # Digits, say, have 17 shades only, and arrays of floats any range.
    full = before.dtype == np.uint8 and before.max() > 32
    scale = (0.0, 255.0) if full else (float(before.min()), float(before.max()))
    partners = torch.stack([_partners(batches, epoch)[list(rows)] for epoch in range(epochs)], dim=1)
    views: list[View] = []
    for row, others in zip(rows, partners.tolist(), strict=True):
        shown, own = [], []
        for epoch, other in enumerate(others):
            pair = torch.tensor([other, row])
            stored = torch.from_numpy(np.ascontiguousarray(dataset.train.inputs[[other, row]]))
            pictures = augment(batches.prepare(stored), seed, epoch, pair)
            share = 1.0
            if augment.mixes:
                pictures, shares = augment.mix(pictures, _OWN, seed, epoch, pair, classes=2)
                share = float(shares[1, 0])
            shown.append((pictures[1:] * std + mean)[0].permute(1, 2, 0))
            own.append(share)
        views.append(View(row, before[len(views)], torch.stack(shown).numpy(), tuple(others), tuple(own), scale))
    return views


def _partners(batches: Batches, epoch: int) -> Tensor:
    """The row that each row is mixed with in an epoch, int64 [N]: the one before it in its batch, the first's is the last."""
    order = batches.order(epoch)
    place = torch.arange(len(order))
    first = place // batches.batch_size * batches.batch_size
    length = torch.minimum(torch.tensor(batches.batch_size), len(order) - first)
    partners = torch.empty_like(order)
    partners[order] = order[first + (place - first - 1) % length]
    return partners


def rows_of_each_class(dataset: Dataset, count: int) -> list[int]:
    """Training rows that show every class in turn, the first rows where there are no classes.

    Args:
        dataset: whose training split is looked through.
        count: how many rows at most.

    Example:
        >>> from leadline import data
        >>> digits = data.load("digits")
        >>> [int(digits.train.targets[row]) for row in rows_of_each_class(digits, 12)]
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    """
    targets = dataset.train.targets
    if dataset.task != "classes":
        return list(range(min(count, len(targets))))
    order = np.argsort(targets, kind="stable")
    starts = np.flatnonzero(np.diff(targets[order], prepend=-1))
    place = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))  # the how-many-th of its class
    return [int(row) for row in order[np.lexsort((targets[order], place))][:count]]
