"""Decoded once, found again, rebuilt when damaged, and done without where nothing can be kept."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from leadline import data
from leadline.data.pictures import decoding, pictures_cache
from leadline.data.pictures.pictures_cache import decode_all, rows_of
from leadline.errors import DataError

Make = Callable[..., Path]


def names(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*.*"))


@pytest.fixture
def forbidden(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From the call on, no picture may be opened or decoded."""

    def forbid() -> None:
        def fail(*_: Any) -> None:
            raise AssertionError("a picture was opened")

        monkeypatch.setattr(decoding, "attempt", fail)
        monkeypatch.setattr(decoding, "measure", fail)
        monkeypatch.setattr(
            Path, "read_bytes", lambda self, read=Path.read_bytes: read(self) if self.suffix == ".json" else fail()
        )

    return forbid


def test_the_second_start_opens_no_picture(photos: Make, tmp_path: Path, forbidden: Callable[[], None]) -> None:
    root = photos({"a/": 9, "b/": 9})
    first = data.load(root, cache=tmp_path / "cache")
    forbidden()
    told: list[tuple[int, int]] = []
    again = data.load(root, cache=tmp_path / "cache", progress=lambda *now: told.append(now))
    assert again.origin == first.origin
    assert told == []
    for part in ("train", "valid", "test"):
        np.testing.assert_array_equal(getattr(again, part).inputs, getattr(first, part).inputs)
        assert getattr(again, part).ids == getattr(first, part).ids


def test_pictures_are_memory_mapped_and_what_is_written_to_them_stays_in_memory(photos: Make, tmp_path: Path) -> None:
    root = photos({"a/": 3})
    decoded = decode_all(root, names(root), cache=tmp_path / "cache")
    assert isinstance(decoded.pictures, np.memmap)
    before = decoded.pictures.copy()
    decoded.pictures[:] = 0
    np.testing.assert_array_equal(decode_all(root, names(root), cache=tmp_path / "cache").pictures, before)


def test_the_same_content_elsewhere_is_not_decoded_again(photos: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = photos({"a/": 5})
    first = decode_all(root, names(root), cache=tmp_path / "cache")
    shutil.copytree(root, tmp_path / "moved")
    monkeypatch.setattr(decoding, "attempt", lambda *_: pytest.fail("decoded again"))
    again = decode_all(tmp_path / "moved", names(root), cache=tmp_path / "cache")
    assert again.digest == first.digest


def test_a_changed_picture_is_noticed_even_with_its_old_time(photos: Make, tmp_path: Path) -> None:
    root = photos({"a/": 5})
    for path in root.rglob("*.png"):
        Image.open(path).save(path.with_suffix(".bmp"))
        path.unlink()
    first = decode_all(root, names(root), cache=tmp_path / "cache")
    changed = root / "a" / "2.bmp"
    status = changed.stat()
    content = bytearray(changed.read_bytes())
    content[-1] ^= 255
    changed.write_bytes(content)
    os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns))
    again = decode_all(root, names(root), cache=tmp_path / "cache")
    assert again.digest != first.digest
    assert (again.pictures[2] != first.pictures[2]).any()


