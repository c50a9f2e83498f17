"""Files written whole or not at all: aside, fsync, rename. Nothing a person has is ever left half written."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from leadline.errors import RunExistsError, SourceNotFoundError, StorageError

ASIDE = ".part"


@contextmanager
def storage(path: Path) -> Iterator[None]:
    """Turn what the operating system says about a full or read-only disk into a `StorageError` that names `path`."""
    try:
        yield
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        if isinstance(error, FileNotFoundError) and not path.parent.is_dir():
            raise SourceNotFoundError(
                f"There is no folder {path.parent} to write {path.name} in", do="Make it first."
            ) from error
        reason = {
            errno.ENOSPC: ("The disk is full", "Free some space, or choose another folder."),
            errno.EDQUOT: ("The disk quota is used up", "Free some space, or choose another folder."),
            errno.EROFS: ("The place is read-only", "Choose a folder you may write to."),
            errno.EACCES: ("The place is not writable", "Choose a folder you may write to."),
            errno.EPERM: ("The place is not writable", "Choose a folder you may write to."),
        }.get(error.errno or 0)
        if reason is None:
            raise
        raise StorageError(f"{reason[0]}, so {path} could not be written", do=reason[1]) from error


def make_folder(path: Path) -> Path:
    """A folder, and those above it, where there are none; the same path.

    Errors: `RunExistsError` where a file is in the way; `StorageError` where the system lets none be made.

    Example:
        >>> import pathlib, tempfile
        >>> make_folder(pathlib.Path(tempfile.mkdtemp()) / "a" / "b").is_dir()
        True
    """
    try:
        with storage(path):
            path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        file = next(part for part in (path, *path.parents) if part.exists())
        raise RunExistsError(f"{file} is not a folder", do="Choose another place.") from error
    except FileNotFoundError as error:  # of a place that is no disk
        raise StorageError(f"No folder can be made at {path}", do="Choose another place.") from error
    return path


@contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file aside that takes the place of `path` when the block ends well, and vanishes when it does not.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.txt"
        >>> with writing(path) as file:
        ...     _ = file.write(b"whole")
        >>> path.read_bytes()
        b'whole'
    """
    with storage(path):
        aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}{ASIDE}")
        try:
            with aside.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise


def sweep(folder: Path) -> None:
    """Remove what a kill in the middle of `writing` has left in a folder."""
    for aside in folder.glob(f".*{ASIDE}"):
        aside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all.

    File names that are not UTF-8 reach Python as lone surrogates; these are written as escapes, which JSON reads back.
    """
    with writing(path) as file:
        file.write(text.encode(errors="backslashreplace"))


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON to `path`, whole or not at all."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """The JSON value in a UTF-8 file, whatever the locale.

    Errors: `FileNotFoundError`; `ValueError` where it is not JSON.
    """
    return json.loads(path.read_text(encoding="utf-8"))


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
