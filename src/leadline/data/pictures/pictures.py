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

from leadline.data.pictures import decoding
from leadline.errors import ArgumentError, DataError


@dataclass(frozen=True)
class Pictures:
    """Raw input is a path, a PIL image or an array; stored as [N, H, W, C] uint8 (or float32, for arrays of floats).

    The network sees float32 [B, C, H, W] with (x − mean) / std channel by channel, in the units of the stored values.

    Example:
        >>> photos = np.stack([np.full((4, 6, 1), value, np.uint8) for value in (0, 200)])
        >>> inputs = Pictures.learn(photos)
        >>> inputs.mean, inputs.std
        ((100.0,), (100.0,))
        >>> prepared = inputs.preparer(torch.device("cpu"))(torch.from_numpy(photos))
        >>> prepared.shape, prepared.unique()
        (torch.Size([2, 1, 4, 6]), tensor([-1.,  1.]))
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
        """One raw picture to [H, W, C]: a path, a file's bytes or a PIL image is made upright, scaled and cropped."""
        if isinstance(raw, (str, Path, bytes)):
            source = raw if isinstance(raw, bytes) else Path(raw)
            return self._decoded(decoding.decode(source, self.height, self.width, self.channels))
        if isinstance(raw, Image.Image):
            return self._decoded(decoding.fit(raw, self.height, self.width, self.channels))
        array = raw.numpy(force=True) if isinstance(raw, Tensor) else np.asarray(raw)
        array = array[:, :, None] if array.ndim == 2 else array
        stored = (self.height, self.width, self.channels)
        if array.shape != stored and array.shape == self.shape:
            array = array.transpose(1, 2, 0)
        if array.shape == stored:
            return array if array.dtype == np.uint8 and self.dtype == "uint8" else self._typed(array)
        if array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] in (1, 3, 4) and self.dtype == "uint8":
            image = Image.fromarray(array.squeeze(2) if array.shape[2] == 1 else array)
            return decoding.fit(image, self.height, self.width, self.channels)
        right = f"{self.height} × {self.width} × {self.channels}"
        raise ArgumentError("The picture has the wrong shape", expected=right, got=array.shape)

    def _decoded(self, picture: NDArray[np.uint8]) -> NDArray[Any]:
        if self.dtype != "uint8":
            raise ArgumentError(
                "The network was trained on arrays of floats, and a picture file does not have their units",
                do="Pass an array like those of the training.",
            )
        return picture

    def _typed(self, array: NDArray[Any]) -> NDArray[Any]:
        numeric = array.dtype.kind in "uifb"
        if self.dtype == "float32" and numeric:
            converted = array.astype(np.float32, copy=False)
            if not np.isfinite(converted).all():
                raise DataError("The picture holds values that are not finite (NaN or infinity)")
            return converted
        if array.dtype == np.uint8:
            return array
        if not numeric or not whole_bytes(array):
            expected = "whole numbers from 0 to 255" if self.dtype == "uint8" else "numbers"
            raise ArgumentError("The picture's values are not those of the training", expected=expected, got=array.dtype)
        return array.astype(np.uint8)

    def is_one(self, raw: Any) -> bool:
        """Whether `raw` is one picture rather than several."""
        if isinstance(raw, np.ndarray) and raw.ndim == 2:
            return True
        if isinstance(raw, (str, Path, bytes, Image.Image)):
            return True
        if isinstance(raw, (list, tuple)) and raw and not isinstance(raw[0], (int, float, list, tuple)):
            return False
        shape = tuple(raw.shape) if hasattr(raw, "shape") else np.shape(raw)
        if len(shape) != 3:
            return len(shape) == 2
        coloured = self.channels in (shape[2], shape[0]) and shape[1:] != (self.height, self.width)
        return coloured or shape == self.shape

    def preparer(self, device: torch.device, *, channels_last: bool = False) -> Callable[[Tensor], Tensor]:
        """A function from stored pictures [B, H, W, C] on `device` to float32 network input [B, C, H, W]."""
        mean, std = (
            torch.tensor(values, dtype=torch.float32, device=device).reshape(1, -1, 1, 1) for values in (self.mean, self.std)
        )
        scale, shift = 1 / std, -mean / std

        def prepare(stored: Tensor) -> Tensor:
            if not channels_last:
                pictures = stored.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format, copy=True)
                return pictures.mul_(scale).add_(shift)
            # A row of pixels at a time: three channels would be too few numbers to go side by side.
            pixels = stored.to(torch.float32, memory_format=torch.contiguous_format, copy=True)
            scales, shifts = (
                each.expand(1, pixels.shape[3], 1, 1).flatten().repeat(pixels.shape[2]) for each in (scale, shift)
            )
            pixels.flatten(2).mul_(scales).add_(shifts)
            return pixels.permute(0, 3, 1, 2)

        return prepare

    def restored(self, prepared: Tensor) -> NDArray[Any]:
        """What `preparer` did, undone: numbers [N, C, H, W] → pictures [N, H, W, C] as stored, bytes rounded and cut off."""
        mean, std = (torch.tensor(values, dtype=torch.float64).reshape(1, -1, 1, 1) for values in (self.mean, self.std))
        shades = (prepared.detach().cpu().double() * std + mean).permute(0, 2, 3, 1).numpy()
        # A half goes up, whatever the platform.
        return np.floor(shades + 0.5).clip(0, 255).astype(np.uint8) if self.dtype == "uint8" else shades.astype(np.float32)


def whole_bytes(array: NDArray[Any]) -> bool:
    """Whether every value is a whole number from 0 to 255, so that uint8 holds it exactly.

    Example:
        >>> whole_bytes(np.array([0.0, 255.0])), whole_bytes(np.array([0.5])), whole_bytes(np.array([np.nan]))
        (True, False, False)
    """
    parts = (array[start : start + 1024] for start in range(0, len(array), 1024))
    return all(bool(((part >= 0) & (part <= 255) & (part == np.rint(part))).all()) for part in parts)
