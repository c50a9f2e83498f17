"""What word2vec draws: which words are read, and which words a centre word is told apart from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from leadline.errors import ArgumentError

_POWER = 0.75
_SHARE, _LEAST, _MOST = 64, 1 << 20, 1 << 27  # entries of the table for each word; of all words together


def keep_chances(counts: NDArray[np.integer], subsample: float) -> NDArray[np.float32]:
    """The chance of each word to be read where it stands: min(1, √(t / f) + t / f), f its share of the text and t `subsample`.

    So the most frequent words, which say little about their neighbours, are mostly passed over.

    Shapes: [V] → [V]; 0 for a word that was never seen.

    Args:
        counts: how often each word was seen.
        subsample: t; 0 reads every word.

    Errors: `ArgumentError` for a share below 0.

    Example:
        >>> keep_chances(np.array([0, 900, 100]), 0.01).round(2)
        array([0.  , 0.12, 0.42], dtype=float32)

    Source: Mikolov et al. (2013), Distributed representations of words and phrases and their compositionality, with the
    formula of the authors' program.
    """
    if not 0 <= subsample < np.inf:
        raise ArgumentError("subsample is out of range", expected="a share of the text, or 0 to read all", got=subsample)
    table = np.asarray(counts, np.float64)
    if not subsample:
        return (table > 0).astype(np.float32)
    ratio = subsample * max(table.sum(), 1.0) / np.maximum(table, 1.0)
    return np.where(table > 0, np.minimum(1.0, np.sqrt(ratio) + ratio), 0.0).astype(np.float32)


def unigram_table(counts: NDArray[np.integer], *, seed: int = 0, size: int = 0) -> NDArray[np.int32]:
    """Words in random order, each as often as count^0.75 demands: read from anywhere on, it draws without a random number.

    Shapes: counts [V] → [size]. Each word that was seen is there within one entry of its share, and at least once.

    Args:
        counts: how often each word was seen.
        seed: of the order.
        size: of the table; 64 entries a word, and from a million to 134 million in all, when 0.

    Errors: `ArgumentError` where no word was seen.

    Example:
        >>> np.bincount(unigram_table(np.array([0, 16, 1]), size=90)).tolist()
        [0, 80, 10]

    Source: Mikolov et al. (2013); drawn without replacement, as a pack of cards is dealt.
    """
    weights = np.asarray(counts, np.float64) ** _POWER
    if not weights.sum() > 0:
        raise ArgumentError("There is no word to draw", expected="counts of words that were seen")
    seen = int((weights > 0).sum())
    size = max(size or int(np.clip(_SHARE * seen, _LEAST, _MOST)), seen)
    # Rounding the running sum keeps every word within one entry of its share, and the whole exact.
    ends = np.rint(np.cumsum(weights) / weights.sum() * size).astype(np.int64)
    entries = np.diff(ends, prepend=0)
    entries = np.where(weights > 0, np.maximum(entries, 1), 0)
    table = np.repeat(np.arange(len(entries), dtype=np.int32), entries)
    np.random.default_rng(seed).shuffle(table)
    return table
