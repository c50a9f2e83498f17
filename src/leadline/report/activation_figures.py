"""Histograms of layers, one below the other, as they were before a training and are after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from leadline.report.diagnosis_figures import ALARM, evenly
from leadline.report.drawing import ACCENT, MUTED, RULE, draw
from leadline.report.wording import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROWS, _ROW, _WIDTH, _NAME = 12, 34, 430, 24
_HIGH = 0.9  # of a row, for its commonest value


@dataclass(frozen=True)
class Spread:
    """A layer, and how often each value came out of it: now, and before."""

    name: str
    counts: Sequence[float]
    before: Sequence[float] = ()


def draw_spreads(edges: Sequence[float], rows: Sequence[Spread], marks: Sequence[float], label: str) -> Markup:
    """A histogram for each layer, the input above: filled as it is, outlined as it was; each as high as its row.

    Args:
        edges: of the bins, the same for all rows.
        rows: of more than 12 some are left out, evenly.
        marks: values with a dashed line.
        label: what the drawing shows, in words.

    Example:
        >>> svg = draw_spreads([-1.0, 0.0, 1.0], [Spread("first", [3, 1]), Spread("last", [0, 4], [2, 2])], [0.0], "Outputs")
        >>> "first" in svg and "last" in svg
        True
    """
    shown = [rows[at] for at in evenly(len(rows), _ROWS)]

    def paint(axes: Axes) -> None:
        axes.grid(visible=False)
        for at, row in enumerate(shown):
            base = at + 1.0
            axes.axhline(base, color=RULE, linewidth=0.8, zorder=0)
            axes.stairs(
                [base - share for share in _shares(row.counts)],
                edges,
                baseline=base,
                fill=True,
                color=ACCENT,
                alpha=0.7,
                zorder=2,
            )
            if row.before:
                axes.stairs([base - share for share in _shares(row.before)], edges, baseline=None, color=MUTED, linewidth=1.2)
        for mark in marks:
            axes.axvline(mark, color=ALARM, linewidth=1.2, dashes=(3, 3), zorder=3)
        axes.set(xlim=(edges[0], edges[-1]), ylim=(len(shown) + 0.02, 0), xlabel="value")
        axes.set_yticks([at + 0.6 for at in range(len(shown))])
        axes.set_yticklabels([shortened(row.name, _NAME) for row in shown], fontsize=10)

    left = 22 + round(6.1 * max(len(shortened(row.name, _NAME)) for row in shown))
    return draw(paint, label, width=_WIDTH, height=12 + 36 + _ROW * max(len(shown), 2), left=left, right=16)


def _shares(counts: Sequence[float]) -> list[float]:
    most = max(counts, default=0) or 1
    return [_HIGH * count / most for count in counts]
