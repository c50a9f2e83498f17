"""Restarts: which share of random starts finds the lower minimum, and how sure k of them are."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from gallery import drawing, many, words
from gallery.paths import contours
from gallery.surfaces import Place, height
from leadline.training.population import Candidate, Population

SIDE = 40  # starts along each side of the plane
AROUND = 2.0
KINDS = {"sgd, no momentum": ("sgd", 0.0, 0.02), "sgd": ("sgd", 0.9, 0.02), "adam": ("adam", 0.9, 0.05)}
STEPS = 300
SOLVED, XOR_STEPS, XOR_NETS = 0.05, 1500, 60
TRIES = (1, 2, 4, 8, 16)


def measure() -> dict[str, Any]:
    """Where descents from a grid of starts end; and how many small networks learn XOR from random weights."""
    places = torch.linspace(-AROUND, AROUND, SIDE)
    starts = [(x, y) for y in places.tolist() for x in places.tolist()]
    basins = {}
    for name, (text, momentum, rate) in KINDS.items():
        candidates = [Candidate(Place("two wells", x, y), rate, momentum) for x, y in starts]
        population = Population(candidates, height, optimizer=text)
        nothing = (torch.zeros(len(starts), 1, 1), torch.zeros(len(starts), 1))
        for _ in range(STEPS):
            population(nothing, None)  # type: ignore[arg-type]
        ends = population.live.trained[:, 0]
        basins[name] = {"lower": (ends < 0).int().tolist(), "share": many.rounded((ends < 0).float().mean())}
    # The starts in a random order, a fifth of them for each seed.
    order = torch.randperm(len(starts), generator=torch.Generator().manual_seed(0)).tolist()
    lower = basins["sgd, no momentum"]["lower"]
    fifths = [[lower[start] == 1 for start in order[seed :: len(many.SEEDS)]] for seed in many.SEEDS]
    return {"basins": basins, "wells": _successes(fifths), "xor": _successes(_xor())}


def _successes(seeds: list[list[bool]]) -> dict[str, Any]:
    """For each seed the share that succeeds, and the share of groups of k, with nothing in common, of which any does."""
    groups = [[[each[at : at + k] for at in range(0, len(each) - k + 1, k)] for k in TRIES] for each in seeds]
    return {
        "share": many.rounded([_mean(each) for each in seeds]),
        "any_of": many.rounded([[_mean(any(group) for group in of_k) for of_k in each] for each in groups]),
    }


def _xor() -> list[list[bool]]:
    """Networks with two hidden units, one population a seed: which of them have a loss below `SOLVED` in the end."""
    inputs = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]) * 2 - 1
    targets = torch.tensor([0, 1, 1, 0])
    solved = []
    for seed in many.SEEDS:
        nets = many.grid(
            lambda: nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2)),
            [0.1],
            seeds=range(seed * XOR_NETS, (seed + 1) * XOR_NETS),
        )
        _, final = many.train(
            nets,
            (inputs, targets),
            batch=4,
            steps=XOR_STEPS,
            watch=many.losses((inputs, targets)),
            at=[XOR_STEPS],
            loss=F.cross_entropy,
        )
        solved.append((final[:, 0] < SOLVED).tolist())
    return solved


def draw(numbers: dict[str, Any], folder: Path) -> None:
    """Starts colored by where they end; and success against the number of restarts."""
    with drawing.picture(folder / "restarts.png", 1, 4, height=2.5) as panels:
        places = np.linspace(-AROUND, AROUND, SIDE)
        x, y = (each.ravel() for each in np.meshgrid(places, places))
        for panel, (name, found) in zip(panels, numbers["basins"].items(), strict=False):
            lower = np.array(found["lower"], dtype=bool)
            panel.scatter(x[lower], y[lower], s=4, color=drawing.ACCENT, linewidths=0)
            panel.scatter(x[~lower], y[~lower], s=4, color="#e6c9bd", linewidths=0)
            contours(panel, "two wells")
            panel.set(xlim=(-AROUND, AROUND), ylim=(-AROUND, AROUND))
            panel.set_title(f"{name}: {100 * found['share']:.0f} %", fontsize=9)
        panel = panels[3]
        for key, name, color, offset in (
            ("xor", "XOR", drawing.ACCENT, (-6, 17)),
            ("wells", "lower minimum", drawing.ORANGE, (2, -16)),
        ):
            found, p = numbers[key], _mean(numbers[key]["share"])
            k = np.geomspace(TRIES[0], TRIES[-1], 100)
            panel.plot(k, 100 * (1 - (1 - p) ** k), color=color, linewidth=1, linestyle="--")
            by_k = [[100 * value for value in of_k] for of_k in zip(*found["any_of"], strict=True)]
            panel.vlines(TRIES, [min(each) for each in by_k], [max(each) for each in by_k], color=color, alpha=0.4)
            panel.plot(TRIES, [_mean(each) for each in by_k], "o", color=color, markersize=4)
            panel.annotate(name, (1, 100 * p), offset, textcoords="offset points", color=color, fontsize=8.5)
        panel.set(ylim=(0, 106), xlabel="restarts", yticks=[0, 50, 100])
        panel.set_xscale("log", base=2)
        panel.set_xticks(TRIES, [str(each) for each in TRIES])
        panel.set_title("success of the best, %", fontsize=9)


def _mean(values: Any) -> float:
    return float(statistics.mean(values))


def tell(numbers: dict[str, Any]) -> str:
    """The section."""

    def best_of(key: str, k: int) -> tuple[str, bool]:
        """What k restarts give, in words, and whether it is what is expected."""
        found = numbers[key]
        expected = 1 - (1 - _mean(found["share"])) ** k
        best = [seed[TRIES.index(k)] for seed in found["any_of"]]
        text = f"one {words.percent(found['share'])}, best of {k} {words.percent(best)}, expected {100 * expected:.1f} %"
        return text, abs(_mean(best) - expected) < 0.05

    wells, xor = best_of("wells", 4), best_of("xor", 2)
    shares = [found["share"] for found in numbers["basins"].values()]
    return (
        "## Restarts\n\n"
        + words.shown(
            "restarts",
            "Starts on the surface with two minima, colored by the minimum they end in, for three optimizers; and the share "
            "of groups of restarts of which at least one finds the lower minimum, or learns XOR",
            f"Each of {SIDE * SIDE:,} starts is colored by where it ends: blue in the lower minimum, pale in the higher one. "
            "Plain descent ends in the valley it starts in; momentum moves the border, and from steep slopes it overshoots "
            "into the other valley. At the right the best of k random starts, on this surface and for a network with two "
            "hidden units that learns XOR: dots are measured, the dashes are 1 − (1 − p)ᵏ.",
        )
        + "\n"
        + words.table(
            [
                words.Claim(
                    "Which minimum is found depends on the start, hardly on the optimizer",
                    f"two wells, {SIDE * SIDE:,} starts on a grid, {STEPS} steps",
                    "the lower one is found by "
                    + ", ".join(f"{100 * found['share']:.0f} % with {name}" for name, found in numbers["basins"].items()),
                    words.verdict(max(shares) - min(shares) < 0.1, max(shares) < 0.9),
                ),
                words.Claim(
                    "Of k random starts the best finds the lower minimum with probability 1 − (1 − p)ᵏ",
                    f"two wells, plain descent, five times {SIDE * SIDE // 5} starts",
                    wells[0],
                    words.verdict(wells[1]),
                ),
                words.Claim(
                    "The same for a network's first weights",
                    f"XOR, 2 hidden tanh units, SGD with momentum, {XOR_STEPS:,} steps, five times {XOR_NETS} networks",
                    xor[0],
                    words.verdict(xor[1]),
                ),
            ]
        )
        + "\n"
    )
