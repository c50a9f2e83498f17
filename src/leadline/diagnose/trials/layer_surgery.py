"""Layers of a copy changed where they stand, so that its parameters keep the names that the person's optimizer knows."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.dropout import _DropoutNd
from torch.utils.hooks import RemovableHandle

from leadline.diagnose.trials.function_sites import FUNCTIONS, Watching
from leadline.initialize.matrices import places_of

WEIGHTED = (nn.Linear, _ConvNd)
_GATED = {nn.RNN: nn.GRU, nn.RNNCell: nn.GRUCell}


def passed(model: nn.Module, forward: Callable[[], Any]) -> list[tuple[str, nn.Module, Tensor]]:
    """The layers without parts in the order of a forward pass: (name, layer, what it gave).

    Example:
        >>> network = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
        >>> [name for name, *_ in passed(network, lambda: network(torch.ones(4, 2)))]
        ['0', '1', '2']
    """
    seen: list[tuple[str, nn.Module, Tensor]] = []

    def noting(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(layer: nn.Module, inputs: Any, output: Any) -> None:
            seen.append((name, layer, output))

        return hook

    hooks = [
        layer.register_forward_hook(noting(name))
        for name, layer in model.named_modules()
        if not any(True for _ in layer.children())
    ]
    try:
        with torch.no_grad():
            forward()
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def weighted(model: nn.Module, forward: Callable[[], Any]) -> list[tuple[str, nn.Module, Tensor]]:
    """Of these the linear and convolutional ones, each once, at its last call."""
    last = {name: (name, layer, output) for name, layer, output in passed(model, forward) if isinstance(layer, WEIGHTED)}
    return list(last.values())


def without_nonlinearity(model: nn.Module, forward: Callable[[], Any]) -> list[str]:
    """Linear and convolutional layers whose outputs come to the next one with nothing non-linear between, by name.

    Example:
        >>> network = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1))
        >>> without_nonlinearity(network, lambda: network(torch.ones(4, 2)))
        ['0']
    """
    events: list[str] = []

    class Noting(Watching):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            name = FUNCTIONS.get(func, "")
            if (name and name != "dropout") or "max_pool" in getattr(func, "__name__", ""):
                events.append("")
            return func(*args, **(kwargs or {}))

    hooks: list[RemovableHandle] = []
    for name, layer in model.named_modules():
        if isinstance(layer, WEIGHTED):
            hooks.append(layer.register_forward_hook(lambda layer, inputs, output, name=name: events.append(name)))
        elif isinstance(layer, (nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention)):
            hooks.append(layer.register_forward_hook(lambda layer, inputs, output: events.append("")))
    try:
        with torch.no_grad(), Noting():
            forward()
    finally:
        for hook in hooks:
            hook.remove()
    return [name for name, after in itertools.pairwise(events) if name and after]


def after_layer(layer: nn.Module, change: Callable[[Tensor], Tensor]) -> None:
    """What comes out of the layer is changed from now on."""
    layer.register_forward_hook(lambda own, inputs, output: change(output))


def set_module(model: nn.Module, name: str, layer: nn.Module) -> None:
    """Put another layer in every place in which the one of this name stands."""
    old = model.get_submodule(name)
    for parent in list(model.modules()):
        for part, child in list(parent.named_children()):
            if child is old:
                setattr(parent, part, layer)


def new_output(model: nn.Module, name: str, outputs: int) -> None:
    """Give the last linear layer another number of outputs, with weights as torch draws them."""
    old = model.get_submodule(name)
    assert isinstance(old, nn.Linear)
    set_module(model, name, nn.Linear(old.in_features, outputs, bias=old.bias is not None, device=old.weight.device))


def drop_dropout(model: nn.Module) -> int:
    """Turn off the dropout of layers; how many had some."""
    count = 0
    for layer in model.modules():
        part = "dropout" if isinstance(layer, (nn.RNNBase, nn.MultiheadAttention)) else "p"
        if isinstance(layer, (_DropoutNd, nn.RNNBase, nn.MultiheadAttention)) or "Drop" in type(layer).__name__:
            share = getattr(layer, part, 0.0)
            if isinstance(share, float) and share > 0:
                setattr(layer, part, 0.0)
                count += 1
    return count


def start_anew(model: nn.Module, rule: str, last: str = "") -> int:
    """First weights by "he" or "xavier", the last layer's always by Xavier's rule; biases 0; all else as torch starts it.

    Frozen layers, which have learned before, stay as they are.

    Returns:
        How many tensors were set.

    Example:
        >>> network = nn.Sequential(nn.Linear(100, 50), nn.ReLU(), nn.Linear(50, 2))
        >>> start_anew(network, "he", "2"), round(network[0].weight.std().item(), 2)
        (4, 0.14)
    """
    count, done = 0, set[int]()
    with torch.no_grad():
        for name, layer in model.named_modules():
            own = {part: value for part, value in layer.named_parameters(recurse=False) if id(value) not in done}
            if not own or not any(value.requires_grad for value in own.values()):
                continue
            done |= {id(value) for value in own.values()}
            count += len(own)
            if isinstance(layer, WEIGHTED):
                for cut in places_of(layer).weights.values():
                    for matrix in cut(layer.weight.detach()):
                        _set_matrix(matrix, "xavier" if name == last else rule)
                if layer.bias is not None:
                    layer.bias.zero_()
            elif callable(reset := getattr(layer, "reset_parameters", None)):
                reset()
            else:
                for value in own.values():
                    if value.ndim > 1:
                        _set_matrix(value.detach(), "xavier")
                    elif not isinstance(layer, nn.PReLU) and bool(value.count_nonzero()) and float(value.std(correction=0)) > 0:
                        value.zero_()  # a bias; what is one number throughout is a scale or chosen so
    return count


def _set_matrix(matrix: Tensor, rule: str) -> None:
    if rule == "he":
        nn.init.kaiming_normal_(matrix, nonlinearity="relu")
    else:
        nn.init.xavier_normal_(matrix)


def gate(model: nn.Module) -> int:
    """Put gated units (GRU) in the place of plain recurrent ones; how many there were."""
    plain = [(name, layer) for name, layer in model.named_modules() if type(layer) in _GATED]
    for name, layer in plain:
        device = next(layer.parameters()).device
        if isinstance(layer, nn.RNN):
            new: nn.Module = nn.GRU(
                layer.input_size, layer.hidden_size, layer.num_layers, bias=layer.bias, batch_first=layer.batch_first,
                dropout=layer.dropout, bidirectional=layer.bidirectional, device=device,
            )  # fmt: skip
        else:
            assert isinstance(layer, nn.RNNCell)
            new = nn.GRUCell(layer.input_size, layer.hidden_size, bias=layer.bias, device=device)
        set_module(model, name, new)
    return len(plain)


def normalized(output: Tensor, layer: nn.Module) -> nn.Module | None:
    """A normalization for what this layer gives: batch norm, or layer norm for rows of vectors."""
    device = output.device
    if isinstance(layer, nn.Linear):
        return (nn.BatchNorm1d if output.ndim == 2 else nn.LayerNorm)(output.shape[-1], device=device)
    kinds = {3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
    return kinds[output.ndim](output.shape[1], device=device) if output.ndim in kinds else None


def widen(model: nn.Module, names: list[str], factor: int) -> str:
    """Give all hidden layers of a chain so many times the units; what stands in the way, or an empty text.

    A recurrent layer is widened where one linear layer follows it.
    """
    recurrent = [(name, layer) for name, layer in model.named_modules() if type(layer) in (nn.RNN, nn.LSTM, nn.GRU)]
    if recurrent:
        return _widen_recurrent(model, recurrent, names, factor)
    layers = [model.get_submodule(name) for name in names]
    for before, after in itertools.pairwise(layers):
        given = before.out_features if isinstance(before, nn.Linear) else before.out_channels
        taken = after.in_features if isinstance(after, nn.Linear) else after.in_channels
        if not isinstance(given, int) or not isinstance(taken, int) or taken % given:
            return "its layers are no chain in which each takes what the one before gives"
    if len(names) < 2:
        return "it has no hidden layer"
    for place, (name, layer) in enumerate(zip(names, layers, strict=True)):
        wide_in, wide_out = factor if place else 1, factor if place < len(names) - 1 else 1
        set_module(model, name, _wider(layer, wide_in, wide_out))
    for name, layer in list(model.named_modules()):
        if isinstance(layer, _BatchNorm):
            wider = type(layer)(
                layer.num_features * factor,
                eps=layer.eps,
                momentum=layer.momentum,
                affine=layer.affine,
                track_running_stats=layer.track_running_stats,
            )
            set_module(model, name, wider.to(next(model.parameters()).device))
    return ""


def _widen_recurrent(model: nn.Module, recurrent: list[tuple[str, Any]], names: list[str], factor: int) -> str:
    [(name, old), *others], last = recurrent, model.get_submodule(names[-1]) if names else None
    if others or len(names) != 1 or not isinstance(last, nn.Linear):
        return "other layers than one after its recurrent layer would have to be wider, too"
    if last.in_features != old.hidden_size or old.bidirectional or old.proj_size:
        return "its last layer does not take what the recurrent layer gives"
    device = last.weight.device
    wide = {"num_layers": old.num_layers, "bias": old.bias, "batch_first": old.batch_first, "dropout": old.dropout}
    if isinstance(old, nn.RNN):
        wide["nonlinearity"] = old.nonlinearity
    set_module(model, name, type(old)(old.input_size, old.hidden_size * factor, **wide, device=device))
    set_module(model, names[0], _wider(last, factor, 1))
    return ""


def _wider(layer: nn.Module, wide_in: int, wide_out: int) -> nn.Module:
    bias = layer.bias is not None
    if isinstance(layer, nn.Linear):
        return nn.Linear(layer.in_features * wide_in, layer.out_features * wide_out, bias=bias, device=layer.weight.device)
    assert isinstance(layer, _ConvNd)
    kind: Any = type(layer)
    return kind(  # type: ignore[no-any-return]
        layer.in_channels * wide_in, layer.out_channels * wide_out, layer.kernel_size, stride=layer.stride,
        padding=layer.padding, dilation=layer.dilation, bias=bias, padding_mode=layer.padding_mode, device=layer.weight.device,
    )  # fmt: skip
