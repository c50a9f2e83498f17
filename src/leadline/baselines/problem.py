"""A data set as simple methods want it: flat numbers, for as many training rows as are asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from leadline import metrics
from leadline.data.answers import Numbers
from leadline.data.dataset import Dataset, Split
from leadline.data.ragged import Ragged
from leadline.layers import OneHot

# Pictures above this side are averaged down to it: these methods gain little from more, and their time grows with the area.
_SIDE = 32
_MOST_NUMBERS = 250_000_000  # 1 GB of float32 inputs
_PART_NUMBERS = 16_000_000  # of them at a time where categories are spread over columns for an answer: 64 MB
_CHOOSING_ROWS = 2_000  # of the validation split; enough to choose one setting among a few


class Problem:
    """Flat float32 inputs [N, D] of the three splits, and a score to choose by; `on` says what they are."""

    on = ""

    def __init__(self, dataset: Dataset) -> None:
        self._describe(dataset)
        self.train, self.order = dataset.train, stratified_order(dataset.train.targets)
        choosing = dataset.valid.take(np.sort(stratified_order(dataset.valid.targets)[:_CHOOSING_ROWS]))
        self.valid_targets = choosing.targets
        self.valid, self.test = self._flat(choosing), self._flat(dataset.test)

    def _describe(self, dataset: Dataset) -> None:
        self.answers, self.task, self.outputs = dataset.schema.answers, dataset.task, dataset.schema.answers.outputs
        inputs = dataset.schema.inputs
        self.prepare, shape = inputs.preparer(torch.device("cpu")), inputs.shape
        self.table = inputs.kind == "table"
        self.numbers: int = getattr(inputs, "numbers", math.prod(shape))
        self.categories: tuple[int, ...] = getattr(inputs, "categories", ())
        self.one_hot = OneHot(self.numbers, self.categories) if self.categories else None
        pictures = len(shape) == 3
        self.side = [min(length, _SIDE) for length in shape[1:]] if pictures else []
        self.shrunk = pictures and self.side != list(shape[1:])
        self.shape, self.width = shape, math.prod((shape[0], *(self.side if pictures else shape[1:])))

    def affordable(self, *, one_hot: bool) -> int:
        """How many training rows memory allows."""
        width = self.numbers + sum(self.categories) if one_hot and self.categories else self.width
        return min(len(self.order), max(1, _MOST_NUMBERS // max(width, 1)))

    def training(self, rows: int) -> tuple[NDArray[np.float32], NDArray[np.generic]]:
        """Inputs [rows, D] and targets of a random choice of rows, in proportion to the classes."""
        chosen = np.sort(self.order[:rows])
        return self._flat(self.train, chosen), self.train.targets[chosen]

    def one_hot_parts(self, inputs: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """Flat inputs with a column for each value of a category, some rows at a time; without categories as they are."""
        if self.one_hot is None:
            yield inputs
            return
        step = max(1, _PART_NUMBERS // self.one_hot.width)
        for start in range(0, len(inputs), step):
            yield self.one_hot(torch.from_numpy(inputs[start : start + step])).numpy()

    def score(self, answers: NDArray[np.float64]) -> float:
        """The headline metric on the validation rows, larger is better; −∞ where it says nothing."""
        metric = next(iter(metrics.for_task(self.task, self.outputs).values()))
        value = float(metric.function(torch.from_numpy(answers), torch.from_numpy(self.valid_targets)))
        return -math.inf if math.isnan(value) else value if metric.higher_is_better else -value

    def learned(self, targets: NDArray[np.generic]) -> NDArray[np.float64]:
        """Numbers on the scale on which a network learns them, float64 [N, M]."""
        return self.answers.prepare(torch.from_numpy(np.asarray(targets))).double().numpy()

    def told(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """What was learned, [N, M], back in the units of the targets."""
        assert isinstance(self.answers, Numbers)
        return self.answers.values(torch.from_numpy(values)).double().numpy()

    def _flat(self, split: Split, rows: NDArray[np.integer] | None = None) -> NDArray[np.float32]:
        numbers = np.arange(len(split)) if rows is None else rows
        parts = [self._flat_part(split, numbers[start : start + 1024]) for start in range(0, len(numbers), 1024)]
        return np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)

    def _flat_part(self, split: Split, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        stored = split.inputs[rows]
        rectangular = self._of_one_length(stored) if isinstance(stored, Ragged) else np.asarray(stored)
        inputs = self.prepare(torch.from_numpy(rectangular))
        if isinstance(stored, Ragged):
            inputs = inputs.nan_to_num()  # behind the end of a series stands its mean
        if self.shrunk:
            inputs = torch.nn.functional.adaptive_avg_pool2d(inputs, (self.side[0], self.side[1]))
        flat: NDArray[np.float32] = inputs.flatten(1).numpy()
        return flat

    def _of_one_length(self, rows: Ragged) -> NDArray[Any]:
        """Series [n, T, C] as long as the longest in training."""
        padded, steps = rows.padded(math.nan), self.shape[0]
        more = max(0, steps - padded.shape[1])
        return np.pad(padded[:, :steps], [(0, 0), (0, more), *[(0, 0)] * (padded.ndim - 2)], constant_values=math.nan)


def stratified_order(targets: NDArray[np.generic]) -> NDArray[np.int64]:
    """A random order of the rows whose every beginning holds the classes in proportion, and each class as early as can be."""
    order = np.random.default_rng(0).permutation(len(targets))
    if targets.dtype.kind not in "iu":
        return order
    shuffled = targets[order]
    _, group, size = np.unique(shuffled, return_inverse=True, return_counts=True)
    by_class = np.argsort(group, kind="stable")
    place = np.empty(len(order))
    place[by_class] = np.arange(len(order)) - np.repeat(np.cumsum(size) - size, size)
    return order[np.argsort(place / size[group], kind="stable")]
