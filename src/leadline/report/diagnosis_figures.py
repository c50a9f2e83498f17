"""The drawings of a diagnosis: layers over time as heat maps, a loss with its moment marked, and dots beside names."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from leadline.report.drawing import ACCENT, INK, MUTED, PAPER, RULE, draw
from leadline.report.figures import label_ends, set_ticks
from leadline.report.thinning import thin
from leadline.report.wording import NARROW, as_number, as_percent, is_finite, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ALARM = "#d5602a"  # reads on white and on the dark paper
NO_NUMBER = math.nan  # a cell that was measured and is no number; None was not measured

Cell = float | None
Points = Sequence[tuple[float, float]]

_COLUMNS, _ROWS = 60, 24
_ROW, _WIDTH, _NAME = 17, 430, 19


@dataclass(frozen=True)
class Shades:
    """How values become colours: the lower edge of each shade, its ink and how strong it is, and marks beside the strip.

    Example:
        >>> shares(0.4).level(0.05), shares(0.4).level(0.95)
        (0, 9)
    """

    edges: tuple[float, ...]
    inks: tuple[tuple[str, float], ...]
    marks: tuple[tuple[float, str], ...]
    logarithmic: bool = False

    def level(self, value: float) -> int:
        if self.logarithmic:
            value = math.log10(value) if value > 0 else -math.inf
        return max(0, sum(edge <= value for edge in self.edges) - 1)


def shares(limit: float) -> Shades:
    """Shares from 0 to 1 in tenths; those above the limit in the colour of an alarm."""
    edges = tuple(at / 10 for at in range(10))
    inks = tuple((ALARM if edge >= limit else ACCENT, 0.06 + 0.94 * min(1.0, edge / 0.9)) for edge in edges)
    return Shades(edges, inks, tuple((share, f"{100 * share:.0f}{NARROW}%") for share in (0.0, 0.5, 1.0)))


def ratios() -> Shades:
    """Updates over weights: paler below 1e-5, where a layer hardly moves, in the colour of an alarm above 1e-2."""
    edges = tuple(at / 2 for at in range(-14, 1))
    inks = []
    for edge in edges:
        if edge >= -2:
            inks.append((ALARM, min(1.0, 0.62 + 0.2 * (edge + 2))))
        else:
            inks.append((ACCENT, 0.05 if edge < -5 else 0.2 + 0.65 * (edge + 5) / 3))
    marks = ((-6.0, "10⁻⁶"), (-4.0, "10⁻⁴"), (-2.0, "10⁻²"), (0.0, "1"))
    return Shades(edges, tuple(inks), marks, logarithmic=True)


def decades(largest: float, count: int = 6) -> Shades:
    """So many powers of ten up to the largest value, the darkest."""
    top = math.ceil(2 * math.log10(largest)) / 2
    edges = tuple(top - count + at / 2 for at in range(2 * count))
    inks = tuple((ACCENT, 0.04 + 0.96 * (at / (2 * count - 1)) ** 1.4) for at in range(2 * count))
    marks = tuple((float(power), _power(power)) for power in range(math.ceil(top - count), math.floor(top) + 1, 2))
    return Shades(edges, inks, marks, logarithmic=True)


def draw_over_time(
    names: Sequence[str], steps: Sequence[float], rows: Sequence[Sequence[Cell]], shades: Shades, label: str
) -> Markup:
    """A cell for each layer (downwards, the input above) and each moment (to the right); black cells are no numbers.

    Args:
        names: of the layers; of more than 24 some are left out, evenly.
        steps: at which was read; of more than 60 neighbours are drawn as one, by their largest value.
        rows: of values, one for each layer, as long as `steps`; `NO_NUMBER` and None stand for what is no number and what was
            not measured.
        shades: what colours mean.
        label: what the drawing shows, in words.

    Example:
        >>> svg = draw_over_time(["first", "last"], [0, 50], [[1e-9, 1e-9], [1.0, 0.1]], decades(1.0), "Gradients")
        >>> "first" in svg and "var(--accent" in svg
        True
    """
    kept = evenly(len(names), _ROWS)
    columns, table = _pooled(steps, [rows[at] for at in kept])
    height = 12 + 36 + _ROW * max(len(kept), 3)

    def paint(axes: Axes) -> None:
        places: dict[tuple[str, float], list[tuple[float, float, float]]] = {}
        for row, values in enumerate(table):
            for ink, start, end in _runs(values, shades):
                places.setdefault(ink, []).append((start, row, end - start))
        for (colour, strength), boxes in places.items():
            _fill(axes, [(x, y, width, 1.0) for x, y, width in boxes], colour, strength)
        axes.set(xlim=(0, len(columns)), ylim=(len(kept), 0), xlabel="step")
        axes.grid(visible=False)
        axes.set_yticks([at + 0.5 for at in range(len(kept))])
        axes.set_yticklabels([shortened(names[at], _NAME) for at in kept], fontsize=10)
        ticks = evenly(len(columns), 5)
        axes.set_xticks([at + 0.5 for at in ticks])
        axes.set_xticklabels([as_number(columns[at]) for at in ticks])
        _strip(axes, shades)

    left = _room(shortened(names[at], _NAME) for at in kept)
    return draw(paint, label, width=_WIDTH, height=height, left=left, right=66)


def draw_marked_loss(training: Points, held_out: Points, moment: tuple[float, str] | None, label: str) -> tuple[str, Markup]:
    """The loss over the steps, with a moment marked; also its title, which says whether the scale is logarithmic.

    Args:
        training: (step, loss).
        held_out: the same on held-out rows.
        moment: a step and what happened there.
        label: what the drawing shows, in words.
    """
    lines = {"training": _finite(training), "held out": _finite(held_out)}
    lines = {name: points for name, points in lines.items() if points}
    values = [value for points in lines.values() for _, value in points]
    low, high = min(values), max(values)
    logarithmic = 1e-100 < 30 * low < high < 1e100

    def paint(axes: Axes) -> None:
        if logarithmic:
            axes.set_yscale("log")
        for name, points in lines.items():
            line = thin([step for step, _ in points], [value for _, value in points])
            colour = MUTED if name == "training" else ACCENT
            if line.low != line.high:
                axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.18, linewidth=0)
            axes.plot(line.x, line.mean, color=colour, marker="o" if len(line.x) == 1 else None, markersize=4)
        axes.margins(x=0.01, y=0.08)
        axes.set(xlabel="step")
        if moment is not None:
            left, right = axes.get_xlim()
            axes.axvline(moment[0], color=ALARM, linewidth=1.2)
            late = moment[0] > (left + right) / 2
            text = axes.annotate(
                moment[1], (moment[0], 1), (-5 if late else 5, 3), axes.get_xaxis_transform(), textcoords="offset points"
            )
            text.set(color=ALARM, fontsize=10, horizontalalignment="right" if late else "left", verticalalignment="bottom")
            axes.set_xlim(min(left, moment[0]), max(right, moment[0]))
        set_ticks(axes, "y", "loss", log=logarithmic)
        set_ticks(axes, "x", "step", whole=True)
        ends = {name: points[-1][1] for name, points in lines.items()}
        label_ends(axes, ends, "loss", {"training": MUTED, "held out": ACCENT})

    return "Loss, logarithmic" if logarithmic else "Loss", draw(paint, label, width=_WIDTH, top=26)


@dataclass(frozen=True)
class Dots:
    """A name with a value for each series, and how far the last of them is uncertain."""

    name: str
    values: Mapping[str, float | None]
    reach: float = 0.0


def draw_dots(
    rows: Sequence[Dots], label: str, *, percent: bool = False, logarithmic: bool = False, mark: float | None = None
) -> Markup:
    """Names downwards, a dot to the right for each value: the last series in the page's colour, those before it muted.

    Args:
        rows: of more than 24 some are left out, evenly.
        label: what the drawing shows, in words.
        percent: values are shares.
        logarithmic: the scale.
        mark: a value with a dashed line, such as the edge of what is healthy.

    Example:
        >>> svg = draw_dots([Dots("cat", {"share": 0.9, "found": 1.0}), Dots("dog", {"share": 0.1, "found": 0.0})], "Recall")
        >>> "cat" in svg and "found" in svg
        True
    """
    shown = [rows[at] for at in evenly(len(rows), _ROWS)]
    series = list(dict.fromkeys(name for row in shown for name in row.values))
    # Further ones are told apart by their form, as colours alone do not reach everybody.
    forms = dict(zip(series[::-1], "oDs^"[: len(series)], strict=False))

    def paint(axes: Axes) -> None:
        if logarithmic:
            axes.set_xscale("log")
        axes.grid(visible=False)
        for at, row in enumerate(shown):
            axes.axhline(at, color=RULE, linewidth=0.8, zorder=0)
            for name, value in row.values.items():
                if not is_finite(value) or (logarithmic and value <= 0):
                    continue
                last = name == series[-1]
                if last and row.reach:
                    axes.plot([value - row.reach, value + row.reach], [at, at], color=ACCENT, linewidth=1.6, alpha=0.6)
                axes.plot(
                    [value],
                    [at],
                    forms.get(name, "o"),
                    color=ACCENT if last else MUTED,
                    markersize=7 if last else 5.5,
                    markeredgecolor=PAPER,
                    markeredgewidth=1,
                    zorder=4 if last else 3,
                    label=name,
                )
        if mark is not None:
            axes.axvline(mark, color=ALARM, linewidth=1.2, dashes=(3, 3), zorder=1)
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_yticks(range(len(shown)))
        axes.set_yticklabels([shortened(row.name, _NAME + 5) for row in shown], fontsize=10)
        axes.margins(x=0.06)
        low, high = axes.get_xlim()
        if not logarithmic and 0 < low < high:  # what is far from nothing shall look so
            axes.set_xlim(-0.04 * high, high)
        set_ticks(axes, "x", "accuracy" if percent else "loss", log=logarithmic)
        handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
        if len(series) > 1 and handles:
            named = [name for name in series if name in handles]
            axes.legend(
                [handles[name] for name in named],
                named,
                loc="lower right",
                bbox_to_anchor=(1.02, 1.0),
                ncols=len(named),
                frameon=False,
                fontsize=10,
                handletextpad=0.2,
                columnspacing=1.2,
                labelcolor=MUTED,
            )

    top = 28 if len(series) > 1 else 8
    left = _room(shortened(row.name, _NAME + 5) for row in shown)
    return draw(paint, label, width=_WIDTH, height=top + 36 + 21 * max(len(shown), 2), left=left, right=16, top=top)


def draw_field(share: float) -> Markup:
    """A picture as a square, and in it the part that one unit of the last convolution sees.

    Example:
        >>> "25" in draw_field(0.25)
        True
    """
    side = max(2.0, 100 * min(share, 1.0))
    start = (100 - side) / 2
    label = f"One unit sees {as_percent(share)} of the picture's side"
    return Markup(
        '<svg role="img" aria-label="{}" viewBox="-1 -1 102 102" style="max-width:11rem">'
        '<rect width="100" height="100" fill="none" stroke="var(--muted, #77777f)" />'
        '<rect x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}" fill="var(--accent, #0b7285)" fill-opacity="0.55" /></svg>'
    ).format(label, start, start, side, side)


def evenly(count: int, most: int) -> list[int]:
    """At most so many places of a list, the first and the last among them.

    Example:
        >>> evenly(3, 5), evenly(9, 3)
        ([0, 1, 2], [0, 4, 8])
    """
    if count <= most:
        return list(range(count))
    return [round(at * (count - 1) / (most - 1)) for at in range(most)]


def _room(names: Iterable[str]) -> int:
    """Pixels at the left in which the longest name fits."""
    return 22 + round(6.1 * max(map(len, names), default=0))


def _pooled(steps: Sequence[float], rows: Sequence[Sequence[Cell]]) -> tuple[list[float], list[list[Cell]]]:
    """Neighbouring moments as one, by their largest value, so that a spike one moment wide still shows."""
    count = min(len(steps), _COLUMNS)
    edges = [len(steps) * at // count for at in range(count + 1)]
    parts = [slice(start, end) for start, end in pairwise(edges)]
    return [steps[part.start] for part in parts], [[_largest(row[part]) for part in parts] for row in rows]


def _largest(values: Sequence[Cell]) -> Cell:
    known = [value for value in values if value is not None]
    if any(not math.isfinite(value) for value in known):
        return NO_NUMBER
    return max(known, default=None)


def _runs(values: Sequence[Cell], shades: Shades) -> list[tuple[tuple[str, float], int, int]]:
    """Neighbouring cells of one colour, with where they begin and end."""
    runs: list[tuple[tuple[str, float], int, int]] = []
    for at, value in enumerate(values):
        if value is None:
            continue
        ink = (INK, 1.0) if math.isnan(value) else shades.inks[shades.level(value)]
        if runs and runs[-1][0] == ink and runs[-1][2] == at:
            runs[-1] = (ink, runs[-1][1], at + 1)
        else:
            runs.append((ink, at, at + 1))
    return runs


def _fill(axes: Axes, boxes: Sequence[tuple[float, float, float, float]], colour: str, strength: float, **more: Any) -> None:
    """Boxes (x, y, width, height) as one path: hundreds of cells stay a few kilobytes."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    path = Path.make_compound_path(
        *(Path([(x, y), (x + w, y), (x + w, y + h), (x, y + h), (x, y)], closed=True) for x, y, w, h in boxes)
    )
    axes.add_patch(PathPatch(path, facecolor=colour, alpha=strength, linewidth=0, **more))


def _strip(axes: Axes, shades: Shades) -> None:
    """What the colours mean, at the right."""
    count, transform = len(shades.edges), axes.transAxes
    for at, (colour, strength) in enumerate(shades.inks):
        _fill(axes, [(1.035, at / count, 0.03, 1 / count)], colour, strength, transform=transform, clip_on=False)
    low, last = shades.edges[0], shades.edges[-1]
    high = last + (last - low) / max(count - 1, 1)
    for value, text in shades.marks:
        height = (value - low) / (high - low)
        if -0.01 <= height <= 1.01:
            axes.text(1.08, height, text, transform=transform, va="center", fontsize=10, color=MUTED)


def _power(power: int) -> str:
    known = {0: "1", 1: "10", -1: "0.1", 2: "100", -2: "0.01"}
    return known.get(power, "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")))


def _finite(points: Points) -> list[tuple[float, float]]:
    return [(step, value) for step, value in points if is_finite(step) and is_finite(value)]
