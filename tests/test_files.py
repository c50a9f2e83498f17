import errno
import json
import os
from pathlib import Path

import pytest

from leadline import files
from leadline.errors import RunExistsError, SourceNotFoundError, StorageError


def test_what_breaks_while_writing_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    files.write_text(path, "old")

    def break_off() -> None:
        with files.writing(path) as file:
            file.write(b"ha")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        break_off()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("number", "says"),
    [(errno.ENOSPC, "disk is full"), (errno.EDQUOT, "quota"), (errno.EROFS, "read-only"), (errno.EACCES, "not writable")],
)
def test_what_the_system_says_becomes_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, says: str
) -> None:
    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError, match=f"{says}.*a.txt"):
        files.write_text(tmp_path / "a.txt", "new")


def test_other_errors_pass_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError), files.storage(tmp_path):
        tmp_path.read_bytes()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="no folder .*nowhere"):
        files.write_text(tmp_path / "nowhere" / "a.txt", "new")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "table.csv").touch()
    for path in (tmp_path / "table.csv", tmp_path / "table.csv" / "a" / "b"):
        with pytest.raises(RunExistsError, match=r"table\.csv is not a folder"):
            files.make_folder(path)
    assert files.make_folder(tmp_path / "a" / "b") == files.make_folder(tmp_path / "a" / "b")

    def nowhere(*_: object, **__: object) -> None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    monkeypatch.setattr(Path, "mkdir", nowhere)
    with pytest.raises(StorageError, match="No folder can be made"):
        files.make_folder(tmp_path / "x")


def test_names_that_are_not_utf8_survive_json(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    files.write_json(tmp_path / "a.json", {"id": name, "class": "naïve"})
    assert json.loads((tmp_path / "a.json").read_text()) == {"id": name, "class": "naïve"}
    assert "naïve" in (tmp_path / "a.json").read_text()


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert files.sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
