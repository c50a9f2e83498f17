"""A folder that changes while it is read: nothing crashes, what is missing is counted and listed, and too much of it stops."""

from __future__ import annotations

import os
import random
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from leadline import data
from leadline.data import sources
from leadline.data.dataset import Dataset
from leadline.data.pictures import pictures_cache
from leadline.data.pictures.folders import list_folder, pictures_added, pictures_below
from leadline.errors import DataError, LeadlineError
from leadline.plan import Plan
from leadline.runs.reloading import load_for

Make = Callable[..., Path]
Change = Callable[[Path], None]


def remove(picture: Path) -> None:
    picture.unlink()


def truncate(picture: Path) -> None:
    picture.write_bytes(picture.read_bytes()[:60])


def empty(picture: Path) -> None:
    picture.write_bytes(b"")


def to_a_folder(picture: Path) -> None:
    picture.unlink()
    picture.mkdir()


def between(monkeypatch: pytest.MonkeyPatch, moment: str, action: Callable[[], None]) -> None:
    """Do something after the folder is listed, or after its files are surveyed and before they are decoded."""
    module, name = {"listed": (sources, "decode_all"), "surveyed": (pictures_cache, "_choose")}[moment]
    real = getattr(module, name)

    def then(*arguments: Any, **options: Any) -> Any:
        action()
        return real(*arguments, **options)

    monkeypatch.setattr(module, name, then)


def all_ids(dataset: Dataset) -> set[str]:
    return {*dataset.train.ids, *dataset.valid.ids, *dataset.test.ids}


