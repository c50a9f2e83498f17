"""A small causal transformer, beside the recurrent language models.

B rows, T steps, D features, H heads, V words.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.errors import ArgumentError, unknown
from leadline.layers.arguments import check_dropped, check_whole
from leadline.models.language_networks import Reading, ReadsOn, check_ids

POSITIONS = ("rotary", "learned")


class Context(NamedTuple):
    """What a transformer has read: the ids [B, P], and each block's keys and values [B, H, P, D/H].

    Example:
        >>> _, context = small_transformer(20, width=8, heads=2, blocks=1).advance(torch.ones(1, 3, dtype=torch.long), None)
        >>> context.ids.shape, context.blocks[0][0].shape
        (torch.Size([1, 3]), torch.Size([1, 2, 3, 4]))
    """

    ids: Tensor
    blocks: tuple[tuple[Tensor, Tensor], ...]


class CausalBlock(nn.Module):
    """x ← x + attention(norm(x)), then x ← x + W₂ gelu(W₁ norm(x)): each step sees itself and what is before it.

    Shapes: [B, T, D] → [B, T, D], with the keys and values [B, H, P + T, D/H] of all steps so far.

    Args:
        width: D, a multiple of `heads`, each with an even number of features.
        heads: H.
        dropout: of what each branch adds, in training.

    Errors: `ArgumentError` for an argument out of range.

    Example:
        >>> y, (keys, values) = CausalBlock(8, 2)(torch.zeros(1, 3, 8), None, None)
        >>> y.shape, keys.shape
        (torch.Size([1, 3, 8]), torch.Size([1, 2, 3, 4]))

    Source: Vaswani et al. (2017), Attention is all you need; normalization first: Xiong et al. (2020), On layer normalization
    in the transformer architecture.
    """

    def __init__(self, width: int, heads: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        check_whole("CausalBlock", {"width": width, "heads": heads})
        check_dropped("CausalBlock", dropout, name="dropout")
        if width % heads or width // heads % 2:
            raise ArgumentError(
                "The width does not divide among the heads", expected="an even number of features for each", got=(width, heads)
            )
        self.heads, self.dropped = heads, dropout
        self.before_attention, self.before_units = nn.LayerNorm(width), nn.LayerNorm(width)
        self.together, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.units = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, turned: Tensor | None, past: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        rows, steps, width = x.shape
        parts = self.together(self.before_attention(x)).view(rows, steps, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # each [B, H, T, D/H]
        if turned is not None:
            query, key = _rotated(query, turned), _rotated(key, turned)
        if past is not None:
            key, value = torch.cat([past[0], key], dim=2), torch.cat([past[1], value], dim=2)
        before = key.shape[2] - steps
        # Without a past torch's own causal kernel does it; a single step sees everything.
        mask = None
        if before and steps > 1:
            mask = torch.ones(steps, before + steps, dtype=torch.bool, device=x.device).tril(before)
        mixed = F.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=mask,
            dropout_p=self.dropped if self.training else 0.0,
            is_causal=before == 0 and steps > 1,
        )
        x = x + self.dropout(self.out(mixed.transpose(1, 2).reshape(rows, steps, width)))
        return x + self.dropout(self.units(self.before_units(x))), (key, value)


class SmallTransformer(ReadsOn):
    """Word vectors, causal blocks and a last layer that is the word vectors again.

    In training each window starts afresh. Reading on keeps the keys and values of all steps until `context` of them are there;
    then the last half of the context is read again, and it goes on from that. So each token sees half a context at least.

    Shapes: ids [B, T] → logits [B, T, V].

    Args:
        vocabulary: V, with padding (0) and the unknown word (1).
        width: D.
        heads: H.
        blocks: how many, one on top of the other.
        context: the most steps seen at once.
        positions: "rotary" (queries and keys are turned by their place) or "learned" (a vector for each place).
        dropout: in training.

    Errors: `ArgumentError` for an argument out of range, ids that are no words, or a window to learn from that is longer than
    the context.

    Example:
        >>> model = SmallTransformer(50, 16, heads=2, blocks=2, context=32)
        >>> model(torch.ones(2, 5, dtype=torch.long)).shape
        torch.Size([2, 5, 50])

    Source: Radford et al. (2019), Language models are unsupervised multitask learners; Su et al. (2021), RoFormer: enhanced
    transformer with rotary position embedding.
    """

    turns: Tensor
    carries = False

    def __init__(
        self,
        vocabulary: int,
        width: int = 256,
        *,
        heads: int = 4,
        blocks: int = 4,
        context: int = 256,
        positions: str = "rotary",
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        check_whole("SmallTransformer", {"vocabulary": vocabulary, "context": context}, least=2)
        check_whole("SmallTransformer", {"blocks": blocks})
        if positions not in POSITIONS:
            unknown("way to tell positions", positions, POSITIONS)
        self.vocabulary, self.context = vocabulary, context
        self.embedding, self.dropout = nn.Embedding(vocabulary, width), nn.Dropout(dropout)
        self.blocks = nn.ModuleList(CausalBlock(width, heads, dropout=dropout) for _ in range(blocks))
        self.places = nn.Embedding(context, width) if positions == "learned" else None
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary)
        self.register_buffer("turns", _turns(context, width // heads), persistent=False)
        self._initialize(blocks)
        self.head.weight = self.embedding.weight

    def _initialize(self, blocks: int) -> None:
        for name, weight in self.named_parameters():
            if weight.ndim > 1:
                # What is added to the stream starts smaller the more often something is added.
                last = name.endswith(("out.weight", "units.2.weight"))
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * blocks) if last else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(weight)

    def read(self, ids: Tensor, state: Context | None) -> Reading:
        check_ids("SmallTransformer", ids, self.vocabulary)
        first = 0 if state is None else state.ids.shape[1]
        if first + ids.shape[1] > self.context:
            raise ArgumentError(
                "The text is longer than the transformer can see at once",
                expected=f"at most {self.context} tokens",
                got=first + ids.shape[1],
                do="Take shorter windows, or build it with a longer context.",
            )
        x = self.embedding(ids)
        if self.places is not None:
            x = x + self.places.weight[first : first + ids.shape[1]]
        turned = self.turns[first : first + ids.shape[1]] if self.places is None else None
        x, kept = self.dropout(x), []
        for at, block in enumerate(self.blocks):
            x, pair = block(x, turned, None if state is None else state.blocks[at])
            kept.append(pair)
        x = self.norm(x)
        return Reading(x, x, Context(ids if state is None else torch.cat([state.ids, ids], dim=1), tuple(kept)))

    def read_on(self, ids: Tensor, state: Context | None) -> Reading:
        check_ids("SmallTransformer", ids, self.vocabulary)
        outputs, half = [], max(1, self.context // 2)
        while True:
            if state is not None and state.ids.shape[1] >= self.context:
                state = self.read(state.ids[:, -half:], None).state
            room = self.context - (0 if state is None else state.ids.shape[1])
            reading = self.read(ids[:, :room], state)
            outputs.append(reading.outputs)
            state, ids = reading.state, ids[:, room:]
            if not ids.shape[1]:
                whole = torch.cat(outputs, dim=1) if len(outputs) > 1 else outputs[0]
                return Reading(whole, whole, state)

    def detached(self, state: Context) -> Context:
        return Context(state.ids, tuple((key.detach(), value.detach()) for key, value in state.blocks))

    def extra_repr(self) -> str:
        return f"vocabulary={self.vocabulary}, context={self.context}"


def small_transformer(
    vocabulary: int,
    *,
    width: int = 256,
    heads: int = 4,
    blocks: int = 4,
    context: int = 256,
    positions: str = "rotary",
    dropout: float = 0.1,
) -> SmallTransformer:
    """A causal transformer with normalization first and the word vectors as last layer.

    Shapes: ids [B, T] → logits [B, T, V].

    Args:
        vocabulary: V, with padding (0) and the unknown word (1).
        width: features of a step.
        heads: of the attention.
        blocks: one on top of the other.
        context: the most steps seen at once.
        positions: "rotary" or "learned".
        dropout: in training.

    Errors: `ArgumentError` for an argument out of range.

    Example:
        >>> model = small_transformer(65, width=32, heads=4, blocks=2, positions="learned").eval()
        >>> bool(torch.isfinite(model(torch.ones(1, 9, dtype=torch.long))).all())
        True
    """
    return SmallTransformer(
        vocabulary, width, heads=heads, blocks=blocks, context=context, positions=positions, dropout=dropout
    )


def _turns(context: int, features: int) -> Tensor:
    """Cosine and sine of the angle by which each pair of features is turned at each place: [P, 2, D/H/2]."""
    speeds = 10_000.0 ** (-torch.arange(0, features, 2, dtype=torch.float64) / features)
    angles = torch.arange(context, dtype=torch.float64)[:, None] * speeds
    return torch.stack([angles.cos(), angles.sin()], dim=1).float()


def _rotated(x: Tensor, turns: Tensor) -> Tensor:
    """Each pair of features of x [B, H, T, D/H], one of either half, turned in its plane: x·y depends on the distance alone."""
    cos, sin = turns.to(x.dtype).unbind(1)
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)
