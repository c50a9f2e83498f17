"""Wide files of series are told from tables, and read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from leadline.data.ragged import Ragged
from leadline.data.series.wide_series import is_wide_series, read_wide
from leadline.errors import DataError

RANDOM = np.random.default_rng(3)


def waves(rows: int = 30, steps: int = 40) -> np.ndarray:
    """Two classes of waves, [rows, 1 + steps], the class first."""
    speed = 0.15 + 0.1 * (np.arange(rows) % 2)
    curves = np.sin(speed[:, None] * np.arange(steps) + RANDOM.uniform(0, 6, (rows, 1))) + 0.02 * RANDOM.normal(
        size=(rows, steps)
    )
    return np.column_stack([np.arange(rows) % 2 + 1, curves])


def write(path: Path, table: np.ndarray, delimiter: str = ",", header: str = "", fmt: str = "%.6g") -> Path:
    np.savetxt(path, table, delimiter=delimiter, header=header, comments="", fmt=fmt)
    return path


@pytest.mark.parametrize("delimiter", [",", "\t", " ", ";", "   "])
def test_the_class_first_and_then_the_values(tmp_path: Path, delimiter: str) -> None:
    table = waves()
    path = write(tmp_path / "a.csv", table, delimiter)
    found = is_wide_series(path)
    assert found, found.reason
    assert (found.target, found.values, found.header) == (0, tuple(range(1, 41)), False)
    raw = read_wide([(path, None)])
    np.testing.assert_allclose(raw.array[..., 0], table[:, 1:], atol=1e-5)
    assert raw.targets[:2].tolist() == ["1", "2"]
    assert raw.ids[0] == "a.csv:1"


def test_the_class_last_or_in_words(tmp_path: Path) -> None:
    table = waves()
    last = np.column_stack([table[:, 1:], table[:, 0]])
    assert is_wide_series(write(tmp_path / "a.csv", last)).target == 40
    lines = [",".join([f"{value:.5g}" for value in row[1:]] + [["slow", "fast"][int(row[0]) - 1]]) for row in table]
    (tmp_path / "b.csv").write_text("\n".join(lines))
    assert read_wide([(tmp_path / "b.csv", None)]).targets[:2].tolist() == ["slow", "fast"]


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ("class," + ",".join(f"t{at}" for at in range(40)), 0),
        ("label," + ",".join(str(at) for at in range(40)), 0),
        ("label," + ",".join(f"{at / 10}" for at in range(40)), 0),
        ("y," + ",".join(f"X_{at}" for at in range(1, 41)), 0),
    ],
)
def test_names_that_count_are_names_of_steps(tmp_path: Path, header: str, target: int) -> None:
    path = write(tmp_path / "a.csv", waves(), header=header)
    found = is_wide_series(path)
    assert found, found.reason
    assert (found.header, found.target, len(found.values)) == (True, target, 40)
    assert len(read_wide([(path, None)])) == 30
    assert read_wide([(path, None)]).ids[0] == "a.csv:2"


def test_a_file_that_is_sorted_by_class_is_seen_as_a_whole(tmp_path: Path) -> None:
    table = waves(1500, 30)
    path = write(tmp_path / "a.csv", table[np.argsort(table[:, 0], kind="stable")])
    found = is_wide_series(path)
    assert found, found.reason
    assert found.target == 0
    assert len(read_wide([(path, None)])) == 1500


def test_a_column_of_ids_is_passed_over(tmp_path: Path) -> None:
    table = np.column_stack([np.arange(30), waves()])
    path = write(tmp_path / "a.csv", table, header="id,class," + ",".join(f"t{at}" for at in range(40)))
    raw = read_wide([(path, None)])
    assert raw.array.shape == (30, 40, 1)
    assert set(raw.targets.tolist()) == {"1", "2"}


def test_tables_stay_tables(tmp_path: Path) -> None:
    table = waves()
    named = ",".join(["class", *(f"{word} of {chr(97 + at)}" for at in range(20) for word in ("price", "age"))])
    shuffled = table[:, [0, *(1 + RANDOM.permutation(40))]]
    numbers = np.column_stack([RANDOM.normal(size=30), table[:, 1:-1], RANDOM.normal(size=30)])
    for name, content, header, words in (
        ("named", table, named, "names that do not count"),
        ("shuffled", shuffled, "class," + ",".join(f"x{at}" for at in range(40)), "order of its columns means little"),
        ("numbers", numbers, "", "Neither its first nor its last column names classes"),
        ("narrow", table[:, :15], "", "too few columns"),
        ("more", np.column_stack([table, table[:, 0], table[:, 0]]),
         "class," + ",".join(f"t{at}" for at in range(40)) + ",age,sex", "not one column"),
    ):  # fmt: skip
        found = is_wide_series(write(tmp_path / f"{name}.csv", content, header=header))
        assert not found
        assert words in found.reason
        with pytest.raises(DataError, match="does not hold a series in each line"):
            read_wide([(tmp_path / f"{name}.csv", None)])


@pytest.mark.parametrize("content", [b"", b"\x00\x01" * 500, b"one line\n", b"a,b\n1\n2,3,4\n", b"1 2 3" * 3_000_000])
def test_what_is_no_table_of_numbers_is_no_series(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    assert not is_wide_series(tmp_path / "a.csv")


def test_the_real_tables_of_scikit_learn_stay_tables(tmp_path: Path) -> None:
    from sklearn import datasets

    for name in ("load_breast_cancer", "load_digits", "load_wine"):
        data, target = getattr(datasets, name)(return_X_y=True)
        data, target = data[::3], target[::3]
        for stem in (name, f"{name}_TRAIN"):
            found = is_wide_series(write(tmp_path / f"{stem}.csv", np.column_stack([target, data])))
            assert not found, (stem, found.reason)


def test_malformed_lines_are_set_aside_and_series_may_end_early(tmp_path: Path) -> None:
    path = write(tmp_path / "Waves_TRAIN.tsv", waves(60), "\t", fmt="%.7e")
    lines = path.read_text().splitlines()
    lines[10] = "\t".join(lines[10].split("\t")[:-3])
    lines[20] = lines[20].replace("e", "x", 5)
    lines[30] = "\t".join([*lines[30].split("\t")[:-5], *["NaN"] * 5])
    lines[40] = lines[40].replace(lines[40].split("\t")[9], "NaN")
    path.write_text("\n".join(lines) + "\n")
    raw = read_wide([(path, None)])
    assert isinstance(raw.inputs, Ragged)
    assert {row.id: row.reason for row in raw.lost}["Waves_TRAIN.tsv:11"] == "it has 38 fields where others have 41"
    assert {row.id for row in raw.lost} == {"Waves_TRAIN.tsv:11", "Waves_TRAIN.tsv:21"}
    assert sorted(raw.inputs.lengths.tolist())[:2] == [35, 40]
    assert raw.notes[-1].startswith("1 value is missing in 1 series")


def test_for_prediction_the_number_of_values_decides(tmp_path: Path) -> None:
    table = waves(3)
    path = write(tmp_path / "a.csv", table[:, 1:])
    assert not is_wide_series(path)
    raw = read_wide([(path, None)], steps=40)
    assert raw.array.shape == (3, 40, 1)
    assert raw.targets.tolist() == ["", "", ""]
    assert read_wide([(write(tmp_path / "b.csv", table), None)], steps=40).targets.tolist() == ["1", "2", "1"]
    assert read_wide([(write(tmp_path / "c.csv", table[:1]), None)], steps=40).targets.tolist() == ["1"]
    with pytest.raises(DataError, match="not the 30 values of a series"):
        read_wide([(path, None)], steps=30)
