"""The compiled part of word2vec: a stretch of a text, gone through word by word, to learn from it or to tell its loss."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from leadline.language.words.vector_lanes import WIDTH
from leadline.language.words.word2vec_draws import (
    BREAK,
    ONE,
    SIX,
    ZERO,
    Matrices,
    Reading,
    Sampling,
    compiled,
    contexts_of,
    first_drawn,
    room_for_targets,
    sub_sampled,
    targets_of,
)
from leadline.language.words.word2vec_kernels import learn_each, learn_mean


@compiled
def train_stretch(
    ids: NDArray[np.int32],
    place: int,
    begin: int,
    end: int,
    matrices: Matrices,
    sampling: Sampling,
    reading: Reading,
    rates: tuple[float, float],
) -> int:
    """Learn from words `begin` … `end` − 1 of a stretch, with those before and behind them as context; how many were read.

    Args:
        ids: of the stretch [T]; what stands before `begin` and from `end` on is context alone.
        place: of its first word in the whole text.
        begin: of the words in the middle.
        end: of them.
        matrices: changed.
        sampling: what is drawn.
        reading: how.
        rates: of learning, at the first word and behind the last.
    """
    width, tree = matrices.width, sampling.table.size == 0
    kept, reach = np.empty(ids.size, np.int32), np.empty(ids.size, np.int32)
    start = sub_sampled(ids[:begin], place, sampling.keep, reading, kept, reach)
    stop = start + sub_sampled(ids[begin:end], place + begin, sampling.keep, reading, kept[start:], reach[start:])
    count = stop + sub_sampled(ids[end:], place + end, sampling.keep, reading, kept[stop:], reach[stop:])
    rows, labels, scales = room_for_targets(sampling, reading.negatives)
    contexts, gains = np.zeros(2 * reading.window, np.int64), np.zeros(2 * reading.window * WIDTH, np.float32)
    errors = np.zeros(2 * reading.window * width, np.float32)
    drawn = first_drawn(sampling, reading, place)
    read = 0
    for at in range(start, stop):
        word = kept[at]
        if word == BREAK:
            continue
        read += 1
        found = contexts_of(kept, count, at, reach[at], width, contexts)
        if found == 0:
            continue
        blocks = targets_of(word, drawn, sampling, reading.negatives, width, rows, labels, scales)
        rate = np.float32(rates[0] + (rates[1] - rates[0]) * (at - start) / (stop - start))
        if reading.skip_gram:
            learn_each(matrices, contexts, found, rows, labels, scales, blocks, rate, gains, errors)
        else:
            learn_mean(matrices, contexts, found, rows, labels, scales, blocks, rate, gains, errors)
        if not tree:
            drawn = (drawn + reading.negatives) % sampling.table.size
    return read


@compiled
def stretch_loss(
    ids: NDArray[np.int32], place: int, matrices: Matrices, sampling: Sampling, reading: Reading
) -> tuple[float, int]:
    """The sum of −log σ(±c · k) over a stretch, with the same draws as in training, and over how many contexts (CBOW: words).

    Args:
        ids: of the stretch.
        place: of its first word; it decides what is drawn.
        matrices: left as they are.
        sampling: what is drawn.
        reading: how.
    """
    inputs, outputs, width = matrices
    tree = sampling.table.size == 0
    kept, reach = np.empty(ids.size, np.int32), np.empty(ids.size, np.int32)
    count = sub_sampled(ids, place, sampling.keep, reading, kept, reach)
    rows, labels, scales = room_for_targets(sampling, reading.negatives)
    contexts = np.zeros(2 * reading.window, np.int64)
    mean = np.zeros(width, np.float32)
    drawn = first_drawn(sampling, reading, place)
    loss, counted = 0.0, 0
    for at in range(count):
        word = kept[at]
        found = 0 if word == BREAK else contexts_of(kept, count, at, reach[at], width, contexts)
        if found == 0:
            continue
        blocks = targets_of(word, drawn, sampling, reading.negatives, width, rows, labels, scales)
        if not tree:
            drawn = (drawn + reading.negatives) % sampling.table.size
        for context in range(found if reading.skip_gram else 1):
            if reading.skip_gram:
                mean[:] = inputs[contexts[context] : contexts[context] + width]
            else:
                mean[:] = ZERO
                for other in range(found):
                    mean += inputs[contexts[other] : contexts[other] + width] / np.float32(found)
            for slot in range(blocks * WIDTH):
                if slot % WIDTH < SIX and scales[slot] != ZERO:
                    score = 0.0
                    for feature in range(width):
                        score += np.float64(mean[feature]) * outputs[rows[slot] + feature]
                    score = score if labels[slot] == ONE else -score
                    # log(1 + e^−x) without overflow.
                    loss += max(-score, 0.0) + np.log1p(np.exp(-abs(score)))
            counted += 1
    return loss, counted
