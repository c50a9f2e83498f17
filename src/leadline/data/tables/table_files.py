"""Files of tables: one of any kind, or several that belong together."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

from leadline.data.dataset import Excluded
from leadline.data.tables.arrow_frames import read_parquet
from leadline.data.tables.csv_files import read_csv, stem_of
from leadline.data.tables.frame import Frame, RowIds, join
from leadline.errors import ArgumentError

_TEXT = frozenset({".csv", ".tsv", ".tab", ".data"})
TABLE_SUFFIXES = _TEXT | {".parquet", ".pq", ".feather", ".arrow", ".ipc"}
_PARTS = {"train": "train", "training": "train", "valid": "valid", "val": "valid", "validation": "valid", "test": "test"}
_FOR = {"train": "for training", "valid": "for validation", "test": "for the test"}


def is_table(path: Path) -> bool:
    """Whether a path has the name of a table that can be read.

    Example:
        >>> [is_table(Path(name)) for name in ("a.csv", "a.TSV.gz", "a.parquet", "a.parquet.gz", "a.txt")]
        [True, True, True, False, False]
    """
    suffix = path.suffix.casefold()
    known = Path(path.stem).suffix.casefold() in _TEXT if suffix == ".gz" else suffix in TABLE_SUFFIXES
    return known and not path.is_dir()


def table_files_in(folder: Path) -> list[Path]:
    """The tables that lie in a folder itself, in the order of their names; hidden ones are passed over.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("train.csv", "test.csv", "notes.txt", ".old.csv"):
        ...     (folder / name).touch()
        >>> [path.name for path in table_files_in(folder)]
        ['test.csv', 'train.csv']
    """
    return sorted(path for path in folder.iterdir() if is_table(path) and not path.name.startswith("."))


def read_file(path: Path, *, header: bool | None = None, encoding: str | None = None) -> Frame:
    """Read one table.

    Args:
        path: a csv or its like, a parquet or an Arrow file, told apart by the extension.
        header: whether a csv has one; told from its rows when None.
        encoding: of a csv; told from its bytes when None.

    Raises:
        SourceNotFoundError: there is no such file.
        DataError: it cannot be read, or has no rows.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.csv"
        >>> _ = path.write_text("x,y\\n1,2\\n")
        >>> read_file(path), read_file(path, header=False).data.rows()
        (Frame('a', 1 rows, 2 columns: x, y), [('x', 'y'), ('1', '2')])
    """
    if path.suffix.casefold() in TABLE_SUFFIXES - _TEXT:
        return read_parquet(path)
    return read_csv(path, header=header, encoding=encoding)


def read_files(paths: Sequence[Path], *, header: bool | None = None, encoding: str | None = None) -> Frame:
    """Read several tables with the same columns as one.

    Where one file has "train" in its name and another "valid" or "test", they are these parts, and files whose names say
    nothing are left out. Otherwise all rows are put together. Of files that have the same name but for the extension, or the
    same content, one is read.

    Args:
        paths: at least one.
        header: as in `read_file`.
        encoding: likewise.

    Returns:
        Frame. Its notes name every file that was used, and every file that was not.

    Raises:
        SourceNotFoundError: a file is not there.
        DataError: a file cannot be read, or the columns differ.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name, row in (("my-train.csv", "1,2"), ("my-test.csv", "3,4")):
        ...     _ = (folder / name).write_text(f"x,y\\n{row}\\n")
        >>> frame = read_files(table_files_in(folder))
        >>> frame.name, frame.parts.tolist(), frame.notes[-1]
        ('my', ['train', 'test'], 'my-train.csv (1 rows) is for training, my-test.csv (1 rows) for the test.')
    """
    if not paths:
        raise ArgumentError("There are no files to read", expected="at least one table")
    different, notes = _first_of_each_name(paths)
    chosen, more = _with_parts(different)
    names = _told_apart([path for _, path in chosen])
    frames = [
        (part, _called(read_file(path, header=header, encoding=encoding), path.name, name))
        for (part, path), name in zip(chosen, names, strict=True)
    ]
    notes += more
    if chosen[0][0] is None:
        frames, more = _without_copies(frames)
        notes += more
    if len(paths) == 1:
        return replace(frames[0][1], name=stem_of(paths[0]))
    whole = join(frames, _name_of_all([path for _, path in chosen]))
    return replace(whole, notes=(*whole.notes, *notes, _about_use(frames, whole)))


def _first_of_each_name(paths: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """a.csv and a.parquet are the same rows twice."""
    first: dict[Path, Path] = {}
    for path in paths:
        first.setdefault(path.with_name(stem_of(path)), path)
    twins = [path for path in paths if path not in first.values()]
    return list(first.values()), [
        f"{path.name} was left out: {first[path.with_name(stem_of(path))].name} has the same name." for path in twins
    ]


def _with_parts(paths: Sequence[Path]) -> tuple[list[tuple[str | None, Path]], list[str]]:
    """The files with the parts that their names tell, training first; those that tell none are left out if others do."""
    parts = {path: _part_of(path) for path in paths}
    if not {"train"} < set(parts.values()) - {None}:
        return [(None, path) for path in paths], []
    order = list(_FOR)
    used = sorted((path for path in paths if parts[path]), key=lambda path: order.index(parts[path] or ""))
    notes = [
        f'{path.name} was left out: its name says neither "train" nor "valid" nor "test", as those of other files do.'
        for path in paths
        if not parts[path]
    ]
    return [(parts[path], path) for path in used], notes


def _part_of(path: Path) -> str | None:
    words = re.split(r"[^a-z]+", stem_of(path).casefold())
    parts = {_PARTS[word] for word in words if word in _PARTS}
    return parts.pop() if len(parts) == 1 else None


def _told_apart(paths: Sequence[Path]) -> list[str]:
    """The names of the files, with the folders below the one that holds all where two have the same name."""
    names = [path.name for path in paths]
    if len(set(names)) == len(names):
        return names
    top = os.path.commonpath([path.absolute().parent for path in paths])
    return [path.absolute().relative_to(top).as_posix() for path in paths]


def _called(frame: Frame, old: str, new: str) -> Frame:
    """The frame of a file under the name by which it is told apart from others."""
    ids = frame.ids
    if isinstance(ids, RowIds):
        ids = RowIds(tuple(new for _ in ids.sources), ids.which, ids.numbers)
    excluded = tuple(Excluded(new + row.id.removeprefix(old), row.reason) for row in frame.excluded)
    return replace(frame, name=new, ids=ids, excluded=excluded)


def _without_copies(frames: list[tuple[str | None, Frame]]) -> tuple[list[tuple[str | None, Frame]], list[str]]:
    first: dict[str, Frame] = {}
    for _, frame in frames:
        first.setdefault(frame.digest, frame)
    copies = [frame for _, frame in frames if first[frame.digest] is not frame]
    return [(None, frame) for frame in first.values()], [
        f"{frame.name} was left out: it holds the same as {first[frame.digest].name}." for frame in copies
    ]


def _name_of_all(paths: Sequence[Path]) -> str:
    """What the names of the files begin with, up to the end of a word, or the name of their folder."""
    stems = [stem_of(path) for path in paths]
    words = zip(*(re.split(r"(?<=[-_. ])", f"{stem}-") for stem in stems), strict=False)
    shared = "".join(each[0] for each in takewhile(lambda each: len(set(each)) == 1, words))
    return shared.strip("-_. ") or paths[0].absolute().parent.name or "tables"


def _about_use(frames: Sequence[tuple[str | None, Frame]], whole: Frame) -> str:
    """A sentence that names every file that was used."""
    used = set(whole.ids.sources) if isinstance(whole.ids, RowIds) else {frame.name for _, frame in frames}
    counted = [(part, f"{frame.name} ({len(frame):,} rows)") for part, frame in frames if frame.name in used]
    if whole.parts is None:
        names = [name for _, name in counted]
        return f"The rows were read from {' and '.join([', '.join(names[:-1]), names[-1]] if names[1:] else names)}."
    said = [f"{name} {'is ' if not at else ''}{_FOR[part or 'train']}" for at, (part, name) in enumerate(counted)]
    return ", ".join(said) + "."
