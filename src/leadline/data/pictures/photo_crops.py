"""Crops of photos in two sizes, cut once, in threads, and kept as one memory-mapped array.

A row holds a large crop and the same crop reduced, one after the other, as bytes. A photo is reduced whole before it is cut, so
that a small crop knows of its surroundings what a small photo would. What is kept, and under which key, is as for decoded
pictures (`pictures_cache`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leadline import files
from leadline.data.caching import cache_folder
from leadline.data.download import Progress
from leadline.data.pictures import decoding, pictures_cache
from leadline.errors import DataError

_FORMAT = 1  # of what is kept; part of the key
_SIDE = 96  # pixels of a large crop: a small one still is several times what a small network looks at
_LEAST = 32  # of a large crop, or the border that no score counts would be most of it
_CROPS = 12_000  # in all, of many photos or of few large ones; more taught a small network nothing more
_SMALLER = 0.05  # of the photos may be smaller than a crop whose size is chosen

Bytes = NDArray[np.uint8]
Measures = Sequence[tuple[int, int, bool] | str]


@dataclass(frozen=True)
class Form:
    """How crops are cut: `side` pixels of a large one, `upscale` times those of a small one, `channels` of both."""

    side: int
    upscale: int
    channels: int

    @property
    def small(self) -> int:
        """The side of a small crop."""
        return self.side // self.upscale

    def divide(self, rows: Bytes) -> tuple[Bytes, Bytes]:
        """Rows as small crops [N, h, w, C] and large ones [N, H, W, C], views of the same memory."""
        cells = self.side**2 * self.channels
        large = rows[:, :cells].reshape(len(rows), self.side, self.side, self.channels)
        return rows[:, cells:].reshape(len(rows), self.small, self.small, self.channels), large


@dataclass(frozen=True)
class Crops:
    """The crops of P photos: `rows` [N, bytes], `starts` [P + 1] of each photo's own, the middle one first.

    `bad`: photo → why it could not be read; `tiny`: photo → that it is smaller than a crop; neither has crops. `copies`: for
    each photo the first with the same content. `digest` is of contents and form.
    """

    rows: Bytes
    starts: NDArray[np.int64]
    form: Form
    bad: dict[int, str]
    tiny: dict[int, str]
    copies: NDArray[np.int64]
    digest: str
    notes: tuple[str, ...] = ()


def cut_all(
    root: Path,
    names: Sequence[str],
    *,
    upscale: int,
    side: int | None = None,
    channels: int = 1,
    cache: Path | str | None = None,
    progress: Progress | None = None,
) -> Crops:
    """Cut crops out of the photos `names` under `root`, or find them in the cache.

    Args:
        root: the folder.
        names: paths relative to it.
        upscale: how many times as high and wide large crops are.
        side: of a large crop, a multiple of upscale; chosen from the photos when None.
        channels: 1 for the luminance, 3 for colour.
        cache: where crops are kept; by default the user's cache folder.
        progress: told (photos done, photos in all).

    Raises:
        DataError: not one photo can be read.
    """
    paths = [root / name for name in names]
    folder = cache_folder(cache) / "crops"
    halves = pictures_cache.Halves(progress, len(paths))
    digests, measures = _surveyed(root, names, folder, halves)
    sizes = [measure[:2] for measure in measures if not isinstance(measure, str)]
    if not sizes:
        shown = "; ".join(f"{name} ({reason})" for name, reason in list(zip(names, measures, strict=True))[:10])
        raise DataError(f"Not one of the {len(names):,} photos can be read: {shown}", expected="jpg, png, webp or tif files")
    form = Form(side or _chosen_side(sizes, upscale), upscale, channels)
    most = -(-_CROPS // len(sizes))
    corners = [_corners(measure, form, most, row) for row, measure in enumerate(measures)]
    starts = np.cumsum([0, *map(len, corners)])
    key = hashlib.sha256(json.dumps([_FORMAT, form.side, upscale, channels, most, digests]).encode()).hexdigest()
    shape = (int(starts[-1]), (form.side**2 + form.small**2) * channels)
    found = _open(folder, key, shape)
    notes: tuple[str, ...] = ()
    if found is None:
        found, notes = _cut(paths, corners, form, folder / f"{key}.npy", shape, halves)
    rows, damaged = found
    bad = {row: measure for row, measure in enumerate(measures) if isinstance(measure, str)} | damaged
    tiny = {
        row: f"it is smaller ({measure[0]} × {measure[1]}) than a crop of {form.side} × {form.side} pixels"
        for row, measure in enumerate(measures)
        if not isinstance(measure, str) and not corners[row]
    }
    _, first, number = np.unique(digests, return_index=True, return_inverse=True)
    return Crops(rows, starts, form, bad, tiny, np.asarray(first[number.reshape(-1)], np.int64), key, notes)


def reduced(picture: Bytes, upscale: int) -> tuple[Bytes, Bytes]:
    """A picture [H, W, C] that is reduced by bicubic interpolation with antialiasing, and the part of it that this stands for.

    Rows and columns that do not fill a pixel of the small picture are left out.

    Example:
        >>> small, large = reduced(np.zeros((7, 9, 3), np.uint8), 2)
        >>> small.shape, large.shape
        ((3, 4, 3), (6, 8, 3))
    """
    height, width = (length // upscale for length in picture.shape[:2])
    large = picture[: height * upscale, : width * upscale]
    image = Image.fromarray(large if large.shape[2] == 3 else large[:, :, 0])
    small = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC), np.uint8)
    return small.reshape(height, width, -1), large


def in_channels(picture: Bytes, channels: int) -> Bytes:
    """A picture [H, W, C] as the luminance alone, from 0 to 255, or in colour.

    Example:
        >>> in_channels(np.full((1, 1, 3), 7, np.uint8), 1).tolist(), in_channels(np.full((1, 1, 1), 7, np.uint8), 3).shape
        ([[[7]]], (1, 1, 3))
    """
    if picture.shape[2] == channels:
        return picture
    image = Image.fromarray(picture if picture.shape[2] == 3 else picture[:, :, 0])
    return np.asarray(image.convert("L" if channels == 1 else "RGB"), np.uint8).reshape(*picture.shape[:2], channels)


def _surveyed(
    root: Path, names: Sequence[str], folder: Path, halves: pictures_cache.Halves
) -> tuple[list[str], list[tuple[int, int, bool] | str]]:
    """Hash and measures of each photo; those of photos that have not changed are known without opening them."""
    seen = folder / f"seen-{pictures_cache.quick_hash(root, names, str(_FORMAT))}.json"
    known = pictures_cache.read_json(seen)
    try:
        digests = [str(digest) for digest in known["digests"]]
        measures = [
            each if isinstance(each, str) else (int(each[0]), int(each[1]), bool(each[2])) for each in known["measures"]
        ]
        if len(digests) == len(measures) == len(names):
            halves.passed = len(names)
            return digests, measures
    except (KeyError, TypeError, ValueError, IndexError):
        pass  # kept in another form, or of other photos: they are surveyed again
    paths = [root / name for name in names]
    surveyed = list(halves.through(pictures_cache.in_threads(pictures_cache.survey, paths, len(paths))))
    digests, measures = [digest for digest, _ in surveyed], [measure for _, measure in surveyed]
    with contextlib.suppress(OSError):  # said where the crops themselves cannot be kept
        folder.mkdir(parents=True, exist_ok=True)
        files.write_json(seen, {"digests": digests, "measures": measures})
    return digests, measures


def _chosen_side(sizes: Sequence[tuple[int, ...]], upscale: int) -> int:
    """The usual side, or the largest that nearly all photos have."""
    least = float(np.quantile([min(size) for size in sizes], _SMALLER, method="lower"))
    return int(max(min(_SIDE, least), _LEAST)) // upscale * upscale


def _corners(measure: tuple[int, int, bool] | str, form: Form, most: int, row: int) -> list[tuple[int, int]]:
    """Top and left of each crop in pixels of the small photo: the middle, then others half a crop apart, by chance."""
    if isinstance(measure, str):
        return []
    spare = [length // form.upscale - form.small for length in measure[:2]]
    if min(spare) < 0:
        return []
    middle = (spare[0] // 2, spare[1] // 2)
    lines = [np.unique(np.linspace(0, each, 1 + 2 * each // form.small).astype(int)).tolist() for each in spare]
    others = [(top, left) for top in lines[0] for left in lines[1] if (top, left) != middle]
    order = np.random.default_rng(row).permutation(len(others))[: most - 1]
    return [middle, *(others[at] for at in order)]


def _cut(
    paths: Sequence[Path],
    corners: Sequence[list[tuple[int, int]]],
    form: Form,
    path: Path,
    shape: tuple[int, int],
    halves: pictures_cache.Halves,
) -> tuple[tuple[Bytes, dict[int, str]], tuple[str, ...]]:
    """All rows, kept in a file where that can be done, and the photos that turned out to be damaged."""
    bad: dict[int, str] = {}

    def rows() -> Iterator[Bytes]:
        bad.clear()
        jobs = {path: row for row, path in enumerate(paths) if corners[row]}
        work = pictures_cache.in_threads(lambda path: _crops_of(path, corners[jobs[path]], form), list(jobs), 64)
        for row, found in zip(jobs.values(), halves.through(work), strict=True):
            if isinstance(found, str):
                bad[row] = found
                found = np.zeros((len(corners[row]), shape[1]), np.uint8)
            yield from found

    try:
        pictures_cache.write_rows(path, shape, rows())
        kept: Bytes = np.load(path, mmap_mode="c")
    except OSError as error:
        reason = error.strerror or error
        note = f"The crops could not be kept in {path.parent} ({reason}), so each start cuts them anew."
        kept = np.empty(shape, np.uint8)
        for at, row in enumerate(rows()):
            kept[at] = row
        return (kept, bad), (note,)
    with contextlib.suppress(OSError):
        files.write_json(path.with_suffix(".json"), {"bad": bad, "checksum": pictures_cache.checksum(kept)})
    return (kept, bad), ()


def _crops_of(path: Path, corners: Sequence[tuple[int, int]], form: Form) -> Bytes | str:
    """The rows of one photo, or why there are none."""
    picture = decoding.attempt_whole(path)
    if isinstance(picture, str):
        return picture
    small, large = reduced(picture, form.upscale)
    small, large = in_channels(small, form.channels), in_channels(large, form.channels)
    rows = []
    for top, left in corners:
        inner = small[top : top + form.small, left : left + form.small]
        y, x = top * form.upscale, left * form.upscale
        outer = large[y : y + form.side, x : x + form.side]
        rows.append(np.concatenate([outer.ravel(), inner.ravel()]))
    return np.stack(rows)


def _open(folder: Path, key: str, shape: tuple[int, int]) -> tuple[Bytes, dict[int, str]] | None:
    """What is kept under `key`, or None where it is missing or damaged."""
    record: dict[str, Any] = pictures_cache.read_json(folder / f"{key}.json")
    rows = pictures_cache.mapped_rows(folder / f"{key}.npy", shape)
    if rows is None or record.get("checksum") != pictures_cache.checksum(rows):
        return None
    try:
        return rows, {int(row): str(reason) for row, reason in record["bad"].items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