@pytest.mark.parametrize("damage", ["cut", "changed", "no record", "odd record", "gone"])
def test_a_damaged_cache_is_rebuilt(damage: str, photos: Make, tmp_path: Path) -> None:
    root = photos({"a/": 6})
    first = decode_all(root, names(root), cache=tmp_path / "cache").pictures.copy()
    kept = next((tmp_path / "cache" / "pictures").glob("*.npy"))
    content = kept.read_bytes()
    if damage == "cut":
        kept.write_bytes(content[:-100])
    elif damage == "changed":
        kept.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "gone":
        kept.unlink()
    else:
        record = next(path for path in kept.parent.glob("*.json") if not path.name.startswith("seen"))
        record.write_text("{" if damage == "no record" else "[1]")
    np.testing.assert_array_equal(decode_all(root, names(root), cache=tmp_path / "cache").pictures, first)
    assert kept.read_bytes() == content


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_where_nothing_can_be_kept_memory_serves(
    code: int, photos: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = photos({"a/": 6, "b/": 6})
    expected = data.load(root, cache=tmp_path / "good")

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    dataset = data.load(root, cache=tmp_path / "cache")
    np.testing.assert_array_equal(dataset.train.inputs, expected.train.inputs)
    assert dataset.origin == expected.origin
    assert any("could not be kept" in note for note in dataset.notes)
    assert not list((tmp_path / "cache").rglob("*.*"))


def test_a_cache_folder_that_cannot_be_made(photos: Make, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    dataset = data.load(photos({"a/": 4, "b/": 4}), cache=tmp_path / "cache")
    assert any("could not be kept" in note for note in dataset.notes)


def test_a_disk_that_fills_up_while_decoding(photos: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = photos({"a/": 6})
    expected = decode_all(root, names(root), cache=tmp_path / "good").pictures

    def full(path: Path, shape: tuple[int, ...], rows: Any) -> None:
        next(rows)
        next(rows)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pictures_cache, "write_rows", full)
    decoded = decode_all(root, names(root), cache=tmp_path / "cache")
    np.testing.assert_array_equal(decoded.pictures, expected)
    assert "No space left" in decoded.notes[0]


def test_a_disk_with_too_little_room_is_not_filled(photos: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = photos({"a/": 6})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 5, 5))
    assert decode_all(root, names(root), cache=tmp_path / "cache").notes
    assert not list((tmp_path / "cache").rglob("*.npy"))


def test_bad_pictures_are_set_aside_and_remembered(photos: Make, tmp_path: Path) -> None:
    root = photos({"a/": 4})
    (root / "a" / "1.png").write_text("words")
    for _ in range(2):
        decoded = decode_all(root, names(root), cache=tmp_path / "cache")
        assert decoded.bad == {1: "its content is not a picture"}
        assert len(decoded.pictures) == 4


def test_copies_are_found_and_remembered(photos: Make, tmp_path: Path) -> None:
    root = photos({"a/": 5})
    shutil.copy(root / "a" / "1.png", root / "a" / "4.png")
    for _ in range(2):
        assert decode_all(root, names(root), cache=tmp_path / "cache").copies.tolist() == [0, 1, 2, 3, 1]


def test_progress_counts_pictures(photos: Make, tmp_path: Path) -> None:
    root = photos({"a/": 10})
    told: list[tuple[int, int]] = []
    decode_all(root, names(root), cache=tmp_path / "cache", progress=lambda *now: told.append(now))
    assert [total for _, total in told] == [10] * 20
    done = [done for done, _ in told]
    assert done == sorted(done)
    assert done[-1] == 10


@pytest.mark.parametrize(
    ("size", "count", "expected"),
    [
        ((20, 24), 4, (20, 24)),
        ((40, 40), 4, (40, 40)),
        ((50, 90), 4, (48, 48)),
        ((200, 100), 4, (96, 96)),
        ((1, 90), 2, (32, 32)),
    ],
)
def test_the_stored_size_follows_the_pictures(
    size: tuple[int, int], count: int, expected: tuple[int, int], photos: Make, tmp_path: Path
) -> None:
    root = photos({"a/": count}, size=size)
    assert decode_all(root, names(root), cache=tmp_path / "cache").pictures.shape == (count, *expected, 3)
    assert decode_all(root, names(root), size=16, channels=1, cache=tmp_path / "cache").pictures.shape == (count, 16, 16, 1)
    assert decode_all(root, names(root), shape=(5, 6, 3), cache=tmp_path / "cache").pictures.shape == (count, 5, 6, 3)


def test_grey_only_where_all_are_grey(photos: Make, tmp_path: Path) -> None:
    root = photos({"a/": 4}, mode="L")
    assert decode_all(root, names(root), cache=tmp_path / "cache").pictures.shape[-1] == 1
    Image.new("RGB", (24, 20)).save(root / "a" / "9.png")
    assert decode_all(root, names(root), cache=tmp_path / "cache").pictures.shape[-1] == 3


def test_not_one_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.jpg").write_text("words")
    with pytest.raises(DataError, match=r"Not one of the 1 pictures can be read: a/x\.jpg \(its content is not a picture\)"):
        decode_all(tmp_path, ["a/x.jpg"], cache=tmp_path / "cache")


def test_many_rows_stay_memory_mapped(photos: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = photos({"a/": 12})
    pictures = decode_all(root, names(root), cache=tmp_path / "cache").pictures
    rows = np.array([7, 2, 11, 0])
    few = rows_of(pictures, rows, tmp_path / "cache")
    assert not isinstance(few, np.memmap)
    monkeypatch.setattr(pictures_cache, "_IN_FLIGHT", 2 * pictures[0].nbytes)
    for _ in range(2):
        many = rows_of(pictures, rows, tmp_path / "cache", largest=100)
        assert isinstance(many, np.memmap)
        np.testing.assert_array_equal(many, pictures[rows])
    assert len(list((tmp_path / "cache").rglob("rows-*.npy"))) == 1
    monkeypatch.setattr(pictures_cache, "write_rows", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    np.testing.assert_array_equal(rows_of(pictures, rows[::-1], tmp_path / "cache", largest=100), pictures[rows[::-1]])


def test_a_device_is_no_picture(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to("/dev/zero")
    assert decode_all(tmp_path, ["a.png", "b.png"], cache=tmp_path / "cache").bad == {1: "its content is not a picture"}
