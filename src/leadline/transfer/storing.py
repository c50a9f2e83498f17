"""Arrays of features in the cache folder: written row by row, whole or not at all, and opened as memory maps."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from leadline import files

Shape = tuple[int, ...]
_SAMPLE = 256  # rows whose checksum tells a damaged file


class Place(NamedTuple):
    """Where an array goes, and its form."""

    path: Path
    shape: Shape
    dtype: str


def write_arrays(places: Sequence[Place], parts: Iterable[Sequence[NDArray[Any]]]) -> None:
    """Write the parts of some arrays, side by side as they come, to a .npy file each; all of them or none.

    They are written as streams: writing through a memory map would kill the process on a full disk.

    Errors: `OSError` where a folder cannot be written or has not enough room; `StorageError` is one.
    """
    kinds = [np.dtype(place.dtype) for place in places]
    needed = sum(kind.itemsize * float(np.prod(place.shape)) for kind, place in zip(kinds, places, strict=True))
    for folder in {place.path.parent for place in places}:
        folder.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(folder).free < 1.02 * needed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with contextlib.ExitStack() as opened:
        written = [opened.enter_context(files.writing(place.path)) for place in places]
        for file, kind, place in zip(written, kinds, places, strict=True):
            header = {"descr": kind.str, "fortran_order": False, "shape": place.shape}
            np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            for file, kind, values in zip(written, kinds, part, strict=True):
                file.write(np.ascontiguousarray(values, dtype=kind).tobytes())


def mapped_array(path: Path, shape: Shape) -> NDArray[Any] | None:
    """The array in a file, memory-mapped (copy on write), or None where it is not a whole one of this shape."""
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return array if array.shape == shape and array.dtype in (np.float16, np.float32) else None


def make_room(folder: Path, most: int) -> None:
    """Delete the arrays of a cache folder that were not used for longest, until the rest take no more than `most` bytes."""
    aged = []
    for path in folder.glob("*.npy"):
        with contextlib.suppress(OSError):  # another process may do the same
            status = path.stat()
            aged.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in aged)
    for _, size, path in sorted(aged):
        if total <= most:
            return
        with contextlib.suppress(OSError):
            path.unlink()
            path.with_suffix(".json").unlink(missing_ok=True)
            total -= size


def touch(path: Path) -> None:
    """Note that a file was used now."""
    with contextlib.suppress(OSError):
        os.utime(path)


def checksum(array: NDArray[Any]) -> int:
    """A number that differs where some of the rows differ: a few hundred of them are looked at."""
    return zlib.crc32(np.ascontiguousarray(array[:: max(1, len(array) // _SAMPLE)]).data)


def read_record(path: Path) -> dict[str, Any]:
    """The JSON object in a file, or an empty one."""
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def gathered(places: Sequence[Place], parts: Iterable[Sequence[NDArray[Any]]]) -> list[NDArray[Any]]:
    """The arrays of such parts in memory."""
    arrays, at = [np.empty(place.shape, place.dtype) for place in places], 0
    for part in parts:
        for array, values in zip(arrays, part, strict=True):
            array[at : at + len(values)] = values
        at += len(part[0])
    return arrays
