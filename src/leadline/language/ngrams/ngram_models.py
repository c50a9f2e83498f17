"""N-gram models: the probability of a word after the few before it, read off tables of n-grams and of back-off weights.

N tokens, V words, G n-grams of one length, n the order.
"""

from __future__ import annotations

import functools
import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from leadline.errors import ArgumentError
from leadline.language.ngrams.ngram_kernels import Slots, depths_in_rows, depths_in_text, hashed_slots, level_kernel
from leadline.language.ngrams.ngram_matching import matched_lengths
from leadline.language.ngrams.ngram_storage import MEMORY
from leadline.text.vocabularies import PADDING

_SLICE = 1 << 18  # tokens that are looked up at a time
_OFTEN = 2_000  # single questions at least after which they are prepared for
_PASTS_A_QUESTION = 64  # to find where the n-grams of so many pasts begin takes the time that it saves each question after
_MANY = 1_500_000  # tokens in all from which it pays to compile the look-up, or to fetch what was compiled before
_GRAMS_A_TOKEN = 16  # more n-grams than these for each token take longer to be given their slots than the tokens to be found
_BYTES_A_GRAM = 16  # of slots at most
_LEAST = -20.0  # log of a weight, as a sign: Katz has none where every word came, and signs are finite
_BYTES_A_PAST = 8  # of where its n-grams begin, at most


class ModelLevel(NamedTuple):
    """The n-grams of one length: their codes in order (see `CountedLevel`), log p of the last word, and the log of the weight
    with which a word that never came after all of it has its probability after all but the first; none for the longest.

    Example:
        >>> ModelLevel(np.arange(3), np.zeros(3, np.float32), np.zeros(3, np.float32)).codes.tolist()
        [0, 1, 2]
    """

    codes: NDArray[np.int64]
    log_p: NDArray[np.float32]
    back_off: NDArray[np.float32]


class _Table(NamedTuple):
    """A level as single questions read it, from buffers: Python gets a number from one in half the time that an array takes.

    `starts` are where the n-grams of each past begin, of one word less, and where the last end; None as long as nobody asked
    often. `back_off` are the weights of these pasts.
    """

    codes: memoryview
    starts: memoryview | None
    log_p: memoryview
    back_off: memoryview


