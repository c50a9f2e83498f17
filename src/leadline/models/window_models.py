"""The feed-forward language model: the next token from a window of the few before it.

B rows, T steps, n − 1 tokens of a window, E features of a word, V words.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.initialize import xavier
from leadline.layers.activations import activation as activation_layer
from leadline.layers.activations import widening
from leadline.layers.arguments import check_dropped, check_whole
from leadline.models.language_networks import Reading, ReadsOn, check_ids


class WindowLanguage(ReadsOn):
    """A hidden layer over the vectors of the last n − 1 tokens, and a last layer over the vocabulary.

    x = [e(t), e(t−1), …, e(t−n+2)]; h = act(U x + d); logits = W h + b, with the vectors x beside h where they go there
    directly: W [h, x]. What stands before the beginning has the vector 0. Its state is the last n − 2 tokens.

    Shapes: ids [B, T] → logits [B, T, V].

    Args:
        vocabulary: V, with padding (0) and the unknown word (1).
        window: n − 1, the tokens that are looked at, at least 1.
        embedding: E.
        hidden: units of the hidden layer.
        direct: whether the vectors go into the last layer too.
        activation: as `layers.activation` reads it.
        dropout: share of the hidden units that are silent in training.

    Errors: `ArgumentError` for an argument out of range, or ids that are no words.

    Example:
        >>> model = WindowLanguage(50, 4, embedding=8, hidden=16)
        >>> model(torch.ones(2, 5, dtype=torch.long)).shape
        torch.Size([2, 5, 50])

    Source: Bengio et al. (2003), A neural probabilistic language model.
    """

    def __init__(
        self,
        vocabulary: int,
        window: int = 4,
        *,
        embedding: int = 64,
        hidden: int = 256,
        direct: bool = False,
        activation: str = "tanh",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_whole("WindowLanguage", {"vocabulary": vocabulary}, least=2)
        check_whole("WindowLanguage", {"window": window, "embedding": embedding, "hidden": hidden})
        check_dropped("WindowLanguage", dropout, name="dropout")
        self.vocabulary, self.window, self.direct = vocabulary, window, direct
        self.embedding = nn.Embedding(vocabulary, embedding, padding_idx=0)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        with torch.no_grad():
            self.embedding.weight[0] = 0.0
        self.hidden = nn.Linear(window * embedding, widening(activation) * hidden)
        self.activation, self.dropout = activation_layer(activation), nn.Dropout(dropout)
        self.head = nn.Linear(hidden + (window * embedding if direct else 0), vocabulary)
        xavier(self.hidden.weight.detach())
        nn.init.uniform_(self.head.weight, -0.1, 0.1)
        for layer in (self.hidden, self.head):
            nn.init.zeros_(layer.bias)

    def read(self, ids: Tensor, state: Any) -> Reading:
        check_ids("WindowLanguage", ids, self.vocabulary)
        before = self.window - 1
        if state is None:
            state = ids.new_zeros(len(ids), before)
        elif state.shape != (len(ids), before):
            raise ArgumentError(
                "WindowLanguage cannot read on from this state", expected=(len(ids), before), got=tuple(state.shape)
            )
        seen = torch.cat([state, ids], dim=1)
        vectors = self.embedding(seen)  # [B, n − 2 + T, E]: each token is looked up once, however many windows it is in
        steps = ids.shape[1]
        looked_at = torch.cat([vectors[:, before - back : before - back + steps] for back in range(self.window)], dim=2)
        h = self.activation(self.hidden(looked_at))
        outputs = self.dropout(h)
        if self.direct:
            outputs = torch.cat([outputs, looked_at], dim=2)
        return Reading(outputs, h, seen[:, seen.shape[1] - before :])

    def extra_repr(self) -> str:
        return f"vocabulary={self.vocabulary}, window={self.window}, direct={self.direct}"


def window_language(
    vocabulary: int,
    *,
    window: int = 4,
    embedding: int = 64,
    hidden: int = 256,
    direct: bool = False,
    activation: str = "tanh",
    dropout: float = 0.0,
) -> WindowLanguage:
    """A feed-forward language model over a window of tokens.

    Shapes: ids [B, T] → logits [B, T, V].

    Args:
        vocabulary: V, with padding (0) and the unknown word (1).
        window: how many tokens are looked at.
        embedding: features of a word vector.
        hidden: units of the hidden layer.
        direct: whether the word vectors go into the last layer too.
        activation: as `layers.activation` reads it.
        dropout: share of the hidden units that are silent in training.

    Errors: `ArgumentError` for an argument out of range.

    Example:
        >>> sum(each.numel() for each in window_language(100, window=2, embedding=3, hidden=5).parameters())
        935

    Source: Bengio et al. (2003), A neural probabilistic language model.
    """
    return WindowLanguage(
        vocabulary,
        window,
        embedding=embedding,
        hidden=hidden,
        direct=direct,
        activation=activation,
        dropout=dropout,
    )
