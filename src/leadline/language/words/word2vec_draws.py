"""What the compiled part of word2vec draws and looks up for each word: whether it is read, its context, and its targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from leadline.language.words.vector_lanes import WIDTH

SIX = 6  # targets of a block: as many as fit in the sixteen registers of AVX beside a row and what it gains
BREAK = -1  # between two sentences
ZERO, ONE = np.float32(0), np.float32(1)
_GOLDEN, _FIRST, _SECOND = (np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


class Matrices(NamedTuple):
    """What is learned: the rows of V words as contexts, flat [V D]; those of K targets, words or nodes, flat [K D]; and D."""

    inputs: NDArray[np.float32]
    outputs: NDArray[np.float32]
    width: int


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


def compiled(function: Callable[..., Any]) -> Any:
    """The function, compiled when it is first called, and kept for the next start where there is a place for it."""
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # no folder that numba could write to
        return numba.njit(nogil=True)(function)


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
def contexts_of(kept: NDArray[np.int32], count: int, at: int, reach: int, width: int, contexts: NDArray[np.int64]) -> int:
    """Where the rows of the words around word `at` begin, up to the ends of its sentence; how many they are comes back."""
    found = 0
    for other in range(at - 1, max(at - reach, 0) - 1, -1):
        if kept[other] == BREAK:
            break
        contexts[found] = kept[other] * width
        found += 1
    for other in range(at + 1, min(at + reach, count - 1) + 1):
        if kept[other] == BREAK:
            break
        contexts[found] = kept[other] * width
        found += 1
    return found


@compiled
def room_for_targets(sampling: Sampling, negatives: int) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """Room for the rows, labels and scales of the targets of any word: whole blocks of six, each with room for eight."""
    most = 1 + negatives
    for word in range(sampling.starts.size - 1):
        most = max(most, sampling.starts[word + 1] - sampling.starts[word])
    slots = (most + SIX - 1) // SIX * WIDTH
    return np.zeros(slots, np.int64), np.zeros(slots, np.float32), np.zeros(slots, np.float32)


@compiled
def first_drawn(sampling: Sampling, reading: Reading, place: int) -> np.int64:
    """Where in the table the first negative samples of a stretch stand that begins at a place of the whole text."""
    if sampling.table.size == 0:
        return np.int64(0)
    return np.int64(mixed(np.uint64(reading.seed) ^ mixed(np.uint64(place))) % np.uint64(sampling.table.size))


@compiled
def targets_of(
    word: int,
    drawn: int,
    sampling: Sampling,
    negatives: int,
    width: int,
    rows: NDArray[np.int64],
    labels: NDArray[np.float32],
    counted: NDArray[np.float32],
) -> int:
    """Where the rows of the targets of a word begin, whether each is to be 1 or 0, and whether it counts; how many blocks.

    Targets stand in blocks of six, each with room for eight; what is left over of the last does not count, nor does a negative
    sample that is the word itself.

    Args:
        word: in the middle.
        drawn: where its negative samples stand in the table.
        sampling: the table, or the tree.
        negatives: how many.
        width: of a row.
        rows: written.
        labels: written.
        counted: written, 1 or 0.
    """
    tree = sampling.table.size == 0
    first = sampling.starts[word] if tree else 0
    count = sampling.starts[word + 1] - first if tree else negatives + 1
    blocks = (count + SIX - 1) // SIX
    for number in range(blocks * SIX):
        slot = number // SIX * WIDTH + number % SIX
        target, label, counts = 0, ZERO, ONE
        if number >= count:
            target, counts = rows[0] // width, ZERO
        elif tree:
            target, label = sampling.nodes[first + number], sampling.branches[first + number]
        elif number == 0:
            target, label = word, ONE
        else:
            place = drawn + number
            target = sampling.table[place if place < sampling.table.size else place - sampling.table.size]
            counts = ZERO if target == word else ONE
        rows[slot], labels[slot], counted[slot] = target * width, label, counts
    return blocks
