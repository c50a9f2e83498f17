"""What a network says of every step of a row: one class of several, or numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from leadline.data.padding import NO_CLASS
from leadline.data.ragged import Ragged
from leadline.errors import DataError
from leadline.metrics.spans import is_span_scheme

TASK = "sequence"
OTHER = -1
"""What stands for a class that the training never showed: no loss can learn it, and no answer is right."""


@dataclass(frozen=True)
class StepClasses:
    """Exactly one of K names for each step of a row.

    Targets are int64 [T] for each row, in 0 … K − 1, −100 for a step of which nothing is said and −1 for a class that the
    training never showed; outputs are logits [B, T, K]; probabilities are softmax(logits / temperature).

    Args:
        names: of the classes.
        temperature: by which logits are divided.
        target: the column that they were read from; "" where it is the usual one, or there is none.
        group: of a table, the column that names the row that a step belongs to.
        time: of a table, the column by which the steps of a row are sorted.

    Example:
        >>> tags = StepClasses(("DET", "NOUN", "VERB"))
        >>> tags.encode([["NOUN", "VERB"], ["DET", None, "X"]]).padded(-100)
        array([[   1,    2, -100],
               [   0, -100,   -1]])
        >>> tags.probabilities(torch.zeros(1, 2, 3)).shape
        torch.Size([1, 2, 3])
    """

    names: tuple[str, ...]
    temperature: float = 1.0
    target: str = ""
    group: str = ""
    time: str = ""
    task: ClassVar[str] = TASK

    @property
    def outputs(self) -> int:
        return len(self.names)

    @property
    def spans(self) -> bool:
        """Whether the names are those of spans: B-PER, I-PER, and O outside."""
        return is_span_scheme(self.names)

    def encode(self, raw: Sequence[Sequence[Any]]) -> Ragged:
        """For each row the names of its steps (None where nothing is said) to class numbers, int64."""
        places: dict[Any, int] = {name: number for number, name in enumerate(self.names)}
        places[None] = NO_CLASS
        rows = [np.array([places.get(name, OTHER) for name in row], np.int64) for row in raw]
        return Ragged.of(rows) if rows else Ragged(np.zeros(0, np.int64), np.zeros(1, np.int64))

    def prepare(self, targets: Tensor) -> Tensor:
        """What the loss compares with: the class numbers as they are."""
        return targets.long()

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Logits [..., K] to probabilities [..., K] that sum to 1 at each step."""
        return torch.softmax(outputs.float() / self.temperature, dim=-1)


@dataclass(frozen=True)
class StepNumbers:
    """One or several numbers for each step of a row.

    Targets are float64 [T, M] for each row in their own units, NaN where nothing is said; the network learns (t − mean) / std
    in float32, and its outputs are [B, T, M].

    Args:
        names: M of them.
        mean: of all training steps.
        std: likewise; 1 for what never varies.
        target: the columns that they were read from, divided by commas.
        group: of a table, the column that names the row that a step belongs to.
        time: of a table, the column by which the steps of a row are sorted.

    Example:
        >>> depth = StepNumbers(("depth",), mean=(100.0,), std=(50.0,))
        >>> depth.encode([[200.0, None]]).values.tolist(), depth.values(torch.tensor([[[2.0]]])).item()
        ([[200.0], [nan]], 200.0)
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    target: str = ""
    group: str = ""
    time: str = ""
    task: ClassVar[str] = TASK

    @property
    def outputs(self) -> int:
        return len(self.names)

    def encode(self, raw: Sequence[Any]) -> Ragged:
        """For each row the numbers of its steps, [T] or [T, M], to float64 [T, M]; None is NaN.

        Errors: `DataError` for what are no numbers, or not so many.
        """
        try:
            rows = [np.asarray(row, np.float64) for row in raw]
        except (TypeError, ValueError) as error:
            raise DataError("The targets of the steps are not numbers", expected="numbers", got=str(error)[:80]) from error
        rows = [row[:, None] if row.ndim == 1 else row for row in rows]
        if any(row.ndim != 2 or row.shape[1] != self.outputs for row in rows):
            got = sorted({str(row.shape[1:]) for row in rows})[0]
            raise DataError("The numbers of a step do not fit", expected=f"{self.outputs} for each step", got=f"shape {got}")
        return Ragged.of(rows) if rows else Ragged(np.zeros((0, self.outputs)), np.zeros(1, np.int64))

    @classmethod
    def learn(cls, rows: Ragged, names: tuple[str, ...], *, target: str = "", group: str = "", time: str = "") -> StepNumbers:
        """Mean and deviation of all training steps that have numbers.

        Errors: `DataError` where none has.
        """
        values = rows.values[~np.isnan(rows.values).any(axis=1)]
        if not len(values):
            raise DataError("Not one training step has a number", expected="a target for each step")
        mean, std = values.mean(axis=0), values.std(axis=0)
        still = std <= 1e-12 * np.maximum(1.0, np.abs(values).max(axis=0))
        return cls(names, tuple(mean.tolist()), tuple(np.where(still, 1.0, std).tolist()), target, group, time)

    def prepare(self, targets: Tensor) -> Tensor:
        """What the loss compares with: (t − mean) / std, float32; NaN stays NaN."""
        mean, std = self._constants(targets)
        return ((targets.to(mean.dtype) - mean) / std).float()

    def values(self, outputs: Tensor) -> Tensor:
        """Outputs [..., M] back to the units of the targets, float64 where the device has it."""
        mean, std = self._constants(outputs)
        return outputs.to(mean.dtype) * std + mean

    def _constants(self, like: Tensor) -> tuple[Tensor, Tensor]:
        exact = torch.float32 if like.device.type == "mps" else torch.float64  # Apple's GPU has no float64
        mean, std = (torch.tensor(each, dtype=exact, device=like.device) for each in (self.mean, self.std))
        return mean, std


StepAnswers = StepClasses | StepNumbers
