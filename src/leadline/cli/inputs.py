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
    from leadline.data.input_files import FoundInputs
    from leadline.data.schema import Inputs, Schema
    from leadline.data.tables.frame import Frame

Input = tuple[str, Any]
_BOM = b"\xef\xbb\xbf"
_INPUTS = ("inputs", "x", "test", "x_test", "test_inputs", "train", "x_train", "train_inputs")  # in an .npz file


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


def inputs_from(
    words: Sequence[str], stdin: IO[bytes], schema: Schema | None = None, notes: list[str] | None = None
) -> Iterator[Input]:
    """Each input with its id; an error stands in the place of a line of a file that cannot be read.

    A file stands for itself, a folder for the pictures, texts or series in it, an .npy or .npz file for its rows, a .ts or
    wide file for its series, a table of texts for its rows, `-` for standard input (one path or text a line, the bytes of one
    picture, or of a .ts file); after a training on texts, what is no file is a text.

    Args:
        words: as they were typed.
        stdin: read for `-`.
        schema: of the network; on pictures when None.
        notes: what should be known of the files that were read is added to it.

    Errors: `ArgumentError` for an empty word.
    """
    inputs = schema.inputs if schema is not None else None
    if inputs is not None and inputs.kind == "trees":
        yield from _trees(words, stdin)
        return
    texts = inputs is not None and inputs.kind in ("texts", "tokens", "sentences")
    for word in words:
        path = Path(word)
        if not word.strip():
            raise ArgumentError(
                "An INPUT is an empty text", expected=_expected(inputs), do='The current folder is ".".' if not texts else None
            )
        if word == "-":
            yield from _texts_from_stream(stdin) if texts else _from_stream(stdin, schema, notes)
        elif (found := _several(path, schema)) is not None:
            yield from _from_lines(found, notes)
        elif texts and not _exists(path):
            yield word, word
        elif path.is_dir():
            for name, each in _from_folder(path, inputs):
                inside = _several(each, schema)
                yield from [(name, each)] if inside is None else _from_lines(inside, notes)
        elif path.suffix.lower() == ".npy" and path.is_file():
            yield from _from_rows(path)
        elif path.suffix.lower() == ".npz" and path.is_file():
            yield from _from_archive(path)
        else:
            yield word, path


def _trees(words: Sequence[str], stdin: IO[bytes]) -> Iterator[Input]:
    """The trees of each file, of those in a folder, of standard input, or what is no file as a tree itself."""
    from leadline.data.trees.trees import Trees
    from leadline.runs.predicting import inputs_below
    from leadline.text.brackets import BracketReader, tree_from_brackets
    from leadline.text.reading_text import TextReader

    for word in words:
        path = Path(word)
        if word == "-" or _exists(path):
            paths = [path] if word == "-" or not path.is_dir() else inputs_below(path, Trees(("", "<unk>")))
            for each in paths:
                pieces = (line.decode(errors="replace") for line in stdin) if word == "-" else TextReader(each)
                reader, told = BracketReader(pieces, labelled=False), 0
                for tree in reader:
                    yield from ((f"{each}:{lost.line}", lost) for lost in reader.malformed[told:])
                    told = len(reader.malformed)
                    yield f"{each}:{tree.line}", tree
                yield from ((f"{each}:{lost.line}", lost) for lost in reader.malformed[told:])
        else:
            try:
                yield tree_from_brackets(word, labelled=False).sentence, word
            except DataError:  # told where the others are read
                yield word, word


def _expected(inputs: Inputs | None) -> str:
    if inputs is None or inputs.kind not in ("texts", "tokens", "sentences"):
        return "the name of a file or folder, or -"
    return "a text with at least one character or word, or a text file"


def _several(path: Path, schema: Schema | None) -> FoundInputs | None:
    inputs = schema.inputs if schema is not None else None
    if schema is None or inputs is None or inputs.kind not in ("texts", "series"):
        return None
    from leadline.data.input_files import inputs_in

    return inputs_in(path, schema)


def _from_lines(found: FoundInputs, notes: list[str] | None) -> Iterator[Input]:
    if notes is not None:
        notes += found.notes
    yield from zip(found.ids, found.raws, strict=True)
    for row in found.excluded:
        yield row.id, DataError(f"{row.id} cannot be used: {row.reason}")


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
            if not word.strip():
                raise ArgumentError("An INPUT is an empty text", expected="a table file, or -")
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


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a text that is too long for a name
        return False


def _from_folder(folder: Path, inputs: Inputs | None) -> Iterator[Input]:
    from leadline.runs.predicting import inputs_below

    for path in inputs_below(folder, inputs):
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


def _texts_from_stream(stream: IO[bytes]) -> Iterator[Input]:
    """One text a line."""
    given = False
    for number, line in enumerate(stream, start=1):
        if text := line.decode(errors="replace").strip():
            given = True
            yield f"line {number}", text
    if not given:
        raise DataError("Nothing came on standard input", expected="one text a line")


def _from_archive(path: Path) -> Iterator[Input]:
    """The rows to predict in a file like that of the training: its test part where it has parts, all where it has none."""
    import zipfile
    import zlib

    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as archive:
            name = next((key for key in _INPUTS if key in archive.files), archive.files[0] if len(archive.files) == 1 else "")
            keys = ", ".join(archive.files) or "nothing"
            rows = archive[name] if name else None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as arrays", expected="a file written by numpy.savez") from error
    if rows is None or rows.ndim < 2:
        raise DataError(
            f"It is not clear which array of {path} holds the inputs",
            expected=f"one of {', '.join(_INPUTS)}, or a single array, whose first axis counts them",
            got=keys if rows is None else f"{name} of shape {rows.shape}",
        )
    for row, values in enumerate(rows):
        yield f"{path}:{row}", values


def _from_stream(stream: IO[bytes], schema: Schema | None, notes: list[str] | None) -> Iterator[Input]:
    """One picture's bytes, or one path a line; for a network on series a .ts file, too, which begins with a mark of its own."""
    start = stream.read(64)
    series = schema if schema is not None and schema.inputs is not None and schema.inputs.kind == "series" else None
    if series is not None and start.removeprefix(_BOM).lstrip()[:1] in (b"@", b"#", b"%"):
        yield from _from_ts(start + stream.read(), series, notes)
        return
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
        what = "a .ts file" if series is not None else "the bytes of one picture"
        raise DataError("Nothing came on standard input", expected=f"one path a line, or {what}")


def _from_ts(content: bytes, schema: Schema, notes: list[str] | None) -> Iterator[Input]:
    """The series of a .ts file that came on standard input: "-:7" is that of line 7."""
    from dataclasses import replace

    from leadline.data.dataset import Excluded

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stdin.ts"
        path.write_bytes(content)
        found = _several(path, schema)
    if found is None:
        raise DataError("What came on standard input is no .ts file", expected="series behind @data; or one path a line")
    there = f"{path}:"
    excluded = tuple(Excluded("-:" + row.id.removeprefix(there), row.reason) for row in found.excluded)
    ids = ["-:" + name.removeprefix(there) for name in found.ids]
    yield from _from_lines(replace(found, ids=ids, excluded=excluded), notes)
