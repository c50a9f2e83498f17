"""How well a text is foretold, as the tools for n-gram models tell it: with and without the unknown word."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from leadline.text.vocabularies import UNKNOWN


class Perplexities(NamedTuple):
    """exp of the mean surprise over all tokens, and over those that are known; of the latter also shared among the words alone,
    without the marks of ends; and how many tokens, unknown ones and ends there are.

    Example:
        >>> found = perplexities(np.log([4.0, 9.0, 4.0]), np.array([3, 1, 2]), boundary=2)
        >>> Perplexities(*(round(each, 2) for each in found))
        Perplexities(all_tokens=5.24, known_tokens=4.0, words=16.0, tokens=3, unknown=1, ends=1)
    """

    all_tokens: float
    known_tokens: float
    words: float
    tokens: int
    unknown: int
    ends: int


def perplexities(surprises: NDArray[np.float64], ids: NDArray[Any], *, boundary: int | None = None) -> Perplexities:
    """Perplexity with and without the unknown word.

    Shapes: [N] and [N].

    Args:
        surprises: −log p of each token, in nats.
        ids: the tokens.
        boundary: the token that ends a sentence.

    Example:
        >>> round(perplexities(np.log([2.0, 8.0]), np.array([3, 4])).all_tokens, 6)
        4.0

    Source: KenLM's query program gives the first two ("including OOVs", "excluding OOVs"), SRILM's ngram -ppl the second
    (ppl) and the third with it (ppl1).
    """
    ids = np.asarray(ids)
    unknown = ids == UNKNOWN
    ends = ids == boundary if boundary is not None else np.zeros(len(ids), bool)
    known = surprises[~unknown]
    # ppl1 divides all of it, ends too, by the words alone.
    words = len(ids) - int(unknown.sum()) - int((ends & ~unknown).sum())
    return Perplexities(
        all_tokens=_exp_mean(surprises, len(ids)),
        known_tokens=_exp_mean(known, len(known)),
        words=_exp_mean(known, words),
        tokens=len(ids),
        unknown=int(unknown.sum()),
        ends=int(ends.sum()),
    )


def _exp_mean(surprises: NDArray[np.float64], count: int) -> float:
    if not count:
        return math.nan
    total = float(surprises.sum()) / count
    return math.exp(total) if total < 700 else math.inf  # a double holds no more
