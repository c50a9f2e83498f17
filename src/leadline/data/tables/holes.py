"""Bytes of a csv that mean nothing in its encoding: replaced where a text loses little by it, elsewhere they cost their row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from leadline.data.tables.cells import Cells
from leadline.data.tables.layouts import Layout
from leadline.data.tables.lines import Ints
from leadline.data.tables.sentences import holds_sentences
from leadline.spelling import counted

if TYPE_CHECKING:
    import polars as pl

_HOLE, _REPLACED = "\0", "\ufffd"
_NO_TEXT = "it has bytes that are not text"


def without_holes(data: pl.DataFrame, layout: Layout, holed: Ints, name: str) -> tuple[pl.DataFrame, list[str]]:
    """The table without NUL, which stands for a byte that means nothing.

    In a column of sentences it becomes U+FFFD. A number, a date or the name of a class is not what it was without a character:
    such rows are set aside in the layout.

    Args:
        data: the rows of the layout, columns of text.
        layout: which records they are.
        holed: the numbers of the records that hold NUL.
        name: of the file, for the note.

    Returns:
        The table of the rows that are left, and notes.

    Example:
        >>> import polars as pl
        >>> said = [f"It is day {n} of the caf\\0" for n in range(30)]
        >>> table = pl.DataFrame({"0": ["in", "out"] * 14 + ["in", "o\\0t"], "1": said})
        >>> layout = Layout(2, np.arange(30))
        >>> data, notes = without_holes(table, layout, np.arange(30), "a.csv")
        >>> data.height, data["1"][0], layout.aside
        (29, 'It is day 0 of the caf\ufffd', {29: 'it has bytes that are not text'})
        >>> notes
        ['29 bytes in a.csv meant nothing in its encoding; replaced by \ufffd.']
    """
    import polars as pl

    layout.names = [each.replace(_HOLE, _REPLACED) for each in layout.names]
    at = np.flatnonzero(np.isin(layout.rows, holed))
    if not len(at):
        return data, []
    counts = data[at].select(pl.all().str.count_matches(_HOLE, literal=True).fill_null(0))
    with_holes = [column for column in data.columns if counts[column].sum()]
    texts = [column for column in with_holes if holds_sentences(Cells(data[column]))]
    bad = np.zeros(len(at), dtype=np.bool_)
    for column in set(with_holes) - set(texts):
        bad |= counts[column].to_numpy() > 0
    layout.aside |= dict.fromkeys(layout.rows[at[bad]].tolist(), _NO_TEXT)
    kept = np.ones(len(layout.rows), dtype=np.bool_)
    kept[at[bad]] = False
    layout.rows = layout.rows[kept]
    data = data.filter(kept).with_columns(pl.col(texts).str.replace_all(_HOLE, _REPLACED, literal=True))
    replaced = int(sum(counts[column].to_numpy()[~bad].sum() for column in texts))
    if not replaced:
        return data, []
    return data, [f"{counted(replaced, 'byte', 'bytes')} in {name} meant nothing in its encoding; replaced by {_REPLACED}."]
