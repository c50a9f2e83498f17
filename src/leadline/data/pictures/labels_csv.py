"""Flat photos with a csv of labels beside them: which column names the files, and what the others say."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.data.labelling import natural_order
from leadline.data.pictures.decoding import EXTENSIONS
from leadline.data.pictures.folders import Listing, ignored_notes, pictures_below
from leadline.errors import DataError, unknown
from leadline.spelling import counted

_USUAL = ("label", "labels", "class", "classes", "category", "target", "tags", "y")
_TRIED = 200  # rows enough to tell which column names the files


@dataclass(frozen=True)
class LabelTable:
    """The rows of a csv file that have as many fields as it has columns; `ragged` counts the others."""

    columns: list[str]
    rows: list[list[str]]
    ragged: int

    def column(self, name: str) -> list[str]:
        at = self.columns.index(name)
        return [row[at].strip() for row in self.rows]


def find_csv(folder: Path) -> Path | None:
    """The csv that describes the pictures in `folder`: the only one in it, or one beside it with its name, or None."""
    inside = sorted(path for path in folder.glob("*.csv") if not path.name.startswith("."))
    if len(inside) == 1:
        return inside[0]
    beside = [folder.parent / name for name in (f"{folder.name}.csv", "labels.csv")]
    has_pictures = any(path.parent == folder for path in pictures_below(folder))
    return next((path for path in beside if path.is_file()), None) if has_pictures and not inside else None


def names_pictures(path: Path) -> bool:
    """Whether a csv speaks of pictures: one of its first lines names a file that lies beside it or below."""
    with path.open("rb") as file:
        head = file.read(20_000).decode("utf-8-sig", errors="replace").splitlines()[:20]
    fields = [field.strip(" \t\"'") for line in head for field in re.split(r"[,;\t]", line)]
    named = any(Path(field).suffix.lower() in EXTENSIONS and (path.parent / field).exists() for field in fields if field)
    beside = {each.stem for each in path.parent.iterdir() if each.suffix.lower() in EXTENSIONS}
    return named or sum(field in beside for field in fields) >= max(1, (len(head) - 1) // 2)


def list_csv(path: Path, root: Path, *, target: str | None = None, task: str | None = None) -> Listing:
    """The pictures under `root` that a csv names, with their labels.

    Any column may name the files (as path, file name, or file name without extension). Of the others one is the label, or
    several hold 0 and 1 or numbers; several labels in one field are separated by ; or | or a comma without a space.

    Args:
        path: of the csv.
        root: the folder of the pictures.
        target: the label column, or several separated by commas.
        task: as in `load`.

    Raises:
        DataError: no column names pictures, or it is not clear which holds the labels.
    """
    paths = {picture.relative_to(root).as_posix(): picture for picture in pictures_below(root)}
    table = read_label_table(path, paths)
    lookup = spellings_of(paths)
    file_column = column_of_files(table, lookup, path)
    chosen = columns_of_labels(table, file_column, target, path)
    targets, columns = labels_of_rows(table, chosen, task)
    names = [lookup.get(value, value) for value in table.column(file_column)]
    missing = tuple((row, f"{path.name} names it, but it is not there") for row, name in enumerate(names) if name not in paths)
    unused = Counter(Path(name).suffix.lower() for name in paths.keys() - set(names))
    notes = [f"The labels are the column{'s' if len(chosen) > 1 else ''} {', '.join(chosen[:8])} of {path.name}."]
    if table.ragged:
        those = counted(table.ragged, f"line of {path.name}", f"lines of {path.name}")
        notes.append(f"{those} with too few or too many fields {'was' if table.ragged == 1 else 'were'} left out.")
    return Listing(root, names, targets, columns=columns, notes=(*notes, *ignored_notes(unused)), missing=missing)


def read_label_table(path: Path, paths: dict[str, Path]) -> LabelTable:
    """The lines of a csv of labels; its first one holds names of columns unless it names one of the files."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file in UTF-8", do="Save it again as csv in UTF-8.") from error
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    lines = [line for line in csv.reader(text.splitlines(), delimiter=delimiter) if any(field.strip() for field in line)]
    if not lines:
        raise DataError(f"{path} is empty", expected="a line for each picture")
    columns = [field.strip() for field in lines[0]]
    lookup = spellings_of(paths)
    if any(field in lookup for field in columns):  # no header: the first line is a picture already
        columns = [f"column {number}" for number in range(1, len(columns) + 1)]
    else:
        lines = lines[1:]
    rows = [line for line in lines if len(line) == len(columns)]
    return LabelTable(columns, rows, len(lines) - len(rows))


