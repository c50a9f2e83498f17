"""word2vec against the gradient of its loss in float64, draws against their laws, and one thread against itself."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from leadline.errors import ArgumentError, DataError
from leadline.language.words import word2vec_training
from leadline.language.words.word2vec_draws import BREAK, Reading, Sampling, sub_sampled
from leadline.language.words.word2vec_sampling import keep_chances, unigram_table
from leadline.language.words.word2vec_settings import Word2vecSettings
from leadline.language.words.word2vec_stretches import stretch_loss, train_stretch
from leadline.language.words.word2vec_targets import TOGETHER
from leadline.language.words.word2vec_training import Word2vec
from leadline.models.word_networks import WORD_METHODS, WORD_TARGETS

Arrays = NDArray[np.float64]
COUNTS = np.array([0, 5, 9, 7, 4, 3, 8, 6, 2])


def text_of_pairs(seed: int, sentences: int = 4000) -> NDArray[np.int64]:
    """Sentences in which words 1 to 4 stand together and words 5 to 8 do; 0 ends each."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 2, sentences)
    words = rng.integers(1, 5, (sentences, 6)) + 4 * groups[:, None]
    return np.concatenate([words, np.zeros((sentences, 1), np.int64)], axis=1).reshape(-1)


def targets_seen(model: Word2vec, word: int, drawn: list[int]) -> list[tuple[int, float]]:
    """The rows of the targets of a word and what each is to be: read from the model's own tables, not from the kernel."""
    _, _, starts, nodes, branches = model._sampling
    if len(nodes):
        path = slice(starts[word], starts[word + 1])
        return list(zip(nodes[path].tolist(), branches[path].tolist(), strict=True))
    return [(word, 1.0), *((other, 0.0) for other in drawn if other != word)]


def loss_of(inputs: Arrays, outputs: Arrays, sentence: list[int], model: Word2vec, drawn: dict[int, list[int]]) -> float:
    """The sum of −log σ(± h · u) over a sentence of two or three words with windows of 1, in float64."""
    total = 0.0
    for at, word in enumerate(sentence):
        around = [sentence[other] for other in (at - 1, at + 1) if 0 <= other < len(sentence)]
        rows = [inputs[other] for other in around]
        hidden = rows if model.settings.method == "skip_gram" else [np.mean(rows, axis=0)]
        for h in hidden:
            for row, label in targets_seen(model, word, drawn[at]):
                score = float(h @ outputs[row])
                total += float(np.logaddexp(0, -score if label else score))
    return total


@pytest.mark.parametrize("method", WORD_METHODS)
@pytest.mark.parametrize("targets", WORD_TARGETS)
def test_one_word_is_a_step_down_the_gradient(method: str, targets: str) -> None:
    settings = Word2vecSettings(method, targets, width=11, window=1, negatives=7, subsample=0)
    model = Word2vec(COUNTS, settings, boundary=0, seed=3)
    rng = np.random.default_rng(0)
    model.vectors[:] = rng.normal(size=model.vectors.shape, scale=0.7)
    model.targets[:] = rng.normal(size=model.targets.shape, scale=0.7)
    sentence = [3, 6, 1]
    inputs, outputs = model.vectors.astype(np.float64), model.targets.astype(np.float64)
    rate = 1e-4  # so small that it makes no difference that one word comes after the other
    before = model.vectors.copy(), model.targets.copy()
    text = np.array(sentence)
    drawn = negatives_of(model, text, epoch=0)
    model.train(text, 0, epochs=10**9, learning_rate=rate)
    moved = model.vectors - before[0], model.targets - before[1]

    def slope(of: Arrays, row: int, place: int) -> float:
        step = 1e-5
        found = []
        for sign in (1, -1):
            of[row, place] += sign * step
            found.append(loss_of(inputs, outputs, sentence, model, drawn))
            of[row, place] -= sign * step
        return (found[0] - found[1]) / (2 * step)

    rows = {row for at, word in enumerate(sentence) for row, _ in targets_seen(model, word, drawn[at])}
    for row in rows:
        expected = [-rate * slope(outputs, row, place) for place in range(settings.width)]
        assert moved[1][row] == pytest.approx(expected, rel=5e-3, abs=3e-7)
    for row in set(sentence):
        shared = 2 if method == "cbow" and row != 6 else 1  # beside the middle word two share a mean, each at twice the rate
        expected = [-rate * shared * slope(inputs, row, place) for place in range(settings.width)]
        assert moved[0][row] == pytest.approx(expected, rel=5e-3, abs=3e-7)
    others = [row for row in range(len(COUNTS)) if row not in sentence]
    assert np.array_equal(model.vectors[others], before[0][others])
    assert np.array_equal(
        model.targets[[row for row in range(model.rows) if row not in rows]],
        before[1][[row for row in range(model.rows) if row not in rows]],
    )


