"""The physical lines of a csv, a million at a time: how many fields each has, and which obey RFC 4180 by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_NEWLINE, _QUOTE = ord("\n"), ord('"')
_CHUNK = 1 << 20  # bytes: what numpy makes of them stays in the processor's cache

_Scalar = TypeVar("_Scalar", bound=np.generic)
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Lines:
    """L lines, each looked at as if it began outside a quoted field, and as if it began inside one.

    Attributes:
        starts: byte at which each starts, int64 [L].
        stops: byte of its line feed, int64 [L].
        delimiters: how many stand outside quoted fields if the line begins outside, int64 [L].
        within: how many do so if it begins inside, int64 [L].
        odd: whether it holds an odd number of quotes, and so ends on the other side, bool [L].
        wrong: whether a quote stands where RFC 4180 has none if the line begins outside, bool [L].
        wrong_within: likewise if it begins inside, bool [L]; also where that was not looked into.
        opens: whether any quote stands at the start of a field.
        padded: how often a value of each column begins or ends with what may be white space, by lines that begin outside.
    """

    starts: Ints
    stops: Ints
    delimiters: Ints
    within: Ints
    odd: Flags
    wrong: Flags
    wrong_within: Flags
    opens: bool
    padded: Ints


def find_lines(data: bytes, delimiter: bytes, *, quotes: bool) -> Lines:
    """Split a text into its lines and count the delimiters of each.

    Args:
        data: UTF-8 in which lines end in a line feed (the last need not).
        delimiter: one byte.
        quotes: whether quotes mean anything.

    Example:
        >>> lines = find_lines(b'a,b\\n1,"2\\n3"\\n4,"5,6"\\n', b",", quotes=True)
        >>> lines.delimiters.tolist(), lines.odd.tolist(), lines.wrong_within.tolist()
        ([1, 1, 0, 1], [False, True, True, False], [False, True, False, True])
    """
    found = [_Chunk(piece, offset, delimiter[0], quotes=quotes) for offset, piece in _pieces(data)]
    stops = _together([chunk.stops for chunk in found], np.int64)
    padded: Ints = np.zeros(max([len(chunk.padded) for chunk in found], default=0), dtype=np.int64)
    for chunk in found:
        padded[: len(chunk.padded)] += chunk.padded
    return Lines(
        starts=np.concatenate([np.zeros(min(1, len(stops)), dtype=np.int64), stops[:-1] + 1]),
        stops=stops,
        delimiters=_together([chunk.delimiters for chunk in found], np.int64),
        within=_together([chunk.within for chunk in found], np.int64),
        odd=_together([chunk.odd for chunk in found], np.bool_),
        wrong=_together([chunk.wrong for chunk in found], np.bool_),
        wrong_within=_together([chunk.wrong_within for chunk in found], np.bool_),
        opens=any(chunk.opens for chunk in found),
        padded=padded,
    )


def _together(arrays: list[NDArray[_Scalar]], dtype: type[_Scalar]) -> NDArray[_Scalar]:
    return np.concatenate([np.zeros(0, dtype=dtype), *arrays])


def _pieces(data: bytes) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Pieces of whole lines with their offsets; the very last line gets its line feed if it has none."""
    start = 0
    while start < len(data):
        stop = start + _CHUNK
        # At the last line feed within reach, or the first beyond it.
        stop = (
            (data.rfind(b"\n", start, stop) + 1 or data.find(b"\n", stop) + 1 or len(data)) if stop < len(data) else len(data)
        )
        piece = np.frombuffer(data, np.uint8, stop - start, start)
        yield start, piece if piece[-1] == _NEWLINE else np.append(piece, np.uint8(_NEWLINE))
        start = stop


