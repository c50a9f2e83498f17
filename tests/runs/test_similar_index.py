"""The index of a folder: right after every kind of change, read once, whole after a break, rebuilt after damage."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from small_trainings import tables

import leadline
from leadline import data
from leadline.data.pictures.pictures import Pictures
from leadline.errors import ArgumentError, DataError, SourceNotFoundError
from leadline.runs import Run, index_file, similar_index
from leadline.runs.index_file import read_index
from leadline.runs.similar_index import SimilarIndex, index_of

OLD = time.time() - 1000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve digits in two folders, files that are no pictures, and a hidden one."""
    for number, picture in enumerate(data.load("digits").test.inputs[:12]):
        save(tmp_path / "photos" / ("a" if number % 2 else "b") / f"{number}.png", picture)
    (tmp_path / "photos" / "notes.txt").write_text("no picture")
    save(tmp_path / "photos" / ".hidden.png", picture)
    return tmp_path / "photos"


def save(path: Path, picture: Any, *, at: float = OLD) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture[:, :, 0]).save(path)
    os.utime(path, (at, at))


@pytest.fixture(autouse=True)
def own_index(run: Run) -> Any:
    yield
    shutil.rmtree(run.folder / "similar", ignore_errors=True)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures the network was shown, call by call."""
    counts: list[int] = []
    predictor = leadline.runs.predicting.Predictor
    features = predictor.features

    def counted(self: Any, stored: Any) -> Any:
        counts.append(len(stored))
        return features(self, stored)

    monkeypatch.setattr(predictor, "features", counted)
    return counts


def check(index: SimilarIndex) -> None:
    """The features are those of the files as they are now."""
    expected = index.run.features([index.folder / name for name in index.names])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(index.features.float(), expected, atol=1e-3)


def test_it_holds_every_picture_at_any_depth_and_is_read_once(run: Run, folder: Path, shown: list[int]) -> None:
    index = index_of(run, folder)
    assert sorted(index.names) == sorted(f"{'a' if number % 2 else 'b'}/{number}.png" for number in range(12))
    assert index.path is not None
    assert index.path.parent == run.folder / "similar"
    assert (index.notes, index.excluded, shown) == ((), (), [12])
    check(index)
    shown.clear()
    again = index_of(run, folder)
    assert shown == []
    assert again.names == index.names
    check(again)


def test_the_nearest_are_those_of_the_features(run: Run, folder: Path) -> None:
    index = index_of(run, folder)
    query = data.load("digits").test.inputs[30]
    whole = run.features([query, *(folder / name for name in index.names)]).astype(float)
    whole /= np.linalg.norm(whole, axis=1, keepdims=True)
    cosines = whole[1:] @ whole[0]
    found = index.nearest(query, 5)
    assert [name for name, _ in found] == [index.names[row] for row in np.argsort(-cosines)[:5]]
    assert [cosine for _, cosine in found] == pytest.approx(np.sort(cosines)[::-1][:5], abs=1e-3)
    assert index.nearest(folder / "a" / "3.png", 1)[0] == ("a/3.png", pytest.approx(1, abs=1e-3))
    assert index.name_of_file(folder / "b" / ".." / "a" / "3.png") == "a/3.png"
    assert index.name_of_file(folder.parent / "3.png") is None


def test_only_what_changed_is_shown_to_the_network(run: Run, folder: Path, shown: list[int]) -> None:
    index_of(run, folder)
    pictures = data.load("digits").test.inputs
    shown.clear()
    save(folder / "new.png", pictures[20])
    save(folder / "b" / "0.png", pictures[21], at=OLD + 5)
    (folder / "a" / "1.png").unlink()
    (folder / "a" / "3.png").rename(folder / "renamed.png")
    os.utime(folder / "a" / "5.png", (OLD + 9, OLD + 9))
    index = index_of(run, folder)
    assert shown == [2]
    assert {"new.png", "renamed.png", "b/0.png"} <= set(index.names)
    assert not {"a/1.png", "a/3.png"} & set(index.names)
    assert index.notes == ("Pictures since the last time: 2 added, 1 changed, 2 gone.",)
    check(index)
    shown.clear()
    check_again = index_of(run, folder)
    assert (shown, check_again.notes) == ([], ())


def test_a_change_within_the_clock_s_grain_is_seen(run: Run, folder: Path) -> None:
    pictures = data.load("digits").test.inputs
    now = time.time()
    Image.fromarray(pictures[40][:, :, 0]).save(folder / "x.bmp")
    os.utime(folder / "x.bmp", (now, now))
    index_of(run, folder)
    Image.fromarray(pictures[41][:, :, 0]).save(folder / "x.bmp")  # of the same size
    os.utime(folder / "x.bmp", (now, now))  # at the same time
    check(index_of(run, folder))


def test_copies_have_the_features_of_one_reading(run: Run, folder: Path, shown: list[int]) -> None:
    shutil.copy(folder / "a" / "1.png", folder / "copy.png")
    index = index_of(run, folder)
    assert shown == [12]
    assert len(index) == 13
    check(index)


def test_what_cannot_be_read_is_set_aside_and_remembered(run: Run, folder: Path, shown: list[int]) -> None:
    (folder / "broken.jpg").write_bytes(b"no picture at all")
    os.utime(folder / "broken.jpg", (OLD, OLD))
    for _ in range(2):
        index = index_of(run, folder)
        assert [row.id for row in index.excluded] == ["broken.jpg"]
        assert "not a picture" in index.excluded[0].reason
        assert len(index) == 12
    save(folder / "broken.jpg", data.load("digits").test.inputs[50], at=OLD + 3)
    assert len(index_of(run, folder)) == 13


def test_a_file_that_goes_away_in_the_middle_is_said(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = Path.read_bytes

    def vanishing(path: Path) -> bytes:
        if path.name == "3.png":
            path.unlink()
        return reading(path)

    monkeypatch.setattr(Path, "read_bytes", vanishing)
    index = index_of(run, folder)
    assert [(row.id, "went away" in row.reason) for row in index.excluded] == [("a/3.png", True)]
    assert len(index) == 11
    check(index)


def test_a_file_that_changes_in_the_middle_is_read_again_or_set_aside(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, left = Path.read_bytes, {"3.png": 1, "5.png": 9}

    def changing(path: Path) -> bytes:
        content = reading(path)
        if left.get(path.name):
            left[path.name] -= 1
            with path.open("ab") as file:
                file.write(b"more")
        return content

    monkeypatch.setattr(Path, "read_bytes", changing)
    index = index_of(run, folder)
    assert [(row.id, "was changing" in row.reason) for row in index.excluded] == [("a/5.png", True)]
    assert "a/3.png" in index.names
    monkeypatch.undo()
    assert len(index_of(run, folder)) == 12


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 255
    path.write_bytes(content)


def garble(path: Path) -> None:
    path.write_bytes(b"\0" * 50)


@pytest.mark.parametrize("damage", [truncate, flip, garble])
def test_a_damaged_index_is_made_anew(damage: Callable[[Path], None], run: Run, folder: Path, shown: list[int]) -> None:
    path = index_of(run, folder).path
    assert path is not None
    shown.clear()
    damage(path)
    index = index_of(run, folder)
    assert shown == [12]
    assert "was damaged" in index.notes[0]
    check(index)
    assert index_of(run, folder).notes == ()


def test_what_was_done_before_a_break_is_kept(
    run: Run, folder: Path, shown: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similar_index, "_BATCH", 5)

    def stop(done: int, total: int) -> None:
        assert total == 12
        if done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index_of(run, folder, progress=stop)
    assert shown == [5, 5]
    shown.clear()
    index = index_of(run, folder)
    assert shown == [2]
    check(index)


def test_a_break_while_the_network_looks_loses_that_part_alone(
    run: Run, folder: Path, shown: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leadline.runs.similar_index, "_BATCH", 5)
    predictor = leadline.runs.predicting.Predictor
    features = predictor.features

    def breaking(self: Any, stored: Any) -> Any:
        if shown:
            raise KeyboardInterrupt
        return features(self, stored)

    with monkeypatch.context() as patch:
        patch.setattr(predictor, "features", breaking)
        with pytest.raises(KeyboardInterrupt):
            index_of(run, folder)
    index = index_of(run, folder)
    assert shown == [5, 5, 2]
    check(index)


def test_a_run_that_may_not_be_written_to_has_its_index_in_the_cache(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADLINE_CACHE", str(tmp_path / "cache"))
    (run.folder / "similar").write_text("a file where the folder should be")
    try:
        index = index_of(run, folder)
        assert index.path is not None
        assert index.path.parent == tmp_path / "cache" / "similar"
        (tmp_path / "cache" / "similar").rename(tmp_path / "kept")
        (tmp_path / "cache" / "similar").write_text("and here")
        nowhere = index_of(run, folder)
        assert nowhere.path is None
        assert "could not be kept" in nowhere.notes[0]
        check(nowhere)
        # A copy and a broken file, early among the names: the rows of the others are not where their names are.
        shutil.copy(folder / "b" / "8.png", folder / "a" / "0.png")
        (folder / "a" / "00.png").write_bytes(b"no picture")
        mixed = index_of(run, folder)
        assert (mixed.path, len(mixed)) == (None, 13)
        check(mixed)
    finally:
        (run.folder / "similar").unlink()


def test_folders_that_are_gone_empty_or_no_folders(run: Run, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="There is no folder"):
        index_of(run, tmp_path / "nowhere")
    with pytest.raises(SourceNotFoundError, match="is not a folder"):
        index_of(run, folder / "notes.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="There are no pictures"):
        index_of(run, tmp_path / "empty")
    index = index_of(run, folder)
    shutil.rmtree(folder)
    with pytest.raises(SourceNotFoundError, match=f"is gone; its index is still there.*{index.path}"):
        index_of(run, folder)
    folder.mkdir()
    (folder / "only.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match="Not one of the 1 pictures"):
        index_of(run, folder)


def test_an_index_is_of_one_network_and_one_folder(run: Run, folder: Path, tmp_path: Path) -> None:
    path = index_of(run, folder).path
    shutil.copytree(folder, tmp_path / "other")
    other = index_of(run, tmp_path / "other").path
    assert path is not None
    assert path != other
    with pytest.raises(ValueError, match="do not belong together"):
        read_index(path, "another key")
    with pytest.raises(FileNotFoundError):
        read_index(path.with_name("none"), "key")
    assert index_file.key_of(run, folder) == path.stem


def test_networks_on_other_inputs_are_refused(folder: Path, tmp_path: Path) -> None:
    inputs, targets = tables("classes")
    quick = {"model": "linear", "training.epochs": 1, "training.threads": 1}
    vectors = leadline.train(inputs, targets=targets, folder=tmp_path / "run", changes=quick)
    with pytest.raises(ArgumentError, match="trained on pictures"):
        index_of(vectors, folder)
    floats = Pictures(8, 8, 1, "float32", (0.0,), (1.0,))
    with pytest.raises(ArgumentError, match="pictures of floats"):
        index_of(SimpleNamespace(schema=SimpleNamespace(inputs=floats)), folder)  # type: ignore[arg-type]
