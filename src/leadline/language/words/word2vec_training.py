"""word2vec: vectors of words by which a network of two matrices foretells the words around each word.

V words, D features, N words of text.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from leadline.errors import ArgumentError, DataError, TrainingError
from leadline.language.words.huffman import code_tree
from leadline.language.words.word2vec_sampling import keep_chances, unigram_table
from leadline.language.words.word2vec_settings import Word2vecSettings, falling_rate

if TYPE_CHECKING:
    from leadline.language.words.word2vec_rows import Matrices

_STRETCH = 50_000  # words that a thread takes at a time
_COPIED = 32  # rows of which each of several threads has copies
_MARGIN = 64  # words on each side of a stretch for each word of a window, so that enough of them are read
_LOOK = 0.1  # seconds between two looks at how far the threads are
_LINE = 64  # bytes of a cache line
_EPOCHS_APART = 1_000_003


class EpochOfWords(NamedTuple):
    """What an epoch was: `words` of the text without the ends of sentences, those of them that were `read`, and its `seconds`.

    Example:
        >>> EpochOfWords(1_000_000, 700_000, 2.0).rate
        500000.0
    """

    words: int
    read: int
    seconds: float

    @property
    def rate(self) -> float:
        """Words of the text in a second."""
        return self.words / max(self.seconds, 1e-9)


class Word2vec:
    """Two matrices, trained in place: v_c of a word as context, u_k of a target.

    Negative sampling takes for each word w and word c around it a step down −log σ(v_c · u_w) − Σ_n log σ(−v_c · u_n), with n
    drawn by count^0.75; hierarchical softmax one down −Σ log σ(± v_c · u_k) over the nodes k of the path to w. CBOW has the
    mean of all v_c of a window in the place of v_c. Negative samples are drawn once for all words around w; in CBOW, once for
    four words in a row, whose steps are taken together.

    With one thread the same seed gives the same matrices to the bit. More threads write to the same rows without locks: what
    one of them loses now and then is little beside what both learn. Of the 32 commonest words, or the nodes next to the root,
    each has copies, and adds up what they have learned every 64 words.

    Shapes: counts [V]; a text [N] of whole numbers below V; `vectors` [V, D].

    Args:
        counts: how often each word comes; words with 0 are passed over wherever they stand.
        settings: how.
        boundary: a number that ends a sentence: no window reaches across it; −1 for none.
        seed: of first weights and draws.

    Errors: `DataError` where fewer than two words were seen; `ArgumentError` for a boundary that is no word.

    Example:
        >>> text = np.array([1, 2, 0, 3, 4, 0] * 300)
        >>> model = Word2vec(np.array([0, 300, 300, 300, 300]), Word2vecSettings(width=8, subsample=0), boundary=0)
        >>> before = model.loss(text)
        >>> for epoch in range(3):
        ...     _ = model.train(text, epoch, epochs=3, learning_rate=0.1)
        >>> model.vectors.shape, model.loss(text) < before
        ((5, 8), True)

    Source: Mikolov et al. (2013), Efficient estimation of word representations in vector space, and Distributed representations
    of words and phrases and their compositionality; shared negative samples: Ji et al. (2016), Parallelizing word2vec in shared
    and distributed memory.
    """

    def __init__(self, counts: NDArray[Any], settings: Word2vecSettings, *, boundary: int = -1, seed: int = 0) -> None:
        table = np.array(counts, np.int64)
        if not -1 <= boundary < len(table):
            raise ArgumentError("The boundary is no word", expected=f"0 to {len(table) - 1}, or -1 for none", got=boundary)
        if boundary >= 0:
            table[boundary] = 0
        if (seen := int((table > 0).sum())) < 2:
            raise DataError(
                "There is nothing to learn of words: a word is known by the words beside it",
                expected="at least two different words",
                got=f"{seen}",
                do="Give a longer text, or count rarer words (--set data.min_count=1).",
            )
        self.settings, self.boundary, self.seed, self.counts = settings, boundary, seed, table
        self._padded = -(-settings.width // 8) * 8
        tree = code_tree(table) if settings.targets == "hierarchical_softmax" else None
        self.rows = len(table) if tree is None else seen - 1
        # Behind the rows of all is room for the copies of each thread.
        self._copied, self._seats = min(_COPIED, self.rows), usable_threads()
        more = self._copied * self._seats
        self._inputs, self._outputs = (_zeros((rows + more) * self._padded) for rows in (len(table), self.rows))
        first = np.random.default_rng(seed).random((len(table), settings.width), np.float32)
        # Twice as wide as in the authors' program: after two epochs of 400,000 words the loss was lower in every kind and seed.
        self.vectors[:] = np.where((table > 0)[:, None], (2 * first - 1) / settings.width, 0)
        nothing = np.zeros(0, np.int32)
        self._sampling = (
            keep_chances(table, settings.subsample),
            unigram_table(table, seed=seed) if tree is None else nothing,
            np.zeros(len(table) + 1, np.int64) if tree is None else tree.starts,
            nothing if tree is None else tree.nodes,
            np.zeros(0, np.float32) if tree is None else tree.branches,
        )

    @property
    def vectors(self) -> NDArray[np.float32]:
        """The vectors of words as context, [V, D]: what word vectors usually are. What is written there is trained on."""
        return self._inputs.reshape(-1, self._padded)[: len(self.counts), : self.settings.width]

    @property
    def targets(self) -> NDArray[np.float32]:
        """The vectors of targets: of words [V, D], or of the nodes of the tree, one fewer than words were seen."""
        return self._outputs.reshape(-1, self._padded)[: self.rows, : self.settings.width]

    def train(
        self,
        text: NDArray[Any],
        epoch: int,
        *,
        epochs: int,
        learning_rate: float = 0.0,
        threads: int = 1,
        told: Callable[[int], None] | None = None,
        stopped: Callable[[], bool] | None = None,
    ) -> EpochOfWords | None:
        """Go through the text once; None where it was stopped on the way.

        The rate falls on a straight line over all epochs to 1/250 of the first, by the place in the text alone.

        Args:
            text: numbers of words [N]; it may be memory-mapped, and is then read stretch by stretch.
            epoch: its number, from 0.
            epochs: how many there are.
            learning_rate: at the very first word; the usual one when 0.
            threads: at a time.
            told: how far into the text this epoch is, a few times a second.
            stopped: whether to stop, asked as often.

        Errors: `ArgumentError` for an epoch that is none of them, a learning rate below 0, or numbers that are no words of this
        vocabulary; `TrainingError` where the vectors are no longer numbers.
        """
        from leadline.language.words.word2vec_draws import Reading, Sampling
        from leadline.language.words.word2vec_stretches import train_stretch

        if not 0 <= epoch < epochs or not 0 <= learning_rate < np.inf:
            raise ArgumentError(
                "This is no epoch of the training",
                expected=f"epoch 0 to {epochs - 1}, and a learning rate from 0",
                got=f"epoch {epoch}, and {learning_rate:g}",
            )
        first, total = learning_rate or self.settings.usual_rate, len(text)
        workers = max(1, min(threads, -(-total // _STRETCH)))
        seats = iter(range(workers))
        sampling, reading = Sampling(*self._sampling), Reading(*self._reading(epoch + 1))
        begins, lock, halt = iter(range(0, total, _STRETCH)), threading.Lock(), threading.Event()
        margin, done = _MARGIN * self.settings.window, [0, 0, 0]

        def rate(place: int) -> float:
            return falling_rate(first, (epoch + place / total) / epochs)

        def work() -> None:
            with lock:
                matrices = self._matrices(next(seats), workers)
            while not halt.is_set():
                with lock:
                    begin = next(begins, None)
                if begin is None:
                    return
                end, place = min(begin + _STRETCH, total), max(0, begin - margin)
                ids = self._checked(text[place : end + margin])
                read = train_stretch(
                    ids, place, begin - place, end - place, matrices, sampling, reading, (rate(begin), rate(end))
                )
                words = int(np.count_nonzero(ids[begin - place : end - place] != self.boundary))
                with lock:
                    done[:] = done[0] + end - begin, done[1] + words, done[2] + read

        began = time.perf_counter()
        with ThreadPoolExecutor(workers) as pool:
            jobs = [pool.submit(work) for _ in range(workers)]
            try:
                while wait(jobs, timeout=_LOOK).not_done:
                    if told is not None:
                        told(done[0])
                    failed = any(job.done() and job.exception() for job in jobs)
                    if failed or (stopped is not None and stopped()):
                        halt.set()
            finally:
                halt.set()
        for job in jobs:
            job.result()
        if done[0] < total:
            return None
        if not (np.isfinite(self._inputs).all() and np.isfinite(self._outputs).all()):
            raise TrainingError(
                "The vectors of words are no longer numbers",
                got=f"in epoch {epoch + 1}",
                do="Take a tenth of the learning rate.",
            )
        if told is not None:
            told(total)
        return EpochOfWords(done[1], done[2], time.perf_counter() - began)

    def loss(self, text: NDArray[Any]) -> float:
        """The mean loss over the contexts of a text (CBOW: over its words), always with the same draws.

        What is drawn does not depend on the vectors: a text of which a loss can be told before training has one afterwards.

        Args:
            text: numbers of words, not too many: it is gone through by one thread.

        Errors: `DataError` where no two words that are read stand together.
        """
        from leadline.language.words.word2vec_draws import Reading, Sampling
        from leadline.language.words.word2vec_stretches import stretch_loss

        matrices = self._matrices(0, 1)
        ids = self._checked(np.asarray(text))
        total, count = stretch_loss(ids, 0, matrices, Sampling(*self._sampling), Reading(*self._reading(0)))
        if not count:
            also = " Or pass over no word: --set model.subsample=0." if self.settings.subsample else ""
            raise DataError(
                f"A text of {len(text):,} words is too short, or has too few words in a line, to judge vectors by",
                expected="two words that come often enough and stand together",
                do=f"Give a longer text, one sentence or paragraph a line.{also}",
            )
        return float(total / count)

    def load(self, vectors: NDArray[Any], targets: NDArray[Any]) -> None:
        """Take the matrices of another training, to go on from its last epoch.

        Errors: `ArgumentError` for other shapes.
        """
        if vectors.shape != self.vectors.shape or targets.shape != self.targets.shape:
            raise ArgumentError(
                "The matrices are of another training",
                expected=(self.vectors.shape, self.targets.shape),
                got=(vectors.shape, targets.shape),
            )
        self.vectors[:], self.targets[:] = vectors, targets

    def _matrices(self, seat: int, workers: int) -> Matrices:
        """What one thread of several sees; more of them than there are processors have no copies."""
        from leadline.language.words.word2vec_rows import Matrices

        copied = self._copied if 1 < workers <= self._seats else 0
        # Words come by falling counts, and so do the inner nodes of a Huffman tree from its last one, the root, on.
        first = self.rows - copied if self.settings.targets == "hierarchical_softmax" else 0
        copies = (rows + seat * copied for rows in (len(self.counts), self.rows))
        return Matrices(self._inputs, self._outputs, self._padded, copied, first, *copies)

    def _reading(self, epoch: int) -> tuple[int, int, int, bool, int]:
        settings = self.settings
        seed = self.seed * _EPOCHS_APART + epoch
        return self.boundary, settings.window, settings.negatives, settings.method == "skip_gram", seed

    def _checked(self, ids: NDArray[Any]) -> NDArray[np.int32]:
        """A stretch as the kernels take it: a number without a row would write anywhere."""
        if ids.ndim != 1 or ids.dtype.kind not in "iu":
            raise ArgumentError("The text is no list of words", expected="whole numbers [N]", got=(ids.dtype, ids.shape))
        if ids.size and (int(ids.min()) < min(0, self.boundary) or int(ids.max()) >= len(self.counts)):
            raise ArgumentError(
                "The text has words of another vocabulary",
                expected=f"0 to {len(self.counts) - 1}",
                got=f"{ids.min()} to {ids.max()}",
            )
        # Always a copy: of numbers that may only be read numba compiles everything once more, in the middle of the first epoch.
        return np.array(ids, np.int32)


def compile_word2vec() -> float:
    """Compile what trains words, or load what was compiled before; how many seconds that took.

    Example:
        >>> compile_word2vec() < 300
        True
    """
    began = time.perf_counter()
    text = np.array([0, 1, 2, 1, 0])
    model = Word2vec(np.array([2, 2, 1]), Word2vecSettings(width=8, subsample=0))
    model.train(text, 0, epochs=1)
    model.loss(text)
    return time.perf_counter() - began


def usable_threads() -> int:
    """How many threads this process may use.

    Example:
        >>> usable_threads() >= 1
        True
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _zeros(count: int) -> NDArray[np.float32]:
    """Zeros that begin with a cache line, so that no eight numbers lie in two."""
    raw = np.zeros(count + _LINE // 4, np.float32)
    skipped = -raw.ctypes.data % _LINE // 4
    return raw[skipped : skipped + count]
