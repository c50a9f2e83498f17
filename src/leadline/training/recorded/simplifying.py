"""Simplifying a traced graph: what need not be done each step is done once, and what may be overwritten is.

Every rule leaves the numbers as they are, to the bit: the same kernels run on the same values in the same order.

A *storage* is the memory that a tensor and its views share; torch's fake tensors know theirs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.fx import Graph, Node

aten = torch.ops.aten

_ALIASES = {aten.detach.default, aten.alias.default}
# An elementwise operation → the one that writes its result over its first argument.
_IN_PLACE = {
    aten.relu.default: aten.relu_.default,
    aten.tanh.default: aten.tanh_.default,
    aten.sigmoid.default: aten.sigmoid_.default,
    aten.neg.default: aten.neg_.default,
    aten.add.Tensor: aten.add_.Tensor,
    aten.sub.Tensor: aten.sub_.Tensor,
    aten.mul.Tensor: aten.mul_.Tensor,
    aten.mul.Scalar: aten.mul_.Scalar,
    aten.div.Tensor: aten.div_.Tensor,
    aten.div.Scalar: aten.div_.Scalar,
}
_COMMUTE = {aten.add.Tensor, aten.mul.Tensor}
# The gradient of an activation → the one that writes it over the gradient that came in.
_OVER_GRADIENT = {
    aten.threshold_backward.default: aten.threshold_backward.grad_input,
    aten.tanh_backward.default: aten.tanh_backward.grad_input,
    aten.sigmoid_backward.default: aten.sigmoid_backward.grad_input,
    aten.silu_backward.default: aten.silu_backward.grad_input,
    aten.leaky_relu_backward.default: aten.leaky_relu_backward.grad_input,
}
# Where a gradient of a parameter ends → the same into memory of its own, which is kept from step to step.
_INTO = {
    aten.mm.default: aten.mm.out,
    aten.bmm.default: aten.bmm.out,
    aten.sum.dim_IntList: aten.sum.IntList_out,
}
_FIXED = {
    aten.ones_like.default,
    aten.zeros_like.default,
    aten.full_like.default,
    aten.new_zeros.default,
    aten.new_ones.default,
    aten.zeros.default,
    aten.ones.default,
    aten.full.default,
    aten.scalar_tensor.default,
    aten.arange.default,
    aten.arange.start,
    aten.arange.start_step,
}
"""What depends on shapes alone."""


def simplify(graph: Graph, parameters: list[Tensor], logs: int) -> set[Node]:
    """Simplify in place; the nodes that come back are evaluated once, not each step.

    Args:
        graph: as traced: returns `logs` scalars, then a gradient for each of `parameters`.
        parameters: those with a gradient, in that order.
        logs: how many scalars come first.
    """
    _drop_aliases(graph)
    _drop_unused(graph)
    results = _results(graph)
    kept = _give_gradients_memory(graph, results, parameters, logs)
    _drop_unused(graph)
    storages = _Storages(graph)
    once = _done_once(graph, storages, kept)
    storages.protect(once)
    _overwrite(graph, storages)
    graph.lint()
    return once


def storage_of(node: Node) -> int | None:
    """Which memory a node's tensor lies in; None for what is no tensor."""
    value = node.meta.get("val")
    return value.untyped_storage()._cdata if isinstance(value, Tensor) else None


def _results(graph: Graph) -> list[Node]:
    (returned,) = graph.find_nodes(op="output")
    return list(returned.args[0])


def _drop_aliases(graph: Graph) -> None:
    """Without an autograd engine a detached tensor is the tensor; a matrix transposed twice is the matrix."""
    for node in graph.nodes:
        first = node.args[0] if node.args else None
        if node.target in _ALIASES:
            node.replace_all_uses_with(first)
        elif node.target is aten.t.default and isinstance(first, Node) and first.target is aten.t.default:
            node.replace_all_uses_with(first.args[0])


def _drop_unused(graph: Graph) -> None:
    """What nobody reads goes, unless it changes something: a buffer, or the state of the random generator."""
    for node in reversed(graph.nodes):
        if node.op in ("call_function", "get_attr") and not node.users and not _acts(node):
            graph.erase_node(node)


def _acts(node: Node) -> bool:
    if node.op == "get_attr" or not isinstance(node.target, torch._ops.OpOverload):
        return False
    # Batch norm changes its running statistics, though its schema does not say so.
    changes_buffers = "batch_norm" in str(node.target) and "backward" not in str(node.target)
    return node.target._schema.is_mutable or torch.Tag.nondeterministic_seeded in node.target.tags or changes_buffers


def _give_gradients_memory(graph: Graph, results: list[Node], parameters: list[Tensor], logs: int) -> set[Node]:
    """Each gradient gets memory of its own, laid out like its parameter, as the optimizers' kernels want it."""
    kept: set[Node] = set()
    taken = {storage_of(node) for node in graph.nodes if node.op in ("placeholder", "get_attr")}
    gradients: list[Node] = []
    (returned,) = graph.find_nodes(op="output")
    for node, parameter in zip(results[logs:], parameters, strict=True):
        value = node.meta["val"]
        fits = value.stride() == parameter.stride() and value.dtype == parameter.dtype
        source = _source(node)
        lonely = all(set(step.users) <= {*_chain(node), returned} for step in _chain(node))
        if fits and lonely and storage_of(node) not in taken and source.target in _INTO and results.count(node) == 1:
            with graph.inserting_before(source):
                memory = _memory(graph, source.meta["val"])
            written = _INTO[source.target]
            with graph.inserting_before(source):
                writing = graph.call_function(written, source.args, {**source.kwargs, "out": memory})
            writing.meta = dict(source.meta)
            source.replace_all_uses_with(memory)
            graph.erase_node(source)
            kept.add(memory)
            node = memory if node is source else node
        elif not fits or storage_of(node) in taken:
            with graph.inserting_before(returned):
                memory = _memory(graph, parameter)
                graph.call_function(aten.copy_.default, (memory, node))
            kept.add(memory)
            node = memory
        taken.add(storage_of(node))
        gradients.append(node)
    returned.args = ([*results[:logs], *gradients],)
    return kept


