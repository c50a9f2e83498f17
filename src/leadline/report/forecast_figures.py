"""The drawings of a forecast: what was, what is forecast, what came, and what the naive forecast said; errors step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from leadline.report.drawing import ACCENT, INK, MUTED, draw
from leadline.report.figures import Panel, label_ends, set_ticks
from leadline.report.wording import as_answer, as_number, as_percent, is_finite, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Record = dict[str, Any]

PANELS = 6
_PAST = 3  # horizons of the past beside one that is to come, so that this is not squeezed into a corner
_FEWEST_PAST = 24
_BRIEFLY = {"seasonal naive": "a season ago", "naive": "last value"}  # beside the end of a line there is little room


def draw_forecasts(examples: Sequence[Record]) -> list[Panel]:
    """A panel for each moment from which a forecast was made; for one beyond the data there is no truth to draw.

    Args:
        examples: {"title", "past": values, "forecast": values, "times": of both} each, and, where they are known, "truth",
            "naive", "low" and "high", as many as there are steps in the forecast, and "share", which is to lie between the
            last two.

    Example:
        >>> example = {"title": "from 1960-01", "past": [1, 2, 3], "forecast": [4, 5], "times": list("abcde"), "truth": [4, 6]}
        >>> [panel.title for panel in draw_forecasts([example])]
        ['from 1960-01']
    """
    return [_panel(example) for example in map(_complete, examples) if example["forecast"]][:PANELS]


def draw_step_errors(ours: Sequence[float], others: Mapping[str, Sequence[float]], unit: str = "") -> list[Panel]:
    """The mean absolute error of each step to come, beside that of the naive forecasts; nothing for a single step.

    Args:
        ours: of the network, H.
        others: name → as many.
        unit: what is forecast, for the label.

    Example:
        >>> [panel.title for panel in draw_step_errors([1.0, 2.0], {"seasonal naive": [3.0, 3.0]})]
        ['Error by step']
    """
    lines = {"network": list(ours), **{name: list(values) for name, values in list(others.items())[:2]}}
    lines = {name: values for name, values in lines.items() if len(values) == len(ours) and all(map(is_finite, values))}
    if len(ours) < 2 or "network" not in lines:
        return []
    colours = dict(zip(lines, (ACCENT, MUTED, INK), strict=False))
    steps = list(range(1, len(ours) + 1))

    def paint(axes: Axes) -> None:
        for name, values in lines.items():
            axes.plot(steps, values, color=colours[name])
        axes.set_ylim(bottom=0, top=1.08 * max(map(max, lines.values())) or 1)
        axes.margins(x=0.02)
        axes.set(xlabel="steps ahead")
        set_ticks(axes, "x", "step", whole=True)
        set_ticks(axes, "y", "mae")
        brief = {name: _BRIEFLY.get(name, name) for name in lines}
        ends = {brief[name]: values[-1] for name, values in lines.items()}
        label_ends(axes, ends, "mae", {brief[name]: colour for name, colour in colours.items()})

    told = "; ".join(f"{name} from {as_number(values[0], 3)} to {as_number(values[-1], 3)}" for name, values in lines.items())
    return [
        Panel("Error by step", draw(paint, f"Mean absolute error{f' of {unit}' if unit else ''} by step: {told}", right=98))
    ]


def _complete(example: Record) -> Record:
    """The example with only what can be drawn; of a long past its end."""
    forecast = _numbers(example.get("forecast"))
    horizon = len(forecast)
    past = [value if is_finite(value) else float("nan") for value in example.get("past") or ()]
    past = past[-max(_FEWEST_PAST, _PAST * horizon) :]
    beside = {name: values if len(values := _numbers(example.get(name))) == horizon else [] for name in _BESIDE}
    if not (beside["low"] and beside["high"]):
        beside |= {"low": [], "high": []}
    times = [as_answer(time) for time in example.get("times") or ()]
    times = times[-(len(past) + horizon) :]
    return {
        "title": as_answer(example.get("title") or ""),
        "past": past,
        "forecast": forecast,
        "times": times if len(times) == len(past) + horizon else [],
        "share": example.get("share"),
        **beside,
    }


_BESIDE = ("truth", "naive", "low", "high")


def _numbers(values: Any) -> list[float]:
    """The values where all are numbers, else none."""
    found = list(values or ())
    return found if all(map(is_finite, found)) else []


def _panel(example: Record) -> Panel:
    past, forecast, horizon = example["past"], example["forecast"], len(example["forecast"])
    future = list(range(len(past), len(past) + horizon))
    # Each line begins at the last value that was seen: what comes goes on from there.
    joined = {
        name: ([len(past) - 1, *future], [past[-1], *values]) if past else (future, values)
        for name, values in (("forecast", forecast), ("truth", example["truth"]), ("naive", example["naive"]))
        if values
    }

    def paint(axes: Axes) -> None:
        axes.plot(range(len(past)), past, color=INK, linewidth=1.2)
        if past:
            axes.axvline(len(past) - 1, color=MUTED, linewidth=0.7, alpha=0.6, zorder=0)
        if example["low"]:
            axes.fill_between(future, example["low"], example["high"], color=ACCENT, alpha=0.16, linewidth=0)
        if "naive" in joined:
            axes.plot(*joined["naive"], color=MUTED, linewidth=1.3, dashes=(3, 2))
        if "truth" in joined:
            axes.plot(*joined["truth"], color=INK, linewidth=1.2)
        axes.plot(*joined["forecast"], color=ACCENT, linewidth=2, marker="o" if horizon == 1 else None, markersize=4)
        axes.margins(x=0.01, y=0.08)
        _mark_times(axes, example["times"])
        set_ticks(axes, "y", "mae")
        _paint_names(axes, [name for name in ("truth", "forecast", "naive") if name in joined])

    return Panel(example["title"], draw(paint, _label(example), width=560, height=240, right=18, top=28), _note(example))


def _mark_times(axes: Axes, times: Sequence[str]) -> None:
    """A few moments along the axis, the first of each day or month or year where there are such."""
    if not times:
        axes.set_xticks([])
        return
    count = min(5, len(times))
    places = sorted({round(at * (len(times) - 1) / max(1, count - 1)) for at in range(count)})
    axes.set_xticks(places, labels=[shortened(times[place], 16) for place in places])
    labels = axes.get_xticklabels()
    labels[0].set_horizontalalignment("left")
    labels[-1].set_horizontalalignment("right")


def _paint_names(axes: Axes, names: Sequence[str]) -> None:
    """What each line is, above the panel, in its colour."""
    words = {"truth": (INK, "what was and came"), "forecast": (ACCENT, "forecast"), "naive": (MUTED, "naive forecast")}
    if "truth" not in names:
        axes.text(0.0, 1.03, "— what was", color=INK, fontsize=10, transform=axes.transAxes, va="bottom")
    for place, name in enumerate(names, 0 if "truth" in names else 1):
        colour, text = words[name]
        axes.text(0.36 * place, 1.03, f"— {text}", color=colour, fontsize=10, transform=axes.transAxes, va="bottom")


def _label(example: Record) -> str:
    forecast = example["forecast"]
    told = f"Forecast {example['title']}: from {as_number(forecast[0], 3)} to {as_number(forecast[-1], 3)}"
    if truth := example["truth"]:
        told += f"; the truth from {as_number(truth[0], 3)} to {as_number(truth[-1], 3)}"
    return told


def _note(example: Record) -> str:
    """How far off it was, beside the naive forecast, and what the band is."""
    notes = []
    if truth := example["truth"]:
        own = _distance(example["forecast"], truth)
        beside = f"; the naive forecast {as_number(_distance(example['naive'], truth), 3)}" if example["naive"] else ""
        notes.append(f"Off by {as_number(own, 3)} on average{beside}.")
    if example["low"]:
        share = f"with a probability of {as_percent(example['share'])}" if is_finite(example["share"]) else "most of the time"
        notes.append(f"The truth is expected within the band {share}.")
    return " ".join(notes)


def _distance(values: Sequence[float], truth: Sequence[float]) -> float:
    return sum(abs(value - true) for value, true in zip(values, truth, strict=True)) / len(truth)
