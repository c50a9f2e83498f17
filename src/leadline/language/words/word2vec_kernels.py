"""The compiled steps of word2vec: what the words around a centre word and its targets learn from each other.

The words around a centre word share its targets: the centre word and its negative samples, or the nodes of its path through
the tree. Six targets at a time, one pass over a context row keeps six sums in registers, and one pass over the features adds
up what the targets gain from all context rows before it is written. Rows are padded to whole `Lanes`.

D features, padded; C context words.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from leadline.language.words.vector_lanes import WIDTH, load, minus, multiply_add, plus, sigmoid, six_sums, splat, store, times
from leadline.language.words.word2vec_draws import ONE, ZERO, Matrices, compiled


@compiled
def learn_each(
    matrices: Matrices,
    contexts: NDArray[np.int64],
    count: int,
    rows: NDArray[np.int64],
    labels: NDArray[np.float32],
    scales: NDArray[np.float32],
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
        rows: of the targets, as `targets_of` gives them; labels, scales: likewise.
        blocks: of six targets.
        rate: of learning.
        gains: room for [C 8].
        errors: zeros [C D], and zeros again afterwards.
    """
    inputs, outputs, width = matrices
    zero = splat(ZERO)
    for block in range(blocks):
        at = block * WIDTH
        a, b, c, d, e, f = rows[at], rows[at + 1], rows[at + 2], rows[at + 3], rows[at + 4], rows[at + 5]
        label, scale = load(labels, at), times(load(scales, at), splat(rate))
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
def learn_mean(
    matrices: Matrices,
    contexts: NDArray[np.int64],
    count: int,
    rows: NDArray[np.int64],
    labels: NDArray[np.float32],
    scales: NDArray[np.float32],
    blocks: int,
    rate: np.float32,
    gains: NDArray[np.float32],
    errors: NDArray[np.float32],
) -> None:
    """CBOW: with h the mean of the context rows and g = label − σ(h · k), row k moves by rate g h, a context by rate Σ_k g k.

    The gradient for a context row is a C-th of that: C words share what the mean would be moved by. But with that share alone
    nothing was learned in five epochs of 16 million words, from first vectors as small as these are. So each row's rate is C
    times as high, as it is in the authors' program. The arguments are those of `learn_each`; `errors` is room for [2 D].
    """
    inputs, outputs, width = matrices
    zero, share = splat(ZERO), splat(ONE / np.float32(count))
    for place in range(0, width, WIDTH):
        total = zero
        for context in range(count):
            total = plus(total, load(inputs, contexts[context] + place))
        store(errors, width + place, times(total, share))
        store(errors, place, zero)
    for block in range(blocks):
        at = block * WIDTH
        a, b, c, d, e, f = rows[at], rows[at + 1], rows[at + 2], rows[at + 3], rows[at + 4], rows[at + 5]
        sum_a, sum_b, sum_c, sum_d, sum_e, sum_f = zero, zero, zero, zero, zero, zero
        for place in range(0, width, WIDTH):
            x = load(errors, width + place)
            sum_a = multiply_add(x, load(outputs, a + place), sum_a)
            sum_b = multiply_add(x, load(outputs, b + place), sum_b)
            sum_c = multiply_add(x, load(outputs, c + place), sum_c)
            sum_d = multiply_add(x, load(outputs, d + place), sum_d)
            sum_e = multiply_add(x, load(outputs, e + place), sum_e)
            sum_f = multiply_add(x, load(outputs, f + place), sum_f)
        expected = sigmoid(six_sums(sum_a, sum_b, sum_c, sum_d, sum_e, sum_f))
        store(gains, 0, times(minus(load(labels, at), expected), times(load(scales, at), splat(rate))))
        by_a, by_b, by_c, by_d, by_e, by_f = (
            splat(gains[0]),
            splat(gains[1]),
            splat(gains[2]),
            splat(gains[3]),
            splat(gains[4]),
            splat(gains[5]),
        )
        for place in range(0, width, WIDTH):
            x, moved = load(errors, width + place), load(errors, place)
            row = load(outputs, a + place)
            moved = multiply_add(by_a, row, moved)
            store(outputs, a + place, multiply_add(by_a, x, row))
            row = load(outputs, b + place)
            moved = multiply_add(by_b, row, moved)
            store(outputs, b + place, multiply_add(by_b, x, row))
            row = load(outputs, c + place)
            moved = multiply_add(by_c, row, moved)
            store(outputs, c + place, multiply_add(by_c, x, row))
            row = load(outputs, d + place)
            moved = multiply_add(by_d, row, moved)
            store(outputs, d + place, multiply_add(by_d, x, row))
            row = load(outputs, e + place)
            moved = multiply_add(by_e, row, moved)
            store(outputs, e + place, multiply_add(by_e, x, row))
            row = load(outputs, f + place)
            moved = multiply_add(by_f, row, moved)
            store(outputs, f + place, multiply_add(by_f, x, row))
            store(errors, place, moved)
    for place in range(0, width, WIDTH):
        moved = load(errors, place)
        for context in range(count):
            row = contexts[context] + place
            store(inputs, row, plus(load(inputs, row), moved))