def _memory(graph: Graph, like: Tensor) -> Node:
    shape, stride = list(like.shape), list(like.stride())
    node = graph.call_function(aten.empty_strided.default, (shape, stride), {"dtype": like.dtype, "device": like.device})
    with torch._subclasses.FakeTensorMode():
        node.meta["val"] = torch.empty_strided(like.shape, like.stride(), dtype=like.dtype, device=like.device)
    return node


def _chain(node: Node) -> Iterator[Node]:
    """The node and what it is a view of, up to where the memory is made."""
    yield node
    while _is_view(node) and isinstance(node.args[0], Node):
        node = node.args[0]
        yield node


def _source(node: Node) -> Node:
    return list(_chain(node))[-1]


def _is_view(node: Node) -> bool:
    if not isinstance(node.target, torch._ops.OpOverload):
        return False
    returns = node.target._schema.returns
    return len(returns) == 1 and returns[0].alias_info is not None and not returns[0].alias_info.is_write


class _Storages:
    """When each storage is last read, and which must not be overwritten."""

    def __init__(self, graph: Graph) -> None:
        self.of = {node: storage_of(node) for node in graph.nodes}
        self.place = {node: place for place, node in enumerate(graph.nodes)}
        self.last: dict[int | None, float] = {}
        self.written: set[int | None] = set()
        for node in graph.nodes:
            for read in node.all_input_nodes:
                until = math.inf if node.op == "output" else self.place[node]
                self.last[self.of[read]] = max(self.last.get(self.of[read], 0), until)
            if isinstance(node.target, torch._ops.OpOverload):
                self.written |= {self.of[target] for target in _written_by(node)}
        self.protect({node for node in graph.nodes if node.op in ("placeholder", "get_attr")})

    def protect(self, nodes: set[Node]) -> None:
        for node in nodes:
            self.last[self.of[node]] = math.inf

    def ends_at(self, read: Any, node: Node) -> bool:
        """Whether nobody reads the memory of `read` after `node`."""
        return isinstance(read, Node) and self.of[read] is not None and self.last[self.of[read]] <= self.place[node]

    def merge(self, node: Node, read: Node) -> None:
        """From now on the result of `node` lies in the memory of `read`."""
        old, new = self.of[node], self.of[read]
        self.last[new] = max(self.last[new], self.last.get(old, 0))
        for other, storage in self.of.items():
            if storage == old:
                self.of[other] = new


def _written_by(node: Node) -> list[Node]:
    schema = node.target._schema  # type: ignore[union-attr]
    given = [(argument, node.args[at]) for at, argument in enumerate(schema.arguments) if at < len(node.args)]
    given += [(argument, node.kwargs[argument.name]) for argument in schema.arguments if argument.name in node.kwargs]
    return [
        value
        for argument, value in given
        if argument.alias_info is not None and argument.alias_info.is_write and isinstance(value, Node)
    ]


def _done_once(graph: Graph, storages: _Storages, kept: set[Node]) -> set[Node]:
    """Parameters and views of them, memory that is kept, and tensors that depend on shapes alone and that nobody writes to."""
    once = {node for node in graph.nodes if node.op == "get_attr"} | kept
    (returned,) = graph.find_nodes(op="output")
    for node in graph.nodes:
        inputs = node.all_input_nodes
        if (_is_view(node) and inputs and set(inputs) <= once) or (
            node.target in _FIXED and storages.of[node] not in storages.written and returned not in node.users
        ):
            once.add(node)
    return once


def _overwrite(graph: Graph, storages: _Storages) -> None:
    """An elementwise result takes the place of an argument that nobody needs any more: less memory to fetch and to ask for."""
    for node in list(graph.nodes):
        if node.target in _IN_PLACE:
            order = [0, 1] if node.target in _COMMUTE and len(node.args) == 2 and not node.kwargs else [0]
            at = next((at for at in order if _may_overwrite(node, at, storages)), None)
            if at is None:
                continue
            over = node.args[at]
            node.args = (over, *(argument for place, argument in enumerate(node.args) if place != at))
            node.target = _IN_PLACE[node.target]
        elif node.target in _OVER_GRADIENT and _may_overwrite(node, 0, storages):
            over = node.args[0]
            node.kwargs = {**node.kwargs, "grad_input": over}
            node.target = _OVER_GRADIENT[node.target]
        else:
            continue
        storages.merge(node, over)


def _may_overwrite(node: Node, at: int, storages: _Storages) -> bool:
    over = node.args[at]
    if not isinstance(over, Node) or not storages.ends_at(over, node):
        return False
    old, new = over.meta["val"], node.meta["val"]
    others = [argument for place, argument in enumerate(node.args) if place != at and isinstance(argument, Node)]
    apart = all(storages.of[other] != storages.of[over] for other in others)
    return apart and (old.shape, old.stride(), old.dtype) == (new.shape, new.stride(), new.dtype)
