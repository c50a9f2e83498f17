"""The drawings of how the answer changes with a column: a line over numbers, dots for the levels of a category."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from leadline.report.drawing import ACCENT, INK, MUTED, PAPER, draw
from leadline.report.figures import Panel, label_ends, set_ticks
from leadline.report.wording import as_answer, as_number, as_percent, is_finite, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Record = dict[str, Any]

PANELS = 6
_LINES = 3  # outputs in one panel: more cannot be told apart
_LEVELS = 12
_BELOW = 0.18  # of the height for answers lies below it, for the density
_COLOURS = (ACCENT, MUTED, INK)


@dataclass(frozen=True)
class _Scale:
    """What all panels share: the outputs that are drawn, each with its colour, and the ends of the axis of answers."""

    colours: dict[str, str]
    low: float
    high: float
    metric: str  # how answers are written: "accuracy" as percentages, "mae" as numbers


def draw_dependence(dependence: Sequence[Record], task: str = "classes") -> list[Panel]:
    """A panel for each column, all on one scale of answers, so that what matters little looks so.

    Of two classes only the second is drawn, since the first is the rest; of many outputs the three that change most.

    Args:
        dependence: {"name", "kind": "number" or "category", "x", "outputs": {name: values}, "low", "high", "density"} each; the
            last three are optional.
        task: "number" has answers in units of the target, the others have probabilities.

    Example:
        >>> panels = draw_dependence([{"name": "age", "kind": "number", "x": [20, 60], "outputs": {"rich": [0.1, 0.4]}}])
        >>> [panel.title for panel in panels], "rich from 10.0\u202f% to 40.0\u202f%" in panels[0].svg
        (['age'], True)
    """
    columns = [column for column in map(_complete, dependence) if column["x"] and column["outputs"]][:PANELS]
    if not columns:
        return []
    scale = _scale(columns, task)
    return [
        _category_panel(column, scale) if column["kind"] == "category" else _number_panel(column, scale) for column in columns
    ]


def drawn_outputs(dependence: Sequence[Record]) -> tuple[list[str], int]:
    """The names of the outputs that `draw_dependence` shows, and how many it leaves out because they change less.

    Example:
        >>> drawn_outputs([{"name": "age", "x": [20, 60], "outputs": {"poor": [0.9, 0.6], "rich": [0.1, 0.4]}}])
        (['rich'], 0)
    """
    columns = [column for column in map(_complete, dependence) if column["x"] and column["outputs"]][:PANELS]
    names = list(dict.fromkeys(chain.from_iterable(column["outputs"] for column in columns)))
    if len(names) == 2 and all(map(_is_the_rest, columns)):
        return names[1:], 0

    def change(name: str) -> float:
        values: list[list[float]] = [column["outputs"][name] for column in columns if name in column["outputs"]]
        return max((max(line) - min(line) for line in values), default=0.0)

    chosen = sorted(names, key=change, reverse=True)[:_LINES]
    return [name for name in names if name in chosen], len(names) - len(chosen)


def _complete(column: Record) -> Record:
    """The column with only those outputs that have a number for each x."""
    kind, x = column.get("kind") or "number", list(column.get("x") or ())
    if kind == "category":
        x = [_drawable(level) for level in x]
    elif not all(map(is_finite, x)):
        x = []

    def lines(key: str) -> dict[str, list[float]]:
        found = {_drawable(name): list(values or ()) for name, values in (column.get(key) or {}).items()}
        return {name: values for name, values in found.items() if len(values) == len(x) and all(map(is_finite, values))}

    density = [count for count in column.get("density") or () if is_finite(count) and count >= 0]
    return {
        "name": _drawable(column.get("name")),
        "kind": kind,
        "x": x,
        **{key: lines(key) for key in ("outputs", "low", "high")},
        "density": density,
    }


def _drawable(name: Any) -> str:
    """A name without what no font and no SVG can hold: control characters, halves of characters."""
    return "".join(letter if letter.isprintable() else " " for letter in as_answer(name))


def _is_the_rest(column: Record) -> bool:
    """Whether the first of two outputs is what the second leaves of 1."""
    if len(column["outputs"]) != 2:
        return False
    return all(abs(sum(pair) - 1) < 1e-3 for pair in zip(*column["outputs"].values(), strict=True))


def _scale(columns: Sequence[Record], task: str) -> _Scale:
    names, _ = drawn_outputs(columns)
    values = [
        value
        for column in columns
        for key in ("outputs", "low", "high")
        for name in names
        for value in column[key].get(name, ())
    ]
    low, high = min(values), max(values)
    margin = 0.05 * (high - low) or 0.05 * (abs(high) or 1)
    metric = "mae" if task == "number" else "accuracy"
    colours = dict(zip(names, _COLOURS, strict=False))
    return _Scale(colours, low - margin, high + margin, metric)


def _number_panel(column: Record, scale: _Scale) -> Panel:
    x, outputs = column["x"], _drawn(column, scale)

    def paint(axes: Axes) -> None:
        for name, line in outputs.items():
            if name in column["low"] and name in column["high"] and len(outputs) == 1:
                axes.fill_between(
                    x, column["low"][name], column["high"][name], color=scale.colours[name], alpha=0.14, linewidth=0
                )
            axes.plot(x, line, color=scale.colours[name], marker="o" if len(x) == 1 else None, markersize=4)
        axes.set_ylim(scale.low - _BELOW * (scale.high - scale.low), scale.high)
        axes.margins(x=0.01)
        _paint_density(axes, column["density"], x)
        set_ticks(axes, "y", scale.metric)
        axes.set_yticks([tick for tick in axes.get_yticks() if scale.low <= tick <= scale.high])
        set_ticks(axes, "x", "mae")
        if len(outputs) > 1:
            label_ends(axes, {name: line[-1] for name, line in outputs.items()}, scale.metric, scale.colours)

    return Panel(column["name"], draw(paint, _label(column, scale), height=200, right=74 if len(outputs) > 1 else 14))


def _paint_density(axes: Axes, counts: Sequence[float], x: Sequence[float]) -> None:
    """Along the bottom, where the rows are: where there are few, the line is a guess."""
    if not counts or max(counts) <= 0 or x[0] == x[-1]:
        return
    share = 0.8 * _BELOW / (1 + _BELOW)
    axes.stairs(
        [share * count / max(counts) for count in counts],
        [x[0] + place * (x[-1] - x[0]) / len(counts) for place in range(len(counts) + 1)],
        fill=True,
        color=MUTED,
        alpha=0.35,
        linewidth=0,
        transform=axes.get_xaxis_transform(),
    )


def _category_panel(column: Record, scale: _Scale) -> Panel:
    levels = [shortened(level, 16) for level in column["x"]][:_LEVELS]
    outputs = {name: line[:_LEVELS] for name, line in _drawn(column, scale).items()}
    counts = column["density"][:_LEVELS] if len(column["density"]) == len(column["x"]) else [1.0] * len(levels)
    sizes = [20 + 90 * (count / (max(counts) or 1)) for count in counts]

    def paint(axes: Axes) -> None:
        for number, (name, line) in enumerate(outputs.items()):
            colour = scale.colours[name]
            # Side by side, so that equal answers do not hide one another.
            heights = [place + 0.2 * (number - (len(outputs) - 1) / 2) for place in range(len(levels))]
            if name in column["low"] and name in column["high"] and len(outputs) == 1:
                ends = zip(column["low"][name], column["high"][name], strict=True)
                for place, (low, high) in enumerate(list(ends)[:_LEVELS]):
                    axes.plot([low, high], [place, place], color=colour, linewidth=5, alpha=0.16)
            axes.scatter(line, heights, s=sizes, color=colour, edgecolors=PAPER, linewidths=1, zorder=3)
        axes.set(xlim=(scale.low, scale.high), ylim=(len(levels) - 0.4, -0.6))
        axes.grid(axis="x")
        axes.set_yticks(range(len(levels)), labels=levels)
        set_ticks(axes, "x", scale.metric)
        if len(outputs) > 1:
            _paint_names(axes, scale)

    more = len(column["x"]) - len(levels)
    top = 30 if len(outputs) > 1 else 12
    svg = draw(paint, _label(column, scale), height=max(110, 24 * len(levels) + 36 + top), left=112, right=14, top=top)
    return Panel(column["name"], svg, f"{more:,} more levels are not drawn." if more > 1 else "")


def _paint_names(axes: Axes, scale: _Scale) -> None:
    """The names of the outputs above the panel, side by side, each in its colour."""
    for place, (name, colour) in enumerate(scale.colours.items()):
        where = place / len(scale.colours)
        axes.text(where, 1.04, f"● {shortened(name, 14)}", color=colour, fontsize=10, transform=axes.transAxes, va="bottom")


def _drawn(column: Record, scale: _Scale) -> dict[str, list[float]]:
    return {name: line for name, line in column["outputs"].items() if name in scale.colours}


def _label(column: Record, scale: _Scale) -> str:
    shown = as_percent if scale.metric == "accuracy" else as_number
    if column["kind"] == "category":
        ends = "; ".join(
            f"{name} from {shown(min(line))} for {column['x'][line.index(min(line))]} "
            f"to {shown(max(line))} for {column['x'][line.index(max(line))]}"
            for name, line in _drawn(column, scale).items()
        )
    else:
        ends = "; ".join(f"{name} from {shown(line[0])} to {shown(line[-1])}" for name, line in _drawn(column, scale).items())
    return f"The mean answer by {column['name']}: {ends}"
