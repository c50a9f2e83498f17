"""The map of features as a picture: a mark for each row, thumbnails where there is room, errors ringed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from leadline.errors import ArgumentError
from leadline.explain.label_places import places_for_names
from leadline.explain.labelled_sheets import any_letters, png_of
from leadline.explain.overlays import Bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

# Okabe and Ito's colours, which the colour-blind tell apart, darkened where they are pale; then their marks differ, too.
_COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#a6761d", "#7570b3", "#b8a800", "#333333")
_MARKS = ("o", "^", "s", "D", "v", "P", "X")
_THUMBNAILS = 90
_LISTED, _NAMED = 20, 40  # classes, so that each is in the legend, or has its name on the map
_SIDE, _MARGIN = 0.042, 0.1  # of a thumbnail and of the room around the points, as shares of the map
_MARK, _WRONG, _RING = 16, 46, 2.2  # square points of a mark, of that of a wrong row, and points of its ring
_MUTED = "#626a72"


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

    By class, each row is a mark in the colour and shape of its class, thumbnails lie where there is room, and the name of each
    class stands beside it with a line to its middle, where it covers no mark and no thumbnail. By error, right rows are grey,
    and each wrong one has the colour of what it is with a ring in the colour of what was said; the thumbnails are those of
    wrong rows.

    Args:
        points: [N, 2], as `feature_plane` gives them.
        group: what the rows are, and what was said of them.
        thumbnails: a small picture for each row, uint8 [h, w, 3]; none where the rows are no pictures.
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
    if (
        not len(points) == len(group.truth)
        or len(thumbnails) not in (0, len(points))
        or len(group.said) not in (0, len(points))
    ):
        raise ArgumentError("The parts of the map differ in length", got=(len(points), len(group.truth), len(thumbnails)))
    if by not in ("class", "error"):
        raise ArgumentError("The map cannot be drawn so", expected="by 'class' or by 'error'", got=repr(by))
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    low, high = points.min(axis=0), points.max(axis=0)
    placed = (points - low) / max(float((high - low).max()), 1e-12)
    wide, tall = (float(each) + 2 * _MARGIN for each in placed.max(axis=0))
    # As high as the map needs at its width, and as a legend of 20 names needs.
    figure = Figure(figsize=(10.5, min(8.6, max(4.6, 8.6 * tall / wide))), facecolor="white", layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set(xticks=[], yticks=[], aspect="equal")
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set(xlim=(-_MARGIN, wide - _MARGIN), ylim=(-_MARGIN, tall - _MARGIN))
    squares = (_by_class if by == "class" else _by_error)(axes, placed, group, thumbnails)
    axes.set_title(heading, fontsize=11, loc="left", parse_math=False)
    if len(group.names) <= _LISTED:
        _legend(axes, group, by)
    if len(group.names) <= _NAMED:
        with any_letters():
            _names(canvas, axes, placed, group, squares, by)
    return png_of(figure)


def _by_class(axes: Axes, points: NDArray[Any], group: Group, thumbnails: Sequence[Bytes]) -> NDArray[Any]:
    """Draws; the places of the thumbnails."""
    for number in range(len(group.names)):
        own = points[group.truth == number]
        axes.scatter(own[:, 0], own[:, 1], s=_MARK, c=_color(number), marker=_mark(number), alpha=0.75, linewidths=0, zorder=2)
    shown = _apart(points, np.arange(len(points))) if thumbnails else []
    for row in shown:
        _thumbnail(axes, points[row], thumbnails[row], _color(int(group.truth[row])))
    return np.asarray(points[shown]).reshape(-1, 2)


def _by_error(axes: Axes, points: NDArray[Any], group: Group, thumbnails: Sequence[Bytes]) -> NDArray[Any]:
    """Draws; the places of the thumbnails."""
    wrong = group.wrong
    axes.scatter(points[~wrong, 0], points[~wrong, 1], s=12, c="#c9ced3", linewidths=0, zorder=1)
    rows = np.flatnonzero(wrong)
    above = points + np.array([0, 0.034])
    shown = _apart(above, rows) if thumbnails else []
    for row in shown:
        _thumbnail(axes, above[row], thumbnails[row], _color(int(group.said[row])))
    for row in rows.tolist():
        said, truth = int(group.said[row]), int(group.truth[row])
        axes.scatter(
            points[row, 0],
            points[row, 1],
            s=_WRONG,
            c=_color(truth),
            marker=_mark(truth),
            edgecolors=_color(said),
            linewidths=_RING,
            zorder=5,
        )
    return np.asarray(above[shown]).reshape(-1, 2)


def _apart(points: NDArray[Any], rows: NDArray[np.int64]) -> list[int]:
    """Some of the rows whose thumbnails do not cover each other."""
    chosen: list[int] = []
    for row in rows[np.random.default_rng(0).permutation(len(rows))]:
        if len(chosen) == _THUMBNAILS:
            break
        if all(np.abs(points[row] - each).max() > 1.35 * _SIDE for each in points[chosen]):
            chosen.append(int(row))
    return chosen


def _thumbnail(axes: Axes, place: NDArray[Any], picture: Bytes, color: str) -> None:
    from matplotlib.patches import Rectangle

    x, y, half = float(place[0]), float(place[1]), _SIDE / 2
    limits = axes.axis()
    axes.imshow(picture, extent=(x - half, x + half, y - half, y + half), zorder=3, aspect="equal", interpolation="antialiased")
    axes.add_patch(Rectangle((x - half, y - half), _SIDE, _SIDE, fill=False, edgecolor=color, linewidth=2, zorder=4))
    axes.axis(limits)


def _names(canvas: FigureCanvasAgg, axes: Axes, points: NDArray[Any], group: Group, squares: NDArray[Any], by: str) -> None:
    """The name of each class beside its rows. One that finds no place is left to the legend."""
    canvas.figure.draw_without_rendering()  # only then is it known how large the map is in pixels
    area, point = axes.get_window_extent(), canvas.figure.dpi / 72

    def pixels(places: NDArray[Any]) -> NDArray[Any]:
        """From the upper left corner of the map."""
        return np.asarray((axes.transData.transform(places) - (area.x0, area.y1)) * (1, -1))

    reach = np.full(len(points), point * _MARK**0.5 / 2)
    if by == "error":
        reach[group.wrong] = point * (_WRONG**0.5 + _RING) / 2
    side = np.ptp(pixels(np.array([[0.0, 0.0], [_SIDE, 0.0]]))[:, 0])
    reach = np.concatenate([reach, np.full(len(squares), side / 2 + point)])
    taken = np.zeros((int(area.height), int(area.width)), bool)
    for (x, y), far in zip(pixels(np.concatenate([points, squares])), reach + 1, strict=True):
        taken[max(0, int(y - far)) : int(y + far) + 2, max(0, int(x - far)) : int(x + far) + 2] = True
    numbers = [number for number in range(len(group.names)) if (group.truth == number).any()]
    texts = [_text(axes, group.names[number], _color(number) if by == "class" else _MUTED) for number in numbers]
    extents = [text.get_window_extent(canvas.get_renderer()) for text in texts]  # type: ignore[no-untyped-call]
    sizes = [(math.ceil(each.width), math.ceil(each.height)) for each in extents]
    places = places_for_names(taken, [pixels(points[group.truth == number]) for number in numbers], sizes)
    for text, size, place in zip(texts, sizes, places, strict=True):
        if place is None:
            text.remove()
            continue
        beside = [min(max(at, low), low + long) for at, low, long in zip(place[2:], place[:2], size, strict=True)]
        corner, start, end = axes.transData.inverted().transform(
            [(area.x0 + x, area.y1 - y) for x, y in (place[:2], beside, place[2:])]
        )
        text.set_position(tuple(corner))
        # Below all marks, so that the line hides none.
        axes.plot(*np.transpose([start, end]), color=text.get_color(), linewidth=1, zorder=0.5, scalex=False, scaley=False)


def _text(axes: Axes, name: str, color: str) -> Text:
    from matplotlib.patheffects import withStroke

    text = axes.text(
        0, 0, name if len(name) <= 24 else name[:23] + "…", fontsize=11, fontweight="bold", color=color, ha="left", va="top"
    )
    text.set_zorder(6)
    text.set_parse_math(False)
    text.set_path_effects([withStroke(linewidth=3.5, foreground="white")])
    text.set_in_layout(False)
    return text


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
