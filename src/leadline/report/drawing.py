"""One small axes pair as an inline SVG whose colours are the page's own, so that it reads on light, on dark and on paper.

matplotlib draws with five stand-in colours, which are then replaced by CSS: the ink is `currentColor`, the others are the
page's variables with a fallback for places without them (a notebook). Text stays text, in the page's font.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, MUTED, ACCENT, RULE, PAPER = "#010203", "#020304", "#030405", "#040506", "#050607"
_CSS = {
    INK: "currentColor",
    MUTED: "var(--muted, #77777f)",
    ACCENT: "var(--accent, #0b7285)",
    RULE: "var(--rule, #99999f55)",
    PAPER: "var(--paper, transparent)",
}
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 11,
    "axes.unicode_minus": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.edgecolor": RULE,
    "axes.linewidth": 1,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "ytick.major.size": 0,
    "xtick.major.size": 3,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "lines.solid_capstyle": "round",
    "lines.linewidth": 1.8,
}


def draw(
    paint: Callable[[Axes], None],
    label: str,
    *,
    width: int = 360,
    height: int = 220,
    left: int = 46,
    right: int = 74,
    top: int = 12,
) -> Markup:
    """Let `paint` fill one pair of axes and return it as SVG, `width` × `height` in CSS pixels.

    Args:
        paint: receives empty axes, styled; colours are this module's `INK`, `MUTED`, `ACCENT`, `RULE`, `PAPER`.
        label: what the figure shows, in words, for those who do not see it. Keeps ids apart, too: use it once a page.
        left: room at the left for what stands along the axis.
        right: room at the right for names at the ends of lines.
        top: room above.

    Example:
        >>> svg = draw(lambda axes: axes.plot([1, 2], [3, 4], color=ACCENT) and None, "Loss from 3 to 4")
        >>> svg.startswith("<svg"), "var(--accent" in svg, 'aria-label="Loss from 3 to 4"' in svg
        (True, True, True)
    """
    return _inline(_painted(paint, width, height, (left, right, top), label), label)


def _painted(paint: Callable[[Axes], None], width: int, height: int, margins: tuple[int, int, int], identifying: str) -> str:
    """What matplotlib makes of it."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**_SETTINGS, "svg.hashsalt": identifying}), warnings.catch_warnings():
        # The text stays text: what matplotlib's font lacks, that of the page may have.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(width / 72, height / 72), facecolor="none")
        canvas = FigureCanvasSVG(figure)
        (left, right, top), bottom = margins, 36
        axes = figure.add_axes(
            (left / width, bottom / height, (width - left - right) / width, (height - bottom - top) / height), facecolor="none"
        )
        paint(axes)
        text = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        canvas.print_svg(text, metadata=nothing)  # type: ignore[no-untyped-call]
    return text.getvalue()


def _inline(svg: str, label: str) -> Markup:
    """What matplotlib wrote without its prologue, its page-wide style, its repeated ids and its fonts."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, count=1, flags=re.S)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg)
    svg = svg.replace("xlink:href", "href").replace(' xmlns:xlink="http://www.w3.org/1999/xlink"', "")
    svg = re.sub(r' width="[\d.]+pt" height="[\d.]+pt"', "", svg, count=1)
    for stand_in, css in _CSS.items():
        svg = svg.replace(stand_in, css)
    # Hundredths of a pixel are enough in paths; numbers between tags are text and stay.
    svg = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\.\d\d)\d+", r"\1", tag[0]), svg)
    svg = re.sub(r"\n\s*", "\n", svg).strip()
    return Markup(svg.replace("<svg ", f'<svg role="img" aria-label="{escape(label)}" fill="currentColor" ', 1))
