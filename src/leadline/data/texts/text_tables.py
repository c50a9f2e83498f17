"""Tables that hold a text in each row and its class or number: which they are, and their rows as texts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from leadline.data.answers import Answers
from leadline.data.raw import Raw, TableSource
from leadline.data.tables.cells import Cells
from leadline.data.tables.frame import Frame
from leadline.data.tables.kinds import learn_column
from leadline.data.tables.long_lines import cut_values
from leadline.data.tables.rows import rows_again
from leadline.data.tables.sentences import holds_sentences
from leadline.data.texts.text_folders import digest_of_texts, first_copies_of_texts
from leadline.data.texts.texts import MOST, Texts
from leadline.errors import DataError, nearest

if TYPE_CHECKING:
    import polars as pl

# Rows to an identifier of theirs, on average: each class and each file may count its own, as the four of the film reviews do.
_ROWS_TO_ONE = 10
_FEW = 20  # the least number of rows that says anything
_MOST_LETTERS = 0.7  # share of the characters of a name
_MOST_CLASSES = 100
_RECURRING = 5  # rows of each class on average
_EMPTY = "its text is empty"
BY_CHANCE = "so few different ones are possible that this is chance."  # of rows alike, as `table_rows` says it
_IDENTIFIER = re.compile(r"(?i:(^|[\W_])(id|ids|index|idx|key|uuid|guid|url|link)$)|[a-z]I[Dd]$")


@dataclass(frozen=True)
class TextSource(TableSource):
    """How the source of a table is laid out, and which column is its text."""

    text: str


def text_column(data: pl.DataFrame, kinds: Mapping[str, str] | None = None, targets: NDArray[Any] | None = None) -> str | None:
    """The column of a table that is a text, where there is nothing else to learn from; None where there is.

    That is the only column whose cells are mostly sentences (or the one that `kinds` calls "text"), where all others are
    identifiers, constant, empty, to be left out, or the answer under another name; or, where no column is a sentence, the only
    one, if it holds names.

    Args:
        data: the columns without the targets.
        kinds: column name → kind, where it is chosen.
        targets: the classes [N], where they are known, to tell whether a column gives them away.

    Example:
        >>> import polars as pl
        >>> texts = [f"number {n} is a good text" for n in range(30)]
        >>> text_column(pl.DataFrame({"id": range(30), "said": texts}))
        'said'
        >>> text_column(pl.DataFrame({"stars": [1, 2, 5] * 10, "said": texts})) is None
        True
    """
    kinds = kinds or {}
    texts: list[str] = []
    names: list[str] = []
    for name in data.columns:
        chosen, cells = kinds.get(name), Cells(data[name])
        if chosen == "leave out" or not cells.present.any():
            continue
        if chosen == "text" or (chosen is None and holds_sentences(cells)):
            texts.append(name)
        elif chosen is None and _holds_names(cells):
            names.append(name)
        elif chosen is not None or not (
            _identifies(name, cells) or learn_column(name, cells).kind == "left out" or gives_away(cells, targets)
        ):
            return None
        if len(texts) > 1:
            return None
    if texts:
        # Beside a sentence a column of names is one of identifiers only where no two rows share one.
        return texts[0] if all(learn_column(name, Cells(data[name])).kind == "left out" for name in names) else None
    return names[0] if len(names) == 1 else None


def told_target(data: pl.DataFrame) -> tuple[str, str] | None:
    """The target of a table of two columns, one of sentences and one of few classes, with a note; None for all other tables.

    Columns of identifiers do not count.

    Example:
        >>> import polars as pl
        >>> texts = [f"number {n} is a good text" for n in range(30)]
        >>> told_target(pl.DataFrame({"column 1": ["ham", "spam"] * 15, "column 2": texts}))[0]
        'column 1'
    """
    data = data.select(name for name in data.columns if not _identifies(name, Cells(data[name])))
    if data.width != 2:
        return None
    sentences = [name for name in data.columns if holds_sentences(Cells(data[name]))]
    if len(sentences) != 1:
        return None
    other = next(name for name in data.columns if name not in sentences)
    cells = Cells(data[other])
    different = cells.text.drop_nulls().n_unique()
    if not 2 <= different <= min(_MOST_CLASSES, int(cells.present.sum()) / _RECURRING):
        return None
    return other, f"The target is the column {other!r}: the other one, {sentences[0]!r}, holds texts; --target names another."


def rows_of_texts(raw: Raw, kinds: Mapping[str, str] | None = None) -> Raw:
    """The rows of a table as texts, where a text is all that there is to learn from; the very same rows where it is not.

    Args:
        raw: as `tables.rows.table_rows` gives it.
        kinds: column name → kind, where it is chosen.

    Returns:
        Raw, whose inputs are an array of str [N], whose table is a `TextSource`, and with a note that names the column; rows
        without a text are bad.

    Example:
        >>> import polars as pl
        >>> frame = pl.DataFrame({"said": [f"number {n} is a good text" for n in range(30)]})
        >>> raw = rows_of_texts(Raw("letters", frame, np.arange(30) % 2, [str(n) for n in range(30)], digest=""))
        >>> raw.inputs[0], raw.notes
        ('number 0 is a good text', ("The texts are the column 'said'.",))
    """
    if not raw.is_table or (column := text_column(raw.frame, kinds, raw.targets)) is None:
        return raw
    others = [name for name in raw.frame.columns if name != column]
    beside = f" The others ({', '.join(others[:6])}) are left out." if others else ""
    note = f"The texts are the column {column!r}.{beside}{_about_given_away(raw, others, kinds or {})}"
    # What rows alike say of a table's columns is not so of texts.
    kept = [each for each in raw.notes if not each.endswith(BY_CHANCE)]
    return _with_texts(replace(raw, notes=(*kept, note)), column)


def learn_texts(
    raw: Raw,
    train: NDArray[np.int64],
    *,
    unit: str | None = None,
    vocabulary: int | None = None,
    longest: int | None = None,
) -> Texts:
    """What the training rows of texts teach; of a table, with the names of the columns of the text and the targets.

    Args:
        raw: whose inputs are texts [N].
        train: row numbers.
        unit: "words" or "characters"; what suits the texts when None.
        vocabulary: at most so many of them are known; 30,000 when None.
        longest: how many of a text are read; what suits the texts when None.

    Errors: as `Texts.learn`.

    Example:
        >>> raw = Raw("letters", np.array(["this is good", "that is not"], object), np.array([1, 0]), ["0", "1"], digest="")
        >>> learn_texts(raw, np.array([0, 1])).vocabulary
        ('', '<unk>', 'is')
    """
    most = MOST if vocabulary is None else vocabulary
    texts = Texts.learn([raw.array[row] for row in train.tolist()], unit=unit, longest=longest, most=most)
    if not isinstance(raw.table, TextSource):
        return texts
    return replace(texts, column=raw.table.text, targets=raw.table.targets, header=raw.table.header)


def read_texts_again(frame: Frame, inputs: Texts, answers: Answers, decimals: Sequence[str] = ()) -> Raw:
    """The rows of a table to be judged by, for a training on texts that exists.

    Args:
        frame: as read.
        inputs: of the training, with the name of its column.
        answers: of the training.
        decimals: the decimal marks of targets that are numbers.

    Errors: `DataError` where the text or the targets are not there.
    """
    raw = rows_again(frame, answers, inputs.targets, tuple(decimals))
    return _with_texts(raw, _column_again(raw.frame, inputs))


def texts_again(frame: Frame, inputs: Texts) -> tuple[list[str], list[str]]:
    """The texts of a table for a training on texts that exists, "" where there is none, and notes; it may have targets or not.

    Args:
        frame: as read.
        inputs: of the training.

    Errors: `DataError` where it is not clear which column holds them.

    Example:
        >>> import polars as pl
        >>> rows = Frame(pl.DataFrame({"id": [7], "said": ["good"]}), ["row:0"], digest="", name="rows")
        >>> texts_again(rows, Texts(("", "<unk>"), 9, column="said"))
        (['good'], [])
    """
    return _texts_of(frame.data.select(_column_again(frame.data, inputs)), frame.name)


def gives_away(cells: Cells, targets: NDArray[Any] | None) -> bool:
    """Whether a column is the answer under another name: each of its values, found in many rows, goes with one class alone.

    Args:
        cells: of the column [N].
        targets: the classes [N]; nothing gives away numbers, several columns, or what is not known.

    Example:
        >>> import polars as pl
        >>> stars = Cells(pl.Series([1, 2, 9, 10] * 10))
        >>> other = np.array(["bad"] * 20 + ["good"] * 20)
        >>> [gives_away(stars, kinds) for kinds in (np.array(["bad", "bad", "good", "good"] * 10), other)]
        [True, False]
    """
    import polars as pl

    if targets is None or targets.ndim != 1 or targets.dtype.kind == "f":
        return False
    rows = pl.DataFrame({"value": cells.text.fill_null(""), "class": targets.astype(str)})
    found = rows.group_by("value").agg(pl.col("class").n_unique())
    return 2 <= found.height <= rows.height / _RECURRING and bool((found["class"] == 1).all())


def _about_given_away(raw: Raw, others: Sequence[str], kinds: Mapping[str, str]) -> str:
    columns = [name for name in others if name not in kinds and not _identifies(name, Cells(raw.frame[name]))]
    told = [name for name in columns if gives_away(Cells(raw.frame[name]), raw.targets)]
    if not told:
        return ""
    which = " and ".join(map(repr, told[:3]))
    return (
        f" Each value of {which} goes with one class alone, which is the answer under another name; "
        f"--set data.columns.{told[0]}=category learns from it all the same."
    )


def _column_again(data: pl.DataFrame, inputs: Texts) -> str:
    """The column of the texts for a training that exists: the one of its name, or else the only one that can be."""
    if inputs.column in data.columns:
        return str(inputs.column)
    rest = data.drop([name for name in inputs.targets if name in data.columns])
    sentences = [name for name in rest.columns if holds_sentences(Cells(rest[name]))]
    candidates = sentences or [name for name in rest.columns if rest.width == 1 and _has_letters(Cells(rest[name]))]
    column = text_column(rest) or (candidates[0] if len(candidates) == 1 else None)
    if column is None:
        close = nearest(inputs.column or "", rest.columns)
        raise DataError(
            f"There is no column {inputs.column!r} of texts"
            if inputs.column
            else "It is not clear which column holds the texts",
            expected="one of the columns to hold the texts",
            got=", ".join(map(repr, data.columns[:15])),
            do=f"Is {close!r} meant? Give it that name." if close else None,
        )
    return column


def _with_texts(raw: Raw, column: str) -> Raw:
    texts, cut_notes = _texts_of(raw.frame.select(column), raw.name)
    bad = {row: _EMPTY for row, text in enumerate(texts) if not text.strip()} | dict(raw.bad)
    inputs = np.empty(len(texts), object)
    inputs[:] = texts
    copies = first_copies_of_texts(texts)
    for row in bad:
        copies[row] = row
    table = None
    if raw.table is not None:
        table = TextSource(raw.table.targets, raw.table.header, raw.table.columns, raw.table.decimals, column)
    digest = raw.digest or digest_of_texts(texts)
    return replace(raw, inputs=inputs, bad=bad, copies=copies, table=table, notes=(*raw.notes, *cut_notes), digest=digest)


def _texts_of(column: pl.DataFrame, name: str) -> tuple[list[str], list[str]]:
    """The texts of a single column, "" for none; those of a csv were cut when it was read, others are here."""
    import polars as pl

    data, notes = cut_values(column.cast(pl.String), name)
    return [text or "" for text in data.to_series().to_list()], notes


def _has_letters(cells: Cells) -> bool:
    return cells.is_text and 2 * int(cells.text.str.contains(r"\p{L}").sum()) > int(cells.present.sum())


def _identifies(name: str, cells: Cells) -> bool:
    """Whether a column is called an identifier and its values seldom come twice, as where each class counts its own."""
    return bool(_IDENTIFIER.search(name)) and _ROWS_TO_ONE * cells.text.drop_nulls().n_unique() >= int(cells.present.sum())


def _holds_names(cells: Cells) -> bool:
    """Whether the cells are words of their own kind, such as names: of letters, and most of them different."""
    present = int(cells.present.sum())
    if not cells.is_text or present < _FEW:
        return False
    text = cells.text.drop_nulls()
    letters, characters = text.str.count_matches(r"\p{L}").sum(), text.str.len_chars().sum()
    return 2 * text.n_unique() > present and float(letters) >= _MOST_LETTERS * float(characters)
