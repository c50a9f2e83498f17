"""What the section about transfer shows: the situation in words, what each way reached, which was taken and why."""

from __future__ import annotations

from typing import Any

from leadline.report.wording import as_duration, as_interval, as_number, as_score, as_setting, is_finite

Record = dict[str, Any]
View = dict[str, Any]

_LISTED = 24
_TAKEN = {
    "head": "the network stays frozen as it is, and a new linear head is on it",
    "early head": "its first layers stay frozen, and a new linear head is on them",
    "fine-tune": "all of it trains on from its weights, slower towards the input",
    "scratch": "it trains from fresh weights",
}


def transfer_view(results: Record) -> View | None:
    """The situation, a table of the ways that were tried, and the penalties of the head; None where nothing was transferred.

    Example:
        >>> record = {"weights": "the Run a", "decision": "head", "words": "little data, similar to …", "layer": "before fc"}
        >>> transfer_view({"transfer": record})["sentence"]
        'Little data, similar to …. So the network stays frozen as it is, and a new linear head is on it, cut at before fc.'
    """
    record = results.get("transfer") or {}
    decision = str(record.get("decision") or "")
    if decision not in _TAKEN:
        return None
    metric = str(record.get("metric") or results.get("headline") or "accuracy")
    ways = [_way(row, metric) for row in record.get("skills") or () if is_finite(row.get("value"))]
    return {
        "sentence": _sentence(record, decision),
        "weights": _told(record),
        "metric": metric.replace("_", " "),
        "ways": ways[:_LISTED],
        "reason": _reason(record),
        "penalties": _penalties(record, metric),
        "notes": [str(note) for note in record.get("notes") or ()],
    }


def solved(results: Record) -> bool:
    """Whether the result is a head that was solved, so that there are no epochs to draw.

    Example:
        >>> solved({"transfer": {"grid_table": [{"l2": 0.1}]}, "epochs": None})
        True
    """
    return bool((results.get("transfer") or {}).get("grid_table")) and results.get("epochs") is None


def _sentence(record: Record, decision: str) -> str:
    if record.get("features"):
        return "The inputs are features that are computed already, so nothing is trained but a linear head on them."
    words, layer = str(record.get("words") or ""), str(record.get("layer") or "")
    taken = _TAKEN[decision] + (f", cut at {layer}" if layer and decision != "scratch" else "")
    if record.get("forced"):
        return f"{words[:1].upper()}{words[1:]}. As you chose, {taken}."
    return f"{words[:1].upper()}{words[1:]}. So {taken}."


def _told(record: Record) -> str:
    if not record.get("weights"):
        return ""
    rows = record.get("rows")
    amount = f" {rows:,} rows to learn from" if isinstance(rows, int) else ""
    if is_finite(record.get("rows_per_class")) and amount and record["rows_per_class"] != rows:
        amount += f", about {record['rows_per_class']:,.0f} a class"
    return f"It began with {record['weights']}.{amount + '.' if amount else ''}"


def _reason(record: Record) -> str:
    text = "" if record.get("forced") else str(record.get("reason") or "")
    share, seconds = record.get("cost"), record.get("seconds")
    if is_finite(share) and is_finite(seconds):
        cost = f"Finding this out took {as_duration(seconds)}, the work of {100 * share:.0f} % of a training."
        text = f"{text[:1].upper()}{text[1:]}. {cost}" if text else cost
    return text


def _way(row: Record, metric: str) -> View:
    interval = as_interval(metric, row["low"], row["high"]) if is_finite(row.get("low")) and is_finite(row.get("high")) else ""
    return {
        "name": str(row.get("name") or ""),
        "layer": str(row.get("layer") or ""),
        "score": as_score(metric, row["value"]),
        "interval": interval,
        "detail": str(row.get("detail") or ""),
        "seconds": as_duration(row["seconds"]) if is_finite(row.get("seconds")) else "",
    }


def _penalties(record: Record, metric: str) -> list[View]:
    rows = [row for row in record.get("grid_table") or () if is_finite(row.get("l2"))]
    last = max((at for at, row in enumerate(rows) if row["l2"] == record.get("l2")), default=-1)
    return [
        {
            "l2": as_setting(row["l2"]),
            "rows": f"{row.get('rows', 0):,}",
            "loss": as_number(row.get("valid_loss")),
            "score": as_score(metric, row.get("valid_score")),
            "kept": at == last,
        }
        for at, row in enumerate(rows)
    ]
