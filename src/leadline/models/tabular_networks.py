"""Networks for tables: numbers and categories embedded column by column, then hidden layers, as an ensemble in one network.

B batch, F numbers, C categories, W = F + C columns, D width of a column's embedding, H width of a hidden layer, M members.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError, unknown
from leadline.layers import (
    BatchEnsembleLinear,
    CategoryEmbedding,
    FastDropout,
    Gated,
    MemberHeads,
    Periodic,
    PiecewiseLinear,
    mean_of_members,
)
from leadline.layers.activations import activation as activation_layer
from leadline.layers.activations import widening

EMBEDDINGS = ("piecewise_linear", "periodic", "none")
BLOCKS = ("plain", "residual", "gated")
TASKS = ("classes", "labels", "number")


def tabular(
    edges: Sequence[Sequence[float]],
    categories: Sequence[int],
    outputs: int,
    task: str,
    *,
    width: int = 128,
    depth: int = 2,
    members: int = 16,
    embedding: str = "piecewise_linear",
    embedding_width: int = 8,
    block: str = "plain",
    activation: str = "relu",
    dropout: float = 0.1,
) -> nn.Module:
    """Each column embedded by itself, `depth` hidden blocks, and `members` networks that share their matrices.

    A number with edges becomes `embedding_width` values, one without stays as it is (`embedding="none"`: all stay); a category
    becomes the row of its code. Hidden blocks, all of `width`:
    plain: h ← dropout(act(W·h)), the first of them from the columns;
    residual: h ← h + dropout(W₂·dropout(act(W₁·norm(h)))), after one linear layer;
    gated: h ← h + dropout(W₂·(a ⊙ act(g))) with [a, g] = W₁·norm(h), after one linear layer (SwiGLU with "silu").

    With M > 1 members each gives answers of its own, [B, M, outputs], while training (`losses.per_member` judges them one by
    one), and in evaluation they give one together (`layers.mean_of_members`).

    Shapes: [B, W], numbers first and then codes, → [B, outputs]; in training with M > 1 → [B, M, outputs].

    Args:
        edges: for each number its bin edges; empty for a number that is taken as it is.
        categories: the cardinality of each category.
        outputs: logits or numbers to predict.
        task: "classes", "labels" or "number": how members are averaged.
        width: H.
        depth: hidden blocks, at least 1.
        members: M; 1 is a single network.
        embedding: of numbers: "piecewise_linear", "periodic" or "none".
        embedding_width: D.
        block: "plain", "residual" or "gated".
        activation: as `layers.activation` reads it: "relu", "leaky_relu(0.2)", "maxout(pieces=3)", "swiglu".
            With block "gated" it is the gate's, and looks at one value at a time.
        dropout: share of hidden units dropped in training, in [0, 1).

    Errors: `ArgumentError` for an argument out of range or a table without columns.

    Example:
        >>> network = tabular([(-1.0, 0.0, 1.0), ()], (3,), 2, "classes", members=4)
        >>> rows = torch.tensor([[0.3, 1.0, 2.0]])
        >>> network(rows).shape, network.eval()(rows).shape
        (torch.Size([1, 4, 2]), torch.Size([1, 2]))

    Source: Gorishniy et al. (2021), Revisiting deep learning models for tabular data; (2022), On embeddings for numerical
    features; Gorishniy, Kotelnikov and Babenko (2024), TabM; Shazeer (2020), GLU variants improve transformer.
    """
    if task not in TASKS:
        unknown("task", task, TASKS)
    sizes = {"outputs": outputs, "width": width, "depth": depth, "members": members, "embedding_width": embedding_width}
    for name, value in sizes.items():
        if value < 1:
            raise ArgumentError("The network for tables cannot be built", expected=f"{name} ≥ 1", got=f"{name} = {value}")
    if not 0 <= dropout < 1:
        raise ArgumentError("The network for tables cannot be built", expected="dropout in [0, 1)", got=f"dropout = {dropout}")
    columns = Columns(edges, categories, embedding=embedding, width=embedding_width)
    hidden = _hidden(columns.outputs, width, depth, members, block, activation, dropout)
    head = nn.Linear(width, outputs) if members == 1 else MemberHeads(width, outputs, members=members)
    return TabularNetwork(columns, hidden, head, task=task)


class TabularNetwork(nn.Module):
    """Columns → hidden blocks → head, and in evaluation the mean over the members. `tabular` builds one.

    Shapes: [B, W] → [B, outputs]; in training with members → [B, M, outputs].

    Args:
        columns: [B, W] → [B, features].
        hidden: [B, features] → [B, H], or [B, M, H] with members.
        head: the last layer.
        task: how members are averaged.
    """

    def __init__(self, columns: nn.Module, hidden: nn.Module, head: nn.Module, *, task: str) -> None:
        super().__init__()
        self.columns, self.hidden, self.head, self.task = columns, hidden, head, task

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.head(self.hidden(self.columns(x)))
        return mean_of_members(outputs, self.task) if outputs.ndim == 3 and not self.training else outputs

    def features(self, x: Tensor) -> Tensor:
        """What the head sees, the mean over the members: [B, W] → [B, H]."""
        hidden: Tensor = self.hidden(self.columns(x))
        return hidden.mean(dim=1) if hidden.ndim == 3 else hidden


class Columns(nn.Module):
    """The columns of a table side by side, each embedded by itself.

    Shapes: [B, W] → [B, outputs]: first the numbers that stay as they are, then the embedded ones, then the categories.

    Args:
        edges: for each number its bin edges, or empty.
        categories: the cardinality of each category.
        embedding: of the numbers with edges, one of `EMBEDDINGS`.
        width: of an embedding.
    """

    plain: Tensor
    bent: Tensor

    def __init__(
        self,
        edges: Sequence[Sequence[float]],
        categories: Sequence[int],
        *,
        embedding: str = "piecewise_linear",
        width: int = 8,
    ) -> None:
        super().__init__()
        if embedding not in EMBEDDINGS:
            unknown("embedding of numbers", embedding, EMBEDDINGS)
        if not edges and not categories:
            raise ArgumentError("The table has no columns to learn from", expected="at least 1 number or category")
        self.numbers = len(edges)
        bent = [number for number, row in enumerate(edges) if row and embedding != "none"]
        plain = sorted(set(range(len(edges))) - set(bent))
        self.register_buffer("plain", torch.tensor(plain, dtype=torch.int64), persistent=False)
        self.register_buffer("bent", torch.tensor(bent, dtype=torch.int64), persistent=False)
        self.embed: nn.Module | None = None
        if bent:
            periodic = embedding == "periodic"
            self.embed = Periodic(len(bent), width) if periodic else PiecewiseLinear([edges[n] for n in bent], width)
        self.categories = CategoryEmbedding(categories, width) if categories else None
        self.outputs = len(plain) + width * (len(bent) + len(categories))

    def forward(self, x: Tensor) -> Tensor:
        parts = [x.index_select(1, self.plain)]
        if self.embed is not None:
            parts.append(self.embed(x.index_select(1, self.bent)).flatten(1))
        if self.categories is not None:
            parts.append(self.categories(x[:, self.numbers :]).flatten(1))
        return torch.cat(parts, dim=1)


class ResidualBlock(nn.Module):
    """h + dropout(W₂·inner(W₁·norm(h))), norm being layer normalization.

    Shapes: [..., H] → [..., H].

    Args:
        width: H.
        widen: W₁, from H.
        inner: between the two matrices.
        narrow: W₂, to H.
        dropout: of what is added.
    """

    def __init__(self, width: int, widen: nn.Module, inner: nn.Module, narrow: nn.Module, *, dropout: float) -> None:
        super().__init__()
        self.norm, self.widen, self.inner, self.narrow = nn.LayerNorm(width), widen, inner, narrow
        self.dropout = FastDropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = self.dropout(self.narrow(self.inner(self.widen(self.norm(x)))))
        return x + added


def _hidden(features: int, width: int, depth: int, members: int, block: str, activation: str, dropout: float) -> nn.Sequential:
    """From the columns [B, features] to [B, H], or [B, M, H]: only the first layer lets the members differ from the start."""
    if block not in BLOCKS:
        unknown("block", block, BLOCKS)

    def linear(inputs: int, outputs: int, *, first: bool = False) -> nn.Module:
        if members == 1:
            return nn.Linear(inputs, outputs)
        return BatchEnsembleLinear(inputs, outputs, members=members, diverse=first)

    layers: list[nn.Module] = []
    times = widening(activation)
    if block == "plain":
        for index in range(depth):
            first = linear(width if index else features, times * width, first=index == 0)
            layers += [first, activation_layer(activation), FastDropout(dropout)]
        return nn.Sequential(*layers)
    layers.append(linear(features, width, first=True))
    for _ in range(depth):
        gated = block == "gated"
        act = Gated(activation) if gated else activation_layer(activation)
        inner = act if gated else nn.Sequential(act, FastDropout(dropout))
        widen, narrow = linear(width, (2 if gated else times) * width), linear(width, width)
        layers.append(ResidualBlock(width, widen, inner, narrow, dropout=dropout))
    # The last activation has no linear layer before it that could be wider; one that narrows is left out there.
    last = [activation_layer(activation)] if times == 1 else []
    return nn.Sequential(*layers, nn.LayerNorm(width), *last)
