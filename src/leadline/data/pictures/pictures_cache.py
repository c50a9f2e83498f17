"""Photos decoded once, in threads, and kept as one memory-mapped array, so that the next start reads no picture.

In the cache folder lie `<key>.npy`, the pictures, and `<key>.json`, what was noticed while decoding them. The key is a hash of
the files' contents and of the size asked for. A second, quick hash of names, sizes and times (`seen-<hash>.json`) leads to the
key without opening a single picture.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from leadline import files
from leadline.data.caching import cache_folder
from leadline.data.duplicates import first_copies
from leadline.data.pictures import decoding
from leadline.errors import DataError

Progress = Callable[[int, int], None]
Shape = tuple[int, int, int]
T = TypeVar("T")

CHANGED = "it changed while the folder was read"  # or vanished
_FORMAT = 1  # of what is kept; part of the key, so that another way of decoding starts afresh
_SIZES = (32, 48, 64, 96)  # stored sizes to choose from: larger ones cost more time than most first trainings have
_KEEP = 40  # pixels up to which pictures of one size are kept exactly as they are
_SAMPLE = 1024  # rows whose checksum tells a damaged file
_IN_FLIGHT = 1 << 26  # bytes of decoded pictures waiting to be written


@dataclass(frozen=True)
class Decoded:
    """N pictures [N, H, W, C]; `bad`: row → why it could not be decoded (its pixels are 0); `copies` as in `first_copies`."""

    pictures: NDArray[np.uint8]
    bad: dict[int, str]
    copies: NDArray[np.int64]
    digest: str
    notes: tuple[str, ...] = ()


def decode_all(
    root: Path,
    names: Sequence[str],
    *,
    shape: Shape | None = None,
    size: int | None = None,
    channels: int | None = None,
    cache: Path | str | None = None,
    progress: Progress | None = None,
) -> Decoded:
    """Decode the pictures `names` under `root`, or find them in the cache.

    Args:
        root: the folder.
        names: paths relative to it.
        shape: height, width and channels of each picture; chosen from the pictures themselves when None.
        size: height and width, where `shape` is None.
        channels: likewise.
        cache: where decoded pictures are kept; by default the user's cache folder.
        progress: told (pictures done, pictures in all).

    Raises:
        DataError: not one of them can be read.
    """
    paths = [root / name for name in names]
    folder = cache_folder(cache) / "pictures"
    asked = json.dumps([_FORMAT, shape, size, channels])
    seen = folder / f"seen-{quick_hash(root, names, asked)}.json"
    known = read_json(seen).get("key")
    if known and (found := _open(folder, known, len(paths))):
        return found
    counted = Halves(progress, len(paths))
    surveyed = list(counted.through(in_threads(survey, paths, len(paths))))
    key = hashlib.sha256("".join([asked, *(digest for digest, _ in surveyed)]).encode()).hexdigest()
    if (found := _open(folder, key, len(paths))) is None:
        shape = shape or _choose(dict(zip(names, (measure for _, measure in surveyed), strict=True)), size, channels)
        found = _decode(paths, [digest for digest, _ in surveyed], shape, folder, key, counted)
    if CHANGED not in found.bad.values():
        with contextlib.suppress(OSError):  # said already where the pictures themselves could not be kept
            files.write_json(seen, {"key": key})
    return found


def rows_of(pictures: NDArray[Any], rows: NDArray[np.int64], cache: Path | str | None, largest: int = 1 << 28) -> NDArray[Any]:
    """Some rows in memory; or memory-mapped, where the pictures are so and the rows would take more than `largest` bytes."""
    wanted = len(rows) * (pictures[:1].nbytes)
    if not isinstance(pictures, np.memmap) or wanted <= largest:
        return np.asarray(pictures[rows])
    folder = cache_folder(cache) / "pictures"
    path = folder / f"rows-{hashlib.sha256(str(pictures.filename).encode() + rows.tobytes()).hexdigest()}.npy"
    shape = (len(rows), *pictures.shape[1:])
    if (found := mapped_rows(path, shape)) is not None:
        return found
    try:
        step = max(1, _IN_FLIGHT // pictures[:1].nbytes)
        write_rows(path, shape, (pictures[rows[start : start + step]] for start in range(0, len(rows), step)))
    except OSError:
        return np.asarray(pictures[rows])
    return np.load(path, mmap_mode="c")  # type: ignore[no-any-return]


def quick_hash(root: Path, names: Sequence[str], asked: str) -> str:
    whole = hashlib.sha256(f"{os.path.abspath(root)}\0{asked}".encode())
    for name in names:
        try:
            status = os.stat(root / name)
            # The time of the last change to the file's record cannot be set back, unlike that of its content.
            line = f"{name}\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_ctime_ns}\n"
        except OSError:
            line = f"{name}\0\n"
        whole.update(line.encode(errors="surrogateescape"))
    return whole.hexdigest()


def survey(path: Path) -> tuple[str, tuple[int, int, bool] | str]:
    """The hash of one file's content, and what its header tells."""
    if not path.is_file():  # nor a device, which would never end
        return "", "the file is not there"
    try:
        content = path.read_bytes()
    except OSError as error:
        return "", error.strerror or "the file cannot be read"
    return hashlib.sha256(content).hexdigest(), decoding.measure(content)


