"""The compiled steps of word2vec: what the words around a centre word and its targets learn from each other.

The words around a centre word share its targets: the centre word and its negative samples, or the nodes of its path through
the tree. Six targets at a time, one pass over a context row keeps six sums in registers, and one pass over the features adds
up what the targets gain from all context rows before it is written. Rows are padded to whole `Lanes`.

D features, padded; C context words; M words whose means are told apart from the same samples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from leadline.language.compiling import compiled
from leadline.language.words.vector_lanes import WIDTH, load, minus, multiply_add, plus, sigmoid, six_sums, splat, store, times
from leadline.language.words.word2vec_draws import ONE, ZERO
from leadline.language.words.word2vec_rows import Matrices
from leadline.language.words.word2vec_targets import OWN, Targets


@compiled
def learn_each(
    matrices: Matrices,
    contexts: NDArray[np.int64],
    count: int,
    targets: Targets,
    blocks: int,
    rate: np.float32,
    gains: NDArray[np.float32],
    errors: NDArray[np.float32],
) -> None:
    """Skip-gram: each context row c and target row k move by rate (label − σ(c · k)) times the other.

    All of them are taken as they were before, so this is one step down the gradient of the loss over all pairs; a word that
    stands twice in the window has moved by its first place when its second one moves the targets.

    Args:
        matrices: changed.
        contexts: where the context rows begin, [C].
        count: C.
        targets: of the word in the middle.
        blocks: of six targets.
        rate: of learning.
        gains: room for [C 8].
        errors: zeros [C D], and zeros again afterwards.
    """
    inputs, outputs, width = matrices.inputs, matrices.outputs, matrices.width
    rows, labels, counted = targets.rows, targets.labels, targets.counted
    zero = splat(ZERO)
    for block in range(blocks):
        at = block * WIDTH
        a, b, c, d, e, f = rows[at], rows[at + 1], rows[at + 2], rows[at + 3], rows[at + 4], rows[at + 5]
        label, scale = load(labels, at), times(load(counted, at), splat(rate))
        for context in range(count):
            row = contexts[context]
            sum_a, sum_b, sum_c, sum_d, sum_e, sum_f = zero, zero, zero, zero, zero, zero
            for place in range(0, width, WIDTH):
                x = load(inputs, row + place)
                sum_a = multiply_add(x, load(outputs, a + place), sum_a)
                sum_b = multiply_add(x, load(outputs, b + place), sum_b)
                sum_c = multiply_add(x, load(outputs, c + place), sum_c)
                sum_d = multiply_add(x, load(outputs, d + place), sum_d)
                sum_e = multiply_add(x, load(outputs, e + place), sum_e)
                sum_f = multiply_add(x, load(outputs, f + place), sum_f)
            expected = sigmoid(six_sums(sum_a, sum_b, sum_c, sum_d, sum_e, sum_f))
            store(gains, context * WIDTH, times(minus(label, expected), scale))
        last = block == blocks - 1
        for place in range(0, width, WIDTH):
            to_a, to_b, to_c = load(outputs, a + place), load(outputs, b + place), load(outputs, c + place)
            to_d, to_e, to_f = load(outputs, d + place), load(outputs, e + place), load(outputs, f + place)
            more_a, more_b, more_c, more_d, more_e, more_f = zero, zero, zero, zero, zero, zero
            for context in range(count):
                row, gain, error = contexts[context] + place, context * WIDTH, context * width + place
                x, moved = load(inputs, row), load(errors, error)
                by = splat(gains[gain])
                moved, more_a = multiply_add(by, to_a, moved), multiply_add(by, x, more_a)
                by = splat(gains[gain + 1])
                moved, more_b = multiply_add(by, to_b, moved), multiply_add(by, x, more_b)
                by = splat(gains[gain + 2])
                moved, more_c = multiply_add(by, to_c, moved), multiply_add(by, x, more_c)
                by = splat(gains[gain + 3])
                moved, more_d = multiply_add(by, to_d, moved), multiply_add(by, x, more_d)
                by = splat(gains[gain + 4])
                moved, more_e = multiply_add(by, to_e, moved), multiply_add(by, x, more_e)
                by = splat(gains[gain + 5])
                moved, more_f = multiply_add(by, to_f, moved), multiply_add(by, x, more_f)
                if last:
                    store(inputs, row, plus(x, moved))
                    store(errors, error, zero)
                else:
                    store(errors, error, moved)
            # Added to what is there now, as two targets may be one row, or another thread may have changed it.
            store(outputs, a + place, plus(load(outputs, a + place), more_a))
            store(outputs, b + place, plus(load(outputs, b + place), more_b))
            store(outputs, c + place, plus(load(outputs, c + place), more_c))
            store(outputs, d + place, plus(load(outputs, d + place), more_d))
            store(outputs, e + place, plus(load(outputs, e + place), more_e))
            store(outputs, f + place, plus(load(outputs, f + place), more_f))


@compiled
def learn_means(
    matrices: Matrices,
    contexts: NDArray[np.int64],
    counts: NDArray[np.int64],
    size: int,
    targets: Targets,
    blocks: int,
    rate: np.float32,
    gains: NDArray[np.float32],
    errors: NDArray[np.float32],
) -> None:
    """CBOW: with h the mean of the context rows and g = label − σ(h · k), row k moves by rate g h, a context by rate Σ_k g k.

    The gradient for a context row is a C-th of that: C words share what the mean would be moved by. But with that share alone
    nothing was learned in five epochs of 16 million words, from first vectors as small as these are. So each row's rate is C
    times as high, as it is in the authors' program.

    A few words in a row are learned at once, from rows as they were before the first of them: negative samples that they share
    are read and written once.

    Args:
        matrices: changed.
        contexts: where the context rows of each word begin, [M C].
        counts: C of each word.
        size: how many words there are.
        targets: of these words.
        blocks: of six targets.
        rate: of learning.
        gains: room for [M 8].
        errors: room for [2 M D].
    """
    inputs, outputs, width = matrices.inputs, matrices.outputs, matrices.width
    rows, own, labels, counted = targets
    members, most, zero = counts.size, labels.size // WIDTH, splat(ZERO)
    reach = contexts.size // members
    for member in range(size):
        share = splat(ONE / np.float32(counts[member]))
        for place in range(0, width, WIDTH):
            total = zero
            for context in range(member * reach, member * reach + counts[member]):
                total = plus(total, load(inputs, contexts[context] + place))
            store(errors, (members + member) * width + place, times(total, share))
    for block in range(blocks):
        at = block * WIDTH
        a, b, c, d, e = rows[at], rows[at + 1], rows[at + 2], rows[at + 3], rows[at + 4]
        label = load(labels, at)
        for member in range(size):
            f, mean = own[member * most + block], (members + member) * width
            sum_a, sum_b, sum_c, sum_d, sum_e, sum_f = zero, zero, zero, zero, zero, zero
            for place in range(0, width, WIDTH):
                x = load(errors, mean + place)
                sum_a = multiply_add(x, load(outputs, a + place), sum_a)
                sum_b = multiply_add(x, load(outputs, b + place), sum_b)
                sum_c = multiply_add(x, load(outputs, c + place), sum_c)
                sum_d = multiply_add(x, load(outputs, d + place), sum_d)
                sum_e = multiply_add(x, load(outputs, e + place), sum_e)
                sum_f = multiply_add(x, load(outputs, f + place), sum_f)
            expected = sigmoid(six_sums(sum_a, sum_b, sum_c, sum_d, sum_e, sum_f))
            scale = times(load(counted, (member * most + block) * WIDTH), splat(rate))
            store(gains, member * WIDTH, times(minus(label, expected), scale))
        for place in range(0, width, WIDTH):
            to_a, to_b, to_c = load(outputs, a + place), load(outputs, b + place), load(outputs, c + place)
            to_d, to_e = load(outputs, d + place), load(outputs, e + place)
            more_a, more_b, more_c, more_d, more_e = zero, zero, zero, zero, zero
            for member in range(size):
                gain, error = member * WIDTH, member * width + place
                x = load(errors, members * width + error)
                moved = load(errors, error) if block else zero
                by = splat(gains[gain])
                moved, more_a = multiply_add(by, to_a, moved), multiply_add(by, x, more_a)
                by = splat(gains[gain + 1])
                moved, more_b = multiply_add(by, to_b, moved), multiply_add(by, x, more_b)
                by = splat(gains[gain + 2])
                moved, more_c = multiply_add(by, to_c, moved), multiply_add(by, x, more_c)
                by = splat(gains[gain + 3])
                moved, more_d = multiply_add(by, to_d, moved), multiply_add(by, x, more_d)
                by = splat(gains[gain + 4])
                moved, more_e = multiply_add(by, to_e, moved), multiply_add(by, x, more_e)
                by, f = splat(gains[gain + OWN]), own[member * most + block] + place
                row = load(outputs, f)
                store(errors, error, multiply_add(by, row, moved))
                store(outputs, f, multiply_add(by, x, row))
            # As in `learn_each`: added to what is there now.
            store(outputs, a + place, plus(load(outputs, a + place), more_a))
            store(outputs, b + place, plus(load(outputs, b + place), more_b))
            store(outputs, c + place, plus(load(outputs, c + place), more_c))
            store(outputs, d + place, plus(load(outputs, d + place), more_d))
            store(outputs, e + place, plus(load(outputs, e + place), more_e))
    for member in range(size):
        for place in range(0, width, WIDTH):
            moved = load(errors, member * width + place)
            for context in range(member * reach, member * reach + counts[member]):
                row = contexts[context] + place
                store(inputs, row, plus(load(inputs, row), moved))
