"""The colours of drawings on light and on dark, and an empty figure to draw them on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

DPI = 100


class Look(NamedTuple):
    """The colours of a picture on light or on dark; the lines' are Okabe and Ito's, which the colour-blind tell apart."""

    paper: str
    ink: str
    muted: str
    rule: str
    low: str
    high: str
    lines: tuple[str, ...]


LIGHT = Look(
    "#ffffff", "#15191d", "#626a72", "#dfe3e6", "#3f83c4", "#e07b39",
    ("#0072b2", "#d55e00", "#009e73", "#b0568a", "#8a6d00", "#3a3f44", "#7570b3", "#2b8fc0"),
)  # fmt: skip
DARK = Look(
    "#15191d", "#eceff1", "#a3abb3", "#353c43", "#2f6ea8", "#b85c1f",
    ("#56b4e9", "#ff9b5e", "#2fc99a", "#e79fc9", "#e6c229", "#c9ced3", "#a9a4e0", "#8fd0f5"),
)  # fmt: skip


def around(look: Look) -> LinearSegmentedColormap:
    """From below 0 through the paper's own colour to above 0.

    Args:
        look: of the picture.
    """
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("around", [look.low, look.paper, look.high])


def figure_of(width: int, height: int, look: Look) -> Figure:
    """An empty figure in the paper's colour.

    Args:
        width: in pixels.
        height: in pixels.
        look: of the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=look.paper)
    FigureCanvasAgg(figure)
    return figure
