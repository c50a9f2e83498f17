"""Recursive networks: from the words of a sentence up its tree to a class for every node.

B trees of N nodes together, L of them leaves, E features of a word vector, H hidden units, K labels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError, unknown
from leadline.layers import FastDropout
from leadline.layers.arguments import check_dropped, check_whole
from leadline.layers.level_arrays import TreeLevels
from leadline.layers.tree_layers import TREE_CELLS, ChildSumTreeLSTM
from leadline.text.vocabularies import UNKNOWN

_SPREAD = 0.1  # of new word vectors: small beside what is learned


class RecursiveNetwork(nn.Module):
    """Word vectors, a layer that goes up the trees level by level, and one linear layer for all nodes.

    Shapes: `TreeLevels` → logits [N, K], the nodes in its order.

    Args:
        words: a vector for each word; number 1 stands for any that is not known.
        tree: one of `layers.TREE_CELLS`, from vectors of leaves [L, E] to states [N, H].
        head: H → K.
        dropout: of the features of a word vector and of a state, in training.
        word_dropout: share of words that are taken for unknown in training, so that there is a vector for these.

    Errors: `ArgumentError` for inputs that are no trees, or a word that there is no vector for.

    Example:
        >>> import numpy as np
        >>> from leadline.layers.level_arrays import tree_levels
        >>> network = recursive(20, 5, embedding=4, hidden=8)
        >>> network(tree_levels(np.array([5, 6, 0]), np.array([2, 1, 0]))).shape
        torch.Size([3, 5])
    """

    def __init__(
        self, words: nn.Embedding, tree: nn.Module, head: nn.Linear, *, dropout: float = 0.0, word_dropout: float = 0.0
    ) -> None:
        super().__init__()
        check_dropped("RecursiveNetwork", dropout, name="dropout")
        check_dropped("RecursiveNetwork", word_dropout, name="word_dropout")
        self.words, self.tree, self.head, self.word_dropout = words, tree, head, word_dropout
        self.of_words, self.of_states = FastDropout(dropout / 2), FastDropout(dropout)

    def forward(self, levels: TreeLevels) -> Tensor:
        logits: Tensor = self.head(self.of_states(self.states(levels)))
        return logits

    def states(self, levels: TreeLevels) -> Tensor:
        """What the last layer gets of each node, [N, H], in the order of the levels."""
        if not isinstance(levels, TreeLevels):
            raise ArgumentError(
                "A recursive network reads trees", expected="TreeLevels, such as tree_levels makes", got=type(levels).__name__
            )
        numbers = levels.words
        if self.training and self.word_dropout:
            unknown_now = torch.rand(len(numbers), device=numbers.device) < self.word_dropout
            numbers = numbers.masked_fill(unknown_now, UNKNOWN)
        try:
            vectors = self.words(numbers)
        except IndexError as error:  # on a CPU alone; to look before would make a GPU wait
            raise ArgumentError(
                "The trees have words that the network has no vectors for",
                expected=f"numbers from 0 to {self.words.num_embeddings - 1}",
                got=f"numbers up to {int(numbers.max())}",
                do="Encode them with the vocabulary that the network was built for.",
            ) from error
        states: Tensor = self.tree(self.of_words(vectors), levels)
        return states

    def extra_repr(self) -> str:
        return f"word_dropout={self.word_dropout:g}"


def recursive(
    vocabulary: int,
    outputs: int,
    *,
    arity: int = 2,
    cell: str = "lstm",
    embedding: int = 300,
    hidden: int = 150,
    dropout: float = 0.0,
    word_dropout: float = 0.0,
) -> RecursiveNetwork:
    """A recursive network over trees.

    "lstm" has a matrix for each place of a child (with two children the binary Tree-LSTM), "child_sum" sums over children,
    "tensor" multiplies them with each other, "plain" has one matrix and no gates.

    Shapes: `TreeLevels` → logits [N, K], the nodes in its order.

    Args:
        vocabulary: how many words have numbers, padding (0) and the unknown word (1) among them.
        outputs: K.
        arity: children of a node at most; the data decide it.
        cell: one of `layers.TREE_CELLS`.
        embedding: E.
        hidden: H; with "tensor" the weights grow with its third power.
        dropout: of states before the last layer, and half as much of word vectors, in [0, 1).
        word_dropout: share of words that are taken for unknown in training.

    Errors: `ArgumentError` for an argument out of range.

    Example:
        >>> sum(p.numel() for p in recursive(1000, 5, embedding=300, hidden=150).parameters())
        661955

    Source: Tai, Socher and Manning (2015) for the Tree-LSTMs; Socher et al. (2013) for the recursive tensor network.
    """
    check_whole(
        "recursive",
        {"vocabulary": vocabulary, "outputs": outputs, "arity": arity, "embedding": embedding, "hidden": hidden},
    )
    if cell not in TREE_CELLS:
        unknown("cell of a recursive network", cell, TREE_CELLS)
    words = nn.Embedding(vocabulary, embedding, padding_idx=0)
    nn.init.uniform_(words.weight, -_SPREAD, _SPREAD)
    kind = TREE_CELLS[cell]
    tree = kind(embedding, hidden) if kind is ChildSumTreeLSTM else kind(embedding, hidden, arity=arity)
    return RecursiveNetwork(words, tree, nn.Linear(hidden, outputs), dropout=dropout, word_dropout=word_dropout)
