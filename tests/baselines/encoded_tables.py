"""Made-up tables for the tests: numbers first, then category codes as floats."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leadline.data import Dataset, Origin, Schema, Split
from leadline.data.answers import Answers

Array = NDArray[Any]


@dataclass(frozen=True)
class EncodedTable:
    """What the baselines ask of a table: how many numbers there are, and how many values each category has."""

    numbers: int
    categories: tuple[int, ...]
    kind: ClassVar[str] = "table"

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.numbers + len(self.categories),)

    def preparer(self, device: torch.device) -> Callable[[Tensor], Tensor]:
        return lambda rows: rows


def table(numbers: Array, codes: Array, categories: tuple[int, ...], targets: Array, answers: Answers) -> Dataset:
    """Half of the rows to train, a quarter each to choose and to test."""
    inputs = np.concatenate([numbers, codes], axis=1).astype(np.float32)
    cuts = [0, len(inputs) // 2, 3 * len(inputs) // 4, len(inputs)]
    train, valid, test = (
        Split(inputs[start:end], targets[start:end], [f"row:{row}" for row in range(start, end)])
        for start, end in itertools.pairwise(cuts)
    )
    learned: Any = EncodedTable(numbers.shape[1], categories)
    return Dataset("table", train, valid, test, Schema(learned, answers), Origin("arrays", "", {}))
