"""`load` and `read` from end to end: the same again, copies together, bad rows aside, mistakes explained."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from leadline import data
from leadline.data.dataset import Dataset
from leadline.errors import ArgumentError, DataError, SourceNotFoundError

Make = Callable[..., Path]
RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((200, 4))
Y = np.arange(200) % 4


def rows_of(dataset: Dataset) -> list[str]:
    return [*dataset.train.ids, *dataset.valid.ids, *dataset.test.ids]


def same(one: Dataset, other: Dataset) -> bool:
    return (one.schema, one.origin) == (other.schema, other.origin) and all(
        mine.ids == theirs.ids and np.array_equal(mine.inputs, theirs.inputs) and np.array_equal(mine.targets, theirs.targets)
        for mine, theirs in ((one.train, other.train), (one.valid, other.valid), (one.test, other.test))
    )


# Determinism


@pytest.mark.parametrize("source", ["digits", "photos", "npz"])
def test_the_origin_leads_to_the_same_dataset(source: str, photos: Make, tmp_path: Path) -> None:
    if source == "photos":
        source = str(photos({"a/": 10, "b/": 10}))
    elif source == "npz":
        np.savez(tmp_path / "a.npz", inputs=X, targets=Y)
        source = str(tmp_path / "a.npz")
    first = data.load(source, valid=0.2, test=3 if source != "digits" else 50, seed=3)
    assert same(first, data.load(first.origin.source, **first.origin.options))


def test_a_relative_path_is_remembered_whole(photos: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    root = photos({"a/": 5, "b/": 5})
    monkeypatch.chdir(root.parent)
    dataset = data.load("photos")
    monkeypatch.chdir("/")
    assert same(dataset, data.load(dataset.origin.source))


def test_every_row_is_in_one_split_and_only_the_seed_moves_it() -> None:
    one, again, other = data.load(X, Y, seed=1), data.load(X, Y, seed=1), data.load(X, Y, seed=2)
    assert same(one, again)
    assert sorted(rows_of(one)) == sorted(f"row:{row}" for row in range(200))
    assert one.test.ids != other.test.ids
    assert one.origin.hash == other.origin.hash


def test_the_hash_follows_the_content() -> None:
    changed = X.copy()
    changed[7, 2] += 1
    hashes = {data.load(inputs, targets).origin.hash for inputs, targets in ((X, Y), (changed, Y), (X, Y[::-1]))}
    assert len(hashes) == 3


def test_the_order_of_files_on_the_disk_does_not_matter(photos: Make, tmp_path: Path) -> None:
    root = photos({"a/": 10, "b/": 10})
    other = tmp_path / "other"
    for path in sorted(root.rglob("*.png"), reverse=True):
        target = other / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    assert data.load(root).test.ids == data.load(other).test.ids
    assert data.load(root).origin.hash == data.load(other).origin.hash


# What comes in


@pytest.mark.parametrize(
    "source",
    [
        (X, Y),
        [(X, Y)],
        {"inputs": X, "targets": Y},
        {"x": X, "y": Y},
        (torch.from_numpy(X), torch.from_numpy(Y)),
        (X.tolist(), Y.tolist()),
    ],
)
def test_arrays_in_every_wrapping(source: Any) -> None:
    dataset = data.load(*source) if isinstance(source, list) else data.load(source)
    assert same(dataset, data.load(X, Y))
    assert dataset.origin.source == "arrays"


def test_a_list_of_paths(photos: Make) -> None:
    root = photos({"a/": 10, "b/": 10})
    paths = sorted(root.rglob("*.png"))
    dataset = data.load(paths, [path.parent.name for path in paths])
    assert dataset.schema.answers.names == ("a", "b")
    assert all(
        name.split("/")[-2] == "ab"[target] for name, target in zip(dataset.train.ids, dataset.train.targets, strict=True)
    )
    with pytest.raises(ArgumentError, match="no targets"):
        data.load(paths)
    with pytest.raises(DataError, match="20 paths and 2 targets"):
        data.load(paths, ["a", "b"])


def test_labels_and_numbers() -> None:
    labels = data.load(X, (RANDOM.random((200, 3)) < 0.4).astype(int))
    assert labels.task == "labels"
    assert labels.train.targets.dtype == np.float32
    values = RANDOM.standard_normal((200, 2)) * 5 + 100
    number = data.load(X, values)
    assert number.task == "number"
    own = [int(row.removeprefix("row:")) for row in number.train.ids]
    np.testing.assert_allclose(number.schema.answers.mean, values[own].mean(axis=0))  # type: ignore[union-attr]


def test_sizes_of_the_parts() -> None:
    for valid, test, expected in ((0.1, 0.2, (140, 20, 40)), (30, 10, (160, 30, 10)), (0.15, 0.15, (140, 30, 30))):
        dataset = data.load(X, Y, valid=valid, test=test)
        assert (len(dataset.train), len(dataset.valid), len(dataset.test)) == expected


def test_a_million_rows_are_read_in_seconds() -> None:
    import time

    inputs, targets = RANDOM.random((1_000_000, 4), dtype=np.float32), np.arange(1_000_000) % 10
    began = time.process_time()
    assert len(data.load(inputs, targets).train) == 700_000
    assert time.process_time() - began < 20


# Copies


def test_copies_are_kept_together_and_counted() -> None:
    inputs = X.copy()
    inputs[100:140] = inputs[:40]
    dataset = data.load(inputs, Y)
    part = {row: name for name in ("train", "valid", "test") for row in getattr(dataset, name).ids}
    assert all(part[f"row:{row}"] == part[f"row:{row + 100}"] for row in range(40))
    assert any(note.startswith("40 rows are exact copies of others; copies are kept") for note in dataset.notes)


def test_one_copy_is_told_in_the_singular() -> None:
    inputs = X.copy()
    inputs[100] = inputs[0]
    assert "1 row is an exact copy of another; copies are kept in the same split." in data.load(inputs, Y).notes
    arrays = {"train": X[:100], "train_targets": Y[:100], "test": X[99:130], "test_targets": Y[99:130]}
    said = "1 of 31 test rows is an exact copy of a row in train; the source put it there."
    assert said in data.load(arrays).notes


def test_copies_across_the_parts_of_a_source_are_said_and_left() -> None:
    arrays = {"train": X[:100], "train_targets": Y[:100], "test": X[90:130], "test_targets": Y[90:130]}
    dataset = data.load(arrays)
    assert len(dataset.test) == 40
    assert any(note.startswith("10 of 40 test rows are exact copies of rows in train") for note in dataset.notes)


def test_the_same_photo_under_two_names(photos: Make) -> None:
    root = photos({"a/": 10, "b/": 10})
    for number in range(5):
        shutil.copy(root / "a" / f"{number}.png", root / "a" / f"copy{number}.png")
    dataset = data.load(root)
    part = {row: name for name in ("train", "valid", "test") for row in getattr(dataset, name).ids}
    assert all(part[f"a/{number}.png"] == part[f"a/copy{number}.png"] for number in range(5))


# Bad input


def test_a_missing_path_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "flowers").mkdir()
    with pytest.raises(SourceNotFoundError, match="Did you mean 'flowers'"):
        data.load(tmp_path / "flower")
    with pytest.raises(SourceNotFoundError, match="Did you mean 'fashion-mnist'"):
        data.load("fashion_mnist")
    with pytest.raises(SourceNotFoundError, match="arrays in memory"):
        data.load("arrays")


def test_a_zip_instead_of_a_folder(photos: Make, tmp_path: Path) -> None:
    path = Path(shutil.make_archive(str(tmp_path / "photos"), "zip", photos({"a/": 2, "b/": 2})))
    with pytest.raises(DataError, match="is an archive.*Unpack it first"):
        data.load(path)
    with zipfile.ZipFile(tmp_path / "unnamed", "w") as archive:
        archive.writestr("a", "b")
    with pytest.raises(DataError, match="is an archive"):
        data.load(tmp_path / "unnamed")


def test_a_file_that_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "words.doc").write_text("words")
    with pytest.raises(DataError, match=r"not a source that is understood.*got a file of kind \.doc"):
        data.load(tmp_path / "words.doc")
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="got a single picture"):
        data.load(tmp_path / "a.png")


def test_one_class(photos: Make) -> None:
    with pytest.raises(DataError, match="only one class"):
        data.load(photos({"a/": 9}))
    with pytest.raises(DataError, match="only one class"):
        data.load(X, np.ones(200, int))


def test_a_class_with_one_example_or_two(photos: Make) -> None:
    dataset = data.load(photos({"many/": 12, "one/": 1, "two/": 2}))
    assert "one/0.png" in dataset.train.ids
    assert sum(row.startswith("two/") for row in dataset.train.ids) == 1
    assert sum(row.startswith("two/") for row in dataset.test.ids) == 1
    assert "Classes with only 1 example, which is in train: one." in dataset.notes
    assert "Classes with only 2 examples, one in train and one in test: two." in dataset.notes


def test_bad_photos_are_excluded_and_listed(photos: Make) -> None:
    root = photos({"a/": 40, "b/": 40})
    (root / "a" / "text.jpg").write_text("This is no picture.")
    whole = (root / "b" / "3.png").read_bytes()
    (root / "b" / "cut.png").write_bytes(whole[: len(whole) // 2])
    Image.new("L", (10_000, 10_000), 50).save(root / "b" / "huge.jpg")
    dataset = data.load(root)
    assert [row.id for row in dataset.excluded] == ["a/text.jpg", "b/cut.png"]
    assert dataset.excluded[0].reason == "its content is not a picture"
    assert "b/huge.jpg" in rows_of(dataset)
    assert len(rows_of(dataset)) == 81


def test_too_many_bad_photos_stop_before_training(photos: Make) -> None:
    root = photos({"a/": 10, "b/": 10})
    (root / "a" / "1.png").write_text("x")
    (root / "b" / "2.png").write_text("x")
    with pytest.raises(DataError, match=r"2 of 20 rows cannot be used: a/1\.png \(its content is not a picture\); b/2\.png"):
        data.load(root)


def test_mixed_modes_in_one_folder(photos: Make) -> None:
    root = photos({"a/": 6, "b/": 6})
    Image.new("L", (24, 20), 80).save(root / "a" / "grey.png")
    Image.new("RGBA", (24, 20), (1, 2, 3, 0)).save(root / "a" / "clear.png")
    Image.new("CMYK", (24, 20), (0, 0, 0, 255)).save(root / "b" / "print.jpg")
    dataset = data.load(root)
    assert dataset.schema.inputs.describe() == "pictures of 20 × 24 × 3"
    shown = {
        name: split.inputs[row] for split in (dataset.train, dataset.valid, dataset.test) for row, name in enumerate(split.ids)
    }
    assert shown["a/grey.png"].tolist() == np.full((20, 24, 3), 80).tolist()
    assert shown["a/clear.png"].min() == 255
    assert shown["b/print.jpg"].max() < 10


def test_arrays_of_unequal_length_and_mixed_channels() -> None:
    with pytest.raises(DataError, match="200 inputs and 199 targets"):
        data.load(X, Y[:-1])
    with pytest.raises(DataError, match="not all of one shape"):
        data.load([np.zeros((8, 8, 3)), np.zeros((8, 8, 1))], [0, 1])


def test_nan_in_inputs_and_labels_is_excluded_and_listed() -> None:
    inputs, targets = X.copy(), Y.astype(float)
    inputs[3, 1], targets[9] = np.nan, np.nan
    dataset = data.load(inputs, targets)
    assert {row.id: row.reason for row in dataset.excluded} == {
        "row:3": "a value is not finite (NaN or infinity)",
        "row:9": "its label is not a finite number",
    }
    assert len(rows_of(dataset)) == 198
    assert all(np.isfinite(split.inputs).all() for split in (dataset.train, dataset.valid, dataset.test))
    with pytest.raises(DataError, match="200 of 200 rows cannot be used"):
        data.load(np.full_like(X, np.nan), Y)
    with pytest.raises(DataError, match="Not one row has a label"):
        data.load(X, np.full(200, np.nan))


def test_labels_as_floats() -> None:
    dataset = data.load(X, Y.astype(float))
    assert dataset.schema.answers.names == ("0", "1", "2", "3")
    assert any("floats" in note for note in dataset.notes)
    assert data.load(X, Y + 0.5).task == "number"
    with pytest.raises(DataError, match="not classes.*task 'number'"):
        data.load(X, Y + 0.5, task="classes")


def test_labels_that_are_none() -> None:
    targets: list[Any] = ["b", "a"] * 100
    targets[17] = None
    dataset = data.load(X, targets)
    assert [row.id for row in dataset.excluded] == ["row:17"]
    assert dataset.schema.answers.names == ("a", "b")


def test_a_class_that_train_never_shows() -> None:
    arrays = {
        "train": X[:100],
        "train_targets": Y[:100] % 3,
        "test": X[100:],
        "test_targets": np.where(np.arange(100) < 3, 7, Y[100:] % 3),
    }
    dataset = data.load(arrays)
    assert [(row.id, row.reason) for row in dataset.excluded] == [
        (f"test:{row}", "its class 7 is not in train") for row in range(3)
    ]
    assert len(dataset.test) == 97


def test_arguments_out_of_range() -> None:
    for wrong in ({"valid": 0.0}, {"test": 1.5}, {"size": 2}, {"channels": 2}, {"task": "clases"}):
        with pytest.raises(ArgumentError):
            data.load(X, Y, **wrong)
    with pytest.raises(ArgumentError, match="brings its own targets"):
        data.load("digits", Y)
    with pytest.raises(DataError, match="too few rows"):
        data.load(X, Y, test=300)
    with pytest.raises(DataError, match="too few rows"):
        data.load(X[:4], Y[:4])


# Reading with a Schema that exists


def test_read_gives_all_rows_or_the_test_part() -> None:
    schema = data.load(X, Y).schema
    split = data.read((X, Y), schema)
    np.testing.assert_array_equal(split.inputs, X.astype(np.float32))
    assert split.targets.tolist() == Y.tolist()
    arrays = {"train": X[:150], "train_targets": Y[:150], "test": X[150:], "test_targets": Y[150:]}
    assert len(data.read(arrays, schema)) == 50
    assert len(data.read(arrays, schema, part="train")) == 150
    with pytest.raises(ArgumentError, match="no part 'valid'"):
        data.read(arrays, schema, part="valid")
    with pytest.raises(ArgumentError, match="no part"):
        data.read((X, Y), schema, part="test")


def test_read_photos_as_in_training(photos: Make) -> None:
    schema = data.load(photos({"a/": 10, "b/": 10}), size=16).schema
    other = photos({"b/": 3, "a/": 3}, root="other", size=(50, 40))
    split = data.read(other, schema)
    assert split.inputs.shape == (6, 16, 16, 3)
    assert split.targets.tolist() == [0] * 3 + [1] * 3
    for row, name in enumerate(split.ids):
        np.testing.assert_array_equal(split.inputs[row], schema.inputs.encode(other / name))


def test_read_one_class_only(photos: Make) -> None:
    schema = data.load(photos({"a/": 10, "b/": 10})).schema
    assert set(data.read(photos({"b/": 3}, root="other"), schema).targets.tolist()) == {1}


def test_read_unknown_classes(photos: Make) -> None:
    schema = data.load(photos({"rose/": 10, "tulip/": 10})).schema
    with pytest.raises(DataError, match="Did you mean 'rose'"):
        data.read(photos({"roze/": 3, "tulip/": 3}, root="other"), schema)


def test_read_inputs_of_another_form() -> None:
    pictures = RANDOM.integers(0, 256, (40, 8, 8), dtype=np.uint8)
    targets = np.arange(40) % 2
    schema = data.load(pictures, targets).schema
    np.testing.assert_array_equal(data.read((pictures.astype(float), targets), schema).inputs[..., 0], pictures)
    assert data.read((RANDOM.integers(0, 256, (5, 20, 20, 3), dtype=np.uint8), targets[:5]), schema).inputs.shape == (
        5,
        8,
        8,
        1,
    )
    with pytest.raises(ArgumentError, match="whole numbers"):
        data.read((pictures / 255, targets), schema)
    with pytest.raises(DataError, match="not pictures"):
        data.read((X, Y), schema)
    with pytest.raises(DataError, match="wrong shape"):
        data.read((X[:, :3], Y), data.load(X, Y).schema)
