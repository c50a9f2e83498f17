"""The tape: a simplified graph as one Python function that calls torch's kernels, one line each, without an autograd engine."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node

from leadline.training.recorded.simplifying import aten, simplify
from leadline.training.recorded.tracing import Trace

# torch's own Python names for an operation read their arguments in half the time.
_QUICK: dict[Any, Callable[..., Any]] = {
    aten.mm.default: torch.mm,
    aten.mm.out: torch.mm,
    aten.bmm.default: torch.bmm,
    aten.bmm.out: torch.bmm,
    aten.addmm.default: torch.addmm,
    aten.t.default: torch.t,
    aten.transpose.int: torch.transpose,
    aten.select.int: torch.select,
    aten.view.default: torch.Tensor.view,
    aten.relu.default: torch.relu,
    aten.relu_.default: torch.relu_,
    aten.add.Tensor: torch.add,
    aten.mul.Tensor: torch.mul,
    aten.sub.Tensor: torch.sub,
    aten.div.Tensor: torch.div,
    aten.add_.Tensor: torch.Tensor.add_,
    aten.mul_.Tensor: torch.Tensor.mul_,
    aten.div_.Scalar: torch.Tensor.div_,
    aten.bernoulli_.float: torch.Tensor.bernoulli_,
    aten.sum.dim_IntList: torch.sum,
    aten.mean.default: torch.mean,
    aten.argmax.default: torch.argmax,
    aten.eq.Tensor: torch.eq,
    aten.convolution.default: torch.convolution,
    aten.native_batch_norm.default: torch.native_batch_norm,
    aten.embedding.default: torch.embedding,
    aten._log_softmax.default: torch._log_softmax,
    aten._log_softmax_backward_data.default: torch._log_softmax_backward_data,
}


class Tape:
    """A step's forward and backward pass for batches of one shape: tensors of a batch → logs, gradients.

    Args:
        trace: of the step.
        parameters: those with a gradient, in the order of the trace.
        constants: what stands for the trace's constants: the step's own tensors, or those of a copy.

    Example:
        >>> from leadline.training import Supervised
        >>> from leadline.training.recorded.tracing import trace_step
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> _ = torch.nn.init.zeros_(model.weight)
        >>> step = Supervised(model, torch.nn.functional.mse_loss, torch.optim.SGD(model.parameters(), lr=0.1))
        >>> trace = trace_step(step, (torch.ones(1, 1), torch.ones(1, 1)))
        >>> tape = Tape(trace, list(model.parameters()), trace.constants)
        >>> tape.run(torch.ones(1, 1), torch.ones(1, 1))  # (0·1 − 1)², and 2 · (0·1 − 1) · 1
        [tensor(1.), tensor([[-2.]])]
    """

    def __init__(self, trace: Trace, parameters: list[Tensor], constants: dict[str, Tensor]) -> None:
        graph = _copied(trace)
        once = simplify(graph, parameters, len(trace.logs))
        with torch.no_grad():
            known = _evaluated([node for node in graph.nodes if node in once], constants)
        self.source, names = _written(list(graph.nodes), known)
        exec(compile(self.source, "<a recorded step>", "exec"), names)
        self._function: Callable[..., list[Tensor]] = names["recorded"]

    def run(self, *tensors: Tensor) -> list[Tensor]:
        """Logs, then gradients; gradients may lie in memory that the next run writes over.

        No tensor of a tape asks for a gradient, so there is nothing to switch off; and a kernel that asks whether gradients are
        wanted, as the LSTM of a CPU does, must hear yes.
        """
        return self._function(*tensors)


def _copied(trace: Trace) -> torch.fx.Graph:
    """A copy to simplify, so that a trace can be made into several tapes."""
    graph = torch.fx.Graph()
    places: dict[Node, Node] = {}
    returned = graph.graph_copy(trace.graph, places)
    graph.output(returned)
    for old, new in places.items():
        new.meta = dict(old.meta)
    return graph


def _evaluated(nodes: list[Node], constants: dict[str, Tensor]) -> dict[Node, Any]:
    known: dict[Node, Any] = {}

    def value(node: Node) -> Any:
        """A tensor that is known, or one of the same shape where the shape is all that is asked for."""
        if node in known:
            return known[node]
        like = node.meta["val"]
        return torch.empty_strided(like.shape, like.stride(), dtype=like.dtype, device=like.device)

    for node in nodes:
        if node.op == "get_attr":
            known[node] = constants[str(node.target)].detach()
        else:
            arguments, keywords = torch.fx.map_arg((node.args, node.kwargs), value)
            known[node] = node.target(*arguments, **keywords)  # type: ignore[operator]
    return known


def _written(nodes: list[Node], known: dict[Node, Any]) -> tuple[str, dict[str, Any]]:
    """The function's source, and the objects that it names."""
    names: dict[str, Any] = {}

    def word(value: Any) -> str:
        if isinstance(value, Node):
            return bound(known[value]) if value in known else value.name
        if isinstance(value, (list, tuple)) and any(isinstance(part, Node) for part in value):
            return "[" + ", ".join(word(part) for part in value) + "]"
        return repr(value) if value is None or isinstance(value, (bool, int)) else bound(value)

    def bound(value: Any) -> str:
        name = next((name for name, other in names.items() if other is value), f"k{len(names)}")
        names[name] = value
        return name

    last: dict[Node, Node] = {}
    for node in nodes:
        for read in node.all_input_nodes:
            last[read] = node
    lines = []
    for node in nodes:
        if node.op == "output":
            lines.append(f"return {word(list(node.args[0]))}")  # type: ignore[arg-type]
        elif node.op == "call_function" and node not in known:
            arguments = [word(value) for value in node.args] + [f"{key}={word(value)}" for key, value in node.kwargs.items()]
            if node.target is operator.getitem:
                lines.append(f"{node.name} = {arguments[0]}[{arguments[1]}]")
            else:
                function = bound(_QUICK.get(node.target, node.target))
                target = f"{node.name} = " if node.users else ""
                lines.append(f"{target}{function}({', '.join(arguments)})")
            over = [read.name for read in node.all_input_nodes if last[read] is node and read not in known]
            if over:  # memory that is given back at once is memory that the next operation finds in the cache
                lines.append(f"del {', '.join(over)}")
    inputs = ", ".join(node.name for node in nodes if node.op == "placeholder")
    return f"def recorded({inputs}):\n    " + "\n    ".join(lines) + "\n", names
