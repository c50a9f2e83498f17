"""Series: values of one or several channels over time, centred and scaled by what the training split taught."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leadline.data.forecasts.gaps import fill_gaps
from leadline.data.ragged import Ragged
from leadline.data.series.one_series import read_one_series
from leadline.errors import ArgumentError
from leadline.spelling import counted

_CHUNK = 1 << 16  # steps turned into float64 at a time


@dataclass(frozen=True)
class Series:
    """Raw input is a series of T steps in C channels; stored as float32 [T, C]; the network sees (x − mean) / std by channel.

    Padding behind the end of a series is NaN in all channels, before and after. Mean and standard deviation are over all steps
    of all training series. A channel that never varies has std 1, so that it becomes zero and stays harmless. Gaps are filled
    from the steps around them.

    Args:
        channels: their names.
        mean: of each channel.
        std: likewise.
        shortest: steps of the shortest training series.
        longest: steps of the longest; where it is the same, all series have this length, those to predict too.

    Example:
        >>> Series.learn(np.array([[[0.0, 5.0], [2.0, 5.0]]], np.float32), channels=("pulse", "height"))
        Series(channels=('pulse', 'height'), mean=(1.0, 5.0), std=(1.0, 1.0), shortest=2, longest=2)
    """

    channels: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    shortest: int
    longest: int
    kind: ClassVar[str] = "series"
    padding: ClassVar[float] = math.nan

    @classmethod
    def learn(cls, rows: Ragged | NDArray[Any], channels: Sequence[str] | None = None) -> Series:
        """From the training series alone, in float64, some thousands of steps at a time.

        Args:
            rows: [N, T, C], or rows [T_i, C] of different lengths.
            channels: C names; "channel 1", … when None, and "value" for a single one.

        Errors: `ArgumentError` for another shape, or another number of names.
        """
        values, lengths = _steps(rows)
        count = values.shape[1]
        names = tuple(channels) if channels is not None else _usual_names(count)
        if len(names) != count:
            raise ArgumentError("The names do not fit the channels", expected=counted(count, "name"), got=", ".join(names))
        mean, std = _moments(values)
        return cls(names, tuple(mean.tolist()), tuple(std.tolist()), int(lengths.min()), int(lengths.max()))

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Series:
        return cls(
            tuple(fields["channels"]), tuple(fields["mean"]), tuple(fields["std"]), fields["shortest"], fields["longest"]
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the longest prepared input of the training: (T, C)."""
        return (self.longest, len(self.channels))

    @property
    def fixed(self) -> bool:
        """Whether all series have one length."""
        return self.shortest == self.longest

    def describe(self) -> str:
        """In words: how long the series are, and of how many channels."""
        steps = counted(self.longest, "step") if self.fixed else f"{self.shortest:,} to {self.longest:,} steps"
        return f"series of {steps}" + (f" in {len(self.channels)} channels" if len(self.channels) > 1 else "")

    def encode(self, raw: Any) -> NDArray[Any]:
        """One raw series to float32 [T, C].

        Args:
            raw: [T, C], or [T] for one channel: an array, a tensor or lists, NaN for a gap; or the path of a .npy file, or of a
                csv with a row for each step and a column for each channel (for one channel, also all steps in one row).

        Errors: `ArgumentError` for what is no series or has another shape; `DataError` for a file that cannot be read, and for
            a series of nothing but gaps, or with infinite values.
        """
        values = read_one_series(Path(raw), self.channels) if isinstance(raw, (str, Path)) else self._numbers(raw)
        if values.ndim == 1 and len(self.channels) == 1:
            values = values[:, None]
        if values.ndim != 2 or values.shape[1] != len(self.channels):
            self._refuse(values.shape)
        if self.fixed and len(values) != self.longest:
            raise ArgumentError("The series has the wrong length", expected=self.describe(), got=counted(len(values), "step"))
        return fill_gaps(values, channels=self.channels)[0]

    def is_one(self, raw: Any) -> bool:
        """Whether `raw` is one input rather than several.

        A matrix is one series where its columns are the channels; for one channel, its rows are series of their own unless it
        has a single column.
        """
        if isinstance(raw, (str, Path, bytes)):
            return True
        try:
            shape = np.shape(raw)
        except ValueError:  # a list of series of different lengths
            return False
        if len(shape) == 1:
            return bool(shape[0]) and isinstance(raw[0], (int, float, np.number, torch.Tensor))
        return len(shape) == 2 and shape[1] == len(self.channels)

    def preparer(self, device: torch.device, *, channels_last: bool = False) -> Callable[[Tensor], Tensor]:
        """A function from stored rows [B, T, C] on `device` to float32 network input [B, T, C]; padding stays NaN."""
        mean, std = (torch.tensor(values, dtype=torch.float32, device=device) for values in (self.mean, self.std))

        def prepare(rows: Tensor) -> Tensor:
            return (rows - mean).div_(std)

        return prepare

    def _numbers(self, raw: Any) -> NDArray[np.float64]:
        if isinstance(raw, Tensor):
            raw = raw.detach().cpu()
        try:
            return np.asarray(raw, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ArgumentError("The input is no series of numbers", expected=self._wanted(), got=repr(raw)[:80]) from error

    def _wanted(self) -> str:
        steps = str(self.longest) if self.fixed else "T"
        return f"shape [{steps}, {len(self.channels)}]" + (f" or [{steps}]" if len(self.channels) == 1 else "")

    def _refuse(self, shape: tuple[int, ...]) -> None:
        turned = len(shape) == 2 and shape[0] == len(self.channels)
        raise ArgumentError(
            "The series has the wrong shape",
            expected=f"{self._wanted()}, time first, channels {', '.join(self.channels[:8])}",
            got=f"shape {list(shape)}",
            do="Transpose it: each row must be a step in time." if turned else None,
        )


def _steps(rows: Ragged | NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """All steps of all series one below the other [ΣT, C], and the lengths [N]."""
    if isinstance(rows, Ragged) and rows.values.ndim == 2 and len(rows.values):
        return rows.values, rows.lengths
    if isinstance(rows, Ragged) or rows.ndim != 3 or not rows.size:
        shape = [len(rows), "T", *rows.values.shape[1:]] if isinstance(rows, Ragged) else list(rows.shape)
        raise ArgumentError("These are no series", expected="shape [N, T, C], with at least one step", got=shape)
    return rows.reshape(-1, rows.shape[2]), np.full(len(rows), rows.shape[1], np.int64)


def _moments(values: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation by channel, in one pass: each chunk's own are joined with those of the steps before.

    Source: Chan, Golub and LeVeque (1983), Algorithms for computing the sample variance.
    """
    count, mean, squares, largest = 0, np.zeros(values.shape[1]), np.zeros(values.shape[1]), np.zeros(values.shape[1])
    for start in range(0, len(values), _CHUNK):
        part = np.asarray(values[start : start + _CHUNK], dtype=np.float64)
        own = part.mean(axis=0)
        apart = own - mean
        both = count + len(part)
        squares += np.square(part - own).sum(axis=0) + np.square(apart) * (count * len(part) / both)
        mean += apart * (len(part) / both)
        largest = np.maximum(largest, np.abs(part).max(axis=0))
        count = both
    std = np.sqrt(squares / count)
    still = std <= 1e-12 * np.maximum(1.0, largest)
    return mean, np.where(still, 1.0, std)


def _usual_names(count: int) -> tuple[str, ...]:
    return ("value",) if count == 1 else tuple(f"channel {number}" for number in range(1, count + 1))
