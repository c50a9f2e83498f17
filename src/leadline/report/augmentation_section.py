"""The part of the data section that shows training pictures before and after augmentation, epoch by epoch."""

from __future__ import annotations

from typing import Any

from leadline.report.data_sections import picture_view
from leadline.report.wording import as_answer, as_setting

Record = dict[str, Any]

_ROWS, _EPOCHS = 6, 6
_BYTES = 1_000_000  # of a page that is to stay below 5 MB
_PREFIX = "training.augment."


def augmentation_view(record: Record) -> Record | None:
    """Pictures as they are and as the first epochs showed them, and the choices with their reasons; None without pictures.

    Args:
        record: "examples" with "augmented" ({"id", "truth", "before" and "after": data URIs, "mixed": texts} each), and
            "plan_rows".

    Example:
        >>> dot = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB"
        >>> view = augmentation_view({"examples": {"augmented": [{"id": "a", "before": dot, "after": [dot, dot]}]}})
        >>> view["epochs"], len(view["rows"][0]["after"])
        ([1, 2], 2)
    """
    rows: list[Record] = []
    budget = [_BYTES]
    for row in ((record.get("examples") or {}).get("augmented") or [])[:_ROWS]:
        sources = [row.get("before"), *(row.get("after") or ())][: 1 + _EPOCHS]
        pictures = [picture for source in sources if (picture := picture_view(source, budget))]
        if len(pictures) < max(2, len(sources)):
            continue
        mixed = [as_answer(text) if text else "" for text in row.get("mixed") or ()] + [""] * _EPOCHS
        cells = [{**picture, "mixed": note} for picture, note in zip(pictures[1:], mixed, strict=False)]
        rows.append({"id": str(row.get("id", "")), "truth": as_answer(row.get("truth")), "before": pictures[0], "after": cells})
    if not rows:
        return None
    return {
        "rows": rows,
        "epochs": list(range(1, 1 + max(len(row["after"]) for row in rows))),
        "mixes": any(cell["mixed"] for row in rows for cell in row["after"]),
        "choices": _choices(record),
    }


def _choices(record: Record) -> list[Record]:
    """Each choice of augmentation that has a reason."""
    rows = [row for row in record.get("plan_rows") or () if str(row.get("key", "")).startswith(_PREFIX) and row.get("why")]
    return [
        {"key": str(row["key"]).removeprefix(_PREFIX), "value": as_setting(row.get("value")), "why": str(row["why"])}
        for row in rows
    ]
