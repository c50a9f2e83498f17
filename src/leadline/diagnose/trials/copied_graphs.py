"""One step of a copy as a graph of kernels: forward pass, loss and backward pass, played for one copy or for many at once."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx

from leadline.diagnose.subject import Rows, Subject, each_tensor
from leadline.diagnose.trials.copied_training import CopiedTraining
from leadline.diagnose.trials.row_changes import tensors_of
from leadline.training.recorded.tape import Tape
from leadline.training.recorded.tracing import CannotRecordError, Trace

_MASK = torch.ops.aten.bernoulli_.float
_VIEWS = {torch.ops.aten.view.default, torch.ops.aten._unsafe_view.default, torch.ops.aten.expand.default}
_PRODUCT = torch.ops.aten.mul.Tensor
_NEAR = 1e-3  # of a norm; rounding is a hundred times less


@dataclass(frozen=True)
class Mask:
    """What dropout draws: numbers that are 1 with a probability, else 0."""

    shape: tuple[int, ...]
    share: float
    dtype: torch.dtype


@dataclass(frozen=True)
class CopiedGraph:
    """Tensors of the rows, what is kept, trained weights, masks → loss and the gradient of each weight.

    Args:
        graph: takes and gives them in this order; it changes buffers in place.
        kept: the names of buffers and of weights that are not trained.
        trained: the names of the weights that get a gradient.
        masks: what is drawn in each step, in order.
        operations: products and sums of a step, where they were counted.
    """

    graph: GraphModule
    kept: tuple[str, ...]
    trained: tuple[str, ...]
    masks: tuple[Mask, ...]
    operations: float = 0.0

    def tape(self, weights: Sequence[Tensor]) -> Tape:
        """The kernels for one copy with these weights."""
        return _tape_of(self.graph, weights)

    def stacked_tape(self, tensors: Sequence[Tensor]) -> Tape:
        """The kernels for A copies at once; `tensors` is what the graph takes, each [A, …]."""
        many = make_fx(torch.vmap(self.graph), tracing_mode="fake", _allow_non_fake_inputs=True)(*tensors)
        _drop_idle(many)
        until = len(tensors) - len(self.masks)
        return _tape_of(many, tensors[until - len(self.trained) : until])


def graph_of(copied: CopiedTraining) -> CopiedGraph:
    """The graph of one step of a copy, which is not changed.

    Errors: `CannotRecordError` where it draws random numbers other than dropout's, or learns something else than the copy, as
    one does that counts its steps; whatever the network's own code raises when it meets tensors without values.

    Example:
        >>> from leadline.diagnose.trials.copied_training import copy_of
        >>> from leadline.diagnose.trials.habits import habits_of
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> subject = a_subject(steps=1)
        >>> graph_of(copy_of(subject, habits_of(subject), (subject.train, subject.valid))).trained
        ('0.weight', '0.bias', '2.weight', '2.bias')
    """
    copied.begin()
    if (made := copied.made_optimizer()) is None:
        raise CannotRecordError("nothing is learned")
    held = {id(part) for group in made.param_groups for part in group["params"] if part.requires_grad}
    rows = copied.train.take(next(copied.orders()))
    step = _Loss(copied.subject, copy.deepcopy(copied.model), copied.loss)
    step.requires_grad_(False)
    own = dict(step.model.named_parameters())
    trained = [name for name, part in copied.model.named_parameters() if id(part) in held]
    graph, graded = _traced(step, rows, trained)
    if len(graded) < len(trained):  # a weight without a gradient is left alone, as the optimizer would
        trained = graded
        graph, _ = _traced(step, rows, trained)
    kept = tuple([name for name in own if name not in trained] + [name for name, _ in step.model.named_buffers()])
    found = CopiedGraph(graph, kept, tuple(trained), tuple(_masks_of(graph)))
    _compare(copied, found, rows)
    return found


class Playing:
    """The step of a copy from a tape: in the place of forward and backward pass, in half the time where a network is small.

    Args:
        copied: whose weights get the gradients.
        graph: of this copy, or of one that is like it.

    Example:
        >>> from leadline.diagnose.trials.copied_training import copy_of
        >>> from leadline.diagnose.trials.habits import habits_of
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> subject = a_subject(steps=1)
        >>> copied = copy_of(subject, habits_of(subject), (subject.train, subject.valid))
        >>> play = Playing(copied, graph_of(copied))
        >>> float(play(copied.train.take(slice(0, 32)))) > 0, copied.model[0].bias.grad.shape
        (True, torch.Size([32]))
    """

    def __init__(self, copied: CopiedTraining, graph: CopiedGraph) -> None:
        own = tensors_by_name(copied.model)
        self.weights, self._adds = [own[name] for name in graph.trained], not copied.habits.zeroes
        self._tensors = [own[name].detach() for name in (*graph.kept, *graph.trained)]
        self._masks, self._tape = graph.masks, graph.tape([weight.detach() for weight in self.weights])

    def __call__(self, rows: Rows) -> Tensor:
        """The loss on these rows; its gradients are added to those that were, or stand in their place, as the copy does it."""
        device = self._tensors[-1].device
        masks = [torch.empty(mask.shape, dtype=mask.dtype, device=device).bernoulli_(mask.share) for mask in self._masks]
        loss, *gradients = self._tape.run(*leaves_of(rows), *self._tensors, *masks)
        for weight, gradient in zip(self.weights, gradients, strict=True):
            if self._adds:  # in other memory: the next run writes over what this one gave
                gradient = gradient.clone() if weight.grad is None else weight.grad + gradient
            weight.grad = gradient
        return loss


def leaves_of(rows: Rows) -> list[Tensor]:
    return [*tensors_of(rows.inputs), *tensors_of(rows.targets)]


def tensors_by_name(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


class _Loss(nn.Module):
    """The loss as a module, since only a module can be called with other tensors in the place of its own."""

    def __init__(self, subject: Subject, model: nn.Module, loss: Any) -> None:
        super().__init__()
        self.subject, self.model = subject, model
        self.given = [loss]  # in a list: a loss that is a module is no part of the network

    def forward(self, inputs: Any, targets: Any) -> Tensor:
        loss: Tensor = self.given[0](self.subject.call(self.model, inputs), targets)
        return loss


def _traced(step: _Loss, rows: Rows, trained: Sequence[str]) -> tuple[GraphModule, list[str]]:
    """The graph, and the names of the weights that get a gradient."""
    weights, graded = dict(step.model.named_parameters()), list[str]()
    others = [name for name in weights if name not in trained]
    fixed = {name: weights[name] for name in others} | dict(step.model.named_buffers())

    def forward_backward(*tensors: Tensor) -> list[Tensor]:
        given = iter(tensors)
        inputs, targets = (each_tensor(tree, lambda _: next(given)) for tree in (rows.inputs, rows.targets))
        own = {f"model.{name}": next(given) for name in fixed}
        learned = {f"model.{name}": next(given).requires_grad_() for name in trained}
        loss = torch.func.functional_call(step, own | learned, (inputs, targets))
        slopes = torch.autograd.grad(loss, list(learned.values()), allow_unused=True)
        graded[:] = [name for name, slope in zip(trained, slopes, strict=True) if slope is not None]
        return [loss.detach(), *(slope for slope in slopes if slope is not None)]

    tensors = [*leaves_of(rows), *fixed.values(), *(weights[name] for name in trained)]
    graph = make_fx(forward_backward, tracing_mode="fake", _allow_non_fake_inputs=True)(*(each.detach() for each in tensors))
    return graph, list(graded)


def _masks_of(graph: GraphModule) -> list[Mask]:
    """Make what dropout draws an input of the graph, so that each copy can be given what it would draw alone."""
    masks: list[Mask] = []
    last = graph.graph.find_nodes(op="placeholder")[-1]
    for node in list(graph.graph.nodes):
        if node.op != "call_function" or torch.Tag.nondeterministic_seeded not in getattr(node.target, "tags", ()):
            continue
        if node.target is not _MASK or len(node.args[0].users) > 1:
            raise CannotRecordError(f"it draws random numbers by {node.target}")
        value = node.meta["val"]
        with graph.graph.inserting_after(last):
            last = graph.graph.placeholder(f"mask_{len(masks)}")
        last.meta = dict(node.meta)
        node.replace_all_uses_with(last)
        graph.graph.erase_node(node)
        masks.append(Mask(tuple(value.shape), node.args[1] if len(node.args) > 1 else 0.5, value.dtype))
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return masks


def _drop_idle(graph: GraphModule) -> None:
    """Leave out what mapping adds and nothing needs: views that give what they are given, products with 1."""
    for node in list(graph.graph.nodes):
        idle = node.op == "call_function" and (node.target in _VIEWS or (node.target is _PRODUCT and node.args[1] == 1))
        if idle and _laid_out(node) == _laid_out(node.args[0]):
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)


def _laid_out(node: Node) -> tuple[Any, ...]:
    value: Tensor = node.meta["val"]
    return value.shape, value.stride(), value.dtype


def _tape_of(graph: GraphModule, weights: Sequence[Tensor]) -> Tape:
    constants = {str(node.target): getattr(graph, str(node.target)) for node in graph.graph.find_nodes(op="get_attr")}
    return Tape(Trace(graph.graph, ("loss",), tuple(range(len(weights))), constants), list(weights), constants)


def _compare(copied: CopiedTraining, graph: CopiedGraph, rows: Rows) -> None:
    """Two passes over the same rows, plain and played: what a network keeps from one pass to the next shows in the second.

    Errors: `CannotRecordError` where they differ.
    """
    found: list[list[Tensor]] = []
    for played in (False, True):
        alone = replace(copied, model=copy.deepcopy(copied.model))
        torch.manual_seed(copied.seed)
        backward = Playing(alone, graph) if played else alone.backward
        losses = []
        for _ in range(2):
            alone.model.zero_grad()
            losses.append(backward(rows).detach().clone())
        own = tensors_by_name(alone.model)
        slopes = [slope.reshape(-1) for name in graph.trained if (slope := own[name].grad) is not None]
        # All gradients as one: one that is nothing but rounding, as of a bias before batch norm, may differ.
        found.append([*losses, torch.cat(slopes), *(own[name] for name in graph.kept)])
    if not all(near(one, other) for one, other in zip(*found, strict=True)):
        raise CannotRecordError("from a tape it would learn something else")


def near(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors differ by rounding alone."""
    one, other = (each.detach().double().nan_to_num() for each in (one, other))
    return float((one - other).norm()) <= _NEAR * float(other.norm()) + 1e-12
