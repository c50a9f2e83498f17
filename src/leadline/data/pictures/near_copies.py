"""Near-copies among pictures: the same one resized, recompressed, brightened, mirrored or slightly cropped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from leadline.data.fingerprints import WHOLE, Fingerprints, Window, covered, crops, windowed
from leadline.data.nearest_rows import best_in_buckets, best_rows
from leadline.errors import ArgumentError

ALIKE = 0.95  # cosine of fingerprints
_COLOURS, _DETAIL = 0.9, 0.5  # cosines of the colours, and of what is finer than a fingerprint
_MAYBE = 0.5  # below this no slight crop makes the difference
_TRIED = 4000  # pairs for which crops are tried, the most alike first
_FEW, _ISOLATED = 4, 1.5  # pictures within twice the distance of a copy; growth of their number to four times the distance
_CROPS = (0.97, 0.94, 0.91)
_SIDE, _SMALLEST = 32, 12  # pixels of thumbnails; of pictures that hold enough to tell a copy by
_NOWHERE = 0.05  # distances below this are none
_BLOCK = 1024
_SHORT = 48  # numbers of a fingerprint compared in buckets
_EXACT = 20_000**2  # pairs up to which each is compared with each
_BYTES = 1 << 21  # of pictures shrunk at a time: as floats they still stay in a cache

Nearest = Callable[[Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class NearCopies:
    """Pairs of pictures: `rows` [M] and their near-copies `others` [M], the cosine of their fingerprints, which are mirrored.

    A row stands here at most once, with the copy that is most like it. `exhaustive` says whether each was compared with each.

    Example:
        >>> NearCopies(np.array([3]), np.array([0]), np.array([0.99], np.float32), np.array([True]), True)
        NearCopies(1 pair)
    """

    rows: NDArray[np.int64]
    others: NDArray[np.int64]
    similarity: NDArray[np.float32]
    mirrored: NDArray[np.bool_]
    exhaustive: bool

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"NearCopies({len(self):,} pair{'' if len(self) == 1 else 's'})"


@dataclass(frozen=True)
class Thumbnails:
    """Pictures [N, H, W, C] and what is compared of them: the shades averaged to at most 32 × 32, float16 [N, h, w].

    Example:
        >>> Thumbnails.of(np.zeros((5, 96, 64, 3), np.uint8)).shades.shape
        torch.Size([5, 32, 32])
    """

    pictures: NDArray[Any]
    shades: Tensor

    @staticmethod
    def of(pictures: NDArray[Any]) -> Thumbnails:
        """Shrink every picture; those on disk are read a part at a time."""
        step = max(1, _BYTES // max(1, pictures[:1].nbytes))
        parts = [_shades_of(pictures[start : start + step]) for start in range(0, len(pictures), step)]
        shades = torch.cat(parts) if parts else torch.zeros(0, _SIDE, _SIDE)
        largest = shades.abs().max() if len(shades) else 1.0
        return Thumbnails(pictures, (shades / max(float(largest), 1e-12)).half())

    def __len__(self) -> int:
        return len(self.shades)


def find_near_copies(pictures: NDArray[Any] | Thumbnails, among: NDArray[Any] | Thumbnails | None = None) -> NearCopies:
    """For each picture [N, H, W, C] the one in `among` [A, H, W, C] that is the same one, slightly changed.

    Two pictures are near-copies where their `Fingerprints` have a cosine of at least 0.95, as they are, mirrored, or one
    cropped by up to a tenth; where their colours and finer detail agree; and where they stand out: with d the distance of the
    fingerprints, at most 4 pictures lie within 2 d, or hardly any between 2 d and 4 d (many trousers are alike, and no copies
    of each other). Left out are pictures without contrast or below 12 pixels, and pairs that are equal in every value.

    Shapes: [N, H, W, C], [A, H, W, C] → M ≤ N pairs.

    Args:
        pictures: uint8 or float.
        among: where the copies may be; `pictures` themselves when None, and of two that find each other the later one is told.

    Errors: `ArgumentError` for arrays that are no pictures, or pictures of two sizes or numbers of channels.

    Example:
        >>> shades = np.random.default_rng(0).integers(0, 255, (40, 32, 32, 1), dtype=np.uint8)
        >>> shades[7] = shades[2, :, ::-1] // 2 + 60  # mirrored, and with less contrast
        >>> found = find_near_copies(shades)
        >>> found.rows, found.others, found.mirrored
        (array([7]), array([2]), array([ True]))

    Source: our own; the growth of the number of neighbours with distance is the correlation dimension of Grassberger and
    Procaccia (1983), Measuring the strangeness of strange attractors.
    """
    _check(pictures, among)
    first = pictures if isinstance(pictures, Thumbnails) else Thumbnails.of(pictures)
    second = first if among is None else among if isinstance(among, Thumbnails) else Thumbnails.of(among)
    if min(len(first), len(second)) < (2 if second is first else 1) or min(first.pictures.shape[1:3]) < _SMALLEST:
        return _pairs(torch.zeros(0, 2, dtype=torch.int64), torch.zeros(0), torch.zeros(0, dtype=torch.bool), True)
    prints = Fingerprints.learn(first.shades if second is first else torch.cat([first.shades, second.shades]))
    exhaustive = len(first) * len(second) <= _EXACT
    pairs = _likely(prints, first, second, best_rows if exhaustive else best_in_buckets)
    pairs = _with_crops(pairs, first, second, prints)
    return _confirmed(pairs, _standing_out(pairs, first, second, prints), first, second, exhaustive)


def _check(*given: NDArray[Any] | Thumbnails | None) -> None:
    shapes = [each.pictures.shape if isinstance(each, Thumbnails) else np.shape(each) for each in given if each is not None]
    if any(len(shape) != 4 or shape[1:] != shapes[0][1:] for shape in shapes):
        raise ArgumentError(
            "These are no pictures that can be compared",
            expected="arrays [N, H, W, C] with the same H, W and C",
            got=" and ".join(str(list(shape)) for shape in shapes),
        )


@dataclass(frozen=True)
class _Likely:
    """Pairs that may be copies: row, other, cosine, whether mirrored, and the window of each that shows what both show."""

    rows: Tensor
    others: Tensor
    cosine: Tensor
    mirrored: Tensor
    windows: list[tuple[Window, Window]]


def _likely(prints: Fingerprints, first: Thumbnails, second: Thumbnails, nearest: Nearest) -> _Likely:
    own = torch.arange(len(first)) if second is first else None
    asked, turned_asked, target = prints(first.shades), prints(first.shades.flip(2)), prints(second.shades)
    short = slice(None) if nearest is best_rows else slice(-_SHORT, None)
    _, plain_at = nearest(asked[:, short], target[:, short], own)
    _, turned_at = nearest(turned_asked[:, short], target[:, short], own)
    plain, turned = (asked * target[plain_at]).sum(1), (turned_asked * target[turned_at]).sum(1)
    if own is not None:  # met nobody
        plain[plain_at == own] = turned[turned_at == own] = -1
    mirrored = turned > plain
    cosine, at = torch.where(mirrored, turned, plain), torch.where(mirrored, turned_at, plain_at)
    rows = torch.arange(len(first))
    likely = cosine >= _MAYBE
    if second is first:  # of two that found each other, the later one tells it
        likely &= ~((at[at] == rows) & (at > rows))
    order = cosine.argsort(descending=True, stable=True)
    order = order[likely[order]][: int((cosine[likely] >= ALIKE).sum()) + _TRIED]
    return _Likely(rows[order], at[order], cosine[order], mirrored[order], [(WHOLE, WHOLE)] * len(order))


def _with_crops(pairs: _Likely, first: Thumbnails, second: Thumbnails, prints: Fingerprints) -> _Likely:
    """The same pairs, those that are not alike as a whole compared again with a window of the one and of the other."""
    open_ = (pairs.cosine < ALIKE).nonzero()[:, 0]
    left, right = _shades(first, pairs.rows[open_], pairs.mirrored[open_]), second.shades[pairs.others[open_]]
    whole_left, whole_right = prints(left), prints(right)
    cosine, windows = pairs.cosine.clone(), list(pairs.windows)
    for window in crops(_CROPS) if len(open_) else ():
        for fits, pair in (
            ((prints(left, window) * whole_right).sum(1), (window, WHOLE)),
            ((whole_left * prints(right, window)).sum(1), (WHOLE, window)),
        ):
            for at in (fits > cosine[open_]).nonzero()[:, 0].tolist():
                cosine[open_[at]] = fits[at]
                windows[int(open_[at])] = pair
    return _Likely(pairs.rows, pairs.others, cosine, pairs.mirrored, windows)


def _standing_out(pairs: _Likely, first: Thumbnails, second: Thumbnails, prints: Fingerprints) -> Tensor:
    """Which pairs are alike and stand out from what is around them, bool [M].

    Where pictures of a kind fill a space of m dimensions, 2ᵐ times as many lie within twice the distance. Copies have few
    others there, or many, but these apart from all the rest.
    """
    found = torch.zeros(len(pairs.rows), dtype=torch.bool)
    target = prints(second.shades)
    alike = (pairs.cosine >= ALIKE).nonzero()[:, 0]
    for start in range(0, len(alike), _BLOCK):
        part = alike[start : start + _BLOCK]
        left = _shades(first, pairs.rows[part], pairs.mirrored[part])
        seen = prints(left)
        for at, row in enumerate(part.tolist()):
            if (window := pairs.windows[row][0]) != WHOLE:
                seen[at] = prints(left[at : at + 1], window)[0]
        cosines = seen @ target.T
        if second is first:
            cosines[torch.arange(len(part)), pairs.rows[part]] = -1
        distance = (2 - 2 * pairs.cosine[part]).clamp(min=_NOWHERE**2).sqrt()
        twice, fourfold = ((cosines >= (1 - (times * distance) ** 2 / 2)[:, None]).sum(1) for times in (2, 4))
        found[part] = (twice <= _FEW) | (fourfold <= _ISOLATED * twice)
    return found


def _confirmed(pairs: _Likely, alike: Tensor, first: Thumbnails, second: Thumbnails, exhaustive: bool) -> NearCopies:
    """Those whose colours and finer detail agree too, and which are not equal in every value."""
    kept = []
    for at in alike.nonzero()[:, 0].tolist():
        row, other = int(pairs.rows[at]), int(pairs.others[at])
        one, two = first.pictures[row], second.pictures[other]
        if np.array_equal(one, two):
            continue
        one = one[:, ::-1] if pairs.mirrored[at] else one
        left, right = (_coloured(each, window) for each, window in zip((one, two), pairs.windows[at], strict=True))
        if _cosine(left, right) >= _COLOURS and (max(left.shape) <= 16 or _cosine(_fine(left), _fine(right)) >= _DETAIL):
            kept.append(at)
    order = torch.tensor(sorted(kept, key=lambda at: int(pairs.rows[at])), dtype=torch.int64)
    return _pairs(torch.stack([pairs.rows, pairs.others], 1)[order], pairs.cosine[order], pairs.mirrored[order], exhaustive)


def _shades(thumbnails: Thumbnails, rows: Tensor, mirrored: Tensor) -> Tensor:
    shades = thumbnails.shades[rows]
    return torch.where(mirrored[:, None, None], shades.flip(2), shades)


def _cosine(left: Tensor, right: Tensor) -> float:
    """Of two pictures [C, h, w], each channel less its mean."""
    left, right = ((each - each.mean((1, 2), keepdim=True)).flatten() for each in (left, right))
    return float(F.cosine_similarity(left, right, dim=0))


def _fine(picture: Tensor) -> Tensor:
    """What is left of [C, h, w] when the mean of 5 × 5 is taken away."""
    return picture - F.avg_pool2d(F.pad(picture[None], (2, 2, 2, 2), mode="replicate"), 5, 1)[0]


def _pairs(pairs: Tensor, similarity: Tensor, mirrored: Tensor, exhaustive: bool) -> NearCopies:
    return NearCopies(pairs[:, 0].numpy(), pairs[:, 1].numpy(), similarity.numpy(), mirrored.numpy(), exhaustive)


def _shades_of(part: NDArray[Any]) -> Tensor:
    """Pictures [N, H, W, C] averaged over channels and to at most 32 × 32, float32 [N, h, w]: two matrix products."""
    count, height, width, channels = part.shape
    size = min(_SIDE, height), min(_SIDE, width)
    shades: Tensor
    if size == (height, width):
        shades = _floats(part).mean(3)
        return shades
    columns = covered(width, size[1]).repeat_interleave(channels, dim=1).T / channels  # W·C, w
    values = _floats(part).reshape(count * height, width * channels)
    shades = covered(height, size[0]) @ (values @ columns).reshape(count, height, size[1])
    return shades


def _coloured(picture: NDArray[Any], window: Window) -> Tensor:
    """A window of a picture [H, W, C] averaged to at most 32 × 32, float32 [C, h, w]."""
    size = min(_SIDE, picture.shape[0]), min(_SIDE, picture.shape[1])
    return windowed(_floats(picture).permute(2, 0, 1), window, size)


def _floats(values: NDArray[Any]) -> Tensor:
    """A copy as float32: torch takes no array that must not be written to, as mapped ones are."""
    return torch.from_numpy(np.array(values, dtype=np.float32, order="C"))
