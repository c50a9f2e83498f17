"""The autograd graph of a loss as plain nodes: which operation, on what, with which weights."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

_MATRICES = """
addmm mm bmm baddbmm addbmm mv addmv dot vdot linear mkldnn_linear convolution convolution_overrideable mkldnn_convolution
cudnn_convolution thnn_conv2d slow_conv3d conv_tbc sparse_addmm bilinear trilinear scaled_mm
"""
MATRICES = frozenset(_MATRICES.split())
RECURRENT = frozenset(["mkldnn_rnn_layer", "cudnn_rnn", "miopen_rnn", "thnn_fused_lstm_cell", "thnn_fused_gru_cell"])
LOOK_UPS = frozenset(["embedding", "embedding_bag", "embedding_dense", "sparse_embedding"])
NORMS = frozenset(["native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm", "batch_norm_with_update"])
# Nothing non-linear happens in these: they move, add, average or scale what they get.
_LINEAR = """
view unsafe_view reshape_alias reshape t transpose permute expand expand_as squeeze unsqueeze select slice narrow index
index_select gather take cat stack split split_with_sizes unsafe_split chunk unbind unfold im2col col2im as_strided clone
to_copy alias detach add sub rsub neg mean sum mul div avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d
adaptive_avg_pool2d adaptive_avg_pool3d mkldnn_adaptive_avg_pool2d native_dropout fused_dropout constant_pad_nd
reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d upsample_nearest1d upsample_nearest2d
upsample_nearest3d upsample_bilinear2d upsample_bicubic2d upsample_linear1d pixel_shuffle pixel_unshuffle channel_shuffle
flip roll repeat repeat_interleave masked_fill masked_select copy copy_slices contiguous cumsum scatter scatter_add
index_add index_put movedim swapaxes diagonal pack_padded_sequence squeeze_multiple unsqueeze_multiple view_as_real fft_r2_c
fft_c2_r real
"""
LINEAR = NORMS | frozenset(_LINEAR.split())
_MOVES = """
view unsafe_view reshape_alias reshape t transpose permute expand squeeze unsqueeze select slice narrow index clone to_copy
alias contiguous stack unbind as_strided movedim flip cat split unsafe_split index_select
"""
MOVES = frozenset(_MOVES.split())
_SAME = {"safe_softmax": "softmax", "masked_softmax": "softmax", "clamp_min": "clamp", "threshold": "relu"}
_UNSEEN = ("CompiledFunction", "CheckpointFunction", "GraphModule", "FusedGraph")


@dataclass
class Node:
    """An operation of the graph.

    `inputs` are the operations that gave it data, by number; `weights` the names of parameters that enter it as they are, or
    after mere reshaping, casting or reparametrization; `from_weights` says that nothing but parameters enters it.
    """

    name: str
    shape: tuple[int, ...]
    handle: Any
    inputs: list[int] = field(default_factory=list)
    weights: list[str] = field(default_factory=list)
    from_weights: bool = False
    parameter: Tensor | None = None
    layer: str = ""  # whose weights it applies to data; empty for all other operations
    entries: int = 0  # of the layer's matrix; of a convolution, those of one place of its window

    @property
    def is_linear(self) -> bool:
        """Whether its output is linear in its data."""
        gate = self.name in ("mul", "div") or self.name in MATRICES
        return (self.name in LINEAR or self.name in MATRICES) and not (gate and len(self.inputs) > 1)


def plain_name(name: str) -> str:
    """A node's name as a function is called.

    Example:
        >>> plain_name("NllLoss2DBackward0"), plain_name("torch::autograd::AccumulateGrad"), plain_name("SafeSoftmaxBackward0")
        ('nll_loss2d', 'accumulate_grad', 'softmax')
    """
    name = re.sub(r"Backward\d*$", "", name.rsplit("::", 1)[-1])
    name = re.sub(r"(\d)D", r"\1d", name)
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return _SAME.get(snake, snake)


def parameter_names(model: nn.Module) -> dict[int, str]:
    """Names by identity; a tied parameter has the first of its names."""
    return {id(parameter): name for name, parameter in model.named_parameters()}


def layer_of(name: str) -> str:
    """The layer to which a parameter belongs.

    Example:
        >>> [layer_of(each) for each in ("0.weight", "rnn.weight_hh_l1", "fc.parametrizations.weight.original0", "weight")]
        ['0', 'rnn.l1', 'fc', 'weight']
    """
    if recurrent := re.fullmatch(r"(.*?)\.?(?:weight|bias)_(?:ih|hh|hr)_l(\d+)(?:_reverse)?", name):
        return f"{recurrent[1]}.l{recurrent[2]}".lstrip(".")
    name = re.sub(r"\.parametrizations\.(\w+)\..*$", r".\1", name)
    return name.rsplit(".", 1)[0] if "." in name else name


def graph_of(loss: Tensor, names: Mapping[int, str]) -> list[Node]:
    """All nodes, the loss first: each stands before what it was made from."""
    if loss.grad_fn is None:
        return []
    handles, edges = _reached(loss.grad_fn)
    order = _sorted(len(handles), edges)
    place = {old: new for new, old in enumerate(order)}
    nodes = [_node(handles[old]) for old in order]
    for new, old in enumerate(order):
        nodes[new].inputs = [place[each] for each in edges[old]]
    for node in reversed(nodes):  # from the parameters to the loss
        _sort_inputs(node, nodes, names)
    return nodes


def unseen_operations(nodes: Sequence[Node]) -> list[str]:
    """Nodes that hide the operations of a compiled or checkpointed stretch."""
    return sorted({node.handle.name() for node in nodes if any(part in node.handle.name() for part in _UNSEEN)})


def leading(nodes: Sequence[Node], start: int) -> Iterator[int]:
    """From a node towards the inputs, along the first data that enters each, as long as there is any."""
    at: int | None = start
    while at is not None:
        yield at
        inputs = nodes[at].inputs
        at = next((each for each in inputs if not nodes[each].from_weights), inputs[0] if inputs else None)


def _reached(root: Any) -> tuple[list[Any], list[list[int]]]:
    """Every node, with the numbers of those that it was made from; a node's Python object lives as long as one holds it."""
    handles, number, edges, at = [root], {root: 0}, [], 0
    while at < len(handles):
        into = []
        for each, _ in handles[at].next_functions:
            if each is None:
                continue
            if each not in number:
                number[each] = len(handles)
                handles.append(each)
            into.append(number[each])
        edges.append(into)
        at += 1
    return handles, edges


