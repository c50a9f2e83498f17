"""Files of series are found together, by file, by folder and by the beginning of their names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from leadline.data.series.series_sources import part_of_series, read_series, series_files
from leadline.errors import DataError

TS = "@problemName Walks\n@classLabel true a b\n@data\n1,2,3:a\n4,5,6:b\n"


def names(files: list[tuple[Path, str | None]]) -> list[tuple[str, str | None]]:
    return [(path.name, part) for path, part in files]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("Walks_TRAIN.ts", "Walks_TEST.ts"):
        (tmp_path / name).write_text(TS)
    return tmp_path


def test_training_brings_its_test_and_test_comes_alone(folder: Path) -> None:
    together = [("Walks_TRAIN.ts", "train"), ("Walks_TEST.ts", "test")]
    assert names(series_files(folder)) == together
    assert names(series_files(folder / "Walks")) == together
    assert names(series_files(folder / "Walks_TRAIN.ts")) == together
    assert names(series_files(folder / "Walks_TEST.ts")) == [("Walks_TEST.ts", None)]
    raw = read_series(series_files(folder))
    assert raw.parts is not None
    assert raw.parts.tolist() == ["train", "train", "test", "test"]
    assert raw.first_copies().tolist() == [0, 1, 0, 1]


def test_files_without_a_part_are_left_out_beside_parts(folder: Path) -> None:
    (folder / "Walks.ts").write_text(TS)
    assert len(series_files(folder)) == 2
    assert names(series_files(folder / "Walks.ts")) == [("Walks.ts", None)]


def test_other_files_do_not_disturb(folder: Path) -> None:
    (folder / "Runs_TEST.ts").write_text(TS)
    (folder / "Walks_TEST.txt").write_text("1 2 3\n")
    (folder / ".Walks_VALID.ts").write_text(TS)
    assert len(series_files(folder / "Walks_TRAIN.ts")) == 2
    with pytest.raises(DataError, match="several data sets.*got Runs, Walks. Name one of them"):
        series_files(folder)


def test_wide_files_are_found_too(tmp_path: Path) -> None:
    table = np.column_stack([np.arange(20) % 2, np.sin(np.arange(30) / 4 + np.arange(20)[:, None])])
    for name in ("Waves_TRAIN.tsv", "Waves_TEST.tsv"):
        np.savetxt(tmp_path / name, table, delimiter="\t")
    assert names(series_files(tmp_path)) == [("Waves_TRAIN.tsv", "train"), ("Waves_TEST.tsv", "test")]
    assert names(series_files(tmp_path / "Waves")) == names(series_files(tmp_path))
    assert read_series(series_files(tmp_path)).array.shape == (40, 30, 1)
    (tmp_path / "Waves_TRAIN.ts").write_text(TS)
    assert names(series_files(tmp_path)) == [("Waves_TRAIN.ts", None)]


def test_what_holds_no_series_gives_nothing(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("age,height\n1,2\n3,4\n")
    (tmp_path / "code.ts").write_text("let a = 1\n")
    (tmp_path / "photo.png").write_bytes(b"\x89PNG")
    for name in ("", "table.csv", "code.ts", "photo.png", "absent", "absent/deeper"):
        assert series_files(tmp_path / name) == []


def test_names_tell_parts() -> None:
    for name, expected in (
        ("GunPoint_TRAIN.ts", ("GunPoint", "train")),
        ("my-walks.test.tsv", ("my-walks", "test")),
        ("Walks_validation.txt", ("Walks", "valid")),
        ("train.ts", ("", "train")),
        ("Contest.ts", ("Contest", None)),
        ("GunPoint_TEST", ("GunPoint", "test")),
    ):
        assert part_of_series(Path(name)) == expected


def test_kinds_of_files_are_not_mixed(folder: Path) -> None:
    with pytest.raises(DataError, match="must be of one kind"):
        read_series([(folder / "Walks_TRAIN.ts", "train"), (folder / "Walks_TEST.txt", "test")])
    with pytest.raises(DataError, match="got none"):
        read_series([])
