"""The size of the batch: how noisy the gradient is, and what that does to the loss."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F

from gallery import drawing, many, words
from leadline.models import mlp

SIZES, DRAWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512), 300
BATCHES = {"one sample": 1, "16": 16, "128": 128, "all rows": 10_000}
RATES = [10 ** (power / 2) for power in range(-5, 3)]
PASSES = 4
FLOOR_RATE, FLOOR_STEPS = 0.03, 1500


def network() -> nn.Module:
    """64-16-10, without normalization: each row has a gradient of its own."""
    return mlp((64,), 10, width=16, depth=1, activation="tanh", batch_norm=False)


def measure() -> dict[str, Any]:
    """Variance by batch size; loss after equal passes at each size's best rate; loss in the end at one constant rate."""
    return {"variance": _variances(), "passes": _passes(), "floor": _floors()}


def _variances() -> dict[str, Any]:
    """E‖g_B − g‖² over that of one row, for batches drawn without replacement, at the first weights."""
    inputs, targets = many.digits()
    curves, slopes = [], []
    for seed in many.SEEDS:
        torch.manual_seed(seed)
        model = network()
        weights = {name: weight.detach() for name, weight in model.named_parameters()}

        def loss(weights: dict[str, Tensor], x: Tensor, t: Tensor, model: nn.Module = model) -> Tensor:
            return F.cross_entropy(functional_call(model, weights, (x[None],)), t[None])

        each = vmap(grad(loss), in_dims=(None, 0, 0))(weights, inputs, targets)
        rows = torch.cat([part.flatten(1) for part in each.values()], dim=1)
        whole, curve = rows.mean(0), []
        for size in SIZES:
            picks = torch.stack([torch.randperm(len(rows))[:size] for _ in range(DRAWS)])
            weight = torch.zeros(DRAWS, len(rows)).scatter_(1, picks, 1 / size)
            curve.append(float((weight @ rows - whole).square().sum(1).mean()))
        curves.append([value / curve[0] for value in curve])
        small = [at for at, size in enumerate(SIZES) if size <= 64]
        slopes.append(many.slope([SIZES[at] for at in small], [curve[at] for at in small]))
    return {"rows": len(targets), "share": many.rounded(curves), "slope": slopes}


