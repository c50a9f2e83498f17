"""Each activation with its derivative."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gallery import drawing, words
from gallery.many import rounded
from leadline.layers import ACTIVATIONS, POINTWISE, activation

X = torch.linspace(-4, 4, 401, dtype=torch.float64)

# An activation along an axis is shown as one unit beside a second one; without an entry here, the second is 0.
BESIDE: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "maxout": ("[x, −x/2]", lambda x: -x / 2),
    "glu": ("[x, x]", lambda x: x),
    "swiglu": ("[x, x]", lambda x: x),
    "geglu": ("[x, x]", lambda x: x),
    "reglu": ("[x, x]", lambda x: x),
}


def measure() -> dict[str, Any]:
    """Value and derivative of each on a line, by autograd."""
    found: dict[str, Any] = {}
    for name in ACTIVATIONS:
        x = X.clone().requires_grad_()
        inputs, beside = _inputs(name, x)
        y = activation(name).double()(inputs)[:, 0]
        (slope,) = torch.autograd.grad(y.sum(), x)
        found[name] = {"of": beside, "value": rounded(y.detach()[::2]), "slope": rounded(slope[::2])}
        found[name] |= {"largest_slope": rounded(slope.abs().max()), "slope_at_4": rounded(slope[-1])}
    return found


def _inputs(name: str, x: Tensor) -> tuple[Tensor, str]:
    """What the activation is given, and how that is written."""
    if name in POINTWISE:
        return x[:, None], "x"
    text, other = BESIDE.get(name, ("[x, 0]", torch.zeros_like))
    return torch.stack([x, other(x)], 1), text


def draw(numbers: dict[str, Any], folder: Path) -> None:
    """A panel for each: the value as a line, the derivative dashed."""
    x = X[::2].tolist()
    columns = 6
    rows = -(-len(numbers) // columns)
    with drawing.picture(folder / "activations.png", rows, columns, height=1.45 * rows + 0.2, share=True) as panels:
        for panel, (name, found) in zip(panels, numbers.items(), strict=False):
            panel.axhline(0, color=drawing.RULE, linewidth=0.9)
            panel.axvline(0, color=drawing.RULE, linewidth=0.9)
            panel.plot(x, _broken(found["slope"]), color=drawing.ORANGE, linewidth=1.2, linestyle="--", zorder=3)
            panel.plot(x, _broken(found["value"]), color=drawing.ACCENT, linewidth=2)
            panel.set(ylim=(-1.6, 3.2), xlim=(-4, 4), xticks=[-3, 0, 3], yticks=[-1, 0, 1, 2, 3])
            panel.set_title(name, fontsize=8.5)
            if found["of"] != "x":
                panel.text(-3.8, 2.75, f"of {found['of']}", color=drawing.MUTED, fontsize=7.5)


def _broken(values: list[float]) -> list[float]:
    """Not a number before each jump, so that no line is drawn across it."""
    jumps = [abs(after - before) > 0.3 for before, after in itertools.pairwise(values)]
    return [math.nan if jump else value for value, jump in zip(values, [*jumps, False], strict=True)]


def tell(numbers: dict[str, Any]) -> str:
    """The section."""
    pointwise = {name: found for name, found in numbers.items() if found["of"] == "x"}
    steep = [f"{name} {found['largest_slope']:.2g}" for name, found in pointwise.items()]
    alternative = "One small panel for each activation, value and derivative between −4 and 4: " + ", ".join(numbers)
    return (
        "## Activations\n\n"
        + words.shown(
            "activations",
            alternative,
            "The line is the activation, the dashes are its derivative as autograd gives it. Look at where the dashes are "
            "near zero: there nothing is learned. The sigmoid's never rise above a quarter, so thirty of them in a row "
            "leave at most 4⁻³⁰ of a gradient if the weights do not make up for it. What looks at several units is shown "
            "with two inputs.",
        )
        + "\nLargest slope between −4 and 4: "
        + ", ".join(steep)
        + ".\n"
    )
