"""GRU, LSTM and simple recurrent layers whose training on a CPU takes the way through time of `recurrent_loops`.

B batch, T time, D features that come in, H hidden units.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensor
from torch.nn.utils.rnn import PackedSequence

from leadline.layers.recurrent_loops import GRULoop, LSTMLoop, TanhLoop, turned_rows

Ends = tuple[Tensor, ...]


class FastGRU(nn.GRU):
    """nn.GRU with its training loop written out for CPUs: the same parameters, inputs, states and outputs, up to rounding.

    On other devices, in compiled or traced code and under autocast this is `nn.GRU` itself, also for one sequence without a
    batch. What is done otherwise on a CPU is told in `layers.recurrent_loops`. Differentiable once there.

    Shapes: as `nn.GRU`: [T, B, D], or [B, T, D] with `batch_first=True`, or a `PackedSequence`.

    Args:
        input_size: D.
        hidden_size: H.
        num_layers: one on top of the other.
        bias: whether sums have a bias.
        batch_first: whether the axis of time is the second.
        dropout: between layers.
        bidirectional: read in both directions.

    Errors: those of `nn.GRU`.

    Example:
        >>> gru, theirs = FastGRU(3, 4, batch_first=True), nn.GRU(3, 4, batch_first=True)
        >>> _ = gru.load_state_dict(theirs.state_dict())
        >>> x = torch.randn(2, 5, 3)
        >>> torch.allclose(gru(x)[0], theirs(x)[0], atol=1e-5)
        True

    Source: Cho et al. (2014), Learning phrase representations using RNN encoder–decoder for statistical machine translation;
    Appleyard, Kociský and Blunsom (2016), Optimizing performance of recurrent neural networks on GPUs, for products over all
    steps at once.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)

    def forward(self, input: Any, hx: Any = None) -> Any:
        if not _by_hand(self, input, hx):
            return super().forward(input, hx)
        outputs, (h,) = _read(self, input, None if hx is None else (hx,), GRULoop.apply)
        return outputs, h


class FastLSTM(nn.LSTM):
    """nn.LSTM with its training loop written out for CPUs: the same parameters, inputs, states and outputs, up to rounding.

    On other devices, in compiled or traced code and under autocast this is `nn.LSTM` itself, also for one sequence without a
    batch; but that `nn.LSTM` fails under autocast on processors without half precision, where this reads in single precision.
    What is done otherwise on a CPU is told in `layers.recurrent_loops`. Differentiable once there.

    Shapes: as `nn.LSTM`: [T, B, D], or [B, T, D] with `batch_first=True`, or a `PackedSequence`.

    Args:
        input_size: D.
        hidden_size: H.
        num_layers: one on top of the other.
        bias: whether sums have a bias.
        batch_first: whether the axis of time is the second.
        dropout: between layers.
        bidirectional: read in both directions.

    Errors: those of `nn.LSTM`.

    Example:
        >>> lstm, theirs = FastLSTM(3, 4), nn.LSTM(3, 4)
        >>> _ = lstm.load_state_dict(theirs.state_dict())
        >>> x = torch.randn(5, 2, 3)
        >>> torch.allclose(lstm(x)[0], theirs(x)[0], atol=1e-5)
        True

    Source: Hochreiter and Schmidhuber (1997), Long short-term memory; products over all steps at once: Appleyard, Kociský and
    Blunsom (2016), Optimizing performance of recurrent neural networks on GPUs.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)

    def forward(self, input: Any, hx: Any = None) -> Any:
        if _by_hand(self, input, hx):
            return _read(self, input, hx, LSTMLoop.apply)
        if not _half_fails(self):
            return super().forward(input, hx)
        with torch.autocast("cpu", enabled=False):
            single = input._replace(data=input.data.float()) if isinstance(input, PackedSequence) else input.float()
            return self(single, None if hx is None else tuple(part.float() for part in hx))


class FastRNN(nn.RNN):
    """nn.RNN with tanh, its training loop written out for CPUs: the same parameters, inputs and outputs, up to rounding.

    On other devices, in compiled or traced code and under autocast this is `nn.RNN` itself, also for one sequence without a
    batch. What is done otherwise on a CPU is told in `layers.recurrent_loops`. Differentiable once there.

    Shapes: as `nn.RNN`: [T, B, D], or [B, T, D] with `batch_first=True`, or a `PackedSequence`.

    Args:
        input_size: D.
        hidden_size: H.
        num_layers: one on top of the other.
        bias: whether sums have a bias.
        batch_first: whether the axis of time is the second.
        dropout: between layers.
        bidirectional: read in both directions.

    Errors: those of `nn.RNN`.

    Example:
        >>> rnn, theirs = FastRNN(3, 4), nn.RNN(3, 4)
        >>> _ = rnn.load_state_dict(theirs.state_dict())
        >>> x = torch.randn(5, 2, 3)
        >>> torch.allclose(rnn(x)[0], theirs(x)[0], atol=1e-5)
        True

    Source: Elman (1990), Finding structure in time.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            bidirectional=bidirectional,
        )

    def forward(self, input: Any, hx: Any = None) -> Any:
        if not _by_hand(self, input, hx):
            return super().forward(input, hx)
        outputs, (h,) = _read(self, input, None if hx is None else (hx,), TanhLoop.apply)
        return outputs, h


