"""What the section about the network's sight shows: pictures with maps over them, and the filters; records in, no torch."""

from __future__ import annotations

from typing import Any

from leadline.report.data_sections import picture_view
from leadline.report.wording import as_answer, as_sureness

Record = dict[str, Any]
View = dict[str, Any]

PICTURE_BYTES = 1_000_000  # of a page that is to stay below 5 MB
_LISTED = 12
_GROUPS = {
    "wrong": (
        "Where it looked when it was wrong",
        "Surest of its error first: what it took for what it said, and where it would have seen the truth.",
    ),
    "certain": (
        "Where it looked when it was right",
        "The most certain of each class. Heat on the ground, not on the thing: it has learned the ground.",
    ),
}


def seeing_view(examples: Record) -> View | None:
    """Where the network looked when it was wrong and when it was certain, and what its first layer is; None without any.

    Example:
        >>> seeing_view({}) is None
        True
    """
    record = examples.get("seeing") or {}
    budget = [PICTURE_BYTES]
    weights = _weights(record.get("weights") or {}, budget)
    groups = []
    for kind, (title, text) in _GROUPS.items():
        rows = [row for each in (record.get(kind) or ())[:_LISTED] if (row := _row(each, budget))]
        if rows:
            groups.append({"title": title, "text": text, "rows": rows})
    if not groups and weights is None:
        return None
    return {"groups": groups, "weights": weights, "sentence": _sentence(record) if groups else ""}


def _sentence(record: Record) -> str:
    if record.get("method") == "saliency":
        return "Light are the pixels whose change would change the answer most (saliency)."
    return (
        f"{record.get('method')} of layer {record.get('layer')}: the warmer a place, the more it spoke for the class. "
        "More, for any picture: `leadline explain RUN PICTURE`."
    )


def _row(record: Record, budget: list[int]) -> View | None:
    picture, heat = _sound(record.get("picture"), budget), _sound(record.get("overlay"), budget)
    if picture is None or heat is None:
        return None
    return {
        "id": str(record.get("id", "")),
        "truth": as_answer(record.get("truth")),
        "answer": as_answer(record.get("answer")),
        "sure": as_sureness(record.get("probability")),
        "picture": picture,
        "overlay": heat,
        "truth_overlay": _sound(record.get("truth_overlay"), budget),
    }


def _weights(record: Record, budget: list[int]) -> View | None:
    pictures = [
        {"name": as_answer(each.get("name") or ""), "source": source}
        for each in record.get("pictures") or ()
        if (source := _sound(each.get("picture"), budget))
    ]
    if not pictures:
        return None
    if record.get("kind") == "templates":
        text = "The weight of each pixel. Red, or lighter than grey, speaks for the class; blue, or darker, against it."
        return {"title": "What it takes each class to look like", "text": text, "pictures": pictures, "named": True}
    text = (
        f"The weights of the first layer's {record.get('count')} filters, each on a scale of its own. "
        "Filters that look like noise have learned little."
    )
    return {"title": "What its first layer looks for", "text": text, "pictures": pictures, "named": False}


def _sound(source: Any, budget: list[int]) -> str | None:
    view = picture_view(source, budget)
    return None if view is None else str(view["source"])
