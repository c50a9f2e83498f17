"""What the sections about the data, the examples and the plan show; a section without material is None or empty."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import Any

from leadline.report.wording import as_answer, as_number, as_setting, as_sureness, counted, is_finite

Record = dict[str, Any]
View = dict[str, Any]

BALANCE_CLASSES = 30  # of more classes only the largest and the smallest are shown
LISTED = 20
CELLS = 8  # columns beside the most wrong rows; more, and each row names its own
PICTURE_BYTES = 3_000_000  # of a page that is to stay below 5 MB
_PICTURE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}")


def balance_view(results: Record) -> View | None:
    """Rows per class in each split; of many classes the largest and the smallest."""
    parts = {part: counts for part, counts in (results.get("balance") or {}).items() if counts}
    if not parts:
        return None
    names = [str(name) for name in results.get("classes") or ()]
    names = names or list(dict.fromkeys(name for counts in parts.values() for name in counts))
    totals = {name: [int(counts.get(name, 0)) for counts in parts.values()] for name in names}
    largest = max(max(sum(counts) for counts in totals.values()), 1)
    rows: list[View] = [
        {
            "name": as_answer(name),
            "counts": counts,
            "share": 100 * sum(counts) / largest,
            "first": 100 * counts[0] / (sum(counts) or 1),
        }
        for name, counts in totals.items()
    ]
    left_out = 0
    if len(rows) > BALANCE_CLASSES:
        rows.sort(key=lambda row: -sum(row["counts"]))
        left_out = len(rows) - LISTED
        rows = rows[: LISTED // 2] + rows[-LISTED // 2 :]
    sums = sorted(sum(counts) for counts in totals.values())
    kind = "label" if results.get("task") == "labels" else "class"
    plural = {"label": "labels", "class": "classes"}[kind]
    noun = {"sequence": str(results.get("noun") or "steps").removesuffix("s")}.get(str(results.get("task")), "row")
    same = (
        f", {counted(sums[0], noun)} each"
        if sums[0] == sums[-1]
        else f"; the largest has {counted(sums[-1], noun)}, the smallest {sums[0]:,}"
    )
    return {
        "parts": list(parts),
        "rows": rows,
        "left_out": left_out,
        "half": LISTED // 2,
        "sentence": f"{len(names):,} {plural}{same}.",
        "kind": kind,
    }


def example_view(examples: Record) -> View:
    """The pictures (or rows) to show, in the order given, as long as they fit into the page."""
    budget = [PICTURE_BYTES]
    wrong, uncertain, data = (examples.get(key) or [] for key in ("wrong", "uncertain", "data"))
    return {
        "wrong": _with_cells([_example(row, budget) for row in wrong[:24]]),
        "uncertain": _with_cells([_example(row, budget) for row in uncertain[:24]]),
        "data": [view for row in data[:48] if (view := {**_example(row, budget), "answer": None})["picture"]],
    }


def _example(row: Record, budget: list[int]) -> View:
    return {
        "id": str(row.get("id", "")),
        "truth": as_answer(row.get("truth")),
        "answer": as_answer(row["answer"]) if "answer" in row else None,
        "error": _signed_error(row.get("answer"), row.get("truth")),
        "sure": as_sureness(row.get("probability")),
        "picture": picture_view(row.get("picture"), budget),
        "values": {str(name): as_answer(value) for name, value in (row.get("values") or {}).items()},
    }


def _with_cells(rows: list[View]) -> list[View]:
    """The rows with `cells` {column: text}, the same columns in each; where these are many, `own`: each row names its own."""
    names = list(dict.fromkeys(name for row in rows for name in row["values"]))
    for row in rows:
        row["own"] = len(names) > CELLS
        row["cells"] = {} if row["own"] else {name: row["values"].get(name, "") for name in names}
    return rows


def _signed_error(answer: Any, truth: Any) -> str:
    if not (is_finite(answer) and is_finite(truth)):
        return ""
    return ("+" if answer > truth else "") + as_number(answer - truth, 3)


def picture_view(source: Any, budget: list[int]) -> View | None:
    """A picture that is certainly one and that still fits: {"source", "small"}; small ones are drawn with sharp pixels.

    Args:
        source: a data URI; anything else is no picture.
        budget: bytes that are left, as the only item; those of the picture are taken off.

    Example:
        >>> budget = [1_000]
        >>> view = picture_view("data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB", budget)
        >>> view["small"], budget, picture_view("javascript:alert(1)", budget)
        (True, [946], None)
    """
    if not isinstance(source, str) or len(source) > budget[0] or not _PICTURE.fullmatch(source):
        return None
    budget[0] -= len(source)
    start = source.index(",") + 1
    head = base64.b64decode(source[start : start + 32] + "=" * (-len(source[start : start + 32]) % 4))
    width = int.from_bytes(head[16:20]) if head.startswith(b"\x89PNG") else 1000
    return {"source": source, "small": width < 100}


def plan_view(record: Record) -> list[View]:
    """The settings of the plan with their reasons, gathered by section."""
    rows = record.get("plan_rows") or [
        {"key": key, "value": value} for key, value in flat(record.get("plan") or {}) if not key.startswith("why.")
    ]
    sections: dict[str, list[View]] = {}
    for row in rows:
        section, _, key = str(row.get("key", "")).rpartition(".")
        section, _, inner = section.partition(".")
        name = f"{inner}.{key}" if inner else key
        sections.setdefault(section or "plan", []).append(
            {"key": name, "value": as_setting(row.get("value")), "why": row.get("why") or ""}
        )
    return [{"name": name, "rows": rows} for name, rows in sections.items()]


def note_view(results: Record) -> View | None:
    """What was noticed while reading the data, and what was left out of it."""
    notes, excluded = list(results.get("notes") or ()), list(results.get("excluded") or ())
    if not (notes or excluded):
        return None
    reasons: dict[str, list[str]] = {}
    for row in excluded:
        reasons.setdefault(str(row.get("reason", "")), []).append(str(row.get("id", "")))
    groups: list[View] = [
        {"reason": reason, "ids": ids[:LISTED], "count": len(ids), "more": max(0, len(ids) - LISTED)}
        for reason, ids in sorted(reasons.items(), key=lambda group: -len(group[1]))
    ]
    rest = sum(group["count"] for group in groups[LISTED:])
    return {"notes": notes[:100], "groups": groups[:LISTED], "count": len(excluded), "rest": rest}


def flat(value: Any, prefix: str = "") -> Iterable[tuple[str, Any]]:
    """A nested record as (dotted key, value) pairs.

    Example:
        >>> list(flat({"torch": "2.13", "cpu": {"threads": 2}}))
        [('torch', '2.13'), ('cpu.threads', 2)]
    """
    if isinstance(value, dict):
        for key, part in value.items():
            yield from flat(part, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, value
