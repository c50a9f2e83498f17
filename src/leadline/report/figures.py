"""The drawings of a report: curves of the training, calibration, residuals. Small panels, labelled where the eye already is."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from leadline.report.drawing import ACCENT, INK, MUTED, PAPER, draw
from leadline.report.thinning import Thinned, thin
from leadline.report.wording import PERCENT_SCORES, as_number, as_percent, as_tick, counted, is_finite, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

History = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Panel:
    """One small drawing with its title and a line of explanation."""

    title: str
    svg: Markup
    note: str = ""


def draw_curves(history: History, metric: str = "accuracy", title: str = "Accuracy", *, mark_kept: bool = True) -> list[Panel]:
    """Loss, the headline metric, each penalty and the learning rate over the epochs, a panel each; only what was recorded.

    Args:
        history: one record a log point.
        metric: the key of the headline metric.
        title: what it is called.
        mark_kept: whether the epoch whose weights were kept is marked.

    Example:
        >>> [panel.title for panel in draw_curves([{"epoch": 1, "loss": 2.0, "rate": 0.1}])]
        ['Loss', 'Learning rate']
    """
    axis = "epoch" if all("epoch" in record for record in history) else "step"
    best = next((record.get(axis) for record in reversed(history) if record.get("best")), None) if mark_kept else None
    panels = (
        ("Loss", {"training": "loss", "validation": "valid_loss"}, "loss"),
        *([(title, {"training": metric, "validation": f"valid_{metric}"}, metric)] if metric != "loss" else []),
        *((name, {"": key}, "penalty") for name, key in _penalties(history)),
        ("Share of steps whose gradient was clipped", {"": "clipped"}, "clipped"),
        ("Learning rate", {"": "rate"}, "rate"),
    )
    drawn = []
    for name, keys, kind in panels:
        lines = {line: _series(history, axis, key) for line, key in keys.items()}
        lines = {line: points for line, points in lines.items() if points.x}
        if lines:
            drawn.append(_curve_panel(name, lines, axis, best, kind))
    return drawn


def draw_game(history: History) -> list[Panel]:
    """Of two networks that play against each other: who is right, how various the drawings are, and the generator's loss.

    Args:
        history: one record a log point.

    Example:
        >>> record = {"epoch": 1, "real_right": 0.8, "fake_right": 0.7, "valid_pairwise": 0.9}
        >>> [panel.title for panel in draw_game([record])]
        ['Told apart rightly', 'Variety, 1 is that of pictures']
    """
    axis = "epoch" if all("epoch" in record for record in history) else "step"
    drawn = []
    for title, keys, kind in (
        ("Told apart rightly", {"pictures": "real_right", "drawings": "fake_right"}, "accuracy"),
        ("Variety, 1 is that of pictures", {"among all": "valid_pairwise", "to the next": "valid_nearest"}, "variety"),
        ("Loss of the generator", {"": "generator_loss"}, "loss of the generator"),
    ):
        lines = {line: _series(history, axis, key) for line, key in keys.items()}
        lines = {line: points for line, points in lines.items() if points.x}
        if lines:
            drawn.append(_curve_panel(title, lines, axis, None, kind))
    return drawn


def _penalties(history: History) -> list[tuple[str, str]]:
    """Title and column of each penalty; each has a scale of its own, as their sizes may differ a thousandfold."""
    keys = sorted({key for record in history[-200:] for key in record if key.startswith("penalty_")})
    if len(keys) == 1:
        return [("Penalty on the weights", keys[0])]
    return [(f"Penalty on the weights: {key.removeprefix('penalty_').replace('_', ' ')}", key) for key in keys]


def draw_calibration(confidence: Sequence[float], accuracy: Sequence[float], count: Sequence[float]) -> Markup:
    """How often the network is right against how sure it says it is; the area of a dot is the number of rows in its bin.

    The line through a dot is Wilson's 95 % interval (1927, JASA 22): dots of few rows may lie anywhere along it.
    """
    from matplotlib.ticker import PercentFormatter

    bins = [
        (sure, right, rows)
        for sure, right, rows in zip(confidence, accuracy, count, strict=False)
        if is_finite(sure) and is_finite(right) and is_finite(rows) and rows > 0
    ]
    most = max((rows for *_, rows in bins), default=1)

    def paint(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, dashes=(3, 3))
        axes.text(0.03, 0.95, "right more often than it says", color=MUTED, fontsize=10, va="top")
        axes.text(0.98, 0.04, "too sure of itself", color=MUTED, fontsize=10, ha="right")
        for sure, right, rows in bins:
            axes.plot([sure, sure], _wilson(right, rows), color=ACCENT, linewidth=1.2, alpha=0.45)
            axes.scatter([sure], [right], s=16 + 170 * rows / most, color=ACCENT, edgecolors=PAPER, linewidths=1, zorder=3)
        axes.set(xlim=(-0.02, 1.03), ylim=(-0.04, 1.06), xlabel="how sure it says it is")
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
        axes.set_yticks([0, 0.5, 1])
        for side in (axes.xaxis, axes.yaxis):
            side.set_major_formatter(PercentFormatter(1, decimals=0, symbol="\u202f%"))

    points = "; ".join(f"says {as_percent(sure)}, right {as_percent(right)}" for sure, right, _ in bins)
    return draw(paint, f"Calibration, {counted(len(bins), 'group')} of rows: {points}", width=360, height=300, right=14)


def draw_residuals(truth: Sequence[float], value: Sequence[float], name: str = "") -> list[Panel]:
    """Answers against the truth, and how the errors are spread, for one number. At most 1,500 points are drawn.

    Example:
        >>> [panel.title for panel in draw_residuals([1.0, 2.0, 3.0], [1.1, 1.9, 3.0])]
        ['Answer against truth', 'Errors']
    """
    pairs = [(t, v) for t, v in zip(truth, value, strict=False) if is_finite(t) and is_finite(v)]
    if not pairs:
        return []
    errors = sorted(v - t for t, v in pairs)
    middle, tenth = errors[len(errors) // 2], len(errors) // 10
    shown = pairs if len(pairs) <= 1500 else random.Random(0).sample(pairs, 1500)
    low, high = min(map(min, pairs)), max(map(max, pairs))
    suffix = f" ({name})" if name else ""

    def paint_scatter(axes: Axes) -> None:
        axes.plot([low, high], [low, high], color=MUTED, linewidth=1, dashes=(3, 3))
        axes.scatter([t for t, _ in shown], [v for _, v in shown], s=9, color=ACCENT, alpha=0.55, linewidths=0)
        axes.set(xlabel="truth")
        axes.text(0.03, 0.97, "answer", color=MUTED, transform=axes.transAxes, va="top")
        set_ticks(axes, "x", "truth")
        set_ticks(axes, "y", "answer")

    def paint_errors(axes: Axes) -> None:
        axes.hist(errors, bins=min(40, max(8, round(len(errors) ** 0.5))), color=ACCENT, alpha=0.75)
        axes.axvline(0, color=INK, linewidth=1)
        axes.set(xlabel="answer − truth")
        axes.text(0.03, 0.97, "rows", color=MUTED, transform=axes.transAxes, va="top")
        set_ticks(axes, "x", "truth")
        set_ticks(axes, "y", "answer")

    spread = f"eight in ten from {as_number(errors[tenth], 3)} to {as_number(errors[-1 - tenth], 3)}"
    note = f"Half of the errors lie below {as_number(middle, 3)}, {spread}."
    drawn = f"{len(shown):,} of {len(pairs):,} rows, drawn at random. " if len(shown) < len(pairs) else ""
    return [
        Panel(
            "Answer against truth",
            draw(paint_scatter, f"Answers against truth{suffix}, {counted(len(pairs), 'row')}", height=280, right=14),
            f"{drawn}On the dashed line the answer is the truth.",
        ),
        Panel("Errors", draw(paint_errors, f"Spread of the errors{suffix}", height=280, right=14), note),
    ]


def _wilson(share: float, rows: float, z: float = 1.96) -> tuple[float, float]:
    centre = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    reach = z / (1 + z * z / rows) * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return centre - reach, centre + reach


def _series(history: History, axis: str, key: str) -> Thinned:
    points = [(record[axis], record[key]) for record in history if is_finite(record.get(key)) and is_finite(record.get(axis))]
    return thin([x for x, _ in points], [y for _, y in points])


def _curve_panel(title: str, lines: dict[str, Thinned], axis: str, best: float | None, metric: str) -> Panel:
    values = [y for line in lines.values() for y in (*line.low, *line.high)]
    low, high = min(values), max(values)
    log = metric == "loss" and 1e-100 < 30 * low < high < 1e100

    def paint(axes: Axes) -> None:
        if log:
            axes.set_yscale("log")
        for name, line in lines.items():
            _paint_line(axes, line, MUTED if name == "training" else ACCENT)
        axes.margins(x=0.01, y=0.08)
        if metric in ("rate", "penalty", "clipped"):
            axes.set_ylim(bottom=0)
        axes.set(xlabel=axis)
        if best is not None and "validation" in lines:
            _paint_best(axes, lines["validation"], best)
        set_ticks(axes, "y", metric, log=log)
        set_ticks(axes, "x", axis, whole=True)
        label_ends(
            axes,
            {name: line.mean[-1] for name, line in lines.items() if name},
            metric,
            dict.fromkeys(lines, ACCENT) | {"training": MUTED},
        )

    ends = "; ".join(
        f"{name} from {_shown(metric, line.mean[0])} to {_shown(metric, line.mean[-1])}" for name, line in lines.items()
    )
    return Panel(
        f"{title}, logarithmic" if log else title, draw(paint, f"{title} over the {axis}s: {ends}".replace(":  ", ": "))
    )


def _shown(metric: str, value: float) -> str:
    return as_percent(value) if metric in PERCENT_SCORES else as_number(value, 3)


def _paint_line(axes: Axes, line: Thinned, colour: str) -> None:
    if line.low != line.high:
        axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.18, linewidth=0)
    axes.plot(line.x, line.mean, color=colour, marker="o" if len(line.x) == 1 else None, markersize=4)


def _paint_best(axes: Axes, line: Thinned, best: float) -> None:
    near = min(range(len(line.x)), key=lambda point: abs(line.x[point] - best))
    axes.axvline(best, color=MUTED, linewidth=0.7, alpha=0.6, zorder=0)
    late = best > 0.8 * axes.get_xlim()[1]
    text = axes.annotate("kept", (best, 0), (-4 if late else 4, 4), axes.get_xaxis_transform(), textcoords="offset points")
    text.set(color=MUTED, fontsize=10, horizontalalignment="right" if late else "left")
    axes.plot(
        [line.x[near]], [line.mean[near]], "o", color=ACCENT, markeredgecolor=PAPER, markeredgewidth=1.5, markersize=7, zorder=4
    )


def label_ends(axes: Axes, ends: dict[str, float], metric: str, colours: dict[str, str]) -> None:
    """Name and last value at the end of each line, in its colour, pushed apart where they would overlap."""
    to_axes = axes.transData + axes.transAxes.inverted()
    heights = {name: float(to_axes.transform((axes.get_xlim()[0], value))[1]) for name, value in ends.items()}
    for name, height in _apart(heights).items():
        axes.text(
            1.03,
            height,
            f"{shortened(name, 12)}\n{_shown(metric, ends[name])}",
            transform=axes.transAxes,
            va="center",
            linespacing=1.15,
            color=colours[name],
        )


def _apart(heights: dict[str, float], gap: float = 0.19) -> dict[str, float]:
    """Heights between 0 and 1 in the same order, at least `gap` apart; those that need not move stay."""
    groups = [([name], heights[name]) for name in sorted(heights, key=lambda name: heights[name])]
    place = 1
    while place < len(groups):
        (below, low), (above, high) = groups[place - 1 : place + 1]
        if high - low >= gap * (len(below) + len(above)) / 2:
            place += 1
            continue
        names = below + above
        reach = gap * (len(names) - 1) / 2
        middle = sum(heights[name] for name in names) / len(names)
        groups[place - 1 : place + 1] = [(names, min(max(middle, reach + 0.04), 0.94 - reach))]
        place = max(1, place - 1)
    return {name: middle + gap * (at - (len(names) - 1) / 2) for names, middle in groups for at, name in enumerate(names)}


def set_ticks(axes: Axes, side: str, metric: str, *, log: bool = False, whole: bool = False) -> None:
    """Few ticks at round values, written as the metric is; `log` in decades, `whole` at whole numbers only."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

    chosen = axes.xaxis if side == "x" else axes.yaxis
    if log:
        chosen.set_major_locator(FixedLocator(_log_ticks(*(axes.get_xlim() if side == "x" else axes.get_ylim()))))
        chosen.set_minor_locator(NullLocator())
    else:
        chosen.set_major_locator(MaxNLocator(5 if whole else 4, integer=whole, steps=[1, 2, 2.5, 5, 10]))
    chosen.set_major_formatter(FuncFormatter(lambda value, _: as_tick(metric, value)))


def _log_ticks(low: float, high: float) -> list[float]:
    """Between two and six round numbers from `low` to `high`: powers of ten, with 2 and 5 between them while there is room."""
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**power for power in range(-30, 31) for step in steps if low <= step * 10.0**power <= high]
        if len(ticks) <= 6:
            return ticks
    return ticks[:: -(-len(ticks) // 6)]