def with_recurrent_weight(layer: nn.Module, x: Any, hx: Any, weight_hh: Tensor) -> tuple[Any, Any]:
    """One layer in one direction with another matrix from step to step than its own: what weight drop needs.

    Nothing of the layer is changed. On CUDA the weights are laid out in one piece, as cuDNN asks of them.

    Args:
        layer: `nn.LSTM`, `nn.GRU`, `nn.RNN` with tanh, one of the fast ones, or `PeepholeLSTM`, of one layer, with biases.
        x: padded steps; packed ones where the layer is a fast one on a CPU, or a `PeepholeLSTM`.
        hx: the state, as the layer takes it; None is the beginning.
        weight_hh: in the place of `weight_hh_l0`.

    Example:
        >>> lstm, x = FastLSTM(3, 4), torch.randn(5, 2, 3)
        >>> half = 0.5 * lstm.weight_hh_l0
        >>> torch.equal(with_recurrent_weight(lstm, x, None, half)[0], lstm(x)[0])
        False
        >>> torch.equal(with_recurrent_weight(lstm, x, None, lstm.weight_hh_l0)[0], lstm(x)[0])
        True
    """
    if not isinstance(layer, nn.RNNBase):
        return torch.func.functional_call(layer, {"weight_hh_l0": weight_hh}, (x, hx))  # type: ignore[no-any-return]
    loop = next((loop for kind, loop in _LOOPS.items() if isinstance(layer, kind)), None)
    if loop is not None and _by_hand(layer, x, hx):
        outputs, ends = _read(layer, x, (hx,) if isinstance(hx, Tensor) else hx, loop, weight_hh)
        return outputs, ends if isinstance(layer, nn.LSTM) else ends[0]
    weights: list[Tensor] = _weights(layer, "_l0", weight_hh)
    if x.is_cuda:
        flat = torch.cat([weight.reshape(-1) for weight in weights]).split_with_sizes([weight.numel() for weight in weights])
        weights = [piece.view_as(weight) for piece, weight in zip(flat, weights, strict=True)]
    zero = x.new_zeros(1, x.shape[0 if layer.batch_first else 1], layer.hidden_size)
    options = (True, 1, 0.0, layer.training, False, layer.batch_first)
    if isinstance(layer, nn.LSTM):
        outputs, h, c = torch.lstm(x, (zero, zero) if hx is None else hx, weights, *options)
        return outputs, (h, c)
    one_way = torch.gru if isinstance(layer, nn.GRU) else torch.rnn_tanh
    return one_way(x, zero if hx is None else hx, weights, *options)


_LOOPS: dict[type[nn.RNNBase], Callable[..., Any]] = {
    FastGRU: GRULoop.apply,
    FastLSTM: LSTMLoop.apply,
    FastRNN: TanhLoop.apply,
}


class _Steps(NamedTuple):
    """Sequences by time, as the loops want them."""

    data: Tensor
    sizes: list[int]


def _by_hand(layer: nn.RNNBase, x: Any, hx: Any) -> bool:
    """Whether the loops can do this: plain numbers on a CPU, of the shapes and the one type that the layer itself would take.

    What is wrong with the others, torch says.
    """
    data = x.data if isinstance(x, PackedSequence) else x
    weight = layer.weight_ih_l0
    return (
        isinstance(data, Tensor)
        and data.device.type == "cpu"
        # oneDNN, which reads padded LSTMs in single precision, was 1.5 times as fast as the loop.
        and (isinstance(x, PackedSequence) or not isinstance(layer, nn.LSTM) or data.dtype != torch.float32)
        and not isinstance(data, FakeTensor)
        and data.dtype == weight.dtype
        and weight.device.type == "cpu"
        and data.ndim == (2 if isinstance(x, PackedSequence) else 3)
        and data.numel() > 0
        and data.shape[-1] == layer.input_size
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and not torch._C._are_functorch_transforms_active()
        and (hx is None or _fits(layer, x, hx))
    )


