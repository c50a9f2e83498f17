"""What the section about drawn pictures shows: the drawings, the training as a film, and the pictures most like them."""

from __future__ import annotations

from typing import Any

from leadline.report.data_sections import picture_view
from leadline.report.sentences import Outcome
from leadline.report.wording import as_number, is_finite

Record = dict[str, Any]
View = dict[str, Any]

_BYTES = 3_500_000  # of a page that is to stay below 5 MB


def drawings_view(results: Record, examples: Record) -> View | None:
    """The sheet of drawings, the film of the training and the drawings beside training pictures; None without a sheet.

    Example:
        >>> drawings_view({}, {}) is None
        True
    """
    shown, budget = examples.get("drawn") or {}, [_BYTES]
    pictures = {name: picture_view(shown.get(name), budget) for name in ("sheet", "nearest", "film")}
    if not pictures["sheet"]:
        return None
    return {
        **{name: view["source"] if view else "" for name, view in pictures.items()},
        "columns": [str(name) for name in shown.get("columns") or ()],
        "collapse": str(results.get("collapse") or ""),
        "copies": _copies(results),
        "distances": distance_sentence(results),
    }


def drawings_outcome(results: Record) -> Outcome:
    """How far the drawings are from pictures that nothing has seen, and what that is to be seen beside.

    Args:
        results: the record of results of the task generate.

    Example:
        >>> score = {"value": 4.0, "low": None, "high": None}
        >>> drawings_outcome({"scores": {"frechet": score}, "judged": 270}).headline
        'Its drawings are at a Fréchet distance of 4 from 270 pictures it had never seen.'
    """
    scores, rows = results.get("scores") or {}, results.get("judged")
    value = (scores.get("frechet") or {}).get("value")
    if not is_finite(value):
        return Outcome("There is no test result yet.")
    from_what = f"{rows:,} pictures it had never seen" if rows else "pictures it had never seen"
    headline = f"Its drawings are at a Fréchet distance of {as_number(value, 3)} from {from_what}"
    if collapse := str(results.get("collapse") or ""):
        return Outcome(
            f"{collapse[:-1].split(':')[0]}.", tuple(filter(None, (collapse, headline + ".", distance_sentence(results))))
        )
    return Outcome(
        f"{headline}{_beside(results, value)}.",
        tuple(filter(None, (distance_sentence(results), _copies(results)))),
    )


def _beside(results: Record, value: float) -> str:
    rivals = [row for row in results.get("baselines") or () if _frechet(row.get("scores")) is not None]
    if not rivals:
        return ""
    theirs = _frechet(rivals[0]["scores"])
    assert theirs is not None
    side = "nearer than" if value < theirs else "and no nearer than"
    comma = ", " if value < theirs else " "
    return f"{comma}{side} a {rivals[0]['name']} ({as_number(theirs, 3)})"


def _frechet(scores: Any) -> float | None:
    value = ((scores or {}).get("frechet") or {}).get("value")
    return value if is_finite(value) else None


def distance_sentence(results: Record) -> str:
    """On which features distances are, and what real pictures come to.

    Example:
        >>> floor = {"frechet": {"value": 0.5}}
        >>> print(distance_sentence({"distances": "Distances are on features of our own.", "floor": floor}))
        Distances are on features of our own. As many training pictures come to 0.5, about the least there can be.
    """
    if not results.get("distances"):
        return ""
    floor = _frechet(results.get("floor"))
    least = (
        f" As many training pictures come to {as_number(floor, 3)}, about the least there can be." if floor is not None else ""
    )
    return f"{results['distances']}{least}"


def _copies(results: Record) -> str:
    return str((results.get("copying") or {}).get("told") or "")
