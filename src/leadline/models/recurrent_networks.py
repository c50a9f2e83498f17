"""Recurrent networks for rows of any length: texts or series to classes or numbers, for the row or for each of its steps.

B batch, T time, C channels of a series, H hidden units of a layer, K outputs.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError, unknown
from leadline.layers import FastDropout, LockedDropout
from leadline.layers.arguments import check_dropped, check_whole, refuse
from leadline.layers.lengths import (
    AttentionPooling,
    last_step,
    masked_max,
    masked_mean,
    series_lengths,
    token_lengths,
    without_padding,
)
from leadline.models.recurrent_cells import RecurrentStack

POOLINGS = ("last", "mean", "max", "attention")
_SPREAD = 0.1  # of new word vectors: small beside what is learned


def recurrent(
    shape: Sequence[int],
    outputs: int,
    *,
    vocabulary: int = 0,
    cell: str = "lstm",
    hidden: int = 128,
    layers: int = 1,
    bidirectional: bool = False,
    embedding: int = 100,
    pooling: str = "last",
    dropout: float = 0.2,
    every_step: bool = False,
) -> nn.Module:
    """Recurrent layers over a text or a series, and a linear head over what they made of the row, or of each step.

    h_1 … h_T = stack(x_1 … x_T), where a text's x_t are vectors of its words; y = V pool(h_1 … h_T) + b, or for every step
    y_t = V h_t + b. How much padding stands behind a row, and what other rows are beside it, makes no difference.

    Shapes: texts, ids [B, T] with 0 as padding, or series [B, T, C] with NaN as padding, → [B, K]; with `every_step` →
    [B, T, K], 0 in the padding. A row without a single step gives what the head says of zeros.

    Args:
        shape: (T,) for texts, (T, C) for series; T is of no account.
        outputs: K.
        vocabulary: how many ids there are, padding among them; 0 for series.
        cell: "rnn", "lstm", "gru" or "peephole".
        hidden: H.
        layers: one on top of the other.
        bidirectional: read in both directions; each row's second reading begins at its own end.
        embedding: length of a word's vector.
        pooling: of the steps of a row: "last" (in both directions: where each reading ended), "mean", "max" or "attention".
        dropout: of words' vectors and between layers, the same units at every step, and before the head; in [0, 1).
        every_step: an answer for each step; `pooling` then does not count.

    Errors: `ArgumentError` for an argument out of range, inputs of another kind, or ids beyond the vocabulary.

    Example:
        >>> network = recurrent((20,), 2, vocabulary=1000, cell="gru", hidden=8, bidirectional=True).eval()
        >>> short, long = torch.tensor([[5, 7, 9]]), torch.tensor([[5, 7, 9, 0, 0, 0]])
        >>> network(short).shape, torch.allclose(network(short), network(long))
        (torch.Size([1, 2]), True)
        >>> recurrent((50, 3), 4, every_step=True, hidden=8)(torch.zeros(2, 30, 3)).shape
        torch.Size([2, 30, 4])

    Source: Graves (2012), Supervised sequence labelling with recurrent neural networks; Schuster and Paliwal (1997),
    Bidirectional recurrent neural networks; dropout: Gal and Ghahramani (2016).
    """
    given = list(shape)
    if len(given) != (1 if vocabulary else 2):
        raise ArgumentError(
            "The recurrent network cannot be built",
            expected="shape (T,) and a vocabulary for texts, shape (T, C) and none for series",
            got=f"shape {tuple(given)} and vocabulary = {vocabulary}",
        )
    numbers = {"outputs": outputs, "hidden": hidden, "layers": layers, "embedding": embedding}
    check_whole("The recurrent network", numbers)
    check_whole("The recurrent network", {"vocabulary": vocabulary}, least=0)
    check_dropped("The recurrent network", dropout, name="dropout")
    if pooling not in POOLINGS:
        unknown("pooling of steps", pooling, POOLINGS)
    words = WordVectors(vocabulary, embedding, dropout=dropout) if vocabulary else None
    features = embedding if vocabulary else given[1]
    stack = RecurrentStack(
        cell, features, hidden=hidden, layers=layers, bidirectional=bidirectional, dropout=dropout if layers > 1 else 0.0
    )
    pool = None if every_step else StepPooling(pooling, stack.outputs, bidirectional=bidirectional)
    return RecurrentNetwork(words, stack, pool=pool, head=nn.Linear(stack.outputs, outputs), dropout=dropout)


class RecurrentNetwork(nn.Module):
    """Words' vectors, recurrent layers, pooling and a head. `recurrent` builds one.

    Shapes: ids [B, T] or series [B, T, C] → [B, K]; without pooling → [B, T, K].

    Args:
        words: ids [B, T] → [B, T, E]; None for series.
        stack: reads the rows.
        pool: ([B, T, H], lengths) → [B, H]; None for an answer at every step.
        head: the last layer.
        dropout: of what the head sees.
    """

    def __init__(
        self, words: nn.Module | None, stack: RecurrentStack, *, pool: nn.Module | None, head: nn.Linear, dropout: float
    ) -> None:
        super().__init__()
        self.words, self.recurrent, self.pool, self.head = words, stack, pool, head
        self.dropout: nn.Module = FastDropout(dropout) if pool is not None else LockedDropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        hidden, lengths = self._read(x)
        if self.pool is not None:
            answers: Tensor = self.head(self.dropout(self.pool(hidden, lengths)))
            return answers
        return without_padding(self.head(self.dropout(hidden)), lengths)

    def features(self, x: Tensor) -> Tensor:
        """What the head sees: [B, H], or [B, T, H] with an answer at every step."""
        hidden, lengths = self._read(x)
        return hidden if self.pool is None else self.pool(hidden, lengths)

    def _read(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What the layers make of each step, and the lengths of the rows."""
        if x.ndim >= 2 and not x.shape[1]:
            refuse("The recurrent network", x, "at least one step, if only of padding")
        lengths = series_lengths(x) if self.words is None else token_lengths(x)
        return self.recurrent.read(x if self.words is None else self.words(x), lengths), lengths