def _half_fails(layer: nn.LSTM) -> bool:
    """Whether autocast asks oneDNN for an LSTM in a type that this processor does not compute in: torch then fails."""
    if layer.weight_ih_l0.device.type != "cpu" or not torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling():
        return False
    return not _HAS[torch.get_autocast_dtype("cpu")]()


_HAS: dict[torch.dtype, Callable[[], bool]] = {
    torch.bfloat16: torch.ops.mkldnn._is_mkldnn_bf16_supported,
    torch.float16: torch.ops.mkldnn._is_mkldnn_fp16_supported,
}


def _fits(layer: nn.RNNBase, x: Any, hx: Any) -> bool:
    rows = int(x.batch_sizes[0]) if isinstance(x, PackedSequence) else x.shape[0 if layer.batch_first else 1]
    shape = (layer.num_layers * (2 if layer.bidirectional else 1), rows, layer.hidden_size)
    parts = hx if isinstance(hx, tuple) else (hx,)
    dtype = layer.weight_ih_l0.dtype
    return len(parts) == (2 if isinstance(layer, nn.LSTM) else 1) and all(
        isinstance(part, Tensor) and part.shape == shape and part.dtype == dtype for part in parts
    )


def _read(layer: nn.RNNBase, x: Any, hx: Any, loop: Callable[..., Any], weight_hh: Tensor | None = None) -> tuple[Any, Ends]:
    """All layers and directions; outputs in the form of x, and the last states each [layers·directions, B, H]."""
    if isinstance(x, PackedSequence):
        steps = _Steps(x.data, x.batch_sizes.tolist())
        if hx is not None and x.sorted_indices is not None:
            hx = tuple(part.index_select(1, x.sorted_indices) for part in hx)
    else:
        by_time = x.transpose(0, 1) if layer.batch_first else x
        steps = _Steps(by_time.flatten(0, 1), [by_time.shape[1]] * by_time.shape[0])
    if hx is None:
        number = layer.num_layers * (2 if layer.bidirectional else 1)
        zero = steps.data.new_zeros(number, steps.sizes[0], layer.hidden_size)
        hx = (zero, zero) if isinstance(layer, nn.LSTM) else (zero,)
    data, ends = _all_layers(layer, steps, hx, loop, weight_hh)
    if isinstance(x, PackedSequence):
        if x.unsorted_indices is not None:
            ends = tuple(end.index_select(1, x.unsorted_indices) for end in ends)
        return x._replace(data=data), ends
    data = data.reshape(len(steps.sizes), -1, data.shape[1])
    return data.transpose(0, 1) if layer.batch_first else data, ends


def _all_layers(
    layer: nn.RNNBase, steps: _Steps, hx: Ends, loop: Callable[..., Any], weight_hh: Tensor | None
) -> tuple[Tensor, Ends]:
    data, found = steps.data, list[list[Tensor]]()
    turned = turned_rows(steps.sizes) if layer.bidirectional else None
    for level in range(layer.num_layers):
        if level and layer.dropout:
            data = nn.functional.dropout(data, layer.dropout, layer.training)
        sides = []
        for end in (f"_l{level}", f"_l{level}_reverse")[: 2 if layer.bidirectional else 1]:
            start = [part[len(found)] for part in hx]
            back = turned is not None and end.endswith("reverse")
            given = data.index_select(0, turned) if back else data  # type: ignore[arg-type]
            outputs, *last = loop(given, *start, *_weights(layer, end, weight_hh), steps.sizes)
            sides.append(outputs.index_select(0, turned) if back else outputs)
            found.append(last)
        data = torch.cat(sides, dim=1) if len(sides) > 1 else sides[0]
    return data, tuple(torch.stack(parts) for parts in zip(*found, strict=True))


def _weights(layer: nn.RNNBase, end: str, weight_hh: Tensor | None) -> list[Tensor]:
    weights = [getattr(layer, f"weight_ih{end}"), getattr(layer, f"weight_hh{end}") if weight_hh is None else weight_hh]
    if not layer.bias:
        return [*weights, *(weights[0].new_zeros(len(weights[0])) for _ in range(2))]
    return [*weights, *(getattr(layer, f"bias_{way}{end}") for way in ("ih", "hh"))]
