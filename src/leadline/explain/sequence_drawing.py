"""What recurrent networks do in time, as pictures: gradients over the distance, gates and cells over a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from leadline.errors import ArgumentError
from leadline.explain.colored_text import visible
from leadline.explain.gates_in_time import GateReading
from leadline.explain.gradients_in_time import TimeGradient
from leadline.explain.labelled_sheets import png_of
from leadline.explain.looks import DARK, LIGHT, Look, around, figure_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GATES = ("input", "forget", "output", "reset", "update")
_SHOWN = {
    "input": "input gate",
    "forget": "forget gate",
    "output": "output gate",
    "reset": "reset gate",
    "update": "update gate",
    "candidate": "candidate",
    "cell": "cell",
    "hidden": "output",
}
_LEAST, _FAR = 1e-12, 1e3  # of a gradient: what is smaller is drawn as so small; where it is told from steady


def time_gradient_png(gradients: Mapping[str, TimeGradient], *, heading: str = "", dark: bool = False) -> bytes:
    """How gradients fade on their way back through time, one line for each network or layer, as PNG.

    Each line is the gradient's norm as a multiple of that at the last step, on a logarithmic scale, and carries its name and
    the number of steps that halve it. The dashed lines are a thousandth and a thousand times.

    Args:
        gradients: by the name that is drawn, at most 8.
        heading: above it.
        dark: for a dark page.

    Errors: `ArgumentError` for none, or too many.

    Example:
        >>> time_gradient_png({"rnn": TimeGradient("rnn", False, 0.5 ** np.arange(30))})[1:4]
        b'PNG'
    """
    if not 0 < len(gradients) <= 8:
        raise ArgumentError("The gradients cannot be drawn together", expected="from 1 to 8 of them", got=len(gradients))
    look = DARK if dark else LIGHT
    figure = figure_of(820, 430, look)
    axes = figure.add_axes((0.09, 0.13, 0.63, 0.74 if heading else 0.82))
    _plain(axes, look)
    # The nearest that is not 0 is the measure of all others.
    nearest = [next((norm for norm in each.norms if norm > 0), 1.0) for each in gradients.values()]
    lines = [np.maximum(each.norms / norm, _LEAST) for each, norm in zip(gradients.values(), nearest, strict=True)]
    longest = max(len(line) for line in lines)
    low = min(float(line.min()) for line in lines)
    high = max(float(line.max()) for line in lines)
    bottom, top = np.log10(low), np.log10(high)
    room = max(0.06 * (top - bottom), 0.15)
    for color, line in zip(look.lines, lines, strict=False):
        axes.plot(np.arange(len(line)), np.log10(line), color=color, linewidth=2, solid_capstyle="round")
    for level in (-np.log10(_FAR), np.log10(_FAR)):
        if bottom - room < level < top + room:
            axes.axhline(level, color=look.muted, linewidth=1, dashes=(3, 3), zorder=0)
    axes.set(xlim=(0, max(longest - 1, 1)), ylim=(bottom - room, top + room))
    axes.set_xlabel("steps back from the end of the row", color=look.muted, fontsize=9.5)
    axes.set_yticks(_powers(bottom - room, top + room))
    axes.set_yticklabels([_power(at) for at in axes.get_yticks()])
    ends = [float(np.log10(line[-1])) for line in lines]
    places = _apart(ends, 0.115 * (top - bottom + 2 * room), bottom - room, top + room)
    for color, (name, gradient), line, end, place in zip(look.lines, gradients.items(), lines, ends, places, strict=False):
        axes.annotate(
            f"{name}\n{_pace(gradient)}",
            (len(line) - 1, end),
            xytext=(1.035, (place - bottom + room) / (top - bottom + 2 * room)),
            textcoords="axes fraction",
            va="center",
            color=color,
            fontsize=9.5,
            linespacing=1.25,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.8, "alpha": 0.6, "shrinkA": 2, "shrinkB": 0},
            parse_math=False,
        )
    if heading:
        figure.text(0.02, 0.965, heading, color=look.ink, fontsize=11, fontweight="bold", va="top", parse_math=False)
    return png_of(figure)


def gates_png(
    reading: GateReading,
    *,
    series: NDArray[Any] | None = None,
    pieces: Sequence[str] = (),
    units: int = 32,
    heading: str = "",
    dark: bool = False,
) -> bytes:
    """The gates and cells of one layer over one row as PNG: time goes right, each line of a panel is one unit.

    The units whose cells move most are shown, in the same order in every panel, those first whose cells peak first. Gates go
    from the paper's colour (closed) to full colour (open); cells and outputs are blue below 0 and orange above.

    Args:
        reading: as `gate_readings` gives it.
        series: what was read, [T] or [T, C], drawn above on the same scale of time.
        pieces: the characters or words that were read, written below where there is room.
        units: at most so many.
        heading: above it.
        dark: for a dark page.

    Errors: `ArgumentError` where the series or the pieces are not as long as the reading.

    Example:
        >>> values = {"forget": np.full((9, 4), 0.7), "cell": np.eye(9, 4), "hidden": np.zeros((9, 4))}
        >>> gates_png(GateReading("lstm", "lstm", False, values), series=np.arange(9.0))[1:4]
        b'PNG'
    """
    told = {"the series": series if series is not None else (), "the pieces": pieces}
    for name, each in told.items():
        if len(each) not in (0, reading.steps):
            raise ArgumentError(f"The gates and {name} are not of one length", expected=f"{reading.steps} steps", got=len(each))
    look = DARK if dark else LIGHT
    chosen = _by_peak(reading, units)
    panels = [name for name in _SHOWN if name in reading.values]
    above, below = (1.0 if series is not None else 0.0), 0.45 if pieces else 0.25
    high = min(1.5, max(0.8, 0.045 * len(chosen)))
    tall = 0.5 + above + below + len(panels) * (high + 0.12)
    figure = figure_of(900, int(100 * tall), look)
    figure.set_layout_engine("constrained", h_pad=0.03, w_pad=0.04)
    ratios = [above] * (series is not None) + [high] * len(panels)
    places = np.atleast_1d(figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios))
    if series is not None:
        _series(places[0], np.asarray(series, dtype=float).reshape(reading.steps, -1), look)
    for axes, name in zip(places[len(places) - len(panels) :], panels, strict=True):
        _panel(figure, axes, name, reading.values[name][:, chosen].T, look)
    last = places[-1]
    if pieces and reading.steps <= 110:
        last.set_xticks(range(reading.steps))
        turn = 0 if max(map(len, pieces)) == 1 else 90
        labels = [visible(piece)[:14] for piece in pieces]
        last.set_xticklabels(labels, rotation=turn, fontsize=8, family="monospace", parse_math=False)
    else:
        last.set_xlabel("step", color=look.muted, fontsize=9)
    way = ", read from the end" if reading.backward else ""
    title = heading or f"{reading.name or reading.kind}: {len(chosen)} of {reading.units} units{way}"
    figure.suptitle(title, color=look.ink, fontsize=11, fontweight="bold", x=0.02, ha="left", parse_math=False)
    return png_of(figure)


def _by_peak(reading: GateReading, units: int) -> NDArray[np.int64]:
    """The most moved units, in the order in which they reach their largest value."""
    if units < 1:
        raise ArgumentError("There are no units to draw", expected="at least 1", got=units)
    moved = reading.most_moved(units)
    values = np.abs(reading.values["cell" if "cell" in reading.values else "hidden"][:, moved])
    return moved[np.argsort(values.argmax(axis=0), kind="stable")]


def _series(axes: Axes, series: NDArray[Any], look: Look) -> None:
    _plain(axes, look)
    for color, channel in zip(look.lines * (series.shape[1] // len(look.lines) + 1), series.T, strict=False):
        axes.plot(np.arange(len(series)), channel, color=color, linewidth=1.4)
    axes.set_ylabel("series", color=look.ink, fontsize=9, rotation=0, ha="right", va="center")
    axes.margins(x=0)


def _panel(figure: Figure, axes: Axes, name: str, values: NDArray[Any], look: Look) -> None:
    """Units [U, T] of one gate, or of the cell."""
    from matplotlib.colors import LinearSegmentedColormap

    if name in _GATES:
        closed_open = LinearSegmentedColormap.from_list("gate", [look.paper, look.lines[2], look.ink])
        image = axes.imshow(values, aspect="auto", cmap=closed_open, vmin=0, vmax=1, interpolation="nearest")
        bar = figure.colorbar(image, ax=axes, ticks=[0, 1], aspect=8, pad=0.01)
        bar.ax.set_yticklabels(["closed", "open"])
    else:
        limit = max(float(np.abs(values).max()), 1e-6)
        image = axes.imshow(values, aspect="auto", cmap=around(look), vmin=-limit, vmax=limit, interpolation="nearest")
        bar = figure.colorbar(image, ax=axes, ticks=[-limit, 0, limit], aspect=8, pad=0.01)
        bar.ax.set_yticklabels([f"−{limit:.2g}", "0", f"{limit:.2g}"])
    bar.outline.set_edgecolor(look.rule)
    bar.ax.tick_params(colors=look.muted, labelsize=8, length=0)
    axes.set_facecolor(look.paper)
    axes.set_yticks([])
    axes.set_ylabel(_SHOWN[name], color=look.ink, fontsize=9, rotation=0, ha="right", va="center")
    axes.tick_params(colors=look.muted, labelsize=8, length=0)
    for spine in axes.spines.values():
        spine.set_edgecolor(look.rule)


def _plain(axes: Axes, look: Look) -> None:
    axes.set_facecolor(look.paper)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_edgecolor(look.rule)
    axes.tick_params(colors=look.muted, labelsize=8.5, length=0)
    axes.grid(axis="y", color=look.rule, linewidth=0.7)
    axes.set_axisbelow(True)


def _powers(low: float, high: float) -> list[int]:
    """Some whole powers of ten between two logarithms."""
    step = max(1, int(np.ceil((high - low) / 7)))
    return [power for power in range(int(np.ceil(low)), int(np.floor(high)) + 1) if power % step == 0]


def _power(at: float) -> str:
    """10⁻³ as plain text."""
    known = {0: "1", 1: "10", -1: "0.1", 2: "100", -2: "0.01", 3: "1,000", -3: "0.001"}
    power = round(at)
    return known.get(power, "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")))


def _pace(gradient: TimeGradient) -> str:
    if gradient.growth >= 1:
        return f"+{gradient.growth - 1:.1%} a step, {gradient.verdict}"
    return f"halves in {gradient.half_life:.1f} steps, {gradient.verdict}"


def _apart(ends: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places for the names at the ends of lines, as near to them as no two stand closer than `gap`."""
    order = sorted(range(len(ends)), key=lambda at: ends[at])
    places = [0.0] * len(ends)
    floor = low + gap / 2
    for at in order:
        places[at] = max(ends[at], floor)
        floor = places[at] + gap
    ceiling = high - gap / 2
    for at in reversed(order):
        places[at] = min(places[at], ceiling)
        ceiling = places[at] - gap
    return places
