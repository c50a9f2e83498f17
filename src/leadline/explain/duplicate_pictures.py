"""Copies and near-copies among the pictures of a folder, in groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leadline.data.dataset import Excluded
from leadline.data.pictures.folders import pictures_below
from leadline.data.pictures.near_copies import find_near_copies
from leadline.data.pictures.pictures_cache import decode_all, rows_of
from leadline.errors import DataError, SourceNotFoundError
from leadline.explain.look_alikes import joined_groups

_SIDE = 64  # pixels at which pictures are compared


@dataclass(frozen=True)
class DuplicateGroups:
    """Groups of names that show one picture, the largest first, out of `count` files; of these `excluded` could not be read.

    `exhaustive` says whether each picture was compared with each.

    Example:
        >>> DuplicateGroups([["a.jpg", "copies/a.png"]], 20)
        DuplicateGroups(groups=[['a.jpg', 'copies/a.png']], count=20, excluded=(), exhaustive=True)
    """

    groups: list[list[str]]
    count: int
    excluded: tuple[Excluded, ...] = ()
    exhaustive: bool = True


def duplicate_groups(folder: Path | str, *, progress: Callable[[int, int], None] | None = None) -> DuplicateGroups:
    """Which pictures below a folder are the same one: bit by bit, or resized, recompressed, brightened, cropped or mirrored.

    The pictures are decoded to 64 × 64 and compared as `data.near_copies.find_near_copies` says; no network is needed. Whoever
    is a near-copy of one member of a group belongs to it.

    Args:
        folder: with pictures at any depth; hidden files are passed over.
        progress: told (pictures decoded, pictures in all).

    Errors: `SourceNotFoundError` where there is no such folder; `DataError` where no picture can be read.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> folder, random = Path(tempfile.mkdtemp()), np.random.default_rng(0)
        >>> for number in range(12):
        ...     picture = Image.fromarray(random.integers(0, 255, (10, 10, 3), dtype=np.uint8)).resize((200, 150))
        ...     picture.save(folder / f"{number}.png")
        >>> picture.resize((120, 90)).save(folder / "small.jpg", quality=80)
        >>> duplicate_groups(folder).groups
        [['11.png', 'small.jpg']]
    """
    root = Path(folder).expanduser().absolute()
    if not root.is_dir():
        raise SourceNotFoundError(f"There is no folder {root}", do="Check the path.")
    names = [path.relative_to(root).as_posix() for path in pictures_below(root)]
    if not names:
        raise DataError(f"There are no pictures in {root}", expected="jpg, png, webp, bmp, gif or tif files")
    decoded = decode_all(root, names, shape=(_SIDE, _SIDE, 3), progress=progress)
    sound = np.setdiff1d(np.arange(len(names)), list(decoded.bad))
    if not len(sound):
        raise DataError(f"Not one of the {len(names):,} pictures in {root} can be read", got=next(iter(decoded.bad.values())))
    firsts = decoded.copies[sound]
    different = np.unique(firsts)  # near-copies are looked for among these; the others are copies of them to the bit
    found = find_near_copies(rows_of(decoded.pictures, different, None))
    near = zip(different[found.rows].tolist(), different[found.others].tolist(), strict=True)
    exact = ((row, first) for row, first in zip(sound.tolist(), firsts.tolist(), strict=True) if row != first)
    groups = [[names[row] for row in group] for group in joined_groups([*exact, *near])]
    excluded = tuple(Excluded(names[row], reason) for row, reason in sorted(decoded.bad.items()))
    return DuplicateGroups(groups, len(names), excluded, found.exhaustive)
