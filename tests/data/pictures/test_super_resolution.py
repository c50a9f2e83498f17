"""Pairs out of folders of photos: aligned crops, photos that stay whole in one split, and all that can be wrong with files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from leadline import data
from leadline.data.batches import Batches
from leadline.data.dataset import Dataset
from leadline.data.pictures import decoding, photo_crops, pictures_cache
from leadline.data.pictures.enlarging import LargePictures, SmallPictures
from leadline.data.pictures.photo_crops import reduced
from leadline.data.pictures.super_resolution import load_pairs, photo_names, read_pairs, whole_pairs
from leadline.data.schema import Schema
from leadline.errors import ArgumentError, DataError, SourceNotFoundError


def photo(seed: int, height: int = 70, width: int = 90, channels: int = 3) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Blocks of chance colours: something to see at every size."""
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 256, (-(-height // 5), -(-width // 5), channels), dtype=np.uint8)
    return blocks.repeat(5, 0).repeat(5, 1)[:height, :width]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten photos in two sub-folders."""
    for number in range(10):
        path = tmp_path / "photos" / ("cats" if number % 2 else "dogs/brown") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo(number)).save(path)
    return tmp_path / "photos"


def parts(dataset: Dataset) -> dict[str, set[str]]:
    """The photos of each split."""
    return {part: {name.split(" crop ")[0] for name in getattr(dataset, part).ids} for part in ("train", "valid", "test")}


@pytest.mark.parametrize(("upscale", "channels"), [(2, 1), (3, 3), (4, 1)])
def test_a_large_crop_is_part_of_its_photo_and_the_small_one_the_same_part_of_the_reduced_photo(
    folder: Path, tmp_path: Path, upscale: int, channels: int
) -> None:
    side = 48
    dataset = load_pairs(folder, upscale=upscale, size=side, channels=channels, cache=tmp_path / "cache")
    found = 0
    for split in (dataset.train, dataset.valid, dataset.test):
        assert split.inputs.shape[1:] == (side // upscale, side // upscale, channels)
        assert split.targets.shape[1:] == (side, side, channels)
        for name, small, large in zip(split.ids, split.inputs, split.targets, strict=True):
            with Image.open(folder / name.split(" crop ")[0]) as opened:
                image = opened.crop((0, 0, opened.width // upscale * upscale, opened.height // upscale * upscale))
            little = image.resize((image.width // upscale, image.height // upscale), Image.Resampling.BICUBIC)
            mode = "L" if channels == 1 else "RGB"
            whole, tiny = (
                np.asarray(each.convert(mode)).reshape(each.height, each.width, channels) for each in (image, little)
            )
            windows = np.lib.stride_tricks.sliding_window_view(tiny, small.shape)[:, :, 0]
            places = np.argwhere((windows == small).all(axis=(2, 3, 4)))
            assert len(places) == 1
            top, left = places[0] * upscale
            np.testing.assert_array_equal(whole[top : top + side, left : left + side], large)
            found += "crop" not in name and abs(2 * top + side - whole.shape[0]) <= 2 * upscale
    assert found == 10  # the middle crop of each photo


def test_no_photo_is_in_two_splits_and_only_training_photos_give_several_crops(folder: Path, tmp_path: Path) -> None:
    dataset = data.load(folder, task="pairs", size=32, valid=2, test=3, cache=tmp_path / "cache")
    own = parts(dataset)
    assert {part: len(names) for part, names in own.items()} == {"train": 5, "valid": 2, "test": 3}
    assert not own["train"] & own["valid"]
    assert not own["train"] & own["test"]
    assert not own["valid"] & own["test"]
    assert len(dataset.train) > 5 * 8
    assert len(set(dataset.train.ids)) == len(dataset.train)
    assert (len(dataset.valid), len(dataset.test)) == (2, 3)
    assert len({crop.tobytes() for crop in dataset.train.targets}) == len(dataset.train)
    other = data.load(folder, task="pairs", size=32, valid=2, test=3, seed=1, cache=tmp_path / "cache")
    assert parts(other) != own
    assert other.fingerprint() != dataset.fingerprint()
    assert other.origin.hash == dataset.origin.hash


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(groups=st.lists(st.integers(1, 3), min_size=3, max_size=7), seed=st.integers(0, 100))
def test_copies_of_a_photo_stay_together(tmp_path_factory: pytest.TempPathFactory, groups: list[int], seed: int) -> None:
    root = tmp_path_factory.mktemp("copies")
    for number, count in enumerate(groups):
        for copy in range(count):
            Image.fromarray(photo(number, 40, 40)).save(root / f"{copy}-{number}.png")
    dataset = load_pairs(root, seed=seed, cache=root / ".cache")
    number_of = {part: {name.split("-")[1] for name in names} for part, names in parts(dataset).items()}
    assert sum(map(len, number_of.values())) == len(groups)
    assert any("exact cop" in note for note in dataset.notes) == (max(groups) > 1)


def test_folders_named_train_and_test_stay_what_they_are(folder: Path, tmp_path: Path) -> None:
    (folder / "cats").rename(folder / "Train")
    (folder / "dogs").rename(folder / "test")
    own = parts(load_pairs(folder, cache=tmp_path / "cache"))
    assert {name.split("/")[0] for name in own["test"]} == {"test"}
    assert len(own["test"]) == 5
    assert {name.split("/")[0] for name in own["train"] | own["valid"]} == {"Train"}
    assert len(own["valid"]) == 1


def test_photos_beside_the_folder_train_are_left_out_and_said(folder: Path, tmp_path: Path) -> None:
    (folder / "cats").rename(folder / "train")
    Image.fromarray(photo(90)).save(folder / "cover.png")
    dataset = load_pairs(folder, cache=tmp_path / "cache")
    assert {name.split("/")[0] for names in parts(dataset).values() for name in names} == {"train"}
    assert dataset.notes == ("6 photos are in none of the folders train, valid and test, and left out.",)


def test_the_second_start_opens_no_photo(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_pairs(folder, cache=tmp_path / "cache")

    def fail(*_: Any) -> None:
        raise AssertionError("a photo was opened")

    monkeypatch.setattr(decoding, "attempt_whole", fail)
    monkeypatch.setattr(decoding, "measure", fail)
    again = load_pairs(folder, cache=tmp_path / "cache")
    assert again.fingerprint() == first.fingerprint()
    np.testing.assert_array_equal(again.train.inputs, first.train.inputs)
    np.testing.assert_array_equal(again.train.targets, first.train.targets)


def test_a_changed_photo_is_cut_anew_and_a_damaged_cache_too(folder: Path, tmp_path: Path) -> None:
    first = load_pairs(folder, cache=tmp_path / "cache")
    kept = next((tmp_path / "cache" / "crops").glob("*.npy"))
    kept.write_bytes(kept.read_bytes()[:-5])
    np.testing.assert_array_equal(load_pairs(folder, cache=tmp_path / "cache").train.targets, first.train.targets)
    Image.fromarray(photo(77)).save(folder / "cats" / "1.png")
    assert load_pairs(folder, cache=tmp_path / "cache").origin.hash != first.origin.hash


def test_where_nothing_can_be_kept_it_works_all_the_same(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_pairs(folder, cache=tmp_path / "cache")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pictures_cache, "write_rows", full)
    again = load_pairs(folder, cache=tmp_path / "other")
    np.testing.assert_array_equal(again.train.targets, first.train.targets)
    assert any("could not be kept" in note for note in again.notes)


def test_many_crops_are_memory_mapped(folder: Path, tmp_path: Path) -> None:
    crops = photo_crops.cut_all(folder, photo_names(folder)[1], upscale=2, cache=tmp_path / "cache")
    assert isinstance(crops.rows, np.memmap)
    small, large = crops.form.divide(crops.rows)
    assert np.shares_memory(small, crops.rows)
    assert np.shares_memory(large, crops.rows)


def test_odd_kinds_of_pictures_are_read_and_corrupt_or_tiny_ones_are_listed(folder: Path, tmp_path: Path) -> None:
    for number in range(10, 50):
        Image.fromarray(photo(number)).save(folder / f"{number}.png")
    Image.fromarray(photo(1, channels=1)[:, :, 0]).save(folder / "grey.png")
    Image.fromarray(photo(2, channels=4)).save(folder / "clear.png")
    Image.fromarray(photo(3)).convert("CMYK").save(folder / "print.jpg")
    Image.fromarray(photo(4)).convert("P").save(folder / "palette.gif")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(photo(5, 70, 200)).save(folder / "sideways.jpg", exif=exif)
    (folder / "broken.jpg").write_bytes((folder / "print.jpg").read_bytes()[:900])
    (folder / "text.png").write_text("no picture")
    Image.fromarray(photo(6, 20, 200)).save(folder / "tiny.png")
    dataset = load_pairs(folder, size=48, cache=tmp_path / "cache")
    reasons = {row.id: row.reason for row in dataset.excluded}
    assert set(reasons) == {"broken.jpg", "text.png", "tiny.png"}
    assert reasons["tiny.png"] == "it is smaller (20 × 200) than a crop of 48 × 48 pixels"
    used = set().union(*parts(dataset).values())
    assert used >= {"grey.png", "clear.png", "print.jpg", "palette.gif", "sideways.jpg"}
    assert len(used) == 55
    _, small, large = next(whole_pairs(folder, ["sideways.jpg"], 2))
    assert (small.shape, large.shape) == ((100, 35, 3), (200, 70, 3))


def test_small_photos_get_small_crops(tmp_path: Path) -> None:
    for number in range(6):
        Image.fromarray(photo(number, 41, 60)).save(tmp_path / f"{number}.png")
    dataset = load_pairs(tmp_path, upscale=3, cache=tmp_path / ".cache")
    assert dataset.schema.inputs.shape == (1, 13, 13)
    assert not dataset.excluded


@pytest.mark.parametrize(("count", "said"), [(1, "got 1 photo of 1 file"), (2, "got 2 photos of 2 files")])
def test_too_few_photos(tmp_path: Path, count: int, said: str) -> None:
    for number in range(count):
        Image.fromarray(photo(number)).save(tmp_path / f"{number}.png")
    with pytest.raises(DataError, match=f"at least three different photos; {said}"):
        load_pairs(tmp_path, cache=tmp_path / ".cache")
    Image.fromarray(photo(0)).save(tmp_path / "copy.png")
    with pytest.raises(DataError, match="at least three different photos"):
        load_pairs(tmp_path, cache=tmp_path / ".cache")


def test_too_many_bad_files_stop_before_the_training(folder: Path, tmp_path: Path) -> None:
    (folder / "bad.jpg").write_text("no picture")
    with pytest.raises(DataError, match=r"1 of 11 rows cannot be used: bad\.jpg"):
        load_pairs(folder, cache=tmp_path / "cache")
    shutil.rmtree(folder / "cats")
    shutil.rmtree(folder / "dogs")
    with pytest.raises(DataError, match=r"Not one of the 1 photos can be read: bad\.jpg"):
        load_pairs(folder, cache=tmp_path / "cache")
    (folder / "bad.jpg").unlink()
    with pytest.raises(DataError, match="There are no photos in"):
        load_pairs(folder, cache=tmp_path / "cache")


def test_all_too_small(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No photo can be used.*smaller"):
        load_pairs(folder, size=512, cache=tmp_path / "cache")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"upscale": 1}, "from 2 to 8; got 1"),
        ({"upscale": 9}, "from 2 to 8"),
        ({"upscale": 3, "size": 64}, "a multiple of 3 from 32 to 1024; got 64. Take 63"),
        ({"size": 8}, "Take 32"),
        ({"size": 4096}, "Take 1024"),
        ({"channels": 2}, "1 or 3"),
        ({"upscale": 2.0}, "from 2 to 8"),
        ({"size": 64.0}, "no whole number. Expected pixels, such as 96; got 64.0"),
        ({"targets": [1, 2]}, "no choice of 'targets'"),
        ({"valid": 0.6, "test": 0.5}, "leave no rows"),
    ],
)
def test_arguments_out_of_range_are_told_before_anything_is_read(folder: Path, given: dict[str, Any], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        data.load(folder, task="pairs", **given)


def test_what_holds_no_photos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Pairs are made from photos"):
        data.load(np.zeros((5, 40, 40, 3), np.uint8), task="pairs")
    with pytest.raises(DataError, match="Pairs are made from photos.*got digits"):
        data.load("digits", task="pairs")
    (tmp_path / "table.csv").write_text("a,b")
    with pytest.raises(DataError, match="a folder of photos"):
        data.load(tmp_path / "table.csv", task="pairs")
    with pytest.raises(SourceNotFoundError, match="There is no file, folder"):
        data.load(tmp_path / "nowhere", task="pairs")
    with pytest.raises(ArgumentError, match="Only pairs have a choice of 'upscale'"):
        data.load("digits", upscale=2)


def test_a_list_of_paths_is_a_source(folder: Path, tmp_path: Path) -> None:
    paths = sorted(folder.rglob("*.png"))
    dataset = load_pairs(paths, cache=tmp_path / "cache")
    assert set().union(*parts(dataset).values()) == {str(path) for path in paths}
    assert dataset.name == "photos"
    twice = load_pairs([paths[3], *paths], cache=tmp_path / "cache")  # one photo, and not a copy of itself
    assert sorted(set().union(*parts(twice).values())) == sorted(map(str, paths))
    assert twice.notes == dataset.notes


def test_other_photos_are_read_for_a_schema_that_exists(folder: Path, tmp_path: Path) -> None:
    schema = load_pairs(folder, upscale=4, size=64, cache=tmp_path / "cache").schema
    split = data.read(folder / "cats", schema, cache=tmp_path / "cache")
    assert split.inputs.shape == (5, 16, 16, 1)
    assert split.targets.shape == (5, 64, 64, 1)
    again = read_pairs(folder / "cats", Schema.from_json(schema.to_json()), cache=tmp_path / "cache")
    np.testing.assert_array_equal(again.targets, split.targets)


def test_batches_are_pairs_from_minus_to_plus_one_half(folder: Path, tmp_path: Path) -> None:
    dataset = load_pairs(folder, size=32, cache=tmp_path / "cache")
    batches = Batches(dataset.train, dataset.schema, 8, shuffle=True, seed=3)
    order = batches.order(2)
    for at, (inputs, targets) in enumerate(batches.epoch(2)):
        rows = order[8 * at : 8 * at + 8].numpy()
        assert inputs.shape[1:] == (1, 16, 16)
        assert targets.shape[1:] == (1, 32, 32)
        expected = torch.from_numpy(dataset.train.targets[rows].astype(np.float32)).permute(0, 3, 1, 2) / 255 - 0.5
        torch.testing.assert_close(targets, expected, atol=1e-6, rtol=0)
        torch.testing.assert_close(dataset.schema.answers.values(targets), (expected + 0.5) * 255, atol=1e-3, rtol=0)


def test_the_luminance_that_is_compared_is_one_for_both_ways_to_learn() -> None:
    colour = torch.from_numpy(photo(3)).permute(2, 0, 1)[None].float()
    grey = torch.from_numpy(np.array(Image.fromarray(photo(3)).convert("L")))[None, None].float()
    one, three = LargePictures(channels=1, upscale=2), LargePictures(channels=3, upscale=2)
    assert (one.compared(grey) - three.compared(colour)).abs().max() < 0.5  # a shade of "L" is rounded
    assert one.compared(grey).shape == (1, 1, 66, 86)


def test_pictures_of_any_kind_are_encoded_for_enlarging() -> None:
    inputs = SmallPictures(16, 16, 1, 2)
    array = photo(0, 30, 40)
    for raw in (array, Image.fromarray(array), torch.from_numpy(array)):
        np.testing.assert_array_equal(inputs.encode(raw), array)
    assert inputs.encode(array[:, :, 0]).shape == (30, 40, 1)
    assert inputs.encode(photo(0, 9, 9, 4)).shape == (9, 9, 3)
    for raw in (array.astype(np.float32), array[None], array[:, :, :2], array[:0]):
        with pytest.raises(ArgumentError, match="no picture to enlarge"):
            inputs.encode(raw)
    with pytest.raises(DataError, match="cannot be read"):
        inputs.encode(b"no picture")


@given(height=st.integers(4, 40), width=st.integers(4, 40), upscale=st.integers(2, 4))
def test_a_reduced_picture_stands_for_whole_pixels(height: int, width: int, upscale: int) -> None:
    small, large = reduced(photo(1, height, width), upscale)
    assert (small.shape[0] * upscale, small.shape[1] * upscale) == large.shape[:2]
    assert height - large.shape[0] < upscale
    assert width - large.shape[1] < upscale
