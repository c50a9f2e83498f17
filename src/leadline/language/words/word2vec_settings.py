"""How word2vec learns: the kind of network, its sizes, and how its learning rate falls."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from leadline.models.word_networks import check_word_settings

LAST_RATE = 1 / 250
"""The learning rate at the last word, of that at the first."""


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
        check_word_settings(**asdict(self))

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