def _choose(measures: dict[str, tuple[int, int, bool] | str], size: int | None, channels: int | None) -> Shape:
    """The stored size: small pictures of one size as they are, else the largest usual size that most pictures fill."""
    sound = [measure for measure in measures.values() if not isinstance(measure, str)]
    if not sound:
        shown = "; ".join(f"{name} ({reason})" for name, reason in list(measures.items())[:10])
        raise DataError(
            f"Not one of the {len(measures):,} pictures can be read: {shown}", expected="jpg, png, webp, bmp or gif files"
        )
    channels = channels or (1 if all(grey for _, _, grey in sound) else 3)
    if size is not None:
        return size, size, channels
    if len({(height, width) for height, width, _ in sound}) == 1 and max(sound[0][:2]) <= _KEEP:
        return sound[0][0], sound[0][1], channels
    short = float(np.median([min(height, width) for height, width, _ in sound]))
    side = max([each for each in _SIZES if each <= short], default=_SIZES[0])
    return side, side, channels


def _decode(paths: Sequence[Path], digests: Sequence[str], shape: Shape, folder: Path, key: str, counted: Halves) -> Decoded:
    bad: dict[int, str] = {}
    known = dict(zip(paths, digests, strict=True))

    def decoded(path: Path) -> NDArray[np.uint8] | str:
        return _attempt_same(path, known[path], shape)

    def rows() -> Iterator[NDArray[np.uint8]]:
        bad.clear()
        ahead = max(1, _IN_FLIGHT // int(np.prod(shape)))
        for row, result in enumerate(counted.through(in_threads(decoded, paths, ahead))):
            if isinstance(result, str):
                bad[row] = result
                result = np.zeros(shape, np.uint8)
            yield result

    whole, path = (len(paths), *shape), folder / f"{key}.npy"
    notes: tuple[str, ...] = ()
    pictures: NDArray[np.uint8]
    try:
        write_rows(path, whole, rows())
        pictures = np.load(path, mmap_mode="c")
    except OSError as error:
        notes = (
            f"The decoded pictures could not be kept in {folder} ({error.strerror or error}), so each start decodes them anew.",
        )
        pictures = np.empty(whole, np.uint8)
        for row, picture in enumerate(rows()):
            pictures[row] = picture
    copies = first_copies(pictures)
    # The key is of what the files held when they were surveyed: other pixels must not be found under it.
    if not notes and CHANGED not in bad.values():
        others = {str(row): int(copies[row]) for row in np.flatnonzero(copies != np.arange(len(paths)))}
        record = {"shape": whole, "bad": bad, "copies": others, "checksum": checksum(pictures)}
        try:
            files.write_json(folder / f"{key}.json", record)
        except OSError as error:
            notes = (f"What was noticed while decoding could not be kept in {folder} ({error}).",)
    return Decoded(pictures, bad, copies, key, notes)


def _attempt_same(path: Path, digest: str, shape: Shape) -> NDArray[np.uint8] | str:
    """The picture, or why there is none, where the file holds what it held when it was surveyed."""
    if not digest:  # it was not there, or could not be read, and so it should be still
        result = decoding.attempt(path, *shape)
        return result if isinstance(result, str) else CHANGED
    try:
        content = path.read_bytes()
    except OSError:
        return CHANGED
    return decoding.attempt(content, *shape) if hashlib.sha256(content).hexdigest() == digest else CHANGED


def _open(folder: Path, key: str, count: int) -> Decoded | None:
    """What is kept under `key`, or None where it is missing or damaged."""
    record = read_json(folder / f"{key}.json")
    try:
        pictures = mapped_rows(folder / f"{key}.npy", tuple(record["shape"]))
        if pictures is None or len(pictures) != count or checksum(pictures) != record["checksum"]:
            return None
        bad = {int(row): str(reason) for row, reason in record["bad"].items()}
        copies = np.arange(count)
        for row, first in record["copies"].items():
            copies[int(row)] = first
        return Decoded(pictures, bad, copies, key)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return None


def write_rows(path: Path, shape: tuple[int, ...], rows: Iterable[NDArray[np.uint8]]) -> None:
    """Write rows one after the other to a .npy file. (Writing through a memory map would kill the process on a full disk.)"""
    path.parent.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(path.parent).free < 1.02 * float(np.prod(shape)):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with files.writing(path) as file:
        header: dict[str, Any] = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for row in rows:
            file.write(row.tobytes())


def mapped_rows(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """The file as an array (copy on write, so nothing changes the file), or None where it is not whole."""
    try:
        pictures: NDArray[np.uint8] = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return pictures if pictures.shape == shape and pictures.dtype == np.uint8 else None


def checksum(pictures: NDArray[np.uint8]) -> int:
    return zlib.crc32(np.ascontiguousarray(pictures[:: max(1, len(pictures) // _SAMPLE)]).data)


def read_json(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def in_threads(work: Callable[[Path], T], paths: Sequence[Path], ahead: int) -> Iterator[T]:
    """`work` of each path in order, in one thread a core, at most `ahead` results before the reader."""
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    step = max(4 * threads, min(ahead, 1024))
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(paths), step):
            yield from pool.map(work, paths[start : start + step])


class Halves:
    """Progress over two passes through the same pictures (survey, decode), told as one count of pictures."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress, self.total, self.passed = progress, total, 0

    def through(self, results: Iterable[T]) -> Iterator[T]:
        for result in results:
            self.passed += 1
            if self.progress is not None:
                self.progress(min(self.passed // 2, self.total), self.total)
            yield result
