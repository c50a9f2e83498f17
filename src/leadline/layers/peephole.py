"""LSTM with peepholes: the gates see the cell itself.

B batch, T time, D features that come in, H hidden units, N = Σ lengths, the steps of all sequences of a batch.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from leadline.layers.arguments import check_dropped, check_shape, check_whole, refuse

_State = tuple[Tensor, Tensor]


class PeepholeLSTM(nn.Module):
    """An LSTM whose gates also see the cell: input and forget gate the old one, the output gate the new one.

    i = σ(W_i x + U_i h + p_i ⊙ c + b_i), f = σ(W_f x + U_f h + p_f ⊙ c + b_f), g = tanh(W_g x + U_g h + b_g),
    c' = f ⊙ c + i ⊙ g, o = σ(W_o x + U_o h + p_o ⊙ c' + b_o), h' = o ⊙ tanh(c').

    Weights have the names, shapes and order (i, f, g, o) of `nn.LSTM`, so that its weights load here with `strict=False`; new
    are `peephole_l0` [3, H] (i, f, o) and its like, which start at 0. The forget gate's bias starts at 1.

    Shapes: [B, T, D] → [B, T, H·directions], (h, c) each [layers·directions, B, H]; with `batch_first=False` time comes first.
    A `PackedSequence` gives one, and the state of each sequence at its own end. Parameters of a layer and direction:
    4H(D + H) + 8H + 3H.

    Args:
        features: D.
        hidden: H.
        layers: one on top of the other.
        bidirectional: read in both directions, and put the two outputs side by side.
        batch_first: whether the axis of time is the second.
        dropout: between layers, in [0, 1).

    Errors: `ArgumentError` for an argument out of range, inputs or a state of another shape or type.

    Example:
        >>> lstm = PeepholeLSTM(3, 5, layers=2, bidirectional=True)
        >>> outputs, (h, c) = lstm(torch.zeros(4, 7, 3))
        >>> outputs.shape, h.shape, c.shape
        (torch.Size([4, 7, 10]), torch.Size([4, 4, 5]), torch.Size([4, 4, 5]))

    Source: Gers and Schmidhuber (2000), Recurrent nets that time and count; the forget bias: Gers, Schmidhuber and Cummins
    (2000), Learning to forget.
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        *,
        layers: int = 1,
        bidirectional: bool = False,
        batch_first: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_whole("PeepholeLSTM", {"features": features, "hidden": hidden, "layers": layers})
        check_dropped("PeepholeLSTM", dropout, name="dropout")
        self.features, self.hidden, self.layers = features, hidden, layers
        self.bidirectional, self.batch_first, self.dropout = bidirectional, batch_first, dropout
        self.directions = ("", "_reverse") if bidirectional else ("",)
        for layer in range(layers):
            inputs = hidden * len(self.directions) if layer else features
            for direction in self.directions:
                end = f"_l{layer}{direction}"
                self.register_parameter(f"weight_ih{end}", nn.Parameter(torch.empty(4 * hidden, inputs)))
                self.register_parameter(f"weight_hh{end}", nn.Parameter(torch.empty(4 * hidden, hidden)))
                self.register_parameter(f"bias_ih{end}", nn.Parameter(torch.empty(4 * hidden)))
                self.register_parameter(f"bias_hh{end}", nn.Parameter(torch.empty(4 * hidden)))
                self.register_parameter(f"peephole{end}", nn.Parameter(torch.empty(3, hidden)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.hidden)
        for name, parameter in self.named_parameters():
            if name.startswith("weight"):
                nn.init.uniform_(parameter, -bound, bound)
            else:
                nn.init.zeros_(parameter)
            if name.startswith("bias_ih"):  # at 1 the cell keeps its content until it learns to forget
                nn.init.ones_(parameter[self.hidden : 2 * self.hidden])

    def forward(self, x: Tensor | PackedSequence, state: _State | None = None) -> tuple[Tensor | PackedSequence, _State]:
        steps = self._steps(x)
        if not isinstance(x, PackedSequence):
            outputs, state = self._run(steps, state)
            outputs = outputs.reshape(len(steps.sizes), -1, outputs.shape[1])  # T, B, H
            return outputs.transpose(0, 1) if self.batch_first else outputs, state
        if state is not None and x.sorted_indices is not None:
            state = (state[0].index_select(1, x.sorted_indices), state[1].index_select(1, x.sorted_indices))
        outputs, (h, c) = self._run(steps, state)
        if x.unsorted_indices is not None:
            h, c = h.index_select(1, x.unsorted_indices), c.index_select(1, x.unsorted_indices)
        return x._replace(data=outputs), (h, c)

    def extra_repr(self) -> str:
        options = f"layers={self.layers}, bidirectional={self.bidirectional}, batch_first={self.batch_first}"
        return f"{self.features}, {self.hidden}, {options}, dropout={self.dropout:g}"

    def _steps(self, x: Tensor | PackedSequence) -> _Steps:
        if isinstance(x, PackedSequence):
            check_shape("PeepholeLSTM", x.data, ("N", self.features), self._weight("weight_ih", 0, ""))
            return _Steps(x.data, x.batch_sizes.tolist())
        shape = ("B", "T", self.features) if self.batch_first else ("T", "B", self.features)
        check_shape("PeepholeLSTM", x, shape, self._weight("weight_ih", 0, ""))
        x = x.transpose(0, 1) if self.batch_first else x
        return _Steps(x.flatten(0, 1), [x.shape[1]] * x.shape[0])

    def _run(self, steps: _Steps, state: _State | None) -> tuple[Tensor, _State]:
        shape = (self.layers * len(self.directions), steps.sizes[0], self.hidden)
        if state is None:
            state = (steps.data.new_zeros(shape), steps.data.new_zeros(shape))
        for part in state:
            if part.shape != shape:
                refuse("PeepholeLSTM", part, f"a state (h, c), each of shape {list(shape)}")
        last: list[_State] = []
        for layer in range(self.layers):
            if layer and self.dropout:
                steps = steps._replace(data=nn.functional.dropout(steps.data, self.dropout, self.training))
            outputs = []
            for direction in self.directions:
                start = (state[0][len(last)], state[1][len(last)])
                weights = [self._weight(name, layer, direction) for name in _WEIGHTS]
                output, end = _one_direction(steps, start, weights, backward=bool(direction))
                outputs.append(output)
                last.append(end)
            steps = steps._replace(data=torch.cat(outputs, dim=1) if self.bidirectional else outputs[0])
        h, c = zip(*last, strict=True)
        return steps.data, (torch.stack(h), torch.stack(c))

    def _weight(self, name: str, layer: int, direction: str) -> Tensor:
        weight: Tensor = getattr(self, f"{name}_l{layer}{direction}")
        return weight


_WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "peephole")


