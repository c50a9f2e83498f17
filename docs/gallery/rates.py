"""Adam against SGD: steps to a given loss, each at its best rate, on problems that are well and badly conditioned."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gallery import drawing, many, words
from leadline.models import mlp

SIZE, STEPS = 20, 2000
RATES = [10 ** (power / 4) for power in range(-12, 5)]
OPTIMIZERS = {"SGD": ("sgd", 0.0), "SGD, momentum": ("sgd", 0.9), "Adam": ("adam", 0.9)}
GOAL = 1e-4  # of the loss at the start
# Name → the eigenvalues of the Hessian from 1 down to this, and whether they lie along the weights.
PROBLEMS = {"well": (0.5, True), "ill, along the weights": (1e-3, True), "ill, turned": (1e-3, False)}
DIGITS_STEPS, DIGITS_GOAL, DIGITS_RATES = 400, 0.1, [10 ** (power / 2) for power in range(-7, 1)]
DIGITS_AT = list(range(0, DIGITS_STEPS + 1, 10))


def quadratic(least: float, along: bool, seed: int) -> tuple[Tensor, Tensor]:
    """Rows X [SIZE, SIZE] and targets Xw*, such that the mean squared error has the Hessian R diag(λ) Rᵀ."""
    draws = torch.Generator().manual_seed(seed)
    eigenvalues = torch.logspace(0, math.log10(least), SIZE)
    turn = torch.eye(SIZE) if along else torch.linalg.qr(torch.randn(SIZE, SIZE, generator=draws)).Q
    # The mean over SIZE rows of (xw − t)² has the Hessian 2/SIZE XᵀX.
    rows = math.sqrt(SIZE / 2) * eigenvalues.sqrt()[:, None] * turn.T
    return rows, rows @ torch.randn(SIZE, generator=draws)


def squared(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error of one number."""
    return (outputs.squeeze(-1) - targets).square().mean()


def line() -> nn.Module:
    """A linear model that starts at 0."""
    model = nn.Linear(SIZE, 1, bias=False)
    nn.init.zeros_(model.weight)
    return model


def measure() -> dict[str, Any]:
    """Steps to the goal on three quadratics and on digits, for each optimizer at its best rate."""
    found: dict[str, Any] = {}
    at = list(range(STEPS + 1))
    for problem, (least, along) in PROBLEMS.items():
        sets = [quadratic(least, along, seed) for seed in many.SEEDS]
        rows = torch.stack([x for x, _ in sets]), torch.stack([t for _, t in sets])
        found[problem] = {}
        for name, (text, momentum) in OPTIMIZERS.items():
            nets = many.grid(line, RATES, momentum=momentum)
            which = torch.tensor(nets.seeds)

            def watch(population: Any, which: Tensor = which, rows: tuple[Tensor, Tensor] = rows) -> Tensor:
                outputs = torch.einsum("and,ad->an", rows[0][which], population.live.trained)
                return (outputs - rows[1][which]).square().mean(1)

            _, curves = many.train(nets, rows, batch=SIZE, steps=STEPS, optimizer=text, loss=squared, watch=watch, at=at)
            curves = nets.table(curves / curves[:, :1])
            found[problem][name] = _best(curves, at, GOAL, RATES)
    return {"quadratic": found, "digits": _digits()}


def _digits() -> dict[str, Any]:
    found, rows = {}, many.digits()
    for name, (text, momentum) in OPTIMIZERS.items():
        nets = many.grid(lambda: mlp((64,), 10, width=32, depth=1, batch_norm=False), DIGITS_RATES, momentum=momentum)
        _, curves = many.train(nets, rows, batch=32, steps=DIGITS_STEPS, optimizer=text, watch=many.losses(rows), at=DIGITS_AT)
        found[name] = _best(nets.table(curves), DIGITS_AT, DIGITS_GOAL, DIGITS_RATES)
    return found


def _best(curves: Tensor, at: list[int], goal: float, rates: list[float]) -> dict[str, Any]:
    """What the rate gives that reaches the goal first, on the average over the seeds; a seed that never does counts double."""
    steps = many.steps_to(curves, at, goal)
    best = many.best_rate(steps.clamp_max(2.0 * at[-1]))
    # Of many points those that are evenly spaced in the logarithm of time.
    shown = range(len(at)) if len(at) < 100 else sorted({round(len(at) ** (part / 60)) - 1 for part in range(1, 61)})
    return {
        "rate": many.rounded(rates[best], 2),
        "steps": many.rounded(steps[best]),
        "at": [at[each] for each in shown],
        "curve": many.rounded(curves[best][:, list(shown)], 3),
    }


