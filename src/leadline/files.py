"""Files written whole or not at all: aside, fsync, rename. Nothing a person has is ever left half written."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from leadline.errors import StorageError


@contextmanager
def storage(path: Path) -> Iterator[None]:
    """Turn what the operating system says about a full or read-only disk into a `StorageError` that names `path`."""
    try:
        yield
    except OSError as error:
        if isinstance(error, StorageError):
            raise
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
        handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.chmod(aside, 0o644)
            os.replace(aside, path)
        except BaseException:
            Path(aside).unlink(missing_ok=True)
            raise


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all.

    File names that are not UTF-8 reach Python as lone surrogates; these are written as escapes, which JSON reads back.
    """
    with writing(path) as file:
        file.write(text.encode(errors="backslashreplace"))


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON to `path`, whole or not at all."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
