"""How word2vec learns: the kind of network, its sizes, and how its learning rate falls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leadline.errors import ArgumentError, unknown
from leadline.language.words.word2vec_sampling import keep_chances
from leadline.models.word_networks import WORD_METHODS, WORD_TARGETS

LAST_RATE = 1 / 250
"""The learning rate at the last word, of that at the first."""
_MOST = 10_000  # of width, window and negatives; samples in a row must not reach around the whole table that they come from


@dataclass(frozen=True)
class Word2vecSettings:
    """How words are learned.

    Args:
        method: "skip_gram" (each word around a word, by itself) or "cbow" (the mean of them).
        targets: "negative_sampling" or "hierarchical_softmax".
        width: D.
        window: words on each side, at most; how many is drawn for each word, from 1 on.
        negatives: words that each word is told apart from.
        subsample: words with a larger share of the text than this are passed over now and then; 0 reads all.

    Errors: `ArgumentError` for a value out of range.

    Example:
        >>> Word2vecSettings(method="cbow", window=8).usual_rate
        0.05
    """

    method: str = "skip_gram"
    targets: str = "negative_sampling"
    width: int = 100
    window: int = 5
    negatives: int = 5
    subsample: float = 1e-3

    def __post_init__(self) -> None:
        if self.method not in WORD_METHODS:
            unknown("method of word2vec", str(self.method), WORD_METHODS)
        if self.targets not in WORD_TARGETS:
            unknown("kind of targets of word2vec", str(self.targets), WORD_TARGETS)
        for name in ("width", "window", "negatives"):
            if not isinstance(value := getattr(self, name), int) or not 1 <= value <= _MOST:
                expected = f"a whole number from 1 to {_MOST:,}"
                raise ArgumentError(f"{name} of word2vec is out of range", expected=expected, got=repr(value))
        keep_chances(np.ones(1, np.int64), self.subsample)

    @property
    def usual_rate(self) -> float:
        """The learning rate at the first word."""
        return 0.05 if self.method == "cbow" else 0.025


def falling_rate(first: float, done: float) -> float:
    """The learning rate where a share of the whole training is done: on a straight line from the first to 1/250 of it.

    Args:
        first: at the very first word.
        done: the share, from 0 to 1, by the place in the text alone.

    Example:
        >>> falling_rate(0.025, 0.0), falling_rate(0.025, 0.5), round(falling_rate(0.025, 1.0), 6)
        (0.025, 0.01255, 0.0001)
    """
    return first * (1 - (1 - LAST_RATE) * done)
