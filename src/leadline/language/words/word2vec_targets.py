"""What the compiled part of word2vec looks up for each word: the rows of its context and those of its targets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from leadline.language.compiling import compiled
from leadline.language.words.vector_lanes import WIDTH
from leadline.language.words.word2vec_draws import BREAK, ONE, ZERO, Reading, Sampling, negative_sample
from leadline.language.words.word2vec_rows import Matrices, input_row, output_row

SIX = 6  # targets of a block: as many as fit in the sixteen registers of AVX beside a row and what it gains
OWN = 5  # the place in the first block of the word itself
TOGETHER = 4  # words whose means are told apart from the same negative samples


class Targets(NamedTuple):
    """The targets of a group of words, in blocks of six that have room for eight each.

    All words of a group have the same negative samples. Each has a row of its own in the sixth place of each block, which in
    the first is that of the word itself.

    `rows` [blocks 8]: where they begin, of the first word; `own` [words blocks]: the sixth of each; `labels` [blocks 8]: what
    each is to be, 1 or 0; `counted` [words blocks 8]: whether it counts, 1 or 0.
    """

    rows: NDArray[np.int64]
    own: NDArray[np.int64]
    labels: NDArray[np.float32]
    counted: NDArray[np.float32]


@compiled
def words_together(sampling: Sampling, reading: Reading) -> int:
    """How many words are told apart from the same samples: several means of contexts, or one word for all of its contexts."""
    return 1 if reading.skip_gram or sampling.table.size == 0 else TOGETHER


@compiled
def room_for_targets(sampling: Sampling, reading: Reading) -> Targets:
    """Room for the targets of any group of words."""
    most, members = 1 + reading.negatives, words_together(sampling, reading)
    for word in range(sampling.starts.size - 1):
        most = max(most, sampling.starts[word + 1] - sampling.starts[word])
    blocks = (most + SIX - 1) // SIX
    slots = blocks * WIDTH
    return Targets(
        np.zeros(slots, np.int64),
        np.zeros(members * blocks, np.int64),
        np.zeros(slots, np.float32),
        np.zeros(members * slots, np.float32),
    )


@compiled
def contexts_of(
    kept: NDArray[np.int32], count: int, at: int, reach: int, matrices: Matrices, contexts: NDArray[np.int64]
) -> int:
    """Where the rows of the words around word `at` begin, up to the ends of its sentence; how many they are comes back."""
    found = 0
    for other in range(at - 1, max(at - reach, 0) - 1, -1):
        if kept[other] == BREAK:
            break
        contexts[found] = input_row(kept[other], matrices)
        found += 1
    for other in range(at + 1, min(at + reach, count - 1) + 1):
        if kept[other] == BREAK:
            break
        contexts[found] = input_row(kept[other], matrices)
        found += 1
    return found


@compiled
def path_of(word: int, sampling: Sampling, matrices: Matrices, targets: Targets) -> int:
    """Write the nodes of the path to a word through the tree as its targets; how many blocks they are comes back."""
    rows, own, labels, counted = targets
    first, stop = sampling.starts[word], sampling.starts[word + 1]
    blocks = int((stop - first + SIX - 1) // SIX)
    for number in range(blocks * SIX):
        slot, node = number // SIX * WIDTH + number % SIX, first + number
        inside = node < stop
        rows[slot] = output_row(sampling.nodes[node], matrices) if inside else rows[0]
        labels[slot] = sampling.branches[node] if inside else ZERO
        counted[slot] = ONE if inside else ZERO
        if number % SIX == OWN:
            own[number // SIX] = rows[slot]
    return blocks


@compiled
def samples_of(
    words: NDArray[np.int64],
    size: int,
    drawn: int,
    sampling: Sampling,
    negatives: int,
    matrices: Matrices,
    targets: Targets,
) -> int:
    """Write each word and the negative samples of all as targets; how many blocks they are comes back.

    What is left over of the last block does not count, nor does a sample that is the word itself.

    Args:
        words: of the group.
        size: how many they are.
        drawn: where their negative samples stand in the table.
        sampling: the table.
        negatives: how many.
        matrices: where rows lie.
        targets: written.
    """
    rows, own, labels, counted = targets
    blocks, most = negatives // SIX + 1, labels.size // WIDTH
    for number in range(blocks * SIX):
        block, slot = number // SIX, number // SIX * WIDTH + number % SIX
        sample = number if number < OWN else number - 1
        target = negative_sample(sampling, drawn + min(sample, negatives - 1))
        labels[slot] = ONE if number == OWN else ZERO
        for member in range(size):
            word = words[member]
            row = output_row(word if number == OWN else target, matrices)
            counts = number == OWN or (sample < negatives and target != word)
            counted[member * most * WIDTH + slot] = ONE if counts else ZERO
            if member == 0:
                rows[slot] = row
            if number % SIX == OWN:
                own[member * most + block] = row
    return blocks
