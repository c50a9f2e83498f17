"""Folders of photos: classes, parts, and what lies between them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leadline import data
from leadline.data.pictures.folders import list_folder
from leadline.errors import DataError

Make = Callable[..., Path]


def test_each_sub_folder_is_a_class(photos: Make) -> None:
    listing = list_folder(photos({"rose/": 3, "tulip/": 2}))
    assert listing.names == ["rose/0.png", "rose/1.png", "rose/2.png", "tulip/0.png", "tulip/1.png"]
    assert listing.targets.tolist() == ["rose"] * 3 + ["tulip"] * 2
    assert listing.parts is None
    assert listing.notes == ()


def test_pictures_deeper_down_belong_to_the_class(photos: Make) -> None:
    listing = list_folder(photos({"rose/red/": 2, "rose/": 1, "tulip/": 1}))
    assert sorted(listing.names) == ["rose/0.png", "rose/red/0.png", "rose/red/1.png", "tulip/0.png"]
    assert listing.targets.tolist() == ["rose"] * 3 + ["tulip"]


@pytest.mark.parametrize(
    ("train", "valid", "test"), [("train", "val", "test"), ("Training", "validation", "TEST"), ("train", "valid", "test")]
)
def test_parts_above_the_classes(train: str, valid: str, test: str, photos: Make) -> None:
    listing = list_folder(photos({f"{train}/a/": 3, f"{train}/b/": 3, f"{valid}/a/": 1, f"{valid}/b/": 1, f"{test}/a/": 2}))
    assert listing.parts is not None
    assert listing.parts.tolist() == ["train"] * 6 + ["valid"] * 2 + ["test"] * 2
    assert listing.targets.tolist() == ["a"] * 3 + ["b"] * 3 + ["a", "b"] + ["a"] * 2


def test_a_part_without_classes_is_left_out_and_said(photos: Make) -> None:
    listing = list_folder(photos({"train/a/": 3, "train/b/": 3, "test/": 4, "other/x/": 1}))
    assert listing.parts is not None
    assert set(listing.parts.tolist()) == {"train"}
    assert any("test has no class folders" in note for note in listing.notes)
    assert any("left out: other" in note for note in listing.notes)


def test_a_folder_that_only_wraps_is_passed_through(photos: Make) -> None:
    root = photos({"flowers/rose/": 2, "flowers/tulip/": 2})
    listing = list_folder(root)
    assert set(listing.targets.tolist()) == {"rose", "tulip"}
    assert listing.names[0] == "flowers/rose/0.png"
    assert "The classes are the folders in flowers." in listing.notes


def test_what_is_no_picture_is_counted(photos: Make) -> None:
    root = photos({"a/": 2, "b/": 2, "stray": 3})
    (root / "a" / "notes.txt").write_text("x")
    (root / "b" / "list.json").write_text("{}")
    (root / "a" / "x.heic").write_bytes(b"x")
    (root / "a" / ".hidden.png").write_bytes(b"x")
    (root / "__MACOSX").mkdir()
    (root / "__MACOSX" / "._0.png").write_bytes(b"x")
    (root / ".git").mkdir()
    (root / "empty").mkdir()
    text = " ".join(list_folder(root).notes)
    assert "1 .heic picture was left out. Convert" in text
    assert "2 files that are not pictures were left out (.json, .txt)" in text
    assert "3 pictures that lie in no class folder" in text
    assert "Folders without pictures are no classes: empty" in text
    assert len(list_folder(root).names) == 4


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no pictures.*got an empty folder"):
        data.load(tmp_path)


def test_a_folder_of_heic_gets_the_hint(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.HEIC").write_bytes(b"x")
    with pytest.raises(DataError, match=r"1 \.heic picture was left out. Convert"):
        data.load(tmp_path)


def test_flat_pictures_without_labels(photos: Make) -> None:
    with pytest.raises(DataError, match="5 pictures without sub-folders or csv"):
        data.load(photos({"": 5}))


def test_class_numbers_are_in_the_order_of_numbers(photos: Make) -> None:
    dataset = data.load(photos({"10/": 4, "9/": 4, "1/": 4}))
    assert dataset.schema.answers.names == ("1", "9", "10")


def test_ids_are_paths_and_lead_to_the_pixels(photos: Make) -> None:
    root = photos({"a/": 8, "b/": 8}, size=(20, 24))
    dataset = data.load(root)
    for split in (dataset.train, dataset.valid, dataset.test):
        for row, name in enumerate(split.ids):
            np.testing.assert_array_equal(split.inputs[row], np.asarray(Image.open(root / name)))
            assert split.targets[row] == (0 if name.startswith("a/") else 1)


def test_own_parts_are_kept_and_what_lacks_is_cut_from_train(photos: Make) -> None:
    root = photos({"train/a/": 12, "train/b/": 12, "test/a/": 3, "test/b/": 3})
    dataset = data.load(root)
    assert sorted(dataset.test.ids) == [f"test/{name}/{number}.png" for name in "ab" for number in range(3)]
    assert len(dataset.valid) == 4
    assert all(name.startswith("train/") for name in [*dataset.valid.ids, *dataset.train.ids])
    shutil.rmtree(root / "test")
    assert all(name.startswith("train/") for name in data.load(root).test.ids)
