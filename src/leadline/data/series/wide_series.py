"""Wide files of series: a line for each series, its class and then its values, as the UCR archive has them in .txt and .tsv."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leadline.data.forecasts.gaps import without_empty_end
from leadline.data.forecasts.neighbor_columns import about_order
from leadline.data.raw import Raw
from leadline.data.series.one_series import delimiter_of, fields_of, is_number, numbers_of
from leadline.data.series.series_rows import SeriesRows, about_parts
from leadline.errors import DataError
from leadline.spelling import counted

_FEWEST = 20  # values: with fewer, columns are few enough to be given names
_PLACES, _EACH = 20, 10  # where in a file lines are looked at, and how many there: files may be sorted by class
_LONGEST = 8_000_000  # characters of a line
_UCR = re.compile(r"[^.]+_(TRAIN|TEST)$")
_COUNTING = re.compile(r"(.*?)[\s_.-]*[(\[]?(\d+)[)\]]?")
_IDS = frozenset({"", "id", "index", "no", "nr", "row", "name"})
_SUFFIXES = frozenset({".txt", ".tsv", ".csv", ".data", ".tab"})
_MOST_CLASSES = 100
_MOST = 0.95  # of the lines; the others will be set aside

Layout = tuple[list[int], int | None]  # the columns of the values, and that of the class


@dataclass(frozen=True)
class WideSeries:
    """What was seen in a file: whether its lines are series, why or why not, and how they are laid out.

    Args:
        found: whether they are.
        reason: a sentence.
        delimiter: between fields; None for white space.
        header: whether the first line names the columns.
        columns: how many there are.
        values: numbers of the columns that hold the values, in order.
        target: number of the column with the class; None where there is none.

    Example:
        >>> bool(WideSeries(False, "There are fewer than 20 columns of numbers."))
        False
    """

    found: bool
    reason: str
    delimiter: str | None = None
    header: bool = False
    columns: int = 0
    values: tuple[int, ...] = ()
    target: int | None = None

    def __bool__(self) -> bool:
        return self.found


def is_wide_series(path: Path, *, steps: int | None = None, classes: Sequence[str] = ()) -> WideSeries:
    """Whether a text file holds a series in each line, rather than the rows of a table.

    It does where it has at least 20 columns of numbers without names, or with names that count (t0, t1, …), and the order of
    the columns means something: along a line, values are much more alike next to each other than far apart, nearly everywhere.
    Files NAME_TRAIN and NAME_TEST without names of columns need show less of it.

    Args:
        path: of a file.
        steps: of each series, where it is known, as for prediction: then their number alone decides, and a class may lack;
            0 where it is known that these are series, of any length.
        classes: the names of those that a class can have, where they are known.

    Returns:
        True or false as a condition, with the reason and the layout.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "waves.csv"
        >>> waves = [[shift % 2, *np.sin(np.arange(30) / 4 + shift)] for shift in range(12)]
        >>> np.savetxt(path, np.array(waves), delimiter=",", fmt="%g")
        >>> found = is_wide_series(path)
        >>> bool(found), found.target, len(found.values)
        (True, 0, 30)
    """
    lines = _some_lines(path)
    if len(lines) < (2 if steps is None else 1):
        return WideSeries(False, "There are not two lines of text.")
    delimiter = delimiter_of(lines)
    rows = [fields_of(line, delimiter) for line in lines]
    width, usual = Counter(map(len, rows)).most_common(1)[0]
    if usual < _MOST * len(rows):
        return WideSeries(False, "Its lines differ in their number of fields.")
    rows = [row for row in rows if len(row) == width]
    header = len(rows) > 1 and _has_header(rows)
    names, rows = (rows[0], rows[1:]) if header else (None, rows)
    columns = list(zip(*rows, strict=True))
    numeric = [sum(map(is_number, column)) >= _MOST * len(column) for column in columns]
    if steps is not None:
        layout = _of_known_length(names, columns, numeric, steps, set(classes))
    elif len(columns) <= _FEWEST:
        layout = "It has too few columns for series."
    else:
        layout = _without_names(columns, numeric) if names is None else _by_names(names, columns, numeric)
    if isinstance(layout, str):
        return WideSeries(False, layout, header=header, columns=len(columns))
    values, target = layout
    reason = "Each line holds the values of a series."
    if steps is None:
        named = not header and _UCR.fullmatch(path.stem if path.suffix.casefold() in _SUFFIXES else path.name) is not None
        table = np.array([_numbers_or_gaps([row[at] for at in values]) for row in rows])
        means, reason = about_order(table, sure=named)
        if not means:
            return WideSeries(False, reason)
    return WideSeries(True, reason, delimiter, header, len(columns), tuple(values), target)


def read_wide(files: Sequence[tuple[Path, str | None]], *, steps: int | None = None, classes: Sequence[str] = ()) -> Raw:
    """The series of one or several wide files, with the parts that they are.

    NaN at the end of a line means that its series is shorter than others; elsewhere it is a gap, filled from the steps around.

    Args:
        files: each with "train", "valid" or "test", or None; all laid out as the first.
        steps: as for `is_wide_series`; a gap at the end of series of one known length is one like all others.
        classes: likewise.

    Returns:
        Raw with inputs [N, T, 1] in float32, or Ragged, and the classes as text; malformed lines are among those lost.

    Errors: `DataError` for a file that is not wide, with the reason, or that has no series that can be used.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "Waves_TRAIN.txt"
        >>> waves = [[shift % 2 + 1, *np.sin(np.arange(30) / 4 + shift)] for shift in range(12)]
        >>> np.savetxt(path, np.array(waves))
        >>> raw = read_wide([(path, None)])
        >>> raw.name, raw.inputs.shape, raw.targets[:3].tolist()
        ('Waves', (12, 30, 1), ['1', '2', '1'])
    """
    rows = SeriesRows(re.sub(r"_(TRAIN|TEST)$", "", files[0][0].stem))
    layout = is_wide_series(files[0][0], steps=steps, classes=classes)
    if not layout:
        raise DataError(f"{files[0][0]} does not hold a series in each line", got=layout.reason.removesuffix("."))
    counts = [read_wide_lines(path, layout, rows, part=part, whole=bool(steps)) for path, part in files]
    used = about_parts([(path.name, part, count) for (path, part), count in zip(files, counts, strict=True)])
    return rows.raw(notes=[used] if len(files) > 1 else [])


def read_wide_lines(path: Path, layout: WideSeries, rows: SeriesRows, *, part: str | None = None, whole: bool = False) -> int:
    """Add the series of a wide file to others, and say how many lines there were.

    Args:
        path: of the file.
        layout: as `is_wide_series` has found it.
        rows: that they are added to.
        part: "train", "valid" or "test", or None.
        whole: whether all have one length, so that a gap at the end is one like all others.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "waves.csv"
        >>> _ = path.write_text("1,0.5,2.5,?\\n2,1.5,oh,0.5\\n")
        >>> rows = SeriesRows("waves")
        >>> read_wide_lines(path, is_wide_series(path, steps=3, classes=("1", "2")), rows, whole=True)
        2
        >>> rows.each()[1][0].ravel().tolist(), rows.each()[2][0].reason
        ([0.5, 2.5, 2.5], "it holds 'oh' where a number should be")
    """
    count = 0
    for number, line in enumerate(_lines(path), 1):
        if number == 1 and layout.header:
            continue
        count += 1
        name = f"{path.name}:{number}"
        fields = fields_of(line, layout.delimiter)
        if len(fields) != layout.columns:
            rows.refuse(name, f"it has {counted(len(fields), 'field')} where others have {layout.columns:,}")
            continue
        try:
            values = numbers_of([fields[at] for at in layout.values])
        except ValueError as error:
            rows.refuse(name, f"it holds {error} where a number should be")
            continue
        target = "" if layout.target is None else _class_name(fields[layout.target])
        there = values[:, None] if whole else without_empty_end(values[:, None])
        rows.add(name, there if len(there) else values[:, None], target, part=part)
    return count


def _numbers_or_gaps(fields: list[str]) -> NDArray[np.float64]:
    try:
        return numbers_of(fields)
    except ValueError:
        return np.full(len(fields), np.nan)


def _class_name(field: str) -> str:
    """1.0000000e+00 is class 1."""
    field = field.strip("\"'")
    if not is_number(field):
        return field
    number = float(numbers_of([field])[0])
    return "" if number != number else str(int(number)) if number.is_integer() else field


def _lines(path: Path) -> Iterator[str]:
    """The lines that are not empty; nothing where the file is no text."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        while line := file.readline(_LONGEST):
            if "\0" in line or (len(line) == _LONGEST and not line.endswith("\n")):
                return
            if line.strip():
                yield line


