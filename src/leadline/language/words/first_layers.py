"""Word vectors as the first layer of a network: whichever network it is, its table of words begins with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from leadline.errors import ArgumentError
from leadline.language.words.word2vec_settings import Word2vecSettings
from leadline.language.words.word2vec_training import Word2vec
from leadline.text.word_vectors import WordVectors

_SAMPLE = 20_000  # words on which a loss is told


def begin_with_vectors(table: nn.Embedding, words: Sequence[str], vectors: WordVectors) -> int:
    """Put word vectors in the place of a table's first weights, for all words that have one.

    They are scaled as a whole to the size of the rows that they replace: the rest of the network was made for numbers of that
    size, and vectors come in any. Directions and the proportions of lengths stay. Rows of other words stay as they are.

    Shapes: table [V, D]; V words or fewer; vectors of D numbers.

    Args:
        table: changed in place.
        words: row by row; "" is none.
        vectors: to begin with. A word that they know only with other capitals is found as well.

    Returns:
        How many words have one.

    Errors: `ArgumentError` for vectors of another width, or more words than rows.

    Example:
        >>> vectors = WordVectors(["good", "Bad"], torch.tensor([[3.0, 4.0], [-4.0, 3.0]]).numpy())
        >>> table = nn.Embedding(4, 2)
        >>> begin_with_vectors(table, ["", "<unk>", "good", "bad"], vectors)
        2
        >>> torch.nn.functional.cosine_similarity(table.weight[2], torch.tensor([3.0, 4.0]), dim=0).item()
        1.0...
    """
    if table.embedding_dim != vectors.width or table.num_embeddings < len(words):
        raise ArgumentError(
            "The word vectors do not fit the first layer",
            expected=f"vectors of {table.embedding_dim} numbers, and at most {table.num_embeddings:,} words",
            got=f"vectors of {vectors.width} numbers, and {len(words):,} words",
        )
    found = rows_with_vectors(words, vectors)
    if found:
        rows = torch.tensor(list(found), device=table.weight.device)
        new = torch.from_numpy(vectors.vectors[list(found.values())]).to(table.weight)
        with torch.no_grad():
            size = table.weight[rows].square().mean().sqrt() / new.square().mean().sqrt().clamp(min=1e-12)
            table.weight[rows] = new * size
    return len(found)


def begin_with_text(
    table: nn.Embedding,
    words: Sequence[str],
    text: NDArray[Any],
    *,
    epochs: int,
    learning_rate: float = 0.0,
    threads: int = 1,
    seed: int = 0,
) -> tuple[float, float]:
    """Put vectors that skip-gram learns from a text, about their mean, in the place of a table's first weights.

    Shapes: table [V, D]; V words or fewer; a text of N numbers below V.

    Args:
        table: changed in place, as by `begin_with_vectors`.
        words: row by row; "" is none.
        text: numbers of words.
        epochs: over the text.
        learning_rate: at the first word; the usual one when 0.
        threads: at a time; with one the same seed gives the same vectors.
        seed: of draws.

    Returns:
        The loss on the first 20,000 words, before and after.

    Errors: as `Word2vec` and `begin_with_vectors`.

    Example:
        >>> text = np.random.default_rng(0).integers(2, 6, 400)
        >>> before, after = begin_with_text(nn.Embedding(6, 8), ["", "<unk>", "a", "b", "c", "d"], text, epochs=3)
        >>> after < before
        True
    """
    counts = np.bincount(text, minlength=len(words))
    learner = Word2vec(counts, Word2vecSettings(width=table.embedding_dim), seed=seed)
    before = learner.loss(text[:_SAMPLE])
    for epoch in range(epochs):
        learner.train(text, epoch, epochs=epochs, learning_rate=learning_rate, threads=threads)
    known = np.flatnonzero(counts)
    # What all vectors have in common says nothing of a word, and would be in every logit where the last layer is this table.
    vectors = learner.vectors[known] - learner.vectors[known].mean(axis=0)
    begin_with_vectors(table, words, WordVectors([words[number] for number in known.tolist()], vectors))
    return before, learner.loss(text[:_SAMPLE])


def rows_with_vectors(words: Sequence[str], vectors: WordVectors) -> dict[int, int]:
    """The row of each word that has a vector, and the row of that.

    Args:
        words: row by row; what is only white space is none.
        vectors: looked through by the word as it is, then in small letters, then whatever its capitals.

    Example:
        >>> rows_with_vectors(["", "Rome", "oslo"], WordVectors(["rome", "Oslo", "OSLO"], torch.eye(3).numpy()))
        {1: 0, 2: 1}
    """
    small: dict[str, int] = {}
    for number, word in enumerate(vectors.words):
        small.setdefault(word.lower(), number)
    found = {}
    for row, word in enumerate(words):
        found_at = vectors.numbers.get(word, vectors.numbers.get(word.lower(), small.get(word.lower())))
        if found_at is not None and word.strip():
            found[row] = found_at
    return found
