"""Data sets known by name: found under LEADLINE_DATA or in the cache, else downloaded and checked."""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline import files
from leadline.data.arrays import from_arrays, from_mapping
from leadline.data.caching import cache_folder
from leadline.data.download import Progress, fetch
from leadline.data.idx import find_pair, read_idx_folder, unpacked
from leadline.data.npz import read_npz
from leadline.data.raw import Raw
from leadline.errors import DataError, DownloadError, StorageError


@dataclass(frozen=True)
class Named:
    """One data set: where its files are, the SHA-256 of each (of an IDX file after gunzipping), and its classes in order."""

    url: str
    files: tuple[tuple[str, str], ...]
    classes: tuple[str, ...]


_DIGITS = tuple(str(digit) for digit in range(10))
NAMED = {
    "mnist": Named(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        (
            ("t10k-labels-idx1-ubyte.gz", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
            ("t10k-images-idx3-ubyte.gz", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
            ("train-labels-idx1-ubyte.gz", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
            ("train-images-idx3-ubyte.gz", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
        ),
        _DIGITS,
    ),
    "fashion-mnist": Named(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        (
            ("t10k-labels-idx1-ubyte.gz", "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
            ("t10k-images-idx3-ubyte.gz", "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
            ("train-labels-idx1-ubyte.gz", "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
            ("train-images-idx3-ubyte.gz", "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
        ),
        ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    "cifar10": Named(
        "https://www.cs.toronto.edu/~kriz/",
        (("cifar-10-binary.tar.gz", "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"),),
        ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    ),
}
NAMES = ("digits", *NAMED)


def read_named(name: str, *, cache: Path | str | None = None, progress: Progress | None = None) -> Raw:
    """A data set by its name: "digits", "mnist", "fashion-mnist" or "cifar10".

    Raises:
        DownloadError: it is not on this machine and cannot be fetched; the message says where to put it by hand.

    Example:
        >>> read_named("digits").inputs.shape
        (1797, 8, 8, 1)
    """
    if name == "digits":
        return _digits()
    raw = _local(name, cache)
    if raw is None:
        raw = _downloaded(name, cache_folder(cache) / "downloads" / name, progress)
    known = np.array(NAMED[name].classes)
    if raw.targets.ndim != 1 or raw.targets.dtype.kind not in "ui" or not 0 <= raw.targets.max() < len(known):
        raise DataError(f"The files found for {name} are not those of {name}", expected=f"labels from 0 to {len(known) - 1}")
    return replace(raw, name=name, targets=known[raw.targets], classes=tuple(known.tolist()))


def _digits() -> Raw:
    from sklearn.datasets import load_digits

    bundled = load_digits()
    raw = from_arrays(bundled.images.astype(np.uint8), bundled.target, name="digits")
    return replace(raw, targets=np.array(_DIGITS)[raw.targets], classes=_DIGITS)


def _local(name: str, cache: Path | str | None) -> Raw | None:
    """What lies under LEADLINE_DATA or in the cache, or None."""
    for folder, sure in _places(name, cache):
        if name == "cifar10":
            if (folder / "cifar10.npz").is_file():
                return read_npz(folder / "cifar10.npz")
            if (folder / "cifar-10-batches-bin" / "test_batch.bin").is_file():
                return from_mapping(_cifar_arrays(_files_in(folder / "cifar-10-batches-bin")))
        elif find_pair(folder, "train") and find_pair(folder, "t10k") and (sure or _is_really(name, folder)):
            return read_idx_folder(folder)
    return None


def _places(name: str, cache: Path | str | None) -> Iterator[tuple[Path, bool]]:
    """Folders to look in, and whether their name says which data set they hold."""
    if own := os.environ.get("LEADLINE_DATA"):
        for folder in (name, name.replace("-", "_"), name.replace("-", "")):
            yield Path(own) / folder, True
        yield Path(own), False
    yield cache_folder(cache) / "downloads" / name, True


def _is_really(name: str, folder: Path) -> bool:
    """Whether the four files are those of `name`: MNIST and Fashion-MNIST call theirs the same."""
    pair = find_pair(folder, "t10k")
    return pair is not None and hashlib.sha256(unpacked(pair[1])).hexdigest() == NAMED[name].files[0][1]


def _downloaded(name: str, folder: Path, progress: Progress | None) -> Raw:
    known = NAMED[name]
    try:
        for file, sha256 in known.files:
            fetch(known.url + file, folder / file, sha256=sha256, packed=name != "cifar10", progress=progress)
    except DownloadError as error:
        wanted = ", ".join(file for file, _ in known.files)
        raise DownloadError(
            f"The data set {name} is not on this machine and could not be fetched. {error.what}",
            do=f"Try again when online, or put {wanted} from {known.url} into {folder}.",
        ) from error
    return _unpack_cifar(folder) if name == "cifar10" else read_idx_folder(folder)


def _unpack_cifar(folder: Path) -> Raw:
    """Read the archive, and keep its arrays as cifar10.npz, which the next start reads much faster."""
    archive = folder / NAMED["cifar10"].files[0][0]
    with tarfile.open(archive) as tar:
        content = {Path(member.name).name: tar.extractfile(member) for member in tar if member.name.endswith(".bin")}
        arrays = _cifar_arrays({name: file.read() for name, file in content.items() if file is not None})
    try:
        with files.writing(folder / "cifar10.npz") as file:
            np.savez(file, allow_pickle=False, **arrays)
        archive.unlink()
    except StorageError:
        pass  # no room for it: the archive is read again next time
    return from_mapping(arrays)


def _files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.bin")}


def _cifar_arrays(content: dict[str, bytes]) -> dict[str, NDArray[Any]]:
    """Rows of 1 + 3,072 bytes, a label and three planes, to x_train, y_train, x_test, y_test."""
    arrays: dict[str, NDArray[Any]] = {}
    for part, names in {"train": [f"data_batch_{number}.bin" for number in range(1, 6)], "test": ["test_batch.bin"]}.items():
        whole = b"".join(content.get(name, b"") for name in names)
        if not whole or len(whole) % 3073:
            raise DataError(f"The {part} files of CIFAR-10 are missing or cut short", expected=", ".join(names))
        rows = np.frombuffer(whole, np.uint8).reshape(-1, 3073)
        arrays[f"x_{part}"] = np.ascontiguousarray(rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        arrays[f"y_{part}"] = rows[:, 0].copy()
    return arrays