class WordVectors(nn.Module):
    """A vector for each word, with dropout that is the same at every step; padding (0) has zeros.

    Shapes: whole numbers [B, T] → [B, T, E].

    Args:
        vocabulary: how many ids there are.
        embedding: E.
        dropout: share of the features that are silent in training, in [0, 1).

    Errors: `ArgumentError` for ids that are not whole numbers below `vocabulary`.
    """

    def __init__(self, vocabulary: int, embedding: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary, embedding, padding_idx=0)
        nn.init.uniform_(self.table.weight, -_SPREAD, _SPREAD)
        nn.init.zeros_(self.table.weight[0])
        self.dropout = LockedDropout(dropout)

    def forward(self, ids: Tensor) -> Tensor:
        try:
            vectors: Tensor = self.table(ids)
        except IndexError as error:  # on a CPU alone; to look before would make a GPU wait
            raise ArgumentError(
                "The text has words that the network has no vectors for",
                expected=f"ids from 0 to {self.table.num_embeddings - 1}",
                got=f"ids from {int(ids.min())} to {int(ids.max())}",
                do="Encode it with the vocabulary that the network was built for.",
            ) from error
        return self.dropout(vectors)  # type: ignore[no-any-return]


class StepPooling(nn.Module):
    """What the steps of a row come to: the last of them, their mean, their largest values, or a learned mean.

    "last" takes of the features that were read backwards what stands at the first step, where that reading ended.

    Shapes: [B, T, H] and lengths [B] → [B, H]; a row without steps gives 0.

    Args:
        kind: "last", "mean", "max" or "attention".
        features: H.
        bidirectional: whether the second half of the features was read backwards.
    """

    def __init__(self, kind: str, features: int, *, bidirectional: bool = False) -> None:
        super().__init__()
        if kind not in POOLINGS:
            unknown("pooling of steps", kind, POOLINGS)
        self.kind, self.bidirectional = kind, bidirectional
        self.attention = AttentionPooling(features) if kind == "attention" else None

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        if self.attention is not None:
            return self.attention(x, lengths)  # type: ignore[no-any-return]
        if self.kind == "mean":
            return masked_mean(x, lengths)
        if self.kind == "max":
            return masked_max(x, lengths)
        if not self.bidirectional:
            return last_step(x, lengths)
        ahead, back = x.chunk(2, dim=2)
        return torch.cat([last_step(ahead, lengths), last_step(back, lengths.clamp(max=1))], dim=1)

    def extra_repr(self) -> str:
        return repr(self.kind)
