"""Which files of series belong together: NAME_TRAIN and NAME_TEST side by side, or in a folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from leadline.data.raw import Raw
from leadline.data.series.ts_files import is_ts, read_ts
from leadline.data.series.wide_series import is_wide_series, read_wide
from leadline.errors import DataError

_PARTS = {"train": "train", "training": "train", "valid": "valid", "val": "valid", "validation": "valid", "test": "test"}
_WIDE = frozenset({".txt", ".tsv", ".csv", ".data", ".tab", ""})
_ORDER: tuple[str | None, ...] = ("train", "valid", "test")

Files = list[tuple[Path, str | None]]


def part_of_series(path: Path) -> tuple[str, str | None]:
    """The name of a data set and the part that a file's name tells.

    Args:
        path: of a file.

    Example:
        >>> part_of_series(Path("GunPoint_TRAIN.ts")), part_of_series(Path("waves.csv"))
        (('GunPoint', 'train'), ('waves', None))
    """
    stem = path.stem if path.suffix.casefold() in _WIDE | {".ts"} else path.name
    words = re.split(r"([^A-Za-z0-9]+)", stem)
    last = words[-1].casefold()
    return ("".join(words[:-2]), _PARTS[last]) if last in _PARTS else (stem, None)


def series_files(path: Path, *, steps: int | None = None, classes: Sequence[str] = ()) -> Files:
    """The files of series that a path leads to, each with its part; nothing where it leads to something else.

    A training file brings the validation and test files of its name that lie beside it. In a folder .ts files go before wide
    ones. The path may also lack the end: `series/GunPoint` for `series/GunPoint_TRAIN.ts`.

    Args:
        path: of a file or a folder, or the beginning of one.
        steps: of each series of a wide file, as `is_wide_series` takes them for a training that exists.
        classes: likewise.

    Errors: `DataError` for a folder with several data sets.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for part in ("TRAIN", "TEST"):
        ...     _ = (folder / f"Walks_{part}.ts").write_text("@problemName Walks\\n@data\\n1,2\\n")
        >>> [(file.name, part) for file, part in series_files(folder / "Walks_TRAIN.ts")]
        [('Walks_TRAIN.ts', 'train'), ('Walks_TEST.ts', 'test')]
        >>> series_files(folder) == series_files(folder / "Walks") == series_files(folder / "Walks_TRAIN.ts")
        True
    """
    if path.is_dir():
        return _in_folder(path)
    if path.is_file():
        if not _is_series_file(path, steps, classes):
            return []
        part = part_of_series(path)[1]
        beside = [each for each in _siblings(path) if each != path] if part == "train" else []
        return _sorted([path, *(each for each in beside if part_of_series(each)[1] in ("valid", "test"))])
    if not path.parent.is_dir() or not path.name:
        return []
    starts = sorted(each for each in path.parent.glob("*") if part_of_series(each) == (path.name, "train"))
    starts.sort(key=lambda each: each.suffix.casefold() != ".ts")
    return next((files for each in starts if each.is_file() and (files := series_files(each))), [])


def read_series(files: Files, *, steps: int | None = None, classes: Sequence[str] = ()) -> Raw:
    """The rows of files of series, .ts or wide.

    Args:
        files: as `series_files` gives them.
        steps: of each series, where it is known, as for prediction: a wide file may then have no classes; 0 for any length.
        classes: that a wide file may name, where they are known.

    Errors: `DataError` for files that cannot be read, are of both kinds, or have no series that can be used.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "Walks_TRAIN.ts"
        >>> _ = path.write_text("@problemName Walks\\n@classLabel true slow fast\\n@data\\n1,2:slow\\n3,4:fast\\n")
        >>> read_series(series_files(path)).inputs.shape
        (2, 2, 1)
    """
    kinds = {path.suffix.casefold() == ".ts" for path, _ in files}
    if len(kinds) != 1:
        got = ", ".join(path.name for path, _ in files) or "none"
        raise DataError("Files of series must be of one kind", expected="all .ts, or all wide", got=got)
    return read_ts(files) if kinds.pop() else read_wide(files, steps=steps, classes=classes)


def _in_folder(folder: Path) -> Files:
    files = sorted(each for each in folder.iterdir() if each.is_file() and not each.name.startswith("."))
    found = [each for each in files if each.suffix.casefold() == ".ts" and is_ts(each)]
    if not found:
        parts = [each for each in files if each.suffix.casefold() in _WIDE and part_of_series(each)[1]]
        found = [each for each in parts if is_wide_series(each)]
        found = [] if len({each.suffix for each in found}) > 1 else found
    names = sorted({part_of_series(each)[0] for each in found})
    if len(names) > 1:
        raise DataError(
            f"{folder} holds several data sets",
            expected="one, or the name of one",
            got=", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else ""),
            do=f"Name one of them: {folder / names[0]}",
        )
    return _sorted(found)


def _is_series_file(path: Path, steps: int | None, classes: Sequence[str]) -> bool:
    suffix = path.suffix.casefold()
    return is_ts(path) if suffix == ".ts" else suffix in _WIDE and bool(is_wide_series(path, steps=steps, classes=classes))


def _siblings(path: Path) -> list[Path]:
    """Files with the same name and ending but for the part."""
    name = part_of_series(path)[0]
    beside = (each for each in path.parent.iterdir() if each.suffix.casefold() == path.suffix.casefold() and each.is_file())
    return sorted(each for each in beside if part_of_series(each)[0] == name and part_of_series(each)[1])


def _sorted(paths: Sequence[Path]) -> Files:
    files = [(path, part_of_series(path)[1]) for path in paths]
    parts = {part for _, part in files}
    if "train" not in parts or not parts - {"train", None}:  # a part that is alone divides nothing
        return [(path, None) for path, _ in files]
    # A file without a part beside those that have one holds, as a rule, the same rows again.
    files = [(path, part) for path, part in files if part]
    return sorted(files, key=lambda each: (_ORDER.index(each[1]), each[0].name))