def _some_lines(path: Path) -> list[str]:
    """Lines from all over a file, the first among them; none where it is no text."""
    size = path.stat().st_size
    found: list[bytes] = []
    with path.open("rb") as file:
        for place in range(_PLACES):
            start, end = place * size // _PLACES, (place + 1) * size // _PLACES
            file.seek(max(0, start - 1))
            if start:
                file.readline(_LONGEST)  # the rest of a line that began before
            for _ in range(_EACH):
                if file.tell() >= end:
                    break
                line = file.readline(_LONGEST)
                if b"\0" in line or len(line) == _LONGEST:
                    return []
                found.append(line)
    lines = (line.decode("utf-8-sig", errors="replace") for line in found)
    return [line for line in lines if line.strip()]


def _has_header(rows: list[list[str]]) -> bool:
    """Two words or more, or numbers that count up; a single word may be the class of the first series."""
    words = [name for name in rows[0] if not is_number(name)]
    if len(words) > 1:
        return True
    numbers = [name for name in rows[0] if is_number(name)]
    return _count_up(numbers) and not _count_up([name for name in rows[1] if is_number(name)])


def _count_up(names: Sequence[str]) -> bool:
    """Whether names rise by the same step: t0, t1, …, or 0.0, 0.5, …"""
    if all(map(is_number, names)):
        numbers = numbers_of(names)
    else:
        found = [_COUNTING.fullmatch(name) for name in names]
        if not all(found) or len({match[1] for match in found if match}) > 1:
            return False
        numbers = np.array([float(match[2]) for match in found if match])
    between = np.diff(numbers)
    return len(between) > 1 and bool(between[0] > 0) and bool(np.allclose(between, between[0], rtol=1e-3, atol=0))


