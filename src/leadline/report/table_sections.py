"""What the sections about a table show: its columns, and which of them matter; a section without material is None."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from leadline.report.wording import (
    as_answer,
    as_change,
    as_listing,
    as_number,
    as_percent,
    as_tick,
    counted,
    in_sentence,
    is_finite,
)

Record = dict[str, Any]
View = dict[str, Any]

SHOWN_COLUMNS = 40  # of more columns only some of each kind are shown
OF_A_KIND = 6
LISTED = 20
MATTERING = 15  # columns in the drawing of what matters
_LEVELS, _BARS = 3, 20
_KINDS = {
    "number": ("number", "numbers"),
    "category": ("category", "categories"),
    "yes/no": ("yes/no column", "yes/no columns"),
    "date": ("date", "dates"),
    "text": ("text", "texts"),
}


def column_view(results: Record) -> View | None:
    """Each column in a row: its kind, what is missing, how its values are spread, and why it is taken as what it is.

    The target comes first, then the inputs as they stand in the file; what was left out is gathered by the reason. Of more than
    40 columns some of each kind are shown, those that matter most first, where that was measured.
    """
    columns = [column for column in results.get("columns") or () if column]
    if not columns:
        return None
    out = [column for column in columns if column.get("kind") == "left out"]
    targets = [column for column in columns if column.get("kind") == "target"]
    inputs = [column for column in columns if column.get("kind") not in ("left out", "target")]
    cut = len(inputs) > SHOWN_COLUMNS
    groups = _by_kind(inputs, results) if cut else [{"columns": inputs, "rest": ""}]
    return {
        "sentence": _columns_sentence(inputs, targets, out, cut),
        "noted": any(column.get("why") and column.get("kind") not in ("target", "left out") for column in columns),
        "groups": [
            {"rows": [_column(column) for column in group["columns"]], "rest": group["rest"]}
            for group in [
                {"columns": targets[:OF_A_KIND], "rest": _rest(len(targets) - OF_A_KIND, "target", "targets")},
                *groups,
            ]
        ],
        "left_out": _left_out(out),
        "count_left_out": len(out),
    }


def importance_view(results: Record) -> View | None:
    """The columns that matter most as dots with intervals on one scale that holds 0, and the others in a sentence."""
    record = results.get("importance") or {}
    columns = [
        column for column in record.get("columns") or () if all(is_finite(column.get(key)) for key in ("value", "low", "high"))
    ]
    if not columns:
        return None
    columns.sort(key=lambda column: -column["value"])
    metric = str(record.get("metric") or "")
    shown, rest = columns[:MATTERING], columns[MATTERING:]
    largest = max(abs(column[key]) for column in shown for key in ("value", "low", "high"))
    start, end = _scale(min(column["low"] for column in shown), max(column["high"] for column in shown))
    rows = [_dot(metric, column, start, end, largest) for column in shown]
    return {
        "meaning": _meaning(record, results),
        "doubt": _doubt(rows),
        "rest": _rest_sentence(metric, rest, shown, largest),
        "rows": rows,
        "zero": -100 * start / (end - start),
        "start": as_tick(metric, start),
        "end": as_tick(metric, end),
        "title": in_sentence(_title(record, metric)),
    }


def _columns_sentence(inputs: Sequence[Record], targets: Sequence[Record], out: Sequence[Record], cut: bool) -> str:
    kinds = [str(column.get("kind")) for column in inputs]
    counts = [
        counted(kinds.count(kind), *_KINDS.get(kind, (f"{kind} column", f"{kind} columns"))) for kind in dict.fromkeys(kinds)
    ]
    if targets:
        counts.insert(0, "the target" if len(targets) == 1 else counted(len(targets), "target"))
    if out:
        counts.append(f"{len(out):,} left out")
    total = counted(len(inputs) + len(targets) + len(out), "column")
    gaps = [column for column in inputs if is_finite(column.get("missing")) and column["missing"] > 0]
    said = f"{total}: {', '.join(counts)}."
    if gaps:
        worst = max(gaps, key=lambda column: column["missing"])
        most = f"most of all in {as_listing([worst['name']])} ({as_percent(worst['missing'])})"
        said += (
            f" Values are missing in {len(gaps):,} of them, {most}." if len(gaps) > 1 else f" Values are missing {most[12:]}."
        )
    return said + (" Some of each kind are shown here; all are in results.json." if cut else "")


def _by_kind(inputs: Sequence[Record], results: Record) -> list[View]:
    measured = (results.get("importance") or {}).get("columns") or ()
    rank = {column.get("name"): place for place, column in enumerate(measured)}
    groups = []
    for kind in dict.fromkeys(str(column.get("kind")) for column in inputs):
        alike = [column for column in inputs if str(column.get("kind")) == kind]
        alike.sort(key=lambda column: rank.get(column.get("name"), len(rank)))
        one, many = _KINDS.get(kind, (f"{kind} column", f"{kind} columns"))
        groups.append({"columns": alike[:OF_A_KIND], "rest": _rest(len(alike) - OF_A_KIND, one, many)})
    return groups


def _rest(count: int, noun: str, plural: str) -> str:
    return f"… {count:,} more {noun if count == 1 else plural} …" if count > 0 else ""


def _left_out(columns: Sequence[Record]) -> list[View]:
    reasons: dict[str, list[str]] = {}
    for column in columns:
        reasons.setdefault(str(column.get("why") or "no reason was kept"), []).append(as_answer(column.get("name")))
    groups: list[View] = [
        {"why": why, "names": names[:LISTED], "more": max(0, len(names) - LISTED)}
        for why, names in sorted(reasons.items(), key=lambda group: -len(group[1]))
    ]
    return groups[:LISTED]


def _column(column: Record) -> View:
    common = [(as_answer(level), count) for level, count in column.get("common") or () if is_finite(count)]
    histogram = [count for count in column.get("histogram") or () if is_finite(count)]
    bars = histogram[:_BARS] or [count for _, count in common[:_BARS]]
    distinct = column.get("distinct")
    return {
        "name": as_answer(column.get("name")),
        "kind": str(column.get("kind") or ""),
        "missing": as_percent(column["missing"]) if is_finite(column.get("missing")) else "—",
        "complete": column.get("missing") == 0,
        "distinct": f"{distinct:,}" if is_finite(distinct) else "—",
        "bars": _bars(bars, gap=0 if histogram else 2),
        "range": _range(column),
        "levels": [] if histogram else [{"name": name, "count": f"{count:,}"} for name, count in common[:_LEVELS]],
        "more": max(0, (int(distinct) if is_finite(distinct) else len(common)) - _LEVELS) if not histogram and common else 0,
        "why": str(column.get("why") or ""),
    }


def _range(column: Record) -> str:
    low, median, high = (_end(column.get(key)) for key in ("low", "median", "high"))
    if not (low and high):
        return ""
    return f"{low} to {high}" + (f", median {median}" if median else "")


def _end(value: Any) -> str:
    if isinstance(value, str):
        return value
    if not is_finite(value):
        return ""
    # Without the comma in four digits, so that years read as years.
    return as_number(value, 3).replace(",", "" if abs(value) < 10_000 else ",")


def _bars(counts: Sequence[float], *, gap: int) -> Markup:
    """Bars as one small drawing, as wide as its place; what occurs at all can be seen."""
    largest = max(counts, default=0)
    if largest <= 0:
        return Markup("")
    path = "".join(
        f"M{10 * place} 100V{100 - max(4, round(100 * count / largest))}h{10 - gap}V100z"
        for place, count in enumerate(counts)
        if count > 0
    )
    drawing = '<svg class="spark" style="--bars:{}" viewBox="0 0 {} 100" preserveAspectRatio="none" aria-hidden="true">'
    return Markup(drawing + '<path d="{}"/></svg>').format(len(counts), 10 * len(counts) - gap, path)


def _title(record: Record, metric: str) -> str:
    return str(record.get("title") or metric.replace("_", " ") or "score")


def _meaning(record: Record, results: Record) -> str:
    metric = str(record.get("metric") or "")
    score = (results.get("scores") or {}).get(metric) or {}
    falls = score.get("higher_is_better", metric not in ("mae", "rmse", "log_loss", "calibration_error"))
    rows, repeats = record.get("rows"), record.get("repeats")
    times = f"the mean of {counted(repeats, 'shuffle')}" if repeats else "the mean"
    basis = f" over {counted(rows, 'test row')}" if rows else " over test rows"
    title, moves = in_sentence(_title(record, metric)), "falls" if falls else "rises"
    return (
        f"How far the {title} {moves} when one column is shuffled, so that each row gets the value of another: {times}{basis}, "
        "with 95\u202f% intervals. Columns that say the same share what they matter: the network can answer from the other."
    )


def _doubt(rows: Sequence[View]) -> str:
    doubtful = [row for row in rows if row["doubtful"]]
    if not doubtful:
        return ""
    if len(doubtful) == len(rows):
        return "Every interval holds 0: these rows do not show that any column matters."
    names = as_listing([row["name"] for row in doubtful])
    if len(doubtful) == 1:
        return f"The interval of {names} holds 0: these rows do not show that it matters."
    return f"The intervals of {names}, in grey, do not lie above 0: these rows do not show that they matter."


def _rest_sentence(metric: str, rest: Sequence[Record], shown: Sequence[Record], largest: float) -> str:
    if not rest:
        return ""
    others = "The other column" if len(rest) == 1 else f"The other {len(rest):,} columns"
    doubtful = sum(column["low"] <= 0 for column in rest)
    is_not = "is not" if len(rest) == 1 else "are not"
    if doubtful == len(rest):
        return f"{others} {is_not} shown to matter."
    most = as_change(metric, rest[0]["value"], largest)
    said = f"{others} matter{'s' if len(rest) == 1 else ''} less, {'' if len(rest) == 1 else 'each '}at most {most}"
    return f"{said}; {doubtful:,} of them {'is' if doubtful == 1 else 'are'} not shown to matter." if doubtful else f"{said}."


def _dot(metric: str, column: Record, start: float, end: float, largest: float) -> View:
    low, high = min(column["low"], column["value"]), max(column["high"], column["value"])
    at, begin, stop = (100 * (place - start) / (end - start) for place in (column["value"], low, high))
    return {
        "name": as_answer(column.get("name")),
        "shown": as_change(metric, column["value"], largest),
        "interval": f"{as_change(metric, low, largest, unit=False)} to {as_change(metric, high, largest)}",
        "at": at,
        "from": begin,
        "to": stop,
        "doubtful": low <= 0,
    }


def _scale(low: float, high: float) -> tuple[float, float]:
    """Round ends that hold 0 and everything from `low` to `high`."""
    low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        return 0.0, 1.0
    step = 10 ** math.floor(math.log10(high - low)) / 2
    return step * math.floor(low / step), step * math.ceil(high / step)
