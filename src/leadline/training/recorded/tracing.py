"""Tracing: one forward and backward pass of a step as a flat list of tensor operations.

Nothing is computed: torch's fake tensors have shapes and layouts but no memory. What depends on the values of a batch (a branch
on a number, a mask that chooses rows) therefore cannot be traced, and says so.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Graph
from torch.fx.experimental.proxy_tensor import make_fx

from leadline.training.steps import Supervised


class CannotRecordError(Exception):
    """Why a step cannot be recorded; the plain step is used then, so nobody else sees it."""


@dataclass(frozen=True)
class Trace:
    """A step's forward and backward pass.

    Args:
        graph: its placeholders are the tensors of the batch; it returns the logs, then the gradients.
        logs: names of the logs, in the order in which the graph returns them.
        graded: the places, among the step's parameters, of those that get a gradient.
        constants: what the graph names by attribute: parameters and buffers, which change, and fixed tensors.
    """

    graph: Graph
    logs: tuple[str, ...]
    graded: tuple[int, ...]
    constants: dict[str, Tensor]


def trace_step(step: Supervised, batch: Any) -> Trace:
    """Trace the step on a batch of these shapes, without a trace in the step itself.

    Errors: `CannotRecordError` with the reason.

    Example:
        >>> model = nn.Linear(2, 1)
        >>> step = Supervised(model, nn.functional.mse_loss, torch.optim.SGD(model.parameters(), lr=0.1))
        >>> trace = trace_step(step, (torch.ones(4, 2), torch.ones(4, 1)))
        >>> trace.logs, trace.graded
        (('loss',), (0, 1))
    """
    twin, originals = _twin(step)
    logs: list[str] = []
    graded: list[int] = []

    def forward_backward(*tensors: Tensor) -> list[Tensor]:
        told = twin(rebuilt(batch, iter(tensors)), None)  # type: ignore[arg-type]  # no schedule asks for progress
        gradients = [parameter.grad for parameter in twin.parameters]
        logs[:] = told
        graded[:] = [at for at, gradient in enumerate(gradients) if gradient is not None]
        return [*told.values(), *(gradient for gradient in gradients if gradient is not None)]

    tensors = leaves(batch)
    random = torch.get_rng_state()
    try:
        traced = make_fx(forward_backward, tracing_mode="fake", _allow_non_fake_inputs=True)(*tensors)
    except Exception as error:  # whatever the network's own code raises when it meets tensors without values
        raise CannotRecordError(f"it cannot be traced: {said_by(error)}") from error
    finally:
        torch.set_rng_state(random)
    if not graded:
        raise CannotRecordError("no parameter gets a gradient")
    constants = {}
    for node in traced.graph.find_nodes(op="get_attr"):
        tensor = getattr(traced, str(node.target))
        constants[str(node.target)] = originals.get(id(tensor), tensor)
    return Trace(traced.graph, tuple(logs), tuple(graded), constants)


def leaves(batch: Any) -> list[Tensor]:
    """The tensors of a batch, wherever they are in pairs, lists and dicts; those of a dict in the order of its names.

    Errors: `CannotRecordError` for anything else in it.
    """
    if isinstance(batch, Tensor):
        return [batch]
    if isinstance(batch, dict):
        return [leaf for name in sorted(batch) for leaf in leaves(batch[name])]
    if isinstance(batch, (tuple, list)):
        return [leaf for part in batch for leaf in leaves(part)]
    raise CannotRecordError(f"a batch holds a {type(batch).__name__} beside tensors")


def rebuilt(batch: Any, tensors: Iterator[Tensor]) -> Any:
    """The same batch with other tensors in place of its own, taken from an iterator."""
    if isinstance(batch, Tensor):
        return next(tensors)
    if isinstance(batch, dict):
        return {name: rebuilt(batch[name], tensors) for name in sorted(batch)}
    return [rebuilt(part, tensors) for part in batch]


def said_by(error: Exception) -> str:
    """The kind of an error and the first line of what it says."""
    return ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])


def hooks_of(model: nn.Module) -> list[dict[int, Callable[..., Any]]]:
    """The dicts of all the module's hooks, which a recorded step would pass by; they are filled while a probe listens."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return [getattr(module, kind) for module in model.modules() for kind in kinds]


def _twin(step: Supervised) -> tuple[Supervised, dict[int, Tensor]]:
    """The step around a copy of the network that never updates, and from the copy's tensors to the step's own.

    A copy, since a network may keep what it has seen in its attributes, and would then keep tensors without values.
    """
    memo: dict[int, Any] = {}
    parts = (step.model, step.loss, step.measures, step.penalties, step.parameters)
    try:
        model, loss, measures, penalties, parameters = copy.deepcopy(parts, memo)
    except Exception as error:  # what a module of somebody else's raises when it is copied is anybody's guess
        raise CannotRecordError(f"the network cannot be copied: {said_by(error)}") from error
    originals = {id(memo[id(tensor)]): tensor for tensor in _tensors(step) if id(tensor) in memo}
    for parameter in parameters:
        parameter.grad = None
    twin = copy.copy(step)
    twin.model, twin.loss, twin.measures, twin.penalties, twin.parameters = model, loss, measures, penalties, parameters
    twin.schedule = twin.clip = None
    twin.optimizer = _NoUpdate()  # type: ignore[assignment]
    return twin, originals


def _tensors(step: Supervised) -> list[Tensor]:
    """Every tensor that the step's parts hold where Python can see it: in modules, and as arguments of partial functions."""
    found: list[Tensor] = list(step.parameters)
    for part in (step.model, step.loss, *step.measures.values(), step.penalties):
        if isinstance(part, nn.Module):
            found += [*part.parameters(), *part.buffers()]
        found += [value for value in getattr(part, "keywords", {}).values() if isinstance(value, Tensor)]
    return found


class _NoUpdate:
    """Stands in for the optimizer: its update is not part of what is traced."""

    def zero_grad(self) -> None: ...
    def step(self) -> None: ...
