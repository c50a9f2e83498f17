"""Depths: where a network can be cut with sense, from the first stage to what its head sees."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import nn

from leadline.errors import ArgumentError
from leadline.transfer.passing import Call, calls_of

_WRAPPER = 0.8  # of all parameters in one module: that is the network, and what is around it only holds it
_MOST = 5
_SHRINKS = 1.5  # times fewer cells; the rim that a convolution without padding takes off is no new stage
_WIDEST = 1024  # features of a grid


@dataclass(frozen=True)
class Depth:
    """A place to cut: its name, the layer as `cut` takes it, the shape of what leaves there, and the grid to average it over.

    Example:
        >>> Depth("late", "before head", (64,), 1).features
        64
    """

    name: str
    layer: str
    shape: tuple[int, ...]
    grid: int = 1

    @property
    def features(self) -> int:
        if len(self.shape) == 3:
            return self.shape[0] * min(self.grid, *self.shape[1:]) ** 2
        return self.shape[-1] if len(self.shape) < 3 else self.shape[0]


def cut_depths(model: nn.Module, shape: Sequence[int]) -> list[Depth]:
    """The ends of a network's stages, at most five, the earliest first; the last is what its head sees.

    A stage ends where maps get smaller, or, in a network without such places, before each layer
    with a matrix of weights. The early depths
    have maps averaged over a grid of up to 4 × 4 cells, because where something lies still matters there and their channels are
    few; the last is averaged as a whole.

    Args:
        model: any network.
        shape: of one input, without the batch.

    Errors: `ArgumentError` where no layer with weights comes before the head, or the network cannot take such inputs.

    Example:
        >>> from leadline.models import resnet18
        >>> [(depth.name, depth.layer, depth.features) for depth in cut_depths(resnet18(classes=5), (3, 64, 64))][1:]
        [('stage 2', 'layer1', 1024), ('middle', 'layer2', 512), ('stage 4', 'layer3', 1024), ('late', 'before fc', 512)]
    """
    calls = calls_of(model, shape)
    units = units_of(model, calls)
    head = head_call(model, calls)
    limit = calls[-1].ended if head is None else head.begun
    body = [call for call in units if call.ended < limit and call.left]
    weights = {call.name: _weights(model.get_submodule(call.name)) for call in body}
    late = ("", calls[-1].left[1:]) if head is None else (f"before {head.name}", head.entered[1:])
    mixes = {call.name: any(each.ndim > 1 for each in model.get_submodule(call.name).parameters()) for call in body}
    inner = [(_outermost(call, calls), call.left[1:]) for call in _ends(body, weights, mixes)]
    if not any(weights.values()) and not _weighted_before(model, calls, limit):
        raise ArgumentError(
            "The network has no layer with weights before its head, so it has no features to keep",
            do="Take another network, or train from scratch.",
        )
    chosen = _thinned([*inner, late])
    return [
        Depth(_name(at, len(chosen)), layer, left, _grid(left) if at < len(chosen) - 1 else 1)
        for at, (layer, left) in enumerate(chosen)
    ]


def units_of(model: nn.Module, calls: Sequence[Call]) -> list[Call]:
    """The blocks that a network is a chain of: containers are looked into, and so is what holds nearly all of the weights."""
    first: dict[str, Call] = {}
    for call in calls:
        first.setdefault(call.name, call)
    units, whole = list(_expanded(model, "", first)), _weights(model)
    while True:
        for at, unit in enumerate(units):
            module = model.get_submodule(unit.name)
            inner = list(_expanded(module, unit.name + ".", first))
            if len(inner) > 1 and _weights(module) > _WRAPPER * whole:
                units[at : at + 1] = inner
                break
        else:
            return sorted(units, key=lambda call: call.begun)


def _expanded(module: nn.Module, prefix: str, first: dict[str, Call]) -> Iterator[Call]:
    for name, child in module.named_children():
        full = prefix + name
        if full in first and type(child) is not nn.Sequential:
            yield first[full]
        else:
            yield from _expanded(child, full + ".", first)


def head_call(model: nn.Module, calls: Sequence[Call]) -> Call | None:
    """The last layer with weights, where it is what gives the outputs; None for a network that ends with features."""
    weighted = [call for call in calls if any(True for _ in model.get_submodule(call.name).parameters(recurse=False))]
    if not weighted or not calls[-1].left or len(calls[-1].left) != 2:
        return None
    last = max(weighted, key=lambda call: call.ended)
    module, outputs = model.get_submodule(last.name), calls[-1].left[1]
    if isinstance(module, nn.Linear):
        return last if module.out_features == outputs else None
    if isinstance(module, nn.Conv2d) and set(module.kernel_size) == {1}:
        return last if module.out_channels == outputs else None
    return None


def _ends(body: list[Call], weights: dict[str, int], mixes: dict[str, bool]) -> list[Call]:
    """The calls after which a stage is over; what only pools before the head is no stage of its own."""
    since, ends = 0, []
    for at, call in enumerate(body[:-1]):
        since += weights[call.name]
        shrinks = _SHRINKS * _cells(body[at + 1].left) <= _cells(call.left)
        if since and shrinks and any(weights[later.name] for later in body[at + 1 :]):
            ends.append(call)
            since = 0
    if ends:
        return ends
    return [
        call
        for at, call in enumerate(body[:-1])
        if mixes[body[at + 1].name] and any(weights[before.name] for before in body[: at + 1])
    ]


def _outermost(call: Call, calls: Sequence[Call]) -> str:
    """The name of the largest module that ends with this call and gives what it gave: a stage rather than its last block."""
    by_end = {each.ended: each for each in calls if each.name}
    while (around := by_end.get(call.ended + 1)) is not None and call.name.startswith(around.name + "."):
        call = around
    return call.name


def _cells(shape: tuple[int, ...]) -> int:
    return math.prod(shape[2:]) if len(shape) == 4 else 1


def _weights(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def _weighted_before(model: nn.Module, calls: Sequence[Call], limit: int) -> bool:
    own = (call for call in calls if call.begun < limit and call.ended < limit)
    return any(_weights(model.get_submodule(call.name)) for call in own)


def _thinned(places: list[tuple[str, tuple[int, ...]]]) -> list[tuple[str, tuple[int, ...]]]:
    if len(places) <= _MOST:
        return places
    return [places[round(at * (len(places) - 1) / (_MOST - 1))] for at in range(_MOST)]


def _grid(shape: tuple[int, ...]) -> int:
    return next((cells for cells in (4, 2) if len(shape) == 3 and shape[0] * cells**2 <= _WIDEST), 1)


def _name(at: int, count: int) -> str:
    if at == count - 1:
        return "late"
    if at == 0:
        return "early"
    return "middle" if at == count // 2 else f"stage {at + 1}"
