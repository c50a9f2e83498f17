"""The grammar of one record of a csv: RFC 4180, and what people write instead of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

_QUOTE, _NEWLINE = ord('"'), ord("\n")


class _Field(NamedTuple):
    value: bytes
    stop: int
    exact: bool
    loose: bool


@dataclass(slots=True)
class Parsed:
    """One record.

    Attributes:
        fields: its values, in UTF-8.
        stop: the byte behind it.
        exact: whether it stands in RFC 4180, so that any csv reader reads the same.
        loose: whether a quote within a quoted field was not doubled.
        crossing: where those of its fields start that span lines.
    """

    fields: list[bytes]
    stop: int
    exact: bool
    loose: bool
    crossing: list[int]


class Grammar:
    """Reads and writes records with one delimiter.

    A field that begins with a quote (white space before it is passed over) ends at a quote that a delimiter or the end of the
    line follows, and may span lines if all quotes within are doubled. If that fails, quotes within it may stand alone or behind
    a backslash, but it must end on its line. If that fails too, the quotes are ordinary characters where their number is even;
    an odd one makes the record unreadable, for it may have been meant to enclose a delimiter. A quote elsewhere is an ordinary
    character.

    Example:
        >>> Grammar(b",").parse(b'5" pipe,"a ""b"", c","d "e" f"', 0, 30).fields
        [b'5" pipe', b'a "b", c', b'd "e" f']
        >>> Grammar(b",").parse(b'1,"2', 0, 4) is None
        True
    """

    def __init__(self, delimiter: bytes) -> None:
        self.delimiter = delimiter
        mark = re.escape(delimiter)
        space = rb"[ ]*+" if delimiter == b"\t" else rb"[ \t]*+"
        end = space + rb"(?=" + mark + rb"|\n|\Z)"
        # Possessive throughout (*+): nothing is tried twice, whatever the file holds.
        self._simple = re.compile(rb'(?:[^\n"' + mark + rb"]*+" + mark + rb")++")
        self._strict = re.compile(space + rb'"((?:[^"]++|"")*+)"' + end)
        self._lenient = re.compile(space + rb'"((?:[^\\"\n]++|\\[^\n]|"(?!' + end + rb'))*+)"' + end)
        self._plain = re.compile(rb"[^\n" + mark + rb"]*+")
        self._opening = re.compile(space + rb'"')

    def parse(self, data: bytes, start: int, limit: int, hopeless: set[int] | None = None) -> Parsed | None:
        """The record at `start`, which ends before `limit`; None where a quote opens a field that no other closes.

        `hopeless` are starts of fields that span lines in records which turned out to be none; parsing stops at these, and adds
        to them, so that no part of a text is read again and again.
        """
        hopeless = set() if hopeless is None else hopeless
        parsed = Parsed([], start, exact=True, loose=False, crossing=[])
        at = start
        barren = start  # up to here no quote can close a field
        while True:
            if simple := self._simple.match(data, at, limit):  # any number of fields without quotes
                parsed.fields.extend(simple[0].split(self.delimiter)[:-1])
                at = simple.end()
            if self._opening.match(data, at, limit):
                field, barren = self._quoted(data, at, limit, barren)
            else:
                field = self._bare(data, at, limit)
            crosses = field is not None and b"\n" in field.value
            if field is None or (crosses and hopeless is not None and at in hopeless):
                if hopeless is not None:
                    hopeless.update(parsed.crossing)
                return None
            if crosses:
                parsed.crossing.append(at)
            parsed.fields.append(field.value)
            parsed.exact &= field.exact
            parsed.loose |= field.loose
            if field.stop >= limit or data[field.stop] == _NEWLINE:
                parsed.stop = field.stop
                return parsed
            at = field.stop + 1

    def _bare(self, data: bytes, at: int, limit: int) -> _Field:
        match = self._plain.match(data, at, limit)
        assert match is not None  # it may be empty
        return _Field(match[0], match.end(), b'"' not in match[0], False)

    def _quoted(self, data: bytes, at: int, limit: int, barren: int) -> tuple[_Field | None, int]:
        if match := self._strict.match(data, at, limit):
            exact = data[at] == data[match.end() - 1] == _QUOTE
            return _Field(match[1].replace(b'""', b'"'), match.end(), exact, False), barren
        if at >= barren:
            if match := self._lenient.match(data, at, limit):
                return _Field(match[1].replace(b'""', b'"').replace(b'\\"', b'"'), match.end(), False, True), barren
            barren = data.find(b"\n", at, limit) + 1 or limit
        field = self._bare(data, at, limit)
        return (field._replace(loose=True) if field.value.count(b'"') % 2 == 0 else None), barren

    def written(self, fields: list[bytes]) -> bytes:
        """A record in RFC 4180, with quotes around every value."""
        between = b'"' + self.delimiter + b'"'
        return b'"' + between.join([value.replace(b'"', b'""') if b'"' in value else value for value in fields]) + b'"'
