"""Layers for trees: what a node is comes from what its children are, from the leaves up to the root.

B trees of N nodes together, L of them leaves, A children of a node at most, D features of a leaf, H hidden units.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.errors import ArgumentError
from leadline.layers.arguments import check_shape, check_whole
from leadline.layers.level_arrays import TreeLevels
from leadline.layers.tree_loops import ChildSumLoop, NaryLoop, RecursionLoop


class NaryTreeLSTM(nn.Module):
    """A Tree-LSTM that knows its children by their place: with A = 2 the left one and the right one.

    A leaf: [o, i, u] = W x + b; c = σ(i) ⊙ tanh(u); h = σ(o) ⊙ tanh(c).
    Others: [o, i, f₁ … f_A, u] = U [h₁ … h_A] + d; c = σ(i) ⊙ tanh(u) + Σ_k σ(f_k) ⊙ c_k; h = σ(o) ⊙ tanh(c), where a child
    that is not there has h = c = 0. Every forget gate sees every child. At first the forget gates let through 1 / A each, so
    that the cells of a deep tree neither grow nor fade.

    Shapes: leaves [L, D] and a `TreeLevels` → [N, H], its nodes in its order. Parameters: 3H(D + 1) + (3 + A)H(AH + 1).

    Args:
        features: D.
        hidden: H.
        arity: A; a node with fewer children is taken for one whose last children are missing.

    Errors: `ArgumentError` for an argument out of range, leaves of another shape, or a node with more than A children.

    Example:
        >>> from leadline.layers.level_arrays import tree_levels
        >>> import numpy as np
        >>> levels = tree_levels(np.array([5, 6, 0]), np.array([2, 1, 0]))
        >>> NaryTreeLSTM(4, 8)(torch.zeros(2, 4), levels).shape
        torch.Size([3, 8])

    Source: Tai, Socher and Manning (2015), Improved semantic representations from tree-structured long short-term memory
    networks, section 3.2.
    """

    def __init__(self, features: int, hidden: int, *, arity: int = 2) -> None:
        super().__init__()
        check_whole("NaryTreeLSTM", {"features": features, "hidden": hidden, "arity": arity})
        self.features, self.hidden, self.arity = features, hidden, arity
        self.leaf = nn.Linear(features, 3 * hidden)
        self.inner = nn.Linear(arity * hidden, (3 + arity) * hidden)
        _reset(self.leaf, hidden)
        _reset(self.inner, hidden, forget=slice(2 * hidden, (2 + arity) * hidden), open_by=1 / arity)

    def forward(self, x: Tensor, levels: TreeLevels) -> Tensor:
        _check("NaryTreeLSTM", x, levels, self.leaf.weight, arity=self.arity)
        sums = F.linear(x, self.leaf.weight, self.leaf.bias).to(self.inner.weight.dtype)
        table, above = _table(levels, self.arity)
        h: Tensor = _applied(NaryLoop, sums, self.inner.weight, self.inner.bias, table, above, levels)
        return h

    def extra_repr(self) -> str:
        return f"{self.features}, {self.hidden}, arity={self.arity}"


class ChildSumTreeLSTM(nn.Module):
    """A Tree-LSTM that takes its children together, however many there are and in whatever order.

    A leaf: as in `NaryTreeLSTM`. Others: [o, i, u] = U Σ_k h_k + d; f_k = σ(V h_k + e) for each child;
    c = σ(i) ⊙ tanh(u) + Σ_k f_k ⊙ c_k; h = σ(o) ⊙ tanh(c).

    Shapes: leaves [L, D] and a `TreeLevels` → [N, H], its nodes in its order. Parameters: 3H(D + 1) + 4H(H + 1).

    Args:
        features: D.
        hidden: H.

    Errors: `ArgumentError` for an argument out of range, or leaves of another shape.

    Example:
        >>> from leadline.layers.level_arrays import tree_levels
        >>> import numpy as np
        >>> levels = tree_levels(np.array([5, 6, 7, 0]), np.array([3, 2, 1, 0]))
        >>> ChildSumTreeLSTM(4, 8)(torch.zeros(3, 4), levels).shape
        torch.Size([4, 8])

    Source: Tai, Socher and Manning (2015), Improved semantic representations from tree-structured long short-term memory
    networks, section 3.1.
    """

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        check_whole("ChildSumTreeLSTM", {"features": features, "hidden": hidden})
        self.features, self.hidden = features, hidden
        self.leaf, self.inner = nn.Linear(features, 3 * hidden), nn.Linear(hidden, 3 * hidden)
        self.forget = nn.Linear(hidden, hidden)
        for layer in (self.leaf, self.inner, self.forget):
            _reset(layer, hidden)

    def forward(self, x: Tensor, levels: TreeLevels) -> Tensor:
        _check("ChildSumTreeLSTM", x, levels, self.leaf.weight)
        sums = F.linear(x, self.leaf.weight, self.leaf.bias).to(self.inner.weight.dtype)
        inner, forget = self.inner, self.forget
        h: Tensor = _applied(ChildSumLoop, sums, inner.weight, inner.bias, forget.weight, forget.bias, levels)
        return h

    def extra_repr(self) -> str:
        return f"{self.features}, {self.hidden}"


class _Recursion(nn.Module):
    """What `TreeRecursion` and `TensorTreeRecursion` share: they differ in what the matrix of inner nodes is given."""

    pairs: ClassVar[bool]

    def __init__(self, features: int, hidden: int, *, arity: int = 2) -> None:
        super().__init__()
        check_whole(type(self).__name__, {"features": features, "hidden": hidden, "arity": arity})
        self.features, self.hidden, self.arity = features, hidden, arity
        width = arity * hidden
        self.leaf = nn.Linear(features, hidden)
        self.inner = nn.Linear(width + width * width if self.pairs else width, hidden)
        _reset(self.leaf, hidden)
        _reset(self.inner, hidden)
        if self.pairs:
            # A product of two states is far smaller than they are; as many as there are must not drown them.
            with torch.no_grad():
                self.inner.weight[:, width:] /= width

    def forward(self, x: Tensor, levels: TreeLevels) -> Tensor:
        _check(type(self).__name__, x, levels, self.leaf.weight, arity=self.arity)
        leaves = F.linear(x, self.leaf.weight, self.leaf.bias).tanh().to(self.inner.weight.dtype)
        table, above = _table(levels, self.arity)
        h: Tensor = _applied(RecursionLoop, leaves, self.inner.weight, self.inner.bias, table, above, levels, self.arity)
        return h

    def extra_repr(self) -> str:
        return f"{self.features}, {self.hidden}, arity={self.arity}"


class TreeRecursion(_Recursion):
    """The plain recursive layer: one matrix makes a node of its children.

    A leaf: h = tanh(W x + b). Others: h = tanh(U [h₁ … h_A] + d), where a child that is not there has h = 0.

    Shapes: leaves [L, D] and a `TreeLevels` → [N, H], its nodes in its order. Parameters: H(D + 1) + H(AH + 1).

    Args:
        features: D.
        hidden: H.
        arity: A.

    Errors: `ArgumentError` for an argument out of range, leaves of another shape, or a node with more than A children.

    Example:
        >>> from leadline.layers.level_arrays import tree_levels
        >>> import numpy as np
        >>> levels = tree_levels(np.array([5, 6, 0]), np.array([2, 1, 0]))
        >>> TreeRecursion(4, 8)(torch.zeros(2, 4), levels).shape
        torch.Size([3, 8])

    Source: Socher, Lin, Ng and Manning (2011), Parsing natural scenes and natural language with recursive neural networks.
    """

    pairs = False


class TensorTreeRecursion(_Recursion):
    """The recursive tensor layer: children act on each other, each pair of their numbers with a weight of its own.

    A leaf: h = tanh(W x + b). Others, with a = [h₁ … h_A]: h_j = tanh(aᵀ V_j a + U_j a + d_j).

    Shapes: leaves [L, D] and a `TreeLevels` → [N, H], its nodes in its order. Parameters: H(D + 1) + H(AH + (AH)² + 1): with
    A = 2 and H = 30 they are 109,830 beside those of the leaves. V is in `inner.weight`, behind the A·H columns of U.

    Args:
        features: D.
        hidden: H; the time grows with its third power.
        arity: A.

    Errors: `ArgumentError` for an argument out of range, leaves of another shape, or a node with more than A children.

    Example:
        >>> from leadline.layers.level_arrays import tree_levels
        >>> import numpy as np
        >>> levels = tree_levels(np.array([5, 6, 0]), np.array([2, 1, 0]))
        >>> TensorTreeRecursion(4, 8)(torch.zeros(2, 4), levels).shape
        torch.Size([3, 8])

    Source: Socher et al. (2013), Recursive deep models for semantic compositionality over a sentiment treebank.
    """

    pairs = True


def _reset(layer: nn.Linear, hidden: int, *, forget: slice | None = None, open_by: float = 0.5) -> None:
    bound = 1 / math.sqrt(hidden)
    nn.init.uniform_(layer.weight, -bound, bound)
    nn.init.zeros_(layer.bias)
    if forget is not None:
        share = min(open_by, 0.9)  # a single child would need an infinite bias
        nn.init.constant_(layer.bias[forget], math.log(share / (1 - share)))


def _check(layer: str, x: Tensor, levels: TreeLevels, weight: Tensor, *, arity: int | None = None) -> None:
    check_shape(layer, x, ("L", weight.shape[1]), weight)
    if len(x) != levels.leaves:
        raise ArgumentError(f"{layer} was not given one row for each leaf", expected=levels.leaves, got=len(x))
    if arity is not None and levels.arity > arity:
        raise ArgumentError(
            f"{layer} knows {arity} children of a node",
            expected=f"trees whose nodes have at most {arity}",
            got=f"a node with {levels.arity}",
            do="Build it with a larger arity, or take ChildSumTreeLSTM (model.cell=child_sum).",
        )


def _table(levels: TreeLevels, arity: int) -> tuple[Tensor, Tensor]:
    """The places of A children of each inner node, N where there is none, [I·A]; and where each node stands there, [N]."""
    if len(levels.children) == levels.inner * arity:  # no child is missing
        return levels.children, levels.above
    places = levels.owners * arity + levels.slots
    table = levels.children.new_full((levels.inner * arity,), len(levels))
    table[places] = levels.children
    none = places.new_full((1,), len(table))
    return table, torch.cat([places, none]).index_select(0, levels.above)


def _applied(loop: Any, *arguments: Any) -> Tensor:
    """The loop in the arithmetic of its weights: half precision saves nothing on products as small as these."""
    with torch.autocast(arguments[0].device.type, enabled=False):
        outputs: Tensor = loop.apply(*arguments)
    return outputs


TREE_CELLS: Mapping[str, Any] = {
    "lstm": NaryTreeLSTM,
    "child_sum": ChildSumTreeLSTM,
    "tensor": TensorTreeRecursion,
    "plain": TreeRecursion,
}
"""The layers for trees by the names that a Plan gives them."""
