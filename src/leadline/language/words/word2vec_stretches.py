"""The compiled part of word2vec: a stretch of a text, gone through word by word, to learn from it or to tell its loss."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from leadline.language.compiling import compiled
from leadline.language.words.vector_lanes import WIDTH
from leadline.language.words.word2vec_draws import (
    BREAK,
    ONE,
    ZERO,
    Reading,
    Sampling,
    first_drawn,
    negative_sample,
    sub_sampled,
)
from leadline.language.words.word2vec_kernels import learn_each, learn_means
from leadline.language.words.word2vec_rows import Matrices, exchange_copies, fetch_row, input_row, output_row
from leadline.language.words.word2vec_targets import (
    SIX,
    contexts_of,
    path_of,
    room_for_targets,
    samples_of,
    words_together,
)

_EXCHANGED = 64  # words after which threads tell each other what their copies have learned
_AHEAD = 3  # words before a row is needed when it is asked for


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
    width, tree, window = matrices.width, sampling.table.size == 0, reading.window
    kept, reach = np.empty(ids.size, np.int32), np.empty(ids.size, np.int32)
    start = sub_sampled(ids[:begin], place, sampling.keep, reading, kept, reach)
    stop = start + sub_sampled(ids[begin:end], place + begin, sampling.keep, reading, kept[start:], reach[start:])
    count = stop + sub_sampled(ids[end:], place + end, sampling.keep, reading, kept[stop:], reach[stop:])
    targets, members = room_for_targets(sampling, reading), words_together(sampling, reading)
    words, counts, size = np.zeros(members, np.int64), np.zeros(members, np.int64), 0
    contexts, slots = np.zeros(members * 2 * window, np.int64), max(members, 2 * window)
    gains, errors = np.zeros(slots * WIDTH, np.float32), np.zeros(2 * slots * width, np.float32)
    inputs_before, outputs_before = _fresh_copies(matrices)
    drawn = first_drawn(sampling, reading, place)
    read = 0
    for at in range(start, stop + 1):
        if matrices.copied and at % _EXCHANGED == 0:
            exchange_copies(matrices, inputs_before, outputs_before)
        ahead = at + _AHEAD
        if ahead + window < count and kept[ahead + window] != BREAK:
            fetch_row(matrices.inputs, input_row(kept[ahead + window], matrices), width)
        if not tree and ahead < count and kept[ahead] != BREAK:
            fetch_row(matrices.outputs, output_row(kept[ahead], matrices), width)
        if at < stop and kept[at] != BREAK:
            read += 1
            words[size] = kept[at]
            counts[size] = contexts_of(kept, count, at, reach[at], matrices, contexts[size * 2 * window :])
            size += counts[size] > 0
        if size < members and (at < stop or size == 0):
            continue
        rate = np.float32(rates[0] + (rates[1] - rates[0]) * (at - start) / (stop - start))
        if tree:
            blocks = path_of(words[0], sampling, matrices, targets)
        else:
            blocks = samples_of(words, size, drawn, sampling, reading.negatives, matrices, targets)
            drawn = (drawn + reading.negatives) % sampling.table.size
            for number in range(reading.negatives):
                fetch_row(matrices.outputs, output_row(negative_sample(sampling, drawn + number), matrices), width)
        if reading.skip_gram:
            learn_each(matrices, contexts, counts[0], targets, blocks, rate, gains, errors)
        else:
            learn_means(matrices, contexts, counts, size, targets, blocks, rate, gains, errors)
        size = 0
    if matrices.copied:
        exchange_copies(matrices, inputs_before, outputs_before)
    return read


@compiled
def _fresh_copies(matrices: Matrices) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Make this thread's copies equal to the rows of all; what they are now comes back, for the next exchange."""
    count, width = matrices.copied * matrices.width, matrices.width
    before = np.zeros(count, np.float32), np.zeros(count, np.float32)
    if count:
        matrices.inputs[matrices.input_copies * width : matrices.input_copies * width + count] = ZERO
        matrices.outputs[matrices.output_copies * width : matrices.output_copies * width + count] = ZERO
        exchange_copies(matrices, before[0], before[1])
    return before


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
    inputs, outputs, width = matrices.inputs, matrices.outputs, matrices.width
    tree = sampling.table.size == 0
    kept, reach = np.empty(ids.size, np.int32), np.empty(ids.size, np.int32)
    count = sub_sampled(ids, place, sampling.keep, reading, kept, reach)
    targets, members = room_for_targets(sampling, reading), words_together(sampling, reading)
    words, contexts = np.zeros(1, np.int64), np.zeros(2 * reading.window, np.int64)
    mean = np.zeros(width, np.float32)
    drawn = first_drawn(sampling, reading, place)
    loss, counted, judged = 0.0, 0, 0
    for at in range(count):
        words[0] = kept[at]
        found = 0 if words[0] == BREAK else contexts_of(kept, count, at, reach[at], matrices, contexts)
        if found == 0:
            continue
        if tree:
            blocks = path_of(words[0], sampling, matrices, targets)
        else:
            blocks = samples_of(words, 1, drawn, sampling, reading.negatives, matrices, targets)
            judged += 1
            if judged % members == 0:
                drawn = (drawn + reading.negatives) % sampling.table.size
        for context in range(found if reading.skip_gram else 1):
            if reading.skip_gram:
                mean[:] = inputs[contexts[context] : contexts[context] + width]
            else:
                mean[:] = ZERO
                for other in range(found):
                    mean += inputs[contexts[other] : contexts[other] + width] / np.float32(found)
            for slot in range(blocks * WIDTH):
                if slot % WIDTH < SIX and targets.counted[slot] != ZERO:
                    score = 0.0
                    for feature in range(width):
                        score += np.float64(mean[feature]) * outputs[targets.rows[slot] + feature]
                    score = score if targets.labels[slot] == ONE else -score
                    # log(1 + e^−x) without overflow.
                    loss += max(-score, 0.0) + np.log1p(np.exp(-abs(score)))
            counted += 1
    return loss, counted
