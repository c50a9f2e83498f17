"""Tables with columns of texts, written out as lines, so that their words are learned like those of any text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from leadline.data.tables.cells import Cells
from leadline.data.tables.frame import Frame
from leadline.data.tables.sentences import holds_sentences
from leadline.data.tables.table_files import is_table, read_file, table_files_in
from leadline.data.tokens.token_sources import files_by_part
from leadline.data.tokens.token_streams import PARTS, parts_said
from leadline.errors import DataError, unknown
from leadline.files import writing
from leadline.spelling import counted

_SHOWN = 8  # names of columns in a message
_AT_ONCE = 10_000  # rows


def tables_by_part(paths: Path | Sequence[Path]) -> dict[str, list[Path]]:
    """The tables of a source by the part that they are, as their names say; nothing where the source is no table.

    Args:
        paths: a file, several, or a folder.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("a.train.csv", "a.test.csv"):
        ...     (folder / name).touch()
        >>> {part: [path.name for path in found] for part, found in tables_by_part(folder / "a.train.csv").items()}
        {'train': ['a.train.csv'], 'test': ['a.test.csv']}
        >>> tables_by_part(folder / "a.txt")
        {}
    """
    if isinstance(paths, Path) and not paths.is_dir():
        return files_by_part(paths) if is_table(paths) else {}
    if isinstance(paths, Path):
        beside = [path for path in paths.iterdir() if path.is_file() and not path.name.startswith(".")]
        found = table_files_in(paths)
        if not found or any(not is_table(path) and path.suffix.lower() in (".txt", ".text") for path in beside):
            return {}
    else:
        found = list(paths)
        if not all(map(is_table, found)):
            return {}
    said = {part: [path for path in found if part in parts_said(path)] for part in PARTS}
    return {part: those for part, those in said.items() if those} if said["train"] else {"train": found}


def write_texts(
    tables: Mapping[str, Sequence[Path]],
    folder: Path,
    *,
    kinds: Mapping[str, str] | None = None,
    header: bool | None = None,
    encoding: str | None = None,
) -> list[str]:
    """Write the texts of tables to `texts.PART.txt` in a folder, a cell after the other; what a person should know comes back.

    Args:
        tables: of `tables_by_part`.
        folder: that the files go to.
        kinds: column name → kind: those called "text" are taken, where there are such; else all columns of sentences are.
        header: whether a csv has one; told from its rows when None.
        encoding: of a csv; told from its bytes when None.

    Errors: `DataError` where no column holds texts; whatever cannot be read of a table.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "a.csv").write_text("stars,said\\n" + "".join(f"{n % 5},number {n} is good\\n" for n in range(30)))
        >>> write_texts({"train": [folder / "a.csv"]}, folder)
        ["The texts are the column 'said' of a.csv."]
        >>> (folder / "texts.train.txt").read_text().splitlines()[:2]
        ['number 0 is good', 'number 1 is good']
    """
    notes: list[str] = []
    for part, paths in tables.items():
        with writing(folder / f"texts.{part}.txt") as file:
            for path in paths:
                frame = read_file(path, header=header, encoding=encoding)
                columns = _columns_of(frame, path, kinds or {})
                names = " and ".join(map(repr, columns))
                notes.append(f"The texts are the column{'s' if len(columns) > 1 else ''} {names} of {path.name}.")
                notes += frame.notes
                if frame.excluded:
                    lost = counted(len(frame.excluded), "row")
                    notes.append(f"{lost} of {path.name} could not be read, such as {frame.excluded[0].id}.")
                for text in _texts_of(frame, columns):
                    file.write(text.encode("utf-8", "replace") + b"\n")
    return notes


def _columns_of(frame: Frame, path: Path, kinds: Mapping[str, str]) -> list[str]:
    data = frame.data
    for name in kinds:
        if name not in data.columns:
            unknown("column", name, data.columns, DataError)
    if chosen := [name for name, kind in kinds.items() if kind == "text"]:
        return chosen
    found = [name for name in data.columns if kinds.get(name) != "leave out" and holds_sentences(Cells(data[name]))]
    if not found:
        raise DataError(
            f"No column of {path} holds texts whose words could be learned",
            expected="a column of sentences",
            got=", ".join(map(repr, data.columns[:_SHOWN])),
            do="Name it: --set data.columns.NAME=text.",
        )
    return found


def _texts_of(frame: Frame, columns: list[str]) -> Iterator[str]:
    import polars as pl

    for rows in frame.data.select(pl.col(columns).cast(pl.String)).iter_slices(_AT_ONCE):
        for row in rows.iter_rows():
            yield from (text for text in row if text and text.strip())
