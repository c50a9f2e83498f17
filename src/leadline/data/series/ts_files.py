"""The .ts files of the UEA and UCR archives of time series: a head of @ lines, then a line for each series."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leadline.data.forecasts.gaps import on_one_clock
from leadline.data.raw import Raw
from leadline.data.series.one_series import numbers_of
from leadline.data.series.series_rows import SeriesRows, about_parts
from leadline.errors import DataError
from leadline.spelling import counted

_OUTSIDE = re.compile(r":(?![^()]*\))")  # a colon between dimensions, not one of a time of day within parentheses
_PAIR = re.compile(r"\(([^()]*)\)")
_HEAD = 200  # lines: longer comments were never seen
_EVEN = 0.01  # of the usual time between steps


@dataclass
class TsHead:
    """What the @ lines of a file say.

    Args:
        problem: its name.
        dimensions: channels of each series, where it is said.
        length: steps of each series, where it is said.
        one_length: whether all series are said to have one length.
        targets: "classes", "number" or "none".
        classes: how each class may be written → its name; empty where any name will do.

    Example:
        >>> head = TsHead()
        >>> for line in ("@univariate true", "@seriesLength 24", "@classLabel true 1 2"):
        ...     head.read(line)
        >>> head.dimensions, head.length, head.targets, sorted(set(head.classes.values()))
        (1, 24, 'classes', ['1', '2'])
    """

    problem: str = ""
    dimensions: int | None = None
    length: int | None = None
    one_length: bool = False
    targets: str = "none"
    classes: dict[str | float, str] = field(default_factory=dict)

    def read(self, line: str) -> None:
        """Take in one line; those that say nothing of interest are passed over."""
        word, *values = line.removeprefix("@").split()
        word, yes = word.casefold(), bool(values) and values[0].casefold() == "true"
        if word == "problemname":
            self.problem = " ".join(values)
        elif word == "univariate" and yes:
            self.dimensions = 1
        elif word in ("dimensions", "dimension") and values and values[0].isdecimal():
            self.dimensions = int(values[0])
        elif word == "serieslength" and values and values[0].isdecimal():
            self.length = int(values[0]) or None
        elif word == "equallength":
            self.one_length = yes
        elif word == "classlabel" and yes:
            self.targets = "classes"
            self.classes = {name: name for name in values[1:]}
            self.classes |= {float(name): name for name in values[1:] if _is_float(name)}
        elif word == "targetlabel" and yes:
            self.targets = "number"

    def target(self, text: str) -> str | float:
        """A label as it is stored; `ValueError` with the reason where it is none."""
        if self.targets == "number":
            try:
                return float(numbers_of([text])[0])
            except ValueError:
                raise ValueError(f"its target {text!r} is not a number") from None
        if text in ("", "?"):
            return ""
        known = self.classes.get(text, self.classes.get(float(text)) if _is_float(text) else None)
        if self.classes and known is None:
            raise ValueError(f"its class {text!r} is not among those that the file names")
        return known or text


def is_ts(path: Path) -> bool:
    """Whether a file is a .ts of time series: films and programs have that ending too.

    Args:
        path: of a file.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "main.ts"
        >>> _ = path.write_text("export const answer = 42;\\n")
        >>> is_ts(path)
        False
    """
    if path.suffix.casefold() != ".ts" or not path.is_file():
        return False
    with path.open("rb") as file:
        for _ in range(_HEAD):
            line = file.readline(100_000).removeprefix(b"\xef\xbb\xbf").strip()
            if line and not line.startswith((b"#", b"%")):
                return re.match(rb"@[A-Za-z]+", line) is not None
    return False


def read_ts(files: Sequence[tuple[Path, str | None]]) -> Raw:
    """The series of one or several .ts files, with the parts that they are.

    Dimensions are separated by ":", values by ","; "?" and NaN are gaps, filled from the steps around them; steps may be pairs
    (time, value). Without labels the targets are empty text.

    Args:
        files: each with "train", "valid" or "test", or None.

    Returns:
        Raw with inputs [N, T, C] in float32, or Ragged; lines that are malformed are among those lost.

    Errors: `DataError` for what is no .ts file, has no series that can be used, or where files differ in kind.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "Walks_TRAIN.ts"
        >>> _ = path.write_text("@problemName Walks\\n@classLabel true slow fast\\n@data\\n1,2,?:5,6,7:slow\\n3,4:8,9:fast\\n")
        >>> raw = read_ts([(path, None)])
        >>> raw.name, raw.inputs.row(0).tolist(), raw.targets.tolist()
        ('Walks', [[1.0, 5.0], [2.0, 6.0], [2.0, 7.0]], ['slow', 'fast'])
    """
    heads: list[TsHead] = []
    rows = SeriesRows(files[0][0].stem)
    counts: list[int] = []
    odd = _Odd()
    for path, part in files:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            lines = enumerate(file, 1)
            heads.append(_read_head(path, lines))
            counts.append(_read_data(path.name, part, lines, heads[-1], rows, odd))
    if len({head.targets for head in heads}) > 1:
        got = ", ".join(f"{path.name}: {head.targets}" for (path, _), head in zip(files, heads, strict=True))
        raise DataError("The files differ in what is to be learned", expected="the same kind of target in all", got=got)
    rows.name = re.sub(r"_(TRAIN|TEST)|\.ts$", "", heads[0].problem or rows.name)
    rows.one_length = all(head.one_length for head in heads)
    used = about_parts([(path.name, part, count) for (path, part), count in zip(files, counts, strict=True)])
    return rows.raw(
        task={"classes": "classes", "number": "number"}.get(heads[0].targets),
        notes=[*([used] if len(files) > 1 else []), *odd.notes()],
    )


def read_ts_inputs(path: Path, channels: int) -> tuple[SeriesRows, list[str]]:
    """The series of a .ts file for a network that exists, with or without labels, whatever these are; and notes.

    Args:
        path: of the file.
        channels: that the network takes: with one field more than that, the last one is a label.

    Errors: `DataError` for what is no .ts file.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "walks.ts"
        >>> _ = path.write_text("@classLabel true slow fast\\n@data\\n1,2\\n3,4:unheard-of\\n")
        >>> rows, _ = read_ts_inputs(path, 1)
        >>> rows.each()[:2]
        (['walks.ts:3', 'walks.ts:4'], [array([[1.],
               [2.]], dtype=float32), array([[3.],
               [4.]], dtype=float32)])
    """
    rows, odd = SeriesRows(path.stem), _Odd()
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        lines = enumerate(file, 1)
        head = _read_head(path, lines)
        _read_data(path.name, None, lines, head, rows, odd, channels)
    return rows, odd.notes()


@dataclass
class _Odd:
    """Counts of what is strange about time stamps."""

    repeated: int = 0
    uneven: int = 0

    def notes(self) -> list[str]:
        notes = []
        if self.repeated:
            said = counted(self.repeated, "time stamp stands", "time stamps stand")
            notes.append(f"{said} twice in a series; the mean of the values was kept.")
        if self.uneven:
            notes.append(
                f"In {self.uneven:,} series the time between steps varies; the network sees steps one after the other, "
                "not how far apart they are."
            )
        return notes


def _read_head(path: Path, lines: Iterator[tuple[int, str]]) -> TsHead:
    head = TsHead()
    for number, line in lines:
        line = line.strip()
        if line.casefold() == "@data":
            return head
        if line.startswith("@") and len(line) > 1 and "\0" not in line:
            head.read(line)
        elif line and not line.startswith(("#", "%")):
            raise DataError(
                f"{path} is not a .ts file of time series",
                expected="lines that begin with @, the last of them @data, and then the series",
                got=f"in line {number}: {line[:40]!r}",
            )
    raise DataError(f"{path} holds no series", expected="a line @data, and the series below it")


def _read_data(
    name: str,
    part: str | None,
    lines: Iterator[tuple[int, str]],
    head: TsHead,
    rows: SeriesRows,
    odd: _Odd,
    channels: int | None = None,
) -> int:
    count = 0
    for number, line in lines:
        line = line.strip()
        if not line or line.startswith(("#", "%")):
            continue
        count += 1
        try:
            values, times, target = _parsed(line, head, odd, channels)
        except ValueError as error:
            rows.refuse(f"{name}:{number}", str(error))
        else:
            rows.add(f"{name}:{number}", values, target, part=part, times=times)
    return count


def _parsed(
    line: str, head: TsHead, odd: _Odd, channels: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None, str | float]:
    """One line; a `ValueError` says why it is malformed. For a network that exists `channels` tell whether there is a label."""
    pairs = "(" in line
    fields = _OUTSIDE.split(line) if pairs else line.split(":")
    target: str | float = ""
    if channels is not None:
        if head.targets != "none" and len(fields) > channels:
            fields.pop()
        if len(fields) != channels:
            raise ValueError(f"it has {counted(len(fields), 'channel')} where the network was trained on {channels:,}")
    elif head.targets != "none":
        label = fields.pop().strip()
        if not fields:
            raise ValueError(f"it has no {'class' if head.targets == 'classes' else 'target'}")
        target = head.target(label)
    if channels is None and head.dimensions is not None and len(fields) != head.dimensions:
        raise ValueError(f"it has {counted(len(fields), 'dimension')} where the file says {head.dimensions}")
    if pairs:
        return (*_on_clock(fields, odd), target)
    columns = [_values(each.split(",")) for each in fields]
    if len(lengths := {len(each) for each in columns}) > 1:
        raise ValueError(f"its dimensions differ in length: {', '.join(f'{each:,}' for each in sorted(lengths))} values")
    return np.stack(columns, axis=1), None, target


def _values(fields: Sequence[str]) -> NDArray[np.float64]:
    try:
        return numbers_of(fields)
    except ValueError as error:
        raise ValueError(f"it holds {error} where a number should be") from None


def _on_clock(fields: Sequence[str], odd: _Odd) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Steps (time, value) of each channel."""
    values, times = [], []
    for each in fields:
        steps = [pair.rpartition(",") for pair in _PAIR.findall(each)]
        if not steps or _PAIR.sub("", each).strip(" ,"):
            raise ValueError(f"it holds {each.strip()[:40]!r} where pairs (time, value) should be")
        values.append(_values([value for _, _, value in steps]))
        times.append(_moments([time.strip(" \"'") for time, _, _ in steps]))
    series, clock, repeated = on_one_clock(values, times)
    between = np.diff(clock)
    odd.repeated += repeated
    odd.uneven += bool(len(between)) and bool((np.abs(between - np.median(between)) > _EVEN * np.median(between)).any())
    return series, clock


def _moments(texts: Sequence[str]) -> NDArray[np.float64]:
    """Times as numbers: as they are, or seconds of dates."""
    for read in (_as_numbers, _as_dates):
        try:
            times = read(texts)
        except ValueError:
            continue
        if np.isfinite(times).all():
            return times
    raise ValueError(
        f"its time stamp {texts[0][:40]!r} or one after it is neither a number nor a date like 2026-01-31 12:00:00"
    )


def _as_numbers(texts: Sequence[str]) -> NDArray[np.float64]:
    return np.array([float(text) for text in texts])


def _as_dates(texts: Sequence[str]) -> NDArray[np.float64]:
    if any(text == "" or text.casefold() == "nat" for text in texts):
        raise ValueError
    return np.array(texts, dtype="datetime64[us]").astype(np.int64) / 1e6


def _is_float(text: str) -> bool:
    try:
        return float(text) == float(text)
    except ValueError:
        return False
