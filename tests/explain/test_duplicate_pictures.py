"""Copies in a folder: exact and near ones in one group, bad files set aside, nothing where there is nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leadline.errors import DataError, SourceNotFoundError
from leadline.explain.duplicate_pictures import duplicate_groups


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for number in range(20):
        coarse = Image.fromarray(random.integers(0, 255, (9, 12, 3), dtype=np.uint8))
        coarse.resize((240, 180), Image.Resampling.BICUBIC).save(tmp_path / f"{number:02}.png")
    return tmp_path


def test_exact_and_near_copies_are_one_group(folder: Path) -> None:
    photo = Image.open(folder / "03.png")
    photo.resize((120, 90)).save(folder / "small.jpg", quality=70)
    photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "turned.webp", quality=80)
    shutil.copy(folder / "03.png", folder / "again.png")
    shutil.copy(folder / "07.png", folder / "zz.png")
    (folder / "bad1.jpg").write_bytes(b"no picture")
    (folder / "bad2.jpg").write_bytes(b"no picture")
    seen: list[tuple[int, int]] = []
    found = duplicate_groups(folder, progress=lambda done, total: seen.append((done, total)))
    assert found.groups == [["03.png", "again.png", "small.jpg", "turned.webp"], ["07.png", "zz.png"]]
    assert [row.id for row in found.excluded] == ["bad1.jpg", "bad2.jpg"]  # both are black here, and no copies
    assert (found.count, found.exhaustive, seen[-1]) == (26, True, (26, 26))


def test_different_pictures_make_no_group(folder: Path) -> None:
    assert duplicate_groups(folder).groups == []


def test_mistakes_are_told(folder: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="There is no folder"):
        duplicate_groups(folder / "nowhere")
    (folder / "empty").mkdir()
    with pytest.raises(DataError, match="There are no pictures"):
        duplicate_groups(folder / "empty")
    (folder / "empty" / "bad.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match="Not one of the 1 pictures.*not a picture"):
        duplicate_groups(folder / "empty")
