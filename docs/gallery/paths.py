"""The path of each optimizer, on a surface with a saddle and on one with two minima."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gallery import drawing, words
from gallery.many import rounded
from gallery.surfaces import SURFACES, Place, height, lowest
from leadline.optim import OPTIMIZERS, make_optimizer
from leadline.training import Supervised
from leadline.training.closures import ClosureStep, needs_closure

STEPS = 80
RATES = [10 ** (power / 4) for power in range(-10, 0)]
# Almost on the ridge that leads to the saddle; and in the higher of the two wells, on its far slope.
STARTS = {"saddle": (-1.0, 0.01), "two wells": (1.7, 1.6)}
NEAR = 0.01
# How an entry of the table is asked for, where that is not by its name alone. The two weights are one matrix, the head.
SPELLED = {"muon": "muon(head=True)", "lbfgs": "lbfgs(iterations=1)"}


def variants() -> dict[str, tuple[str, float]]:
    """Name → how it is spelled and its momentum: every optimizer there is, and plain gradient descent beside them."""
    return {"sgd, no momentum": ("sgd", 0.0)} | {name: (SPELLED.get(name, name), 0.9) for name in OPTIMIZERS}


def walk(surface: str, text: str, momentum: float, rate: float) -> tuple[list[list[float]], list[float]]:
    """Where an optimizer is after each step, and how high."""
    place = Place(surface, *STARTS[surface])
    optimizer = make_optimizer(text, place, learning_rate=rate, momentum=momentum)
    step = (ClosureStep if needs_closure(optimizer) else Supervised)(place, height, optimizer)
    nothing = (torch.zeros(1, 1), torch.zeros(1))
    path, heights = [place.at.weight[0].tolist()], []
    for _ in range(STEPS):
        heights.append(float(step(nothing, None)["loss"]))  # type: ignore[arg-type]
        path.append(place.at.weight[0].tolist())
    return path, heights


def measure() -> dict[str, Any]:
    """For each optimizer the path at that rate of the grid which is lowest on the average over the steps."""
    found: dict[str, Any] = {}
    for surface in SURFACES:
        found[surface] = {}
        for name, (text, momentum) in variants().items():
            walks = {rate: walk(surface, text, momentum, rate) for rate in RATES}
            sums = {rate: sum(heights) if math.isfinite(sum(heights)) else math.inf for rate, (_, heights) in walks.items()}
            rate = min(sums, key=sums.__getitem__)
            path, heights = walks[rate]
            near = [step for step, value in enumerate(heights) if value < lowest(surface) + NEAR]
            found[surface][name] = {"rate": rounded(rate, 3), "path": rounded(path), "near_lowest": near[0] if near else None}
            found[surface][name]["last"] = rounded(heights[-1])
    return found


def draw(numbers: dict[str, Any], folder: Path) -> None:
    """For each surface a panel an optimizer."""
    for surface, walks in numbers.items():
        rows = -(-len(walks) // 3)
        with drawing.picture(
            folder / f"paths_{surface.replace(' ', '_')}.png", rows, 3, height=1.75 * rows, share=True
        ) as panels:
            for panel, (name, found) in zip(panels, walks.items(), strict=False):
                contours(panel, surface)
                x, y = np.array(found["path"]).T
                panel.plot(x, y, color=drawing.ACCENT, linewidth=1.1, marker="o", markersize=2.6)
                panel.plot(x[:1], y[:1], color=drawing.INK, marker="o", markersize=5)
                panel.plot(x[-1:], y[-1:], color=drawing.ORANGE, marker="o", markersize=6)
                reached = found["near_lowest"]
                panel.set_title(f"{name}: " + (f"not within {NEAR}" if reached is None else f"{reached} steps"), fontsize=9)


def contours(panel: Any, surface: str) -> None:
    """The surface, in levels of grey."""
    limits = ((-1.25, 0.75), (-1.45, 1.45)) if surface == "saddle" else ((-2.0, 2.0), (-1.7, 1.9))
    x, y = (torch.linspace(*limit, 160) for limit in limits)
    z = SURFACES[surface](x[None, :], y[:, None])
    levels = float(z.min()) + np.linspace(0, 1, 16) ** 2 * 4.5
    panel.contour(x, y, z, levels=levels, colors=drawing.MUTED, linewidths=0.5, alpha=0.6)
    panel.set(xlim=limits[0], ylim=limits[1], xticks=[], yticks=[])
    panel.grid(visible=False)


def tell(numbers: dict[str, Any]) -> str:
    """The section."""

    def fastest(walks: dict[str, Any]) -> str:
        there = {name: found["near_lowest"] for name, found in walks.items() if found["near_lowest"] is not None}
        ranked = sorted(there, key=there.__getitem__)
        missing = [name for name in walks if name not in there]
        text = "Steps until the height is within a hundredth of the lowest: " + ", ".join(
            f"{name} {there[name]}" for name in ranked
        )
        return text + (f"; never in {STEPS} steps: {', '.join(missing)}." if missing else ".")

    return (
        f"## Paths of the optimizers\n\nEach at the rate, of {len(RATES)} between {RATES[0]:.2g} and {RATES[-1]:.2g}, that "
        f"is lowest on the average over {STEPS} steps. The black dot is the start, the orange one the end.\n\n"
        + words.shown(
            "paths_saddle",
            "Paths on a surface with a saddle, a panel for each optimizer: " + ", ".join(numbers["saddle"]),
            "**A saddle.** The start lies a hundredth beside the ridge, along which everything leads to the saddle in the "
            "middle; the minima are above and below it. Methods that scale each weight by its own gradient (adam, rmsprop, "
            "adagrad) leave the ridge at once, the others run along it first. " + fastest(numbers["saddle"]),
        )
        + "\n"
        + words.shown(
            "paths_two_wells",
            "Paths on a surface with two minima, a panel for each optimizer: " + ", ".join(numbers["two wells"]),
            "**Two minima.** All start on the slope of the higher one; the lower is at the left. Momentum may carry a path "
            "over the hill, and then only because of the rate and the start: no optimizer looks for the lower one. Muon "
            "circles it, since with a single row of weights its steps are all about equally long. "
            + fastest(numbers["two wells"]),
        )
    )
