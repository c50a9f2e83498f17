"""What `leadline predict` is given: files, folders, arrays, standard input; each input with an id."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from leadline.errors import ArgumentError, DataError, SourceNotFoundError, nearest

if TYPE_CHECKING:
    from leadline.data import Table
    from leadline.data.tables.frame import Frame

Input = tuple[str, Any]


def check_inputs(words: Sequence[str], run: str) -> None:
    """Refuse the name of a data set, which nothing reads: a network answers files, and is judged by data sets.

    Args:
        words: as they were typed.
        run: the Run as it was typed, for the verb that would take the name.

    Errors: `ArgumentError` with that verb.
    """
    from leadline.data.sources import KNOWN

    for word in words:
        if word in KNOWN and not Path(word).exists():
            raise ArgumentError(
                f"{word} is the name of a data set, and there is no file of that name",
                expected="files or folders to give an answer for",
                do=f"How well the network does on {word}: leadline evaluate {shlex.quote(run)} {word}.",
            )


def inputs_from(words: Sequence[str], stdin: IO[bytes]) -> Iterator[Input]:
    """Each input with its id.

    A file stands for itself, a folder for the pictures in it, an .npy file for its rows, `-` for standard input.
    """
    for word in words:
        path = Path(word)
        if word == "-":
            yield from _from_stream(stdin)
        elif path.is_dir():
            yield from _from_folder(path)
        elif path.suffix.lower() == ".npy" and path.is_file():
            yield from _from_rows(path)
        else:
            yield word, path


def frames_from(words: Sequence[str], stdin: IO[bytes], table: Table) -> Iterator[Frame]:
    """The rows of each table file, or of those in a folder; `-` stands for a csv on standard input.

    Args:
        words: paths.
        stdin: read for `-`.
        table: what the network was trained on; the files are written as its file was.
    """
    from leadline.runs.predicting import files_below, read_rows

    for word in words:
        if word == "-":
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "stdin.csv"
                path.write_bytes(stdin.read())
                yield read_rows(table, path)
        else:
            if not Path(word).exists():
                raise _no_file(Path(word))
            for path in files_below(Path(word)):
                yield read_rows(table, path)


def _no_file(path: Path) -> SourceNotFoundError:
    beside = [each.name for each in path.absolute().parent.iterdir()] if path.absolute().parent.is_dir() else []
    close = nearest(path.name, beside)
    return SourceNotFoundError(
        f"There is no file or folder {path}",
        expected="csv, tsv or parquet files, as the network was trained on a table",
        do=f"Did you mean {str(path.parent / close)!r}?" if close else None,
    )


def _from_folder(folder: Path) -> Iterator[Input]:
    from leadline.runs.predicting import pictures_below

    for path in pictures_below(folder):
        yield str(path), path


def _from_rows(path: Path) -> Iterator[Input]:
    import numpy as np

    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read as an array", expected="a file written by numpy.save") from error
    if rows.ndim < 2:
        raise DataError(
            f"{path} is not a list of inputs", expected="an array whose first axis counts them", got=f"shape {rows.shape}"
        )
    for row, values in enumerate(rows):
        yield f"{path}:{row}", np.asarray(values)


def _from_stream(stream: IO[bytes]) -> Iterator[Input]:
    """One picture's bytes, or one path a line."""
    start = stream.read(64)
    # A path has no NUL, and no text begins as JPEG and PNG do; every other format has a NUL in its header.
    if b"\0" in start or start[:1] in (b"\x89", b"\xff"):
        yield "-", start + stream.read()
        return
    given = False
    for line in chain((start + stream.readline()).split(b"\n"), stream):
        if name := os.fsdecode(line.rstrip(b"\r\n")):
            given = True
            yield name, Path(name)
    if not given:
        raise DataError("Nothing came on standard input", expected="one path a line, or the bytes of one picture")
