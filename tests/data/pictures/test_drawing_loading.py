"""Pictures to draw from: every kind of source with and without classes, the range of −1 to 1, shares, sizes, too few."""

from __future__ import annotations

import csv
import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from leadline import data
from leadline.data.pictures.drawing_loading import check_drawable
from leadline.data.pictures.drawing_sources import scaled
from leadline.data.pictures.drawn_answers import Drawings
from leadline.data.pictures.pictures import Pictures
from leadline.data.schema import Schema
from leadline.errors import ArgumentError, DataError


def shades(rows: int, side: int = 8, seed: int = 0, channels: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (rows, side, side, channels), dtype=np.uint8)


def write(folder: Path, pictures: NDArray[np.uint8]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture.squeeze()).save(folder / f"{number:03}.png")


def prepared(dataset: data.Dataset) -> torch.Tensor:
    stored = torch.from_numpy(np.array(dataset.train.inputs))
    return dataset.schema.inputs.preparer(torch.device("cpu"))(stored)


def test_digits_come_with_their_classes_between_minus_one_and_one() -> None:
    digits = data.load("digits", task="generate")
    assert digits.task == "generate"
    assert digits.schema.answers == Drawings(tuple("0123456789"))
    seen = prepared(digits)
    assert (seen.min().item(), seen.max().item()) == (-1.0, 1.0)
    whole = data.load("digits")
    assert sum(map(len, (digits.train, digits.valid, digits.test))) == 1797
    rows = {name: at for at, name in enumerate(whole.train.ids)}
    shared = [(at, rows[name]) for at, name in enumerate(digits.train.ids) if name in rows]
    assert len(shared) > 800
    assert all(digits.train.targets[ours] == whole.train.targets[theirs] for ours, theirs in shared)
    assert not set(digits.train.ids) & set(digits.test.ids)
    assert Schema.from_json(digits.schema.to_json()) == digits.schema


@pytest.mark.parametrize(
    ("pictures", "low", "high"),
    [
        (shades(120), 0.0, 255.0),
        (shades(120) // 16, 0.0, 15.0),
        (np.random.default_rng(0).uniform(-3, 5, (120, 8, 8, 1)).astype(np.float32), None, None),
    ],
)
def test_what_is_stored_comes_back_from_what_the_network_sees(pictures: Any, low: float | None, high: float | None) -> None:
    dataset = data.load(pictures, task="generate")
    inputs = dataset.schema.inputs
    assert isinstance(inputs, Pictures)
    if low is not None and high is not None:
        assert inputs.mean == ((low + high) / 2,)
        assert inputs.std == ((high - low) / 2,)
    seen = prepared(dataset)
    assert seen.min() >= -1 - 1e-6
    assert seen.max() <= 1 + 1e-6
    back = inputs.restored(seen)
    assert back.dtype == pictures.dtype
    np.testing.assert_allclose(back, dataset.train.inputs, atol=1e-5)
    far = inputs.restored(torch.full((1, 1, 8, 8), 3.0))
    assert far.max() == (min(255, round(inputs.mean[0] + 3 * inputs.std[0])) if low is not None else far.max())


def test_a_flat_folder_has_no_classes_and_one_with_sub_folders_has(tmp_path: Path) -> None:
    write(tmp_path / "flat", shades(110))
    flat = data.load(tmp_path / "flat", task="generate")
    assert flat.schema.answers == Drawings()
    assert not flat.train.targets.any()
    assert len(flat.valid) == len(flat.test) == 20
    write(tmp_path / "two" / "cats", shades(60))
    write(tmp_path / "two" / "dogs", shades(60, seed=1))
    two = data.load(tmp_path / "two", task="generate")
    assert two.schema.answers.names == ("cats", "dogs")
    for name, target in zip(two.train.ids, two.train.targets, strict=True):
        assert name.startswith(("cats/", "dogs/")[target])
    write(tmp_path / "one" / "cats", shades(110))
    assert data.load(tmp_path / "one", task="generate").schema.answers == Drawings()


def test_a_csv_names_the_classes_where_it_can(tmp_path: Path) -> None:
    write(tmp_path, shades(120))
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "kind", "weight"])
        table.writerows((f"{number:03}.png", "odd" if number % 2 else "even", number / 7) for number in range(120))
    named = data.load(tmp_path, task="generate", target="kind")
    assert named.schema.answers.names == ("even", "odd")
    assert named.origin.options["target"] == "kind"
    of_numbers = data.load(tmp_path, task="generate", target="weight")
    assert of_numbers.schema.answers == Drawings()
    assert any("numbers and no classes" in note for note in of_numbers.notes)
    assert data.load(tmp_path, task="generate").schema.answers == Drawings()  # which column it is does not show
    with pytest.raises(DataError, match="king"):
        data.load(tmp_path, task="generate", target="king")


