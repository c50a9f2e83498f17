"""What the section about word vectors shows: words and what is near to them, and their map."""

from __future__ import annotations

from typing import Any

from leadline.report.wording import is_finite

Record = dict[str, Any]
View = dict[str, Any]

_MOST, _NEAR, _BYTES = 24, 12, 2_000_000


def words_view(results: Record, examples: Record) -> View | None:
    """Words with their neighbours and the map; None without either.

    Example:
        >>> view = words_view({}, {"words": {"near": [{"word": "king", "near": [["queen", 0.7]]}]}})
        >>> view["rows"], words_view({}, {}) is None
        ([{'word': 'king', 'near': [('queen', '0.70')]}], True)
    """
    shown = examples.get("words") or {}
    rows = []
    for row in (shown.get("near") or ())[:_MOST]:
        near = [(str(word), f"{cosine:.2f}") for word, cosine in (row.get("near") or ())[:_NEAR] if is_finite(cosine)]
        if near:
            rows.append({"word": str(row.get("word") or ""), "near": near})
    drawn = str(shown.get("map") or "")
    drawn = drawn if drawn.startswith("data:image/png;base64,") and len(drawn) < _BYTES else ""
    return {"rows": rows, "map": drawn, "sentence": _sentence(results)} if rows or drawn else None


def _sentence(results: Record) -> str:
    known, speed = results.get("vocabulary"), results.get("words_per_second")
    if not is_finite(known):
        return ""
    fast = f" It read {speed:,.0f} words of text a second." if is_finite(speed) else ""
    return f"Each of {known:,} words has a vector, learned from the words around it: words used alike point the same way.{fast}"
