"""One series in a file of its own: .npy, or a csv with a row for each step; and how lines of numbers are read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.errors import DataError, SourceNotFoundError
from leadline.spelling import counted

_MOST = 0.95  # of the lines
MISSING = frozenset({"", "?", "nan", "na", "n/a", "null", "none", "missing", "-nan", "+nan"})


def read_one_series(path: Path, channels: Sequence[str] = ("value",)) -> NDArray[np.float64]:
    """The values of a file, [T, C] as they stand there; for one channel also [T]. NaN where there is none.

    A csv may begin with the names of its columns; where all channels are among them they are taken by name.

    Args:
        path: of a .npy, or of lines of numbers (.csv, .tsv, .txt).
        channels: the names of those that are wanted.

    Errors: `SourceNotFoundError` where there is no such file; `DataError` for what is no series of numbers.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "walk.csv"
        >>> _ = path.write_text("time,y,x\\n0,1.5,2\\n1,?,3\\n")
        >>> read_one_series(path, ("x", "y"))
        array([[2. , 1.5],
               [3. , nan]])
    """
    if not path.is_file():
        raise SourceNotFoundError(f"There is no file {str(path)!r}", expected="a .npy or csv file of one series")
    if path.suffix.casefold() == ".npy":
        return _read_npy(path)
    lines = [line for line in path.read_text("utf-8-sig", errors="replace").splitlines() if line.strip()]
    if not lines or "\0" in lines[0]:
        got = "an empty file" if not lines else "a file that is no text"
        raise DataError(f"{path} holds no series", expected="lines of numbers", got=got)
    delimiter = delimiter_of(lines[:20])
    rows = [fields_of(line, delimiter) for line in lines]
    names = None if all(map(is_number, rows[0])) else [name.strip("\"' ") for name in rows[0]]
    if len(rows) == (names is not None):
        raise DataError(f"{path} holds no series", expected="lines of numbers", got="the names of columns alone")
    return _by_name(path, rows if names is None else rows[1:], names, channels, first=1 + (names is not None))


def delimiter_of(lines: Sequence[str]) -> str | None:
    """What stands between the fields of some lines: a tab, a semicolon, a comma, or None for white space.

    Args:
        lines: of one file.

    Example:
        >>> delimiter_of(["1,5;2,5"]), delimiter_of(["1.5, 2.5"]), delimiter_of(["  1.0e+00  -2.0e-01"])
        (';', ',', None)
    """
    wanted = _MOST * len(lines)
    return next((mark for mark in ("\t", ";", ",") if sum(mark in line.strip() for line in lines) >= wanted), None)


def fields_of(line: str, delimiter: str | None) -> list[str]:
    """The fields of a line, stripped; decimal commas become points where commas do not part the fields.

    Args:
        line: of a file.
        delimiter: as `delimiter_of` tells it.

    Example:
        >>> fields_of("1,5;2 \\n", ";"), fields_of(" 1   2\\n", None)
        (['1.5', '2'], ['1', '2'])
    """
    line = line.strip(" \r\n")
    fields = [field.strip() for field in line.split(delimiter)]
    return fields if delimiter == "," else [re.sub(r"^([-+]?\d+),(\d+)$", r"\1.\2", field) for field in fields]


def is_number(field: str) -> bool:
    """Whether a field is a number, or one of the words for a missing one.

    Args:
        field: stripped.

    Example:
        >>> [is_number(field) for field in ("1e-3", "?", "NaN", "walking", "")]
        [True, True, True, False, True]
    """
    try:
        numbers_of([field])
    except ValueError:
        return False
    return True


def numbers_of(fields: Sequence[str]) -> NDArray[np.float64]:
    """Fields to numbers [T]; NaN for "?", "NaN", nothing at all, and the like.

    Args:
        fields: stripped or not.

    Errors: `ValueError` for a field that is neither; its text is the first such field.

    Example:
        >>> numbers_of(["1", " -2.5", "?"])
        array([ 1. , -2.5,  nan])
    """
    try:
        return np.array([float(field) for field in fields])
    except ValueError:
        return np.array([_number(field.strip()) for field in fields])


def _number(field: str) -> float:
    if field.casefold() in MISSING:
        return np.nan
    try:
        return float(field)
    except ValueError:
        raise ValueError(repr(field[:40])) from None


def _read_npy(path: Path) -> NDArray[np.float64]:
    try:
        values = np.load(path, allow_pickle=False)
        return np.asarray(values, dtype=np.float64)
    except (OSError, EOFError, ValueError, TypeError) as error:
        raise DataError(f"{path} holds no array of numbers", expected="what numpy.save writes", got=str(error)[:80]) from error


def _by_name(
    path: Path, rows: list[list[str]], names: list[str] | None, channels: Sequence[str], first: int
) -> NDArray[np.float64]:
    taken: Any = slice(None)
    if names is not None and all(channel in names for channel in channels):
        taken = [names.index(channel) for channel in channels]
    width = len(rows[0]) if names is None else len(names)
    values = np.empty((len(rows), width))
    for number, fields in enumerate(rows):
        if len(fields) != width:
            got = counted(len(fields), "field")
            raise DataError(f"Line {number + first} of {path} is not like the others", expected=f"{width} fields", got=got)
        try:
            values[number] = np.nan
            values[number, taken] = numbers_of([fields[at] for at in taken] if isinstance(taken, list) else fields)
        except ValueError as error:
            raise DataError(f"Line {number + first} of {path} is not numbers", expected="numbers", got=str(error)) from error
    values = values[:, taken]
    return values[0] if len(values) == 1 and len(channels) == 1 else values
