"""Pairs for super-resolution out of any folder of photos: crops, and the same crops reduced, divided photo by photo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.data import splits
from leadline.data.dataset import Dataset, Excluded, Origin, Split
from leadline.data.download import Progress
from leadline.data.pictures import decoding
from leadline.data.pictures.enlarging import LargePictures, SmallPictures
from leadline.data.pictures.folders import part_named, pictures_below
from leadline.data.pictures.photo_crops import Crops, cut_all, reduced
from leadline.data.pictures.pictures_cache import rows_of
from leadline.data.raw import PARTS, set_aside
from leadline.data.schema import Schema
from leadline.data.sources import KNOWN, name_of, nowhere
from leadline.errors import ArgumentError, DataError
from leadline.spelling import counted

UPSCALE = 2
UPSCALES = range(2, 9)
_MOST = 20_000  # photos: a small network learns nothing more from more of them, and reading them takes minutes
_WHOLE = 1024  # pixels a side: of a larger photo the middle is judged, or a few huge ones would take longer than the training


def load_pairs(
    source: Any,
    *,
    upscale: int | None = None,
    valid: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    size: int | None = None,
    channels: int | None = None,
    name: str | None = None,
    cache: Path | str | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Read photos, cut crops out of them, and divide the photos: no two crops of one photo are in different splits.

    Of a photo to learn from there are several crops; of one to choose or to judge by there is the middle one. Photos in folders
    named train, valid and test stay there; beside a train, photos in none of the three are left out, and a note says so.

    Args:
        source: a folder of photos, in sub-folders or not, or a list of paths.
        upscale: how many times as high and wide the result is to be, 2 to 8; 2 when None.
        valid: share of the photos (below 1) or their number.
        test: likewise.
        seed: of the shuffle.
        size: height and width of a large crop, a multiple of upscale; chosen from the photos when None.
        channels: 1 for a network that enlarges the luminance, 3 for one that enlarges all colours; 1 when None.
        name: what the Dataset is called.
        cache: where crops are kept; by default LEADLINE_CACHE or the user's cache folder.
        progress: told (done, in all) while photos are read.

    Raises:
        DataError: there are no three photos to divide, or more than 5 % of them cannot be read.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> for shade in range(4):
        ...     Image.linear_gradient("L").rotate(90 * shade).save(folder / f"{shade}.png")
        >>> load_pairs(folder, upscale=4, cache=folder / "cache", name="gradients")
        Dataset('gradients', task='pairs', 34 + 1 + 1 rows, inputs pictures of 24 × 24 × 1 to be enlarged 4 times)
    """
    upscale = UPSCALE if upscale is None else upscale
    _check(upscale, size, channels)
    root, names = photo_names(source)
    notes = []
    if len(names) > _MOST:
        notes.append(f"Of {len(names):,} photos {_MOST:,}, evenly spread, are read: a small network learns no more from more.")
        names = [names[at] for at in np.linspace(0, len(names) - 1, _MOST).round().astype(int)]
    crops = cut_all(root, names, upscale=upscale, side=size, channels=channels or 1, cache=cache, progress=progress)
    photos, excluded = _usable(crops, names)
    parts = _divided(crops, names, photos, notes, valid=valid, test=test, seed=seed)
    options: dict[str, Any] = {"task": "pairs", "upscale": upscale, "valid": valid, "test": test, "seed": seed}
    form = crops.form
    return Dataset(
        name=name or (root.name if isinstance(source, (str, Path)) else "photos"),
        train=_rows(crops, names, parts["train"], cache, every=True),
        valid=_rows(crops, names, parts["valid"], cache),
        test=_rows(crops, names, parts["test"], cache),
        schema=Schema(SmallPictures(form.small, form.small, form.channels, upscale), LargePictures(form.channels, upscale)),
        origin=Origin(name_of(source), crops.digest, options | {"size": size, "channels": channels}),
        notes=(*notes, *crops.notes),
        excluded=excluded,
    )


def read_pairs(source: Any, schema: Schema, *, cache: Path | str | None = None, progress: Progress | None = None) -> Split:
    """The middle crop of each photo, for a Schema that exists.

    Raises:
        DataError: no photo can be used, or more than 5 % cannot be read.
    """
    inputs = schema.inputs
    assert isinstance(inputs, SmallPictures)
    root, names = photo_names(source)
    side = inputs.height * inputs.upscale
    crops = cut_all(root, names, upscale=inputs.upscale, side=side, channels=inputs.channels, cache=cache, progress=progress)
    photos, excluded = _usable(crops, names)
    notes = (f"{counted(len(excluded), 'photo')} could not be used.",) if excluded else ()
    split = _rows(crops, names, photos, cache)
    return Split(split.inputs, split.targets, split.ids, (*crops.notes, *notes))


def photo_names(source: Any) -> tuple[Path, list[str]]:
    """The folder of the photos, and their paths relative to it; a path that is given twice counts once.

    Raises:
        SourceNotFoundError: a path that leads nowhere.
        DataError: there are no photos.
    """
    if isinstance(source, (str, Path)):
        root = Path(source).expanduser().absolute()
        if root.is_dir():
            names = [path.relative_to(root).as_posix() for path in pictures_below(root)]
            if names:
                return root, names
            raise DataError(f"There are no photos in {root}", expected="files ending in .jpg, .png, .webp, .tif …")
        if not root.exists() and source not in KNOWN:
            raise nowhere(source, root)
    elif isinstance(source, (list, tuple)) and source and all(isinstance(each, (str, Path)) for each in source):
        return Path("/"), list(dict.fromkeys(str(Path(each).expanduser().absolute()) for each in source))
    got = str(source) if isinstance(source, (str, Path)) else type(source).__name__
    raise DataError("Pairs are made from photos", expected="a folder of photos, or a list of their paths", got=got)


