"""The training that is diagnosed, as checks and trials see it: rows that were kept, and copies of the network."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from leadline.training.devices import preserved

GIVEN_ALONG = "targets given along"
"""Under this name inputs hold what the network gets of the targets themselves, such as what a decoder is forced to read."""


def plain_call(model: nn.Module, inputs: Any) -> Any:
    """The network with the inputs as its one argument.

    Example:
        >>> plain_call(nn.Identity(), torch.ones(2))
        tensor([1., 1.])
    """
    return model(inputs)


class CalledNetwork(nn.Module):
    """A network with the way in which it is called, as one that takes the inputs of rows.

    Example:
        >>> network = CalledNetwork(nn.Bilinear(2, 2, 1), lambda model, inputs: model(*inputs))
        >>> network((torch.ones(3, 2), torch.ones(3, 2))).shape
        torch.Size([3, 1])
    """

    def __init__(self, network: nn.Module, call: Callable[[nn.Module, Any], Any]) -> None:
        super().__init__()
        self.network, self.called = network, call

    def forward(self, inputs: Any) -> Any:
        return self.called(self.network, inputs)


@dataclass
class Rows:
    """Rows of inputs and targets: tensors [N, …], or tuples, lists and dicts of them as the network takes them.

    Example:
        >>> rows = Rows(torch.zeros(5, 3), torch.arange(5))
        >>> len(rows), rows.take(torch.tensor([4, 1])).targets.tolist()
        (5, [4, 1])
    """

    inputs: Any
    targets: Any

    def __len__(self) -> int:
        return len(first_tensor(self.targets))

    def take(self, which: Tensor | slice) -> Rows:
        return Rows(each_tensor(self.inputs, lambda part: part[which]), each_tensor(self.targets, lambda part: part[which]))

    def parts(self, size: int) -> Iterator[Rows]:
        """The rows in order, so many at a time."""
        for start in range(0, len(self), size):
            yield self.take(slice(start, start + size))


def each_tensor(tree: Any, change: Callable[[Tensor], Any]) -> Any:
    """The same nest of tuples, lists and dicts with every tensor changed."""
    if isinstance(tree, Tensor):
        return change(tree)
    if isinstance(tree, dict):
        return {name: each_tensor(part, change) for name, part in tree.items()}
    if isinstance(tree, (tuple, list)):
        return like(tree, [each_tensor(part, change) for part in tree])
    return tree


def like(tree: Any, parts: list[Any]) -> Any:
    """A tuple or a list of the same type with other parts; one with names for its parts takes them one by one.

    Example:
        >>> from collections import namedtuple
        >>> like(namedtuple("Pair", "one two")(1, 2), [3, 4])
        Pair(one=3, two=4)
    """
    return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)


def first_tensor(tree: Any) -> Tensor:
    """The first tensor of a nest.

    Errors: `TypeError` where there is none.
    """
    while not isinstance(tree, Tensor):
        if not isinstance(tree, (dict, tuple, list)) or not tree:
            raise TypeError(f"there is no tensor, but {type(tree).__name__}")
        tree = next(iter(tree.values())) if isinstance(tree, dict) else tree[0]
    return tree


@dataclass
class Subject:
    """What is diagnosed. Checks and trials work on copies (`fresh`, `trained`): nothing of the person's training changes.

    Args:
        model: the person's network, with the weights that it has now.
        loss: (outputs, targets) → scalar; None where it is not known.
        optimizers: the person's own, to be read.
        train: training rows that were kept, as the network gets them.
        valid: held-out rows; None where there are none.
        initial: the state before the first step; empty where it is not known.
        batch: rows a step.
        steps: taken so far.
        call: (model, inputs) → outputs as the loss takes them, where calling the network with the inputs is not all.
        rows: distinct training rows, of which those that were kept may be a part; None where it is not known.
        turned: of outputs on another scale than the targets its name, and what turns them into numbers like those.
        among: whether the loss compares the rows of a batch, so that it is taken of batches of the usual size.
    """

    model: nn.Module
    loss: Callable[[Any, Any], Tensor] | None
    optimizers: tuple[Optimizer, ...]
    train: Rows
    valid: Rows | None = None
    initial: dict[str, Tensor] = field(default_factory=dict)
    batch: int = 32
    steps: int = 0
    task: str = "other"
    classes: int = 0
    call: Callable[[nn.Module, Any], Any] = plain_call
    rows: int | None = None
    turned: tuple[str, Callable[[Tensor], Tensor]] | None = None

    def on_scale(self, answers: Tensor) -> Tensor:
        """The answers on the scale of the targets."""
        return answers if self.turned is None else self.turned[1](answers)

    among: bool = False

    def trained(self) -> nn.Module:
        """A copy of the network as it is now, without hooks, its parameters as trainable as the person's."""
        return _copied(self.model)

    def fresh(self) -> nn.Module:
        """A copy of the network as it was before the first step."""
        model = _copied(self.model)
        if self.initial:
            model.load_state_dict(self.initial)
        return model

    @property
    def held(self) -> set[str]:
        """The names of the parameters that the person's optimizers hold."""
        held = {id(each) for optimizer in self.optimizers for group in optimizer.param_groups for each in group["params"]}
        return {name for name, parameter in self.model.named_parameters() if id(parameter) in held}

    def called(self, model: nn.Module) -> nn.Module:
        """The network or a copy of it as one that takes the inputs of rows."""
        return model if self.call is plain_call else CalledNetwork(model, self.call)

    def optimizer_for(self, model: nn.Module, *, rate: float = 1.0, **settings: Any) -> Optimizer:
        """An optimizer like the person's for a copy: same class, groups and settings, its rates times `rate`.

        Parameters that the person's optimizers leave out are left out here too, unless `everything=True` is among `settings`.
        """
        everything = settings.pop("everything", False)
        names = {id(parameter): name for name, parameter in self.model.named_parameters()}
        own = dict(model.named_parameters())
        groups: list[dict[str, Any]] = []
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                parts = [own[names[id(each)]] for each in group["params"] if id(each) in names]
                plain = {key: value for key, value in group.items() if key not in ("params", "initial_lr")}
                lr = float(group.get("initial_lr", group["lr"])) * rate  # the first, where a schedule has changed it
                groups.append({**plain, **settings, "params": parts, "lr": lr})
        held = {id(part) for group in groups for part in group["params"]}
        if everything and (rest := [part for part in own.values() if id(part) not in held]):
            groups.append({**{key: value for key, value in groups[0].items() if key != "params"}, "params": rest})
        kind: Any = type(self.optimizers[0])
        return kind([group for group in groups if group["params"]])  # type: ignore[no-any-return]

    def outputs(self, model: nn.Module, rows: Rows, *, size: int = 512) -> Any:
        """What the network answers for the rows, in the mode that it is in, without gradients."""
        with torch.no_grad():
            parts = [self.call(model, part.inputs) for part in rows.parts(size)]
        return joined(parts, [len(part) for part in rows.parts(size)])

    def loss_parts(self, rows: Rows, size: int) -> list[Rows]:
        """The rows in parts of so many, or of the batch's size where the loss compares rows: then without the rest."""
        size = max(self.batch, 2) if self.among else size
        parts = list(rows.parts(size))
        return parts[:-1] if self.among and len(parts) > 1 and len(parts[-1]) < size else parts

    def loss_of(self, model: nn.Module, rows: Rows, *, size: int = 512) -> float:
        """The mean loss on the rows, in the mode that the network is in, without gradients; NaN where it cannot be had."""
        if self.loss is None:
            return float("nan")
        total, count = 0.0, 0
        with torch.no_grad():
            for part in self.loss_parts(rows, size):
                total += float(self.loss(self.call(model, part.inputs), part.targets)) * len(part)
                count += len(part)
        return total / max(count, 1)