def _of_known_length(
    names: Sequence[str] | None, columns: Sequence[Sequence[str]], numeric: Sequence[bool], steps: int, classes: set[str]
) -> Layout | str:
    """The columns of the values, and that of the class where there is one; `steps` is 0 for series of any length."""
    if names is not None and not isinstance(counted_names := _counted_names(names), str):
        values, others = counted_names
        if len(values) == steps or not steps:
            named = [at for at in others if _all_known(columns[at], classes)]
            target = next(iter(named or (others if len(others) == 1 else [])), None)
            return values, target
    last = len(columns) - 1
    if not steps and (names is not None or last < 2):
        return "Its columns do not look like steps of a series."
    if len(columns) == steps and all(numeric):
        return list(range(steps)), None
    if (steps and last != steps) or len(numeric) - sum(numeric) > 1:
        values_said = f"the {steps:,} values of a series (or {steps + 1:,} with a class)" if steps else "numbers"
        return f"Its lines hold {counted(len(columns), 'field')}, not {values_said}."
    ends = [at for at in (0, last) if last and _all_known(columns[at], classes)]
    if not steps and all(numeric) and not (ends and _any_fraction(columns, ends[0])):
        return list(range(last + 1)), None
    found = _without_names(columns, numeric) if not ends else ([at for at in range(last + 1) if at != ends[0]], ends[0])
    return found if not isinstance(found, str) else (list(range(1, last + 1)), 0)


def _all_known(column: Sequence[str], classes: set[str]) -> bool:
    """Whether a column holds nothing but names of classes, and some."""
    found = {_class_name(field) for field in set(column)} - {""}
    return bool(found) and found <= classes


def _any_fraction(columns: Sequence[Sequence[str]], beside: int) -> bool:
    """Whether any number beside one column is not whole: among whole numbers a class cannot be told from a value."""
    fields = [field for at, column in enumerate(columns) if at != beside for field in column]
    numbers = _numbers_or_gaps(fields)
    return bool((numbers[np.isfinite(numbers)] % 1 != 0).any())


def _without_names(columns: Sequence[Sequence[str]], numeric: Sequence[bool]) -> Layout | str:
    """The columns of values and that of the class: the first or else the last that names classes."""
    last = len(columns) - 1
    words = [at for at, number in enumerate(numeric) if not number]
    if len(words) > 1 or (words and words[0] not in (0, last)):
        return "It has columns of text without names."
    target = words[0] if words else next((at for at in (0, last) if _names_classes(columns[at])), None)
    if target is None:
        return "Neither its first nor its last column names classes."
    return [at for at in range(last + 1) if at != target], target


def _by_names(names: Sequence[str], columns: Sequence[Sequence[str]], numeric: Sequence[bool]) -> Layout | str:
    """The columns whose names count, and one beside them that names classes; a column of ids may stand there too."""
    found = _counted_names(names)
    if isinstance(found, str) or len(found[0]) < _FEWEST:
        return "Its columns have names that do not count."
    values, others = found
    if not all(numeric[at] for at in values):
        return "Not all columns whose names count hold numbers."
    if len(others) != 1 or not _names_classes(columns[others[0]]):
        return "Beside the columns whose names count there is not one column that names classes."
    return values, others[0]


def _counted_names(names: Sequence[str]) -> tuple[list[int], list[int]] | str:
    """The columns whose names count, and those beside them that are not called an identifier."""
    names = [name.strip("\"' ") for name in names]
    stems = [(match[1] if (match := _COUNTING.fullmatch(name)) else None) for name in names]
    stems = ["" if is_number(name) else stem for name, stem in zip(names, stems, strict=True)]
    counts = {stem: stems.count(stem) for stem in stems if stem is not None}
    if not counts:
        return "Its columns have names that do not count."
    stem = max(counts, key=lambda each: counts[each])
    values = [at for at, each in enumerate(stems) if each == stem]
    if not _count_up([names[at] for at in values]):
        return "Its columns have names that do not count."
    return values, [at for at in range(len(names)) if at not in set(values) and names[at].casefold() not in _IDS]


def _names_classes(column: Sequence[str]) -> bool:
    """Words or whole numbers, each on several lines."""
    distinct = set(column)
    if not 1 < len(distinct) <= min(_MOST_CLASSES, max(2, len(column) // 2)):
        return False
    if not all(map(is_number, distinct)):
        return True
    numbers = numbers_of(sorted(distinct))
    return bool(np.isfinite(numbers).all() and (numbers == np.rint(numbers)).all() and np.abs(numbers).max() < 10_000)
