"""How far back a gradient reaches in each recurrent layer: what the report says and draws of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from leadline.report.drawing import ACCENT, INK, MUTED, draw
from leadline.report.wording import as_number, counted, is_finite, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Record = dict[str, Any]
View = dict[str, Any]

_LAYERS = 6  # that are drawn


def gradient_view(record: Record) -> View | None:
    """How the gradient fades through time in each recurrent layer: a sentence, a drawing and a row for each; None without any.

    Args:
        record: with "gradients", and "pooling", which says what of the steps the head sees.

    Example:
        >>> row = {"name": "lstm", "norms": [1.0, 0.5, 0.25], "growth": 0.5, "half_life": 1.0, "across": 0.25}
        >>> gradient_view({"gradients": [{**row, "verdict": "steady", "rows": 3}]})["rows"][0]["pace"]
        'halves every 1.0 steps'
    """
    layers = [
        each
        for each in record.get("gradients") or ()
        if len(each.get("norms") or ()) > 1 and all(map(is_finite, each["norms"])) and max(each["norms"]) > 0
    ][:_LAYERS]
    if not layers:
        return None
    rows = [
        {
            "name": _layer(each),
            "pace": _pace(each),
            "across": as_number(each.get("across"), 2),
            "steps": len(each["norms"]) - 1,
            "verdict": str(each.get("verdict", "")),
        }
        for each in layers
    ]
    return {"sentence": _sentence(layers, str(record.get("pooling") or "")), "svg": _drawn(layers), "rows": rows}


def _layer(each: Record) -> str:
    return str(each.get("name", "")) + (" (read from the end)" if each.get("backward") else "")


def _pace(each: Record) -> str:
    if is_finite(half := each.get("half_life")):
        return f"halves every {half:.1f} steps"
    return f"grows by {100 * (each['growth'] - 1):.1f}\u202f% a step" if is_finite(each.get("growth")) else "—"


def _sentence(layers: Sequence[Record], pooling: str) -> str:
    verdicts = {str(each.get("verdict")) for each in layers}
    text = f"How much the state at the end depends on each step before it, over {_rows(layers)}. "
    if "vanishing" in verdicts:
        text += "Where that vanishes, what was read so far back could not teach the network what to remember"
        text += ", were it not for the shorter way: " if pooling not in ("", "last") else ". "
    elif "exploding" in verdicts:
        text += (
            "It grows on its way back, so that small changes far back throw the answer about; clipping keeps that in bounds. "
        )
    else:
        text += "It reaches from one end of a row to the other. "
    if pooling not in ("", "last"):
        how = {"max": "the largest value over all steps", "mean": "the mean over all steps"}.get(
            pooling, "a mean over all steps"
        )
        text += f"{'t' if text.endswith(': ') else 'T'}he head takes {how}, so each step also reaches the answer directly. "
    elif "vanishing" in verdicts:
        text += "A cell with gates (`--set model.cell=lstm`), or `--set model.pooling=mean`, reaches farther. "
    return text.strip()


def _rows(layers: Sequence[Record]) -> str:
    return counted(int(layers[0].get("rows") or 1), "test row")


def _drawn(layers: Sequence[Record]) -> Markup:
    """Each layer's gradient as a multiple of that at the last step, on a logarithmic scale."""
    inks = [ACCENT, INK, "#b0568a", "#8a6d00", "#7570b3", "#009e73"]
    lines: dict[str, list[float]] = {}
    for each in layers:
        nearest = next(norm for norm in each["norms"] if norm > 0)
        name = _short(each, lines)
        lines[name] = [math.log10(max(norm / nearest, 1e-12)) for norm in each["norms"]]
    colours = dict(zip(lines, inks, strict=False))

    def paint(axes: Axes) -> None:
        low = min(min(line) for line in lines.values())
        high = max(max(line) for line in lines.values())
        room = max(0.08 * (high - low), 0.15)
        for name, line in lines.items():
            axes.plot(range(len(line)), line, color=colours[name])
        for level in (-3, 3):
            if low - room < level < high + room:
                axes.axhline(level, color=MUTED, linewidth=1, dashes=(3, 3), zorder=0)
        axes.set(
            xlim=(0, max(len(line) for line in lines.values()) - 1),
            ylim=(low - room, high + room),
            xlabel="steps back from the end",
        )
        step = max(1, math.ceil((high - low + 2 * room) / 6))
        powers = [at for at in range(math.ceil(low - room), math.floor(high + room) + 1) if at % step == 0]
        axes.set_yticks(powers)
        axes.set_yticklabels([_power(at) for at in powers])
        bottom, top = axes.get_ylim()
        ends = {name: (line[-1] - bottom) / (top - bottom) for name, line in lines.items()}
        for name, height in _spread(ends).items():
            axes.text(1.03, height, name, transform=axes.transAxes, va="center", color=colours[name])

    said = "; ".join(f"{_layer(each)} {_pace(each)}" for each in layers)
    return draw(paint, f"Gradient through time: {said}", width=430, height=250, left=50, right=120)


def _spread(heights: dict[str, float], gap: float = 0.1) -> dict[str, float]:
    """The same heights from 0 to 1, so far apart that no two names touch."""
    placed: dict[str, float] = {}
    floor = 0.04
    for name in sorted(heights, key=heights.__getitem__):
        placed[name] = max(floor, heights[name])
        floor = placed[name] + gap
    ceiling = 0.97
    for name in reversed(list(placed)):
        placed[name] = min(ceiling, placed[name])
        ceiling = placed[name] - gap
    return placed


def _short(each: Record, taken: dict[str, Any]) -> str:
    """A name that fits beside a line and is not there yet."""
    parts = str(each.get("name", "")).split(".")
    name = shortened(".".join(parts[-2:]), 14)
    return name if name not in taken else f"{name} {len(taken) + 1}"


def _power(at: int) -> str:
    known = {0: "1", 1: "10", -1: "0.1", 2: "100", -2: "0.01", 3: "1,000", -3: "0.001"}
    return known.get(at, "10" + str(at).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")))
