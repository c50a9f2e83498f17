"""One rule for a whole network, by name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils import parametrize

from leadline.errors import ArgumentError, unknown
from leadline.initialize.matrices import places_of
from leadline.initialize.rules import INITIALIZERS
from leadline.spelling import bind, parse_call


def get(text: str) -> Callable[..., None]:
    """The rule that a text names, with the arguments it gives: a function of a weight and, by keyword, a generator.

    Args:
        text: a name of `INITIALIZERS`, alone or with arguments: "orthogonal", "normal(0.02)", "he(mode='fan_out')".

    Errors: `ArgumentError` for an unknown name or argument, with the nearest right one, or a value out of range.

    Example:
        >>> weight = torch.empty(2, 2)
        >>> get("dirac")(weight)
        >>> weight.tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    call = parse_call(text, "initialization")
    if call.name not in INITIALIZERS:
        unknown("initialization", call.name, INITIALIZERS)
    function = INITIALIZERS[call.name]
    arguments, keywords = bind(call, _settable(function), "initialization")

    @functools.wraps(function)
    def rule(weight: Tensor, *, generator: Generator | None = None) -> None:
        function(weight, *arguments, **keywords, generator=generator)

    # Each rule checks its arguments itself; a generator of its own leaves torch's numbers as they were.
    try:
        rule(torch.empty(2, 2), generator=Generator())
    except TypeError as error:  # a text where a number belongs
        raise ArgumentError(f"The initialization {text!r} cannot be used", got=str(error)) from error
    return rule


def initialize_weights(module: nn.Module, text: str, *, generator: Generator | None = None) -> int:
    """Start every linear, convolutional and recurrent layer of a network by one rule, with biases of 0.

    Each matrix is taken by itself: the groups of a grouped convolution, the gates of a recurrent layer, the queries, keys and
    values of an attention layer, the members of an ensemble's heads. Normalizations, embeddings, scales and layers of a kind of
    their own stay as they are. A weight that several layers share is set once.

    Args:
        module: the network, changed in place.
        text: a rule and its arguments, as `get` takes it.
        generator: draws the numbers; None takes torch's own. With one, the weights are the same on every device.

    Returns:
        How many tensors (weights and biases) were set.

    Errors: `ArgumentError` for what `get` refuses, or a lazy layer whose shape is not known yet.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 2))
        >>> initialize_weights(network, "he(mode='fan_out')")
        4
        >>> network[3].bias.tolist()
        [0.0, 0.0]
    """
    rule = functools.partial(get(text), generator=generator)
    for name, layer in module.named_modules():
        if any(isinstance(parameter, nn.UninitializedParameter) for parameter in layer.parameters(recurse=False)):
            raise ArgumentError(
                f"The layer {name!r} has no shape yet", got=type(layer).__name__, do="Send one batch through the network first."
            )
    done: set[int] = set()
    for layer in module.modules():
        weights, biases = places_of(layer)
        for name, cut in weights.items():
            value = getattr(layer, name)
            if parametrize.is_parametrized(layer, name):  # what is read is computed anew each time, so it must be put back
                done.add(id(layer.parametrizations[name]))  # type: ignore[index]
                value = value.detach().clone()
                _apply(rule, cut(value))
                setattr(layer, name, value)
            elif id(value) not in done:
                done.add(id(value))
                _apply(rule, cut(value.detach()))
        for name in biases:
            done.add(id(getattr(layer, name)))
            nn.init.zeros_(getattr(layer, name))
    return len(done)


def _apply(rule: Callable[[Tensor], None], matrices: list[Tensor]) -> None:
    for matrix in matrices:
        rule(matrix)


def _settable(function: Callable[..., None]) -> Callable[..., None]:
    """Something with the part of the rule's signature that a text may fill in: neither the weight nor the generator."""

    def stub() -> None:
        pass

    parameters = [each for each in inspect.signature(function).parameters.values() if each.name not in ("weight", "generator")]
    stub.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return stub
