"""One quiet style for all pictures: PNG on white, so that they read on light and dark pages alike."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogFormatterSciNotation
from PIL import Image

from leadline import files

INK, MUTED, ACCENT, RULE = "#1c1c22", "#77777f", "#0b7285", "#dcdce2"
ORANGE, VIOLET, GREEN, PINK = "#d9480f", "#5f3dc4", "#5c940d", "#c2255c"
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SETTINGS: dict[Any, Any] = {
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "text.parse_math": False,
    "axes.unicode_minus": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.edgecolor": RULE,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
    "xtick.minor.size": 0,
    "lines.linewidth": 1.7,
    "lines.solid_capstyle": "round",
    "figure.dpi": 150,
}


@contextmanager
def picture(path: Path, rows: int, columns: int, *, height: float, share: bool = False) -> Iterator[list[Axes]]:
    """Axes, row by row, to be painted; at the end of the block they are saved, and those left empty vanish.

    Args:
        path: of the PNG.
        rows: of panels.
        columns: of panels.
        height: in inches; the width is 8, and 150 dots an inch.
        share: the same limits in all panels.
    """
    with rc_context(_SETTINGS):
        figure = Figure(figsize=(8, height), facecolor="white", layout="constrained")
        canvas = FigureCanvasAgg(figure)
        axes = list(figure.subplots(rows, columns, squeeze=False, sharex=share, sharey=share).flat)
        yield axes
        for each in axes:
            if not each.has_data():
                each.set_visible(False)
            for axis in (each.xaxis, each.yaxis):
                if isinstance(axis.get_major_formatter(), LogFormatterSciNotation):
                    axis.set_major_formatter(_powers_of(axis))
        raw = io.BytesIO()
        canvas.print_png(raw)  # type: ignore[no-untyped-call]
    # Few colors are enough for lines on white, at a quarter of the size.
    small = Image.open(raw).convert("RGB").quantize(96, dither=Image.Dither.NONE)
    with files.writing(path) as file:
        small.save(file, "PNG", optimize=True)


def _powers_of(axis: Axis) -> FuncFormatter:
    """Ticks of one axis are all written out, 0.01 and 1,000, or none is where one of them would be long."""
    low, high = sorted(axis.get_view_interval())
    longest = max((abs(math.log10(tick)) for tick in axis.get_majorticklocs() if 0.99 * low <= tick <= 1.01 * high), default=0)
    written_out = 3 if longest < 3.5 else 1
    return FuncFormatter(lambda value, _: power_of_ten(value, written_out))


def power_of_ten(value: float, written_out: int = 2) -> str:
    """A tick of a logarithmic axis as text: 0.01, 1, 100, 10⁻⁶; exponents up to `written_out` as a number."""
    exponent = round(math.log10(value))
    if abs(exponent) <= written_out:
        return f"{10**exponent:,}" if exponent >= 0 else f"{10.0**exponent:g}"
    return "10" + str(exponent).translate(SUPERSCRIPT)


class End(NamedTuple):
    """The name of a line, to be written where the line ends."""

    y: float
    text: str
    color: str


def name_lines(axes: Axes, ends: Sequence[End], *, gap: float = 0.085) -> None:
    """Write the names at the right of the axes, each at its line's end, moved apart where they would overlap."""
    scale = axes.yaxis.get_transform()
    low, high = (float(scale.transform(np.array([limit]))[0]) for limit in axes.get_ylim())
    places = [(float(scale.transform(np.array([end.y]))[0]) - low) / (high - low) for end in ends]
    for index, at in zip(np.argsort(places, kind="stable"), apart(sorted(places), gap), strict=True):
        end = ends[index]
        axes.text(1.02, at, end.text, color=end.color, transform=axes.transAxes, va="center", ha="left", fontsize=8.5)


def apart(places: Sequence[float], gap: float) -> list[float]:
    """Ascending places, moved as little as need be so that neighbours are at least `gap` apart, within [0, 1] if they fit."""
    moved = [min(max(place, 0.0), 1.0) for place in places]
    for _ in range(200):
        for index in range(1, len(moved)):
            lack = gap - (moved[index] - moved[index - 1])
            if lack > 1e-9:
                moved[index - 1] -= lack / 2
                moved[index] += lack / 2
        if moved and moved[0] < 0 <= 1 - gap * (len(moved) - 1):
            moved[0] = 0.0
        if moved and moved[-1] > 1 and gap * (len(moved) - 1) <= 1:
            moved[-1] = 1.0
    return moved


def band(axes: Axes, x: Sequence[float], seeds: Sequence[Sequence[float]], color: str, *, dashed: bool = False) -> float:
    """The median over the seeds as a line and all of them as a band; gives the line's last value."""
    values = np.array(seeds, dtype=float)  # seeds, points
    middle = np.median(values, axis=0)
    if len(values) > 1:
        axes.fill_between(x, values.min(axis=0), values.max(axis=0), color=color, alpha=0.15, linewidth=0)
    axes.plot(x, middle, color=color, linestyle="--" if dashed else "-")
    return float(middle[-1])
