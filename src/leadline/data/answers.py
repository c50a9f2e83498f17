"""What the outputs of a network mean: one class of several, several labels at once, numbers, pictures, forecasts, steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leadline.data.forecasts.forecast_answers import Forecasts
from leadline.data.pictures.drawn_answers import Drawings
from leadline.data.pictures.enlarging import LargePictures
from leadline.data.steps.step_answers import StepClasses, StepNumbers
from leadline.data.tokens.tokens import NextByCounts, NextToken
from leadline.data.trees.trees import NodeClasses
from leadline.data.unlabelled.reconstructions import Reconstructions
from leadline.data.words.word_answers import Neighbors
from leadline.errors import DataError, RunError, nearest, unknown
from leadline.spelling import counted


@dataclass(frozen=True)
class Classes:
    """Exactly one of K names.

    Targets are int64 [N] in 0 … K−1; outputs are logits [N, K]; probabilities are softmax(logits / temperature).

    Example:
        >>> flowers = Classes(("rose", "tulip"))
        >>> flowers.encode(["tulip", "rose"])
        array([1, 0])
        >>> flowers.probabilities(torch.zeros(1, 2))
        tensor([[0.5000, 0.5000]])

    Source: Guo et al. (2017), On calibration of modern neural networks, for the temperature.
    """

    names: tuple[str, ...]
    temperature: float = 1.0
    task: ClassVar[str] = "classes"

    @property
    def outputs(self) -> int:
        return len(self.names)

    def encode(self, raw: Sequence[Any] | NDArray[Any]) -> NDArray[Any]:
        """Names (or whatever reads the same as text) to class numbers, int64 [N]."""
        array = np.asarray(raw)
        if array.dtype.kind not in "biufU":
            array = np.array([as_text(value) for value in raw], dtype=np.str_)
        # Each different value becomes text once, so a million rows cost one sort.
        values, place = np.unique(array, return_inverse=True)
        index = {name: number for number, name in enumerate(self.names)}
        words = [as_text(value) for value in values]
        strange = sorted(set(words) - index.keys())
        if strange:
            close = nearest(strange[0], self.names)
            raise DataError(
                f"{counted(len(strange), 'class name was', 'class names were')} not among those of the training: "
                + ", ".join(strange[:5]),
                expected="some of " + ", ".join(self.names[:20]),
                do=f"Did you mean {close!r}?" if close else None,
            )
        return np.array([index[word] for word in words], dtype=np.int64)[place.reshape(-1)]

    def prepare(self, targets: Tensor) -> Tensor:
        """What the loss compares with: the class numbers as they are."""
        return targets

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Logits [N, K] to probabilities [N, K] that sum to 1 in each row."""
        return torch.softmax(outputs.float() / self.temperature, dim=1)


