"""The network before its first step: how its weights are spread, and what it answers when it knows nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from leadline.diagnose.checks.batch_losses import first_batch
from leadline.diagnose.checks.constant_answers import best_constant, uninformed
from leadline.diagnose.checks.flat_features import choose
from leadline.diagnose.checks.graph_nodes import NORMS, graph_of, parameter_names
from leadline.diagnose.checks.task_guess import answer_tensor
from leadline.diagnose.checks.weight_chains import followed_by
from leadline.diagnose.readings import First, LayerFacts
from leadline.diagnose.subject import Rows, Subject, plain_call

# Gains that keep the variance through an activation; 1 where nothing, or something else, follows.
_GAINS = {"relu": 2**0.5, "leaky_relu": 2**0.5, "gelu": 2**0.5, "silu": 2**0.5, "elu": 1.4, "prelu": 2**0.5, "hardtanh": 2**0.5}
_ROWS = 256
_TRIAL = 20  # batches
_TOLD, _EVEN = 64, 0.15  # weights from which a spread can be told, and how far it may be from what is expected
Call = Callable[[nn.Module, Any], Any]


def read_layers(model: nn.Module, rows: Rows, call: Call = plain_call) -> list[LayerFacts]:
    """The layers with weights, from the first to the last of the network's list.

    `expected_std` is gain / √fan_in, and 0 where no law holds: embeddings, weights that a normalization rescales, matrices of
    a module of one's own whose sides are not known, and a last layer that begins at zero.

    Args:
        model: a copy with its first weights; it is run once on the rows.
        rows: a few.
        call: (model, inputs) → outputs.
    """
    scales, follows = _run(model, rows, call)
    found = [facts for name, module in model.named_modules() for facts in _facts_of(name, module, follows)]
    for facts in found:
        facts.output_std = scales.get(facts.name)
    if found and found[-1].weight_std == 0:
        found[-1].expected_std = 0.0
    return found


def has_learned(model: nn.Module) -> bool:
    """Whether a network with its first weights has been trained before, as its normalization layers tell.

    Their scales begin as one number, and their statistics count the batches that they have seen: a few may be a trial run.

    Example:
        >>> norm = nn.BatchNorm1d(3)
        >>> before = has_learned(norm)
        >>> _ = nn.init.normal_(norm.weight)
        >>> before, has_learned(norm)
        (False, True)
    """
    norms = [layer for layer in model.modules() if "Norm" in type(layer).__name__]
    seen = any(
        int(count) > _TRIAL for layer in norms if isinstance(count := getattr(layer, "num_batches_tracked", None), Tensor)
    )
    scales = [scale for layer in norms if isinstance(scale := getattr(layer, "weight", None), Tensor) and scale.numel() > 1]
    return seen or any(float(scale.detach().float().std()) > 0 for scale in scales)


def read_first(subject: Subject) -> First:
    """What the network says before the first step, on up to 256 kept rows, beside answers that do not look at the inputs."""
    rows = first_batch(subject, subject.train.take(choose(len(subject.train), _ROWS)))
    model = subject.fresh()
    outputs = subject.outputs(model.eval(), rows)
    first = First(input_dependence=input_dependence(outputs))
    if subject.loss is None:
        return first
    quiet = _loss(subject, outputs, rows.targets)
    with torch.no_grad():
        lively = _loss(subject, subject.call(model.train(), rows.inputs), rows.targets)
    first.loss = lively if math.isfinite(lively) else quiet
    first.mode_difference = abs(lively - quiet) / max(abs(quiet), 1e-12)
    first.best_constant_loss = best_constant(subject.loss, outputs, rows.targets)
    told = uninformed(subject.loss, outputs, rows.targets) if subject.task in ("classes", "labels") else None
    first.answer_spread = _spread_beside(outputs, rows.targets) if subject.task == "number" else None
    first.expected_loss = told if told is not None else first.best_constant_loss
    return first


def _spread_beside(outputs: Any, targets: Any) -> float | None:
    """The deviation of the answers over that of the targets."""
    values = answer_tensor(outputs)
    wide = float(targets.detach().float().std(0).mean()) if isinstance(targets, Tensor) and len(targets) > 1 else 0.0
    return float(values.detach().float().std(0).mean()) / wide if values is not None and wide > 0 else None


def input_dependence(outputs: Any) -> float | None:
    """The spread of the outputs over the rows, relative to their own size: 0 where every row gets the same answer.

    Example:
        >>> input_dependence(torch.tensor([[1.0], [1.0]])), input_dependence(torch.tensor([[1.0], [-1.0]]))
        (0.0, 1.0)
    """
    values = answer_tensor(outputs)
    if values is None or len(values) < 2:
        return None
    flat = values.detach().float().reshape(len(values), -1)
    size = float(flat.square().sum(1).mean().sqrt())
    spread = float(flat.var(0, correction=0).sum().sqrt())
    return spread / size if size > 0 else 0.0


def _loss(subject: Subject, outputs: Any, targets: Any) -> float:
    assert subject.loss is not None
    with torch.no_grad():
        return float(subject.loss(outputs, targets))


def _run(model: nn.Module, rows: Rows, call: Call) -> tuple[dict[str, float], dict[str, str]]:
    """The spread of what comes out of each layer, and what follows it."""
    scales: dict[str, float] = {}

    def listener(name: str) -> Any:
        def heard(_module: nn.Module, _inputs: Any, output: Any) -> None:
            tensor = answer_tensor(output)
            if tensor is not None and tensor.is_floating_point() and tensor.numel() > 1:
                scales[name] = float(tensor.detach().float().std())

        return heard

    handles = [
        module.register_forward_hook(listener(name))
        for name, module in model.named_modules()
        if name and next(module.parameters(recurse=False), None) is not None
    ]
    frozen = [each for each in model.parameters() if not each.requires_grad and each.is_floating_point()]
    for parameter in frozen:  # else its layer is not in the graph
        parameter.requires_grad_()
    model.train(len(rows) > 1)
    with torch.enable_grad():
        outputs = answer_tensor(call(model, rows.inputs))
        follows = followed_by(graph_of(outputs.float().sum(), parameter_names(model))) if outputs is not None else {}
    for parameter in frozen:
        parameter.requires_grad_(False)
    for handle in handles:
        handle.remove()
    return scales, follows


def _facts_of(name: str, module: nn.Module, follows: dict[str, str]) -> list[LayerFacts]:
    own = [(kind, each) for kind, each in module.named_parameters(recurse=False) if each.ndim > 1]
    if isinstance(module, nn.RNNBase):
        return [_recurrent_facts(name, module, kind, each) for kind, each in own]
    total = sum(each.numel() for each in module.parameters(recurse=False))
    return [_facts(name or kind, module, each, total, follows) for kind, each in own[:1]]


def _facts(name: str, module: nn.Module, weight: nn.Parameter, total: int, follows: dict[str, str]) -> LayerFacts:
    values = weight.detach().float()
    fan_in, after = values[0].numel(), follows.get(name, "")
    units = values.flatten(1)
    known = isinstance(module, (nn.Linear, _ConvNd, nn.MultiheadAttention))
    if isinstance(module, _ConvNd) and module.transposed:
        fan_in = values.shape[0] * values[0][0].numel() // module.groups
        units = values.transpose(0, 1).flatten(1)
    normalized = after in NORMS or after.endswith(("layer_norm", "group_norm", "rms_norm"))
    gain = _GAINS.get(after, 1.0)
    trainable = weight.requires_grad
    return LayerFacts(
        name=name,
        kind=type(module).__name__,
        parameters=total,
        fan_in=fan_in if known else 0,
        weight_std=float(values.std(correction=0)),
        expected_std=gain / math.sqrt(fan_in) if known and not normalized else 0.0,
        identical_units=_alike(units, module) if known else 0.0,
        trainable=trainable,
        units=len(units) if known else 0,
        as_drawn=known and as_drawn(values, fan_in),
    )


def _recurrent_facts(name: str, module: nn.RNNBase, kind: str, weight: nn.Parameter) -> LayerFacts:
    """Gates add what comes from the inputs to what comes from the state: both are drawn by the width of the state."""
    values = weight.detach().float()
    return LayerFacts(
        name=f"{name}.{kind}".lstrip("."),
        kind=type(module).__name__,
        parameters=weight.numel(),
        fan_in=module.hidden_size,
        weight_std=float(values.std(correction=0)),
        expected_std=1 / math.sqrt(module.hidden_size),
        identical_units=_alike(values, module) if values.shape[1] > 1 else 0.0,
        trainable=weight.requires_grad,
        units=module.hidden_size,
        as_drawn=as_drawn(values, module.hidden_size),
    )


def as_drawn(values: Tensor, fan_in: int) -> bool:
    """Whether weights are spread evenly up to 1/√fan_in, as torch draws those of most layers: what has learned lies beyond.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> weight = nn.Linear(16, 16).weight.detach()
        >>> as_drawn(weight, 16), as_drawn(2 * weight, 16)
        (True, False)
    """
    bound = 1 / math.sqrt(max(fan_in, 1))
    even = values.abs().max() <= bound * 1.001 and values.numel() >= _TOLD
    return bool(even) and abs(float(values.std(correction=0)) / (bound / math.sqrt(3)) - 1) < _EVEN


def _alike(units: Tensor, module: nn.Module) -> float:
    """Share of the units whose weights, and bias, are those of another."""
    bias = getattr(module, "bias", None)
    if isinstance(bias, Tensor) and len(bias) == len(units):
        units = torch.cat([units, bias.detach().float()[:, None]], dim=1)
    if len(units) < 2:
        return 0.0
    _, place, counts = torch.unique(units, dim=0, return_inverse=True, return_counts=True)
    return float((counts[place] > 1).float().mean())
