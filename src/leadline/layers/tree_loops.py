"""The loops over the levels of trees, forward and backward, written out.

Each level is one gather of the hidden states of its children (in a Tree-LSTM another of their cells), one matrix product (two
where children are summed, as each has a forget gate of its own), and what is done to its single numbers. Backward, a child has
one parent alone, so its gradient is looked up where that parent left it: nothing is ever scattered. The gradients of the
weights are one product for all levels. Differentiable once.

B trees of N nodes together, L of them leaves, I inner ones, E children of others, A children of a node at most, H hidden units.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import Function, once_differentiable
from torch.nn import functional as F

from leadline.layers.level_arrays import TreeLevels

_MOST_FEATURES = 1 << 22  # numbers of what a recursion's matrix is given, pairwise products most of them, at a time


class NaryLoop(Function):
    """The hidden states [N, H] of a Tree-LSTM with a matrix for each place of a child.

    Takes the sums of the leaves [L, 3H] (o, i, u), weight [(3 + A)H, A·H] and bias [(3 + A)H] (o, i, f₁ … f_A, u), `table`
    [I·A], the places of the children, N where there is none, and `above` [N], where each node stands in it, I·A for a root.
    """

    @staticmethod
    def forward(
        ctx: Any, leaves: Tensor, weight: Tensor, bias: Tensor, table: Tensor, above: Tensor, levels: TreeLevels
    ) -> Tensor:
        hidden, nodes, first = leaves.shape[1] // 3, len(levels), levels.leaves
        arity = weight.shape[1] // hidden
        h, c, squashed = (leaves.new_empty(nodes + 1, hidden) for _ in range(3))
        h[nodes], c[nodes] = 0, 0  # the child that is not there
        gates = leaves.new_empty(levels.inner, 3 + arity, hidden)
        below, cells = (leaves.new_empty(levels.inner, arity, hidden) for _ in range(2))
        leaf_gates = _leaf_states(leaves, h, c, squashed)
        turned, flat, last = weight.t(), gates.flatten(1), 2 + arity
        for low, high in levels.spans():
            here, places = slice(first + low, first + high), table[low * arity : high * arity]
            torch.index_select(h, 0, places, out=below[low:high].view(-1, hidden))
            torch.index_select(c, 0, places, out=cells[low:high].view(-1, hidden))
            torch.addmm(bias, below[low:high].view(high - low, -1), turned, out=flat[low:high])
            gate = gates[low:high]
            gate[:, :last].sigmoid_()
            gate[:, last].tanh_()
            cell = torch.mul(gate[:, 1], gate[:, last], out=c[here])
            for child in range(arity):
                cell.addcmul_(gate[:, 2 + child], cells[low:high, child])
            torch.mul(gate[:, 0], torch.tanh(cell, out=squashed[here]), out=h[here])
        ctx.levels = levels
        ctx.save_for_backward(leaf_gates, gates, below, cells, squashed, weight, above)
        return h[:nodes]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None, None]:
        leaf_gates, gates, below, cells, squashed, weight, above = ctx.saved_tensors
        levels, (inner, kinds, hidden) = ctx.levels, gates.shape
        first, arity = levels.leaves, kinds - 3
        o, i, f, u = gates[:, 0], gates[:, 1], gates[:, 2 : 2 + arity], gates[:, -1]
        # What each gate's sum is worth to h (o) or to c (the others); known before any gradient is.
        worth = torch.empty_like(gates)
        inner_squashed = squashed[first:-1]
        torch.mul(inner_squashed * o, 1 - o, out=worth[:, 0])
        torch.mul(u * i, 1 - i, out=worth[:, 1])
        torch.mul(cells, f * (1 - f), out=worth[:, 2 : 2 + arity])
        torch.mul(i, 1 - u * u, out=worth[:, -1])
        to_cell = o * (1 - inner_squashed * inner_squashed)
        # One row more than there are children: that of the roots, which no parent gives anything.
        to_below, to_cells = (grad.new_zeros(inner * arity + 1, hidden) for _ in range(2))
        sums = torch.empty_like(gates)
        flat = sums.flatten(1)
        for low, high in reversed(levels.spans()):
            here = slice(first + low, first + high)
            received = grad[here] + to_below.index_select(0, above[here])
            cell = to_cells.index_select(0, above[here]).addcmul_(received, to_cell[low:high])
            torch.mul(worth[low:high, 0], received, out=sums[low:high, 0])
            torch.mul(worth[low:high, 1:], cell[:, None], out=sums[low:high, 1:])
            children = slice(low * arity, high * arity)
            torch.mul(f[low:high], cell[:, None], out=to_cells[children].view(-1, arity, hidden))
            torch.mm(flat[low:high], weight, out=to_below[children].view(high - low, -1))
        of_leaves = _leaf_gradient(grad, to_below, to_cells, above, leaf_gates, squashed)
        return of_leaves, flat.t() @ below.flatten(1), flat.sum(0), None, None, None


class ChildSumLoop(Function):
    """The hidden states [N, H] of a Tree-LSTM that sums over children.

    Takes the sums of the leaves [L, 3H] (o, i, u), weight [3H, H] and bias [3H] of the same for inner nodes, and weight [H, H]
    and bias [H] of the forget gate, which every child has for itself.
    """

    @staticmethod
    def forward(
        ctx: Any,
        leaves: Tensor,
        weight: Tensor,
        bias: Tensor,
        forget_weight: Tensor,
        forget_bias: Tensor,
        levels: TreeLevels,
    ) -> Tensor:
        hidden, nodes, first = leaves.shape[1] // 3, len(levels), levels.leaves
        h, c, squashed = (leaves.new_empty(nodes, hidden) for _ in range(3))
        gates, summed = leaves.new_empty(levels.inner, 3, hidden), leaves.new_empty(levels.inner, hidden)
        below, cells, forget = (leaves.new_empty(len(levels.children), hidden) for _ in range(3))
        leaf_gates = _leaf_states(leaves, h, c, squashed)
        flat, starts, counting = gates.flatten(1), _starts(levels), torch.arange(nodes, device=h.device)
        for (low, high), (start, end) in zip(levels.spans(), levels.edge_spans(), strict=True):
            here, places = slice(first + low, first + high), levels.children[start:end]
            torch.index_select(h, 0, places, out=below[start:end])
            torch.index_select(c, 0, places, out=cells[start:end])
            offsets = starts[low:high] - start
            summed[low:high] = F.embedding_bag(counting[: end - start], below[start:end], offsets, mode="sum")
            torch.addmm(forget_bias, below[start:end], forget_weight.t(), out=forget[start:end]).sigmoid_()
            torch.addmm(bias, summed[low:high], weight.t(), out=flat[low:high])
            gate = gates[low:high]
            gate[:, :2].sigmoid_()
            gate[:, 2].tanh_()
            kept = forget[start:end] * cells[start:end]
            cell = torch.mul(gate[:, 1], gate[:, 2], out=c[here])
            cell += F.embedding_bag(counting[: end - start], kept, offsets, mode="sum")
            torch.mul(gate[:, 0], torch.tanh(cell, out=squashed[here]), out=h[here])
        ctx.levels = levels
        ctx.save_for_backward(leaf_gates, gates, below, cells, forget, summed, squashed, weight, forget_weight)
        return h

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, None]:
        leaf_gates, gates, below, cells, forget, summed, squashed, weight, forget_weight = ctx.saved_tensors
        levels, hidden, above = ctx.levels, gates.shape[2], ctx.levels.above
        first, count = levels.leaves, len(ctx.levels.children)
        o, i, u = gates[:, 0], gates[:, 1], gates[:, 2]
        inner_squashed = squashed[first:]
        worth = torch.stack([inner_squashed * o * (1 - o), u * i * (1 - i), i * (1 - u * u)], dim=1)
        forget_worth, to_cell = cells * forget * (1 - forget), o * (1 - inner_squashed * inner_squashed)
        to_below, to_cells = (grad.new_zeros(count + 1, hidden) for _ in range(2))
        sums, forget_sums = torch.empty_like(gates), torch.empty_like(forget)
        flat = sums.flatten(1)
        for (low, high), (start, end) in reversed(list(zip(levels.spans(), levels.edge_spans(), strict=True))):
            here, owners = slice(first + low, first + high), levels.owners[start:end] - low
            received = grad[here] + to_below.index_select(0, above[here])
            cell = to_cells.index_select(0, above[here]).addcmul_(received, to_cell[low:high])
            torch.mul(worth[low:high, 0], received, out=sums[low:high, 0])
            torch.mul(worth[low:high, 1:], cell[:, None], out=sums[low:high, 1:])
            of_owner = cell.index_select(0, owners)
            torch.mul(forget[start:end], of_owner, out=to_cells[start:end])
            torch.mul(forget_worth[start:end], of_owner, out=forget_sums[start:end])
            shared = (flat[low:high] @ weight).index_select(0, owners)
            torch.addmm(shared, forget_sums[start:end], forget_weight, out=to_below[start:end])
        of_leaves = _leaf_gradient(grad, to_below, to_cells, above, leaf_gates, squashed)
        of_forget = forget_sums.t() @ below
        return of_leaves, flat.t() @ summed, flat.sum(0), of_forget, forget_sums.sum(0), None


class RecursionLoop(Function):
    """The hidden states [N, H] of h = tanh(W φ(h₁ … h_A) + b), φ being the children side by side, and behind them, where the
    weight is as wide as that, the products of every two of their numbers.

    Takes the states of the leaves [L, H], weight [H, A·H] or [H, A·H + (A·H)²] and bias [H], `table` and `above` as `NaryLoop`,
    and A.
    """

    @staticmethod
    def forward(
        ctx: Any, leaves: Tensor, weight: Tensor, bias: Tensor, table: Tensor, above: Tensor, levels: TreeLevels, arity: int
    ) -> Tensor:
        hidden, nodes, first = leaves.shape[1], len(levels), levels.leaves
        pairs = weight.shape[1] > arity * hidden
        h = leaves.new_empty(nodes + 1, hidden)
        h[:first], h[nodes] = leaves, 0
        below = leaves.new_empty(levels.inner, arity * hidden)
        for low, high in _pieces(levels, weight):
            here = slice(first + low, first + high)
            torch.index_select(h, 0, table[low * arity : high * arity], out=below[low:high].view(-1, hidden))
            torch.addmm(bias, _features(below[low:high], pairs), weight.t(), out=h[here]).tanh_()
        ctx.levels, ctx.pairs = levels, pairs
        ctx.save_for_backward(h, below, weight, above)
        return h[:nodes]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None, None, None]:
        h, below, weight, above = ctx.saved_tensors
        levels, hidden, first, (inner, width) = ctx.levels, h.shape[1], ctx.levels.leaves, below.shape
        slope = 1 - h[first:-1].square()
        to_below = grad.new_zeros(inner * (width // hidden) + 1, hidden)
        by_owner, sums = to_below[:-1].view(inner, width), torch.empty_like(slope)
        for low, high in reversed(_pieces(levels, weight)):
            here = slice(first + low, first + high)
            received = grad[here] + to_below.index_select(0, above[here])
            torch.mul(received, slope[low:high], out=sums[low:high])
            whole = sums[low:high] @ weight
            by_owner[low:high] = whole[:, :width]
            if ctx.pairs:
                products = whole[:, width:].view(-1, width, width)
                both = (products + products.transpose(1, 2)) @ below[low:high, :, None]
                by_owner[low:high] += both.squeeze(2)
        of_weight, step = torch.zeros_like(weight), _at_once(weight)
        for low in range(0, inner, step):
            of_weight.addmm_(sums[low : low + step].t(), _features(below[low : low + step], ctx.pairs))
        of_leaves = grad[:first] + to_below.index_select(0, above[:first])
        return of_leaves, of_weight, sums.sum(0), None, None, None, None


def _leaf_states(leaves: Tensor, h: Tensor, c: Tensor, squashed: Tensor) -> Tensor:
    """Fill in the states of all leaves at once; their gates [L, 3, H] come back."""
    gates = leaves.view(len(leaves), 3, -1).clone()
    gates[:, :2].sigmoid_()
    gates[:, 2].tanh_()
    first = len(leaves)
    torch.mul(gates[:, 1], gates[:, 2], out=c[:first])
    torch.mul(gates[:, 0], torch.tanh(c[:first], out=squashed[:first]), out=h[:first])
    return gates


def _leaf_gradient(grad: Tensor, to_below: Tensor, to_cells: Tensor, above: Tensor, gates: Tensor, squashed: Tensor) -> Tensor:
    """The gradient of the sums of all leaves [L, 3H] at once."""
    first = len(gates)
    o, i, u, t = gates[:, 0], gates[:, 1], gates[:, 2], squashed[:first]
    received = grad[:first] + to_below.index_select(0, above[:first])
    cell = to_cells.index_select(0, above[:first]).addcmul_(received, o * (1 - t * t))
    sums = torch.empty_like(gates)
    torch.mul(received * t * o, 1 - o, out=sums[:, 0])
    torch.mul(cell * u * i, 1 - i, out=sums[:, 1])
    torch.mul(cell * i, 1 - u * u, out=sums[:, 2])
    return sums.view(first, -1)


def _starts(levels: TreeLevels) -> Tensor:
    """Where the children of each inner node begin in `children`, [I]."""
    return torch.searchsorted(levels.owners, torch.arange(levels.inner, device=levels.device))


def _at_once(weight: Tensor) -> int:
    """How many nodes may have their features written out at a time."""
    return max(1, _MOST_FEATURES // weight.shape[1])


def _pieces(levels: TreeLevels, weight: Tensor) -> list[tuple[int, int]]:
    """Where levels begin and end among the inner nodes, those with too many nodes to be held at once cut."""
    step = _at_once(weight)
    return [(at, min(at + step, high)) for low, high in levels.spans() for at in range(low, high, step)]


def _features(below: Tensor, pairs: bool) -> Tensor:
    """What the matrix of a recursion is given: the children side by side, and where asked every two of their numbers."""
    if not pairs:
        return below
    return torch.cat([below, (below[:, :, None] * below[:, None, :]).flatten(1)], dim=1)
