"""Recurrent layers one on top of the other, with the state in the caller's hands.

B batch, T time, D features that come in, H hidden units of a layer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from leadline.errors import ArgumentError, unknown
from leadline.initialize import orthogonal, set_forget_bias, xavier
from leadline.layers import FastDropout, LockedDropout, PeepholeLSTM
from leadline.layers.arguments import check_dropped, check_shape, check_whole
from leadline.layers.fast_recurrent import FastGRU, FastLSTM, FastRNN, with_recurrent_weight
from leadline.layers.lengths import reversed_rows, without_padding

CELLS = ("rnn", "lstm", "gru", "peephole")
_SPARSE = 0.35  # share of steps that are no padding
State = tuple[tuple[Tensor, ...], ...]
"""For each layer its (h, c), or (h,) where the cell has no memory beside its output; each [B, H]."""


class RecurrentStack(nn.Module):
    """Layers of one kind of recurrent cell, each reading the outputs of the one below.

    rnn: h' = tanh(W x + U h + b). lstm, gru: as `nn.LSTM` and `nn.GRU` define them. peephole: as `layers.PeepholeLSTM`.
    `forward` reads on from a state and returns the next one; `read` takes padded rows, each read by itself from its beginning,
    in both directions if so built.

    Recurrent matrices start orthogonal, gate by gate, those of the inputs by Xavier's rule, biases at 0 and those of forget
    gates at 1. Parameters have torch's names: `ahead.0.weight_hh_l0`, and `back.0.weight_hh_l0` for the other direction.

    Shapes: [B, T, D] → [B, T, outputs], where `outputs` is H of the last layer, twice that in both directions.

    Args:
        cell: "rnn", "lstm", "gru" or "peephole".
        features: D.
        hidden: H of each layer.
        layers: one on top of the other.
        sizes: H layer by layer where they differ; `hidden` and `layers` then do not count.
        bidirectional: read in both directions, and put the two outputs side by side after each layer.
        dropout: of the outputs between layers, the same units at every step of a sequence, in [0, 1).
        weight_drop: share of each U that is 0 in training, drawn anew for each call and the same at every step, in [0, 1).

    Errors: `ArgumentError` for an unknown cell, an argument out of range, inputs or a state of another shape.

    Example:
        >>> stack = RecurrentStack("lstm", 3, sizes=(8, 5), dropout=0.2)
        >>> outputs, state = stack(torch.zeros(4, 7, 3))
        >>> outputs, state = stack(torch.zeros(4, 2, 3), stack.detached(state))
        >>> outputs.shape, [tuple(part.shape for part in layer) for layer in state][1]
        (torch.Size([4, 2, 5]), (torch.Size([4, 5]), torch.Size([4, 5])))

    Source: Elman (1990), Finding structure in time; Hochreiter and Schmidhuber (1997), Long short-term memory; Cho et al.
    (2014), Learning phrase representations using RNN encoder–decoder; weight drop: Merity, Keskar and Socher (2018),
    Regularizing and optimizing LSTM language models.
    """

    def __init__(
        self,
        cell: str,
        features: int,
        *,
        hidden: int = 128,
        layers: int = 1,
        sizes: Sequence[int] = (),
        bidirectional: bool = False,
        dropout: float = 0.0,
        weight_drop: float = 0.0,
    ) -> None:
        super().__init__()
        if cell not in CELLS:
            unknown("recurrent cell", cell, CELLS)
        check_whole("RecurrentStack", {"features": features, "hidden": hidden, "layers": layers})
        self.sizes = tuple(sizes) or (hidden,) * layers
        for size in self.sizes:
            check_whole("RecurrentStack", {"a size": size})
        check_dropped("RecurrentStack", dropout, name="dropout")
        check_dropped("RecurrentStack", weight_drop, name="weight_drop")
        self.cell, self.features, self.bidirectional = cell, features, bidirectional
        self.outputs = self.sizes[-1] * (2 if bidirectional else 1)
        self.ahead, self.back = nn.ModuleList(), nn.ModuleList()
        for size in self.sizes:
            self.ahead.append(_new_layer(cell, features, size))
            if bidirectional:
                self.back.append(_new_layer(cell, features, size))
            features = size * (2 if bidirectional else 1)
        self.dropout, self.weight_drop = LockedDropout(dropout), FastDropout(weight_drop)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Outputs at every step, and the state after the last one."""
        check_shape("RecurrentStack", x, ("B", "T", self.features))
        if self.bidirectional:
            lengths = torch.full((len(x),), x.shape[1], device=x.device)
            if state is not None:
                self._refuse_state()
            return self._padded(x, lengths), ()
        given = self.zero_state(len(x)) if state is None else self._checked(state, len(x))
        ends = []
        for at, (layer, start) in enumerate(zip(self.ahead, given, strict=True)):
            x, end = self._run(layer, self.dropout(x) if at else x, start)
            ends.append(end)
        return x, tuple(ends)

    def read(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Padded rows, each from its own beginning to its own end: [B, T, D] and [B] → [B, T, outputs], 0 in the padding.

        Args:
            x: what stands behind the end of a row is not read.
            lengths: of the rows, on the device of x.
        """
        check_shape("RecurrentStack", x, ("B", "T", self.features))
        share = _share_of_steps(x, lengths)
        # oneDNN reads padded LSTMs in single precision, and takes a step in a third to a half of the time.
        sparse = share < (_SPARSE if self.cell == "lstm" and x.dtype == torch.float32 else 1.0)
        # Under autocast the packed way of torch is slower than the padded one.
        if sparse and not torch.is_autocast_enabled("cpu"):
            return self._packed(x, lengths)
        return self._padded(x, lengths, whole=share == 1.0)

    def zero_state(self, batch: int) -> State:
        """The state before anything was read.

        Args:
            batch: B.
        """
        if self.bidirectional:
            self._refuse_state()
        parts = 2 if self.cell in ("lstm", "peephole") else 1
        weights = [layer.weight_hh_l0 for layer in self.ahead]
        return tuple(
            tuple(weight.new_zeros(batch, size) for _ in range(parts))  # type: ignore[operator]
            for weight, size in zip(weights, self.sizes, strict=True)
        )

    @staticmethod
    def detached(state: State) -> State:
        """The same numbers, through which no gradient goes back: where truncated back-propagation through time cuts.

        Args:
            state: as `forward` returns it.
        """
        return tuple(tuple(part.detach() for part in layer) for layer in state)

    def extra_repr(self) -> str:
        return f"{self.cell!r}, {self.features}, sizes={self.sizes}, bidirectional={self.bidirectional}"

    def _refuse_state(self) -> None:
        raise ArgumentError(
            "A network that reads in both directions carries no state",
            expected="bidirectional=False, or whole rows through `read`",
        )

    def _checked(self, state: State, batch: int) -> State:
        expected = [[(batch, size)] * (2 if self.cell in ("lstm", "peephole") else 1) for size in self.sizes]
        got = [[tuple(part.shape) for part in layer] for layer in state]
        if got != expected:
            raise ArgumentError("RecurrentStack cannot read on from this state", expected=f"shapes {expected}", got=got)
        return state

    def _padded(self, x: Tensor, lengths: Tensor, *, whole: bool = False) -> Tensor:
        """Every row to the end of the longest: what a device does that no length may be asked of. `whole`: all are as long."""
        x = x if whole else without_padding(x, lengths)
        for at, ahead in enumerate(self.ahead):
            x = self.dropout(x) if at else x
            outputs = self._run(ahead, x, None)[0]
            if self.bidirectional:
                backward = self._run(self.back[at], reversed_rows(x, lengths), None)[0]
                outputs = torch.cat([outputs, reversed_rows(backward, lengths)], dim=2)
            x = outputs
        return x if whole else without_padding(x, lengths)

    def _packed(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Only the steps there are."""
        steps, known = x.shape[1], lengths.clamp(min=1).cpu()
        x = without_padding(x, lengths)

        def one_way(layer: nn.Module, x: Tensor) -> Tensor:
            packed = pack_padded_sequence(x, known, batch_first=True, enforce_sorted=False)
            outputs = self._run(layer, packed, None)[0]
            return pad_packed_sequence(outputs, batch_first=True, total_length=steps)[0]

        for at, ahead in enumerate(self.ahead):
            x = self.dropout(x) if at else x
            outputs = one_way(ahead, x)
            if self.bidirectional:
                outputs = torch.cat([outputs, reversed_rows(one_way(self.back[at], reversed_rows(x, known)), known)], dim=2)
            x = outputs
        return without_padding(x, lengths)

    def _run(self, layer: nn.Module, x: Any, start: tuple[Tensor, ...] | None) -> tuple[Any, tuple[Tensor, ...]]:
        """One layer in one direction, over padded or packed steps; states are [B, H]."""
        several = None if start is None else tuple(part[None] for part in start)
        given = several if several is None or self.cell in ("lstm", "peephole") else several[0]
        if self.training and self.weight_drop.p:
            outputs, end = with_recurrent_weight(layer, x, given, self.weight_drop(layer.weight_hh_l0))
        else:
            outputs, end = layer(x, given)
        parts = end if isinstance(end, tuple) else (end,)
        return outputs, tuple(part[0] for part in parts)


def _share_of_steps(x: Tensor, lengths: Tensor) -> float:
    """How much of x is no padding; `inf` where asking would cost something, or a tensor that is traced has no values."""
    if x.device.type != "cpu" or isinstance(x, FakeTensor) or torch.compiler.is_compiling():
        return math.inf
    return int(lengths.sum()) / (x.shape[0] * x.shape[1]) if x.numel() else math.inf


def _new_layer(cell: str, features: int, hidden: int) -> nn.Module:
    if cell == "peephole":
        layer: nn.Module = PeepholeLSTM(features, hidden)
    else:
        layer = {"rnn": FastRNN, "lstm": FastLSTM, "gru": FastGRU}[cell](features, hidden, batch_first=True)
    for name, parameter in layer.named_parameters():
        if name.startswith("weight"):
            rule = orthogonal if "_hh" in name else xavier
            for gate in parameter.detach().chunk(len(parameter) // hidden):
                rule(gate)
        elif name.startswith("bias"):
            nn.init.zeros_(parameter)
    if cell in ("lstm", "peephole"):
        set_forget_bias(layer)
    return layer