def negatives_of(model: Word2vec, text: NDArray[np.int64], *, epoch: int) -> dict[int, list[int]]:
    """Which negative samples each word of a first stretch has: consecutive entries of the table from where the draw begins."""
    from leadline.language.words.word2vec_draws import mixed

    table = model._sampling[1]
    if not len(table):
        return {at: [] for at in range(len(text))}
    seed = model._reading(epoch + 1)[-1]
    start = int(mixed(np.uint64(seed) ^ np.uint64(mixed(np.uint64(0)))) % np.uint64(len(table)))
    count, together = model.settings.negatives, TOGETHER if model.settings.method == "cbow" else 1
    return {
        at: [int(table[(start + count * (at // together) + number) % len(table)]) for number in range(count)]
        for at in range(len(text))
    }


@pytest.mark.parametrize("method", WORD_METHODS)
@pytest.mark.parametrize("targets", WORD_TARGETS)
def test_the_loss_is_that_of_the_formula(method: str, targets: str) -> None:
    model = Word2vec(COUNTS, Word2vecSettings(method, targets, width=9, window=1, negatives=3, subsample=0), boundary=0)
    rng = np.random.default_rng(1)
    model.vectors[:], model.targets[:] = rng.normal(size=model.vectors.shape), rng.normal(size=model.targets.shape)
    text = np.array([2, 7, 1])
    drawn = negatives_of(model, text, epoch=-1)
    expected = loss_of(model.vectors.astype(float), model.targets.astype(float), text.tolist(), model, drawn)
    assert model.loss(text) == pytest.approx(expected / (4 if method == "skip_gram" else 3), rel=1e-6)


@pytest.mark.parametrize("method", WORD_METHODS)
@pytest.mark.parametrize("targets", WORD_TARGETS)
def test_words_that_stand_together_come_to_point_the_same_way(method: str, targets: str) -> None:
    text = text_of_pairs(0)
    settings = Word2vecSettings(method, targets, width=20, subsample=0)
    model = Word2vec(np.bincount(text, minlength=9), settings, boundary=0)
    losses = [model.loss(text[:5000])]
    for epoch in range(4):
        assert model.train(text, epoch, epochs=4) is not None
        losses.append(model.loss(text[:5000]))
    assert losses[-1] < 0.9 * losses[0]
    directions = model.vectors[1:] / np.linalg.norm(model.vectors[1:], axis=1, keepdims=True)
    cosines = directions @ directions.T
    together = cosines[:4, :4].sum() + cosines[4:, 4:].sum() - 8
    assert together / 24 > cosines[:4, 4:].mean() + 0.5


def test_one_thread_gives_the_same_bits_and_resumes_to_them() -> None:
    text = text_of_pairs(1, 20_000)

    def trained(stop: int = 3) -> Word2vec:
        model = Word2vec(np.bincount(text, minlength=9), Word2vecSettings(width=12), boundary=0, seed=5)
        for epoch in range(stop):
            model.train(text, epoch, epochs=3)
        return model

    whole, again, part = trained(), trained(), trained(2)
    assert np.array_equal(whole.vectors, again.vectors)
    assert np.array_equal(whole.targets, again.targets)
    other = Word2vec(np.bincount(text, minlength=9), Word2vecSettings(width=12), boundary=0, seed=5)
    other.load(part.vectors, part.targets)
    other.train(text, 2, epochs=3)
    assert np.array_equal(whole.vectors, other.vectors)


def test_several_threads_learn_as_much() -> None:
    text = text_of_pairs(2, 40_000)
    losses = []
    for threads in (1, 2, 3):
        model = Word2vec(np.bincount(text, minlength=9), Word2vecSettings(width=12, subsample=0), boundary=0)
        done = model.train(text, 0, epochs=1, threads=threads)
        assert done is not None
        assert done.words == done.read == int((text > 0).sum())  # ends of sentences are no words
        losses.append(model.loss(text[:5000]))
    # Eight words are the worst case: all threads write to the same rows all the time, to copies or to the rows themselves.
    assert losses[1:] == pytest.approx([losses[0]] * 2, rel=0.1)


@pytest.mark.parametrize("method", WORD_METHODS)
@pytest.mark.parametrize("targets", WORD_TARGETS)
def test_a_thread_with_copies_learns_the_same(method: str, targets: str) -> None:
    """Rows that are copied, learned from and added up, beside rows that are learned in place: the same but for rounding."""
    text = text_of_pairs(7, 200).astype(np.int32)
    counts, settings = np.bincount(text, minlength=9), Word2vecSettings(method, targets, width=12, subsample=0)
    found = []
    for copied in (0, 3):
        model = Word2vec(counts, settings, boundary=0, seed=2)
        model._copied, model._seats = copied, 2
        matrices = model._matrices(seat=0, workers=2)
        assert matrices.copied == copied
        sampling, reading = Sampling(*model._sampling), Reading(*model._reading(1))
        train_stretch(text, 0, 100, len(text) - 100, matrices, sampling, reading, (0.05, 0.04))
        found.append((model.vectors.copy(), model.targets.copy()))
        behind = (
            model._inputs.reshape(-1, model._padded)[len(counts) :],
            model._outputs.reshape(-1, model._padded)[model.rows :],
        )
        assert [bool(rows.any()) for rows in behind] == [copied > 0] * 2
    assert not np.array_equal(found[0][0], Word2vec(counts, settings, boundary=0, seed=2).vectors)
    for plain, copied_rows in zip(*found, strict=True):
        np.testing.assert_allclose(copied_rows, plain, rtol=2e-3, atol=2e-4)


def test_no_word_of_an_endless_line_is_lost() -> None:
    text = np.tile(np.arange(1, 9), 20_000)  # 160,000 words without an end, four stretches
    model = Word2vec(np.bincount(text), Word2vecSettings(width=8, window=1, subsample=0))
    done = model.train(text, 0, epochs=1)
    assert done is not None
    assert done.read == len(text)


def test_numbers_that_may_only_be_read_compile_nothing_anew() -> None:
    """Mapped numbers are such; of more than 65,535 words they are int32 already, and were taken as they were."""
    text = text_of_pairs(5, 100).astype(np.int32)
    text.flags.writeable = False
    word2vec_training.compile_word2vec()
    known = len(train_stretch.signatures), len(stretch_loss.signatures)
    model = Word2vec(np.bincount(text, minlength=9), Word2vecSettings(width=8), boundary=0)
    model.train(text, 0, epochs=1)
    model.loss(text)
    assert (len(train_stretch.signatures), len(stretch_loss.signatures)) == known


def test_stretches_make_no_difference_to_what_is_drawn() -> None:
    ids = np.random.default_rng(0).integers(0, 9, 5000).astype(np.int32)
    keep, reading = keep_chances(COUNTS, 0.05), Reading(0, 5, 5, True, 17)
    room = [np.empty(len(ids), np.int32) for _ in range(2)]
    count = sub_sampled(ids, 0, keep, reading, *room)
    whole = room[0][:count].copy(), np.where(room[0][:count] == BREAK, 0, room[1][:count])
    first = sub_sampled(ids[:1234], 0, keep, reading, *room)
    parts = [room[0][:first].copy(), np.where(room[0][:first] == BREAK, 0, room[1][:first])]
    second = sub_sampled(ids[1234:], 1234, keep, reading, *room)
    assert np.array_equal(np.concatenate([parts[0], room[0][:second]]), whole[0])
    assert np.array_equal(np.concatenate([parts[1], np.where(room[0][:second] == BREAK, 0, room[1][:second])]), whole[1])
    reach = whole[1][whole[0] != BREAK]
    assert np.bincount(reach, minlength=6)[1:] / len(reach) == pytest.approx([0.2] * 5, abs=0.04)


def test_words_are_passed_over_as_often_as_the_formula_says() -> None:
    counts = np.array([0, 600_000, 300_000, 99_000, 1_000])
    keep = keep_chances(counts, 1e-2)
    share = counts / counts.sum()
    expected = np.minimum(1, np.sqrt(1e-2 / share[1:]) + 1e-2 / share[1:])
    assert keep[1:] == pytest.approx(expected, rel=1e-6)
    ids = np.repeat(np.arange(5, dtype=np.int32), counts)
    kept, reach = np.empty(len(ids), np.int32), np.empty(len(ids), np.int32)
    count = sub_sampled(ids, 0, keep, Reading(-1, 5, 5, True, 1), kept, reach)
    read = np.bincount(kept[:count], minlength=5)[1:]
    doubt = np.sqrt(counts[1:] * expected * (1 - expected))
    assert (np.abs(read - counts[1:] * expected) <= 4 * doubt + 1e-9).all()


def test_the_unigram_table_holds_each_word_by_its_share() -> None:
    counts = np.random.default_rng(0).zipf(1.5, 3000).clip(0, 10**7)
    counts[7] = 0
    table = unigram_table(counts, size=1 << 20)
    found = np.bincount(table, minlength=len(counts))
    shares = counts**0.75 / (counts**0.75).sum() * (1 << 20)
    assert found[7] == 0
    assert found[counts > 0].min() >= 1
    assert np.abs(found - shares).max() <= 1.0
    halves = np.bincount(table[: 1 << 19], minlength=len(counts))  # in random order: any part of it is a sample
    assert np.corrcoef(halves, found)[0, 1] > 0.999
    assert np.array_equal(table, unigram_table(counts, size=1 << 20))


def test_a_stop_ends_the_epoch_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word2vec_training, "_LOOK", 0.0)
    text = text_of_pairs(3, 60_000)
    model = Word2vec(np.bincount(text, minlength=9), Word2vecSettings(width=64), boundary=0)
    assert model.train(text, 0, epochs=1, stopped=lambda: True) is None


def test_a_thread_that_fails_ends_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word2vec_training, "_STRETCH", 10)
    monkeypatch.setattr(word2vec_training, "_LOOK", 0.0)
    text = text_of_pairs(6, 30_000)
    text[5] = 99
    model, seen = Word2vec(np.bincount(text, minlength=9)[:9], Word2vecSettings(width=64), boundary=0), [0]
    with pytest.raises(ArgumentError, match="another vocabulary"):
        model.train(text, 0, epochs=1, threads=2, told=seen.append)
    assert seen[-1] < len(text) / 2


def test_progress_comes_from_the_thread_that_called() -> None:
    text, seen = text_of_pairs(4, 30_000), []
    model = Word2vec(np.bincount(text, minlength=9), Word2vecSettings(width=8), boundary=0)
    model.train(text, 0, epochs=1, threads=2, told=lambda done: seen.append((done, threading.current_thread().name)))
    assert seen[-1] == (len(text), threading.main_thread().name)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: Word2vec(np.array([0, 5]), Word2vecSettings()), DataError, "at least two different words"),
        (lambda: Word2vec(np.array([0, 5, 5]), Word2vecSettings(), boundary=1), DataError, "at least two"),
        (lambda: Word2vecSettings(method="glove"), ArgumentError, "skip_gram"),
        (lambda: Word2vecSettings(targets="softmax"), ArgumentError, "hierarchical_softmax"),
        (lambda: Word2vecSettings(window=0), ArgumentError, "window"),
        (lambda: Word2vecSettings(negatives=1_100_000), ArgumentError, "negatives.*1 to 10,000"),
        (lambda: Word2vecSettings(subsample=-1.0), ArgumentError, "subsample"),
        (lambda: Word2vec(COUNTS, Word2vecSettings(), boundary=-5), ArgumentError, "boundary.*-1 for none"),
        (lambda: keep_chances(np.ones(2, np.int64), float("nan")), ArgumentError, "subsample"),
        (lambda: unigram_table(np.zeros(3, np.int64)), ArgumentError, "no word"),
        (
            lambda: Word2vec(COUNTS, Word2vecSettings()).train(np.array([1, 99]), 0, epochs=1),
            ArgumentError,
            "another vocabulary",
        ),
        (lambda: Word2vec(COUNTS, Word2vecSettings()).train(np.array([0.5]), 0, epochs=1), ArgumentError, "whole numbers"),
        # Beyond the last epoch the rate would go on falling, below 0.
        (lambda: Word2vec(COUNTS, Word2vecSettings()).train(np.array([1, 2]), 3, epochs=3), ArgumentError, "epoch 0 to 2"),
        (
            lambda: Word2vec(COUNTS, Word2vecSettings()).train(np.array([1, 2]), 0, epochs=1, learning_rate=-0.1),
            ArgumentError,
            "-0.1",
        ),
        (lambda: Word2vec(COUNTS, Word2vecSettings(), boundary=0).loss(np.array([1, 0, 2])), DataError, "too short.*subsample"),
        (
            lambda: Word2vec(COUNTS, Word2vecSettings()).load(np.zeros((2, 2)), np.zeros((2, 2))),
            ArgumentError,
            "another training",
        ),
    ],
)
def test_mistakes_are_told(make: Callable[[], object], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        make()
