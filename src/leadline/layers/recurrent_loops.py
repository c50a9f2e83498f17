"""The way through time by hand: what autograd does for a recurrent layer on a CPU, in fewer and larger products.

Autograd makes the gradients of the weights anew at every step, and adds matrices as large as the weights T times. Here the
inputs of many steps go through one product and the gradients of the weights through one after the loop, whatever does not
depend on a later step is computed for many steps at once, and the buffers are there from the start. What is left in the
backward loop is one product and a few multiplications a step.

Sequences are packed as in `torch.nn.utils.rnn.PackedSequence`: `data` [N, D] holds first all first steps, the longest sequence
first, and `sizes` says how many sequences there are at each step. B = sizes[0], N = Σ sizes, H hidden units. Each loop is
differentiable once, and cannot be used under `torch.func`.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

Sizes = list[int]
Gradients = tuple[Tensor | None, ...]


class GRULoop(Function):
    """One GRU in one direction: r, z = σ(…), n = tanh(W_n x + b_n + r ⊙ (U_n h + b'_n)), h' = (1 − z) ⊙ n + z ⊙ h.

    `apply(data [N, D], h [B, H], weight_ih, weight_hh, bias_ih, bias_hh, sizes)` → outputs [N, H] and h [B, H] at the end.
    Weights as in `nn.GRU`, in the order r, z, n.
    """

    @staticmethod
    def forward(
        ctx: Any, data: Tensor, start: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor, sizes: Sizes
    ) -> tuple[Tensor, Tensor]:
        hidden = w_hh.shape[1]
        outside, inside = b_hh[: 2 * hidden], b_hh[2 * hidden :]
        # In the order n from x, r, z, n from h, inputs reach the first three and states the last three.
        gates = data.new_empty(len(data), 4 * hidden)
        bias = (b_ih + torch.cat([outside, torch.zeros_like(inside)])).roll(hidden)
        weight, blocks = w_ih.roll(hidden, 0).t(), _blocks(sizes)
        outputs, h, recurrent = data.new_empty(len(data), hidden), start, w_hh.t()
        parts = (gates[:, hidden:], gates[:, hidden : 3 * hidden], *gates.chunk(4, dim=1), outputs)
        steps = zip(*(part.split_with_sizes(sizes) for part in parts), strict=True)
        for at, (arriving, both, new, reset, update, seen, output) in enumerate(steps):
            if at in blocks:
                rows = blocks[at]
                torch.addmm(bias, data[rows], weight, out=gates[rows, : 3 * hidden])
                gates[rows, 3 * hidden :] = inside
            h = h[: len(output)]
            arriving.addmm_(h, recurrent)
            both.sigmoid_()
            torch.addcmul(new, reset, seen, out=new).tanh_()
            h = torch.lerp(new, h, update, out=output)
        ctx.save_for_backward(data, start, w_ih, w_hh, gates, outputs)
        ctx.sizes = sizes
        return outputs, outputs.index_select(0, _ends(outputs, sizes))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, from_outputs: Tensor, from_end: Tensor) -> Gradients:
        data, start, w_ih, w_hh, gates, outputs = ctx.saved_tensors
        sizes, hidden = ctx.sizes, w_hh.shape[1]
        before, factors, blocks = _before(outputs, start, sizes), torch.empty_like(gates), _blocks(sizes, ends=True)
        gradients = _arriving(from_outputs, from_end, sizes).split_with_sizes(sizes)
        updates = gates[:, 2 * hidden : 3 * hidden].split_with_sizes(sizes)
        whole, inner = factors.view(-1, 4, hidden).split_with_sizes(sizes), factors[:, hidden:].split_with_sizes(sizes)
        for at in range(len(sizes) - 1, -1, -1):
            if at in blocks:
                rows = blocks[at]
                _gru_factors(gates[rows], before[rows], factors[rows])
            whole[at].mul_(gradients[at][:, None])
            if at:
                gradients[at - 1][: sizes[at]].addcmul_(gradients[at], updates[at]).addmm_(inner[at], w_hh)
        from_start = torch.addmm(gradients[0] * updates[0], inner[0], w_hh) if ctx.needs_input_grad[1] else None
        of_inputs, of_states, biases = factors[:, : 3 * hidden], factors[:, hidden:], factors.sum(0)
        return (
            of_inputs @ w_ih.roll(hidden, 0) if ctx.needs_input_grad[0] else None,
            from_start,
            (of_inputs.t() @ data).roll(-hidden, 0),
            of_states.t() @ before,
            biases[: 3 * hidden].roll(-hidden),
            biases[hidden:],
            None,
        )


class LSTMLoop(Function):
    """One LSTM in one direction: i, f, o = σ(…), g = tanh(…), c' = f ⊙ c + i ⊙ g, h' = o ⊙ tanh(c').

    `apply(data [N, D], h [B, H], c [B, H], weight_ih, weight_hh, bias_ih, bias_hh, sizes)` → outputs [N, H], and h, c [B, H] at
    the end. Weights as in `nn.LSTM`, in the order i, f, g, o.
    """

    @staticmethod
    def forward(
        ctx: Any, data: Tensor, h0: Tensor, c0: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor, sizes: Sizes
    ) -> tuple[Tensor, Tensor, Tensor]:
        hidden = w_hh.shape[1]
        # In the order o, i, f, g the first three are logistic, and the gradient of c reaches the last three.
        bias, weight, blocks = (b_ih + b_hh).roll(hidden), w_ih.roll(hidden, 0).t(), _blocks(sizes)
        gates = data.new_empty(len(data), 4 * hidden)
        outputs, h, c, recurrent = data.new_empty(len(data), hidden), h0, c0, w_hh.roll(hidden, 0).t()
        cells, bent = torch.empty_like(outputs), torch.empty_like(outputs)
        parts = (gates, gates[:, : 3 * hidden], *gates.chunk(4, dim=1), cells, bent, outputs)
        steps = zip(*(part.split_with_sizes(sizes) for part in parts), strict=True)
        for at, (arriving, three, o, i, f, g, cell, tanh, output) in enumerate(steps):
            size = len(output)
            if at in blocks:
                torch.addmm(bias, data[blocks[at]], weight, out=gates[blocks[at]])
            arriving.addmm_(h[:size], recurrent)
            three.sigmoid_()
            g.tanh_()
            c = torch.mul(f, c[:size], out=cell).addcmul_(i, g)
            h = torch.mul(o, torch.tanh(c, out=tanh), out=output)
        ctx.save_for_backward(data, h0, c0, w_ih, w_hh, gates, cells, bent, outputs)
        ctx.sizes = sizes
        ends = _ends(outputs, sizes)
        return outputs, outputs.index_select(0, ends), cells.index_select(0, ends)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, from_outputs: Tensor, from_h: Tensor, from_c: Tensor) -> Gradients:
        data, h0, c0, w_ih, w_hh, gates, cells, bent, outputs = ctx.saved_tensors
        sizes, hidden = ctx.sizes, w_hh.shape[1]
        factors, through, before = torch.empty_like(gates), torch.empty_like(outputs), _before(cells, c0, sizes)
        gradient, carried, weight = _arriving(from_outputs, from_h, sizes), from_c.clone(), w_hh.roll(hidden, 0)
        forget, blocks = gates[:, 2 * hidden : 3 * hidden], _blocks(sizes, ends=True)
        gradients, throughs, forgets, whole = (part.split_with_sizes(sizes) for part in (gradient, through, forget, factors))
        of_o, of_c = factors[:, :hidden].split_with_sizes(sizes), factors.view(-1, 4, hidden)[:, 1:].split_with_sizes(sizes)
        for at in range(len(sizes) - 1, -1, -1):
            if at in blocks:
                rows = blocks[at]
                _lstm_factors(gates[rows], before[rows], bent[rows], factors[rows], through[rows])
            here = carried[: sizes[at]].addcmul_(gradients[at], throughs[at])
            of_o[at].mul_(gradients[at])
            of_c[at].mul_(here[:, None])
            here.mul_(forgets[at])
            if at:
                gradients[at - 1][: sizes[at]].addmm_(whole[at], weight)
        biases = factors.sum(0).roll(-hidden)
        return (
            factors @ w_ih.roll(hidden, 0) if ctx.needs_input_grad[0] else None,
            whole[0] @ weight if ctx.needs_input_grad[1] else None,
            carried,
            (factors.t() @ data).roll(-hidden, 0),
            (factors.t() @ _before(outputs, h0, sizes)).roll(-hidden, 0),
            biases,
            biases,
            None,
        )


class TanhLoop(Function):
    """One simple recurrent layer in one direction: h' = tanh(W x + U h + b).

    `apply(data [N, D], h [B, H], weight_ih, weight_hh, bias_ih, bias_hh, sizes)` → outputs [N, H] and h [B, H] at the end.
    """

    @staticmethod
    def forward(
        ctx: Any, data: Tensor, start: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor, sizes: Sizes
    ) -> tuple[Tensor, Tensor]:
        outputs, h, recurrent = torch.addmm(b_ih + b_hh, data, w_ih.t()), start, w_hh.t()
        for output in outputs.split_with_sizes(sizes):
            h = output.addmm_(h[: len(output)], recurrent).tanh_()
        ctx.save_for_backward(data, start, w_ih, w_hh, outputs)
        ctx.sizes = sizes
        return outputs, outputs.index_select(0, _ends(outputs, sizes))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, from_outputs: Tensor, from_end: Tensor) -> Gradients:
        data, start, w_ih, w_hh, outputs = ctx.saved_tensors
        sizes = ctx.sizes
        factors = torch.addcmul(outputs.new_ones(()), outputs, outputs, value=-1)
        gradients, parts = _arriving(from_outputs, from_end, sizes).split_with_sizes(sizes), factors.split_with_sizes(sizes)
        for at in range(len(sizes) - 1, -1, -1):
            parts[at].mul_(gradients[at])
            if at:
                gradients[at - 1][: sizes[at]].addmm_(parts[at], w_hh)
        bias = factors.sum(0)
        return (
            factors @ w_ih if ctx.needs_input_grad[0] else None,
            parts[0] @ w_hh if ctx.needs_input_grad[1] else None,
            factors.t() @ data,
            factors.t() @ _before(outputs, start, sizes),
            bias,
            bias,
            None,
        )


def turned_rows(sizes: Sizes) -> Tensor:
    """Where each step of packed data is found when every sequence is read from its own end; done twice, all is as it was.

    Args:
        sizes: how many sequences there are at each step.

    Example:
        >>> turned_rows([2, 2, 1]).tolist()  # the first sequence has three steps, 0, 2 and 4, the second two, 1 and 3
        [4, 3, 2, 1, 0]
    """
    size = torch.tensor(sizes)
    lengths = (size[:, None] > torch.arange(sizes[0])).sum(0)
    steps = torch.arange(len(sizes)).repeat_interleave(size)
    rows = torch.cat([torch.arange(each) for each in sizes])
    turned: Tensor = (size.cumsum(0) - size)[lengths[rows] - 1 - steps] + rows
    return turned


_BLOCK = 512  # rows that are made ready at once: what the loop reads next is then still in the cache


def _blocks(sizes: Sizes, *, ends: bool = False) -> dict[int, slice]:
    """Rows of whole steps, by the first step among them, or by the last."""
    blocks, first, row, rows = {}, 0, 0, 0
    for at, size in enumerate(sizes):
        rows += size
        if rows >= _BLOCK or at == len(sizes) - 1:
            blocks[at if ends else first] = slice(row, row + rows)
            first, row, rows = at + 1, row + rows, 0
    return blocks


def _gru_factors(gates: Tensor, before: Tensor, out: Tensor) -> None:
    """By what the gradient of h' is multiplied to give that of each sum that goes into a gate."""
    new, reset, update, seen = gates.chunk(4, dim=1)
    to_new, to_reset, to_update, to_seen = out.chunk(4, dim=1)
    work = torch.addcmul(new.new_ones(()), new, new, value=-1)
    torch.addcmul(work, work, update, value=-1, out=to_new)
    torch.mul(to_new, reset, out=to_seen)
    _logistic(torch.mul(to_seen, seen, out=work), reset, to_reset)
    _logistic(torch.sub(before, new, out=work).mul_(update), update, to_update)


def _lstm_factors(gates: Tensor, before: Tensor, bent: Tensor, out: Tensor, through: Tensor) -> None:
    """By what the gradient of c', or for o of h', is multiplied to give that of each sum; `through` leads from h' to c'."""
    o, i, f, g = gates.chunk(4, dim=1)
    to_o, to_i, to_f, to_g = out.chunk(4, dim=1)
    work = i * g
    torch.addcmul(i, work, g, value=-1, out=to_g)
    _logistic(work, i, to_i)
    _logistic(torch.mul(before, f, out=work), f, to_f)
    _logistic(torch.mul(o, bent, out=work), o, to_o)
    torch.addcmul(o, work, bent, value=-1, out=through)


def _logistic(x: Tensor, gate: Tensor, out: Tensor) -> None:
    """x ⊙ (1 − gate)."""
    torch.addcmul(x, x, gate, value=-1, out=out)


def _ends(like: Tensor, sizes: Sizes) -> Tensor:
    """Where in `data` each sequence ends: [B]."""
    last: list[int] = []
    # The shortest sequence stands last, so the rows beyond those of the next step end here.
    for offset, size, following in reversed([*zip(accumulate([0, *sizes]), sizes, [*sizes[1:], 0], strict=False)]):
        last = [*last, *range(offset + following, offset + size)]
    return torch.tensor(last, device=like.device)


def _before(outputs: Tensor, start: Tensor, sizes: Sizes) -> Tensor:
    """What each step read of the step before: [N, H]."""
    parts = [output[:size] for output, size in zip(outputs.split_with_sizes(sizes), [*sizes[1:], 0], strict=True)]
    return torch.cat([start, *parts])


def _arriving(from_outputs: Tensor, from_end: Tensor, sizes: Sizes) -> Tensor:
    """The gradient of the outputs and of the last states together, to be written on."""
    return from_outputs.contiguous().index_add(0, _ends(from_outputs, sizes), from_end)
