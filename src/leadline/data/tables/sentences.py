"""Which columns of a table hold texts that people have written, rather than values."""

from __future__ import annotations

from leadline.data.tables.cells import Cells

_DIFFERENT, _FEW = 0.3, 20  # share of the texts that differ, and the least number of rows that says anything
_WORDS, _LETTERS = 2.0, 20.0  # on average: two words, or, in scripts without spaces, twenty letters, are a sentence


def holds_sentences(cells: Cells) -> bool:
    """Whether most cells are different sentences.

    Example:
        >>> import polars as pl
        >>> holds_sentences(Cells(pl.Series([f"number {n} is a good text" for n in range(30)])))
        True
        >>> holds_sentences(Cells(pl.Series(["very good", "very bad"] * 15)))
        False
    """
    present = int(cells.present.sum())
    if not cells.is_text or not present:
        return False
    text = cells.text.drop_nulls()
    different = text.n_unique()
    if different < min(_FEW, present) or different < _DIFFERENT * present:
        return False
    words = float(text.str.count_matches(r"\p{L}{2,}").mean() or 0)  # type: ignore[arg-type]
    letters = float(text.str.count_matches(r"\p{L}").mean() or 0)  # type: ignore[arg-type]
    return words >= _WORDS or letters >= _LETTERS
