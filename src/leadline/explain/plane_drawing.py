"""The map of features as a picture: a mark for each row, thumbnails where there is room, errors ringed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from leadline.errors import ArgumentError
from leadline.explain.labelled_sheets import png_of
from leadline.explain.overlays import Bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, which the colour-blind tell apart, darkened where they are pale; then their marks differ, too.
_COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#a6761d", "#7570b3", "#b8a800", "#333333")
_MARKS = ("o", "^", "s", "D", "v", "P", "X")
_THUMBNAILS, _NAMED = 90, 40
_SIDE = 0.042  # of a thumbnail, as a share of the map


class Group(NamedTuple):
    """A name for each row's truth and for what was said of it, as numbers into `names`; said is empty where nothing was.

    Example:
        >>> Group(("cat", "dog"), np.array([0, 1]), np.array([0, 0])).wrong
        array([False,  True])
    """

    names: tuple[str, ...]
    truth: NDArray[np.int64]
    said: NDArray[np.int64]

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Whether each row was answered wrongly."""
        return self.truth != self.said if len(self.said) else np.zeros(len(self.truth), bool)


def plane_png(
    points: NDArray[Any], group: Group, thumbnails: Sequence[Bytes], *, by: str = "class", heading: str = ""
) -> bytes:
    """The map of features as PNG, by class or by error.

    By class, each row is a mark in the colour and shape of its class, thumbnails lie where there is room, and each class has
    its name where most of it lies. By error, right rows are grey, and each wrong one has the colour of what it is with a ring
    in the colour of what was said; the thumbnails are those of wrong rows.

    Args:
        points: [N, 2], as `feature_plane` gives them.
        group: what the rows are, and what was said of them.
        thumbnails: a small picture for each row, uint8 [h, w, 3].
        by: "class" or "error".
        heading: above it.

    Errors: `ArgumentError` for no points, where the parts differ in length, or for another `by`.

    Example:
        >>> group = Group(("a", "b"), np.array([0, 1, 1]), np.array([0, 1, 0]))
        >>> plane_png(np.eye(3)[:, :2], group, [np.zeros((4, 4, 3), np.uint8)] * 3)[1:4]
        b'PNG'
    """
    if np.ndim(points) != 2 or not len(points):
        raise ArgumentError("There is no map to draw", expected="points [N, 2] with N ≥ 1", got=list(np.shape(points)))
    if not len(points) == len(group.truth) == len(thumbnails) or len(group.said) not in (0, len(points)):
        raise ArgumentError("The parts of the map differ in length", got=(len(points), len(group.truth), len(thumbnails)))
    if by not in ("class", "error"):
        raise ArgumentError("The map cannot be drawn so", expected="by 'class' or by 'error'", got=repr(by))
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    low, high = points.min(axis=0), points.max(axis=0)
    placed = (points - low) / max(float((high - low).max()), 1e-12)
    wide, tall = (float(each) + 0.1 for each in placed.max(axis=0))
    # As high as the map needs at its width, and as a legend of 20 names needs.
    figure = Figure(figsize=(10.5, min(8.6, max(4.6, 8.6 * tall / wide))), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set(xticks=[], yticks=[], aspect="equal")
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set(xlim=(-0.05, wide - 0.05), ylim=(-0.05, tall - 0.05))
    if by == "class":
        _by_class(axes, placed, group, thumbnails)
    else:
        _by_error(axes, placed, group, thumbnails)
    axes.set_title(heading, fontsize=11, loc="left", parse_math=False)
    if len(group.names) <= 20:
        _legend(axes, group, by)
    return png_of(figure)


def _by_class(axes: Axes, points: NDArray[Any], group: Group, thumbnails: Sequence[Bytes]) -> None:
    for number in range(len(group.names)):
        own = points[group.truth == number]
        axes.scatter(own[:, 0], own[:, 1], s=16, c=_color(number), marker=_mark(number), alpha=0.75, linewidths=0, zorder=2)
    names = _places(points, group)
    for row in _apart(points, np.arange(len(points)), list(names.values())):
        _thumbnail(axes, points[row], thumbnails[row], _color(int(group.truth[row])))
    for number, place in names.items():
        _name(axes, place, group.names[number], _color(number))


def _by_error(axes: Axes, points: NDArray[Any], group: Group, thumbnails: Sequence[Bytes]) -> None:
    wrong = group.wrong
    axes.scatter(points[~wrong, 0], points[~wrong, 1], s=12, c="#c9ced3", linewidths=0, zorder=1)
    rows = np.flatnonzero(wrong)
    names = _places(points, group)
    above = points + np.array([0, 0.034])
    for row in _apart(above, rows, list(names.values())):
        _thumbnail(axes, above[row], thumbnails[row], _color(int(group.said[row])))
    for row in rows.tolist():
        said, truth = int(group.said[row]), int(group.truth[row])
        axes.scatter(
            points[row, 0],
            points[row, 1],
            s=46,
            c=_color(truth),
            marker=_mark(truth),
            edgecolors=_color(said),
            linewidths=2.2,
            zorder=5,
        )
    for number, place in names.items():
        _name(axes, place, group.names[number], "#626a72")


def _places(points: NDArray[Any], group: Group) -> dict[int, NDArray[Any]]:
    """Where the name of each class goes: onto the row in its middle. Of more than 40 classes none is named."""
    found = {}
    for number in range(len(group.names) if len(group.names) <= _NAMED else 0):
        own = points[group.truth == number]
        if len(own):
            found[number] = own[np.abs(own - np.median(own, axis=0)).sum(axis=1).argmin()]
    return found


def _apart(points: NDArray[Any], rows: NDArray[np.int64], names: list[NDArray[Any]]) -> list[int]:
    """Some of the rows whose thumbnails cover neither each other nor a name."""
    chosen: list[int] = []
    for row in rows[np.random.default_rng(0).permutation(len(rows))]:
        if len(chosen) == _THUMBNAILS:
            break
        clear = all(np.abs(points[row] - each).max() > 1.35 * _SIDE for each in (*points[chosen], *names))
        if clear:
            chosen.append(int(row))
    return chosen


def _thumbnail(axes: Axes, place: NDArray[Any], picture: Bytes, color: str) -> None:
    from matplotlib.patches import Rectangle

    x, y, half = float(place[0]), float(place[1]), _SIDE / 2
    limits = axes.axis()
    axes.imshow(picture, extent=(x - half, x + half, y - half, y + half), zorder=3, aspect="equal", interpolation="antialiased")
    axes.add_patch(Rectangle((x - half, y - half), _SIDE, _SIDE, fill=False, edgecolor=color, linewidth=2, zorder=4))
    axes.axis(limits)


def _name(axes: Axes, place: NDArray[Any], name: str, color: str) -> None:
    from matplotlib.patheffects import withStroke

    shown = name if len(name) <= 24 else name[:23] + "…"
    text = axes.text(
        float(place[0]), float(place[1]), shown, fontsize=11, fontweight="bold", color=color, ha="center", va="center"
    )
    text.set_zorder(6)
    text.set_parse_math(False)
    text.set_path_effects([withStroke(linewidth=3.5, foreground="white")])


def _legend(axes: Axes, group: Group, by: str) -> None:
    from matplotlib.lines import Line2D

    marks = [
        Line2D([], [], linestyle="", marker=_mark(number), color=_color(number), markersize=7, label=name[:30])
        for number, name in enumerate(group.names)
    ]
    legend = axes.legend(
        handles=marks,
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        frameon=False,
        title="fill: what it is\nring, frame: what was said" if by == "error" else None,
        fontsize=9,
        title_fontsize=9,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _color(number: int) -> str:
    return _COLORS[number % len(_COLORS)]


def _mark(number: int) -> str:
    return _MARKS[number % len(_MARKS)]
