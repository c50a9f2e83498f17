"""Random graphs of windowed layers for the tests of the receptive field, with weights and pools that cannot cancel."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d}
MAXIMA = {1: nn.MaxPool1d, 2: nn.MaxPool2d}
MEANS = {1: nn.AvgPool1d, 2: nn.AvgPool2d}


class Branches(nn.Module):
    """Two paths from one input, added or concatenated; where their maps differ in size, the beginning of each counts."""

    def __init__(self, paths: list[nn.Module], how: str) -> None:
        super().__init__()
        self.paths, self.how = nn.ModuleList(paths), how

    def forward(self, x: Tensor) -> Tensor:
        outputs = [path(x) for path in self.paths]
        # Paths whose strides differ give maps that grow apart, and a union that looks different everywhere.
        self.apart = max(each.shape[2] for each in outputs) / max(1, min(each.shape[2] for each in outputs))
        smallest = [min(sizes) for sizes in zip(*(each.shape[2:] for each in outputs), strict=True)]
        cut = [each[(slice(None), slice(None), *(slice(size) for size in smallest))] for each in outputs]
        if self.how == "cat":
            return torch.cat(cut, dim=1)
        return sum(cut[1:], start=cut[0]) if all(each.shape[1] == cut[0].shape[1] for each in cut) else torch.cat(cut, dim=1)


class Every(nn.Module):
    """Each second place, beginning at some."""

    def __init__(self, first: int) -> None:
        super().__init__()
        self.first = first

    def forward(self, x: Tensor) -> Tensor:
        return x[..., self.first :: 2]


@st.composite
def layers(draw: st.DrawFn, sides: int, channels: int, *, shift_invariant: bool) -> tuple[nn.Module, int]:
    """One layer and the channels it gives."""
    kinds = ["conv", "conv", "depthwise", "max", "mean", "transposed", "nearest", "relu", "linear", "zero_pad"]
    if not shift_invariant:
        kinds += ["reflect", "replicate", "circular", "every", "adaptive", "corners", "norm"]
    kind = draw(st.sampled_from(kinds))
    kernel, stride, dilation = (
        [draw(st.integers(1, 3)) for _ in range(sides)],
        [draw(st.integers(1, 2)) for _ in range(sides)],
        [draw(st.integers(1, 2)) for _ in range(sides)],
    )
    padding = [draw(st.integers(0, 2)) for _ in range(sides)]
    modes = {1: "linear", 2: "bilinear"}
    match kind:
        case "conv" | "depthwise":
            filters = channels if kind == "depthwise" else draw(st.sampled_from([2, 4]))
            groups = channels if kind == "depthwise" else draw(st.sampled_from([1, 2]))
            layer = CONVOLUTIONS[sides](channels, filters, kernel, stride, padding, dilation, groups)
            return layer, filters
        case "transposed":
            return TRANSPOSED[sides](
                channels, 2, kernel, stride, [min(p, k - 1) for p, k in zip(padding, kernel, strict=True)]
            ), 2
        case "max":
            fitting = [min(p, k // 2) for p, k in zip(padding, kernel, strict=True)]
            return MAXIMA[sides](kernel, stride, fitting, ceil_mode=draw(st.booleans())), channels
        case "mean":
            fitting = [min(p, k // 2) for p, k in zip(padding, kernel, strict=True)]
            return MEANS[sides](kernel, stride, fitting, ceil_mode=draw(st.booleans())), channels
        case "nearest":
            return nn.Upsample(scale_factor=draw(st.integers(2, 3)), mode="nearest"), channels
        case "linear":
            return nn.Upsample(scale_factor=2, mode=modes[sides]), channels
        case "corners":
            return nn.Upsample(size=[7] * sides, mode=modes[sides], align_corners=True), channels
        case "zero_pad":
            return nn.ConstantPad1d((1, 2), 0.0), channels
        case "reflect" | "replicate" | "circular":
            return CONVOLUTIONS[sides](channels, 2, 3, padding=1, padding_mode=kind), 2
        case "every":
            return Every(draw(st.integers(0, 1))), channels
        case "adaptive":
            kinds_of = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d}
            return kinds_of[sides](draw(st.integers(1, 4))), channels
        case "norm":
            return nn.GroupNorm(1, channels), channels
        case _:
            return nn.ReLU(), channels


@st.composite
def networks(draw: st.DrawFn, sides: int, *, shift_invariant: bool = False) -> nn.Module:
    """A chain of layers and of branches; two channels go in."""
    channels, parts = 2, []
    for _ in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            layer, channels = draw(layers(sides, channels, shift_invariant=shift_invariant))
            parts.append(layer)
            continue
        paths, widths = [], []
        for _ in range(2):
            path, width = [], channels
            for _ in range(draw(st.integers(0, 2))):
                layer, width = draw(layers(sides, width, shift_invariant=shift_invariant))
                path.append(layer)
            paths.append(nn.Sequential(*path))
            widths.append(width)
        how = draw(st.sampled_from(["add", "cat"]))
        channels = sum(widths) if how == "cat" or len(set(widths)) > 1 else widths[0]
        parts.append(Branches(paths, how))
    return nn.Sequential(*parts)


def positive(network: nn.Module) -> nn.Module:
    """The same geometry, with gradients that are positive wherever there is a path: weights of 1, means in place of maxima.

    A normalization passes its input on: its statistics are not counted by default.
    """
    for name, child in list(network.named_children()):
        replaced: Any = child
        if isinstance(child, (nn.MaxPool1d, nn.MaxPool2d)):
            kind = nn.AvgPool1d if isinstance(child, nn.MaxPool1d) else nn.AvgPool2d
            replaced = kind(child.kernel_size, child.stride, child.padding, child.ceil_mode)
        elif isinstance(child, (nn.ReLU, nn.GroupNorm)):
            replaced = nn.Identity()
        setattr(network, name, positive(replaced))
    for parameter in network.parameters():
        nn.init.ones_(parameter)
    return network.double()


def measured(network: nn.Module, shape: tuple[int, ...], units: list[tuple[int, ...]]) -> list[tuple[tuple[int, int], ...]]:
    """First and last place with a gradient along each axis, for each unit of the output map; (0, -1) for none."""
    x = torch.rand(1, *shape, dtype=torch.float64, requires_grad=True)
    output = network(x).sum(1)[0]
    found = []
    for unit in units:
        (gradient,) = torch.autograd.grad(output[unit], x, retain_graph=True)
        reached = gradient[0].sum(0) > 0
        spans = []
        for axis in range(reached.ndim):
            others = [each for each in range(reached.ndim) if each != axis]
            places = (reached.any(others[0]) if others else reached).nonzero().flatten().tolist()
            spans.append((places[0], places[-1]) if places else (0, -1))
        found.append(tuple(spans))
    return found
