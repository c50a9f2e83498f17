"""Cutting a network at a layer, so that what leaves that layer is what leaves the network."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.errors import ArgumentError, unknown
from leadline.transfer.passing import Call, calls_of, example_of, first_tensor, forward

_BEFORE = "before "


def cut(model: nn.Module, layer: str, shape: Sequence[int], *, grid: int = 1) -> CutNetwork:
    """A copy of a network that ends at one of its layers and gives features, a row each.

    Maps are averaged: f_d = mean over h, w of map[d, h, w], or over each cell of a grid. What comes after the layer is left
    out, with its weights; the parameters that remain have the names they had, below `network`.

    Shapes: [B, *shape] → [B, D]; maps [B, C, H, W] give D = C · g² with g = min(grid, H, W), sequences [B, T, D] their mean
    over T. With a grid of 0 the output is what leaves the layer.

    Args:
        model: any network; is left as it is.
        layer: its name as in `named_modules()`; "before NAME" is what goes into that layer; "" the output of the network. Of a
            layer that is called several times the last call counts.
        shape: of one input, without the batch.
        grid: cells along each side.

    Errors: `ArgumentError` for a name that there is none of, with the nearest; for a layer that is not called, or that gives no
        tensor; for inputs that the network cannot take.

    Example:
        >>> layers = {"conv": nn.Conv2d(3, 8, 3), "relu": nn.ReLU(), "flat": nn.Flatten(), "head": nn.Linear(288, 5)}
        >>> network = nn.Sequential(OrderedDict(layers))
        >>> backbone = cut(network, "relu", (3, 8, 8))
        >>> backbone(torch.zeros(2, 3, 8, 8)).shape, [name for name, _ in backbone.named_parameters()]
        (torch.Size([2, 8]), ['network.conv.weight', 'network.conv.bias'])
        >>> cut(network, "before head", (3, 8, 8)).width
        288
    """
    if grid < 0:
        raise ArgumentError("The grid of features is out of range", expected="0 or more cells a side", got=grid)
    name, before = (layer.removeprefix(_BEFORE), True) if layer.startswith(_BEFORE) else (layer, False)
    modules = dict(model.named_modules())
    if name not in modules:
        unknown("layer", name, [each for each in modules if each])
    calls = calls_of(model, shape)
    own = [call for call in calls if call.name == name]
    if not own:
        raise ArgumentError(
            f"The network does not call its layer {name!r}, so nothing leaves it",
            expected="one of " + ", ".join(dict.fromkeys(call.name for call in calls if call.name)),
        )
    if not (own[-1].entered if before else own[-1].left):
        raise ArgumentError(f"No tensor {'enters' if before else 'leaves'} the layer {name!r}", do="Take the one after it.")
    last = own[-1].begun if before else own[-1].ended
    network = _sequential(model, name, before)
    if network is not None:
        return CutNetwork(network, "", shape, grid=grid)
    return _pruned(model, calls, last, CutNetwork(model, name, shape, before=before, calls=len(own), grid=grid))


def _sequential(model: nn.Module, name: str, before: bool) -> nn.Module | None:
    """The first layers of nested `nn.Sequential`s, as such; None where the network is anything else."""
    if name == "":
        return None
    if type(model) is not nn.Sequential:
        return None
    first, _, rest = name.partition(".")
    kept: OrderedDict[str, nn.Module] = OrderedDict()
    for child_name, child in model.named_children():
        if child_name != first:
            kept[child_name] = copy.deepcopy(child)
            continue
        inner = _sequential(child, rest, before) if rest else None if before else copy.deepcopy(child)
        if rest and inner is None:
            return None
        if inner is not None:
            kept[child_name] = inner
        break
    return nn.Sequential(kept)


def _pruned(model: nn.Module, calls: list[Call], last: int, whole: CutNetwork) -> CutNetwork:
    """A copy without the modules that are first called after the cut."""
    modules = dict(model.named_modules())
    first: dict[str, int] = {}
    for call in calls:
        first[call.name] = min(call.begun, first.get(call.name, call.begun))
    later = [modules[name] for name, begun in first.items() if begun > last]
    # A deep copy takes what it finds in its memo for the copy of it: so nothing large is copied to be thrown away.
    cut_off = copy.deepcopy(whole, {id(module): Absent() for module in later})
    inputs = example_of(model, whole.shape)
    try:
        if torch.equal(forward(cut_off, inputs), forward(whole, inputs)):
            return cut_off
    except (ArgumentError, AttributeError):  # the network looks at a layer that it has yet to call
        pass
    return copy.deepcopy(whole)


class Absent(nn.Module):
    """Stands where a cut network had a layer that it no longer needs.

    Example:
        >>> list(Absent().parameters())
        []
    """

    def forward(self, *inputs: Any) -> Any:
        raise RuntimeError("this layer was cut off")


class CutNetwork(nn.Module):
    """A network up to one of its layers; `cut` makes it. `width` is the number of features D.

    Example:
        >>> CutNetwork(nn.Conv2d(3, 8, 3), "", (3, 8, 8))(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 8])
    """

    def __init__(
        self, network: nn.Module, layer: str, shape: Sequence[int], *, before: bool = False, calls: int = 1, grid: int = 1
    ) -> None:
        super().__init__()
        self.network = network
        self.layer, self.before, self.calls = layer, before, calls
        self.shape, self.grid = tuple(shape), grid
        self.output_shape = tuple(forward(self, example_of(network, shape)).shape[1:])

    @property
    def width(self) -> int:
        return int(torch.Size(self.output_shape).numel())

    def forward(self, x: Tensor) -> Tensor:
        output = first_tensor(self._run(x))
        assert output is not None
        return averaged(output, self.grid) if self.grid else output

    def _run(self, x: Tensor) -> Any:
        if not self.layer and not self.before:
            return self.network(x)
        left = self.calls

        def reached(value: Any) -> None:
            nonlocal left
            left -= 1
            if not left:
                raise _Reached(value, self)

        module = self.network.get_submodule(self.layer)
        if self.before:
            handle = module.register_forward_pre_hook(lambda _, inputs: reached(inputs))
        else:
            handle = module.register_forward_hook(lambda _, inputs, output: reached(output))
        try:
            return self.network(x)
        except _Reached as end:
            if end.by is not self:  # the network holds a cut network itself, and this one was reached within it
                raise
            return end.value
        finally:
            handle.remove()

    def extra_repr(self) -> str:
        place = f"{_BEFORE if self.before else ''}{self.layer}" or "its end"
        return f"at {place}, {self.width} features"


class _Reached(Exception):  # noqa: N818 - not an error, but the way out of a forward pass
    def __init__(self, value: Any, by: CutNetwork) -> None:
        super().__init__()
        self.value, self.by = value, by


def averaged(output: Tensor, grid: int = 1) -> Tensor:
    """Features [B, D] of whatever leaves a layer: means over the cells of maps, over the positions of sequences.

    Example:
        >>> averaged(torch.arange(16.0).reshape(1, 1, 4, 4), 2)
        tensor([[ 2.5000,  4.5000, 10.5000, 12.5000]])
    """
    if output.ndim == 3:
        return output.mean(1)
    if output.ndim != 4:
        return output.flatten(1) if output.ndim < 4 else output.mean(tuple(range(2, output.ndim)))
    height, width = output.shape[2:]
    cells = min(grid, height, width)
    if cells == 1:
        return output.mean((2, 3))
    if height % cells or width % cells:
        return F.adaptive_avg_pool2d(output, cells).flatten(1)
    # Where it divides evenly a plain mean gives the same, and its gradient is the same at each run on a GPU too.
    return output.reshape(*output.shape[:2], cells, height // cells, cells, width // cells).mean((3, 5)).flatten(1)
