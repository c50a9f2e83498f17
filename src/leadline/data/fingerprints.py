"""Fingerprints of pictures: a few numbers that stay the same when a picture is recompressed, resized or brightened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

_PRINT, _DIMENSIONS = 16, 96  # shades a side that a fingerprint is made from, and numbers that it keeps
_NOISE = 1e-3  # of a picture's variance: directions in which pictures differ by less than this tell nothing
_LEARNED = 4096  # pictures that tell what all have in common
_FLAT, _FLATTEST = 0.05, 0.004  # of the usual contrast, of the full range: with less a picture has nothing to tell it by

Window = tuple[float, float, float]  # top and left edge and side, as shares of the whole picture
WHOLE: Window = (0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Fingerprints:
    """What turns shades [N, h, w] into fingerprints [N, D] of length 1, learned from the pictures themselves.

    f = Vᵀ(t − μ) / √(λ + 0.001 + 1/N), then scaled to length 1, where t are 16 × 16 shades less their mean, of length 1; μ, λ
    and V are the mean, eigenvalues and eigenvectors of the t of N pictures and their mirror images. So what all have in common,
    or what most differ in, counts little. The 1/N keeps a few pictures from being taken for all that there could be.

    Example:
        >>> shades = torch.rand(50, 32, 32, generator=torch.Generator().manual_seed(0))
        >>> prints = Fingerprints.learn(shades)
        >>> prints(shades[:1]).shape, bool((prints(shades[:1]) * prints(2 * shades[:1] + 1)).sum() > 0.9999)
        (torch.Size([1, 96]), True)
    """

    mean: Tensor
    matrix: Tensor
    flat: float

    @staticmethod
    def learn(shades: Tensor) -> Fingerprints:
        """Learn from at most 4,096 of the pictures and their mirror images, so that mirroring changes no cosine."""
        some = shades[:: -(-len(shades) // _LEARNED)].float()
        values = _pooled(some).flatten(1)
        deviation = (values - values.mean(1, keepdim=True)).square().mean(1).sqrt()
        flat = max(_FLAT * float(deviation.median()), _FLATTEST)
        standard = _standard(torch.cat([some, some.flip(2)]), WHOLE, flat)
        mean = standard.mean(0)
        centred = (standard - mean).double()
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
        values, vectors = values[-_DIMENSIONS:].clamp(min=0), vectors[:, -_DIMENSIONS:]
        return Fingerprints(mean, (vectors / (values + _NOISE + 1 / len(some)).sqrt()).float(), flat)

    def __call__(self, shades: Tensor, window: Window = WHOLE) -> Tensor:
        """Fingerprints of shades [N, h, w], or of one window of them; zeros for a picture without contrast."""
        parts = []
        for start in range(0, len(shades), _LEARNED):
            part = shades[start : start + _LEARNED]
            standard = _standard(part.float(), window, self.flat)
            prints = F.normalize((standard - self.mean) @ self.matrix, dim=1)
            parts.append(prints * standard.any(dim=1, keepdim=True))
        return torch.cat(parts) if parts else torch.zeros(0, self.matrix.shape[1])


def crops(sides: Sequence[float]) -> list[Window]:
    """Windows with these sides, at the corners, edges and in the middle of the picture.

    Example:
        >>> len(crops([0.9, 0.8])), crops([0.75])[1]
        (18, (0.0, 0.125, 0.75))
    """
    return [(top * (1 - side), left * (1 - side), side) for side in sides for top in (0, 0.5, 1) for left in (0, 0.5, 1)]


def windowed(pictures: Tensor, window: Window, size: tuple[int, int]) -> Tensor:
    """A window of pictures [..., h, w] as float32 [..., H, W]: the mean of what each of the H × W places covers."""
    (top, left, side), (height, width) = window, size
    rows, columns = covered(pictures.shape[-2], height, top, side), covered(pictures.shape[-1], width, left, side)
    return rows @ pictures.float() @ columns.T


def covered(given: int, wanted: int, start: float = 0.0, side: float = 1.0) -> Tensor:
    """How much of each of `wanted` places lies on each of the `given`, [wanted, given], rows of sum 1."""
    edges = (start + side * torch.linspace(0, 1, wanted + 1, dtype=torch.float64)) * given
    places = torch.arange(given, dtype=torch.float64)
    overlap = torch.minimum(edges[1:, None], places + 1) - torch.maximum(edges[:-1, None], places)
    return (overlap.clamp(min=0) / (edges[1:] - edges[:-1])[:, None]).float()


def _pooled(shades: Tensor, window: Window = WHOLE) -> Tensor:
    return windowed(shades, window, (min(_PRINT, shades.shape[-2]), min(_PRINT, shades.shape[-1])))


def _standard(shades: Tensor, window: Window, flat: float) -> Tensor:
    """Less their mean, of length 1, [N, P]; zeros where there is no contrast."""
    values = _pooled(shades, window).flatten(1)
    values = values - values.mean(1, keepdim=True)
    return F.normalize(values, dim=1) * (values.square().mean(1, keepdim=True).sqrt() > flat)
