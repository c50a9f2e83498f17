"""Files that hold several inputs for a network that exists: with labels, without, and with lines that cannot be used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from leadline.data.answers import Classes
from leadline.data.input_files import inputs_in, spread, texts_in
from leadline.data.schema import Schema
from leadline.data.series.series import Series
from leadline.data.tables.frame import Frame
from leadline.data.texts.texts import Texts
from leadline.errors import DataError, SourceNotFoundError

STEPS = 24
CLASSES = Classes(("1", "2"))
FIXED = Schema(Series(("value",), (0.0,), (1.0,), shortest=STEPS, longest=STEPS), CLASSES)
VARYING = Schema(Series(("value",), (0.0,), (1.0,), shortest=5, longest=STEPS), CLASSES)
TWO = Schema(Series(("channel 1", "channel 2"), (0.0, 0.0), (1.0, 1.0), shortest=3, longest=3), Classes(("run", "walk")))
WORDS = Schema(Texts(("", "<unk>", "good"), 9, column="said", targets=("mark",)), CLASSES)


def waves(rows: int, steps: int = STEPS) -> np.ndarray:
    return np.array([np.sin(np.arange(steps) / 3 + shift) for shift in range(rows)]).round(4)


def written(path: Path, lines: list[list[object]]) -> Path:
    path.write_text("".join(",".join(map(str, line)) + "\n" for line in lines))
    return path


@pytest.mark.parametrize("rows", [1, 2, 7])
@pytest.mark.parametrize("where", ["first", "last", "none"])
@pytest.mark.parametrize("labels", [("1", "2"), ("1.0", "2.0")])
def test_a_series_in_each_line_wherever_its_class_stands(
    rows: int, where: str, labels: tuple[str, str], tmp_path: Path
) -> None:
    data = waves(rows)
    lines = [
        [*([labels[at % 2]] if where == "first" else []), *series, *([labels[at % 2]] if where == "last" else [])]
        for at, series in enumerate(data)
    ]
    found = inputs_in(written(tmp_path / "new.csv", lines), FIXED)
    if rows == 1 and where == "none":
        assert found is None  # all steps in one row: one series, as before
        np.testing.assert_allclose(FIXED.inputs.encode(tmp_path / "new.csv")[:, 0], data[0], atol=1e-6)
        return
    assert found is not None
    assert found.ids == [f"{tmp_path / 'new.csv'}:{at + 1}" for at in range(rows)]
    np.testing.assert_allclose([raw[:, 0] for raw in found.raws], data, atol=1e-6)
    assert not found.excluded


def test_names_of_columns_tell_what_is_a_value(tmp_path: Path) -> None:
    names = ["id", *(f"t{step}" for step in range(STEPS)), "kind"]
    path = written(tmp_path / "new.csv", [names, *([f"a{at}", *series, "odd"] for at, series in enumerate(waves(3)))])
    found = inputs_in(path, FIXED)
    assert found is not None
    np.testing.assert_allclose([raw[:, 0] for raw in found.raws], waves(3), atol=1e-6)
    assert found.ids[0] == f"{path}:2"


def test_a_gap_at_the_end_is_filled_where_all_have_one_length_and_an_end_elsewhere(tmp_path: Path) -> None:
    lines = [[at % 2 + 1, *series] for at, series in enumerate(waves(4))]
    lines[1][-3:] = ["nan", "?", ""]
    path = written(tmp_path / "new.csv", lines)
    fixed, varying = inputs_in(path, FIXED), inputs_in(path, VARYING)
    assert fixed is not None
    assert varying is not None
    assert fixed.raws[1].ravel()[-4:].tolist() == [pytest.approx(waves(2)[1][-4])] * 4
    assert fixed.notes == ("3 values are missing in 1 series; they were filled in from the steps around them.",)
    assert [len(raw) for raw in varying.raws] == [STEPS, STEPS - 3, STEPS, STEPS]


def test_lines_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    lines = [[at % 2 + 1, *series] for at, series in enumerate(waves(40))]
    lines[3] = [1, *["nan"] * STEPS]
    lines[5] = [1, *waves(1)[0][:-1]]
    lines[7][4] = "oh"
    found = inputs_in(written(tmp_path / "new.csv", lines), FIXED)
    assert found is not None
    assert len(found.raws) == 37
    assert [(row.id.rpartition(":")[2], row.reason) for row in found.excluded] == [
        ("4", "the series holds nothing but gaps"),
        ("6", "it has 24 fields where others have 25"),
        ("8", "it holds 'oh' where a number should be"),
    ]


@pytest.mark.parametrize("steps", [STEPS - 1, STEPS + 2, 3])
def test_lines_of_another_length_are_said_once(steps: int, tmp_path: Path) -> None:
    path = written(tmp_path / "new.csv", waves(5, steps).tolist())
    with pytest.raises(DataError, match=rf"24 steps\. Expected 24 values in each line.*got Its lines hold {steps} fields"):
        inputs_in(path, FIXED)


def test_a_line_for_each_step_is_one_series(tmp_path: Path) -> None:
    column = written(tmp_path / "one.csv", [[value] for value in waves(1)[0]])
    named = written(tmp_path / "named.csv", [["time", "value"], *([at, value] for at, value in enumerate(waves(1)[0]))])
    for path in (column, named):
        for schema in (FIXED, VARYING):
            assert inputs_in(path, schema) is None
            np.testing.assert_allclose(schema.inputs.encode(path)[:, 0], waves(1)[0], atol=1e-6)


def test_series_of_several_lengths_keep_a_first_value_that_could_be_a_class(tmp_path: Path) -> None:
    whole = inputs_in(written(tmp_path / "whole.csv", [[1, 2, 9, 4, 5], [2, 3, 4, 5, 9]]), VARYING)
    assert whole is not None
    assert [raw.ravel().tolist() for raw in whole.raws] == [[1, 2, 9, 4, 5], [2, 3, 4, 5, 9]]
    fractions = inputs_in(written(tmp_path / "fractions.csv", [[1, 2.5, 9, 4, 5], [2, 3, 4, 5.5, 9]]), VARYING)
    assert fractions is not None
    assert [raw.ravel().tolist() for raw in fractions.raws] == [[2.5, 9, 4, 5], [3, 4, 5.5, 9]]


TS = "@problemName steps\n@dimensions 2\n{}\n@data\n{}\n"


@pytest.mark.parametrize(
    ("head", "lines"),
    [
        ("@classLabel true run walk", ["1,2,3:4,5,6:run", "1,2,3:4,5,7:walk"]),
        ("@classLabel true fly", ["1,2,3:4,5,6:fly", "1,2,3:4,5,7:?"]),
        ("@classLabel true run walk", ["1,2,3:4,5,6", "1,2,3:4,5,7"]),  # the classes were taken off
        ("@classLabel false", ["1,2,3:4,5,6", "1,2,3:4,5,7"]),
        ("@targetLabel true", ["1,2,3:4,5,6:0.5", "1,2,3:4,5,7:oh"]),
        ("@timeStamps true\n@classLabel false", ["(0,1),(1,2),(2,3):(0,4),(1,5),(2,6)", "(0,1),(1,2),(2,3):(0,4),(1,5),(2,7)"]),
    ],
)
def test_a_ts_file_with_labels_without_and_with_strange_ones(head: str, lines: list[str], tmp_path: Path) -> None:
    path = tmp_path / "new.ts"
    path.write_text(TS.format(head, "\n".join(lines)))
    found = inputs_in(path, TWO)
    assert found is not None
    assert [raw.tolist() for raw in found.raws] == [[[1, 4], [2, 5], [3, 6]], [[1, 4], [2, 5], [3, 7]]]
    assert [name.rpartition(":")[2] for name in found.ids] == [str(head.count("\n") + 5), str(head.count("\n") + 6)]


def test_channels_of_another_number_are_said(tmp_path: Path) -> None:
    path = tmp_path / "new.ts"
    path.write_text(TS.format("@classLabel false", "1,2,3\n1,2,3:4,5,6\n1,2,3:4,5,6:7,8,9:1,1,1"))
    found = inputs_in(path, TWO)
    assert found is not None
    assert [row.reason for row in found.excluded] == [
        "it has 1 channel where the network was trained on 2",
        "it has 4 channels where the network was trained on 2",
    ]


def test_what_is_no_file_of_series(tmp_path: Path) -> None:
    (tmp_path / "empty.ts").write_text("@problemName x\n@data\n")
    with pytest.raises(DataError, match="holds no series"):
        inputs_in(tmp_path / "empty.ts", TWO)
    (tmp_path / "main.ts").write_text("const x = 1;\n")
    assert inputs_in(tmp_path / "main.ts", TWO) is None
    np.save(tmp_path / "one.npy", waves(1)[0])
    assert inputs_in(tmp_path / "one.npy", FIXED) is None
    assert inputs_in(tmp_path / "gone.csv", FIXED) is None
    assert inputs_in(Path("a text " * 9_000), WORDS) is None


def test_one_line_of_a_file(tmp_path: Path) -> None:
    path = written(tmp_path / "new.csv", [[at % 2 + 1, *series] for at, series in enumerate(waves(40))])
    found = inputs_in(Path(f"{path}:3"), FIXED)
    assert found is not None
    assert found.ids == [f"{path}:3"]
    np.testing.assert_allclose(found.raws[0][:, 0], waves(3)[2], atol=1e-6)
    with pytest.raises(SourceNotFoundError, match=r"nothing in .*new\.csv:41\. Expected one of .*new\.csv:1"):
        inputs_in(Path(f"{path}:41"), FIXED)


def test_a_table_of_texts_with_marks_and_without(tmp_path: Path) -> None:
    with_marks = written(tmp_path / "a.csv", [["id", "said", "mark"], [1, "a good end", 2], [2, "", 1], [3, "so so", 1]])
    found = inputs_in(with_marks, WORDS)
    assert found is not None
    assert (found.ids, found.raws) == ([f"{with_marks}:{line}" for line in (2, 3, 4)], ["a good end", "", "so so"])
    without = written(tmp_path / "b.tsv", [["said"], ["a good end"], ["so so"]])
    again = inputs_in(without, WORDS)
    assert again is not None
    assert again.raws == ["a good end", "so so"]


def test_a_table_whose_texts_have_another_name() -> None:
    sentences = [f"number {number} is good" for number in range(30)]
    marks = ["1", "2"] * 15

    def frame(columns: dict[str, list[str]]) -> Frame:
        return Frame(pl.DataFrame(columns), [str(row) for row in range(30)], digest="", name="rows")

    assert isinstance(WORDS.inputs, Texts)
    assert texts_in(frame({"mark": marks, "review": sentences}), WORDS.inputs).raws == sentences
    assert texts_in(frame({"verdict": marks, "review": sentences}), WORDS.inputs).raws == sentences
    with pytest.raises(DataError, match=r"There is no column 'said' of texts.*got 'sad', 'review'.*Is 'sad' meant"):
        texts_in(frame({"sad": sentences, "review": sentences}), WORDS.inputs)


def test_files_among_other_inputs(tmp_path: Path) -> None:
    path = written(tmp_path / "new.csv", [[at % 2 + 1, *series] for at, series in enumerate(waves(3))])
    found = spread([waves(1)[0], path, waves(2)[1]], FIXED)
    assert found is not None
    assert found.ids == ["0", *(f"{path}:{line}" for line in (1, 2, 3)), "2"]
    assert spread([waves(1)[0]], FIXED) is None
