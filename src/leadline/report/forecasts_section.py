"""What the section about forecasts shows: some of them beside what came, and how the error grows with the step."""

from __future__ import annotations

from typing import Any

from leadline.report.forecast_figures import draw_forecasts, draw_step_errors
from leadline.report.wording import as_percent, is_finite

Record = dict[str, Any]
View = dict[str, Any]


def forecasts_view(results: Record, examples: Record) -> View | None:
    """Drawings of some forecasts and of the error by step, with what the band and the intervals are; None without any.

    Example:
        >>> forecasts_view({}, {}) is None
        True
    """
    panels = draw_forecasts(list(examples.get("forecasts") or ()))
    steps = dict(results.get("steps") or {})
    ours = steps.pop("network", [])
    errors = draw_step_errors(ours, steps, str(results.get("unit") or "")) if ours else []
    if not (panels or errors):
        return None
    return {"panels": panels, "errors": errors, "sentence": _bands(results), "redrawn": _redrawn(results)}


def _bands(results: Record) -> str:
    bands = results.get("bands") or {}
    share, held = bands.get("share"), bands.get("held")
    if not (is_finite(share) and is_finite(held)):
        return ""
    return (
        f"The shaded band, as wide as the errors on validation moments ask for, is to hold {as_percent(share)} of the truth; "
        f"of the test truth it held {as_percent(held)}."
    )


def _redrawn(results: Record) -> str:
    """Where the intervals of the scores come from."""
    if "redrawn" not in results:
        return ""
    if not results["redrawn"]:
        return (
            "The test part is so short that all its forecasts share their steps: the scores have no interval, and what seems "
            "better may be so by chance."
        )
    return (
        f"The intervals of the scores come from drawing whole {results['redrawn']} anew, as forecasts from neighbouring "
        "moments share their errors."
    )