def joined(parts: list[Any], sizes: list[int]) -> Any:
    """Outputs of so many rows each, one after the other; what has no row for each row is that of the first part.

    Of outputs (time, rows, …) the rows lie along the second dimension.

    Example:
        >>> joined([(torch.zeros(2, 3), torch.ones(1)), (torch.zeros(1, 3), torch.ones(1))], [2, 1])[0].shape
        torch.Size([3, 3])
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    if isinstance(first, Tensor):
        by_size = [(part, size) for part, size in zip(parts, sizes, strict=True) if part.ndim > 1]
        time_first = len(by_size) == len(parts) and all(part.shape[1] == size for part, size in by_size)
        return torch.cat(parts, int(time_first and any(len(part) != size for part, size in by_size)))
    if isinstance(first, dict):
        return {name: _joined_within([part[name] for part in parts], sizes) for name in first}
    if isinstance(first, (tuple, list)):
        return like(first, [_joined_within(list(each), sizes) for each in zip(*parts, strict=True)])
    return first


def _joined_within(parts: list[Any], sizes: list[int]) -> Any:
    if isinstance(parts[0], Tensor) and any(
        not part.ndim or len(part) != size for part, size in zip(parts, sizes, strict=True)
    ):
        return parts[0]
    return joined(parts, sizes)


def _copied(model: nn.Module) -> nn.Module:
    """A deep copy without the hooks of the original, but for those by which torch makes weights (`weight_norm`, pruning).

    What a layer keeps from one call to the next with its graph, such as a carried state, is copied without the graph.
    """
    hooks = [(module, module._forward_hooks, module._forward_pre_hooks, module._backward_hooks) for module in model.modules()]
    for module, forward, before, backward in hooks:
        making = [(key, hook) for key, hook in before.items() if type(hook).__module__.startswith("torch.nn.utils.")]
        module._forward_hooks, module._forward_pre_hooks, module._backward_hooks = (
            type(forward)(),
            type(before)(making),
            type(backward)(),
        )
    kept = [each for module in model.modules() for each in _tensors_in(vars(module)) if each.grad_fn is not None]
    try:
        with torch.no_grad():
            return copy.deepcopy(model, {id(each): each.detach().clone() for each in kept})
    finally:
        for module, forward, before, backward in hooks:
            module._forward_hooks, module._forward_pre_hooks, module._backward_hooks = forward, before, backward


def _tensors_in(tree: Any) -> Iterator[Tensor]:
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, (dict, tuple, list)):
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from _tensors_in(part)


@contextmanager
def drawn_aside() -> Iterator[None]:
    """After the block the random numbers of torch, numpy and Python are as if there had been no block."""
    plain, arrays = random.getstate(), np.random.get_state()
    try:
        with preserved():
            yield
    finally:
        random.setstate(plain)
        np.random.set_state(arrays)


@contextmanager
def undisturbed(subject: Subject) -> Iterator[None]:
    """After the block random numbers, modes and gradients are as if there had been no block.

    A loss may hold on to the network itself, as one with a penalty on its weights does: what is trained on copies then adds to
    the person's own gradients.
    """
    modes = [(module, module.training) for module in subject.model.modules()]
    gradients = [(parameter, parameter.grad) for parameter in subject.model.parameters()]
    for parameter, _ in gradients:
        parameter.grad = None
    try:
        with drawn_aside(), torch.enable_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter, gradient in gradients:
            parameter.grad = gradient
