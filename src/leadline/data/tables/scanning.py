"""Where the records of a csv lie and how many fields each has.

A line whose quotes obey RFC 4180 within itself is a record, and a million of them are counted at once. Lines that are none by
themselves (a field that spans lines, a stray quote, a quote that never closes) are gone through in order: what obeys RFC 4180
over several lines is a record, and of all others a grammar says where they end, or gives up the one line. What the grammar had
to interpret is written again as RFC 4180, so that any csv reader reads the same. Where that costs rows that are whole if quotes
are ordinary characters, and the lines look like it, they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from leadline.data.tables.grammar import Grammar, Parsed
from leadline.data.tables.lines import Ints, Lines, find_lines
from leadline.data.tables.plain_quotes import rows_gained

BLANK, UNCLOSED = 0, -1  # in place of a number of fields

# What Unicode calls white space, as polars does; `str.strip` would also take four control characters.
_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_FEW = 10_000  # lines: of more it is not worth while to find out in which columns there is white space to strip
_COMPARED = 100  # lines
_EVIDENCE = 12  # delimiters in the right places within a field that show that it has swallowed rows


@dataclass(frozen=True)
class Records:
    """The R records of a text.

    Attributes:
        data: the text, UTF-8 with line feeds.
        grammar: of its fields.
        starts: byte at which each record starts, int64 [R].
        stops: byte behind its last, where the line feed stands, int64 [R].
        lines: the physical line on which it starts, from 1, int64 [R].
        widths: its number of fields, or BLANK, UNCLOSED, int64 [R].
        mended: line → the record in RFC 4180, where it did not stand so.
        quoted: whether quotes mean anything in this text.
        padded: numbers of the columns in which some value may have white space around it; too many rather than too few.
        loose: the lines with quotes in a quoted field that should have been doubled.
        longest: the most lines that one record takes, and the line on which that one starts.
        holed: the numbers of records with NUL, which stands for bytes that mean nothing, rising, int64.
        gained: how many rows there are more because quotes are ordinary characters, where some would be marks elsewhere.
    """

    data: bytes
    grammar: Grammar
    starts: Ints
    stops: Ints
    lines: Ints
    widths: Ints
    mended: dict[int, bytes]
    quoted: bool
    padded: frozenset[int]
    loose: tuple[int, ...]
    longest: tuple[int, int]
    holed: Ints
    gained: int

    def __len__(self) -> int:
        return len(self.starts)

    def fields(self, record: int) -> list[str]:
        """The values of one record, stripped."""
        start, stop = int(self.starts[record]), int(self.stops[record])
        if not self.quoted:
            values = self.data[start:stop].split(self.grammar.delimiter)
        else:
            parsed = self.grammar.parse(self.data, start, stop)
            values = parsed.fields if parsed else []
        return [value.decode().strip(_SPACE) for value in values]


def scan(data: bytes, delimiter: bytes) -> Records:
    """Find all records of a text and count their fields.

    Args:
        data: UTF-8 in which lines end in a line feed (the last need not).
        delimiter: one byte.

    Example:
        >>> records = scan(b'a,b\\n1,"2\\n3"\\n\\n4,5,6\\n7,"8\\n9,10\\n', b",")
        >>> records.lines.tolist(), records.widths.tolist()
        ([1, 2, 4, 5, 6, 7], [2, 2, 0, 3, -1, 2])
    """
    lines = find_lines(data, delimiter, quotes=b'"' in data)
    if not lines.opens and (lines.odd | lines.wrong).any():  # inches, say: quotes that enclose nothing
        lines = find_lines(data, delimiter, quotes=False)
    reader = _Reader(data, Grammar(delimiter), lines)
    reader.read()
    gained = 0
    if reader.in_doubt:
        plain = find_lines(data, delimiter, quotes=False)
        widths = reader.widths[reader.kept]
        usual = commonest(widths)
        rows = int(np.count_nonzero(widths == usual))
        if gained := rows_gained(data, delimiter, plain, width=usual, rows=rows):
            lines, reader = plain, _Reader(data, Grammar(delimiter), plain)
            reader.read()
    starts = lines.starts[reader.kept]
    holes = np.flatnonzero(np.frombuffer(data, np.uint8) == 0) if b"\0" in data else np.zeros(0, dtype=np.int64)
    return Records(
        data=data,
        grammar=reader.grammar,
        starts=starts,
        stops=reader.stops[reader.kept],
        lines=np.flatnonzero(reader.kept) + 1,
        widths=reader.widths[reader.kept],
        mended=reader.mended,
        quoted=lines.opens,
        padded=frozenset(np.flatnonzero(lines.padded).tolist()) | reader.padded,
        loose=tuple(reader.loose),
        longest=reader.longest,
        holed=np.unique(np.searchsorted(starts, holes, side="right") - 1),
        gained=gained,
    )


def commonest(widths: Ints) -> int:
    """The number of fields that most records have, 0 where there are none; the one that comes first where two are as common.

    Example:
        >>> commonest(np.array([1, 3, 3, 0, 0, 0, 4, 4]))
        3
    """
    some = widths[widths > 0]
    if not len(some):
        return 0
    values, first, counts = np.unique(some, return_index=True, return_counts=True)
    return int(min(zip(-counts, first, values, strict=True))[2])


@dataclass
class _Reader:
    """Goes through the lines that are no records by themselves and joins them to records.

    All takes time in proportion to the text: a search for the end of a field passes over no line on which another such search
    can begin, and where it was in vain is remembered (`hopeless`).
    """

    data: bytes
    grammar: Grammar
    lines: Lines
    mended: dict[int, bytes] = field(default_factory=dict)
    padded: set[int] = field(default_factory=set)
    loose: list[int] = field(default_factory=list)
    longest: tuple[int, int] = (1, 1)
    hopeless: set[int] = field(default_factory=set)
    firsts: list[tuple[int, bytes]] | None = None

    def __post_init__(self) -> None:
        self.stops = self.lines.stops.copy()
        self.widths = self.lines.delimiters + 1
        self.kept: NDArray[np.bool_] = np.ones(len(self.stops), dtype=np.bool_)
        self.unread = self.lines.odd | self.lines.wrong
        self.few = np.count_nonzero(self.unread) <= _FEW
        self.usual = commonest(self.widths[~self.unread])

    @property
    def in_doubt(self) -> bool:
        """Whether some record does not obey RFC 4180, so that quotes may mean something else."""
        return bool(self.mended or self.loose or (self.widths == UNCLOSED).any())

    def read(self) -> None:
        lines = self.lines
        self._mark_blank()
        unread = np.flatnonzero(self.unread)
        exact, ends, widths = self._exact(unread)
        free = 0  # the first line that belongs to no record yet
        for line, is_exact, end, width in zip(unread.tolist(), exact.tolist(), ends.tolist(), widths.tolist(), strict=True):
            if line < free:
                continue
            if is_exact and not self._swallows_rows(line, end, width):
                last = self._take(line, end, int(lines.stops[end]), width)
                if self.few:
                    self._note_padded(self.grammar.parse(self.data, int(lines.starts[line]), len(self.data)))
            else:
                last = self._interpret(line)
            free = last + 1
        if not self.few:
            self.padded = set(range(commonest(self.widths[self.kept])))

    def _mark_blank(self) -> None:
        """Lines of nothing but white space are no records of one empty field."""
        lines = self.lines
        self.widths[lines.stops == lines.starts] = BLANK
        single = np.flatnonzero((self.widths == 1) & ~lines.odd)
        first = np.frombuffer(self.data, np.uint8)[lines.starts[single]] if len(single) else single
        for line in single[first <= ord(" ")].tolist():
            if not self.data[lines.starts[line] : lines.stops[line]].strip():
                self.widths[line] = BLANK

    def _exact(self, unread: Ints) -> tuple[NDArray[np.bool_], Ints, Ints]:
        """For each line: whether a record in RFC 4180 over several lines starts on it, its last line, its number of fields."""
        lines = self.lines
        odd = np.flatnonzero(lines.odd)
        at = np.searchsorted(odd, unread, side="right")
        ends = np.append(odd, 0)[np.minimum(at, len(odd))]  # the next line with an odd number of quotes
        wrong = np.concatenate([[0], np.cumsum(lines.wrong_within)])
        within = np.concatenate([[0], np.cumsum(lines.within)])
        exact = lines.odd[unread] & ~lines.wrong[unread] & (at < len(odd)) & (wrong[ends + 1] == wrong[unread + 1])
        return exact, ends, lines.delimiters[unread] + within[ends + 1] - within[unread + 1] + 1

    def _interpret(self, line: int) -> int:
        """Read a record that is not in RFC 4180; returns its last line."""
        start, stop = int(self.lines.starts[line]), int(self.lines.stops[line])
        parsed = self.grammar.parse(self.data, start, len(self.data), self.hopeless)
        last = line
        if parsed is not None and parsed.stop > stop:
            last = int(np.searchsorted(self.lines.stops, parsed.stop))
            if self._swallows_rows(line, last, len(parsed.fields)):
                self.hopeless.update(parsed.crossing)
                parsed, last = self.grammar.parse(self.data, start, stop), line
        if parsed is None:
            self.widths[line] = UNCLOSED
            return line
        if not parsed.exact:
            self.mended[line + 1] = self.grammar.written(parsed.fields)
        if parsed.loose:
            self.loose.append(line + 1)
        if self.few:
            self._note_padded(parsed)
        return self._take(line, last, parsed.stop, len(parsed.fields))

    def _take(self, line: int, last: int, stop: int, width: int) -> int:
        self.stops[line] = stop
        self.widths[line] = width
        self.kept[line + 1 : last + 1] = False
        if last - line >= self.longest[0]:
            self.longest = (last - line + 1, line + 1)
        return last

    def _swallows_rows(self, line: int, last: int, width: int) -> bool:
        """Whether a record over several lines holds lines as wide as rows: a quote was forgotten, not a line break meant."""
        within = self.lines.delimiters[line + 1 : last] + 1
        if len(within) < 2 or len(within) * (self.usual - 1) < _EVIDENCE:
            return False
        rows = int(np.count_nonzero(within == self.usual))
        # A record of the usual width is innocent until most of it says otherwise.
        if rows * (self.usual - 1) < _EVIDENCE or rows < len(within) * (0.9 if width == self.usual else 0.5):
            return False
        return self.usual > 2 or self._begin_like_rows(line, last)

    def _begin_like_rows(self, line: int, last: int) -> bool:
        """Whether the lines of a record begin with what rows begin with; one comma in each line may also be prose."""
        if self.firsts is None:
            rows = np.flatnonzero(~self.unread & (self.widths == self.usual))
            some = rows[np.linspace(0, len(rows) - 1, min(len(rows), _COMPARED)).astype(np.int64)].tolist()
            self.firsts = [(row, self._first_field(row)) for row in some]
        known = {first for row, first in self.firsts if not line < row < last}
        own = [self._first_field(inner) for inner in range(line + 1, min(last, line + _COMPARED))]
        numbers = sum(map(bytes.isdigit, known)) > 0.5 * len(known)
        return sum(first in known or (numbers and first.isdigit()) for first in own) > 0.5 * len(own)

    def _first_field(self, line: int) -> bytes:
        return self.data[self.lines.starts[line] : self.lines.stops[line]].partition(self.grammar.delimiter)[0].strip()

    def _note_padded(self, parsed: Parsed | None) -> None:
        for at, value in enumerate(parsed.fields if parsed else ()):
            if value and not (33 <= value[0] < 128 and 33 <= value[-1] < 128):
                self.padded.add(at)
