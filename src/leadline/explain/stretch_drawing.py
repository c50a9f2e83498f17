"""Series as pictures: which stretches decided, and what single cells of a network do while they are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from leadline.errors import ArgumentError
from leadline.explain.labelled_sheets import png_of
from leadline.explain.looks import DARK, LIGHT, Look, around, figure_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DRAWN = 8  # channels, each in a panel of its own
_WIDE, _HIGH = 860, 92  # pixels of the picture, and of a panel


def stretches_png(
    series: NDArray[Any],
    worth: NDArray[Any],
    *,
    channels: Sequence[str] = (),
    heading: str = "",
    note: str = "",
    dark: bool = False,
) -> bytes:
    """A series with colours behind it as PNG: orange where it spoke for an answer, blue where against it, the more the fuller.

    Each channel has a panel; of more than eight those that spoke most are drawn.

    Args:
        series: [T, C], in its own units.
        worth: of each step [T], or of each step in each channel [T, C].
        channels: C names, or none.
        heading: above it.
        note: below it.
        dark: for a dark page.

    Errors: `ArgumentError` where shapes or names do not fit, or numbers are not finite.

    Example:
        >>> stretches_png(np.sin(np.arange(30.0))[:, None], np.linspace(-1, 1, 30))[1:4]
        b'PNG'
    """
    values, worths = np.asarray(series, dtype=float), np.asarray(worth, dtype=float)
    worths = np.repeat(worths[:, None], values.shape[-1], axis=1) if worths.ndim == 1 else worths
    if values.ndim != 2 or not values.size or worths.shape != values.shape or len(channels) not in (0, values.shape[1]):
        raise ArgumentError(
            "The series and what its steps are worth do not fit together",
            expected="a series [T, C], [T] or [T, C] numbers, and C names or none",
            got=f"{list(np.shape(series))}, {list(np.shape(worth))} and {len(channels)} names",
        )
    if not np.isfinite(values).all() or not np.isfinite(worths).all():
        raise ArgumentError("The series cannot be drawn", expected="finite numbers")
    look = DARK if dark else LIGHT
    shown = np.sort(np.argsort(-np.abs(worths).max(axis=0), kind="stable")[:_DRAWN])
    limit = max(float(np.abs(worths).max()), 1e-12)
    panels = _panels(len(shown), look, heading=heading, note=note)
    for axes, channel in zip(panels, shown.tolist(), strict=True):
        colors = around(look)(0.5 + 0.5 * np.clip(worths[:, channel] / limit, -1, 1))[None]
        low, high = _bounds(values[:, channel])
        axes.imshow(colors, aspect="auto", extent=(-0.5, len(values) - 0.5, low, high), interpolation="nearest", zorder=0)
        axes.plot(np.arange(len(values)), values[:, channel], color=look.ink, linewidth=1.5, zorder=2, marker=_marker(values))
        axes.set(xlim=(-0.5, len(values) - 0.5), ylim=(low, high))
        _label(axes, channels[channel] if channels else "", look)
    panels[-1].set_xlabel("step", color=look.muted, fontsize=9)
    return png_of(panels[0].figure)  # type: ignore[arg-type]


def cells_png(
    series: NDArray[Any],
    cells: NDArray[Any],
    names: Sequence[str],
    *,
    channels: Sequence[str] = (),
    heading: str = "",
    dark: bool = False,
) -> bytes:
    """A series, and below it on the same scale of time what single cells hold while it is read, as PNG.

    Args:
        series: [T, C]; all channels share the first panel.
        cells: [T, U], filled orange above 0 and blue below.
        names: of the U cells, at most 12.
        channels: C names, or none.
        heading: above it.
        dark: for a dark page.

    Errors: `ArgumentError` where shapes or names do not fit, or numbers are not finite.

    Example:
        >>> steps = np.arange(30.0)
        >>> cells_png(np.sin(steps)[:, None], np.cos(steps)[:, None], ["cell 3"])[1:4]
        b'PNG'
    """
    values, held = np.asarray(series, dtype=float), np.asarray(cells, dtype=float)
    fits = values.ndim == held.ndim == 2 and len(values) == len(held) > 0 and 0 < held.shape[1] == len(names) <= 12
    if not fits or not np.isfinite(values).all() or not np.isfinite(held).all():
        raise ArgumentError(
            "The series and the cells do not fit together",
            expected="finite numbers [T, C] and [T, U], and from 1 to 12 names",
            got=f"{list(np.shape(series))}, {list(np.shape(cells))} and {len(names)} names",
        )
    look = DARK if dark else LIGHT
    panels = _panels(1 + len(names), look, heading=heading, note="")
    for color, channel in zip(look.lines, values.T, strict=False):
        panels[0].plot(np.arange(len(values)), channel, color=color, linewidth=1.5, marker=_marker(values))
    _label(panels[0], channels[0] if len(channels) == 1 else "series", look)
    for axes, name, cell in zip(panels[1:], names, held.T, strict=True):
        steps = np.arange(len(cell))
        axes.fill_between(steps, np.maximum(cell, 0), color=look.high, linewidth=0, step="mid")
        axes.fill_between(steps, np.minimum(cell, 0), color=look.low, linewidth=0, step="mid")
        axes.axhline(0, color=look.muted, linewidth=0.7)
        _label(axes, name, look)
    for axes in panels:
        axes.set_xlim(-0.5, len(values) - 0.5)
    panels[-1].set_xlabel("step", color=look.muted, fontsize=9)
    return png_of(panels[0].figure)  # type: ignore[arg-type]


def _panels(count: int, look: Look, *, heading: str, note: str) -> list[Axes]:
    """One below the other, on one scale of time."""
    high = _HIGH if count > 1 else 2 * _HIGH
    above, below = 40 if heading else 14, 46 + (20 if note else 0)
    tall = above + count * (high + 10) + below
    figure = figure_of(_WIDE, tall, look)
    panels: list[Axes] = []
    for at in range(count):
        top = above + at * (high + 10)
        axes = figure.add_axes((0.17, 1 - (top + high) / tall, 0.81, high / tall), sharex=panels[0] if panels else None)
        axes.set_facecolor(look.paper)
        for spine in axes.spines.values():
            spine.set_edgecolor(look.rule)
        axes.tick_params(colors=look.muted, labelsize=8, length=0, labelbottom=at == count - 1)
        axes.locator_params(axis="y", nbins=3)
        panels.append(axes)
    if heading:
        figure.text(0.02, 1 - 12 / tall, heading, color=look.ink, fontsize=11, fontweight="bold", va="top", parse_math=False)
    if note:
        figure.text(0.02, 10 / tall, note, color=look.muted, fontsize=8.5, va="bottom", parse_math=False)
    return panels


def _label(axes: Axes, name: str, look: Look) -> None:
    shown = name if len(name) <= 16 else name[:15] + "…"
    axes.set_ylabel(shown, color=look.ink, fontsize=9, rotation=0, ha="right", va="center", labelpad=8, parse_math=False)


def _bounds(values: NDArray[Any]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    room = 0.08 * (high - low) or 0.5 * abs(high) or 1.0
    return low - room, high + room


def _marker(values: NDArray[Any]) -> str:
    """A line through one step would not show."""
    return "o" if len(values) == 1 else ""
