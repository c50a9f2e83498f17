"""Pictures: H × W × C arrays, one mean and one deviation per channel, and the way from a file to such an array."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from leadline.data import decoding
from leadline.errors import ArgumentError, DataError


@dataclass(frozen=True)
class Pictures:
    """Raw input is a path, a PIL image or an array; stored as [N, H, W, C] uint8 (or float32, for arrays of floats).

    The network sees float32 [B, C, H, W] with (x − mean) / std channel by channel, in the units of the stored values.
    """

    height: int
    width: int
    channels: int
    dtype: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    kind: ClassVar[str] = "pictures"

    @classmethod
    def learn(cls, pictures: NDArray[np.generic]) -> Pictures:
        """Size from the array [N, H, W, C]; mean and deviation per channel from at most 10,000 pictures, in float64."""
        count, height, width, channels = pictures.shape
        total, squares, seen = np.zeros(channels), np.zeros(channels), 0
        for start in range(0, count, step := max(1, count // 40)):
            part = np.asarray(pictures[start : start + min(step, 250)], dtype=np.float64).reshape(-1, channels)
            total += part.sum(axis=0)
            squares += np.square(part).sum(axis=0)
            seen += len(part)
        mean = total / seen
        std = np.sqrt(np.maximum(squares / seen - mean**2, 0))
        std[std <= 1e-6 * np.maximum(1.0, np.abs(mean))] = 1.0
        return cls(height, width, channels, str(pictures.dtype), tuple(mean.tolist()), tuple(std.tolist()))

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Pictures:
        return cls(**{**fields, "mean": tuple(fields["mean"]), "std": tuple(fields["std"])})

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one prepared input: (C, H, W)."""
        return (self.channels, self.height, self.width)

    def describe(self) -> str:
        return f"pictures of {self.height} × {self.width} × {self.channels}"

    def encode(self, raw: Any) -> NDArray[Any]:
        """One raw picture to [H, W, C]: a path or PIL image is decoded, turned upright, scaled and cropped as in training."""
        if isinstance(raw, (str, Path)):
            return self._decoded(decoding.decode(Path(raw), self.height, self.width, self.channels))
        if isinstance(raw, Image.Image):
            return self._decoded(decoding.fit(raw, self.height, self.width, self.channels))
        array = raw.numpy(force=True) if isinstance(raw, Tensor) else np.asarray(raw)
        array = array[:, :, None] if array.ndim == 2 else array
        if array.shape == self.shape and array.shape != (self.height, self.width, self.channels):
            array = array.transpose(1, 2, 0)
        if array.shape != (self.height, self.width, self.channels):
            if array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] in (1, 3, 4) and self.dtype == "uint8":
                return decoding.fit(Image.fromarray(array.squeeze(2) if array.shape[2] == 1 else array), self.height, self.width, self.channels)
            raise ArgumentError("The picture has the wrong shape", expected=f"{self.height} × {self.width} × {self.channels}", got=np.shape(raw))
        return self._typed(array)

    def _decoded(self, picture: NDArray[np.uint8]) -> NDArray[Any]:
        if self.dtype != "uint8":
            raise ArgumentError("This network was trained on arrays of floats, whose units a picture file does not have", do="Pass an array like those of the training.")
        return picture

    def _typed(self, array: NDArray[Any]) -> NDArray[Any]:
        if str(array.dtype) == self.dtype:
            converted = array
        elif self.dtype == "float32" and array.dtype.kind in "uifb":
            converted = array.astype(np.float32)
        else:
            rounded = np.rint(array) if array.dtype.kind == "f" else array
            if array.dtype.kind not in "uifb" or not (np.isfinite(array).all() and (rounded == array).all() and array.min() >= 0 and array.max() <= 255):
                raise ArgumentError("The picture's values are not those of the training", expected="whole numbers from 0 to 255", got=f"{array.dtype}")
            converted = rounded.astype(np.uint8)
        if self.dtype == "float32" and not np.isfinite(converted).all():
            raise DataError("The picture holds values that are not finite (NaN or infinity)")
        return converted

    def is_one(self, raw: Any) -> bool:
        """Whether `raw` is one picture rather than several."""
        if isinstance(raw, (str, Path, Image.Image)):
            return True
        shape = np.shape(raw) if not isinstance(raw, Tensor) else tuple(raw.shape)
        return len(shape) == 2 or (len(shape) == 3 and self.channels in (shape[2], shape[0]) and shape[1:] != (self.height, self.width)) or shape == self.shape

    def preparer(self, device: torch.device, *, channels_last: bool = False) -> Callable[[Tensor], Tensor]:
        """A function from stored pictures [B, H, W, C] on `device` to float32 network input [B, C, H, W]."""
        mean, std = (torch.tensor(values, dtype=torch.float32, device=device).reshape(1, -1, 1, 1) for values in (self.mean, self.std))
        scale, shift = 1 / std, -mean / std
        layout = torch.channels_last if channels_last else torch.contiguous_format

        def prepare(stored: Tensor) -> Tensor:
            return stored.permute(0, 3, 1, 2).to(torch.float32, memory_format=layout, copy=True).mul_(scale).add_(shift)

        return prepare
