"""Where the matrices of a layer lie: each as a view [outputs, inputs, *kernel] of a parameter."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

_GATES: dict[type[nn.Module], int] = {nn.LSTM: 4, nn.GRU: 3, nn.RNN: 1, nn.LSTMCell: 4, nn.GRUCell: 3, nn.RNNCell: 1}

Cut = Callable[[Tensor], list[Tensor]]


class Places(NamedTuple):
    """The weights of one layer, by name, each with what cuts it into matrices; and the names of its biases."""

    weights: dict[str, Cut]
    biases: list[str]


def places_of(layer: nn.Module) -> Places:
    """What there is to set in this layer alone, its sub-layers left out.

    Example:
        >>> layer = nn.Conv2d(4, 6, 3, groups=2)
        >>> [list(matrix.shape) for matrix in places_of(layer).weights["weight"](layer.weight)]
        [[3, 2, 3, 3], [3, 2, 3, 3]]
    """
    if isinstance(layer, _ConvNd):
        return Places({"weight": _groups(layer)}, _present(layer, "bias"))
    if isinstance(layer, nn.Linear):
        return Places({"weight": _whole}, _present(layer, "bias"))
    if isinstance(layer, nn.MultiheadAttention):
        apart = _present(layer, "q_proj_weight", "k_proj_weight", "v_proj_weight")
        return Places(dict.fromkeys(apart, _whole) or {"in_proj_weight": _chunks(3)}, _present(layer, "in_proj_bias"))
    return _recurrent(layer) or _of_our_own(layer)


def _recurrent(layer: nn.Module) -> Places | None:
    """A layer with torch's names for recurrent weights, ours included; the gates of each matrix lie one above the other."""
    own = dict(layer.named_parameters(recurse=False))
    inner = next((weight for name, weight in own.items() if name.startswith("weight_hh")), None)
    if inner is None:
        return None
    gates = next((count for kind, count in _GATES.items() if isinstance(layer, kind)), inner.shape[0] // inner.shape[1])
    # The projection of an LSTM's output (weight_hr) has no gates.
    weights = {name: _chunks(1 if "_hr" in name else gates) for name in own if name.startswith("weight")}
    return Places(weights, [name for name in own if name.startswith("bias")])


def _of_our_own(layer: nn.Module) -> Places:
    """A layer that torch lacks is told by its shapes: a `weight` whose outputs are those of its `bias`."""
    weight, bias = getattr(layer, "weight", None), getattr(layer, "bias", None)
    if type(layer).__module__.startswith("torch.") or not isinstance(weight, Tensor) or not isinstance(bias, Tensor):
        return Places({}, [])
    if weight.ndim == 2 and bias.shape[-1] == weight.shape[0]:  # also with a bias for each member, as in BatchEnsembleLinear
        return Places({"weight": _whole}, ["bias"])
    if weight.ndim == 3 and bias.shape == weight.shape[2:]:  # as in MemberHeads: members, inputs, outputs
        return Places({"weight": lambda heads: [head.T for head in heads]}, ["bias"])
    return Places({}, [])


def _present(layer: nn.Module, *names: str) -> list[str]:
    return [name for name in names if getattr(layer, name) is not None]


def _whole(weight: Tensor) -> list[Tensor]:
    return [weight]


def _chunks(count: int) -> Cut:
    return lambda weight: list(weight.chunk(count))


def _groups(layer: _ConvNd) -> Cut:
    """A transposed convolution keeps its inputs before its outputs."""
    swapped = isinstance(layer, _ConvTransposeNd)
    return lambda weight: [each.transpose(0, 1) if swapped else each for each in weight.chunk(layer.groups)]
