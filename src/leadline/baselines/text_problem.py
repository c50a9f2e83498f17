"""Texts as simple methods want them: sparse tf-idf of words and word pairs, or of letters and their neighbors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from leadline.baselines.problem import Problem
from leadline.data.dataset import Dataset, Split
from leadline.data.ragged import Ragged
from leadline.data.texts import Texts
from leadline.models.tfidf_networks import TfidfLinear

_NGRAMS = {"words": 2, "characters": 4}
_ROWS = 256  # at a time
_BUCKETS = 2**18


class TextProblem(Problem):
    """The same with rows of tf-idf [N, features] as sparse matrices, whose idf all training rows have taught."""

    def _describe(self, dataset: Dataset) -> None:
        super()._describe(dataset)
        texts = dataset.schema.inputs
        assert isinstance(texts, Texts)
        ngrams = _NGRAMS[texts.unit]
        self.on = f" on tf-idf of {texts.unit} and up to {ngrams} together"
        self._layer = TfidfLinear(len(texts.vocabulary), 1, ngrams=ngrams, buckets=_BUCKETS)
        self._layer.learn_frequencies(self._ids(dataset.train, rows) for rows in _parts(len(dataset.train)))

    def affordable(self, *, one_hot: bool) -> int:
        """All rows: few words of all there are stand in each."""
        return len(self.order)

    def _flat(self, split: Split, rows: NDArray[np.integer] | None = None) -> Any:
        from scipy import sparse

        numbers = np.arange(len(split)) if rows is None else rows
        parts = []
        for places in _parts(len(numbers)):
            features, values = self._layer.values(self._ids(split, numbers[places]))
            line = torch.arange(len(features))[:, None].expand_as(features)
            entries = (values.flatten().numpy(), (line.flatten().numpy(), features.flatten().numpy()))
            matrix = sparse.coo_matrix(entries, shape=(len(features), len(self._layer.idf))).tocsr()  # adds what stands twice
            matrix.eliminate_zeros()
            parts.append(matrix)
        return sparse.vstack(parts, format="csr") if parts else sparse.csr_matrix((0, len(self._layer.idf)), dtype=np.float32)

    def _ids(self, split: Split, rows: NDArray[np.integer]) -> torch.Tensor:
        assert isinstance(split.inputs, Ragged)
        return self.prepare(torch.from_numpy(split.inputs.padded(0, rows)))


def _parts(rows: int) -> list[NDArray[np.int64]]:
    return [np.arange(start, min(start + _ROWS, rows)) for start in range(0, rows, _ROWS)]
