"""Pictures and rows of numbers as values from 0 to 1: what a unit that is on or off, and a network that tells pixels, take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leadline.data.pictures.pictures import Pictures
from leadline.data.vectors import Vectors

_CHUNK = 2048  # rows looked at together
_DARK = 127  # a brightest byte up to this is that of pictures with fewer shades, such as the 17 of digits


@dataclass(frozen=True)
class UnitPictures(Pictures):
    """Pictures whose values the network sees from 0 to 1: (x − mean) / std, the mean being the least value and std the range.

    The range is that of the type, 0 to 255, or of the training pictures where these use less than half of it or are floats; one
    for all channels. What lies outside, in pictures that training did not see, becomes 0 or 1.

    Example:
        >>> digits = np.array([0, 4, 16], np.uint8).reshape(3, 1, 1, 1)
        >>> inputs = UnitPictures.learn(digits)
        >>> inputs.preparer(torch.device("cpu"))(torch.from_numpy(digits)).flatten().tolist()
        [0.0, 0.25, 1.0]
    """

    kind: ClassVar[str] = "unit pictures"

    @classmethod
    def learn(cls, pictures: NDArray[np.generic]) -> UnitPictures:
        """Size and range from the training pictures [N, H, W, C]."""
        _, height, width, channels = pictures.shape
        low, high = value_range(pictures)
        if pictures.dtype == np.uint8:
            low, high = 0.0, 255.0 if high > _DARK else max(high, 1.0)
        elif 0 <= low <= high <= 1:
            low, high = 0.0, 1.0
        span = high - low or 1.0
        return cls(height, width, channels, str(pictures.dtype), (low,) * channels, (span,) * channels)

    def preparer(self, device: torch.device, *, channels_last: bool = False) -> Callable[[Tensor], Tensor]:
        """A function from stored pictures [B, H, W, C] on `device` to float32 network input [B, C, H, W] within [0, 1]."""
        prepare = super().preparer(device, channels_last=channels_last)
        return lambda stored: prepare(stored).clamp_(0, 1)


@dataclass(frozen=True)
class UnitVectors(Vectors):
    """Rows of numbers that are from 0 to 1 already, such as shares, yes and no, or pixels: the network sees them as they are.

    Example:
        >>> UnitVectors.learn(np.array([[0.0, 1.0], [0.5, 1.0]]))
        UnitVectors(mean=(0.0, 0.0), std=(1.0, 1.0))
    """

    kind: ClassVar[str] = "unit vectors"

    @classmethod
    def learn(cls, rows: NDArray[np.generic]) -> UnitVectors:
        """As many columns as the training rows [N, D] have."""
        return cls((0.0,) * rows.shape[1], (1.0,) * rows.shape[1])

    def preparer(self, device: torch.device, *, channels_last: bool = False) -> Callable[[Tensor], Tensor]:
        """A function from stored rows [B, D] to float32 network input [B, D] within [0, 1]."""
        return lambda rows: rows.to(torch.float32, copy=True).clamp_(0, 1)


def value_range(rows: NDArray[Any]) -> tuple[float, float]:
    """The least and the largest value of an array, some rows at a time, as it may be larger than memory.

    Example:
        >>> value_range(np.array([[3.0, -1.0], [2.0, 0.5]]))
        (-1.0, 3.0)
    """
    parts = [rows[at : at + _CHUNK] for at in range(0, len(rows), _CHUNK)]
    return float(min(part.min() for part in parts)), float(max(part.max() for part in parts))
