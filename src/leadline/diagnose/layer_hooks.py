"""What comes out of the layers in one pass: read by hooks that are there for that pass alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

# Activations as the graph names them, and as modules: "relu" gives 0 for half of its inputs and may die there; the others end
# in a flat part, beyond |z| where the slope is below a hundredth of its largest.
_OF_GRAPH = {"ReluBackward": "relu", "SigmoidBackward": "sigmoid", "TanhBackward": "tanh", "ThresholdBackward": "relu"}
_OF_MODULES: dict[type[nn.Module], str] = {nn.ReLU: "relu", nn.Sigmoid: "sigmoid", nn.Tanh: "tanh", nn.ReLU6: "relu"}
_FLAT = {"sigmoid": 5.9933, "tanh": 2.9932}  # σ'(z) = 0.01 σ'(0); 1 − tanh² z = 0.01
_PASSED_ON = (
    "ViewBackward",
    "ReshapeAliasBackward",
    "UnsafeViewBackward",
    "AliasBackward",
    "TransposeBackward",
    "ToCopyBackward",
)


class LayerHooks:
    """Hooks on the layers that hold no others, for one forward pass.

    `activations()` says what follows each layer, read from the graph of the loss, so that activations that are functions are
    seen as well as modules. `readings()` gives for each layer the share of units that are dead (a rectifier that gave nothing
    for all rows of the batch), the share of outputs that are saturated, and the standard deviation of what came out.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
        >>> _ = nn.init.constant_(model[0].bias, -1e3)
        >>> hooks = LayerHooks(model)
        >>> loss = model(torch.ones(4, 2)).sum()
        >>> hooks.remove()
        >>> hooks.readings(loss)[0]
        {'0': 1.0}
    """

    def __init__(self, model: nn.Module, known: dict[str, str] | None = None) -> None:
        self._outputs: dict[str, Tensor] = {}
        self._known = known
        self._handles = [
            module.register_forward_hook(self._listener(name))
            for name, module in model.named_modules()
            if not any(module.children())
            and not isinstance(module, (nn.Dropout, nn.Identity, nn.Flatten, torch.jit.ScriptModule))
        ]
        self._modules = {name: type(module) for name, module in model.named_modules()}

    def _listener(self, name: str) -> Any:
        def heard(_module: nn.Module, _inputs: Any, output: Any) -> None:
            tensor = output[0] if isinstance(output, tuple) and output else output
            if isinstance(tensor, Tensor) and tensor.is_floating_point() and tensor.dim() >= 2:
                before = self._outputs.get(name)
                if before is None or tensor.requires_grad or not before.requires_grad:  # rows that are judged are not learned
                    self._outputs[name] = tensor

        return heard

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()

    @property
    def outputs(self) -> dict[str, Tensor]:
        """What came out of each layer, until `readings` has read it."""
        return dict(self._outputs)

    def activations(self, loss: Tensor) -> dict[str, str]:
        """Layer → the activation that it feeds ("relu", "sigmoid", "tanh"), for layers that feed one."""
        if self._known is not None:
            return self._known
        made_by = {output.grad_fn: name for name, output in self._outputs.items() if output.grad_fn is not None}
        found: dict[str, str] = {}
        for node, before in _edges(loss):
            kind = next((act for start, act in _OF_GRAPH.items() if node.name().startswith(start)), "")
            while kind and before is not None and before not in made_by and before.name().startswith(_PASSED_ON):
                before = before.next_functions[0][0]
            if kind and before in made_by:
                found[made_by[before]] = kind
        return found

    def readings(self, loss: Tensor) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
        """Dead units, saturated outputs and scales by layer, in one transfer from the device."""
        follows = self.activations(loss)
        names: list[tuple[str, str]] = []
        values: list[Tensor] = []
        with torch.no_grad():
            for name, output in self._outputs.items():
                z = output.detach()
                names.append(("scale", name))
                values.append(z.float().std() if z.numel() > 1 else z.float().sum() * 0)
                if (kind := follows.get(name, "")) == "relu":
                    names.append(("dead", name))
                    values.append(
                        (z > 0).flatten(2).any(-1).any(0).logical_not().float().mean()
                        if z.dim() > 2
                        else (z > 0).any(0).logical_not().float().mean()
                    )
                elif kind:
                    names.append(("saturated", name))
                    values.append((z.abs() > _FLAT[kind]).float().mean())
            fetched = (
                torch.stack([value.cpu() if value.device.type == "mps" else value for value in values]).tolist()
                if values
                else []
            )
        self._outputs.clear()
        dead, saturated, scale = dict[str, float](), dict[str, float](), dict[str, float]()
        into = {"dead": dead, "saturated": saturated, "scale": scale}
        for (what, name), value in zip(names, fetched, strict=True):
            into[what][name] = value
        return dead, saturated, scale


def _edges(loss: Tensor) -> Iterator[tuple[Any, Any]]:
    """Each (node, node before it) of the graph of a loss, from the loss on."""
    waiting, seen = [loss.grad_fn] if loss.grad_fn is not None else [], set[Any]()
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        for before, _ in node.next_functions:
            if before is not None:
                yield node, before
                waiting.append(before)
