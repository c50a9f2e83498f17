"""Flat photos and a csv: which column is which, and what several labels look like."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from leadline import data
from leadline.errors import DataError

Make = Callable[..., Path]


def write(path: Path, header: str, *lines: str) -> None:
    path.write_text("\n".join([header, *lines] if header else lines) + "\n")


@pytest.fixture
def flat(photos: Make) -> Path:
    return photos({"": 20})


@pytest.mark.parametrize("spelled", ["{}.png", "./photos/{}.png", "{}"])
@pytest.mark.parametrize("place", ["inside", "beside by name", "beside"])
def test_one_label_column(spelled: str, place: str, flat: Path) -> None:
    path = {"inside": flat / "any.csv", "beside by name": flat.parent / "photos.csv", "beside": flat.parent / "labels.csv"}[
        place
    ]
    spelled = spelled.removeprefix("./photos/")
    write(path, "file,kind", *(f"{spelled.format(row)},{'cat' if row % 2 else 'dog'}" for row in range(20)))
    dataset = data.load(flat)
    assert dataset.schema.answers.names == ("cat", "dog")
    for split in (dataset.train, dataset.valid, dataset.test):
        assert [int(name.removesuffix(".png")) % 2 == 0 for name in split.ids] == (split.targets == 1).tolist()


def test_the_csv_itself_is_a_source(flat: Path) -> None:
    write(flat.parent / "set.csv", "file;kind", *(f"photos/{row}.png;{'cat' if row % 2 else 'dog'}" for row in range(20)))
    dataset = data.load(flat.parent / "set.csv")
    assert dataset.train.ids[0].startswith("photos/")
    assert dataset.task == "classes"


def test_no_header_and_any_order_of_columns(flat: Path) -> None:
    write(flat / "a.csv", "", *(f"{'cat' if row % 2 else 'dog'},{row}.png" for row in range(20)))
    assert data.load(flat).schema.answers.names == ("cat", "dog")
    assert sum(len(split) for split in (data.load(flat).train, data.load(flat).valid, data.load(flat).test)) == 20


@pytest.mark.parametrize("separator", [";", "|", ","])
def test_several_labels_in_one_field(separator: str, flat: Path) -> None:
    fields = [
        f'"{separator.join(name for name, each in (("wet", 2), ("red", 3), ("big", 5)) if row % each == 0)}"'
        for row in range(20)
    ]
    write(flat / "a.csv", "file,tags", *(f"{row}.png,{field}" for row, field in enumerate(fields)))
    dataset = data.load(flat)
    assert dataset.task == "labels"
    assert dataset.schema.answers.names == ("big", "red", "wet")
    for name, row in zip(dataset.train.ids, dataset.train.targets, strict=True):
        assert row.tolist() == [float(int(name.removesuffix(".png")) % each == 0) for each in (5, 3, 2)]


def test_several_columns_of_zeros_and_ones(flat: Path) -> None:
    write(flat / "a.csv", "file,wet,red", *(f"{row}.png,{int(row % 2 == 0)},{int(row % 3 == 0)}" for row in range(20)))
    dataset = data.load(flat)
    assert dataset.task == "labels"
    assert dataset.schema.answers.names == ("wet", "red")


def test_numbers_to_learn(flat: Path) -> None:
    write(flat / "a.csv", "file,weight", *(f"{row}.png,{row / 4}" for row in range(20)))
    dataset = data.load(flat)
    assert dataset.task == "number"
    assert dataset.schema.answers.names == ("weight",)
    assert [float(name.removesuffix(".png")) / 4 for name in dataset.test.ids] == dataset.test.targets[:, 0].tolist()


def test_the_label_column_can_be_named(flat: Path) -> None:
    write(
        flat / "a.csv",
        "file,kind,colour",
        *(f"{row}.png,{'cat' if row % 2 else 'dog'},{'ab'[row % 3 == 0]}" for row in range(20)),
    )
    with pytest.raises(DataError, match="not clear which column.*target="):
        data.load(flat)
    with pytest.raises(DataError, match="Did you mean 'colour'"):
        data.load(flat, target="color")
    dataset = data.load(flat, target="colour")
    assert dataset.schema.answers.names == ("a", "b")
    assert data.load(dataset.origin.source, **dataset.origin.options).origin == dataset.origin


def test_a_column_of_the_usual_name_is_taken(flat: Path) -> None:
    write(flat / "a.csv", "file,Label,author", *(f"{row}.png,{'cat' if row % 2 else 'dog'},x" for row in range(20)))
    dataset = data.load(flat)
    assert dataset.schema.answers.names == ("cat", "dog")
    assert any("column Label of a.csv" in note for note in dataset.notes)


def test_missing_files_and_labels_and_ragged_lines(photos: Make) -> None:
    flat = photos({"": 100})
    lines = [f"{row}.png,{'cat' if row % 2 else 'dog'}" for row in range(100)]
    lines[3], lines[7], lines[11] = "nowhere.png,cat", "7.png,", "11.png,cat,more"
    write(flat / "a.csv", "file,kind", *lines)
    dataset = data.load(flat)
    assert {row.id: row.reason for row in dataset.excluded} == {
        "nowhere.png": "a.csv names it, but it is not there",
        "7.png": "it has no label",
    }
    assert any("1 line of a.csv with too few or too many fields was left out." in note for note in dataset.notes)
    assert any("2 pictures that lie in no class folder, or have no label" in note for note in dataset.notes)


def test_a_csv_that_has_nothing_to_do_with_the_classes(photos: Make) -> None:
    root = photos({"a/": 5, "b/": 5})
    for line in ("monday,x", "monday,3"):  # 3 might be the picture 3.png, but then most pictures have no label
        write(root / "prices.csv", "day,price", line)
        assert data.load(root).schema.answers.names == ("a", "b")


def test_a_csv_that_names_nothing(flat: Path) -> None:
    write(flat / "a.csv", "day,price", "monday,x")
    with pytest.raises(DataError, match="No column of .* names pictures"):
        data.load(flat)
    (flat / "a.csv").write_bytes(b"")
    with pytest.raises(DataError, match="is empty"):
        data.load(flat)
    (flat / "a.csv").write_bytes("file,näme\n".encode("latin-1"))
    with pytest.raises(DataError, match="UTF-8"):
        data.load(flat)


def test_labels_are_read_in_the_order_of_the_training(flat: Path) -> None:
    write(flat / "a.csv", "file,tags", *(f"{row}.png,{'wet;red' if row % 2 else 'big'}" for row in range(20)))
    schema = data.load(flat).schema
    write(flat / "a.csv", "file,tags", *(f"{row}.png,{'wet;wet' if row % 2 else 'red'}" for row in range(20)))
    split = data.read(flat, schema)
    np.testing.assert_array_equal(split.targets[:2], [[0, 1, 0], [0, 0, 1]])
    write(flat / "a.csv", "file,tags", *(f"{row}.png,{'wet;rad' if row % 2 else 'red'}" for row in range(20)))
    with pytest.raises(DataError, match="Did you mean 'red'"):
        data.read(flat, schema)
