"""Recurrent language models: the next token from all before it, through a state that is carried on.

B rows, T steps, E features of a word, V words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.errors import ArgumentError
from leadline.layers import LockedDropout
from leadline.layers.arguments import check_dropped, check_whole, refuse
from leadline.models.recurrent_cells import RecurrentStack


class Reading(NamedTuple):
    """What a language model has after reading some tokens.

    `outputs` [B, T, E] go into its last layer; `raw` are the same before dropout; `state` is what reading on begins with.

    Example:
        >>> reading = recurrent_language(50, embedding=8, hidden=8).read(torch.ones(2, 5, dtype=torch.long), None)
        >>> reading.outputs.shape
        torch.Size([2, 5, 8])
    """

    outputs: Tensor
    raw: Tensor
    state: Any


class LanguageModel(Protocol):
    """What stepping, evaluation and writing ask of a language model, an `nn.Module`.

    `vocabulary` is V, `carries` whether training reads on from the state of the window before, `head` the last layer.
    """

    vocabulary: int
    carries: bool
    head: nn.Linear

    def read(self, ids: Tensor, state: Any) -> Reading:
        """Read ids [B, T] on from a state; None is the beginning."""

    def read_on(self, ids: Tensor, state: Any) -> Reading:
        """The same for any number of steps, where `read` has a limit."""

    def advance(self, ids: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Logits [B, T, V] for the token after each of these, and the state to go on from."""

    def detached(self, state: Any) -> Any:
        """The state without its history."""


class ReadsOn(nn.Module):
    """The part that all language models here share: logits from what was read.

    A network defines `read` and sets `vocabulary`, `carries` and `head`. Called with ids it gives logits from a fresh start.

    Example:
        >>> model = recurrent_language(50, embedding=8, hidden=8).eval()
        >>> ids = torch.arange(1, 11).reshape(2, 5)
        >>> first, state = model.advance(ids[:, :3], None)
        >>> second, state = model.advance(ids[:, 3:], state)
        >>> torch.allclose(torch.cat([first, second], dim=1), model(ids), atol=1e-6)
        True
    """

    vocabulary: int
    carries: bool = True
    head: nn.Linear

    def read(self, ids: Tensor, state: Any) -> Reading:
        raise NotImplementedError

    def detached(self, state: Any) -> Any:
        return state

    def read_on(self, ids: Tensor, state: Any) -> Reading:
        return self.read(ids, state)

    def advance(self, ids: Tensor, state: Any) -> tuple[Tensor, Any]:
        reading = self.read_on(ids, state)
        return self.head(reading.outputs), reading.state

    def forward(self, ids: Tensor) -> Tensor:
        return self.advance(ids, None)[0]


@dataclass(frozen=True)
class LanguageDropout:
    """Where a recurrent language model is thinned in training, each a share in [0, 1).

    Args:
        words: words whose whole vector is 0, wherever they stand in the batch.
        inputs: features of the word vectors, the same at every step of a row.
        between: outputs between two layers, the same at every step of a row.
        outputs: outputs of the last layer, the same at every step of a row.
        recurrent: weights from one step to the next, the same for the whole batch.

    Errors: `ArgumentError` for a share out of range.

    Example:
        >>> LanguageDropout(words=0.1, inputs=0.4, between=0.25, outputs=0.4, recurrent=0.5).between
        0.25

    Source: Merity, Keskar and Socher (2018), Regularizing and optimizing LSTM language models: these values are theirs.
    """

    words: float = 0.0
    inputs: float = 0.0
    between: float = 0.0
    outputs: float = 0.0
    recurrent: float = 0.0

    def __post_init__(self) -> None:
        for name in ("words", "inputs", "between", "outputs", "recurrent"):
            check_dropped("LanguageDropout", getattr(self, name), name=name)


