"""Where the inputs of `leadline predict` come from."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leadline.cli.inputs import check_inputs, frames_from, inputs_from
from leadline.data import Classes
from leadline.data.schema import Schema
from leadline.data.series.series import Series
from leadline.errors import ArgumentError, DataError, SourceNotFoundError

NOTHING = io.BytesIO()


def picture(path: Path, shade: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8), shade).save(path)
    return path


def test_a_file_stands_for_itself_even_if_it_is_missing() -> None:
    assert list(inputs_from(["a.png", "b.png"], NOTHING)) == [("a.png", Path("a.png")), ("b.png", Path("b.png"))]


def test_a_folder_stands_for_its_pictures_in_order(tmp_path: Path) -> None:
    for name in ("b.png", "a.png", "deep/er/c.JPG", ".hidden.png"):
        picture(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    names = [name for name, _ in inputs_from([str(tmp_path)], NOTHING)]
    assert names == [str(tmp_path / name) for name in ("a.png", "b.png", "deep/er/c.JPG")]


def test_an_empty_folder_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="no pictures"):
        list(inputs_from([str(tmp_path)], NOTHING))


def test_an_array_stands_for_its_rows(tmp_path: Path) -> None:
    rows = np.arange(12.0).reshape(3, 4)
    np.save(tmp_path / "x.npy", rows)
    inputs = list(inputs_from([str(tmp_path / "x.npy")], NOTHING))
    assert [name for name, _ in inputs] == [f"{tmp_path / 'x.npy'}:{row}" for row in range(3)]
    np.testing.assert_array_equal([values for _, values in inputs], rows)


@pytest.mark.parametrize("keys", [("x", "y"), ("train", "test"), ("x_train", "x_test"), ("features",)])
def test_an_archive_stands_for_the_rows_of_its_inputs(keys: tuple[str, ...], tmp_path: Path) -> None:
    arrays = {key: np.arange(24.0).reshape(2, 3, 2, 2) + at for at, key in enumerate(keys)}
    np.savez(tmp_path / "x.npz", **arrays)
    inputs = list(inputs_from([str(tmp_path / "x.npz")], NOTHING))
    wanted = next(key for key in ("x", "test", "x_test", "features") if key in keys)
    assert [name for name, _ in inputs] == [f"{tmp_path / 'x.npz'}:{row}" for row in range(2)]
    np.testing.assert_array_equal([values for _, values in inputs], arrays[wanted])


def test_an_archive_that_does_not_say_what_its_inputs_are(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", cats=np.ones((2, 3)), dogs=np.ones((2, 3)))
    with pytest.raises(DataError, match=r"not clear which array.*got cats, dogs"):
        list(inputs_from([str(tmp_path / "x.npz")], NOTHING))
    np.savez(tmp_path / "y.npz", x=np.ones(3))
    with pytest.raises(DataError, match=r"x of shape \(3,\)"):
        list(inputs_from([str(tmp_path / "y.npz")], NOTHING))
    (tmp_path / "z.npz").write_bytes(b"PK no archive")
    with pytest.raises(DataError, match="cannot be read as arrays"):
        list(inputs_from([str(tmp_path / "z.npz")], NOTHING))
    np.savez(tmp_path / "p.npz", x=np.array([{"a": 1}, None], dtype=object))
    with pytest.raises(DataError, match="cannot be read as arrays"):
        list(inputs_from([str(tmp_path / "p.npz")], NOTHING))


def test_a_pickle_in_an_array_file_is_not_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{"a": 1}, None], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="cannot be read as an array"):
        list(inputs_from([str(tmp_path / "x.npy")], NOTHING))


@pytest.mark.parametrize("content", [b"", b"no array"])
def test_a_damaged_array_is_said_so(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(DataError, match="cannot be read as an array"):
        list(inputs_from([str(tmp_path / "x.npy")], NOTHING))


def test_one_row_of_numbers_is_not_a_list_of_inputs(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(4.0))
    with pytest.raises(DataError, match="not a list of inputs"):
        list(inputs_from([str(tmp_path / "x.npy")], NOTHING))


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b""])
def test_standard_input_may_be_paths(ending: bytes) -> None:
    names = ["a long path that goes on beyond the first sixty-four bytes " * 3 + ".png", "rosé.jpg", "c.gif"]
    lines = (b"\r\n" if ending == b"\r\n" else b"\n").join(name.encode() for name in names) + ending
    assert [name for name, _ in inputs_from(["-"], io.BytesIO(lines))] == names


def test_a_path_that_is_no_text_comes_through(tmp_path: Path) -> None:
    ((_, path),) = inputs_from(["-"], io.BytesIO(b"caf\xe9.png\n"))
    assert bytes(path) == b"caf\xe9.png"


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_standard_input_may_be_a_picture(form: str) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), (200, 30, 30)).save(stream, form)
    stream.seek(0)
    assert list(inputs_from(["-"], stream)) == [("-", stream.getvalue())]


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_nothing_on_standard_input_is_said_so(content: bytes) -> None:
    with pytest.raises(DataError, match="Nothing came"):
        list(inputs_from(["-"], io.BytesIO(content)))


@pytest.mark.parametrize("name", ["digits", "iris", "cifar10"])
def test_the_name_of_a_data_set_is_sent_to_evaluate(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ArgumentError, match=f"{name} is the name of a data set.*: leadline evaluate 'my runs/a' {name}"
    ) as told:
        check_inputs(["a.png", name], "my runs/a")
    assert "Did you mean" not in str(told.value)
    check_inputs(["a.png", "dig", "-"], "last")
    (tmp_path / name).mkdir()
    check_inputs([name], "last")


def test_a_mistyped_table_is_sought_among_files_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "houses.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    # A known data set would be nearer than any file.
    for word, close in (("house.csv", "Did you mean 'houses.csv'?"), ("irs", ""), ("gone/irs", "")):
        with pytest.raises(SourceNotFoundError, match=f"There is no file or folder {word}") as told:
            list(frames_from([word], NOTHING, None))  # type: ignore[arg-type]
        assert str(told.value).endswith(close or "as the network was trained on a table.")


def test_series_come_on_standard_input_as_well() -> None:
    walks = Schema(Series(("value",), (0.0,), (1.0,), shortest=3, longest=3), Classes(("fast", "slow")))
    for head in ("@problemName walks\n@classLabel false\n@data\n", "\ufeff# walks\n@data\n"):
        read = list(inputs_from(["-"], io.BytesIO((head + "1,2,3\n3,4,oh\n").encode()), walks))
        line = head.count("\n") + 1
        assert [name for name, _ in read] == [f"-:{line}", f"-:{line + 1}"]
        assert read[0][1].tolist() == [[1], [2], [3]]
        assert isinstance(read[1][1], DataError)
        assert str(read[1][1]).startswith(f"-:{line + 1} cannot be used: it holds 'oh'")
    assert list(inputs_from(["-"], io.BytesIO(b"a.csv\n"), walks)) == [("a.csv", Path("a.csv"))]
    with pytest.raises(DataError, match=r"no \.ts file.*one path a line"):
        list(inputs_from(["-"], io.BytesIO(b"# a comment\n"), walks))
    with pytest.raises(DataError, match=r"one path a line, or a \.ts file"):
        list(inputs_from(["-"], io.BytesIO(), walks))