def whole_pairs(root: Path, names: Sequence[str], upscale: int) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]]:
    """Name, reduced photo and photo, one after another: whole ones, of a very large photo the middle.

    Raises:
        DataError: a photo cannot be read.
    """
    for name in names:
        picture = decoding.attempt_whole(root / name)
        if isinstance(picture, str):
            raise DataError(f"The photo {root / name} cannot be read: {picture}", do="Put it back, or evaluate other photos.")
        top, left = (max(0, length - _WHOLE) // 2 for length in picture.shape[:2])
        yield (name, *reduced(picture[top : top + _WHOLE, left : left + _WHOLE], upscale))


def check_upscale(upscale: int) -> None:
    """Raise unless pictures can be enlarged so many times."""
    if isinstance(upscale, bool) or not isinstance(upscale, int) or upscale not in UPSCALES:
        raise ArgumentError("Pictures cannot be enlarged so many times", expected="a whole number from 2 to 8", got=upscale)


def _check(upscale: int, size: int | None, channels: int | None) -> None:
    check_upscale(upscale)
    if size is not None and not isinstance(size, int):
        raise ArgumentError("The side of the crops is no whole number", expected="pixels, such as 96", got=repr(size))
    if size is not None and (size % upscale or not 32 <= size <= 1024):
        near = min(max(round(size / upscale), -(-32 // upscale)), 1024 // upscale) * upscale
        raise ArgumentError(
            "The crops have a side that does not suit pairs",
            expected=f"a multiple of {upscale} from 32 to 1024",
            got=size,
            do=f"Take {near}.",
        )
    if channels not in (None, 1, 3):
        raise ArgumentError("The channels are neither the luminance nor all colours", expected="1 or 3", got=channels)


def _usable(crops: Crops, names: Sequence[str]) -> tuple[NDArray[np.int64], tuple[Excluded, ...]]:
    """The numbers of the photos that have crops, and a record of each of the others."""
    _, unreadable = set_aside(names, crops.bad)
    tiny = tuple(Excluded(names[row], reason) for row, reason in sorted(crops.tiny.items()))
    good = np.setdiff1d(np.arange(len(names)), [*crops.bad, *crops.tiny])
    if not len(good):
        raise DataError("No photo can be used", got="; ".join(f"{row.id}: {row.reason}" for row in (*unreadable, *tiny)[:5]))
    return good, (*unreadable, *tiny)


def _divided(
    crops: Crops, names: Sequence[str], photos: NDArray[np.int64], notes: list[str], *, valid: float, test: float, seed: int
) -> dict[str, NDArray[np.int64]]:
    """The photos of each split; copies of one photo stay together."""
    own = _own_parts(names, photos)
    if beside := len(photos) - sum(map(len, own.values())):
        what = counted(beside, "photo is", "photos are")
        notes.append(f"{what} in none of the folders train, valid and test, and left out.")
    lacking = [part for part in ("valid", "test") if not len(own[part])]
    pool, copies = own["train"], crops.copies
    if repeated := len(photos) - len(np.unique(copies[photos])):
        notes.append(f"{counted(repeated, 'photo is an exact copy of another', 'photos are exact copies of others')}.")
    different = len(np.unique(copies[pool]))
    if different <= len(lacking):
        raise DataError(
            "There are too few photos to learn from some and to choose and judge by others",
            expected="at least three different photos" if len(lacking) == 2 else f"more than {len(lacking)} in train",
            got=f"{counted(different, 'photo')} of {counted(len(names), 'file')}",
        )
    if lacking:
        shares = {"valid": valid if "valid" in lacking else 0, "test": test if "test" in lacking else 0}
        assigned = splits.assign(
            np.zeros(len(pool), np.int64), copies[pool], valid=shares["valid"], test=shares["test"], seed=seed
        )
        for number, part in enumerate(PARTS):
            if part == "train" or part in lacking:
                own[part] = pool[assigned == number]
    return own


def _own_parts(names: Sequence[str], photos: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """The photos by the folder train, valid or test that they are in, where there is a train; all in train otherwise."""
    parts = np.array([part_named(names[photo].split("/")[0]) if "/" in names[photo] else None for photo in photos])
    if "train" not in parts:
        return {"train": photos, "valid": photos[:0], "test": photos[:0]}
    return {part: photos[parts == part] for part in PARTS}


def _rows(
    crops: Crops, names: Sequence[str], photos: NDArray[np.int64], cache: Path | str | None, *, every: bool = False
) -> Split:
    """The middle crop of these photos, or `every` crop."""
    starts = crops.starts
    counts = starts[photos + 1] - starts[photos] if every else np.ones(len(photos), np.int64)
    photo = np.repeat(photos, counts)
    number = np.arange(len(photo)) - np.repeat(np.cumsum(counts) - counts, counts)
    small, large = crops.form.divide(rows_of(crops.rows, starts[photo] + number, cache))
    ids = [names[one] + (f" crop {at + 1}" if at else "") for one, at in zip(photo.tolist(), number.tolist(), strict=True)]
    return Split(small, large, ids)