class NGramModel:
    """A model of order n over V words, and a `language.Foretelling`, so that it can be mixed with a network.

    log p(w | h) is that of the n-gram hw where the model has it, else log p(w | h without its first word) + back-off(h), the
    latter 0 where the model does not have h. Without `backs_off`, as with add-k, it is −log(V − 1) + back-off(h) in that
    case, for the longest h there can be. A sentence knows nothing of the one before.

    Args:
        levels: n of them, single words first: of these all V are there, padding with a log p of −∞.
        vocabulary: V.
        boundary: the token that ends a sentence, and stands for its beginning before its first word; None for a text that is
            one.
        backs_off: whether what never came is foretold by a shorter past.

    Shapes: ids [N].

    Errors: `ArgumentError` for levels that do not fit the vocabulary.

    Example:
        >>> import leadline.language as language
        >>> model = language.fit_ngrams(np.array([3, 4, 2, 3, 4, 2, 3, 3, 2]), 5, order=2, boundary=2).model
        >>> p = np.exp(model.log_probabilities(np.array([3])))
        >>> round(float(p.sum()), 6), int(p.argmax()), round(float(np.exp(model.query(4, [3]))), 6) == round(float(p[4]), 6)
        (1.0, 4, True)
    """

    def __init__(
        self, levels: Sequence[ModelLevel], vocabulary: int, *, boundary: int | None = None, backs_off: bool = True
    ) -> None:
        # As plain arrays, whether they are mapped or not: compiled code wants these, and single questions are faster.
        self.levels = tuple(ModelLevel(*map(np.asarray, level)) for level in levels)
        self.vocabulary, self.boundary, self.backs_off = vocabulary, boundary, backs_off
        lengths = [len(level.codes) for level in self.levels]
        if not lengths or lengths[0] != vocabulary or any(len(level.log_p) != len(level.codes) for level in self.levels):
            raise ArgumentError(
                "The levels of an n-gram model do not fit",
                expected=f"at least one, the first with {vocabulary} words",
                got=lengths,
            )
        self._uniform = -math.log(max(1, vocabulary - 1))
        self._slots: list[Slots] = []  # for the compiled look-up, once there is one
        self._log_p = self.levels[0].log_p.data
        self._tables = [
            _Table(level.codes.data, None, level.log_p.data, below.back_off.data)
            for below, level in zip(self.levels, self.levels[1:], strict=False)
        ]
        self._asked = self._looked_up = 0
        self._often = max(_OFTEN, sum(lengths[:-1]) // _PASTS_A_QUESTION)

    def __reduce__(self) -> tuple[Any, ...]:
        """For a copy, which makes the buffers anew."""
        return functools.partial(NGramModel, boundary=self.boundary, backs_off=self.backs_off), (self.levels, self.vocabulary)

    @property
    def order(self) -> int:
        """n."""
        return len(self.levels)

    @property
    def sizes(self) -> list[int]:
        """How many n-grams there are of each length; of single words those that can come."""
        return [int(np.isfinite(self.levels[0].log_p).sum()), *(len(level.codes) for level in self.levels[1:])]

    def surprises(self, ids: NDArray[Any]) -> NDArray[np.float64]:
        """−log p of each token [N] of a text, given those before it, in nats: [N].

        Args:
            ids: of a text, of any length; may be memory-mapped.

        Example:
            >>> import leadline.language as language
            >>> model = language.fit_ngrams(np.array([2, 3, 2, 3, 3]), 4, order=3).model
            >>> model.surprises(np.array([3, 2])).round(2).tolist()
            [0.46, 0.92]
        """
        return self.looked_up(ids)[0]

    def signs(self, ids: NDArray[Any]) -> NDArray[np.float32]:
        """Of each past of 1 … n − 1 words of each token, whether the model has it, and its log back-off: [N, 2 (n − 1)]."""
        self._check(ids)
        read = np.asarray(ids).astype(np.int64)
        signs = np.zeros((len(read), self.order - 1, 2), np.float32)
        depths = depths_in_text(read, self.order, self.boundary, begins=True)
        for matched in matched_lengths([level.codes for level in self.levels], self.vocabulary, read, depths, self.boundary):
            shorter = matched.length - 2
            signs[matched.at, shorter, 0] = 1
            signs[matched.at, shorter, 1] = np.maximum(self.levels[shorter].back_off[matched.pasts], _LEAST)
        return signs.reshape(len(read), -1)

    def looked_up(self, ids: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.int16]]:
        """The surprise at each token, and the length of the longest n-gram that ends there and that the model has: [N], [N].

        Args:
            ids: of a text.

        Example:
            >>> import leadline.language as language
            >>> model = language.fit_ngrams(np.array([2, 3, 2, 3, 3]), 4, order=3).model
            >>> model.looked_up(np.array([2, 3, 2, 2]))[1].tolist()
            [1, 2, 3, 1]
        """
        if np.ndim(ids) != 1:
            raise ArgumentError("A text is one row of token numbers", expected="[N]", got=np.shape(ids))
        self._check(ids)
        found, lengths = np.empty(len(ids)), np.empty(len(ids), np.int16)

        def look_up(start: int) -> None:
            # The tokens before a slice are read again, for what they say of those in it.
            first = max(0, start - self.order + 1)
            stop = min(start + _SLICE, len(ids))
            read = np.asarray(ids[first:stop]).astype(np.int64)
            log_p, matched = self._look_up(read, depths_in_text(read, self.order, self.boundary, begins=first == 0))
            found[start:stop], lengths[start:stop] = -log_p[start - first :], matched[start - first :]

        self._each_slice(look_up, len(ids), _SLICE)
        return found, lengths

    def query_batch(self, words: NDArray[Any], contexts: NDArray[Any]) -> NDArray[np.float64]:
        """log p of many words, each after some others: [N].

        Args:
            words: [N].
            contexts: [N, C], the nearest one last; 0 at the left where there are fewer. The boundary stands for the beginning
                of a sentence.

        Example:
            >>> import leadline.language as language
            >>> model = language.fit_ngrams(np.array([2, 3, 2, 3, 3]), 4, order=3).model
            >>> both = model.query_batch(np.array([3, 3]), np.array([[3, 2], [0, 2]]))
            >>> bool(np.allclose(both, [model.query(3, [3, 2]), model.query(3, [2])]))
            True
        """
        words, contexts = np.asarray(words), np.asarray(contexts)
        if words.ndim != 1 or contexts.ndim != 2 or len(contexts) != len(words):
            raise ArgumentError(
                "The words do not fit their contexts",
                expected="words [N] and contexts [N, C]",
                got=(words.shape, contexts.shape),
            )
        self._check(words)
        if contexts.size:
            self._check(contexts)
        rows = np.concatenate([contexts[:, max(0, contexts.shape[1] - self.order + 1) :], words[:, None]], axis=1)
        rows = rows.astype(np.int64)
        depths = depths_in_rows(rows, self.order, self.boundary)
        found, length = np.empty(len(words)), rows.shape[1]
        step = max(1, _SLICE // length)

        def look_up(start: int) -> None:
            part = slice(start, start + step)
            log_p, _ = self._look_up(rows[part].reshape(-1), depths[part].reshape(-1))
            found[part] = log_p[length - 1 :: length]

        self._each_slice(look_up, len(words), step)
        return found

    def query(self, word: int, context: Sequence[int] = ()) -> float:
        """log p of one word after some others.

        Args:
            word: its number.
            context: the nearest one last; the boundary stands for the beginning of a sentence.

        Example:
            >>> import leadline.language as language
            >>> model = language.fit_ngrams(np.array([2, 3, 2, 3, 3]), 4, order=2).model
            >>> model.query(3, [2]) > model.query(2, [2])
            True
        """
        state: tuple[int, ...] = ()
        for each in list(context)[-(self.order - 1) :] if self.order > 1 else []:
            state = self.step(state, each)[1]
        return self.step(state, word)[0]

    def begin(self) -> tuple[int, ...]:
        """The state at the beginning of a text, for `step`.

        Example:
            >>> import leadline.language as language
            >>> language.fit_ngrams(np.array([3, 2, 3, 2]), 4, order=2, boundary=2).model.begin()
            (2,)
        """
        return () if self.boundary is None or self.order == 1 else (self.boundary,)

    def step(self, state: tuple[int, ...], word: int) -> tuple[float, tuple[int, ...]]:
        """log p of the word that comes next, and the state after it: for one word at a time.

        Args:
            state: of `begin`, or of the step before: which n-grams of 1, 2, … n − 1 words end here, −1 for none.
            word: its number.

        Errors: `ArgumentError` for a number beyond the vocabulary.

        Example:
            >>> import leadline.language as language
            >>> model = language.fit_ngrams(np.array([3, 4, 2, 3, 2]), 5, order=2, boundary=2).model
            >>> log_p, state = model.step(model.begin(), 3)
            >>> state, bool(np.isclose(log_p, model.query(3, [2])))
            ((3,), True)
        """
        vocabulary, backs_off = self.vocabulary, self.backs_off
        if not 0 < word < vocabulary:
            self._check(np.array([word]))
        self._asked += 1
        if self._asked == self._often:
            self._find_starts()
        log_p: float = self._log_p[word]
        grams = [word]
        for context, (codes, starts, log_ps, back_offs) in zip(state, self._tables):  # noqa: B905  (to say it takes time)
            if context < 0:
                grams.append(-1)
                if not backs_off:
                    log_p = self._uniform
                continue
            code = context * vocabulary + word
            if starts is None:
                low, high = 0, len(codes)
            else:
                low, high = starts[context], starts[context + 1]
            at = bisect_left(codes, code, low, high)
            if at < high and codes[at] == code:
                grams.append(at)
                log_p = log_ps[at]
            else:
                grams.append(-1)
                log_p = (log_p if backs_off else self._uniform) + back_offs[context]
        if word == self.boundary:
            return log_p, self.begin()
        del grams[self.order - 1 :]
        return log_p, tuple(grams)

    def log_probabilities(self, context: NDArray[Any]) -> NDArray[np.float64]:
        """log p of each token of the vocabulary after some others, from the beginning of a text on: [V]; padding has −∞.

        Args:
            context: the tokens so far.

        Example:
            >>> import leadline.language as language
            >>> model = language.fit_ngrams(np.array([2, 3, 2, 3, 3]), 4, order=3).model
            >>> np.exp(model.log_probabilities(np.array([2]))).round(2).tolist()
            [0.0, 0.04, 0.15, 0.81]
        """
        read = np.asarray(context)
        self._check(read)
        whole = len(read) < self.order
        state = self.begin() if whole else ()
        for word in read[-(self.order - 1) :].tolist() if self.order > 1 else []:
            state = self.step(state, word)[1]
        log_p = self.levels[0].log_p.astype(np.float64)
        for length, gram in enumerate(state, 1):
            if not self.backs_off:
                log_p = np.full(self.vocabulary, self._uniform)
                log_p[PADDING] = -math.inf
            if gram < 0:
                continue
            log_p += self.levels[length - 1].back_off[gram]
            level, code = self.levels[length], gram * self.vocabulary
            low, high = level.codes.searchsorted([code, code + self.vocabulary])
            log_p[level.codes[low:high] - code] = level.log_p[low:high]
        return log_p

    def _find_starts(self) -> None:
        """Where the n-grams of each past begin, once so many single questions are asked that it pays.

        Few words follow most pasts: a search among them alone takes a tenth of the time of one among all.
        """
        if sum(len(level.codes) + 1 for level in self.levels[:-1]) * _BYTES_A_PAST > MEMORY:
            return
        found = []
        for table, below, level in zip(self._tables, self.levels, self.levels[1:], strict=False):
            starts = np.empty(len(below.codes) + 1, np.int32 if len(level.codes) < 2**31 else np.int64)
            for first in range(0, len(starts), _SLICE):
                pasts = np.arange(first, min(first + _SLICE, len(starts)))
                starts[pasts] = level.codes.searchsorted(pasts * self.vocabulary)
            found.append(table._replace(starts=starts.data))
        self._tables = found  # at once, as other threads may be asking

    def _each_slice(self, look_up: Callable[[int], None], count: int, step: int) -> None:
        """Look a long text up slice by slice, by compiled code where that pays, and then in as many threads as torch has."""
        self._looked_up += count
        if not self._slots and self._compiling_pays(self._looked_up):
            self._slots = [hashed_slots(level.codes) for level in self.levels[1:]]
        threads = min(torch.get_num_threads(), math.ceil(count / step)) if self._slots else 1
        if threads <= 1:
            for start in range(0, count, step):
                look_up(start)
            return
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(look_up, range(0, count, step)))

    def _compiling_pays(self, count: int) -> bool:
        grams = sum(len(level.codes) for level in self.levels[1:])
        return self.order > 1 and count >= max(_MANY, grams // _GRAMS_A_TOKEN) and grams * _BYTES_A_GRAM <= MEMORY

    def _look_up(self, read: NDArray[np.int64], depths: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int16]]:
        """log p of each token, and the length of the longest n-gram that ends there, if it may know of so many before it."""
        log_p = self.levels[0].log_p[read].astype(np.float64)
        matched = np.ones(len(read), np.int16)
        if self._slots:
            self._look_up_compiled(read, depths, log_p, matched)
            return log_p, matched
        codes = [level.codes for level in self.levels]
        for length, asked, at, pasts, found, places in matched_lengths(codes, self.vocabulary, read, depths, self.boundary):
            there = at[found]
            if not self.backs_off:
                log_p[asked] = self._uniform
            log_p[at] += self.levels[length - 2].back_off[pasts]
            log_p[there] = self.levels[length - 1].log_p[places[found]]
            matched[there] = length
        return log_p, matched

    def _look_up_compiled(
        self,
        read: NDArray[np.int64],
        depths: NDArray[np.int64],
        log_p: NDArray[np.float64],
        matched: NDArray[np.int16],
    ) -> None:
        """The same in compiled code, which gives the same to the bit."""
        kernel, grams = level_kernel(), read.copy()
        alone = math.nan if self.backs_off else self._uniform
        for length in range(2, self.order + 1):
            level, below = self.levels[length - 1], self.levels[length - 2]
            before = self.boundary if length == 2 and self.boundary is not None else -1
            tables = (level.codes, *self._slots[length - 2], level.log_p, below.back_off)
            kernel(grams, read, depths, before, length, self.vocabulary, *tables, log_p, matched, alone)

    def _check(self, ids: NDArray[Any]) -> None:
        ids = np.asarray(ids)
        if ids.size and ids.dtype.kind not in "iu":
            raise ArgumentError("An n-gram model is asked for token numbers", expected="whole numbers", got=str(ids.dtype))
        if ids.size and not (int(np.min(ids)) >= 0 and int(np.max(ids)) < self.vocabulary):
            raise ArgumentError(
                "These are numbers of another vocabulary",
                expected=f"0 to {self.vocabulary - 1}",
                got=f"{np.min(ids)} to {np.max(ids)}",
            )