class _Chunk:
    """The lines of one piece, from its events: the places of its delimiters, quotes and line feeds.

    Two events that stand side by side tell all that RFC 4180 asks: an opening quote has another event right before it, a
    closing one right behind it (a doubled quote closes and opens again).
    """

    def __init__(self, piece: NDArray[np.uint8], offset: int, delimiter: int, *, quotes: bool) -> None:
        mask = (piece == _NEWLINE) | (piece == delimiter)
        if quotes:
            mask |= piece == _QUOTE
        events = np.flatnonzero(mask)
        kinds = piece[events]
        last = np.flatnonzero(kinds == _NEWLINE)  # the event that ends each line
        each = np.diff(last, prepend=-1)  # events in each line
        delimits = kinds == delimiter
        self.stops = events[last] + offset
        self.odd = np.zeros(len(last), dtype=np.bool_)
        self.wrong = self.wrong_within = self.odd
        self.opens = False
        self.delimiters = each - 1
        self.within = np.zeros(len(last), dtype=np.int64)
        if quotes and (quote := kinds == _QUOTE).any():
            delimits = self._follow_quotes(piece, events, quote, delimits, last, each)
        if delimiter <= ord(" "):  # a tab within quotes is white space like any other
            mask[events[(kinds == delimiter) & ~delimits]] = False
        self.padded = _padded(piece, mask, events, delimits, last, each)

    def _follow_quotes(
        self, piece: NDArray[np.uint8], events: Ints, quote: Flags, delimits: Flags, last: Ints, each: Ints
    ) -> Flags:
        """Set what depends on quotes; returns which events are delimiters outside quoted fields."""
        count = np.cumsum(quote, dtype=np.int32)
        total = count[last]
        quotes = np.diff(total, prepend=np.int32(0))
        self.odd = (quotes & 1).astype(np.bool_)
        inside = (count & 1).astype(np.bool_)  # behind each event, if every line began where the one before ended
        if self.odd.any():
            inside ^= np.repeat(((total - quotes) & 1).astype(np.bool_), each)
        self.delimiters = each - 1 - quotes
        hidden = delimits & inside
        if hidden.any():
            self.within = _per_line(hidden, last)
            self.delimiters = self.delimiters - self.within
        beside = np.diff(events) == 1
        lone_before = quote & ~np.concatenate([[events[0] == 0], beside])
        lone_behind = quote & ~np.concatenate([beside, [False]])
        self.wrong = self._any_per_line((inside & lone_before) | (~inside & lone_behind), last)
        self.wrong_within = quotes > 0
        if self.odd.any():
            self.wrong_within = self._any_per_line((~inside & lone_before) | (inside & lone_behind), last)
        after_quote = np.concatenate([[False], quote[:-1]])
        self.opens = bool((quote & ~lone_before & ~after_quote).any() or np.isin(piece[events[lone_before] - 1], (32, 9)).any())
        return delimits & ~inside

    @staticmethod
    def _any_per_line(events: Flags, last: Ints) -> Flags:
        return _per_line(events, last) > 0 if events.any() else np.zeros(len(last), dtype=np.bool_)


def _per_line(events: Flags, last: Ints) -> Ints:
    """How many of the events there are in each line."""
    return np.diff(np.cumsum(events, dtype=np.int64)[last], prepend=0)


def _padded(piece: NDArray[np.uint8], mask: Flags, events: Ints, delimits: Flags, last: Ints, each: Ints) -> Ints:
    """How often a value of each column begins or ends with white space, or with what may be some beyond ASCII."""
    strange = (piece - np.uint8(33)) > 94  # bytes up to the space, and from 128 on
    strange &= ~mask
    if not ((strange[1:] & mask[:-1]).any() or (strange[:-1] & mask[1:]).any() or strange[0]):
        return np.zeros(0, dtype=np.int64)
    before = np.cumsum(delimits)  # delimiters up to each event, in its line
    start = np.concatenate([[0], before[last[:-1]]])
    column = before - np.repeat(start, each)  # of the value behind each event; behind a line feed begins column 0
    column[last] = 0
    behind = np.append(strange, False)[events + 1]
    ended = before - delimits - np.repeat(start, each)
    ends = strange[events - 1] & (events > 0)
    return np.bincount(np.concatenate([column[behind], ended[ends], np.zeros(int(strange[0]), dtype=np.int64)]))
