"""The forward pass of many networks at once: each layer has a stacked counterpart on [A, B, …].

A networks, B batch. A layer without one runs under `torch.vmap`, which knows how to batch any computation.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.errors import ArgumentError
from leadline.layers.fast_pooling import MaxPool2x2
from leadline.layers.gated import Gated
from leadline.layers.logistic import Logistic
from leadline.layers.maxout import Maxout
from leadline.layers.one_hot import OneHot
from leadline.layers.response_norm import LocalResponseNorm
from leadline.layers.same_convolution import SameConv2d
from leadline.layers.same_pooling import SameAvgPool2d, SameMaxPool2d
from leadline.layers.sign import Sign
from leadline.layers.softmax import Softmax
from leadline.layers.winner_take_all import WinnerTakeAll
from leadline.training.population.convolving import WAYS, time_ways
from leadline.training.population.masks import DROPOUTS, Masks
from leadline.training.population.products import LinearOfEach, Memory

# Layers that treat every value alike: they take [A, B, …] as they are.
_AS_THEY_ARE: tuple[type[nn.Module], ...] = (
    nn.Identity, nn.ReLU, nn.LeakyReLU, nn.ELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish, nn.Tanh, nn.Sigmoid, nn.LogSigmoid,
    nn.Softplus, nn.Softsign, nn.Hardtanh, nn.ReLU6, nn.Hardswish, nn.Hardsigmoid, nn.CELU, nn.Threshold, Sign, Logistic,
)  # fmt: skip
# Layers without weights that treat every row alike: the networks' rows are as good as rows of one long batch.
_ROW_BY_ROW: tuple[type[nn.Module], ...] = (
    nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d,
    nn.ZeroPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d, nn.LocalResponseNorm, nn.Upsample, nn.PixelShuffle, OneHot,
    Gated, Maxout, Softmax, WinnerTakeAll, LocalResponseNorm, MaxPool2x2, SameMaxPool2d, SameAvgPool2d,
)  # fmt: skip


class StackedForward:
    """Runs all networks of one architecture on their own batches.

    Shapes: inputs [A, B, …] → outputs [A, B, …].

    Args:
        model: one of the networks; a copy of it stands for all.
        masks: draws for dropout.

    Example:
        >>> from leadline.training.population.weights import Weights
        >>> models = [nn.Sequential(nn.Linear(3, 2), nn.Tanh()) for _ in range(4)]
        >>> forward = StackedForward(models[0], Masks(models, [None] * 4))
        >>> x = torch.randn(4, 5, 3)
        >>> y = forward(x, Weights(models).views(), training=True)
        >>> torch.allclose(y[2], models[2](x[2]), atol=1e-6)
        True
    """

    def __init__(self, model: nn.Module, masks: Masks) -> None:
        self.model, self.masks = copy.deepcopy(model), masks
        self.views: dict[str, Tensor] = {}
        self.training = True
        self.memory = Memory()
        self.ways: dict[str, str] = {}
        self.times: dict[str, dict[str, float]] = {}
        self.convolutions = dict(_convolutions("", self.model))
        self._general: dict[str, nn.Module] = {}

    def __call__(self, inputs: Tensor, views: dict[str, Tensor], *, training: bool) -> Tensor:
        self.views, self.training = views, training
        return self.run("", self.model, inputs)

    def run(self, name: str, layer: nn.Module, x: Tensor) -> Tensor:
        """One layer, found under this name in the network."""
        if type(layer) is nn.Sequential:
            # Not its named children, among which a layer that stands twice would be once.
            return self._sequence(name, list(zip(layer._modules, layer, strict=True)), x)
        stacked = STACKED.get(type(layer))
        return stacked(self, name, layer, x) if stacked is not None else self._mapped(name, layer, x)

    def _sequence(self, name: str, layers: list[tuple[str, nn.Module]], x: Tensor) -> Tensor:
        after = [type(layer) for _, layer in layers[1:]] + [None]
        rectified = False
        for (part, layer), follower in zip(layers, after, strict=True):
            own = f"{name}.{part}" if name else part
            if rectified:  # done together with the linear layer before
                rectified = False
            elif type(layer) is nn.Linear and follower is nn.ReLU:
                x, rectified = self.linear(own, x, rectified=True), True
            else:
                x = self.run(own, layer, x)
        return x

    def linear(self, name: str, x: Tensor, *, rectified: bool = False) -> Tensor:
        """A linear layer [A, B, …, D] → [A, B, …, out], and the positive part of what it gives."""
        # In evaluation results are collected, so there the memory is not used again.
        memory = self.memory if self.training else Memory()
        weight, bias = self.tensor(name, "weight"), self.optional(name, "bias")
        rows = x.flatten(1, -2)
        y: Tensor = LinearOfEach.apply(rows, weight, bias, rectified, name, memory)  # type: ignore[no-untyped-call]
        return y.reshape(*x.shape[:-1], -1) if x.ndim > 3 else y

    def tensor(self, name: str, part: str) -> Tensor:
        return self.views[f"{name}.{part}" if name else part]

    def optional(self, name: str, part: str) -> Tensor | None:
        return self.views.get(f"{name}.{part}" if name else part)

    def _mapped(self, name: str, layer: nn.Module, x: Tensor) -> Tensor:
        """Any module: its own forward under vmap."""
        if name not in self._general:
            self._general[name] = _with_masks(copy.deepcopy(layer), name, self.masks)
        module = self._general[name].train(self.training)
        prefix = f"{name}." if name else ""
        # A tensor that two layers share is given once.
        once = {id(view): (key, view) for key, view in reversed(self.views.items()) if key.startswith(prefix)}
        own = {key.removeprefix(prefix): view for key, view in once.values()}
        # vmap updates statistics in place on a copy where a view has gaps, so it is given whole tensors, written back after.
        state = {key: view.clone() for key, view in own.items() if not view.requires_grad}

        def one(tensors: dict[str, Tensor], rows: Tensor) -> Any:
            return torch.func.functional_call(module, tensors, (rows,))

        y: Tensor = torch.vmap(one, randomness="error")(own | state, x)
        if self.training:
            with torch.no_grad():
                for key, tensor in state.items():
                    own[key].copy_(tensor)
        return y


def _linear(at: StackedForward, name: str, layer: nn.Module, x: Tensor) -> Tensor:
    return at.linear(name, x)


def _flatten(at: StackedForward, name: str, layer: nn.Module, x: Tensor) -> Tensor:
    assert isinstance(layer, nn.Flatten)
    first, last = (axis + 1 if axis >= 0 else axis for axis in (layer.start_dim, layer.end_dim))
    return x.flatten(first, last)


def _as_it_is(at: StackedForward, name: str, layer: nn.Module, x: Tensor) -> Tensor:
    y: Tensor = layer(x)
    return y


def _row_by_row(at: StackedForward, name: str, layer: nn.Module, x: Tensor) -> Tensor:
    y: Tensor = layer(x.flatten(0, 1))
    return y.view(*x.shape[:2], *y.shape[1:])


def _dropout(at: StackedForward, name: str, layer: nn.Module, x: Tensor) -> Tensor:
    mask = at.masks.draw(name, x) if at.training else None
    return x if mask is None else x * mask


def _convolution(at: StackedForward, name: str, layer: nn.Module, x: Tensor) -> Tensor:
    assert isinstance(layer, nn.Conv2d)
    weight, bias = at.tensor(name, "weight"), at.optional(name, "bias")
    if name not in at.convolutions:
        return at._mapped(name, layer, x)
    if name not in at.ways:
        times = time_ways(layer, x, weight, bias)
        way = min(times, key=times.__getitem__)
        if not at.training:  # other shapes than those of the training, whose way is still to be measured
            return WAYS[way](layer, x, weight, bias)
        at.ways[name], at.times[name] = way, times
    return WAYS[at.ways[name]](layer, x, weight, bias)


def _same_convolution(at: StackedForward, name: str, layer: nn.Module, x: Tensor) -> Tensor:
    assert isinstance(layer, SameConv2d)
    return _convolution(at, name, layer, F.pad(x, layer.pads(*x.shape[3:])))


def _layer_norm(at: StackedForward, name: str, layer: nn.Module, x: Tensor) -> Tensor:
    assert isinstance(layer, nn.LayerNorm)
    y = F.layer_norm(x, layer.normalized_shape, None, None, layer.eps)
    weight, bias = at.optional(name, "weight"), at.optional(name, "bias")
    shape = len(x), *[1] * (x.ndim - 1 - len(layer.normalized_shape)), *layer.normalized_shape
    y = y if weight is None else y * weight.reshape(shape)
    return y if bias is None else y + bias.reshape(shape)


def _batch_norm(at: StackedForward, name: str, layer: nn.Module, x: Tensor) -> Tensor:
    """Networks side by side as channels."""
    assert isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d))
    mean, var, count = (at.optional(name, part) for part in ("running_mean", "running_var", "num_batches_tracked"))
    if x.shape[2] != layer.num_features:
        raise ArgumentError(
            f"The batch norm {name!r} does not fit its input", expected=f"{layer.num_features} channels", got=list(x.shape[1:])
        )
    momentum = layer.momentum
    if at.training and count is not None:
        count.add_(1)
        momentum = 1 / float(count[0]) if momentum is None else momentum
    # Statistics are updated in place, which a view with gaps cannot be once it is flattened.
    parts = (at.optional(name, part) for part in ("running_mean", "running_var", "weight", "bias"))
    own_mean, own_var, weight, bias = (None if part is None else part.flatten() for part in parts)
    rows = x.transpose(0, 1).flatten(1, 2)  # B, A·C, …
    y = F.batch_norm(rows, own_mean, own_var, weight, bias, at.training or mean is None, momentum or 0.0, layer.eps)
    if at.training and mean is not None and var is not None and own_mean is not None and own_var is not None:
        for whole, own in ((mean, own_mean), (var, own_var)):
            if own.data_ptr() != whole.data_ptr():  # one network alone has no gaps, and autograd minds a copy onto itself
                whole.copy_(own.view_as(whole))
    return y.view(rows.shape[0], len(x), *x.shape[2:]).transpose(0, 1)


STACKED: dict[type[nn.Module], Callable[[StackedForward, str, nn.Module, Tensor], Tensor]] = {
    nn.Linear: _linear,
    nn.Flatten: _flatten,
    nn.Conv2d: _convolution,
    SameConv2d: _same_convolution,
    nn.LayerNorm: _layer_norm,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    **dict.fromkeys(DROPOUTS, _dropout),
    **dict.fromkeys(_AS_THEY_ARE, _as_it_is),
    **dict.fromkeys(_ROW_BY_ROW, _row_by_row),
}
"""Layer → its counterpart for many networks; whatever is not here runs under vmap."""


def _convolutions(name: str, layer: nn.Module) -> Iterator[tuple[str, nn.Conv2d]]:
    """The convolutions that have a way of their own, by the names under which `run` comes to them."""
    if type(layer) is nn.Sequential:
        for part, child in layer._modules.items():
            assert child is not None
            yield from _convolutions(f"{name}.{part}" if name else part, child)
    elif type(layer) in (nn.Conv2d, SameConv2d) and layer.padding_mode == "zeros":
        assert isinstance(layer, nn.Conv2d)
        yield name, layer


class _DroppedOut(torch.autograd.Function):
    """x ⊙ mask within vmap: where vmap hands over the rows of all networks together, each gets its own mask."""

    @staticmethod
    def forward(x: Tensor, layer: _MaskedDropout) -> Tensor:
        raise AssertionError("called outside vmap")

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None: ...

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, None], x: Tensor, layer: _MaskedDropout) -> tuple[Tensor, int]:
        rows = x.expand(info.batch_size, *x.shape) if in_dims[0] is None else x.movedim(in_dims[0], 0)
        mask = layer.masks.draw(layer.name, rows)
        return (rows if mask is None else rows * mask), 0


class _MaskedDropout(nn.Module):
    """Stands in for a dropout layer within a module that runs under vmap."""

    def __init__(self, name: str, masks: Masks) -> None:
        super().__init__()
        self.name, self.masks = name, masks

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        y: Tensor = _DroppedOut.apply(x, self)  # type: ignore[no-untyped-call]
        return y


def _with_masks(module: nn.Module, name: str, masks: Masks) -> nn.Module:
    for part, child in list(module.named_children()):
        own = f"{name}.{part}" if name else part
        if type(child) in DROPOUTS:
            setattr(module, part, _MaskedDropout(own, masks))
        else:
            _with_masks(child, own, masks)
    return module
