"""Inputs alone, from any source: with labels or without, odd rows kept out of what is learned from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from leadline import data
from leadline.data.idx import find_pair
from leadline.data.unlabelled.reconstruction_loading import load_reconstruct, read_reconstruct
from leadline.data.unlabelled.reconstructions import Reconstructions
from leadline.data.unlabelled.unit_inputs import UnitPictures, UnitVectors
from leadline.errors import LeadlineError

ROWS = np.random.default_rng(0).normal(size=(60, 5))


def answers_of(dataset: data.Dataset) -> Reconstructions:
    assert isinstance(dataset.schema.answers, Reconstructions)
    return dataset.schema.answers


def photos(folder: Path, names: list[str], *, cache: Path) -> Path:
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return folder


def test_arrays_need_no_targets_and_their_targets_are_not_learned() -> None:
    alone, beside = load_reconstruct(ROWS), load_reconstruct(ROWS, targets=np.arange(60) % 3)
    assert (answers_of(alone).classes, answers_of(beside).classes) == ((), ("0", "1", "2"))
    assert set(alone.train.targets.tolist()) == {-1}
    assert not answers_of(beside).odd
    assert len(beside.train) + len(beside.valid) + len(beside.test) == 60
    # Standardized by the training rows alone.
    assert alone.schema.inputs.kind == "vectors"
    prepared = alone.schema.inputs.preparer(torch.device("cpu"))(torch.from_numpy(alone.train.array))
    np.testing.assert_allclose(prepared.numpy().std(axis=0), 1, atol=1e-5)


def test_values_from_0_to_1_stay_so_and_others_are_cut() -> None:
    unit = load_reconstruct(np.random.default_rng(0).random((60, 5)))
    assert isinstance(unit.schema.inputs, UnitVectors)
    shown = unit.schema.inputs.preparer(torch.device("cpu"))(torch.tensor([[0.25, -3.0, 1.5, 0, 1]]))
    assert shown.tolist() == [[0.25, 0, 1, 0, 1]]
    digits = load_reconstruct("digits").schema.inputs
    assert isinstance(digits, UnitPictures)
    assert digits.std == (16.0,)
    brighter = torch.full((1, 8, 8, 1), 200, dtype=torch.uint8)
    assert float(digits.preparer(torch.device("cpu"))(brighter).max()) == 1


def test_the_schema_is_kept_whole() -> None:
    schema = load_reconstruct("digits", usual="1,2").schema
    known = data.Schema(schema.inputs, answers_of(load_reconstruct("digits")).with_threshold(2.0, np.arange(3.0)))
    for each in (schema, known):
        assert data.Schema.from_json(each.to_json()) == each


def test_usual_classes_are_learned_from_and_others_judged_by() -> None:
    dataset = load_reconstruct("digits", usual="0, 1", seed=3)
    answers = answers_of(dataset)
    assert set(dataset.train.targets.tolist()) == {0, 1}
    odd = {part: int(answers.is_odd(getattr(dataset, part).targets).sum()) for part in ("train", "valid", "test")}
    assert odd["train"] == 0
    assert odd["valid"] + odd["test"] == 1797 - 178 - 182
    assert min(odd["valid"], odd["test"]) > 600
    ids = [name for part in (dataset.train, dataset.valid, dataset.test) for name in part.ids]
    assert len(set(ids)) == len(ids) == 1797
    again = data.load("digits", task="reconstruct", usual="0, 1", seed=3)
    assert again.fingerprint() == dataset.fingerprint()
    assert again.schema == dataset.schema


def test_a_class_that_training_never_shows_is_odd(tmp_path: Path) -> None:
    names = [f"train/good/{at}.png" for at in range(12)] + [
        f"test/{kind}/{at}.png" for kind in ("good", "hole") for at in range(4)
    ]
    dataset = load_reconstruct(photos(tmp_path / "parts", names, cache=tmp_path), cache=tmp_path / "cache")
    assert answers_of(dataset).odd == ("hole",)
    assert not answers_of(dataset).is_odd(dataset.valid.targets).any()
    assert len(dataset.valid) == 2
    assert answers_of(dataset).is_odd(dataset.test.targets).sum() == 4


def test_photos_need_no_classes(tmp_path: Path) -> None:
    flat = photos(tmp_path / "album", [f"{at}.png" for at in range(10)] + ["deep/11.png"], cache=tmp_path)
    dataset = load_reconstruct(flat, size=8, cache=tmp_path / "cache")
    assert (answers_of(dataset).classes, dataset.schema.inputs.shape) == ((), (3, 8, 8))
    assert len(dataset.train) + len(dataset.valid) + len(dataset.test) == 11
    listed = load_reconstruct([flat / f"{at}.png" for at in range(10)], size=8, cache=tmp_path / "cache")
    assert listed.schema.inputs.shape == (3, 8, 8)
    parted = photos(
        tmp_path / "parted", [f"{part}/{at}.png" for part in ("train", "test") for at in range(6)] + ["x.png"], cache=tmp_path
    )
    dataset = load_reconstruct(parted, cache=tmp_path / "cache")
    assert len(dataset.test) == 6
    assert "1 of 13 photos" in " ".join(dataset.notes)


@pytest.mark.parametrize("form", ["npz alone", "npz parts", "npz labelled", "npy", "dict", "idx alone"])
def test_files_of_arrays_with_and_without_labels(form: str, tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    path: Any = tmp_path / ("rows.npy" if form == "npy" else "rows.npz")
    if form == "npy":
        np.save(path, pictures)
    elif form == "dict":
        path = {"train": pictures[:30], "test": pictures[30:]}
    elif form == "idx alone":
        path = tmp_path / "train-images-idx3-ubyte"
        path.write_bytes(bytes([0, 0, 8, 3]) + np.array([40, 8, 8], ">u4").tobytes() + pictures.tobytes())
        assert find_pair(tmp_path) is None
    else:
        arrays = {"npz alone": {"x": pictures}, "npz parts": {"train": pictures[:30], "test": pictures[30:]}}
        arrays["npz labelled"] = {"inputs": pictures, "targets": np.arange(40) % 2}
        np.savez(path, **arrays[form])
    dataset = load_reconstruct(path)
    assert isinstance(dataset.schema.inputs, UnitPictures)
    assert dataset.schema.inputs.shape == (1, 8, 8)
    assert bool(answers_of(dataset).classes) == (form == "npz labelled")
    assert len(dataset.test) == (10 if "parts" in form or form == "dict" else 6)


def test_tables_keep_their_column_of_classes_apart(tmp_path: Path) -> None:
    lines = ["size,colour,label"] + [
        f"{at % 7 + 0.5},{'red' if at % 2 else 'blue'},{'ok' if at % 20 else 'bad'}" for at in range(80)
    ]
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    whole = load_reconstruct(tmp_path / "rows.csv")
    assert [column.name for column in whole.schema.inputs.columns] == ["size", "colour", "label"]  # type: ignore[union-attr]
    assert "--target label" in " ".join(whole.notes)
    apart = load_reconstruct(tmp_path / "rows.csv", target="label")
    assert [column.name for column in apart.schema.inputs.columns] == ["size", "colour"]  # type: ignore[union-attr]
    assert answers_of(apart).classes == ("bad", "ok")
    assert "--usual ok" in " ".join(apart.notes)
    judged = load_reconstruct(tmp_path / "rows.csv", target="label", usual="ok")
    assert answers_of(judged).odd == ("bad",)
    assert set(judged.train.targets.tolist()) == {1}
    split, answers = read_reconstruct(tmp_path / "rows.csv", judged.schema)
    assert answers.is_odd(split.targets).sum() == 4
    assert len(split) == 80
    (tmp_path / "new.csv").write_text("\n".join(line.rpartition(",")[0] for line in lines))
    split, answers = read_reconstruct(tmp_path / "new.csv", judged.schema)
    assert len(split) == 80
    assert not answers.is_odd(split.targets).any()


def test_named_tables_keep_their_targets_apart() -> None:
    iris = load_reconstruct("iris")
    assert answers_of(iris).classes == ("setosa", "versicolor", "virginica")
    assert iris.schema.inputs.shape == (4,)
    diabetes = load_reconstruct("diabetes")
    assert answers_of(diabetes).classes == ()
    assert "names no classes" in " ".join(diabetes.notes)


def test_rows_in_time_and_in_groups(tmp_path: Path) -> None:
    lines = ["day,who,a"] + [f"{at},{at // 4},{at % 5}.5" for at in range(80)]
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    late = load_reconstruct(tmp_path / "rows.csv", time="day")
    assert max(late.train.array[:, 0]) < min(late.test.array[:, 0])
    grouped = load_reconstruct(tmp_path / "rows.csv", group="who")
    assert "who" not in [column.name for column in grouped.schema.inputs.columns]  # type: ignore[union-attr]


def test_other_rows_are_read_as_the_training_read_its_own() -> None:
    trained = load_reconstruct(ROWS)
    split, answers = read_reconstruct(ROWS[:7], trained.schema)
    np.testing.assert_array_equal(split.array, ROWS[:7].astype(np.float32))
    assert answers.classes == ()
    split, answers = read_reconstruct(ROWS[:6], trained.schema, targets=["a", "b"] * 3, usual="a")
    assert answers.odd == ("b",)
    assert answers.is_odd(split.targets).tolist() == [False, True] * 3


def test_columns_that_never_vary_are_told() -> None:
    rows = ROWS.copy()
    rows[:, 2] = 4.0
    notes = load_reconstruct(rows).notes
    assert any("1 column has one value" in note and note.endswith("2 (from 0). Leave it out.") for note in notes)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"source": ["one text", "another text"] * 20}, "pictures, tables and rows of numbers"),
        ({"source": ROWS, "usual": "a"}, "no classes"),
        ({"source": "digits", "usual": "0,11"}, "class"),
        ({"source": "digits", "usual": ",".join(map(str, range(10)))}, "All classes are usual"),
        ({"source": {"train": np.full((40, 3), 2.0), "test": ROWS[:9, :3], "valid": ROWS[:9, :3]}}, "nothing to learn"),
        ({"source": "nowhere"}, "no file, folder or data set"),
        ({"source": "iris", "target": "species,sepal width (cm)"}, "one column of classes"),
        ({"source": [np.zeros((4, 2)), np.zeros((5, 2))] * 9}, "shape"),
        ({"source": 7}, "single value"),
    ],
)
def test_what_cannot_be_told_again_ends_in_one_sentence(given: dict[str, Any], said: str) -> None:
    with pytest.raises(LeadlineError, match=said):
        load_reconstruct(**given)


def test_usual_is_for_this_task_alone() -> None:
    with pytest.raises(LeadlineError, match="usual"):
        data.load("digits", usual="1")


def test_the_threshold_and_how_rare_a_score_is() -> None:
    told = Reconstructions(("a", "b"), ("b",)).with_threshold(9.0, np.arange(10.0))
    assert told.false_alarms == 0.0
    assert told.reference == tuple(map(float, range(10)))
    np.testing.assert_allclose(told.rarity(np.array([-1.0, 8.5, 20.0])), [1.0, 2 / 11, 1 / 11])
    many = Reconstructions().with_threshold(1e9, np.arange(50_000.0))
    assert len(many.reference) == 1000
    assert many.reference[-1] == 49_999
