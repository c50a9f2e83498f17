"""Files that hold several inputs for a network that exists: series, one a line, or a table of texts, one a row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leadline.data.dataset import Excluded
from leadline.data.schema import Schema
from leadline.data.series.series import Series
from leadline.data.series.series_rows import SeriesRows
from leadline.data.series.ts_files import is_ts, read_ts_inputs
from leadline.data.series.wide_series import is_wide_series, read_wide_lines
from leadline.data.tables.frame import Frame
from leadline.data.tables.table_files import is_table, read_file
from leadline.data.texts.text_tables import texts_again
from leadline.data.texts.texts import Texts
from leadline.errors import DataError, SourceNotFoundError

_WIDE = frozenset({".txt", ".tsv", ".csv", ".data", ".tab", ""})
_ONE_OF = re.compile(r"(.+):(\d+)")  # "walks.ts:17", as answers are named


@dataclass(frozen=True)
class FoundInputs:
    """Inputs that were found: `raws`, each with its id, those `excluded` as they cannot be read, and `notes` on the reading.

    Example:
        >>> FoundInputs(["a.csv:2"], ["a text"]).excluded
        ()
    """

    ids: list[str]
    raws: list[Any]
    excluded: tuple[Excluded, ...] = ()
    notes: tuple[str, ...] = ()


def inputs_in(path: Path, schema: Schema) -> FoundInputs | None:
    """The inputs of a file that holds several, whether they have labels or not; None for a file that is one input.

    For a network on series that is a .ts file, or one with a series in each line; for one on texts a csv, tsv or parquet. The
    id of each ends in its line: "walks.ts:17", which stands for this one alone where it is given in the place of the file.

    Args:
        path: of the file.
        schema: of the network.

    Errors: `SourceNotFoundError` for a line that is not there; `DataError` for a file that cannot be read, or whose lines are
        of another length than all series of the training.

    Example:
        >>> import tempfile
        >>> from leadline.data.answers import Classes
        >>> path = Path(tempfile.mkdtemp()) / "walks.ts"
        >>> _ = path.write_text("@classLabel false\\n@data\\n1,2,3\\n3,4,oh\\n")
        >>> walks = Schema(Series(("value",), (0.0,), (1.0,), shortest=3, longest=3), Classes(("fast", "slow")))
        >>> found = inputs_in(path, walks)
        >>> [Path(name).name for name in found.ids], found.excluded[0].reason
        (['walks.ts:3'], "it holds 'oh' where a number should be")
    """
    inputs = schema.inputs
    if not isinstance(inputs, (Series, Texts)):
        return None
    if not _is_file(path):
        line = _ONE_OF.fullmatch(str(path))
        if line is None or not _is_file(Path(line[1])):
            return None
        whole = inputs_in(Path(line[1]), schema)
        return None if whole is None else _only(whole, str(path))
    if isinstance(inputs, Texts):
        return (
            texts_in(read_file(path, header=inputs.header if inputs.column else None), inputs, path) if is_table(path) else None
        )
    if path.suffix.casefold() == ".ts" and is_ts(path):
        return _found(path, *read_ts_inputs(path, len(inputs.channels)))
    return _of_lines(path, inputs, schema) if len(inputs.channels) == 1 and path.suffix.casefold() in _WIDE else None


def spread(raws: Iterable[Any], schema: Schema) -> FoundInputs | None:
    """Several raw inputs with all that is in the files among them that hold several; None where no file does.

    Args:
        raws: inputs as they were given; what is no `Path` stands for itself, with its number as its id.
        schema: of the network.

    Errors: as `inputs_in`.

    Example:
        >>> from leadline.data.answers import Classes
        >>> spread(["a text"], Schema(Texts(("", "<unk>"), 9), Classes(("a", "b")))) is None
        True
    """
    found = FoundInputs([], [])
    several = False
    for number, raw in enumerate(raws):
        inside = inputs_in(raw, schema) if isinstance(raw, Path) else None
        several |= inside is not None
        more = FoundInputs([str(raw) if isinstance(raw, (str, Path)) else str(number)], [raw]) if inside is None else inside
        found.ids.extend(more.ids)
        found.raws.extend(more.raws)
        found = FoundInputs(found.ids, found.raws, found.excluded + more.excluded, found.notes + more.notes)
    return found if several else None


def texts_in(frame: Frame, inputs: Texts, path: Path | None = None) -> FoundInputs:
    """The texts of a table, one a row.

    Args:
        frame: as read.
        inputs: of the training.
        path: of the file, in the words of which its rows are named.

    Errors: `DataError` where it is not clear which column holds the texts.

    Example:
        >>> import polars as pl
        >>> rows = Frame(pl.DataFrame({"said": ["a good end", None]}), ["row:0", "row:1"], digest="", name="rows")
        >>> texts_in(rows, Texts(("", "<unk>"), 9, column="said")).raws
        ['a good end', '']
    """
    texts, notes = texts_again(frame, inputs)
    return FoundInputs(_named(path, frame.ids), list(texts), _excluded(path, frame.excluded), (*frame.notes, *notes))


def _of_lines(path: Path, inputs: Series, schema: Schema) -> FoundInputs | None:
    """A series in each line of a text file; None where the file is a single one, with a line for each step."""
    steps = inputs.longest if inputs.fixed else 0
    layout = is_wide_series(path, steps=steps, classes=schema.answers.names)
    if not layout:
        if steps and layout.columns > 1 and not layout.header:
            raise DataError(
                f"{path} does not hold what the network was trained on, {inputs.describe()}",
                expected=f"{steps:,} values in each line, with or without a class before or behind them; or a value a line",
                got=layout.reason.removesuffix("."),
            )
        return None
    rows = SeriesRows(path.stem)
    lines = read_wide_lines(path, layout, rows, whole=inputs.fixed)
    if lines == 1 and layout.target is None and rows.each()[0]:
        return None
    return _found(path, rows, [])


def _found(path: Path, rows: SeriesRows, notes: Sequence[str]) -> FoundInputs:
    ids, values, lost, more = rows.each()
    if not ids and not lost:
        raise DataError(f"{path} holds no series", expected="a line for each")
    return FoundInputs(_named(path, ids), list(values), _excluded(path, lost), (*notes, *more))


def _only(found: FoundInputs, name: str) -> FoundInputs:
    excluded = tuple(row for row in found.excluded if row.id == name)
    chosen = [at for at, each in enumerate(found.ids) if each == name]
    if not chosen and not excluded:
        known = ", ".join(found.ids[:3]) + (", …" if len(found.ids) > 3 else "")
        raise SourceNotFoundError(f"There is nothing in {name}", expected=f"one of {known}" if known else None)
    return FoundInputs([found.ids[at] for at in chosen], [found.raws[at] for at in chosen], excluded)


def _named(path: Path | None, ids: Sequence[str]) -> list[str]:
    """Ids that begin with the path as it was given, so that files of one name in two folders are told apart."""
    return [str(path) + name.removeprefix(path.name) if path is not None else name for name in ids]


def _excluded(path: Path | None, rows: Sequence[Excluded]) -> tuple[Excluded, ...]:
    return tuple(Excluded(name, row.reason) for name, row in zip(_named(path, [row.id for row in rows]), rows, strict=True))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a text that is too long for a name
        return False
