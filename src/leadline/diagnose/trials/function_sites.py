"""Activations and dropout wherever a forward pass calls them, as a layer or as a function, and others put in their place."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

_SPELLED: dict[str, tuple[str, ...]] = {
    name: (name, name + "_")
    for name in (
        "relu", "sigmoid", "tanh", "softmax", "log_softmax", "leaky_relu", "elu", "gelu", "silu", "selu", "celu", "softplus",
        "softsign", "hardtanh", "relu6", "logsigmoid", "hardsigmoid", "hardswish", "mish", "softmin", "rrelu", "prelu",
    )
}  # fmt: skip
_SPELLED["dropout"] = ("dropout", "dropout_", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")


def _functions() -> dict[Any, str]:
    found: dict[Any, str] = {}
    for name, spellings in _SPELLED.items():
        for spelling in spellings:
            for owner in (F, torch, Tensor):
                function = getattr(owner, spelling, None)
                if function is not None:
                    found[function] = name
    return found


FUNCTIONS: dict[Any, str] = _functions()
"""Each spelling that torch has of an activation or of dropout → its name."""

_PRODUCTS = {torch.mul, Tensor.mul, Tensor.mul_, Tensor.__mul__, Tensor.__rmul__, Tensor.__imul__}
_LAYERS = {F.linear, F.conv1d, F.conv2d, F.conv3d}
_TORCH = os.path.dirname(torch.__file__) + os.sep

Site = tuple[int, str, str, int]


def _site() -> Site:
    """Where a function is called: the layer that is nothing but this function, and the call in the program's own code."""
    layer, frame = 0, sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if file != __file__ and not file.startswith(_TORCH):
            return layer, file, frame.f_code.co_name, frame.f_lasti
        if not layer and frame.f_code.co_name == "forward":
            module = frame.f_locals.get("self")
            if isinstance(module, nn.Module) and not any(True for _ in module.children()):
                layer = id(module)
        frame = frame.f_back  # type: ignore[assignment]
    return layer, "", "", 0


@dataclass
class Call:
    """One call of a forward pass.

    `place` is "head" where what it gives is what the network gives, "gate" where it is multiplied with something, "hidden"
    otherwise.
    """

    site: Site
    number: int  # how many times this site has been called before in the same pass
    name: str
    result: Any
    place: str = "hidden"
    fed: bool = False  # a layer of weights gets its result as it is


class Watching(TorchFunctionMode):
    """Within the block the calls are listed.

    Example:
        >>> network = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2), nn.Softmax(1))
        >>> [(call.name, call.place) for call in calls_of(network, torch.ones(4, 2))]
        [('relu', 'hidden'), ('softmax', 'head')]
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self._counts: dict[Site, int] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _PRODUCTS:
            given = {id(each) for each in args if isinstance(each, Tensor)}
            for call in self.calls:
                if id(call.result) in given:
                    call.place = "gate"
        if func in _LAYERS and args:
            for call in self.calls:  # dropout in evaluation mode, and a view, are where their input is
                call.fed |= isinstance(call.result, Tensor) and call.result.data_ptr() == args[0].data_ptr()
        result = func(*args, **(kwargs or {}))
        if (name := FUNCTIONS.get(func)) is not None:
            site = _site()
            number = self._counts[site] = self._counts.get(site, -1) + 1
            self.calls.append(Call(site, number, name, result))
        return result


def calls_of(model: Callable[[Any], Any], inputs: Any, within: Iterable[Replacing] = ()) -> list[Call]:
    """The activations and dropouts of one forward pass, in order, without gradients.

    Args:
        model: takes the inputs.
        within: replacements that are made already; what they replaced is not listed.
    """
    watching = Watching()
    with torch.no_grad(), watching:
        # The mode entered last sees a call first; what it replaces never comes to the one outside of it.
        output = replaced(model, inputs, within)
    if isinstance(output, Tensor):
        for call in watching.calls:
            if isinstance(call.result, Tensor) and call.result.data_ptr() == output.data_ptr() and call.name != "dropout":
                call.place = "head"
    for call in watching.calls:
        call.result = None
    return watching.calls


class Replacing(TorchFunctionMode):
    """Within the block the calls at some sites give something else.

    Args:
        calls: of one forward pass, as `calls_of` lists them.
        chosen: which of them are replaced.
        function: takes the function that is called and what it is given, and gives what the call is to give.

    Example:
        >>> layers, x = nn.Sequential(nn.Tanh(), nn.Tanh()), torch.tensor([[-2.0, 2.0]])
        >>> def network(inputs):
        ...     return layers(inputs)
        >>> calls = calls_of(network, x)
        >>> with Replacing(calls, [call for call in calls if call.place == "head"], keep_input):
        ...     network(x)
        tensor([[-0.9640,  0.9640]])
    """

    def __init__(self, calls: list[Call], chosen: list[Call], function: Callable[..., Any]) -> None:
        super().__init__()
        self._function = function
        self._names = {call.name for call in chosen}
        numbers: dict[Site, set[int]] = {}
        for call in chosen:
            numbers.setdefault(call.site, set()).add(call.number)
        totals: dict[Site, int] = {}
        for call in calls:
            totals[call.site] = totals.get(call.site, 0) + 1
        # A site of which every call was chosen may be called more often in another pass.
        self._at = {site: None if len(chosen) == totals[site] else chosen for site, chosen in numbers.items()}
        self._counts: dict[Site, int] = {}

    def __enter__(self) -> Replacing:
        self._counts = {}
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if FUNCTIONS.get(func) in self._names and (site := _site()) in self._at:
            number = self._counts[site] = self._counts.get(site, -1) + 1
            chosen = self._at[site]
            if chosen is None or number in chosen:
                return self._function(func, *args, **kwargs)
        return func(*args, **kwargs)


def keep_input(function: Callable[..., Any], x: Tensor, *rest: Any, **named: Any) -> Tensor:
    """In the place of a function, nothing."""
    return x


def replaced(model: Callable[[Any], Any], inputs: Any, within: Iterable[Replacing]) -> Any:
    """What the network gives with these replacements, the last of them seeing a call first."""
    modes = list(within)
    for mode in modes:
        mode.__enter__()
    try:
        return model(inputs)
    finally:
        for mode in reversed(modes):
            mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]
