"""What the graph of a loss shows: how the network ends, what the loss is made of, which weights are reached."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from leadline.diagnose.checks.graph_nodes import (
    LOOK_UPS,
    MATRICES,
    MOVES,
    NORMS,
    RECURRENT,
    Node,
    graph_of,
    leading,
    parameter_names,
    unseen_operations,
)
from leadline.diagnose.checks.weight_chains import all_stretches, linear_chains, longest_path
from leadline.diagnose.readings import Graph

_SQUASHES = """
softmax log_softmax sigmoid tanh relu leaky_relu log_sigmoid hardtanh hardsigmoid softplus gelu silu elu prelu clamp
softsign exp
"""
SQUASHES = frozenset(_SQUASHES.split())
_CLASS_CORES = ("nll_loss", "nll_loss2d", "binary_cross_entropy", "binary_cross_entropy_with_logits", "multi_margin_loss")
_CORES = (
    *_CLASS_CORES,
    *("mse_loss", "smooth_l1_loss", "huber_loss", "soft_margin_loss", "multilabel_margin_loss", "l1_loss", "ctc_loss"),
)
_AFFINE = frozenset(["add", "sub", "rsub", "mul", "div"])


def read_graph(
    loss: Tensor,
    model: nn.Module,
    optimizers: Sequence[Optimizer],
    *,
    loss_function: Callable[..., Any] | None = None,
    targets: Any = None,
    outputs: Any = None,
) -> Graph:
    """Walks the graph of one step's loss; only its structure is needed, so it may be read after `backward`, too.

    Args:
        loss: of one step, as it came out of the person's program.
        model: the network.
        optimizers: all that update it.
        loss_function: tells how a compiled network's loss is made, where the graph does not.
        targets: of the step; not used where the graph can be read.
        outputs: of the network at this step: where it ends and the loss begins.
    """
    names = parameter_names(model)
    nodes = graph_of(loss, names)
    graph = Graph()
    graph.frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    held = {id(each) for optimizer in optimizers for group in optimizer.param_groups for each in group["params"]}
    graph.outside = [name for name, each in model.named_parameters() if each.requires_grad and id(each) not in held]
    reached = {name for node in nodes if node.parameter is not None for name in node.weights}
    wanted = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    graph.unreached = [name for name in wanted if name not in reached]
    graph.detached = loss.grad_fn is None or (bool(wanted) and len(graph.unreached) == len(wanted))
    graph.unseen = unseen_operations(nodes)
    if not (graph.unseen or graph.detached):
        _read_structure(graph, nodes, outputs)
    _read_modules(graph, model)
    if graph.unseen or graph.detached:
        _guess_structure(graph, model, loss_function)
    return graph


def _read_structure(graph: Graph, nodes: Sequence[Node], outputs: Any) -> None:
    stretches = all_stretches(nodes)
    graph.linear_chains = linear_chains(nodes, stretches)
    graph.depth = longest_path(nodes, stretches)
    operations = {nodes[at].layer: each.operations for at, each in reversed(stretches.items())}
    graph.activations = [name for each in operations.values() for name in dict.fromkeys(reversed(each)) if name not in LOOK_UPS]
    graph.softmaxed = sorted({node.layer for node in nodes if node.layer and _gets_softmax(node, nodes)})
    present = {node.name for node in nodes}
    graph.normalizes = any(name in NORMS or name.endswith(("layer_norm", "group_norm", "rms_norm")) for name in present)
    graph.recurrent = bool(present & RECURRENT) or any("_hh" in name for node in nodes for name in node.weights)
    graph.convolutional = any("conv" in name for name in present)
    _read_ending(graph, nodes, outputs)


def _gets_softmax(node: Node, nodes: Sequence[Node]) -> bool:
    """Whether a layer of weights is given a softmax; that of an attention meets values, which are data."""
    at = node
    while len(at.inputs) == 1 and node.name in MATRICES:
        at = nodes[at.inputs[0]]
        if at.name not in MOVES | {"native_dropout", "fused_dropout", "mul", "div"}:  # on a CPU dropout is a product
            return at.name in ("softmax", "log_softmax") and not at.from_weights
    return False


def _read_ending(graph: Graph, nodes: Sequence[Node], outputs: Any) -> None:
    """Splits what comes after the last weights into the network's head and the loss."""
    last, *way = _way(nodes)
    boundary = getattr(outputs, "grad_fn", None) if isinstance(outputs, Tensor) else None
    cut = next((place for place, node in enumerate(way) if boundary is not None and node.handle is boundary), None)
    if cut is None:  # it is not known where the network ends: after the last operation that squashes
        squashing = [place for place, node in enumerate(way) if node.name in SQUASHES]
        cut = squashing[-1] if squashing else -1
    else:  # what the loop itself applies before the loss counts as the head, too
        while cut + 1 < len(way) and way[cut + 1].name in SQUASHES | MOVES:
            cut += 1
    head, tail = list(way[: cut + 1]), list(way[cut + 1 :])
    while head and head[-1].name in MOVES | {"log_softmax"}:  # whoever takes it, log_softmax begins a cross entropy
        tail.insert(0, head.pop())
        if tail[0].name == "log_softmax":
            break
    graph.head = [node.name for node in head if node.name not in MOVES]
    graph.loss_operations = [name for node in tail if node.name not in MOVES for name in _told(node)]
    core = next((at for at, node in enumerate(way) if node.name in _CORES), None)
    graph.weighed_rows = core is None or any(node.name == "mul" and node.shape for node in way[core + 1 :])
    _read_softmax(graph, last, way)
    shapes = [list(before.shape) for before, node in zip([last, *way], way, strict=False) if _broadcasts(before, node)]
    graph.broadcast, graph.broadcast_shape = bool(shapes), shapes[0] if shapes else []


