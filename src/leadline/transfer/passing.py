"""One pass through a network, to learn when each of its modules is called and what shapes come and go."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from leadline.errors import ArgumentError, LeadlineError


class Call(NamedTuple):
    """One call of a module: its name, when it began and ended by a common count, and the shapes with the batch dimension.

    Example:
        >>> [call.name for call in calls_of(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), (2,))]
        ['0', '1', '']
    """

    name: str
    begun: int
    ended: int
    entered: tuple[int, ...]
    left: tuple[int, ...]


def calls_of(model: nn.Module, shape: Sequence[int]) -> list[Call]:
    """Every call of every module in one pass of two samples, in the order in which they end; the last is the network itself.

    Errors: `ArgumentError` where the network cannot take inputs of this shape.

    Example:
        >>> calls_of(nn.Flatten(), (1, 4, 4))[0].left
        (2, 16)
    """
    names = {id(module): name for name, module in model.named_modules()}
    clock = itertools.count()
    running: list[tuple[int, tuple[int, ...]]] = []
    found: list[Call] = []

    def begin(module: nn.Module, inputs: Any) -> None:
        running.append((next(clock), shape_in(inputs)))

    def end(module: nn.Module, inputs: Any, output: Any) -> None:
        begun, entered = running.pop()
        found.append(Call(names[id(module)], begun, next(clock), entered, shape_in(output)))

    handles = []
    for module in model.modules():
        handles += [module.register_forward_pre_hook(begin), module.register_forward_hook(end)]
    try:
        forward(model, example_of(model, shape))
    finally:
        for handle in handles:
            handle.remove()
    return found


def forward(model: nn.Module, inputs: Tensor) -> Any:
    """The output in evaluation mode, without gradients; modes and random numbers are as before.

    Errors: `ArgumentError` where the network cannot take such inputs.
    """
    try:
        with torch.no_grad(), evaluating(model), torch.random.fork_rng(devices=[]):
            return model(inputs)
    except LeadlineError:
        raise
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise ArgumentError(
            f"The network cannot take inputs of shape {list(inputs.shape)}",
            got=first,
            do="Give the shape that it was trained on: channels, height, width.",
        ) from error


def example_of(model: nn.Module, shape: Sequence[int]) -> Tensor:
    """Two samples of noise, always the same, in the precision and on the device of the network.

    Errors: `ArgumentError` for a shape with a dimension below 1.
    """
    if not len(shape) or any(size < 1 for size in shape):
        raise ArgumentError(
            "An input cannot have this shape", expected="whole numbers ≥ 1, without the batch", got=tuple(shape)
        )
    own = next((each for each in model.parameters() if each.is_floating_point()), torch.empty(0))
    return torch.randn(2, *shape, generator=torch.Generator().manual_seed(0)).to(own.device, own.dtype)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Within the block every module is in evaluation mode; afterwards each has the mode it had."""
    modes = [(each, each.training) for each in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for each, mode in modes:
            each.training = mode


def first_tensor(values: Any) -> Tensor | None:
    """The first tensor in nested tuples, lists and dicts."""
    return next((each for each in tree_leaves(values) if isinstance(each, Tensor)), None)


def shape_in(values: Any) -> tuple[int, ...]:
    """The shape of the first tensor, or () where there is none."""
    tensor = first_tensor(values)
    return () if tensor is None else tuple(tensor.shape)