@dataclass(frozen=True)
class Labels:
    """Any number of L names at once.

    Targets are float32 [N, L] of 0 and 1; outputs are logits [N, L]; probabilities are sigmoid(logits / temperature).

    Example:
        >>> pets = Labels(("cat", "dog"))
        >>> pets.encode([[1, 1], [0, 1]]).shape
        (2, 2)
        >>> pets.probabilities(torch.zeros(1, 2))
        tensor([[0.5000, 0.5000]])
    """

    names: tuple[str, ...]
    temperature: float = 1.0
    task: ClassVar[str] = "labels"

    @property
    def outputs(self) -> int:
        return len(self.names)

    def encode(self, raw: Sequence[Any] | NDArray[Any]) -> NDArray[Any]:
        """Rows of 0 and 1 to float32 [N, L]."""
        rows = _numeric(raw)
        if rows.ndim != 2 or rows.shape[1] != len(self.names):
            columns = f"{len(self.names)} columns ({', '.join(self.names[:8])})"
            raise DataError("The labels do not fit", expected=columns, got=f"shape {rows.shape}")
        if not np.isin(rows, (0, 1)).all():
            raise DataError("A label is neither 0 nor 1", expected="one column of 0 and 1 for each label")
        return rows.astype(np.float32)

    def prepare(self, targets: Tensor) -> Tensor:
        """What the loss compares with: the 0s and 1s as they are."""
        return targets

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Logits [N, L] to independent probabilities [N, L]."""
        return torch.sigmoid(outputs.float() / self.temperature)


@dataclass(frozen=True)
class Numbers:
    """One or several numbers. Targets are float64 [N, M] in their own units; the network learns (t − mean) / std in float32.

    t is y itself, or, where `units` holds a number above 0 for it, arsinh(y / unit): like y near 0 and like ± log |y| far from
    it, so that a few very large targets do not outweigh all others.

    Example:
        >>> price = Numbers(("price",), mean=(100.0,), std=(50.0,))
        >>> price.prepare(torch.tensor([[200.0]])), price.values(torch.tensor([[2.0]]))
        (tensor([[2.]]), tensor([[200.]], dtype=torch.float64))
        >>> wide = Numbers(("income",), mean=(0.0,), std=(1.0,), units=(1000.0,))
        >>> round(wide.values(wide.prepare(torch.tensor([[5e6]]))).item(), -2)
        5000000.0
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    units: tuple[float, ...] = ()
    task: ClassVar[str] = "number"

    @property
    def outputs(self) -> int:
        return len(self.names)

    def encode(self, raw: Sequence[Any] | NDArray[Any]) -> NDArray[Any]:
        """Numbers to float64 [N, M]: large ones that hardly differ must still differ when they are centred."""
        rows = _numeric(raw)
        rows = rows[:, None] if rows.ndim == 1 else rows
        if rows.ndim != 2 or rows.shape[1] != len(self.names):
            columns = counted(len(self.names), "column")
            raise DataError("The numbers to learn do not fit", expected=columns, got=f"shape {rows.shape}")
        return rows

    def prepare(self, targets: Tensor) -> Tensor:
        """What the loss compares with: (t − mean) / std, float32 [N, M]."""
        mean, std, units = self._constants(targets)
        return ((_transformed(targets.to(mean.dtype), units) - mean) / std).float()

    def values(self, outputs: Tensor) -> Tensor:
        """Outputs [N, M] back to the units of the targets, float64 where the device has it."""
        mean, std, units = self._constants(outputs)
        learned = outputs.to(mean.dtype) * std + mean
        if units is None:
            return learned
        # Beyond 80 the hyperbolic sine leaves float32; no target lies there.
        return torch.where(units > 0, torch.sinh(learned.clamp(-80, 80)) * units, learned)

    def _constants(self, like: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        exact = torch.float32 if like.device.type == "mps" else torch.float64  # Apple's GPU has no float64
        mean, std, units = (
            torch.tensor(values, dtype=exact, device=like.device) for values in (self.mean, self.std, self.units)
        )
        return mean, std, units if len(units) else None


def _transformed(targets: Tensor, units: Tensor | None) -> Tensor:
    if units is None:
        return targets
    return torch.where(units > 0, torch.asinh(targets / units.clamp(min=1e-30)), targets)


Answers = (
    Classes
    | Labels
    | Numbers
    | LargePictures
    | Forecasts
    | NextToken
    | Neighbors
    | StepClasses
    | StepNumbers
    | NodeClasses
    | Reconstructions
    | Drawings
)
_KINDS = (
    Classes,
    Labels,
    Numbers,
    LargePictures,
    Forecasts,
    NextToken,
    NextByCounts,
    Neighbors,
    StepClasses,
    NodeClasses,
    Reconstructions,
    Drawings,
)
_ANSWERS: dict[str, type[Answers]] = {answers.task: answers for answers in _KINDS}


def answers_from_json(record: dict[str, Any]) -> Answers:
    """The inverse of what `Schema.to_json` writes under "answers"."""
    fields = dict(record)
    task = fields.pop("task")
    if task not in _ANSWERS:
        unknown("task", task, _ANSWERS, RunError)
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
    if task == StepNumbers.task and "mean" in values:
        return StepNumbers(**values)
    return _ANSWERS[task](**values)


def as_text(value: Any) -> str:
    """A class as text: 3, 3.0 and np.int64(3) are all '3'.

    Example:
        >>> as_text(3.0), as_text(True), as_text("rose")
        ('3', 'True', 'rose')
    """
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        value = int(value)
    return str(value)


def _numeric(raw: Sequence[Any] | NDArray[Any]) -> NDArray[np.float64]:
    try:
        return np.asarray(raw, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError("The targets are not numbers", expected="numbers", got=str(error)[:80]) from error