def _way(nodes: Sequence[Node]) -> list[Node]:
    """From the last layer of weights to the loss, through the part of the loss that compares with targets."""
    cores = [at for name_set in (_CLASS_CORES, _CORES) for at, node in enumerate(nodes) if node.name in name_set]
    up = []
    for at in leading(nodes, cores[0] if cores else 0):
        node = nodes[at]
        up.append(node)
        if node.layer or node.name in MATRICES or node.parameter is not None or node.name in RECURRENT:
            break
    down: list[Node] = []
    if cores:
        users = {each: at for at, node in reversed(list(enumerate(nodes))) for each in node.inputs}
        at = cores[0]
        while at in users:
            at = users[at]
            down.append(nodes[at])
    return [*reversed(up), *down]


def _told(node: Node) -> list[str]:
    """An operation, and the sum in it where a loss adds up over rows instead of averaging."""
    name = {"nll_loss2d": "nll_loss"}.get(node.name, node.name)
    return [name, "sum"] if getattr(node.handle, "_saved_reduction", None) == 2 else [name]


def _read_softmax(graph: Graph, last: Node, way: Sequence[Node]) -> None:
    column = len(last.shape) == 2 and last.shape[1] == 1 < last.shape[0]
    for node in way:
        if node.name in ("softmax", "log_softmax") and node.shape:
            dim = int(getattr(node.handle, "_saved_dim", -1))
            dim = dim - 2**64 if dim >= 2**63 else dim
            dim %= len(node.shape)
            graph.softmax_size = node.shape[dim]
            # Of one dimension: the rows of outputs [N, 1] that were squeezed, not the classes of a lone row.
            graph.softmax_over_rows |= dim == 0 and (len(node.shape) > 1 or (column and node.shape[0] == last.shape[0]))


def _broadcasts(before: Node, node: Node) -> bool:
    """Whether a column of outputs became a square against a row of targets."""
    square = len(node.shape) == 2 and node.shape[0] == node.shape[1] > 1
    elementwise = node.name in _AFFINE | {"expand", "mse_loss", "smooth_l1_loss", "huber_loss"} and len(node.inputs) == 1
    return square and elementwise and before.shape in ((node.shape[0], 1), (node.shape[0],))


def _read_modules(graph: Graph, model: nn.Module) -> None:
    """What the modules tell beyond the graph."""
    for module in model.modules():
        kind = type(module).__name__
        graph.dropout = max(graph.dropout, float(module.p) if isinstance(module, nn.modules.dropout._DropoutNd) else 0.0)
        graph.dropout = max(graph.dropout, float(module.dropout) if isinstance(module, nn.RNNBase) else 0.0)
        graph.normalizes |= "Norm" in kind and "norm" not in kind and not kind.startswith("Parametri")
        graph.batch_norm |= isinstance(module, nn.modules.batchnorm._BatchNorm)
        graph.recurrent |= isinstance(module, (nn.RNNBase, nn.RNNCellBase))
        graph.convolutional |= isinstance(module, nn.modules.conv._ConvNd)


def _guess_structure(graph: Graph, model: nn.Module, loss_function: Callable[..., Any] | None) -> None:
    """From the order of modules, where the graph hides what happens: activations called as functions are not seen."""
    leaves = [(name, each) for name, each in model.named_modules() if not any(True for _ in each.children())]
    weights = [place for place, (_, each) in enumerate(leaves) if any(part.ndim > 1 for part in each.parameters(recurse=False))]
    kinds = [_function_name(type(each).__name__) for _, each in leaves]
    graph.depth = graph.depth or len(weights)
    graph.activations = [kind for kind in kinds[: weights[-1]] if kind in SQUASHES] if weights else []
    graph.head = [kind for kind in kinds[weights[-1] + 1 :] if kind in SQUASHES] if weights else []
    known = {
        "CrossEntropyLoss": ["log_softmax", "nll_loss"], "cross_entropy": ["log_softmax", "nll_loss"], "NLLLoss": ["nll_loss"],
        "BCELoss": ["binary_cross_entropy"], "BCEWithLogitsLoss": ["binary_cross_entropy_with_logits"], "MSELoss": ["mse_loss"],
    }  # fmt: skip
    name = getattr(loss_function, "__name__", type(loss_function).__name__)
    graph.loss_operations = known.get(name, [name] if loss_function is not None else [])


def _function_name(kind: str) -> str:
    return {"ReLU": "relu", "LeakyReLU": "leaky_relu", "LogSoftmax": "log_softmax", "GELU": "gelu", "SiLU": "silu"}.get(
        kind, kind.lower()
    )
