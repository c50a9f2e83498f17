"""Augmentation of prepared pictures, a batch at a time on the device; each row's change is hashed from (seed, epoch, row)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from leadline.data.pictures.augment_draws import uniform
from leadline.data.pictures.augment_mixing import blended, cutmix, mixup
from leadline.data.pictures.augment_moves import EDGES, crop_windows, moved, sampled, window_mask
from leadline.errors import ArgumentError, nearest, unknown

# Which of a row's draws decide what; where several do, the first of them.
_FLIP = 0
_ROTATE = 1
_ZOOM = 2
_SHIFT = 3  # right, down
_CONTRAST = 5
_BRIGHTNESS = 6
_SATURATION = 7
_CUTOUT = 8  # down, across
_CROP = 10  # area, ratio, across, down
_MIXUP = 14
_CUTMIX = 16  # two for the share, down, across
_WHICH = 20
_LANES = 21

# Each bound is written so that NaN fails it.
_RANGES: tuple[tuple[tuple[str, ...], str, Callable[[float], bool]], ...] = (
    (("shift", "zoom", "contrast", "saturation", "cutout"), "a share in [0, 1)", lambda value: 0 <= value < 1),
    (("crop",), "a share of the area in (0, 1], 1 for no crop", lambda value: 0 < value <= 1),
    (("rotate", "brightness", "mixup", "cutmix"), "0 or more", lambda value: 0 <= value < math.inf),
)


@dataclass(frozen=True)
class Augment:
    """Random changes of pictures [B, C, H, W], of each picture by itself, and of each one anew in every epoch.

    Pictures are mirrored, cropped, turned, zoomed and shifted by one affine map, sampled bilinearly; where only flips and
    shifts are asked for, the shifts are whole pixels and nothing is sampled. Then colours change, then a square is cut out.
    `mix` blends pictures and targets of a batch.

    Args:
        flip: mirror left and right: True, each picture with probability ½; "alternating", on one side in its first epoch and
            strictly in turn from then on, so that two epochs show both sides.
        shift: up to this share of the side, in both directions, in [0, 1); at least one whole pixel.
        rotate: up to this many degrees either way.
        zoom: scale between 1 − zoom and 1 + zoom, in [0, 1).
        crop: see a window of at least this share of the area, in (0, 1], in the size of the whole; 1 for no crop.
        edge: what is seen outside of a picture: its border, "repeat", its mirror image, "reflect", or the "mean" colour.
        brightness: add up to this many standard deviations either way.
        contrast: multiply by 1 − contrast … 1 + contrast, in [0, 1): the distance from the mean of all pictures.
        saturation: the same for the distance of each colour from the mean of its pixel's, in [0, 1). For three channels.
        cutout: fill a square of this share of the shorter side with the mean colour, in [0, 1), somewhere in the picture or
            partly outside.
        mixup: α of mixup; 0 for none.
        cutmix: α of cutmix; 0 for none. Beside mixup, half of the pictures have the one and half the other.

    Errors: `ArgumentError` when a strength is out of its range.

    Example:
        >>> pictures = torch.arange(32.0).reshape(2, 1, 4, 4)
        >>> rows = torch.tensor([0, 1])
        >>> torch.equal(Augment()(pictures, seed=0, epoch=0, rows=rows), pictures)
        True
        >>> alternating = Augment(flip="alternating")
        >>> first, second = (alternating(pictures, seed=0, epoch=epoch, rows=rows) for epoch in (0, 1))
        >>> torch.equal(second, first.flip(3))
        True

    Source: alternating flip: Jordan (2024), 94% on CIFAR-10 in 3.29 seconds on a single GPU; cutout: DeVries and Taylor (2017),
    Improved regularization of convolutional neural networks with cutout.
    """

    flip: bool | str = False
    shift: float = 0.0
    rotate: float = 0.0
    zoom: float = 0.0
    crop: float = 1.0
    edge: str = "repeat"
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    cutout: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0

    def __post_init__(self) -> None:
        if self.flip not in (True, False, "alternating"):
            close = nearest(str(self.flip), ("alternating",))
            raise ArgumentError(
                f"There is no way to flip {self.flip!r}",
                expected='True, False or "alternating"',
                do=f"Did you mean {close!r}?" if close else None,
            )
        if self.edge not in EDGES:
            unknown("edge of the augmentation", self.edge, EDGES)
        for names, expected, holds in _RANGES:
            for name in names:
                if not isinstance(value := getattr(self, name), int | float) or not holds(value):
                    raise ArgumentError(f"The augmentation {name} is out of range", expected=expected, got=value)

    @property
    def active(self) -> bool:
        """Whether anything is changed at all."""
        return bool(self.moves or self.brightness or self.contrast or self.saturation or self.cutout or self.mixes)

    @property
    def moves(self) -> bool:
        """Whether pixels come to other places."""
        return bool(self.flip or self.shift or self.rotate or self.zoom or self.crop < 1)

    @property
    def mixes(self) -> bool:
        """Whether pictures are mixed, so that targets become mixtures."""
        return bool(self.mixup or self.cutmix)

    def check(self, shape: Sequence[int]) -> None:
        """See whether inputs of this shape can be changed so.

        Errors: `ArgumentError` for anything but pictures (C, H, W), and for the saturation of pictures that are not colour.
        """
        if self.active and len(shape) != 3:
            raise ArgumentError("Only pictures can be augmented", expected="inputs (C, H, W)", got=tuple(shape))
        if self.saturation and shape[0] != 3:
            channels = "1 channel, which is grey" if shape[0] == 1 else f"{shape[0]} channels"
            raise ArgumentError(
                "The saturation can be changed in colour pictures only",
                expected="3 channels",
                got=channels,
                do="Set the augmentation's saturation to 0.",
            )

    def __call__(self, pictures: Tensor, seed: int, epoch: int, rows: Tensor) -> Tensor:
        """Changed pictures [B, C, H, W]; `rows` [B] are the row numbers that, with seed and epoch, decide the change."""
        draws = uniform(seed, epoch, rows, _LANES)
        signed = draws * 2 - 1
        mirrored = self._mirrored(seed, epoch, rows) if self.flip else None
        if self.rotate or self.zoom or self.crop < 1:
            pictures = sampled(pictures, self._maps(draws, mirrored, pictures), self.edge)
        elif self.flip or self.shift:
            right = whole_steps(draws[:, _SHIFT], self.shift * pictures.shape[3])
            down = whole_steps(draws[:, _SHIFT + 1], self.shift * pictures.shape[2])
            pictures = moved(pictures, down, right, mirrored, self.edge)
        if self.saturation:
            grey = pictures.mean(1, keepdim=True)
            pictures = torch.lerp(grey, pictures, (1 + self.saturation * signed[:, _SATURATION])[:, None, None, None])
        if self.brightness or self.contrast:
            gain, lift = 1 + self.contrast * signed[:, _CONTRAST], self.brightness * signed[:, _BRIGHTNESS]
            pictures = pictures * gain[:, None, None, None] + lift[:, None, None, None]
        if self.cutout:
            height, width = pictures.shape[2:]
            side = max(1, round(self.cutout * min(height, width)))
            window = window_mask(draws[:, _CUTOUT : _CUTOUT + 2], height, width, side, side)
            pictures = torch.where(window, 0.0, pictures)
        return pictures

    def _mirrored(self, seed: int, epoch: int, rows: Tensor) -> Tensor:
        """Which pictures are mirrored, bool [B]."""
        if self.flip == "alternating":
            return (uniform(seed, 0, rows, 1)[:, _FLIP] < 0.5) != bool(epoch % 2)
        return uniform(seed, epoch, rows, 1)[:, _FLIP] < 0.5

    def _maps(self, draws: Tensor, mirrored: Tensor | None, pictures: Tensor) -> Tensor:
        """Affine maps [B, 2, 3] from output to input coordinates in [−1, 1]."""
        height, width = pictures.shape[2:]
        signed = draws * 2 - 1
        angle = signed[:, _ROTATE] * math.radians(self.rotate)
        scale = 1 / (1 + self.zoom * signed[:, _ZOOM])
        cosine, sine = torch.cos(angle) * scale, torch.sin(angle) * scale
        # Coordinates run over 2 units whatever the side, so a rotation of a picture that is not square must know the ratio.
        turn = torch.stack([cosine, -sine * (height / width), sine * (width / height), cosine], dim=1).view(-1, 2, 2)
        place = 2 * self.shift * signed[:, _SHIFT : _SHIFT + 2]
        if self.crop < 1:
            half, middle = crop_windows(self.crop, draws[:, _CROP : _CROP + 4])
            place = place + (turn @ middle[:, :, None])[:, :, 0]
            turn = turn * half[:, None, :]
        if self.flip and mirrored is not None:
            mirror = torch.where(mirrored, -1.0, 1.0)
            turn = torch.stack([turn[:, :, 0] * mirror[:, None], turn[:, :, 1]], dim=2)
        return torch.cat([turn, place[:, :, None]], dim=2)

    def mix(
        self, pictures: Tensor, targets: Tensor, seed: int, epoch: int, rows: Tensor, classes: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Each picture mixed with the one before it in the batch, the first with the last; and their targets.

        The batches of an epoch are in random order, so the partner is random, and depends on (seed, epoch) alone.

        Args:
            pictures: [B, C, H, W], changed already.
            targets: class numbers [B], or numbers or labels [B, M].
            seed: of the training.
            epoch: its number.
            rows: row numbers [B].
            classes: K, where targets are class numbers.

        Returns:
            Pictures, and targets that are distributions [B, K], or [B, M].

        Errors: `ArgumentError` where neither mixup nor cutmix is above 0.

        Example:
            >>> pictures, rows = torch.rand(4, 1, 6, 6), torch.arange(4)
            >>> mixed, targets = Augment(mixup=0.2).mix(pictures, torch.tensor([0, 1, 2, 0]), 0, 0, rows, classes=3)
            >>> targets.shape, targets.sum(1)
            (torch.Size([4, 3]), tensor([1., 1., 1., 1.]))
        """
        if not self.mixes:
            raise ArgumentError("This augmentation does not mix pictures", expected="mixup or cutmix above 0")
        draws, others = uniform(seed, epoch, rows, _LANES), pictures.roll(1, 0)
        of_mixup, of_cutmix = draws[:, _MIXUP:_CUTMIX], draws[:, _CUTMIX:_WHICH]
        if not self.cutmix:
            pictures, own = mixup(pictures, others, self.mixup, of_mixup)
        elif not self.mixup:
            pictures, own = cutmix(pictures, others, self.cutmix, of_cutmix)
        else:
            blends, own_blends = mixup(pictures, others, self.mixup, of_mixup)
            cuts, own_cuts = cutmix(pictures, others, self.cutmix, of_cutmix)
            cut = draws[:, _WHICH] < 0.5
            pictures, own = torch.where(cut[:, None, None, None], cuts, blends), torch.where(cut, own_cuts, own_blends)
        return pictures, blended(targets, own, classes)


def whole_steps(draws: Tensor, farthest: float) -> Tensor:
    """Whole numbers from −n to n, int64 [B], equally often, with n the nearest to the farthest, 1 or more if that is above 0.

    Example:
        >>> whole_steps(torch.tensor([0.0, 0.5, 0.99]), 2.2), whole_steps(torch.tensor([0.0]), 0.0)
        (tensor([-2,  0,  2]), tensor([0]))
    """
    most = max(1, round(farthest)) if farthest > 0 else 0
    return (draws * (2 * most + 1)).long() - most
