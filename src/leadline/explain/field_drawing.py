"""The receptive field as a picture: what a unit can see, and what of it really counts."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError, unknown
from leadline.explain.field_records import Field, ReceptiveFields
from leadline.explain.fields import receptive_field

_STYLES = {".svg", ".png", ".pdf"}


def effective_field(
    module: nn.Module,
    shape: Sequence[int],
    *,
    layer: str | None = None,
    unit: Sequence[int] | None = None,
    samples: int = 16,
    seed: int = 0,
) -> Tensor:
    """How much each place of the input moves one unit: the mean size of the gradient over random inputs.

    w(p) = mean over samples of √Σ_c (∂u/∂x[c, p])², u being the sum of the unit over its channels with random signs; scaled so
    that Σₚ w(p) = 1. In a deep network most of the field hardly counts: w falls off from the middle like a bell.

    Shapes: an input [C, *space] → [*space], float32 on the CPU.

    Args:
        module: the network, used as it is, in evaluation.
        shape: of one sample, channels first.
        layer: whose unit it is; that of the last map when left out.
        unit: its place on the map; the one in the middle when left out.
        samples: normal random inputs, at least 1.
        seed: of the inputs and signs.

    Errors: `ArgumentError` for an unknown layer, a layer that is no map, or a unit outside of it.

    Example:
        >>> net = nn.Sequential(nn.Conv1d(1, 8, 3, padding=1), nn.Tanh(), nn.Conv1d(8, 8, 3, padding=1))
        >>> weights = effective_field(net, (1, 11))
        >>> (weights > 0).nonzero().flatten().tolist(), round(weights.sum().item(), 4)
        ([3, 4, 5, 6, 7], 1.0)

    Source: Luo, Li, Urtasun and Zemel (2016), Understanding the effective receptive field in deep convolutional networks.
    """
    if samples < 1:
        raise ArgumentError("A mean needs samples", expected="at least 1", got=samples)
    modules = dict(module.named_modules())
    name = _last_map(receptive_field(module, shape), modules) if layer is None else layer
    if name not in modules:
        unknown("layer", name, [each for each in modules if each])
    own = next(module.parameters(), torch.empty(0))
    dtype = own.dtype if own.is_floating_point() else torch.float32
    generator = torch.Generator().manual_seed(seed)
    kept: list[Tensor] = []
    handle = modules[name].register_forward_hook(lambda _, __, output: kept.append(output))
    modes = [(each, each.training) for each in module.modules()]
    total = torch.zeros(tuple(shape[1:]), dtype=torch.float64)
    try:
        module.eval()
        for _ in range(samples):
            kept.clear()
            x = torch.randn(1, *shape, generator=generator).to(own.device, dtype).requires_grad_()
            with torch.enable_grad():
                module(x.clone())
                chosen = _unit(kept[-1] if kept else None, unit, name)
                signs = (torch.randint(0, 2, chosen.shape, generator=generator) * 2 - 1).to(chosen)
                (gradient,) = torch.autograd.grad((chosen * signs).sum(), x)
            total += gradient[0].double().cpu().square().sum(0).sqrt()
    finally:
        handle.remove()
        for each, training in modes:
            each.training = training
    return (total / total.sum().clamp_min(torch.finfo(torch.float64).tiny)).float()


def draw_receptive_field(
    module: nn.Module,
    shape: Sequence[int],
    path: Path | str,
    *,
    layer: str | None = None,
    unit: Sequence[int] | None = None,
    samples: int = 16,
    seed: int = 0,
) -> Path:
    """Write a picture of what a unit can see (a frame) and how much each place of it counts (its shade).

    Of an input with one axis it is a curve over a band; of one with three, the slice through the middle of the field.

    Args:
        module: the network.
        shape: of one sample: [C, L], [C, H, W] or [C, D, H, W].
        path: of the picture; its ending, .svg, .png or .pdf, says what it becomes.
        layer: as in `effective_field`; it must be a layer, not a function between layers.
        unit: as in `effective_field`.
        samples: as in `effective_field`.
        seed: as in `effective_field`.

    Errors: `ArgumentError` for what `effective_field` refuses, another ending, or an input without space.

    Example:
        >>> import tempfile
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
        >>> draw_receptive_field(net, (1, 16, 16), tempfile.mkdtemp() + "/field.svg").name
        'field.svg'

    Source: Luo, Li, Urtasun and Zemel (2016), Understanding the effective receptive field in deep convolutional networks.
    """
    target = Path(path)
    if target.suffix.lower() not in _STYLES:
        raise ArgumentError(
            "A picture cannot be written to this file", expected="a name in .svg, .png or .pdf", got=target.name
        )
    if len(shape) not in (2, 3, 4):
        raise ArgumentError("There is no space to draw", expected="[C, L], [C, H, W] or [C, D, H, W]", got=list(shape))
    fields = receptive_field(module, shape)
    name = _last_map(fields, dict(module.named_modules())) if layer is None else layer
    weights = effective_field(module, shape, layer=name, unit=unit, samples=samples, seed=seed)
    field = fields.of(name)
    place = unit if unit is not None else [each.shape[0] // 2 for each in _spans(field)]
    seen = field.seen_by(*place)
    whose = f"layer {name}" if name else type(module).__name__
    _paint(weights, seen, f"{whose} sees {_size(field)},\n{_share(weights)}", target)
    return target


def _paint(weights: Tensor, seen: Sequence[tuple[int, int]], title: str, target: Path) -> None:
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    depth = ""
    if weights.ndim == 3:
        middle = (seen[0][0] + seen[0][1]) // 2
        weights, seen, depth = weights[middle], seen[1:], f", slice {middle}"
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": title, "font.size": 9}):
        figure = Figure(figsize=(4.4, 4.0 if weights.ndim == 2 else 2.6), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.set_title(title + depth, fontsize=9)
        if weights.ndim == 1:
            axes.axvspan(seen[0][0] - 0.5, seen[0][1] + 0.5, color="#0b7285", alpha=0.15, linewidth=0, label="can see")
            axes.step(range(len(weights)), weights.tolist(), where="mid", color="#0b7285", label="counts")
            axes.set(xlabel="place", ylabel="share of the gradient", ylim=(0, None))
            axes.legend(frameon=False)
        else:
            image = axes.imshow(weights.numpy(), cmap="magma", interpolation="nearest")
            (top, bottom), (left, right) = seen
            corner, width, height = (left - 0.5, top - 0.5), right - left + 1, bottom - top + 1
            axes.add_patch(Rectangle(corner, width, height, fill=False, edgecolor="#2fc6dc", linewidth=1.6))
            # A field that covers the input would have its frame cut in half by the border.
            axes.set(xlim=(-1.5, weights.shape[1] + 0.5), ylim=(weights.shape[0] + 0.5, -1.5), xlabel="column", ylabel="row")
            figure.colorbar(image, ax=axes, label="share of the gradient", shrink=0.85)
        kept: dict[str, Any] = {"metadata": {"Date": None}} if target.suffix.lower() == ".svg" else {}
        figure.savefig(target, **kept)


def _share(weights: Tensor) -> str:
    """How few places make up nine tenths of what counts."""
    falling = weights.flatten().double().sort(descending=True).values
    few = int((falling.cumsum(0) < 0.9 * falling.sum()).sum()) + 1
    return f"90 % of the gradient in {few:,} place{'s' if few > 1 else ''}"


def _size(field: Field) -> str:
    return "the whole input" if field.whole else "×".join(map(str, field.size))


def _spans(field: Field) -> list[Tensor]:
    return [torch.tensor(axis.first) for axis in field.axes]


def _last_map(fields: ReceptiveFields, modules: dict[str, nn.Module]) -> str:
    """The last layer that still has several units side by side."""
    for row in reversed(fields.rows):
        if row.name in modules and row.field is not None and not row.field.whole and all(row.field.stride):
            return row.name
    raise ArgumentError("No layer of the network has a map, each unit sees the whole input")


def _unit(output: Any, unit: Sequence[int] | None, name: str) -> Tensor:
    """The channels of one unit."""
    if not isinstance(output, Tensor) or output.ndim < 3:
        raise ArgumentError(
            f"The layer {name!r} has no map",
            expected="an output [B, C, *space]",
            got=list(output.shape) if isinstance(output, Tensor) else type(output).__name__,
        )
    space = output.shape[2:]
    place = [size // 2 for size in space] if unit is None else [int(at) for at in unit]
    if len(place) != len(space) or not all(0 <= at < size for at, size in zip(place, space, strict=True)):
        raise ArgumentError(f"The layer {name!r} has no such unit", expected=f"a place on a map of {list(space)}", got=place)
    return functools.reduce(lambda left, at: left.select(1, at), place, output[0])