class _Steps(NamedTuple):
    """Sequences by time: `data` [N, D] holds first all first steps, the longest sequence first; `sizes` how many there are."""

    data: Tensor
    sizes: list[int]


def _one_direction(steps: _Steps, start: _State, weights: list[Tensor], *, backward: bool) -> tuple[Tensor, _State]:
    weight_ih, weight_hh, bias_ih, bias_hh, peephole = weights
    # What depends on the inputs alone is one product for all times.
    arriving = torch.split(nn.functional.linear(steps.data, weight_ih, bias_ih + bias_hh), steps.sizes)
    sizes = steps.sizes[::-1] if backward else steps.sizes
    (h, c), recurrent = (part[: sizes[0]] for part in start), weight_hh.t()
    outputs: list[Tensor] = []
    finished: list[_State] = []
    for gates, size in zip(arriving[::-1] if backward else arriving, sizes, strict=True):
        if size > len(h):  # backward, the shorter sequences begin later
            h, c = (torch.cat([now, first[len(now) : size]]) for now, first in zip((h, c), start, strict=True))
        elif size < len(h):  # forward, they end sooner
            finished.append((h[size:], c[size:]))
            h, c = h[:size], c[:size]
        h, c = _one_step(torch.addmm(gates, h, recurrent), c, peephole)
        outputs.append(h)
    finished.append((h, c))
    ends = [torch.cat(parts[::-1]) if len(parts) > 1 else parts[0] for parts in zip(*finished, strict=True)]
    return torch.cat(outputs[::-1] if backward else outputs), (ends[0], ends[1])


def _one_step(gates: Tensor, c: Tensor, peephole: Tensor) -> _State:
    hidden = c.shape[1]
    seen = gates[:, : 2 * hidden].view(-1, 2, hidden)
    old = torch.addcmul(seen, c[:, None], peephole[:2]).sigmoid()  # B, 2, H
    c = torch.addcmul(old[:, 1] * c, old[:, 0], gates[:, 2 * hidden : 3 * hidden].tanh())
    return torch.addcmul(gates[:, 3 * hidden :], c, peephole[2]).sigmoid() * c.tanh(), c