def _passes() -> dict[str, Any]:
    rows = many.digits()
    found: dict[str, Any] = {}
    for name, batch in BATCHES.items():
        nets = many.grid(network, RATES, momentum=0.0)
        a_pass = max(1, len(rows[1]) // batch)
        points = sorted({round(a_pass * PASSES * share / 20) for share in range(21)})
        _, curves = many.train(nets, rows, batch=batch, steps=a_pass * PASSES, watch=many.losses(rows), at=points)
        curves = nets.table(curves)
        best = many.best_rate(curves[:, :, -1])
        found[name] = {"rate": many.rounded(RATES[best], 2), "passes": [many.rounded(point / a_pass) for point in points]}
        found[name] |= {"steps": a_pass * PASSES, "loss": many.rounded(curves[best])}
    return found


def _floors() -> dict[str, Any]:
    """At one constant rate and after equal steps: how much the loss still goes up and down."""
    rows, points = many.digits(), list(range(FLOOR_STEPS - 300, FLOOR_STEPS + 1, 10))
    found: dict[str, Any] = {}
    for name, batch in BATCHES.items():
        nets = many.grid(network, [FLOOR_RATE], momentum=0.0)
        _, curves = many.train(nets, rows, batch=batch, steps=FLOOR_STEPS, watch=many.losses(rows), at=points)
        steps = curves.diff(dim=1)
        found[name] = {"mean": many.rounded(curves.mean(1)), "jitter": many.rounded(steps.std(1))}
    return found


def draw(numbers: dict[str, Any], folder: Path) -> None:
    """Variance by size, and loss by passes."""
    colors = dict(zip(BATCHES, (drawing.ORANGE, drawing.ACCENT, drawing.VIOLET, drawing.MUTED), strict=True))
    with drawing.picture(folder / "batches.png", 1, 2, height=2.8) as panels:
        panel, variance = panels[0], numbers["variance"]
        panel.set(xscale="log", yscale="log", xlabel="rows of a batch")
        drawing.band(panel, SIZES, variance["share"], drawing.ACCENT)
        panel.plot(SIZES, [1 / size for size in SIZES], color=drawing.MUTED, linestyle="--", linewidth=1)
        panel.set_xticks([1, 8, 64, 512], ["1", "8", "64", "512"])
        panel.set_title("variance of the gradient, one row = 1")
        drawing.name_lines(
            panel,
            [
                drawing.End(1 / SIZES[-1], "1/B", drawing.MUTED),
                drawing.End(variance["share"][0][-1], "measured", drawing.ACCENT),
            ],
        )
        panel, ends = panels[1], []
        panel.set(yscale="log", xlim=(0, PASSES), ylim=(0.03, 3), xlabel="passes over the data", yticks=[0.1, 1])
        panel.set_yticklabels(["0.1", "1"])
        for name, found in numbers["passes"].items():
            end = drawing.band(panel, found["passes"], found["loss"], colors[name])
            ends.append(drawing.End(end, name if name[0] in "ao" else f"batches of {name}", colors[name]))
        panel.set_title("training loss, digits")
        drawing.name_lines(panel, ends, gap=0.09)


def tell(numbers: dict[str, Any]) -> str:
    """The section."""
    variance, passes, floor = numbers["variance"], numbers["passes"], numbers["floor"]
    last = {name: [seed[-1] for seed in found["loss"]] for name, found in passes.items()}
    share = [seed[-1] * SIZES[-1] for seed in variance["share"]]
    finite = (variance["rows"] - SIZES[-1]) / (variance["rows"] - 1)
    slope = variance["slope"]
    jitter = {name: statistics.mean(found["jitter"]) for name, found in floor.items()}
    ordered = list(jitter.values())
    best = {name: statistics.mean(values) for name, values in last.items()}
    return (
        "## Batch size and noise\n\n"
        + words.shown(
            "batches",
            "Variance of the gradient by batch size, on a straight line of 1/B; training loss over passes for four batch sizes",
            "At the left the noise falls in proportion to the batch, and faster once a batch is a good part of all rows. At "
            "the right the same number of passes over the data, each size at its own best rate: smaller batches take more "
            "steps and get further; all rows at once take one step a pass.",
        )
        + "\n"
        + words.table(
            [
                words.Claim(
                    "The variance of the gradient falls as 1/B",
                    f"digits, 64-16-10 at the start, {DRAWS} batches of each size without replacement, B ≤ 64",
                    f"B to the power {words.spread(slope)}; at B = {SIZES[-1]} it is {words.spread(share)} of 1/B, expected "
                    f"{finite:.2f}, since {SIZES[-1]} of {variance['rows']:,} rows are drawn",
                    words.verdict(abs(statistics.mean(slope) + 1) < 0.1),
                ),
                words.Claim(
                    "For equal work small batches get further than all rows at once",
                    f"training loss after {PASSES} passes, best of {len(RATES)} rates, no momentum",
                    "; ".join(
                        f"{name}: {words.spread(values, 3)} in {passes[name]['steps']:,} steps at rate {passes[name]['rate']:g}"
                        for name, values in last.items()
                    ),
                    words.verdict(
                        max(best["one sample"], best["16"]) < best["all rows"], min(best.values()) < best["all rows"]
                    ),
                ),
                words.Claim(
                    "One sample is the best size for equal work",
                    "the same",
                    f"one sample {words.spread(last['one sample'], 3)}, 16 {words.spread(last['16'], 3)}",
                    words.verdict(best["one sample"] == min(best.values()), best["one sample"] < 1.1 * best["16"]),
                ),
                words.Claim(
                    "At a constant rate noise keeps the loss moving, the more the smaller the batch",
                    f"rate {FLOOR_RATE}, steps {FLOOR_STEPS - 300:,} to {FLOOR_STEPS:,}: deviation of the change in 10 steps",
                    "; ".join(f"{name}: {words.power(value)}" for name, value in jitter.items()),
                    words.verdict(ordered == sorted(ordered, reverse=True)),
                ),
            ]
        )
        + "\n"
    )
