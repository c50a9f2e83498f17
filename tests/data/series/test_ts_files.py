"""The .ts format of the UEA and UCR archives, as it is meant and as it is found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from leadline.data.ragged import Ragged
from leadline.data.raw import Raw
from leadline.data.series.ts_files import is_ts, read_ts
from leadline.errors import DataError

HEAD = "#About\n@problemName Walks\n@timeStamps false\n@univariate true\n@equalLength true\n@classLabel true a b\n@data\n"


def read(folder: Path, text: str, name: str = "Walks.ts") -> Raw:
    (folder / name).write_text(text, encoding="utf-8")
    return read_ts([(folder / name, None)])


def reasons(raw: Raw) -> dict[str, str]:
    return {row.id: row.reason for row in raw.lost}


def test_one_channel_with_classes(tmp_path: Path) -> None:
    raw = read(tmp_path, HEAD + "1.5, 2,3e1 : a\n% a comment\n\n-1,?,NaN:b\n")
    np.testing.assert_array_equal(raw.array[..., 0], np.array([[1.5, 2, 30], [-1, -1, -1]], np.float32))
    assert raw.targets.tolist() == ["a", "b"]
    assert raw.ids == ["Walks.ts:8", "Walks.ts:11"]
    assert (raw.name, raw.task, raw.parts) == ("Walks", "classes", None)
    assert raw.notes[0].startswith("2 values are missing in 1 series")


def test_several_channels_and_lengths(tmp_path: Path) -> None:
    head = "@PROBLEMNAME Walks\n@Dimensions 2\n@equalLength false\n@classLabel true\n@DATA\n"
    raw = read(tmp_path, head + "1,2,3:4,5,6:left\n7:8:right turn\n")
    assert isinstance(raw.inputs, Ragged)
    assert raw.inputs.row(0).tolist() == [[1, 4], [2, 5], [3, 6]]
    assert raw.inputs.row(1).tolist() == [[7, 8]]
    assert raw.targets.tolist() == ["left", "right turn"]


def test_numbers_to_learn(tmp_path: Path) -> None:
    raw = read(tmp_path, "@problemName Rain\n@targetlabel true\n@data\n1,2:0.25\n3,4:?\n5,6:much\n")
    assert raw.task == "number"
    np.testing.assert_array_equal(raw.targets, [0.25, np.nan])
    assert reasons(raw) == {"Walks.ts:6": "its target 'much' is not a number"}


def test_without_labels_the_targets_are_empty(tmp_path: Path) -> None:
    raw = read(tmp_path, "@problemName Walks\n@classLabel false\n@data\n1,2\n3,4\n")
    assert raw.targets.tolist() == ["", ""]
    assert raw.task is None


def test_malformed_lines_are_set_aside_with_their_reason(tmp_path: Path) -> None:
    good = "".join(f"{number},2,3:a\n" for number in range(30))
    raw = read(tmp_path, HEAD + good + "1,2,x:a\n1,2,3\n1,2:a\n1,2,3:c\n1,2,3:4,5,6:a\n?,?,?:a\n1,inf,2:b\n1,2,3:?\n")
    assert reasons(raw) == {
        "Walks.ts:38": "it holds 'x' where a number should be",
        "Walks.ts:39": "it has no class",
        "Walks.ts:40": "it has 2 steps where others have 3",
        "Walks.ts:41": "its class 'c' is not among those that the file names",
        "Walks.ts:42": "it has 2 dimensions where the file says 1",
        "Walks.ts:43": "the series holds nothing but gaps",
        "Walks.ts:44": "a value of the series is infinite",
    }
    assert len(raw) == 31
    assert raw.targets[-1] == ""


def test_dimensions_of_different_lengths_are_set_aside(tmp_path: Path) -> None:
    raw = read(tmp_path, "@dimensions 2\n@classLabel true\n@data\n1,2:3,4:a\n1,2:3:a\n")
    assert reasons(raw) == {"Walks.ts:5": "its dimensions differ in length: 1, 2 values"}


def test_classes_are_matched_as_numbers_too(tmp_path: Path) -> None:
    raw = read(tmp_path, "@classLabel true 1 2\n@data\n1,2:1.0\n3,4:2\n")
    assert raw.targets.tolist() == ["1", "2"]


def test_time_stamps_order_the_steps_and_gaps_are_filled_in_time(tmp_path: Path) -> None:
    head = "@problemName Walks\n@timeStamps true\n@dimensions 2\n@classLabel true\n@data\n"
    raw = read(tmp_path, head + "(3,6),(0,0),(1,?):(0,5),(1,5),(3,5),(3,7):a\n")
    assert isinstance(raw.inputs, np.ndarray)
    np.testing.assert_allclose(raw.inputs[0], [[0, 5], [2, 5], [6, 6]])
    assert any("1 time stamp stands twice" in note for note in raw.notes)
    assert any("In 1 series the time between steps varies" in note for note in raw.notes)


def test_dates_with_colons_are_time_stamps(tmp_path: Path) -> None:
    head = "@timeStamps true\n@classLabel true\n@data\n"
    line = '("2007-12-31 00:00:00",1),("2007-12-31 06:00:00",?),("2008-01-01 00:00:00",5):("2007-12-31 00:00:00",7):a\n'
    raw = read(tmp_path, head + line + "(yesterday,1),(today,2):(0,1):b\n(1,2),3:(1,1):a\n")
    np.testing.assert_allclose(raw.array[0], [[1, 7], [2, 7], [5, 7]])
    assert reasons(raw)["Walks.ts:5"].startswith("its time stamp 'yesterday' or one after it is neither")
    assert "where pairs (time, value) should be" in reasons(raw)["Walks.ts:6"]


def test_files_are_parts(tmp_path: Path) -> None:
    for part in ("TRAIN", "TEST"):
        (tmp_path / f"Walks_{part}.ts").write_text(HEAD + "1,2,3:a\n4,5,6:b\n" + "7,8,9:a\n" * (part == "TEST"))
    raw = read_ts([(tmp_path / "Walks_TRAIN.ts", "train"), (tmp_path / "Walks_TEST.ts", "test")])
    assert raw.parts is not None
    assert raw.parts.tolist() == ["train"] * 2 + ["test"] * 3
    assert raw.ids[2] == "Walks_TEST.ts:8"
    assert raw.notes == ("Walks_TRAIN.ts (2 series) is for training, Walks_TEST.ts (3 series) for the test.",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("export const x = 1;\n", "is not a .ts file of time series.*got in line 1: 'export"),
        ("@problemName Walks\n", "holds no series. Expected a line @data"),
        ("@data\n", "holds no series that can be used"),
        ("@classLabel true a\n@data\n1,x:a\n", r"no series that can be used. Got Walks.ts:3 \(it holds 'x'"),
    ],
)
def test_what_is_no_such_file_ends_in_one_paragraph(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read(tmp_path, text)


def test_parts_must_learn_the_same_kind_of_target(tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_text("@classLabel true\n@data\n1:a\n")
    (tmp_path / "b.ts").write_text("@targetLabel true\n@data\n1:2\n")
    with pytest.raises(DataError, match="differ in what is to be learned.*a.ts: classes, b.ts: number"):
        read_ts([(tmp_path / "a.ts", "train"), (tmp_path / "b.ts", "test")])


def test_films_and_programs_are_not_taken_for_series(tmp_path: Path) -> None:
    for name, content, expected in (
        ("film.ts", b"G@\x00\x10" * 100, False),
        ("code.ts", b"// hello\nlet a = 1\n", False),
        ("good.ts", b"\xef\xbb\xbf#note\n\n@problemName x\n", True),
        ("good.txt", b"@problemName x\n", False),
        ("empty.ts", b"", False),
    ):
        (tmp_path / name).write_bytes(content)
        assert is_ts(tmp_path / name) is expected
    assert not is_ts(tmp_path / "none.ts")


def test_letters_that_are_no_utf8_do_not_stop_it(tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_bytes(b"#caf\xe9\n@classLabel true caf\xe9\n@data\n1,2:caf\xe9\n")
    assert len(read_ts([(tmp_path / "a.ts", None)])) == 1