def _sorted(count: int, edges: Sequence[Sequence[int]]) -> list[int]:
    waiting = [0] * count
    for into in edges:
        for each in into:
            waiting[each] += 1
    order, ready = [], [0]
    while ready:
        order.append(at := ready.pop())
        for each in edges[at]:
            waiting[each] -= 1
            if not waiting[each]:
                ready.append(each)
    return order


def _node(handle: Any) -> Node:
    name = plain_name(handle.name())
    if name == "clamp" and getattr(handle, "_saved_min", None) == 0 and getattr(handle, "_saved_max", None) is None:
        name = "relu"
    metadata = getattr(handle, "_input_metadata", ())
    shape = tuple(int(size) for size in metadata[0].shape) if metadata else ()
    return Node(name, shape, handle, parameter=handle.variable if name == "accumulate_grad" else None)


def _sort_inputs(node: Node, nodes: Sequence[Node], names: Mapping[int, str]) -> None:
    """Tells weights from data among what enters a node."""
    if node.parameter is not None:  # an input may require a gradient, too
        node.from_weights = isinstance(node.parameter, nn.Parameter) or id(node.parameter) in names
        node.weights = [names.get(id(node.parameter), "")] if node.from_weights else []
        return
    of_weights = [each for each in node.inputs if nodes[each].from_weights]
    applies = node.name in MATRICES or node.name in RECURRENT or node.name in LOOK_UPS
    node.weights = [name for each in of_weights for name in nodes[each].weights]
    if applies:
        node.inputs = [each for each in node.inputs if not nodes[each].from_weights]
        if node.weights and (len(node.inputs) < 2 or node.name in RECURRENT):
            matrices = [each for start in of_weights for each in _matrices(nodes, start)]
            names_of = [name for each in matrices for name in each.weights] or node.weights
            node.layer = layer_of(names_of[0]) or "another network"
            sizes = [each.parameter.shape[:2].numel() for each in matrices if each.parameter is not None]
            node.entries = max(sizes, default=node.shape[-1] if node.shape else 1)
        return
    node.from_weights = bool(of_weights) and len(of_weights) == len(node.inputs) and node.name not in NORMS
    node.weights = node.weights[:8] if node.from_weights else []


def _matrices(nodes: Sequence[Node], start: int) -> list[Node]:
    """The parameters of two or more dimensions from which a weight is made."""
    found: list[Node] = []
    waiting, seen = [start], set[int]()
    while waiting and len(seen) < 64:
        at = waiting.pop()
        if at in seen:
            continue
        seen.add(at)
        parameter = nodes[at].parameter
        if parameter is not None and parameter.ndim > 1:
            found.append(nodes[at])
        waiting += nodes[at].inputs
    return found
