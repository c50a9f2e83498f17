"""Counted tokens as a language model: how often each came after the few before it, backed off to shorter pasts.

N tokens, V words, n the order.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from leadline.errors import ArgumentError
from leadline.text.vocabularies import PADDING

_STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10_000.0)
_MOST = 5_000_000  # tokens that are counted: sorting more takes longer than a baseline may


class _Level(NamedTuple):
    """The n-grams of one length: their codes in order, how often each came, and how often each of their pasts did."""

    codes: NDArray[np.int64]
    counts: NDArray[np.int64]
    pasts: NDArray[np.int64]

    def found(self, pasts: NDArray[np.int64], codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """The number of each n-gram, −1 for those that never came."""
        if not len(self.codes):
            return np.full(len(codes), -1)
        at = np.minimum(np.searchsorted(self.codes, codes), len(self.codes) - 1)
        return np.where((pasts >= 0) & (self.codes[at] == codes), at, -1)


class CountedTokens:
    """A model of order n: the next token by how often it came after the n − 1 before it.

    p₁(w) = (c(w) + 1) / (N + V − 1) for all tokens but padding; pₖ(w | past) = (c(past, w) + μₖ pₖ₋₁(w)) / (c(past) + μₖ),
    where past are the last k − 1 tokens and pₖ = pₖ₋₁ where these never came. μₖ is 10 until `choose_strengths` has found a
    better one. It is a `language.Foretelling`, so it can be mixed with a network.

    Shapes: ids [N].

    Args:
        ids: tokens to count, 1 … V − 1.
        vocabulary: V.
        order: n, at least 1.
        start: the token that a text is taken to come after; None for none.

    Errors: `ArgumentError` for an order below 1 or ids beyond the vocabulary.

    Example:
        >>> bigram = CountedTokens(np.array([2, 3, 2, 3, 2, 4]), 5, order=2)
        >>> [round(float(p), 3) for p in np.exp(bigram.log_probabilities(np.array([2])))]
        [0.0, 0.077, 0.308, 0.385, 0.231]

    Source: MacKay and Peto (1995), A hierarchical Dirichlet language model.
    """

    def __init__(self, ids: NDArray[Any], vocabulary: int, *, order: int = 2, start: int | None = None) -> None:
        if order < 1:
            raise ArgumentError("The order of a counted model is out of range", expected="at least 1", got=order)
        self.vocabulary, self.order, self.start = vocabulary, order, start
        self._check(ids)
        stream = self._stream(ids[-_MOST:])
        counts = np.bincount(stream, minlength=vocabulary) + 1.0
        counts[PADDING] = 0.0
        self.frequencies = counts / counts.sum()
        self.levels: list[_Level] = []
        self.strengths = [10.0] * (order - 1)
        grams, different = stream, vocabulary
        for length in range(2, order + 1):
            pasts, words = grams[:-1], stream[length - 1 :]
            codes, grams, counted = np.unique(pasts * vocabulary + words, return_inverse=True, return_counts=True)
            self.levels.append(_Level(codes, counted, np.bincount(pasts, minlength=different)))
            different = len(codes)

    def surprises(self, ids: NDArray[Any]) -> NDArray[np.float64]:
        """−log p of each token [N] of a text, given those before it, in nats: [N]."""
        self._check(ids)
        p: NDArray[np.float64] = self.frequencies[np.asarray(ids)]
        for strength, (count, past) in zip(self.strengths, self._counts(ids), strict=True):
            p = (count + strength * p) / (past + strength)
        return np.asarray(-np.log(np.maximum(p, 1e-300)), np.float64)

    def log_probabilities(self, context: NDArray[Any]) -> NDArray[np.float64]:
        """log p of each token of the vocabulary after some others: [V]; padding has −∞."""
        self._check(context)
        read = self._stream(context)
        p = self.frequencies.copy()
        for length, (level, strength) in enumerate(zip(self.levels, self.strengths, strict=True), start=2):
            past = self._number(read[-(length - 1) :]) if len(read) >= length - 1 else -1
            if past < 0:
                break
            low, high = np.searchsorted(level.codes, [past * self.vocabulary, (past + 1) * self.vocabulary])
            counts = np.zeros(self.vocabulary)
            counts[level.codes[low:high] - past * self.vocabulary] = level.counts[low:high]
            p = (counts + strength * p) / (level.pasts[past] + strength)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(p), np.float64)

    def choose_strengths(self, ids: NDArray[Any]) -> CountedTokens:
        """Take for each length, the shortest first, the μ that explains other text best; the model comes back.

        Args:
            ids: of text that was not counted.
        """
        self._check(ids)
        p = self.frequencies[np.asarray(ids)]
        for place, (count, past) in enumerate(self._counts(ids)):
            tried = [(count + strength * p) / (past + strength) for strength in _STRENGTHS]
            best = int(np.argmin([-np.log(np.maximum(each, 1e-300)).sum() for each in tried]))
            self.strengths[place], p = _STRENGTHS[best], tried[best]
        return self

    def _counts(self, ids: NDArray[Any]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """For each length how often each token came after its past, and how often its past came: [N] and [N]."""
        stream = self._stream(ids)
        grams, found = stream, []
        for level in self.levels:
            pasts = np.concatenate([[-1], grams[:-1]])[: len(stream)]
            grams = level.found(pasts, pasts * self.vocabulary + stream)
            count = np.where(grams >= 0, level.counts[grams], 0) if len(level.counts) else np.zeros(len(stream), np.int64)
            past = np.where(pasts >= 0, level.pasts[pasts], 0) if len(level.pasts) else np.zeros(len(stream), np.int64)
            found.append((count[len(stream) - len(ids) :], past[len(stream) - len(ids) :]))
        return found

    def _number(self, gram: NDArray[np.int64]) -> int:
        """The number of some tokens in a row, −1 where they never came so."""
        number = int(gram[0])
        for level, word in zip(self.levels, gram[1:].tolist(), strict=False):
            if number < 0:
                break
            number = int(level.found(np.array([number]), np.array([number * self.vocabulary + word]))[0])
        return number

    def _stream(self, ids: NDArray[Any]) -> NDArray[np.int64]:
        first = [] if self.start is None else [self.start]
        return np.concatenate([np.array(first, np.int64), np.asarray(ids).astype(np.int64)])

    def _check(self, ids: NDArray[Any]) -> None:
        if len(ids) and not (int(np.min(ids)) >= 0 and int(np.max(ids)) < self.vocabulary):
            raise ArgumentError(
                "These are numbers of another vocabulary",
                expected=f"0 to {self.vocabulary - 1}",
                got=f"{np.min(ids)} to {np.max(ids)}",
            )