@pytest.mark.parametrize("moment", ["listed", "surveyed"])
@pytest.mark.parametrize("change", [remove, truncate, empty, to_a_folder])
def test_a_picture_that_is_lost_is_set_aside_and_said(
    moment: str, change: Change, photos: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = photos({"a/": 30, "b/": 30})
    between(monkeypatch, moment, lambda: change(root / "b" / "7.png"))
    dataset = data.load(root, cache=tmp_path / "cache")
    (lost,) = dataset.excluded
    assert lost.id == "b/7.png"
    assert lost.reason
    assert len(all_ids(dataset)) == 59
    assert "b/7.png" not in all_ids(dataset)


@pytest.mark.parametrize("moment", ["listed", "surveyed"])
def test_more_than_a_twentieth_stops_with_the_list(
    moment: str, photos: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = photos({"a/": 30, "b/": 30})
    between(monkeypatch, moment, lambda: shutil.rmtree(root / "b"))
    with pytest.raises(DataError, match=r"30 of 60 rows cannot be used: b/0.png \(.+\); .*and 20 more.*5 %"):
        data.load(root, cache=tmp_path / "cache")


def test_a_folder_that_vanishes_while_it_is_listed(photos: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = photos({"a/": 3, "b/": 3, "c/": 3})
    real = Path.iterdir

    def iterdir(folder: Path) -> Any:
        found = list(real(folder))
        if folder == root:
            shutil.rmtree(root / "b", ignore_errors=True)
        return iter(found)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    listing = list_folder(root)
    assert set(listing.targets.tolist()) == {"a", "c"}
    shutil.rmtree(root)
    with pytest.raises(DataError, match="holds no pictures"):
        list_folder(root)


def test_a_folder_that_may_not_be_read_is_named(photos: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rights bind nobody who is root, so the system's answer is played."""
    root = photos({"a/": 3, "b/": 3, "closed/": 3})
    real = os.scandir

    def scandir(path: Any = ".") -> Any:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr("os.scandir", scandir)
    listing = list_folder(root)
    assert set(listing.targets.tolist()) == {"a", "b"}
    assert f"1 folder could not be read: {root / 'closed'} (Permission denied)." in listing.notes


@pytest.mark.parametrize("moment", ["listed", "surveyed"])
def test_pictures_that_come_meanwhile_are_counted(
    moment: str, photos: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADLINE_CACHE", str(tmp_path / "cache"))
    root = photos({"a/": 12, "b/": 12})
    plan = Plan().but({"data.source": str(root)})
    before = load_for(plan)
    assert not any("came into the folder" in note for note in before.notes)

    def add() -> None:
        for number in (7, 8):
            Image.new("RGB", (24, 20), (number, 0, 0)).save(root / "a" / f"late {number}.png")

    between(monkeypatch, moment, add)
    shutil.rmtree(tmp_path / "cache")
    dataset = load_for(plan)
    (note,) = [note for note in dataset.notes if "came into the folder" in note]
    assert note.startswith("2 pictures came into the folder while it was read and are left out: a/late 7.png, a/late 8.png.")
    assert dataset.fingerprint() == before.fingerprint()
    assert len(all_ids(load_for(plan))) == 26, "the next start finds them"


def test_nothing_added_is_nothing_said(photos: Make) -> None:
    root = photos({"a/": 2, "b/": 2})
    assert pictures_added(root, frozenset(pictures_below(root))) == []


def test_a_busy_folder_ends_in_a_dataset_or_one_paragraph(photos: Make, tmp_path: Path) -> None:
    """Somebody removes, cuts, exchanges and adds pictures all the time that it is read, again and again."""
    root = photos({"a/": 60, "b/": 60})
    shutil.copytree(root, tmp_path / "spare")
    names = sorted(path.relative_to(root).as_posix() for path in pictures_below(root))
    stop, chance, outcomes = threading.Event(), random.Random(0), []

    def meddle() -> None:
        while not stop.is_set():
            name = chance.choice(names)
            (root / name).parent.mkdir(exist_ok=True)
            match chance.randrange(4):
                case 0:
                    (root / name).unlink(missing_ok=True)
                case 1 if (root / name).exists():
                    truncate(root / name)
                case 2:
                    Image.new("RGB", (24, 20), (chance.randrange(256), 0, 0)).save(root / name)
                case _:
                    shutil.copy(tmp_path / "spare" / name, root / name)

    busy = threading.Thread(target=meddle)
    busy.start()
    try:
        for attempt in range(12):
            try:
                dataset = data.load(root, cache=tmp_path / f"cache-{attempt}")
            except LeadlineError as error:
                outcomes.append(str(error))
            else:
                outcomes.append(f"5 % at most: {len(dataset.excluded)} set aside")
                assert len(dataset.excluded) <= 6
    finally:
        stop.set()
        busy.join()
    assert len(outcomes) == 12
    assert all("5 %" in outcome for outcome in outcomes), outcomes


@pytest.mark.parametrize("back", [False, True])
def test_another_picture_in_its_place_is_set_aside_and_never_kept_under_the_old_content(
    back: bool, photos: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, cache = photos({"a/": 30, "b/": 30}), tmp_path / "cache"
    picture = root / "b" / "7.png"
    (spare := tmp_path / "spare.png").write_bytes(picture.read_bytes())
    with monkeypatch.context() as patched:
        between(patched, "surveyed", lambda: Image.new("RGB", (24, 20), "red").save(picture))
        dataset = data.load(root, cache=cache)
    assert [(row.id, row.reason) for row in dataset.excluded] == [("b/7.png", pictures_cache.CHANGED)]
    if back:
        shutil.copy(spare, picture)
    again = data.load(root, cache=cache)
    assert again.excluded == ()
    (stored,) = [
        split.inputs[row]
        for split in (again.train, again.valid, again.test)
        for row, name in enumerate(split.ids)
        if name == "b/7.png"
    ]
    assert stored.tobytes() == Image.open(picture).tobytes()


@pytest.mark.parametrize("change", [remove, truncate, empty])
def test_a_picture_that_comes_back_is_read_again(
    change: Change, photos: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its content is the one that was surveyed, so that what was found then must not count as what it holds."""
    root, cache = photos({"a/": 30, "b/": 30}), tmp_path / "cache"
    picture = root / "b" / "7.png"
    (spare := tmp_path / "spare.png").write_bytes(picture.read_bytes())
    with monkeypatch.context() as patched:
        between(patched, "surveyed", lambda: change(picture))
        assert len(data.load(root, cache=cache).excluded) == 1
    shutil.copy(spare, picture)
    assert data.load(root, cache=cache).excluded == ()
