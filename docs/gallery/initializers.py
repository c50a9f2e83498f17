"""What each initialization does to the size of a signal on its way through fifty layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from gallery import drawing, words
from gallery.many import rounded
from leadline.initialize import INITIALIZERS, initialize_weights
from leadline.layers import activation

DEPTH, WIDTH, ROWS, SEEDS = 50, 256, 64, 5
AFTER = {"identity": drawing.MUTED, "relu": drawing.ACCENT, "tanh": drawing.ORANGE, "selu": drawing.VIOLET}
FLOOR, CEILING = 1e-14, 1e6


def measure() -> dict[str, Any]:
    """Mean square of the layer's activations over that of the input, by depth, a list for each seed."""
    found: dict[str, Any] = {}
    for name in INITIALIZERS:
        curves: dict[str, list[list[float]]] = {each: [] for each in AFTER}
        for seed in range(SEEDS):
            draws = torch.Generator().manual_seed(seed)
            # float64, so that what vanishes is measured and not rounded to zero.
            linears = nn.Sequential(*(nn.Linear(WIDTH, WIDTH) for _ in range(DEPTH))).double()
            initialize_weights(linears, name, generator=draws)
            inputs = torch.randn(ROWS, WIDTH, generator=draws, dtype=torch.float64)
            for after in AFTER:
                curves[after].append(_sizes(linears, activation(after), inputs))
        found[name] = rounded(list(curves.values()))
        found[name] = dict(zip(AFTER, found[name], strict=True))
    return found


@torch.no_grad()
def _sizes(linears: nn.Sequential, act: nn.Module, x: torch.Tensor) -> list[float]:
    start, sizes = x.square().mean().item(), [1.0]
    for linear in linears:
        x = act(linear(x))
        sizes.append(x.square().mean().item() / start)
    return sizes


def draw(numbers: dict[str, Any], folder: Path) -> None:
    """A panel for each initialization, a line for each activation."""
    columns = 4
    rows = -(-len(numbers) // columns)
    with drawing.picture(folder / "initializers.png", rows, columns, height=2.2 * rows) as panels:
        for panel, (name, curves) in zip(panels, numbers.items(), strict=False):
            panel.set(yscale="log", ylim=(FLOOR, CEILING), xlim=(0, DEPTH), yticks=[1e-12, 1e-6, 1, 1e6], xticks=[0, 25, 50])
            panel.set_yticklabels(["10⁻¹²", "10⁻⁶", "1", "10⁶"])
            panel.set_title(name)
            ends = []
            for after, seeds in curves.items():
                # A line that leaves the panel goes on out of sight, and 0 is no place on a logarithmic axis.
                seen = [[max(value, 1e-300) for value in seed] for seed in seeds]
                end = drawing.band(panel, range(DEPTH + 1), seen, AFTER[after])
                ends.append(drawing.End(end, after, AFTER[after]))
            drawing.name_lines(panel, ends, gap=0.1)
        for panel in panels[columns * (rows - 1) :]:
            panel.set_xlabel("layer")


def tell(numbers: dict[str, Any]) -> str:
    """The section."""
    kept = []
    for name, curves in numbers.items():
        last = {after: sorted(seed[-1] for seed in seeds)[len(seeds) // 2] for after, seeds in curves.items()}
        kept.append(f"| {name} | " + " | ".join(words.power(last[after]) for after in AFTER) + " |")
    return (
        "## Initializations\n\n"
        + words.shown(
            "initializers",
            f"Size of a signal through {DEPTH} layers, one panel for each initialization: " + ", ".join(numbers),
            f"How the mean square of a signal changes through {DEPTH} layers of {WIDTH} units, with four activations. A flat "
            "line is what one wants: he for ReLU, lecun for SELU, orthogonal and xavier where nothing bends. A line that "
            "falls to the bottom carries nothing to the last layer, and no gradient back.",
        )
        + f"\nMean square after {DEPTH} layers, 1 at the input; the median of {SEEDS} seeds:\n\n| | "
        + " | ".join(AFTER)
        + " |\n|---|"
        + "---|" * len(AFTER)
        + "\n"
        + "\n".join(kept)
        + "\n"
    )
