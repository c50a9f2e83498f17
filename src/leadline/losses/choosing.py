"""Losses by name, with their arguments; and one loss for many members."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from leadline.errors import ArgumentError, unknown
from leadline.losses.classes import cross_entropy, kl_divergence
from leadline.losses.distances import absolute_error, huber, quantile, squared_error
from leadline.losses.hinges import crammer_singer, perceptron, weston_watkins
from leadline.losses.labels import binary_cross_entropy, binary_hinge
from leadline.spelling import bind, parse_call

# What a training gives itself: none of it is a number that could stand in a text.
_GIVEN = ("outputs", "logits", "scores", "targets", "class_weights", "reduction")


class Loss(NamedTuple):
    """One row of the table: the function, and the tasks whose outputs and targets it fits.

    Example:
        >>> LOSSES["binary_hinge"].tasks
        ('labels',)
    """

    function: Callable[..., Tensor]
    tasks: tuple[str, ...]


LOSSES = {
    "cross_entropy": Loss(cross_entropy, ("classes",)),
    "kl_divergence": Loss(kl_divergence, ("classes",)),
    "weston_watkins": Loss(weston_watkins, ("classes",)),
    "crammer_singer": Loss(crammer_singer, ("classes",)),
    "perceptron": Loss(perceptron, ("classes",)),
    "binary_cross_entropy": Loss(binary_cross_entropy, ("labels",)),
    "binary_hinge": Loss(binary_hinge, ("labels",)),
    "squared_error": Loss(squared_error, ("number", "pairs", "forecast")),
    "absolute_error": Loss(absolute_error, ("number", "pairs", "forecast")),
    "huber": Loss(huber, ("number", "pairs", "forecast")),
    "quantile": Loss(quantile, ("number", "forecast")),
}


def get(text: str, *, task: str | None = None) -> Callable[..., Tensor]:
    """The loss that a text names, with the arguments it gives; it must fit the task where one is given.

    Args:
        text: a name of `LOSSES`, alone or with keyword arguments: "huber", "huber(delta=2)". What a training gives itself
            (`reduction`, `class_weights`) cannot stand in it.
        task: "classes", "labels", "number", "pairs" or "forecast".

    Returns:
        A function of outputs and targets: the loss itself, or a `functools.partial` of it.

    Raises:
        ArgumentError: an unknown name or argument (the nearest right one is in the message), a value out of range, or a loss
            for another task.

    Example:
        >>> get("huber", task="number") is huber
        True
        >>> get("huber(delta=2)")(torch.tensor([[3.0]]), torch.tensor([[0.0]])).item()
        4.0
    """
    call = parse_call(text, "loss")
    if call.name not in LOSSES:
        unknown("loss", call.name, LOSSES)
    function, tasks = LOSSES[call.name]
    if task is not None and task not in tasks:
        fitting = ", ".join(loss for loss, row in LOSSES.items() if task in row.tasks)
        raise ArgumentError(
            f"The loss {call.name!r} is not for the task {task!r}", expected=f"one of {fitting}" if fitting else None
        )
    if not call.arguments and not call.keywords:
        return function
    _, keywords = bind(call, _settable(function), "loss")
    chosen = functools.partial(function, **keywords)
    # Each loss checks its arguments itself, so one made-up row finds what is out of range before anything is trained.
    outputs = torch.zeros(1, 2)
    try:
        chosen(outputs, torch.zeros(1, dtype=torch.int64) if "classes" in tasks else outputs)
    except TypeError as error:  # a text where a number belongs
        raise ArgumentError(f"The loss {text!r} cannot be used", got=str(error)) from error
    return chosen


def per_member(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """The same loss for networks of M members: each member is judged by itself, and the loss is the mean over them.

    Judging the mean answer instead would let members lean on each other; judged alone, each becomes a good network, and their
    mean a better one. Outputs [N, K], and forecasts [N, H, M] beside targets of that shape, have no members and are judged as
    before.

    Args:
        loss: of outputs [N, K] and targets [N, …]; a mean over rows. A metric of that kind does as well.

    Returns:
        A function of outputs [N, M, K] or [N, K] and targets [N, …].

    Example:
        >>> import torch
        >>> members, targets = torch.tensor([[[1.0], [3.0]]]), torch.tensor([[2.0]])
        >>> per_member(squared_error)(members, targets).item(), squared_error(members.mean(1), targets).item()
        (1.0, 0.0)

    Source: Gorishniy, Kotelnikov and Babenko (2024), TabM.
    """

    @functools.wraps(loss)
    def judged(outputs: Tensor, targets: Tensor) -> Tensor:
        if outputs.ndim != 3 or targets.ndim == 3:
            return loss(outputs, targets)
        return loss(outputs.flatten(0, 1), targets.repeat_interleave(outputs.shape[1], dim=0))

    return judged


def _settable(function: Callable[..., Tensor]) -> Callable[..., None]:
    """Something with the part of the function's signature that a text may fill in."""

    def stub() -> None:
        pass

    parameters = [each for each in inspect.signature(function).parameters.values() if each.name not in _GIVEN]
    stub.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return stub
