"""What the compiled part of word2vec draws and looks up for each word: whether it is read, and from whom it is told apart."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from leadline.language.compiling import compiled

BREAK = -1  # between two sentences
ZERO, ONE = np.float32(0), np.float32(1)
_GOLDEN, _FIRST, _SECOND = (np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


class Sampling(NamedTuple):
    """What is drawn.

    `keep` [V] is the chance of each word to be read, 0 for what is no word; `table` gives negative samples; `starts` [V + 1],
    `nodes` and `branches` (0 or 1) are the paths through the tree of hierarchical softmax. The table or the paths are empty.
    """

    keep: NDArray[np.float32]
    table: NDArray[np.int32]
    starts: NDArray[np.int64]
    nodes: NDArray[np.int32]
    branches: NDArray[np.float32]


class Reading(NamedTuple):
    """How a text is read: `boundary` ends a sentence (−1 for none); `window` words on each side at most; `negatives` samples;
    `skip_gram` or the mean of the context; `seed` of the draws, another in each epoch."""

    boundary: int
    window: int
    negatives: int
    skip_gram: bool
    seed: int


@compiled
def mixed(number: np.uint64) -> np.uint64:
    """A number without any trace of its order: what a counter draws (splitmix64)."""
    number = np.uint64(number) * _GOLDEN + _GOLDEN
    number = (number ^ (number >> np.uint64(30))) * _FIRST
    number = (number ^ (number >> np.uint64(27))) * _SECOND
    return number ^ (number >> np.uint64(31))


@compiled
def sub_sampled(
    ids: NDArray[np.int32],
    place: int,
    keep: NDArray[np.float32],
    reading: Reading,
    kept: NDArray[np.int32],
    reach: NDArray[np.int32],
) -> int:
    """The words that are read, with −1 between sentences, and how far the window of each reaches.

    What is drawn depends on the place of a word in the whole text alone, so that it makes no difference where stretches begin.

    Args:
        ids: of a stretch of the text, [T].
        place: of its first word in the whole text.
        keep: the chance of each word to be read.
        reading: where sentences end, how wide a window is, and the seed.
        kept: written from its beginning on.
        reach: likewise.

    Returns:
        How many were written.
    """
    count = 0
    seed = mixed(np.uint64(reading.seed))
    for at in range(ids.size):
        word = ids[at]
        if word == reading.boundary:
            kept[count] = BREAK
            count += 1
            continue
        drawn = mixed(seed ^ np.uint64(place + at))
        if np.float32(drawn & np.uint64(0xFFFFFF)) * np.float32(2.0**-24) < keep[word]:
            kept[count] = word
            reach[count] = 1 + np.int32((drawn >> np.uint64(32)) % np.uint64(reading.window))
            count += 1
    return count


@compiled
def first_drawn(sampling: Sampling, reading: Reading, place: int) -> np.int64:
    """Where in the table the first negative samples of a stretch stand that begins at a place of the whole text."""
    if sampling.table.size == 0:
        return np.int64(0)
    return np.int64(mixed(np.uint64(reading.seed) ^ mixed(np.uint64(place))) % np.uint64(sampling.table.size))


@compiled
def negative_sample(sampling: Sampling, place: int) -> np.int64:
    """The word at a place of the table, which goes round."""
    size = sampling.table.size
    return np.int64(sampling.table[place if place < size else place - size])