def spellings_of(paths: dict[str, Path]) -> dict[str, str]:
    """What may stand in a csv for each picture: its path, its name, either without the extension."""
    lookup: dict[str, str] = {}
    for spelled in (
        lambda name: Path(name).stem,
        lambda name: Path(name).name,
        lambda name: str(Path(name).with_suffix("")),
        str,
    ):
        lookup |= {spelled(name): name for name in paths}
    return lookup


def column_of_files(table: LabelTable, lookup: dict[str, str], path: Path) -> str:
    """The column that names most of the files beside the csv."""
    hits = {name: sum(value in lookup for value in table.column(name)[:_TRIED]) for name in table.columns}
    best = max(hits, key=lambda name: hits[name])
    if 2 * hits[best] < max(1, len(table.rows[:_TRIED])):
        raise DataError(
            f"No column of {path} names pictures beside it", expected="a column of file names", got=", ".join(table.columns[:8])
        )
    return best


def columns_of_labels(table: LabelTable, file_column: str, target: str | None, path: Path) -> list[str]:
    """The columns of the labels: those asked for, the only other one, one with a usual name, or several of numbers."""
    others = [name for name in table.columns if name != file_column]
    if target:
        chosen = [target] if target in others else [name.strip() for name in target.split(",")]
        for name in chosen:
            if name not in others:
                unknown("column", name, others, DataError)
        return chosen
    if len(others) == 1:
        return others
    if usual := [name for name in others if name.casefold() in _USUAL]:
        return usual[:1]
    if others and all(_as_numbers(table.column(name)) is not None for name in others):
        return others
    raise DataError(
        f"It is not clear which column of {path} holds the labels",
        expected="one column beside the file names, or several of numbers",
        got=", ".join(others[:8]) or "none",
        do="Name it with target=…, or --target on the command line." if others else "Add a column of labels.",
    )


def labels_of_rows(table: LabelTable, chosen: Sequence[str], task: str | None) -> tuple[NDArray[Any], tuple[str, ...] | None]:
    """The values of the columns of labels, with the names of the columns where there are several."""
    values = [table.column(name) for name in chosen]
    numbers = [_as_numbers(column) for column in values]
    if len(chosen) > 1 and all(column is not None for column in numbers):
        return np.stack([column for column in numbers if column is not None], axis=1), tuple(chosen)
    if len(chosen) > 1:
        raise DataError("Several label columns must hold 0 and 1, or numbers", got=", ".join(chosen[:8]))
    if task != "classes" and task != "number" and (task == "labels" or _separator(values[0])):
        return _split_labels(values[0])
    whole = numbers[0] is not None and bool((numbers[0] == np.rint(numbers[0])).all())
    if numbers[0] is not None and (not whole or task == "number" or len(set(values[0])) > 100):
        return (numbers[0].astype(np.int64) if whole else numbers[0]), (chosen[0],)
    return np.array(values[0]), None


def _split_labels(fields: list[str]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    separator = _separator(fields)
    sets = [{word.strip() for word in (field.split(separator) if separator else [field])} - {""} for field in fields]
    names = natural_order(set().union(*sets))
    if not names:
        raise DataError("The label column is empty", expected="at least one label")
    return np.array([[int(name in chosen) for name in names] for chosen in sets]), names


def _separator(fields: list[str]) -> str | None:
    """What separates several labels in one field: ; or | anywhere, or commas that no space follows."""
    for mark in ";|":
        if any(mark in field for field in fields):
            return mark
    commas = any("," in field for field in fields)
    return "," if commas and not any(re.search(r",\s", field) for field in fields) else None


def _as_numbers(fields: list[str]) -> NDArray[np.float64] | None:
    try:
        return np.array([float(field) if field else np.nan for field in fields])
    except ValueError:
        return None
