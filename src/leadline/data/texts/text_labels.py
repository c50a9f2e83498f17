"""Flat text files with a csv of their labels beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from leadline.data.pictures.folders import Listing
from leadline.data.pictures.labels_csv import (
    LabelTable,
    column_of_files,
    columns_of_labels,
    labels_of_rows,
    read_label_table,
    spellings_of,
)
from leadline.errors import DataError
from leadline.spelling import counted


def find_label_table(folder: Path, files: Sequence[Path]) -> Path | None:
    """The csv or tsv that names most of its rows' text files, in a folder or beside it; None where there is no such table.

    Args:
        folder: of the texts.
        files: the text files in it.
    """
    if not files:
        return None
    inside = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".csv", ".tsv") and path.name[0] != ".")
    beside = [folder.parent / name for name in (f"{folder.name}.csv", f"{folder.name}.tsv", "labels.csv", "labels.tsv")]
    for path in [*inside, *(path for path in beside if path.is_file())]:
        try:
            _columns_of(path, folder, files)
        except DataError:
            continue
        return path
    return None


def labels_of_files(
    table: Path, root: Path, files: Sequence[Path], *, target: str | None = None, task: str | None = None
) -> Listing:
    """The text files that a csv names, with their labels; what it says of labels is understood as for photos.

    Args:
        table: the csv or tsv.
        root: the folder of the texts.
        files: the text files in it.
        target: the label column, or several separated by commas.
        task: as in `load`.

    Errors: `DataError` where no column names the files, or it is not clear which holds the labels.
    """
    rows, file_column, lookup = _columns_of(table, root, files)
    chosen = columns_of_labels(rows, file_column, target, table)
    targets, columns = labels_of_rows(rows, chosen, task)
    there = set(lookup.values())
    names = [lookup.get(value, value) for value in rows.column(file_column)]
    missing = tuple((row, f"{table.name} names it, but it is not there") for row, name in enumerate(names) if name not in there)
    notes = [f"The labels are the column{'s' if len(chosen) > 1 else ''} {', '.join(chosen[:8])} of {table.name}."]
    if rows.ragged:
        those = counted(rows.ragged, f"line of {table.name}", f"lines of {table.name}")
        notes.append(f"{those} with too few or too many fields {'was' if rows.ragged == 1 else 'were'} left out.")
    if unused := len(there - set(names)):
        notes.append(f"{counted(unused, 'text that has no label was', 'texts that have no label were')} left out.")
    return Listing(root, names, targets, columns=columns, notes=tuple(notes), missing=missing)


def _columns_of(table: Path, root: Path, files: Sequence[Path]) -> tuple[LabelTable, str, dict[str, str]]:
    paths = {path.relative_to(root).as_posix(): path for path in files}
    rows = read_label_table(table, paths)
    lookup = spellings_of(paths)
    try:
        return rows, column_of_files(rows, lookup, table), lookup
    except DataError as error:  # its words are about pictures
        raise DataError(
            f"No column of {table} names text files beside it",
            expected="a column of file names",
            got=", ".join(rows.columns[:8]),
        ) from error