class RecurrentLanguage(ReadsOn):
    """Word vectors, recurrent layers and a last layer that may be the word vectors again.

    e = E[id]; h, state = stack(e, state); logits = W h + b, W = E where tied.

    Shapes: ids [B, T] → logits [B, T, V], from a fresh state; `advance(ids, state)` goes on from one.

    Args:
        vocabulary: V, with padding (0) and the unknown word (1).
        embedding: E.
        cell: "lstm", "gru", "rnn" or "peephole".
        sizes: units of each layer; with tied weights the last must be E.
        tied: whether the last layer's weights are the word vectors.
        dropout: where units, words and weights are silent in training.

    Errors: `ArgumentError` for sizes that cannot be tied, an argument out of range, or ids that are no words.

    Example:
        >>> model = RecurrentLanguage(50, 8, sizes=(16, 8), dropout=LanguageDropout(words=0.1, recurrent=0.5))
        >>> model(torch.ones(2, 5, dtype=torch.long)).shape
        torch.Size([2, 5, 50])

    Source: Mikolov et al. (2010), Recurrent neural network based language model; Press and Wolf (2017), Using the output
    embedding to improve language models; Gal and Ghahramani (2016), A theoretically grounded application of dropout in
    recurrent neural networks; Merity, Keskar and Socher (2018), Regularizing and optimizing LSTM language models.
    """

    def __init__(
        self,
        vocabulary: int,
        embedding: int,
        *,
        cell: str = "lstm",
        sizes: tuple[int, ...] = (256,),
        tied: bool = True,
        dropout: LanguageDropout | None = None,
    ) -> None:
        super().__init__()
        check_whole("RecurrentLanguage", {"vocabulary": vocabulary}, least=2)
        check_whole("RecurrentLanguage", {"embedding": embedding})
        if tied and sizes and sizes[-1] != embedding:
            raise ArgumentError(
                "The word vectors cannot be the weights of the last layer",
                expected=f"{embedding} units in the last recurrent layer, as many as a word vector has features",
                got=sizes[-1],
                do="Give both the same size, or take tied=False.",
            )
        dropout = dropout or LanguageDropout()
        self.vocabulary, self.word_dropout = vocabulary, dropout.words
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.inputs, self.outputs = LockedDropout(dropout.inputs), LockedDropout(dropout.outputs)
        self.stack = RecurrentStack(cell, embedding, sizes=sizes, dropout=dropout.between, weight_drop=dropout.recurrent)
        self.head = nn.Linear(sizes[-1], vocabulary)
        # Word vectors of size 0.1 leave the first logits near 0 where they are the last layer too.
        for weight in (self.embedding.weight, self.head.weight):
            nn.init.uniform_(weight, -0.1, 0.1)
        nn.init.zeros_(self.head.bias)
        if tied:
            self.head.weight = self.embedding.weight

    def read(self, ids: Tensor, state: Any) -> Reading:
        check_ids("RecurrentLanguage", ids, self.vocabulary)
        vectors = self.inputs(self._vectors(ids))
        raw, state = self.stack(vectors, state)
        return Reading(self.outputs(raw), raw, state)

    def detached(self, state: Any) -> Any:
        return self.stack.detached(state)

    def _vectors(self, ids: Tensor) -> Tensor:
        """The vectors of the words, in training some words without theirs."""
        vectors = F.embedding(ids, self.embedding.weight)
        if not self.training or self.word_dropout == 0:
            return vectors
        # One mask over the vocabulary: multiplying what was looked up costs B·T·E and not V·E.
        kept = vectors.new_empty(self.vocabulary).bernoulli_(1 - self.word_dropout).div_(1 - self.word_dropout)
        return vectors * kept[ids].unsqueeze(-1)

    def extra_repr(self) -> str:
        return f"vocabulary={self.vocabulary}, tied={self.head.weight is self.embedding.weight}"


def recurrent_language(
    vocabulary: int,
    *,
    cell: str = "lstm",
    embedding: int = 256,
    hidden: int = 256,
    layers: int = 1,
    tied: bool = True,
    dropout: float = 0.0,
    between_dropout: float | None = None,
    word_dropout: float = 0.0,
    weight_drop: float = 0.0,
) -> RecurrentLanguage:
    """A recurrent language model: the last of its layers has as many units as a word vector has features, where both are tied.

    Shapes: ids [B, T] → logits [B, T, V].

    Args:
        vocabulary: V, with padding (0) and the unknown word (1).
        cell: "lstm", "gru", "rnn" or "peephole".
        embedding: features of a word vector.
        hidden: units of each layer, but the last one where it is tied.
        layers: one on top of the other.
        tied: whether the last layer's weights are the word vectors.
        dropout: share of features of word vectors, and of outputs of the last layer, that is 0 in a row.
        between_dropout: the same between layers; None for 0.6 of `dropout`.
        word_dropout: share of words that have no vector in a batch.
        weight_drop: share of the weights from one step to the next that is 0 in a batch.

    Errors: `ArgumentError` for an argument out of range.

    Example:
        >>> recurrent_language(100, embedding=8, hidden=32, layers=3).stack.sizes
        (32, 32, 8)

    Source: Merity, Keskar and Socher (2018), Regularizing and optimizing LSTM language models: embedding=400, hidden=1150,
    layers=3, dropout=0.4, between_dropout=0.25, word_dropout=0.1, weight_drop=0.5.
    """
    check_whole("recurrent_language", {"hidden": hidden, "layers": layers})
    between = 0.6 * dropout if between_dropout is None else between_dropout
    return RecurrentLanguage(
        vocabulary,
        embedding,
        cell=cell,
        sizes=(hidden,) * (layers - 1) + ((embedding,) if tied else (hidden,)),
        tied=tied,
        dropout=LanguageDropout(word_dropout, dropout, between, dropout, weight_drop),
    )


def check_ids(layer: str, ids: Tensor, vocabulary: int) -> None:
    """Ids are whole numbers [B, T] of this vocabulary; their range is not asked of a GPU, which would have to be waited for."""
    if ids.ndim != 2 or ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
        refuse(layer, ids, "word numbers [B, T]")
    if ids.is_cpu and ids.numel():
        low, high = torch.aminmax(ids)
        if int(low) < 0 or int(high) >= vocabulary:
            raise ArgumentError(
                f"{layer} does not know a token",
                expected=f"ids from 0 to {vocabulary - 1}",
                got=int(low) if int(low) < 0 else int(high),
                do="Encode the text with the vocabulary that the network was trained with.",
            )