def draw(numbers: dict[str, Any], folder: Path) -> None:
    """The loss over the steps on each problem."""
    colors = dict(zip(OPTIMIZERS, (drawing.MUTED, drawing.ORANGE, drawing.ACCENT), strict=True))
    problems = numbers["quadratic"] | {"digits": numbers["digits"]}
    with drawing.picture(folder / "adam.png", 2, 2, height=4.2) as panels:
        for panel, (problem, curves) in zip(panels, problems.items(), strict=True):
            digits = problem == "digits"
            panel.set(yscale="log", ylim=(0.01, 3) if digits else (1e-6, 2))
            goal = DIGITS_GOAL if digits else GOAL
            panel.axhline(goal, color=drawing.INK, linewidth=0.8, linestyle=":")
            ends = []
            for name, found in curves.items():
                low, high = panel.get_ylim()
                # A network that has diverged is above the panel, and a loss of zero below it.
                seen = [[high * 10 if value is None else max(value, low / 10) for value in seed] for seed in found["curve"]]
                end = drawing.band(panel, found["at"], seen, colors[name])
                ends.append(drawing.End(min(max(end, low), high), name, colors[name]))
            if digits:
                panel.set_xlim(0, DIGITS_STEPS)
            else:
                panel.set(xscale="log", xlim=(1, STEPS))
            panel.set_title("digits, batches of 32" if digits else f"quadratic, {problem.replace('well', 'well conditioned')}")
            drawing.name_lines(panel, ends, gap=0.1)
        for panel in panels[2:]:
            panel.set_xlabel("steps")


def tell(numbers: dict[str, Any]) -> str:
    """The section."""

    def told(steps: list[float | None]) -> str:
        there = [step for step in steps if step is not None]
        return words.spread(there, 0) if len(there) == len(steps) else f"{len(there)} of {len(steps)} seeds arrive"

    def mean(found: dict[str, Any]) -> float:
        return statistics.mean(math.inf if step is None else step for step in found["steps"])

    def said(curves: dict[str, Any]) -> str:
        return ", ".join(f"{name} {told(found['steps'])} (rate {found['rate']:g})" for name, found in curves.items())

    def gain(curves: dict[str, Any]) -> float:
        return min(mean(curves["SGD"]), mean(curves["SGD, momentum"])) / mean(curves["Adam"])

    texts = {
        "well": "Adam needs fewer steps than SGD where all directions are alike",
        "ill, along the weights": "Adam needs fewer steps where the weights have different scales",
        "ill, turned": "Adam needs fewer steps on any badly conditioned problem",
    }
    quadratic = numbers["quadratic"]
    claims = [
        words.Claim(
            texts[problem],
            f"quadratic of {SIZE} weights, curvatures from 1 to {least:g}"
            + ("" if along else ", turned at random")
            + f"; steps to {GOAL:g} of the first loss",
            said(quadratic[problem]),
            words.verdict(gain(quadratic[problem]) > 1.1, gain(quadratic[problem]) > 0.95),
        )
        for problem, (least, along) in PROBLEMS.items()
    ]
    digits = numbers["digits"]
    claims.append(
        words.Claim(
            "Adam needs fewer steps on a network",
            f"digits, 64-32-10, batches of 32; steps to a training loss of {DIGITS_GOAL:g}",
            said(digits),
            words.verdict(gain(digits) > 1.1, gain(digits) > 0.95),
        )
    )
    return (
        "## Adam against SGD\n\n"
        + words.shown(
            "adam",
            "Loss over the steps for SGD, SGD with momentum and Adam on three quadratics and on digits",
            "Each at the rate that reaches the dotted line first. Adam measures each weight by itself, so what helps it is "
            "curvature along the weights; the same curvature turned to lie across them is what it cannot see. At such a rate "
            "it may rise above the line again: after long calm its steps are large. Momentum is 0.9.",
        )
        + "\n"
        + words.table(claims)
        + "\n"
    )
