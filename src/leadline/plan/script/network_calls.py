"""The network of a Plan as an expression of its layers, or as a call of its builder, checked against the network itself."""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leadline.plan.script.definitions import is_own
from leadline.plan.script.extracting import Extract
from leadline.plan.script.layout import ALWAYS_BROKEN, literal, statement

_MANY = 12  # numbers; more of them go into the file of the data
Array = NDArray[Any]
Calls = Mapping[int, tuple[nn.Module, Callable[..., nn.Module], Mapping[str, Any]]]

_Made = dict[int, tuple[nn.Module, Callable[..., nn.Module], dict[str, Any]]]


class Unwritable(Exception):  # noqa: N818 - never seen by a person
    """A value cannot be written as an expression."""


class Writing:
    """Values as text: plain ones, layers by the calls that made them, many numbers as names of arrays.

    Args:
        extract: gives names to classes and functions of ours.
        arrays: where many numbers go, by name.
        calls: the constructor calls that were watched, by the identity of what they made.
        settled: by class of ours, arguments that are the same wherever it is called; they go into its code.
    """

    def __init__(
        self,
        extract: Extract,
        arrays: dict[str, Array],
        calls: Calls | None = None,
        settled: Mapping[Any, Mapping[str, Any]] | None = None,
    ) -> None:
        self.extract, self.arrays, self.calls, self.settled = extract, arrays, calls or {}, settled or {}
        self.before: list[str] = []
        self._written: set[int] = set()

    def text(self, value: Any, name: str = "numbers") -> str:
        """The value as an expression; `name` is what many numbers are called.

        Raises:
            Unwritable: it is of no kind that can be written.
        """
        if isinstance(value, nn.Module):
            return self.layer(value)
        if isinstance(value, (list, tuple)):
            return self._numbers(value, name) if _count(value) > _MANY else self._sequence(value, name)
        if isinstance(value, dict) and any(isinstance(each, nn.Module) for each in value.values()):
            rows = ", ".join(f"({literal(key)}, {self.text(each, name)})" for key, each in value.items())
            return f"OrderedDict([{rows}{ALWAYS_BROKEN}])"
        if callable(value):
            return self._function(value)
        try:
            return literal(value)
        except TypeError as error:
            raise Unwritable(str(error)) from None

    def layer(self, module: nn.Module) -> str:
        """A layer by the call that made it."""
        if id(module) not in self.calls or id(module) in self._written:
            raise Unwritable(f"{type(module).__name__} was made out of sight, or stands in two places")
        self._written.add(id(module))
        _, function, given = self.calls[id(module)]
        return self.call(function, given)

    def settling(self) -> dict[Any, dict[str, Any]]:
        """What is the same in all calls of a class of ours, where the layers written so far are all that there are of it."""
        settled: dict[Any, dict[str, Any]] = {}
        by_others = {type(module) for module, function, _ in self.calls.values() if function is not type(module)}
        for kind in {type(module) for module, _, _ in self.calls.values() if is_own(type(module))} - by_others:
            each = {key: given for key, (module, _, given) in self.calls.items() if type(module) is kind}
            named = [name for name, part in inspect.signature(kind).parameters.items() if part.kind is part.KEYWORD_ONLY]
            first = next(iter(each.values()))
            if each.keys() <= self._written:
                settled[kind] = {
                    name: first[name]
                    for name in named
                    if isinstance(first[name], (str, bool)) and all(given[name] == first[name] for given in each.values())
                }
        return settled

    def call(self, function: Callable[..., Any], given: Mapping[str, Any]) -> str:
        """A call with these arguments, defaults left out; what has no default stands without its name."""
        texts: list[str] = []
        named = False
        signature = inspect.signature(function)
        for at, (name, parameter) in enumerate(signature.parameters.items()):
            value = given.get(name, parameter.default)
            if name in self.settled.get(function, {}):
                continue
            if parameter.kind is parameter.VAR_POSITIONAL:
                texts += [self.text(each, name) for each in value if value is not parameter.default]
            elif parameter.kind is parameter.VAR_KEYWORD:
                texts += [f"{key}={self.text(each, key)}" for key, each in (value or {}).items() if name in given]
            elif value is parameter.default or _same(value, parameter.default):
                named = True
            else:
                text = self.text(value, name)
                bare = parameter.default is parameter.empty or (at == 0 and not isinstance(value, bool))
                plain = bare and not named and parameter.kind is not parameter.KEYWORD_ONLY
                texts.append(text if plain else f"{name}={text}")
        many = function is nn.Sequential and len(texts) > 2
        return f"{self._function(function)}({', '.join(texts)}{ALWAYS_BROKEN if many else ''})"

    def _function(self, function: Callable[..., Any]) -> str:
        if is_own(function):
            try:
                return self.extract.use(function, constants=self.settled.get(function))
            except LookupError as error:
                raise Unwritable(str(error)) from None
        name = getattr(function, "__name__", "")
        for module, prefix in ((nn, "nn"), (nn.functional, "F"), (torch, "torch"), (torch.optim, "torch.optim")):
            if getattr(module, name, None) is function:
                return f"{prefix}.{name}"
        raise Unwritable(f"{function!r} has no public name in torch")

    def _sequence(self, value: Sequence[Any], name: str) -> str:
        inside = ", ".join(self.text(each, name) for each in value)
        if isinstance(value, tuple):
            return f"({inside},)" if len(value) == 1 else f"({inside})"
        return f"[{inside}]"

    def _numbers(self, value: Sequence[Any], name: str) -> str:
        """Many numbers, or many lists of numbers, by the name of an array in the file of the data."""
        rows = [list(row) for row in value] if all(isinstance(row, (list, tuple)) for row in value) else None
        flat = [number for row in rows for number in row] if rows is not None else list(value)
        whole = all(isinstance(number, int) for number in flat)
        if not all(isinstance(number, (int, float)) and not isinstance(number, bool) for number in flat):
            return self._sequence(value, name)
        number = 1
        key = name
        while key in self.arrays:
            number += 1
            key = f"{name}_{number}"
        self.arrays[key] = np.array(flat, dtype=np.int64 if whole else np.float64)
        if rows is None:
            self.before.append(f'{key} = data["{key}"].tolist()')
        else:
            self.arrays[f"{key}_lengths"] = np.array([len(row) for row in rows], dtype=np.int64)
            self.before += statement(f'{key} = [row.tolist() for row in data["{key}"].split(data["{key}_lengths"].tolist())]')
        return key


