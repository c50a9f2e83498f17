"""What the section about texts and series shows: which words or stretches decided, and how far back a gradient reaches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from markupsafe import Markup

from leadline.report.time_gradient_section import gradient_view
from leadline.report.wording import as_answer, as_number, as_sureness, is_finite

Record = dict[str, Any]
View = dict[str, Any]

_LEVELS = 4  # of colour, for and against
_FAINT = 0.1  # of the most that a part of a row is worth; less has no colour
_LEAST_ODDS = math.log(1.3)  # has full colour at the least: where nothing counts, nothing shines
_PIECES, _AROUND, _GAP = 140, 6, 4  # pieces of a text that are shown; beside one that counts; that a "…" replaces at least
_WIDE, _HIGH, _LINES, _POINTS = 360, 96, 6, 360  # of a series: its drawing, channels, points a line
_INKS = ("currentColor", "#d55e00", "#009e73", "#b0568a", "#8a6d00", "#7570b3")


def sequence_view(examples: Record) -> View | None:
    """Rows with what their words or steps were worth, and gradients through time; None without either.

    Args:
        examples: of the record; "deciding" holds "kind" ("texts" or "series"), "unit", "scale" ("odds" or "number"), "rows"
            with "pieces", "gaps" and "known", or "series", beside "worth", and "gradients" with their "norms".

    Example:
        >>> sequence_view({}) is None
        True
    """
    record = examples.get("deciding") or {}
    odds = record.get("scale") != "number"
    rows = [row for each in record.get("rows") or () if (row := row_view(each, odds=odds))]
    groups = [
        {"title": title, "rows": chosen}
        for title, is_right in (
            ("Where it was right" if odds else "Where it came nearest", True),
            ("Where it was wrong, and sure of it" if odds else "Where it was farthest off", False),
        )
        if (chosen := [row for row in rows if row["right"] is is_right])
    ]
    gradient = gradient_view(record)
    if not groups and gradient is None:
        return None
    kind = "words" if record.get("kind") == "texts" else "stretches"
    kind = "letters" if kind == "words" and record.get("unit") == "characters" else kind
    strangers = any(row["strangers"] for row in rows)
    return {"kind": kind, "groups": groups, "odds": odds, "strangers": strangers, "gradient": gradient}


def row_view(record: Record, *, odds: bool = True) -> View | None:
    """One row as it is shown: who it is, what was said and is true, and its coloured text or drawing; None without either.

    Args:
        record: of the row.
        odds: whether what its parts are worth is log odds, and not a number.

    Example:
        >>> row = {"id": "a", "answer": "ham", "pieces": ["Hi", "!"], "gaps": ["", ""], "worth": [1.0, 0.0]}
        >>> [(each["text"], each["level"], each["said"]) for each in row_view(row)["text"]]
        [('Hi', 'p4', '×2.7'), ('!', '', '')]
    """
    worth = [float(value) if is_finite(value) else 0.0 for value in record.get("worth") or ()]
    text = _text(record, worth, odds=odds) if record.get("pieces") else []
    drawing = draw_stretches(record["series"], worth, str(record.get("id", "")), odds=odds) if record.get("series") else None
    if not text and drawing is None:
        return None
    return {
        "id": str(record.get("id", "")),
        "answer": as_answer(record.get("answer")),
        "truth": as_answer(record.get("truth")) if record.get("truth") is not None else None,
        "of": as_answer(record.get("of")) if record.get("of") is not None else "",
        "sure": as_sureness(record.get("probability")),
        "right": bool(record.get("right", True)),
        "text": text,
        "drawing": drawing,
        "channels": [str(name) for name in record.get("channels") or ()][:_LINES] if drawing is not None else [],
        "strangers": any(each["unknown"] for each in text),
    }


def _text(record: Record, worth: Sequence[float], *, odds: bool) -> list[View]:
    """The pieces in order; long stretches without any that counts are one "…"."""
    pieces = [str(piece) for piece in record["pieces"]]
    gaps, known = list(record.get("gaps") or ()), list(record.get("known") or ())
    if len(worth) != len(pieces):
        return []
    gaps = gaps if len(gaps) == len(pieces) else [" "] * len(pieces)
    known = known if len(known) == len(pieces) else [True] * len(pieces)
    peak = _peak(worth, odds=odds)
    shown = _shown(worth)
    view: list[View] = []
    for at, (piece, gap, value) in enumerate(zip(pieces, gaps, worth, strict=True)):
        if not shown[at]:
            if at == 0 or shown[at - 1]:
                view.append({"text": "…", "gap": " ", "level": "", "said": "", "unknown": False, "left_out": True})
            continue
        level = _level(value / peak)
        view.append(
            {
                "text": _visible(piece),
                "gap": " " if str(gap).strip(" ") == "" and gap else str(gap),
                "level": level,
                "said": as_worth(value, odds=odds) if level else "",
                "unknown": not known[at],
                "left_out": False,
            }
        )
    return view


def _peak(worth: Sequence[float], *, odds: bool) -> float:
    return max([_LEAST_ODDS if odds else 1e-12, *map(abs, worth)])


def _shown(worth: Sequence[float]) -> list[bool]:
    """Which pieces of a text are shown: all of a short one, of a long one those around the ones that count most."""
    if len(worth) <= _PIECES + _GAP:
        return [True] * len(worth)
    shown = [False] * len(worth)
    for at in sorted(range(len(worth)), key=lambda at: -abs(worth[at])):
        around = range(max(0, at - _AROUND), min(len(worth), at + _AROUND + 1))
        if sum(shown) + sum(not shown[place] for place in around) > _PIECES:
            break
        for place in around:
            shown[place] = True
    start = 0
    while start < len(shown):  # a hole of a word or two says less than the words
        end = start
        while end < len(shown) and not shown[end]:
            end += 1
        if start < end < start + _GAP:
            shown[start:end] = [True] * (end - start)
        start = end + 1
    return shown


def _level(share: float) -> str:
    """p1 … p4 for what speaks for the answer, n1 … n4 against it, nothing for what hardly counts."""
    if abs(share) < _FAINT:
        return ""
    return f"{'p' if share > 0 else 'n'}{min(_LEVELS, 1 + int(_LEVELS * (abs(share) - _FAINT) / (1 - _FAINT)))}"


def as_worth(value: float, *, odds: bool) -> str:
    """By what factor a part of a row raises the odds, or how much a number.

    Args:
        value: log odds, or a number.
        odds: which of them.

    Example:
        >>> as_worth(2.0, odds=True), as_worth(-9.0, odds=True), as_worth(0.25, odds=False)
        ('×7.4', '÷1,000+', '+0.25')
    """
    if not odds:
        return ("+" if value > 0 else "") + as_number(value, 3)
    factor = math.exp(min(abs(value), math.log(1000)))
    shown = (
        "1,000+" if factor >= 999.5 else f"{factor:.2f}" if factor < 2 else f"{factor:.1f}" if factor < 10 else f"{factor:.0f}"
    )
    return f"{'×' if value > 0 else '÷'}{shown}"


def _visible(piece: str) -> str:
    marks = {"\n": "⏎", "\t": "→", "\r": "␍", "\ufffd": "▢"}
    return "".join(marks.get(each, each if each.isprintable() else "▢") for each in piece) or "∅"


def draw_stretches(series: Sequence[Sequence[float]], worth: Sequence[float], name: str, *, odds: bool) -> Markup | None:
    """A series over the colours of what its steps were worth, as SVG; None for what is none.

    Args:
        series: a list of numbers for each channel; each is drawn between its own smallest and largest.
        worth: of each step.
        name: of the row, for those who do not see it.
        odds: whether that is log odds.

    Example:
        >>> draw_stretches([[0.0, 1.0, 0.5]], [0.0, 2.0, -1.0], "a", odds=True).count("<rect")
        2
    """
    steps, lines = len(worth), channel_lines(series, len(worth))
    if not lines:
        return None
    step = _WIDE / steps
    peak = _peak(worth, odds=odds)
    parts, at = [], 0
    levels = [_level(value / peak) for value in worth]
    while at < steps:
        end = at
        while end < steps and levels[end] == levels[at]:
            end += 1
        if levels[at]:
            width = (end - at) * step
            parts.append(f'<rect class="{levels[at]}" x="{at * step:.1f}" y="0" width="{width:.1f}" height="{_HIGH}"/>')
            if levels[at][0] == "n":  # dashed below, so that it is told from the others without colours, too
                parts.append(_under(at * step, width, dashed=True))
            else:
                parts.append(_under(at * step, width, dashed=False))
        at = end
    return as_drawing([*parts, *lines], f"The series {name}, coloured by which stretches decided")


def channel_lines(series: Sequence[Sequence[float]], steps: int) -> list[str]:
    """A line of SVG for each channel, between its own smallest and largest value; none for what is no series of so many steps.

    Args:
        series: a list of numbers for each channel.
        steps: of the series.

    Example:
        >>> len(channel_lines([[0.0, 1.0], [2.0, 2.0]], 2)), channel_lines([[0.0, None]], 2)
        (2, [])
    """
    lines = [[float(value) for value in channel] for channel in series if all(map(is_finite, channel))][:_LINES]
    if not steps or any(len(line) != steps for line in lines):
        return []
    step, drawn = _WIDE / steps, []
    for ink, line in zip(_INKS, lines, strict=False):
        low, high = min(line), max(line)
        points = [
            (step * (place + 0.5), (_HIGH - 12) * (1 - (line[place] - low) / ((high - low) or 1)) + 4)
            for place in _places(line)
        ]
        points = points if len(points) > 1 else [(0, points[0][1]), (_WIDE, points[0][1])]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        drawn.append(f'<polyline points="{path}" stroke="{ink}" vector-effect="non-scaling-stroke"/>')
    return drawn


def as_drawing(parts: Sequence[str], label: str) -> Markup:
    """Parts made by this module as an SVG as wide as its place.

    Args:
        parts: of numbers and words of this module alone.
        label: for those who do not see it.

    Example:
        >>> print(as_drawing([], "a < b")[:40])
        <svg role="img" aria-label="a &lt; b" vi
    """
    return Markup(
        '<svg role="img" aria-label="{}" viewBox="0 0 {} {}" fill="currentColor" preserveAspectRatio="none">{}</svg>'
    ).format(label, _WIDE, _HIGH, Markup("").join(map(Markup, parts)))


def _under(x: float, width: float, *, dashed: bool) -> str:
    dashes = ' stroke-dasharray="2 3"' if dashed else ""
    kind = "against" if dashed else "for"
    return f'<path class="{kind}" d="M{x:.1f} {_HIGH - 1.5}h{width:.1f}" stroke-width="3"{dashes}/>'


def _places(line: Sequence[float]) -> list[int]:
    """All steps of a short line; of a long one the lowest and highest of each of some hundred stretches."""
    if len(line) <= _POINTS:
        return list(range(len(line)))
    count = _POINTS // 2
    edges = [len(line) * part // count for part in range(count + 1)]
    places: set[int] = set()
    for start, end in pairwise(edges):
        part = range(start, end)
        places |= {min(part, key=line.__getitem__), max(part, key=line.__getitem__)}
    return sorted(places)
