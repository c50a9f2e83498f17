"""Enlarging whole pictures with a network that was trained on crops: tile by tile, so that any size fits into memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from leadline import files
from leadline.data.dataset import Excluded
from leadline.data.pictures.decoding import EXTENSIONS
from leadline.data.pictures.enlarging import SmallPictures
from leadline.data.schema import Schema
from leadline.errors import ArgumentError, LeadlineError, RunExistsError
from leadline.models.enlarging import bicubic_filters, enlarged_by

_TILE = 192  # pixels of a small picture: some 10 MB a layer of 64 filters
_LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue, as Pillow makes the "L" that the network learned

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class EnlargedPicture:
    """One picture made larger: `pixels` uint8 [H, W, 3], or [H, W, 1] of a grey one.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> EnlargedPicture("cat.jpg", np.zeros((4, 6, 3), np.uint8)).save(folder / "cat.png").name
        'cat.png'
    """

    id: str
    pixels: Bytes

    def image(self) -> Image.Image:
        """The picture for Pillow."""
        return Image.fromarray(self.pixels if self.pixels.shape[2] == 3 else self.pixels[:, :, 0])

    def save(self, path: Path | str) -> Path:
        """Write it, without loss as PNG or in the kind that the name of the file says, and return the path.

        Errors: `RunExistsError` where something lies there already; `ArgumentError` for a kind of file that is not written.
        """
        path = Path(path)
        if path.suffix.lower() not in EXTENSIONS:
            raise ArgumentError(f"{path} is no name for a picture", expected="one that ends in .png, .jpg, .webp, .tif …")
        if path.exists():
            raise RunExistsError(f"{path} exists already", do="Choose another place, or remove it first.")
        kind = Image.registered_extensions()[path.suffix.lower()]
        with files.writing(path) as file:
            self.image().save(file, kind, **({"quality": 95} if kind == "JPEG" else {}))
        return path


def enlarged(model: nn.Module, schema: Schema, device: torch.device, picture: Bytes, *, tile: int = _TILE) -> Bytes:
    """A picture enlarged by a network that was trained on pairs.

    A network of one channel enlarges the luminance; the colours are enlarged bicubically, which is what eyes do not see. Tiles
    overlap by as much as the network sees, so the result is the same as that of the whole picture at once.

    Shapes: uint8 [H, W, 1 or 3] → uint8 [H·r, W·r, the same].

    Args:
        model: gives [B, C, H·r, W·r] for [B, C, H, W].
        schema: of the training.
        device: where the model is.
        picture: as `SmallPictures.encode` gives it.
        tile: pixels of a side that are enlarged at once.
    """
    inputs = schema.inputs
    assert isinstance(inputs, SmallPictures)
    times, reach = inputs.upscale, _reach(model)
    height, width, channels = picture.shape
    result = np.empty((height * times, width * times, channels), np.uint8)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            # Beyond its edge a picture goes on as it ends, so every tile has its surroundings.
            rows = np.arange(top - reach, min(top + tile, height) + reach).clip(0, height - 1)
            columns = np.arange(left - reach, min(left + tile, width) + reach).clip(0, width - 1)
            part = torch.from_numpy(picture[rows[:, None], columns]).to(device)
            large = _shades(model, inputs, part)[times * reach : -times * reach, times * reach : -times * reach]
            result[top * times : (top + tile) * times, left * times : (left + tile) * times] = large.numpy(force=True)
    return result


def bicubic(picture: Bytes, upscale: int) -> Bytes:
    """The picture enlarged bicubically, [H, W, C] → [H·r, W·r, C]: what the network is compared with.

    Example:
        >>> bicubic(np.full((2, 3, 3), 9, np.uint8), 2).shape
        (4, 6, 3)
    """
    image = Image.fromarray(picture if picture.shape[2] == 3 else picture[:, :, 0])
    large = image.resize((image.width * upscale, image.height * upscale), Image.Resampling.BICUBIC)
    return np.asarray(large, np.uint8).reshape(large.height, large.width, -1)


def enlarge(model: nn.Module, schema: Schema, device: torch.device, raw: Any, name: str = "0") -> EnlargedPicture:
    """One raw picture (a path, a PIL image, an array of bytes) enlarged.

    Errors: a `LeadlineError` where it cannot be read.
    """
    assert isinstance(schema.inputs, SmallPictures)
    return EnlargedPicture(name, enlarged(model, schema, device, schema.inputs.encode(raw)))


class EnlargedPictures(Sequence[EnlargedPicture]):
    """Several enlarged pictures, in order; `excluded` are those that could not be read.

    Example:
        >>> found = EnlargedPictures([EnlargedPicture("a.jpg", np.zeros((4, 6, 3), np.uint8))], [])
        >>> len(found), found[0].id
        (1, 'a.jpg')
    """

    def __init__(self, pictures: Sequence[EnlargedPicture], excluded: Sequence[Excluded]) -> None:
        self._pictures, self.excluded = list(pictures), list(excluded)

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, at: Any) -> Any:
        return self._pictures[at]


def enlarge_several(
    model: nn.Module, schema: Schema, device: torch.device, raws: Sequence[Any], ids: Sequence[str] | None = None
) -> EnlargedPictures:
    """Several raw pictures enlarged; those that cannot be read are set aside and listed."""
    names = [str(raw) if isinstance(raw, (str, Path)) else str(at) for at, raw in enumerate(raws)] if ids is None else list(ids)
    if len(names) != len(raws):
        raise ArgumentError("There are not as many ids as inputs", expected=len(raws), got=len(names))
    found: list[EnlargedPicture] = []
    excluded: list[Excluded] = []
    for name, raw in zip(names, raws, strict=True):
        try:
            found.append(enlarge(model, schema, device, raw, name))
        except LeadlineError as error:
            excluded.append(Excluded(name, str(error)))
    return EnlargedPictures(found, excluded)


def _shades(model: nn.Module, inputs: SmallPictures, part: Tensor) -> Tensor:
    """Part of a picture [h, w, C] as bytes, enlarged and rounded, on the device."""
    with torch.inference_mode():
        given = part.permute(2, 0, 1).unsqueeze(0).float()  # [1, C, h, w]
        if inputs.channels == 3:
            large = (model(given.expand(1, 3, -1, -1) / 255 - 0.5).float() + 0.5) * 255
            if given.shape[1] == 1:
                large = large.mean(1, keepdim=True)
        else:
            grey = given
            if given.shape[1] == 3:
                grey = (given * given.new_tensor(_LUMINANCE).reshape(1, 3, 1, 1)).sum(1, keepdim=True)
            large = (model(grey / 255 - 0.5).float() + 0.5) * 255
            if given.shape[1] == 3:
                # Red, green and blue all gain what the luminance gains: that leaves the two colour differences bicubic.
                filters = bicubic_filters(inputs.upscale).to(part.device)
                large = enlarged_by(filters, given) + (large - enlarged_by(filters, grey))
        shades: Tensor = large.clamp(0, 255).round().to(torch.uint8)
        return shades[0].permute(1, 2, 0)


def _reach(model: nn.Module) -> int:
    """How many pixels on each side a pixel of the result can depend on: what its convolutions see, one after another."""
    seen = sum(
        max(apart * (size // 2) for apart, size in zip(module.dilation, module.kernel_size, strict=True))
        for module in model.modules()
        if isinstance(module, nn.Conv2d)
    )
    return seen + 2  # and what bicubic enlargement sees
