"""What goes into a network that enlarges pictures, and what comes out: the two halves of a Schema for pairs."""

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
from leadline.errors import ArgumentError, DataError, SourceNotFoundError
from leadline.metrics.pictures import luminance

_SHADES = 255.0


@dataclass(frozen=True)
class SmallPictures:
    """Pictures to be enlarged `upscale` times: raw input is a path, a PIL image or an array, of any size.

    Stored as uint8 [N, H, W, C]; the network sees float32 [B, C, H, W] from −0.5 to 0.5. With one channel that is the
    luminance; `height` and `width` are those of the crops of the training.

    Example:
        >>> inputs = SmallPictures(height=2, width=3, channels=1, upscale=2)
        >>> prepared = inputs.preparer(torch.device("cpu"))(torch.full((1, 2, 3, 1), 255, dtype=torch.uint8))
        >>> prepared.shape, prepared.unique()
        (torch.Size([1, 1, 2, 3]), tensor([0.5000]))
    """

    height: int
    width: int
    channels: int
    upscale: int
    kind: ClassVar[str] = "small pictures"

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> SmallPictures:
        return cls(**fields)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one prepared input of the training: (C, H, W)."""
        return (self.channels, self.height, self.width)

    def describe(self) -> str:
        return f"pictures of {self.height} × {self.width} × {self.channels} to be enlarged {self.upscale} times"

    def encode(self, raw: Any) -> NDArray[np.uint8]:
        """One raw picture at its own size to [H, W, C]: 1 channel for grey, 3 for colour, whatever the network takes.

        Errors: `DataError` for a file that is no picture; `SourceNotFoundError`; `ArgumentError` for an array that is none.
        """
        if isinstance(raw, Image.Image):
            return decoding.upright(raw)
        if isinstance(raw, (str, Path, bytes)):
            source = raw if isinstance(raw, bytes) else Path(raw)
            picture = decoding.attempt_whole(source)
            if isinstance(picture, str):
                if isinstance(source, Path) and not source.exists():
                    raise SourceNotFoundError(f"There is no file {source}", do="Check the path.")
                name = "The picture" if isinstance(source, bytes) else str(source)
                raise DataError(
                    f"{name} cannot be read as a picture: {picture}", expected="a jpg, png, webp, bmp, gif or tif file"
                )
            return picture
        array = raw.numpy(force=True) if isinstance(raw, Tensor) else np.asarray(raw)
        array = array[:, :, None] if array.ndim == 2 else array
        if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] not in (1, 3, 4) or not array.size:
            raise ArgumentError(
                "This is no picture to enlarge",
                expected="a file, or an array of bytes [H, W], [H, W, 1], [H, W, 3] or [H, W, 4]",
                got=f"{array.dtype} of shape {list(array.shape)}",
            )
        return array if array.shape[2] < 4 else decoding.upright(Image.fromarray(array))

    def is_one(self, raw: Any) -> bool:
        """Whether `raw` is one picture rather than several."""
        if isinstance(raw, (str, Path, bytes, Image.Image)):
            return True
        return getattr(raw, "ndim", 0) in (2, 3)

    def preparer(self, device: torch.device, *, channels_last: bool = False) -> Callable[[Tensor], Tensor]:
        """A function from stored pictures [B, H, W, C] on `device` to float32 network input [B, C, H, W]."""
        return lambda stored: _centred(stored, channels_last=channels_last)


@dataclass(frozen=True)
class LargePictures:
    """Pictures of `upscale` times the height and width of the inputs.

    Targets are uint8 [N, H, W, C]; the network learns them as float32 [N, C, H, W] from −0.5 to 0.5.

    Example:
        >>> answers = LargePictures(channels=1, upscale=2)
        >>> learned = answers.prepare(torch.full((1, 4, 4, 1), 51, dtype=torch.uint8))
        >>> answers.values(learned).unique().round(), answers.compared(answers.values(learned)).shape
        (tensor([51.]), torch.Size([1, 1, 0, 0]))
        >>> torch.equal(answers.shades(learned), answers.compared(answers.values(learned)))
        True
    """

    channels: int
    upscale: int
    task: ClassVar[str] = "pairs"
    names: ClassVar[tuple[str, ...]] = ()

    @property
    def outputs(self) -> int:
        """The channels of the picture that comes out."""
        return self.channels

    def prepare(self, targets: Tensor) -> Tensor:
        """What the loss compares with: [N, H, W, C] bytes to float32 [N, C, H, W] from −0.5 to 0.5."""
        return _centred(targets)

    def values(self, outputs: Tensor) -> Tensor:
        """Outputs [N, C, H, W] as shades from 0 to 255."""
        return ((outputs.float() + 0.5) * _SHADES).clamp(0, _SHADES)

    def shades(self, outputs: Tensor) -> Tensor:
        """What is compared of outputs as the network gives them."""
        return self.compared(self.values(outputs))

    def compared(self, values: Tensor) -> Tensor:
        """What PSNR and SSIM compare of pictures [N, C, H, W]: the luminance from 16 to 235, without a border of `upscale`.

        Near its border a picture is enlarged from what lies outside of it, which no method knows.
        """
        return luminance(values)[:, :, self.upscale : -self.upscale, self.upscale : -self.upscale]


def _centred(stored: Tensor, *, channels_last: bool = False) -> Tensor:
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return stored.permute(0, 3, 1, 2).to(torch.float32, memory_format=layout, copy=True).div_(_SHADES).sub_(0.5)
