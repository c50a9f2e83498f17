"""IDX files, plain and gzipped, whole and damaged."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from leadline import data
from leadline.data.idx import parse_idx
from leadline.errors import DataError, SourceNotFoundError

CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def idx(array: np.ndarray) -> bytes:
    """The bytes of an IDX file, written by hand."""
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, CODES[array.dtype.str[1:]], array.ndim, *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_set(folder: Path, *, parts: tuple[str, ...] = ("train", "t10k"), packed: bool = True, count: int = 30) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, part in enumerate(parts):
        random = np.random.default_rng(number)
        for name, array in (
            ("images-idx3", random.integers(0, 256, (count, 6, 5), dtype=np.uint8)),
            ("labels-idx1", np.arange(count, dtype=np.uint8) % 3),
        ):
            content = idx(array)
            path = folder / f"{part}-{name}-ubyte{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(content) if packed else content)
    return folder


@pytest.mark.parametrize("kind", CODES)
def test_every_type_comes_back(kind: str) -> None:
    array = (np.random.default_rng(0).standard_normal((3, 4)) * 50).astype(kind)
    read = parse_idx(idx(array))
    np.testing.assert_array_equal(read, array)
    assert read.dtype == array.dtype


@pytest.mark.parametrize("packed", [True, False])
def test_one_file_finds_its_labels(packed: bool, tmp_path: Path) -> None:
    write_set(tmp_path / "mine", packed=packed)
    dataset = data.load(tmp_path / "mine" / f"train-images-idx3-ubyte{'.gz' if packed else ''}")
    assert len(dataset.train) + len(dataset.valid) + len(dataset.test) == 30
    assert dataset.train.inputs.shape[1:] == (6, 5, 1)
    assert dataset.train.ids[0].startswith("row:")
    assert [int(row.removeprefix("row:")) % 3 for row in dataset.train.ids] == dataset.train.targets.tolist()


def test_a_folder_of_the_four_files_has_a_test_part(tmp_path: Path) -> None:
    dataset = data.load(write_set(tmp_path / "mine"))
    assert dataset.name == "mine"
    assert dataset.test.ids == [f"test:{row}" for row in range(30)]
    assert len(dataset.train) + len(dataset.valid) == 30


def test_without_labels(tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(SourceNotFoundError, match="no labels beside"):
        data.load(tmp_path / "train-images-idx3-ubyte.gz")
    with pytest.raises(SourceNotFoundError, match="Name the file of the pictures"):
        data.load(tmp_path / "t10k-labels-idx1-ubyte.gz")


@pytest.mark.parametrize("packed", [True, False])
def test_a_file_cut_short(packed: bool, tmp_path: Path) -> None:
    write_set(tmp_path, packed=packed)
    path = tmp_path / f"train-images-idx3-ubyte{'.gz' if packed else ''}"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="cut short or damaged"):
        data.load(path)


def test_what_is_no_idx_file() -> None:
    for content in (b"", b"\0\0\x08", b"words that are no header", b"\0\0\x08\x03\0\0"):
        with pytest.raises(DataError):
            parse_idx(content)