def test_folders_that_divide_photos_are_taken_at_their_word(tmp_path: Path) -> None:
    for part, rows, seed in (("train", 90, 0), ("valid", 21, 1), ("test", 22, 2)):
        write(tmp_path / part, shades(rows, seed=seed))
    write(tmp_path / "other", shades(3, seed=3))
    dataset = data.load(tmp_path, task="generate")
    assert (len(dataset.train), len(dataset.valid), len(dataset.test)) == (90, 21, 22)
    assert all(name.startswith("test/") for name in dataset.test.ids)
    assert any(note.startswith("3 photos are in none") for note in dataset.notes)


def idx(array: NDArray[np.uint8]) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def test_idx_and_npz_files_need_no_labels(tmp_path: Path) -> None:
    pictures, labels = shades(120)[..., 0], np.arange(120, dtype=np.uint8) % 3
    (tmp_path / "faces-images-idx3-ubyte").write_bytes(idx(pictures))
    assert data.load(tmp_path / "faces-images-idx3-ubyte", task="generate").schema.answers == Drawings()
    (tmp_path / "faces-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    assert data.load(tmp_path / "faces-images-idx3-ubyte", task="generate").schema.answers.names == ("0", "1", "2")
    np.savez(tmp_path / "alone.npz", inputs=pictures)
    assert data.load(tmp_path / "alone.npz", task="generate").schema.answers == Drawings()
    np.savez(tmp_path / "divided.npz", train=pictures, test=pictures[:25] // 2)
    divided = data.load(tmp_path / "divided.npz", task="generate")
    assert len(divided.test) == 25
    assert len(divided.valid) == 20
    np.savez(tmp_path / "named.npz", x=pictures, y=labels)
    assert data.load(tmp_path / "named.npz", task="generate").schema.answers.names == ("0", "1", "2")


def test_arrays_lists_and_their_targets(tmp_path: Path) -> None:
    pictures = shades(120)
    assert data.load(pictures[..., 0], task="generate").schema.answers == Drawings()
    assert data.load(torch.from_numpy(pictures), task="generate").schema.answers == Drawings()
    with_classes = data.load((pictures, np.arange(120) % 2), task="generate")
    assert with_classes.schema.answers.names == ("0", "1")
    assert np.array_equal(with_classes.train.targets, [int(name.split(":")[1]) % 2 for name in with_classes.train.ids])
    assert data.load(pictures, np.arange(120) / 7, task="generate").schema.answers == Drawings()
    write(tmp_path, pictures)
    paths = sorted(map(str, tmp_path.glob("*.png")))
    assert data.load(paths, task="generate").schema.answers == Drawings()
    assert data.load(paths, ["a", "b"] * 60, task="generate").schema.answers.names == ("a", "b")


def test_photos_get_a_side_that_suits_their_number_and_load_the_same_again(tmp_path: Path) -> None:
    write(tmp_path, shades(110, side=70, channels=3))
    photos = data.load(tmp_path, task="generate", cache=tmp_path / "cache")
    assert photos.schema.inputs.shape == (3, 32, 32)
    assert photos.origin.options["size"] == 32
    again = data.load(tmp_path, cache=tmp_path / "cache", **{k: v for k, v in photos.origin.options.items() if v is not None})
    assert again.fingerprint() == photos.fingerprint()
    asked = data.load(tmp_path, task="generate", size=48, channels=1, cache=tmp_path / "cache")
    assert asked.schema.inputs.shape == (1, 48, 48)
    small = tmp_path / "small"
    write(small, shades(110, side=20))
    assert data.load(small, task="generate").schema.inputs.shape == (1, 20, 20)  # small ones of one size stay as they are


def test_arrays_are_scaled_where_a_size_is_asked_for() -> None:
    pictures = np.full((110, 30, 40, 1), 100, np.uint8)
    pictures += np.arange(110, dtype=np.uint8)[:, None, None, None]
    dataset = data.load(pictures, task="generate", size=28)
    assert dataset.schema.inputs.shape == (1, 28, 28)
    row = int(dataset.train.ids[0].split(":")[1])
    assert (dataset.train.inputs[0] == 100 + row).all()
    assert any("scaled to 28 × 28" in note for note in dataset.notes)
    gradient = np.tile(np.arange(64, dtype=np.float32)[None, :, None, None], (1, 1, 64, 1))
    halved = scaled(gradient, 32)[0, :, 0, 0]
    np.testing.assert_allclose(halved[2:-2], np.arange(32)[2:-2] * 2 + 0.5, atol=1e-4)


@pytest.mark.parametrize(
    ("source", "given", "told"),
    [
        (shades(103), {}, r"at least 104 different ones, 64 to learn from, 20 to choose by and 20 to judge by; got 103"),
        (np.repeat(shades(60), 3, axis=0), {}, "got 60"),
        (shades(120), {"valid": 5}, "data.valid is too small"),
        (shades(120), {"size": 2}, "out of range"),
        (shades(120), {"channels": 2}, "neither grey nor colour"),
        (shades(120), {"channels": 3}, "keep their channels"),
        (np.zeros((120, 5), np.float32), {}, "Only pictures can be drawn"),
        ("iris", {}, "Only pictures can be drawn"),
        (shades(120), {"upscale": 2}, "no choice of 'upscale'"),
    ],
)
def test_what_cannot_be_drawn_from(source: Any, given: dict[str, Any], told: str) -> None:
    with pytest.raises((ArgumentError, DataError), match=told):
        data.load(source, task="generate", **given)


def test_a_broken_photo_is_set_aside_and_many_end_it(tmp_path: Path) -> None:
    write(tmp_path, shades(110))
    (tmp_path / "broken.png").write_text("no picture")
    dataset = data.load(tmp_path, task="generate")
    assert [row.id for row in dataset.excluded] == ["broken.png"]
    for number in range(8):
        (tmp_path / f"bad{number}.png").write_text("no picture")
    with pytest.raises(DataError, match="9 of 119 rows cannot be used"):
        data.load(tmp_path, task="generate")


def test_other_pictures_are_read_in_the_form_of_the_training(tmp_path: Path) -> None:
    schema = data.load(shades(120, channels=3), np.arange(120) % 2, task="generate").schema
    write(tmp_path, shades(5, side=30))
    split = data.read(tmp_path, schema)
    assert split.inputs.shape == (5, 8, 8, 3)
    assert split.targets.tolist() == [-1] * 5
    others = data.read(shades(4, channels=3), schema, targets=np.array([1, 0, 7, 1]))
    assert others.targets.tolist() == [1, 0, -1, 1]


def test_pictures_that_cannot_be_learned_from_are_refused() -> None:
    with pytest.raises(DataError, match="at least 64, and rather thousands; got 63"):
        check_drawable(shades(63))
    with pytest.raises(DataError, match="all the same"):
        check_drawable(np.broadcast_to(shades(1), (3000, 8, 8, 1)))
    flat = np.array(np.broadcast_to(shades(3000, side=1, channels=3), (3000, 8, 8, 3)))
    with pytest.raises(DataError, match="flat colour"):
        check_drawable(flat)
    flat[2999, 0, 0, 0] ^= 1
    check_drawable(flat)
    check_drawable(shades(64))
