"""Which kind a column is, told from the training rows alone, and what that kind then learns from them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.data.tables import column_summary
from leadline.data.tables.cells import Cells
from leadline.data.tables.columns import (
    PARTS,
    CategoryColumn,
    Column,
    DateColumn,
    LeftOut,
    NumberColumn,
    TextColumn,
    YesNoColumn,
    date_part,
)
from leadline.data.tables.date_text import date_formats, is_ambiguous
from leadline.data.tables.scaling import Scaling
from leadline.errors import DataError, unknown

CHOICES = ("number", "category", "yes/no", "date", "text", "leave out")
_SAMPLE = 200_000  # rows that tell the kind of a column and its quantiles; levels are counted in all rows
_FEW_PRESENT = 1000  # where fewer values of a sample are there, all rows are looked at
_SHARE = 0.95  # of the values must be numbers for the column to hold numbers
_FEW = 20  # rows below which all different says nothing, and levels up to which each is kept however rare
_MOST_LEVELS = 5000
_MOST_WORDS = 256
_NEGATIVE = ("no", "n", "false", "f", "0", "off", "never", "negative")
_IDENTIFIER = re.compile(
    r"(?i:(^|[\W_])(id|ids|index|idx|key|uuid|guid|nr|no|number|row|record|rownames?)$|^unnamed)|[a-z]I[Dd]$"
)


def learn_column(name: str, cells: Cells, chosen: str | None = None) -> Column:
    """The column of N training cells: of the kind that is chosen, or that the cells tell.

    Raises:
        DataError: the cells cannot be of the kind that is chosen.

    Example:
        >>> import polars as pl
        >>> column = learn_column("price", Cells(pl.Series(["$1,200", "$ 80.50", "7", None])))
        >>> column.kind, column.why, column.missing
        ('number', '7 to 1200; 25.0 % missing', True)
    """
    if chosen is not None and chosen not in CHOICES:
        unknown(f"kind of column for {name!r}", chosen, CHOICES, DataError)
    sample = _sampled(cells)
    told = _told(name, cells, sample)
    if chosen is None or told.kind == chosen.replace("leave out", "left out"):
        return told
    if chosen == "leave out":
        return LeftOut(name, "chosen by you", False, column_summary.of_levels(sample))
    if not cells.present.any():
        raise DataError(f"The column {name!r} cannot be of kind {chosen!r}", expected="values", got="nothing but missing ones")
    return _LEARN[chosen](name, cells, sample)


def _sampled(cells: Cells) -> Cells:
    if len(cells) <= _SAMPLE:
        return cells
    sample = cells.take(_drawn(len(cells)))
    return sample if sample.present.sum() >= _FEW_PRESENT else cells


@lru_cache(maxsize=1)
def _drawn(rows: int) -> NDArray[np.int64]:
    """The rows of the sample, the same for all columns; at random: every second row may be of another kind than the others."""
    return np.sort(np.random.default_rng(0).choice(rows, _SAMPLE, replace=False))


def _told(name: str, cells: Cells, sample: Cells) -> Column:
    """The kind by rules in order: the first that holds."""
    if not cells.present.any():
        return LeftOut(name, "every value is missing", False, column_summary.of_levels(sample))
    if sample.is_date:
        return _dates(name, cells, sample)
    different = sample.text.n_unique() - (sample.text.null_count() > 0)
    if different == 1 and cells.text.drop_nulls().n_unique() == 1:
        if cells.present.all():
            return LeftOut(name, f"constant: always {_shown(sample.text[0])}", False, column_summary.of_levels(sample))
        return _category(name, cells, sample)
    if different <= 2 and cells.text.drop_nulls().n_unique() == 2:
        return _yes_no(name, cells, sample)
    if _holds_numbers(sample):
        return _number_or_code(name, cells, sample, different)
    if sample.is_text and (formats := date_formats(sample.text)):
        return _dates(name, cells, sample, formats)
    if _is_free_text(sample, different):
        return _words(name, cells, sample)
    if different > 0.95 * sample.present.sum() > _FEW:
        drawn = "" if sample is cells else " drawn at random"
        reason = f"an identifier: {different:,} different values in {int(sample.present.sum()):,} rows{drawn}"
        return LeftOut(name, reason, False, column_summary.of_levels(sample))
    return _category(name, cells, sample)


def _holds_numbers(sample: Cells) -> bool:
    if not sample.is_text:
        return sample.series.dtype.is_numeric()
    return bool(sample.numeric.sum() >= _SHARE * sample.present.sum())


def _number_or_code(name: str, cells: Cells, sample: Cells, different: int) -> Column:
    """Numbers that count or measure; or digits that name: identifiers, codes with leading zeros, dates such as 20110131."""
    values = sample.numbers(sample.decimal)
    known = values[np.isfinite(values)]
    whole = bool((known == np.rint(known)).all())
    if whole and sample.is_text and (sample.text.str.contains(r"^0\d+$").mean() or 0) > 0.01:  # type: ignore[operator]
        if different > 0.95 * len(known) > _FEW:
            return LeftOut(name, f"an identifier: {different:,} different codes", False, column_summary.of_levels(sample))
        return _category(name, cells, sample, "codes with leading zeros, ")
    if whole and different == len(known) > _FEW:
        # Some of the rows are in other splits, so a count of them has gaps here.
        counted = bool((np.diff(known) > 0).all()) and np.ptp(known) < 3 * len(known)
        if counted or _IDENTIFIER.search(name):
            how = "counts the rows" if counted else f"{different:,} different whole numbers"
            return LeftOut(name, f"an identifier: {how}", False, column_summary.of_numbers(sample, values))
    if whole and len(known) and known.min() >= 19000101 and known.max() <= 21001231:
        formats = ("%Y%m%d",)
        if sample.dates(formats).null_count() <= 0.01 * len(known) + (~sample.present).sum():
            return _dates(name, cells, sample, formats)
    return _number(name, cells, sample)


def _number(name: str, cells: Cells, sample: Cells) -> Column:
    decimal = sample.decimal
    values = sample.numbers(decimal)
    if not np.isfinite(values).any():
        raise DataError(f"The column {name!r} holds no numbers", got=f"for instance {_shown(sample.text.drop_nulls()[0])}")
    found = column_summary.of_numbers(sample, values)
    comma = ", with a decimal comma" if decimal == "," else ""
    strange = sample.text_where(np.isnan(values) & sample.present).head(1).to_list() if sample.is_text else []
    not_read = f"; what is no number, such as {_shown(strange[0])}, counts as missing" if strange else ""
    why = f"{found.low:.6g} to {found.high:.6g}{comma}{_absent(found)}{not_read}"
    missing = bool(np.isnan(cells.numbers(decimal)).any())
    return NumberColumn(name, why, missing, found, Scaling.learn(values), decimal)


def _yes_no(name: str, cells: Cells, sample: Cells) -> Column:
    levels = sorted(cells.text.drop_nulls().unique().to_list(), key=_order_of_two)
    if len(levels) != 2:
        raise DataError(f"The column {name!r} cannot be of kind 'yes/no'", expected="2 different values", got=len(levels))
    found = column_summary.of_levels(sample)
    shares = ", ".join(f"{_shown(level)} {_percent(count / sample.present.sum())}" for level, count in found.common)
    return YesNoColumn(name, f"{shares}{_absent(found)}", not cells.present.all(), found, (levels[0], levels[1]))


def _order_of_two(level: str) -> tuple[bool, tuple[int, float], str]:
    number = float(level) if re.fullmatch(r"[-+]?\d+(\.\d+)?", level) else None
    return level.casefold() not in _NEGATIVE, (0, number) if number is not None else (1, 0.0), level


def _category(name: str, cells: Cells, sample: Cells, prefix: str = "") -> Column:
    counts = column_summary.level_counts(cells.text)
    # A level that is seen once or twice is learnt by heart, if at all.
    least = 1 if len(counts) <= _FEW else 2 if len(cells) <= 500 else 3
    kept = counts.filter(counts["count"] >= least).head(_MOST_LEVELS)
    found = column_summary.of_levels(sample)
    if not len(kept):
        reason = f"{len(counts):,} different values, none of them more than {least - 1} times"
        return LeftOut(name, reason, False, found)
    level, count = kept.row(0)
    rare = f"; {len(counts) - len(kept):,} rare ones count as one" if len(kept) < len(counts) else ""
    common = f"most often {_shown(level)} ({_percent(count / cells.present.sum())})"
    why = f"{prefix}{len(counts):,} value{'s' if len(counts) > 1 else ''}, {common}{rare}{_absent(found)}"
    return CategoryColumn(name, why, not cells.present.all(), found, tuple(kept["level"].to_list()))


def _dates(name: str, cells: Cells, sample: Cells, formats: tuple[str, ...] | None = None) -> Column:
    if formats is None:
        formats = () if sample.is_date else date_formats(sample.text)
        if not formats and not sample.is_date:
            raise DataError(f"The column {name!r} holds no dates", got=f"for instance {_shown(sample.text.drop_nulls()[0])}")
    moments = sample.dates(formats)
    parts = {part: date_part(moments, part) for part in PARTS}
    parts = {part: values for part, values in parts.items() if len(np.unique(values[np.isfinite(values)])) > 1}
    found = column_summary.of_dates(sample, moments)
    either = "; day and month could be the other way round" if formats and is_ambiguous(sample.text, formats) else ""
    written = f", written {' and '.join(formats)}" if formats else ""
    why = f"{found.low} to {found.high}{written}{either}{_absent(found)}"
    missing = bool(cells.dates(formats).null_count())
    scalings = {part: Scaling.learn(values) for part, values in parts.items()}
    return DateColumn(name, why, missing, found, formats, scalings)


def _is_free_text(sample: Cells, different: int) -> bool:
    present = int(sample.present.sum())
    if not sample.is_text or different <= _FEW or different < 0.3 * present:
        return False
    return float(sample.text.str.count_matches(r"\p{L}{2,}").mean() or 0) >= 2  # type: ignore[arg-type]


def _words(name: str, cells: Cells, sample: Cells) -> Column:
    rows_with = sample.words().list.unique().explode().drop_nulls()
    counts: Counter[str] = Counter(dict(column_summary.level_counts(rows_with).iter_rows()))
    rows = len(sample)
    least, most = max(3, rows // 1000), 0.98 * rows
    vocabulary = [word for word, count in counts.items() if least <= count <= most and len(word) > 1][:_MOST_WORDS]
    found = column_summary.of_words(sample, dict(counts))
    if not vocabulary:
        return LeftOut(name, f"text in which no word is in {least} rows or more and not in nearly all", False, found)
    counted = np.log1p(sample.word_counts(vocabulary))
    scale = np.sqrt(np.square(counted).sum(axis=0) / np.maximum(1, (counted > 0).sum(axis=0)))
    why = f"{found.distinct:,} different texts, whose {len(vocabulary)} commonest words are counted{_absent(found)}"
    return TextColumn(name, why, not cells.present.all(), found, tuple(vocabulary), tuple(np.round(scale, 6).tolist()))


_LEARN: dict[str, Callable[[str, Cells, Cells], Column]] = {
    "number": _number,
    "category": _category,
    "yes/no": _yes_no,
    "date": _dates,
    "text": _words,
}


def _absent(found: column_summary.Summary) -> str:
    return f"; {_percent(found.missing)} missing" if found.missing else ""


def _percent(share: Any) -> str:
    return f"{100 * share:.1f} %" if share >= 0.0005 else "under 0.1 %"


def _shown(text: object) -> str:
    text = " ".join(str(text).split())
    return f"'{text[:29]}…'" if len(text) > 30 else f"'{text}'"
