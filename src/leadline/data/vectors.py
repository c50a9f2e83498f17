"""Vectors: rows of D numbers, centred and scaled by what the training split taught."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leadline.data.maps_as_features import rows_of_maps
from leadline.errors import ArgumentError, DataError

_CHUNK = 4096  # rows turned into float64 at a time


@dataclass(frozen=True)
class Vectors:
    """Raw input is D numbers; stored as float32 [N, D]; the network sees (x − mean) / std, feature by feature.

    A feature that never varies in training has std 1, so that it becomes zero and stays harmless.

    Example:
        >>> Vectors.learn(np.array([[0.0, 5.0], [2.0, 5.0]]))
        Vectors(mean=(1.0, 5.0), std=(1.0, 1.0))
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    kind: ClassVar[str] = "vectors"

    @classmethod
    def learn(cls, rows: NDArray[np.generic]) -> Vectors:
        """Mean and standard deviation of each column of the training rows [N, D], in float64, a few thousand rows at a time."""
        starts = range(0, len(rows), _CHUNK)
        parts = [rows[start : start + _CHUNK] for start in starts]
        mean = np.sum([part.sum(axis=0, dtype=np.float64) for part in parts], axis=0) / len(rows)
        variance = np.sum([np.square(part - mean).sum(axis=0) for part in parts], axis=0) / len(rows)
        largest = np.max([np.abs(part).max(axis=0) for part in parts], axis=0)
        std = np.sqrt(variance)
        still = std <= 1e-12 * np.maximum(1.0, largest)
        return cls(tuple(mean.tolist()), tuple(np.where(still, 1.0, std).tolist()))

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Vectors:
        return cls(tuple(fields["mean"]), tuple(fields["std"]))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one prepared input: (D,)."""
        return (len(self.mean),)

    def describe(self) -> str:
        return f"vectors of {len(self.mean)} numbers"

    def encode(self, raw: Any) -> NDArray[Any]:
        """One raw input (any array of D numbers, or maps of features that become D) to float32 [D]."""
        if isinstance(raw, (str, Path, bytes)):
            raise ArgumentError(
                "The network was trained on rows of numbers, not on files", expected=f"{len(self.mean)} numbers"
            )
        try:
            row = np.asarray(raw, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise ArgumentError("The input is not numbers", expected=f"{len(self.mean)} numbers", got=repr(raw)[:80]) from error
        if row.ndim == 3 and (found := rows_of_maps(row[None])) is not None:
            row = found[0]
        row = row.reshape(-1)
        if len(row) != len(self.mean):
            raise ArgumentError("The input has the wrong length", expected=f"{len(self.mean)} numbers", got=len(row))
        if not np.isfinite(row).all():
            raise DataError("The input holds values that are not finite (NaN or infinity)", expected="finite numbers")
        return row

    def is_one(self, raw: Any) -> bool:
        """Whether `raw` is one input rather than several."""
        return isinstance(raw, (str, Path, bytes)) or np.ndim(raw) in (1, 3)

    def preparer(self, device: torch.device, *, channels_last: bool = False) -> Callable[[Tensor], Tensor]:
        """A function from stored rows [B, D] on `device` to float32 network input [B, D]."""
        mean, std = (torch.tensor(values, dtype=torch.float32, device=device) for values in (self.mean, self.std))

        def prepare(rows: Tensor) -> Tensor:
            return (rows - mean).div_(std)

        return prepare

    def restored(self, prepared: Tensor) -> NDArray[np.float32]:
        """What `preparer` did, undone: numbers [N, D] → rows [N, D] as stored."""
        mean, std = (torch.tensor(values, dtype=torch.float64) for values in (self.mean, self.std))
        return (prepared.detach().cpu().double() * std + mean).float().numpy()
