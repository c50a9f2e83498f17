"""Vectors of words that a language model begins with, learned in seconds from its own text."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from torch import nn

from leadline.data.dataset import Dataset
from leadline.data.tokens.token_loading import stream_of
from leadline.data.tokens.tokens import Tokens
from leadline.errors import PlanError
from leadline.language.words.first_layers import begin_with_text

_WORDS, _MOST = 10_000_000, 10  # that are read in all, where nothing else is said; epochs at most


def pretrain_words(
    model: nn.Module, dataset: Dataset, *, epochs: int = 0, learning_rate: float = 0.025, seed: int = 0
) -> dict[str, Any]:
    """Skip-gram on the training text, whose vectors, about their mean, take the place of the first table of a network.

    It is one thread's work (`language.begin_with_text`), so that the same seed gives the same vectors.

    Args:
        model: a language model; its table of words is changed in place, and its last layer with it where both are one.
        dataset: of a text by word.
        epochs: over the text; when 0, as many as read ten million words, from 1 to 10.
        learning_rate: at the first word.
        seed: of draws.

    Returns:
        A record: layer, units, epochs, first and last loss, and seconds.

    Errors: `PlanError` for what is no text by word.
    """
    tokens = dataset.schema.inputs
    if not isinstance(tokens, Tokens) or tokens.by_characters:
        raise PlanError(
            "Vectors are pre-trained of words, which a text by word has",
            got=tokens.describe(),
            do="Leave start.pretrain out.",
        )
    table = next(module for module in model.modules() if isinstance(module, nn.Embedding))
    text, began = np.asarray(stream_of(dataset.train)), time.perf_counter()
    epochs = epochs or int(np.clip(_WORDS // len(text), 1, _MOST))
    words = tokens.vocabulary.words
    first, last = begin_with_text(table, words, text, epochs=epochs, learning_rate=learning_rate, seed=seed)
    return {
        "layer": 1,
        "units": table.embedding_dim,
        "epochs": epochs,
        "first_loss": first,
        "last_loss": last,
        "seconds": round(time.perf_counter() - began, 2),
    }