@contextmanager
def watched(builder: Callable[..., nn.Module]) -> Iterator[tuple[_Made, _Made]]:
    """Within the block every layer that is made is kept with the call that made it.

    Args:
        builder: of the network.

    Returns:
        The calls of constructors, and the same with what the builder made as a call of the builder.
    """
    layers: _Made = {}
    built: _Made = {}
    open_calls: list[dict[str, Any]] = []

    def watch(frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if code is builder.__code__:
            if event == "call":
                open_calls.append(_given(frame, 0))
            elif event == "return" and open_calls:
                built[id(argument)] = (argument, builder, open_calls.pop())
        elif event == "call" and code.co_name == "__init__" and code.co_argcount:
            made = frame.f_locals.get(code.co_varnames[0])
            # The first one is the class's own, or what it inherits; `torch.compile` puts a function around that of `nn.Module`.
            if isinstance(made, nn.Module) and id(made) not in layers:
                layers[id(made)] = (made, type(made), _given(frame, 1))

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        yield layers, built
    finally:
        sys.setprofile(before)


def _given(frame: FrameType, skip: int) -> dict[str, Any]:
    """The arguments of a call that has just begun."""
    code, values = frame.f_code, frame.f_locals
    more = bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    names = code.co_varnames[skip : code.co_argcount + code.co_kwonlyargcount + more]
    return {name: values[name] for name in names}


def same_network(one: nn.Module, other: nn.Module, inputs: Tensor) -> bool:
    """Whether two networks have the same layers, the same weights, and the same outputs in training and in evaluation."""
    kinds = [[(name, type(module).__name__) for name, module in each.named_modules()] for each in (one, other)]
    states = [each.state_dict() for each in (one, other)]
    if list(states[0]) != list(states[1]) or [kind for _, kind in kinds[0]] != [kind for _, kind in kinds[1]]:
        return False
    if not all(torch.equal(states[0][name], states[1][name]) for name in states[0]):
        return False
    if len({tuple(parameter.requires_grad for parameter in each.parameters()) for each in (one, other)}) > 1:
        return False
    outputs = []
    for each in map(copy.deepcopy, (one, other)):
        for training in (True, False):
            torch.manual_seed(0)
            with torch.no_grad():
                outputs.append(each.train(training)(inputs))
    return torch.equal(outputs[0], outputs[2]) and torch.equal(outputs[1], outputs[3])


def _count(value: Any) -> int:
    return sum(map(_count, value)) if isinstance(value, (list, tuple)) else 1


def _same(value: Any, default: Any) -> bool:
    return type(value) is type(default) and isinstance(value, (str, bool, int, float, tuple)) and value == default
