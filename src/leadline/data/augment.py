"""Augmentation of prepared pictures, a batch at a time on the device; each row's change is hashed from (seed, epoch, row)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from leadline.errors import ArgumentError

_GOLDEN = -0x61C8864680B583EB  # 2⁶⁴ / golden ratio as a signed 64-bit number: SplitMix64's increment
_MIX1, _MIX2 = -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15  # SplitMix64's two multipliers


@dataclass(frozen=True)
class Augment:
    """Random flips, shifts, rotations, zooms and changes of brightness and contrast of pictures [B, C, H, W].

    One affine map a picture, sampled bilinearly, the border repeated where it looks outside.

    Args:
        flip: mirror left and right, each picture with probability ½.
        shift: up to this share of the side, in both directions, in [0, 1).
        rotate: up to this many degrees either way.
        zoom: scale between 1 − zoom and 1 + zoom, in [0, 1).
        brightness: add up to this many standard deviations either way.
        contrast: multiply by 1 − contrast … 1 + contrast, in [0, 1).

    Errors: `ArgumentError` when a strength is out of its range.

    Example:
        >>> pictures = torch.arange(32.0).reshape(2, 1, 4, 4)
        >>> same = Augment()(pictures, seed=0, epoch=0, rows=torch.tensor([0, 1]))
        >>> torch.equal(same, pictures)
        True
    """

    flip: bool = False
    shift: float = 0.0
    rotate: float = 0.0
    zoom: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0

    def __post_init__(self) -> None:
        for name in ("shift", "zoom", "contrast"):
            if not 0 <= getattr(self, name) < 1:
                raise ArgumentError(
                    f"The augmentation {name} is out of range", expected="a share in [0, 1)", got=getattr(self, name)
                )
        for name in ("rotate", "brightness"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ArgumentError(f"The augmentation {name} is out of range", expected="0 or more", got=getattr(self, name))

    @property
    def active(self) -> bool:
        """Whether anything is changed at all."""
        return self != Augment()

    def __call__(self, pictures: Tensor, seed: int, epoch: int, rows: Tensor) -> Tensor:
        """Changed pictures [B, C, H, W]; `rows` [B] are the row numbers that, with seed and epoch, decide the change."""
        draws = uniform(seed, epoch, rows, 7)
        signed = draws * 2 - 1
        if self.flip or self.shift or self.rotate or self.zoom:
            grid = F.affine_grid(self._maps(draws, signed, pictures), list(pictures.shape), align_corners=False)
            pictures = F.grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=False)
        if self.brightness or self.contrast:
            gain, lift = 1 + self.contrast * signed[:, 5], self.brightness * signed[:, 6]
            pictures = pictures * gain[:, None, None, None] + lift[:, None, None, None]
        return pictures

    def _maps(self, draws: Tensor, signed: Tensor, pictures: Tensor) -> Tensor:
        """Affine maps [B, 2, 3] from output to input coordinates in [−1, 1]."""
        height, width = pictures.shape[2:]
        angle = signed[:, 1] * math.radians(self.rotate)
        scale = 1 / (1 + self.zoom * signed[:, 2])
        mirror = torch.where(draws[:, 0] < 0.5, -1.0, 1.0) if self.flip else torch.ones_like(scale)
        cosine, sine = torch.cos(angle) * scale, torch.sin(angle) * scale
        # Coordinates run over 2 units whatever the side, so a rotation of a picture that is not square must know the ratio.
        top = torch.stack([cosine * mirror, -sine * (height / width), 2 * self.shift * signed[:, 3]], dim=1)
        bottom = torch.stack([sine * mirror * (width / height), cosine, 2 * self.shift * signed[:, 4]], dim=1)
        return torch.stack([top, bottom], dim=1).to(pictures.dtype)


def uniform(seed: int, epoch: int, rows: Tensor, lanes: int) -> Tensor:
    """Numbers in [0, 1), float32 [B, lanes], that depend on nothing but (seed, epoch, row, lane).

    The counter is hashed by SplitMix64 (Steele, Lea and Flood 2014), whose top 24 bits become the number.

    Example:
        >>> draws = uniform(0, 3, torch.tensor([7, 8]), 2)
        >>> torch.equal(draws[1], uniform(0, 3, torch.tensor([8]), 2)[0])
        True
    """
    lane = torch.arange(lanes, device=rows.device, dtype=torch.int64)
    # Seed and epoch are hashed in Python: a tensor made from them would make the device wait, batch after batch.
    start = _mix_number(_mix_number(seed % 2**64) + epoch)
    state = _mix(rows.to(torch.int64) + (start - 2**64 if start >= 2**63 else start))
    return (_mix(state[:, None] + lane) >> 40).bitwise_and(0xFFFFFF).to(torch.float32) / 2**24


def _mix(value: Tensor) -> Tensor:
    value = value + _GOLDEN
    value = (value ^ _shifted(value, 30)) * _MIX1
    value = (value ^ _shifted(value, 27)) * _MIX2
    return value ^ _shifted(value, 31)


def _mix_number(value: int) -> int:
    value = (value + _GOLDEN) % 2**64
    value = ((value ^ (value >> 30)) * _MIX1) % 2**64
    value = ((value ^ (value >> 27)) * _MIX2) % 2**64
    return value ^ (value >> 31)


def _shifted(value: Tensor, bits: int) -> Tensor:
    """A logical right shift: torch's own keeps the sign."""
    return (value >> bits).bitwise_and((1 << (64 - bits)) - 1)
