"""IDX files, the format of MNIST: big-endian arrays with a short header, often gzipped."""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.data.arrays import from_arrays, from_mapping
from leadline.data.raw import Raw
from leadline.errors import DataError, SourceNotFoundError

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
# The usual four files: what a part's pictures and labels begin with.
_PREFIXES = {"train": "train", "test": "t10k"}


def parse_idx(content: bytes, name: str = "The file") -> NDArray[Any]:
    """The array in the bytes of an IDX file: two zeros, the type, the number of axes, their lengths, the values.

    Raises:
        DataError: the header is not one of an IDX file, or the values do not have the length it tells.

    Example:
        >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]))
        array([7, 8, 9], dtype=uint8)
    """
    if not is_idx(content):
        raise DataError(f"{name} is not an IDX file", expected="a header of two zeros, a type and a number of axes")
    kind, axes = np.dtype(_TYPES[content[2]]), content[3]
    shape = np.frombuffer(content, ">u4", axes, 4).astype(int) if len(content) >= 4 + 4 * axes else np.array([-1])
    if (wanted := 4 + 4 * axes + int(np.prod(shape)) * kind.itemsize) != len(content):
        raise DataError(f"{name} is cut short or damaged", expected=f"{wanted:,} bytes", got=f"{len(content):,}")
    values = np.frombuffer(content, kind, offset=4 + 4 * axes).reshape(shape)
    return values.astype(kind.newbyteorder("="))


def is_idx(head: bytes) -> bool:
    """Whether a file that begins like this is an IDX file."""
    return len(head) >= 4 and head[:2] == b"\0\0" and head[2] in _TYPES and head[3] > 0


def unpacked(path: Path) -> bytes:
    """The content of a file, gunzipped if it is gzipped."""
    content = path.read_bytes()
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path} is cut short or damaged", got=str(error)) from error


def read_idx(path: Path) -> Raw:
    """The pictures in an IDX file and the labels in the file beside it, found by the usual naming."""
    beside = re.sub(r"idx\d", "idx1", path.name.replace("images", "labels"))
    labels = _with_or_without_gz(path.parent, beside)
    if labels is None or beside == path.name:
        raise SourceNotFoundError(
            f"There are no labels beside {path}",
            expected=f"{beside} or {beside}.gz in the same folder",
            do="Name the file of the pictures.",
        )
    return from_arrays(parse_idx(unpacked(path), str(path)), parse_idx(unpacked(labels), str(labels)), name=path.parent.name)


def read_idx_folder(folder: Path) -> Raw:
    """The train and test parts of a folder that holds the usual four files."""
    arrays = {}
    for part, prefix in _PREFIXES.items():
        images, labels = find_pair(folder, prefix) or (None, None)
        if images is not None and labels is not None:
            arrays[part] = parse_idx(unpacked(images), str(images))
            arrays[f"{part}_targets"] = parse_idx(unpacked(labels), str(labels))
    return from_mapping(arrays, name=folder.name)


def find_pair(folder: Path, prefix: str = "train") -> tuple[Path, Path] | None:
    """The files of pictures and labels that begin with `prefix`, or None."""
    images, labels = (_with_or_without_gz(folder, f"{prefix}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1"))
    return (images, labels) if images and labels else None


def _with_or_without_gz(folder: Path, name: str) -> Path | None:
    plain = name.removesuffix(".gz")
    # torchvision and others unpack "train-images-idx3-ubyte" to "train-images.idx3-ubyte".
    for candidate in (plain, f"{plain}.gz", plain.replace("-idx", ".idx")):
        if (folder / candidate).is_file():
            return folder / candidate
    return None
