"""The drawing of a learning-rate range test: the loss over the rate, where it falls, and the rates that matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from leadline.report.diagnosis_figures import ALARM
from leadline.report.drawing import ACCENT, MUTED, draw
from leadline.report.figures import Panel, set_ticks
from leadline.report.wording import as_number, is_finite

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _ABOVE = 430, 0.4  # of the fall: what lies higher above the first loss is cut off


def rates_panel(rates: Mapping[str, Any]) -> Panel | None:
    """The range test in a drawing, with what it came to below; None where there was none.

    Args:
        rates: what the readings hold of it.

    Example:
        >>> curve = [[10.0**at, abs(at + 2) + 1.0] for at in range(-7, 1)]
        >>> told = {"curve": curve, "own": 0.5, "recommended": 1e-3, "falls_from": 1e-6, "falls_to": 0.01, "diverged": 1.0}
        >>> rates_panel(told).note
        'A copy trained while its rate grew. The loss falls from a rate of 1e−6 to one of 0.01; 0.001 is recommended.'
    """
    curve = [(rate, loss) for rate, loss in rates.get("curve") or () if is_finite(rate) and is_finite(loss) and rate > 0]
    if len(curve) < 3:
        return None
    recommended, note = rates.get("recommended"), "A copy trained while its rate grew."
    if is_finite(recommended):
        start, end = as_number(rates.get("falls_from"), 2), as_number(rates.get("falls_to"), 2)
        note += f" The loss falls from a rate of {start} to one of {end}; {as_number(recommended, 2)} is recommended."
    else:
        note += " The loss falls at none."
    return Panel("The loss at each learning rate", _drawn(curve, rates), note)


def _drawn(curve: Sequence[tuple[float, float]], rates: Mapping[str, Any]) -> Markup:
    first, lowest = curve[0][1], min(loss for _, loss in curve)
    top = max(first, min(max(loss for _, loss in curve), first + _ABOVE * abs(first - lowest)))

    def paint(axes: Axes) -> None:
        axes.set_xscale("log")
        start, end = rates.get("falls_from"), rates.get("falls_to")
        if is_finite(start) and is_finite(end):
            axes.axvspan(start, end, color=ACCENT, alpha=0.12, linewidth=0)
        axes.plot([rate for rate, _ in curve], [loss for _, loss in curve], color=MUTED, linewidth=1.8)
        room = 0.08 * (top - lowest or 1.0)
        axes.set_ylim(lowest - room, top + room)
        marks = [("recommended", rates.get("recommended"), ACCENT), ("yours", rates.get("own"), ALARM)]
        low, high = curve[0][0], curve[-1][0]
        for place, (name, rate, colour) in enumerate(marks):
            if is_finite(rate) and low <= rate <= high:
                axes.axvline(rate, color=colour, linewidth=1.4)
                text = axes.annotate(
                    name, (rate, 1), (0, 3 + 13 * place), axes.get_xaxis_transform(), textcoords="offset points"
                )
                text.set(color=colour, fontsize=10, horizontalalignment="center", verticalalignment="bottom")
        axes.set_xlim(low, high)
        axes.set(xlabel="learning rate")
        set_ticks(axes, "x", "rate", log=True)
        set_ticks(axes, "y", "loss")

    label = f"Loss over the learning rate, from {as_number(curve[0][0], 2)} to {as_number(curve[-1][0], 2)}"
    return draw(paint, label, width=_WIDTH, top=38)
