"""Texts as simple methods want them: sparse tf-idf of words and word pairs, or of letters and their neighbors."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from leadline.baselines.problem import Problem
from leadline.data.dataset import Dataset, Split
from leadline.data.ragged import Ragged
from leadline.data.texts.texts import Texts
from leadline.layers.ngrams import hashed_ngrams

_NGRAMS = {"words": 2, "characters": 4}
_TOKENS = 1_000_000  # at a time, on average
_BUCKETS = 2**18
_MOST_ENTRIES = 250_000_000  # of the sparse matrix of the training rows: 2 GB


class TextProblem(Problem):
    """The same with rows of tf-idf [N, features] as sparse matrices, whose idf all training rows have taught.

    They are those of `models.TfidfLinear`, made of all tokens one behind the other rather than of padded rows: 21,000 film
    reviews take seconds, and padded a minute, which was more than there was for all of it.
    """

    def _describe(self, dataset: Dataset) -> None:
        super()._describe(dataset)
        texts = dataset.schema.inputs
        assert isinstance(texts, Texts)
        self._ngrams, self._words = _NGRAMS[texts.unit], len(texts.vocabulary)
        self.on = f" on tf-idf of {texts.unit} and up to {self._ngrams} together"

    def affordable(self, *, one_hot: bool) -> int:
        """As many rows as memory allows: few words of all there are stand in each."""
        assert isinstance(self.train.inputs, Ragged)
        entries = self._ngrams * float(self.train.inputs.lengths.mean())
        return min(len(self.order), max(1, int(_MOST_ENTRIES / max(1.0, entries))))

    def training(self, rows: int) -> tuple[Any, NDArray[np.generic]]:
        """Tf-idf [rows, features] and targets of a random choice of rows, in proportion to the classes; in its order."""
        counts, idf = self._learned
        return _weighted(counts[:rows], idf), self.train.targets[self.order[:rows]]

    @cached_property
    def _learned(self) -> tuple[Any, NDArray[np.float64]]:
        """How often each feature stands in the training rows that can be afforded, in their order, and the idf by all rows."""
        from scipy import sparse

        kept, most = [], self.affordable(one_hot=False)
        having = np.zeros(self._words + _BUCKETS)
        done = 0
        for rows in self._parts(self.train, self.order):
            counts = self._counts(self.train, rows)
            having += np.bincount(counts.indices, minlength=len(having))
            if done < most:
                kept.append(counts[: most - done])
            done += len(rows)
        return sparse.vstack(kept, format="csr"), np.log((1 + done) / (1 + having)) + 1

    def _flat(self, split: Split, rows: NDArray[np.integer] | None = None) -> Any:
        from scipy import sparse

        numbers = np.arange(len(split)) if rows is None else rows
        parts = [_weighted(self._counts(split, part), self._learned[1]) for part in self._parts(split, numbers)]
        width = self._words + _BUCKETS
        return sparse.vstack(parts, format="csr") if parts else sparse.csr_matrix((0, width), dtype=np.float32)

    def _counts(self, split: Split, rows: NDArray[np.integer]) -> Any:
        """How often each feature stands in some rows: a sparse matrix [n, features]."""
        from scipy import sparse

        texts = split.inputs[rows]
        assert isinstance(texts, Ragged)
        tokens = self.prepare(torch.from_numpy(np.ascontiguousarray(texts.values)[None]))
        found = hashed_ngrams(tokens, self._ngrams, first=self._words, buckets=_BUCKETS)[0].numpy()
        line = np.repeat(np.arange(len(texts)), texts.lengths)
        features, lines, start = [], [], 0
        for length in range(1, self._ngrams + 1):
            count = max(0, len(line) - length + 1)
            inside = line[:count] == line[len(line) - count :]  # n-grams that reach into the next text are none
            features.append(found[start : start + count][inside])
            lines.append(line[:count][inside])
            start += count
        places = (np.concatenate(lines), np.concatenate(features))
        shape = (len(texts), self._words + _BUCKETS)
        return sparse.coo_matrix((np.ones(len(places[0]), np.float32), places), shape=shape).tocsr()  # adds what stands twice

    def _parts(self, split: Split, rows: NDArray[np.integer]) -> list[NDArray[np.integer]]:
        assert isinstance(split.inputs, Ragged)
        if not len(rows):
            return []
        step = max(1, int(_TOKENS / max(1.0, float(split.inputs.lengths.mean()))))
        return [rows[start : start + step] for start in range(0, len(rows), step)]


def _weighted(counts: Any, idf: NDArray[np.float64]) -> Any:
    """(1 + ln c) · idf, each row divided by its length."""
    weighted = counts.copy()
    values = (1 + np.log(weighted.data)) * idf[weighted.indices]
    line = np.repeat(np.arange(weighted.shape[0]), np.diff(weighted.indptr))
    norms = np.sqrt(np.bincount(line, weights=values**2, minlength=weighted.shape[0]))
    weighted.data = (values / norms.clip(1e-12)[line]).astype(np.float32)
    return weighted
