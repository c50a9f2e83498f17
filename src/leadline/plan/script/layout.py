"""How lines of a script are laid out: as `ruff format` does, at 128 columns."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

WIDTH = 128
ALWAYS_BROKEN = "\0"  # before a closing bracket: one item a line, even where all would fit on one
_PAIRS = {"(": ")", "[": "]", "{": "}"}


def literal(value: Any) -> str:
    """A plain value as Python writes it, texts in double quotes.

    Example:
        >>> literal((1, "a", [None, 0.5])), literal({"a": float("inf")})
        ('(1, "a", [None, 0.5])', '{"a": float("inf")}')
    """
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(literal, value)) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(key)}: {literal(each)}" for key, each in value.items()) + "}"
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    raise TypeError(f"{value!r} is no plain value")


def indented(lines: Iterable[str]) -> list[str]:
    """The lines one level deeper; empty ones stay empty."""
    return ["    " + line if line else line for line in lines]


def statement(text: str, depth: int = 0, comment: str = "") -> list[str]:
    """One statement as lines: on one where it fits, else as it was broken, else broken at its last bracket.

    Args:
        text: the statement; its further lines, if any, are indented relative to the first.
        depth: columns it will be indented by.
        comment: behind it, with its `#`.

    Example:
        >>> statement("x = f(\\n    1, 2\\n)")
        ['x = f(1, 2)']
    """
    room = WIDTH - depth
    lines = [line.rstrip() for line in text.split("\n")]
    breakable = len(lines) > 1 and ("#" in text or re.search(r",\n\s*[)\]}]", text) is not None)
    if not breakable:
        one = joined(lines)
        # A comment does not make the formatter break a line.
        fits = len(one) <= room and ALWAYS_BROKEN not in one
        lines = [one] if fits else (lines if len(lines) > 1 else broken(one, room))
    return [*lines[:-1], lines[-1] + (f"  {comment}" if comment else "")]


def joined(lines: Sequence[str]) -> str:
    """Lines of one statement as a single line."""
    one = lines[0]
    for line in lines[1:]:
        part = line.strip()
        tight = one[-1:] in _PAIRS or part[:1] in _PAIRS.values() or part.startswith(".")
        one += part if tight else f" {part}"
    return one


def broken(line: str, room: int) -> list[str]:
    """A line that is too long, broken inside its last outer bracket: all in one line if it fits there, else one item a line."""
    if len(line) <= room and ALWAYS_BROKEN not in line:
        return [line]
    opening, closing = _last_bracket(line)
    if opening < 0 or not line[opening + 1 : closing]:
        return [line]
    head, inside, tail = line[: opening + 1], line[opening + 1 : closing], line[closing:]
    items = parts(inside.removesuffix(ALWAYS_BROKEN))
    if len(inside) + 4 <= room and ALWAYS_BROKEN not in inside:
        return [head, "    " + inside, tail]
    body: list[str] = []
    for item in items:
        lines = broken(item + ",", room - 4)
        body += indented(lines)
    return [head, *body, tail]


def parts(inside: str) -> list[str]:
    """What stands between the outer commas.

    Example:
        >>> parts('1, f(2, 3), "a, b"')
        ['1', 'f(2, 3)', '"a, b"']
    """
    found, depth, start, quote = [], 0, 0, ""
    for at, mark in enumerate(inside):
        if quote:
            quote = "" if mark == quote and inside[at - 1] != "\\" else quote
        elif mark in "\"'":
            quote = mark
        elif mark in "([{":
            depth += 1
        elif mark in ")]}":
            depth -= 1
        elif mark == "," and depth == 0:
            found.append(inside[start:at].strip())
            start = at + 1
    last = inside[start:].strip()
    return [*found, last] if last else found


def _last_bracket(line: str) -> tuple[int, int]:
    """Where the last outer bracket opens and closes."""
    opening, found, depth, quote = -1, (-1, -1), 0, ""
    for at, mark in enumerate(line):
        if quote:
            quote = "" if mark == quote and line[at - 1] != "\\" else quote
        elif mark in "\"'":
            quote = mark
        elif mark in _PAIRS:
            opening = at if depth == 0 else opening
            depth += 1
        elif mark in _PAIRS.values():
            depth -= 1
            found = (opening, at) if depth == 0 else found
    return found
