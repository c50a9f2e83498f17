"""Some training rows as numbers: what a code is measured by, and what machines and decoders begin with."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from leadline.data.dataset import Dataset
from leadline.data.tables.table import Table
from leadline.layers import OneHot

_VALUES = 40_000_000  # of the rows looked at, 160 MB


def prepared_rows(dataset: Dataset, most: int) -> Tensor:
    """Training rows as the network takes them, float32 [N, …] on the CPU; of more than `most`, some drawn at random.

    Args:
        dataset: pictures, rows of numbers or a table.
        most: rows; fewer where they are so large that they would take more than 160 MB.

    Example:
        >>> from leadline import data
        >>> prepared_rows(data.load("digits", task="reconstruct"), 100).shape
        torch.Size([100, 1, 8, 8])
    """
    inputs, count = dataset.schema.inputs, len(dataset.train)
    most = max(2, min(most, _VALUES // max(1, int(np.prod(inputs.shape)))))
    rows = np.arange(count) if count <= most else np.sort(np.random.default_rng(0).permutation(count)[:most])
    stored = np.ascontiguousarray(dataset.train.array[rows])
    return inputs.preparer(torch.device("cpu"))(torch.from_numpy(stored)).float()


def compared_sample(dataset: Dataset, most: int) -> Tensor:
    """The same flattened, each category of a table as a 1 among zeros: float32 [N, V].

    Example:
        >>> from leadline import data
        >>> compared_sample(data.load("iris", task="reconstruct"), 50).shape
        torch.Size([50, 4])
    """
    rows = prepared_rows(dataset, most)
    if isinstance(table := dataset.schema.inputs, Table):
        dense: Tensor = OneHot(table.numbers, table.categories)(rows)
        return dense
    return rows.flatten(1)


def component_shares(rows: Tensor) -> Tensor:
    """The share of the variance of rows that their first principal components have together: float64 [min(N, V)], rising to 1.

    Args:
        rows: [N, V]; eigenvalues are those of the smaller of XᵀX and XXᵀ.

    Example:
        >>> component_shares(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.5], [0.0, -0.5]])).tolist()
        [0.8, 1.0]
    """
    centred = rows.double() - rows.double().mean(dim=0)
    gram = centred.T @ centred if centred.shape[1] <= centred.shape[0] else centred @ centred.T
    parts = torch.linalg.eigvalsh(gram).flip(0).clamp(min=0)
    total = parts.sum()
    return parts.cumsum(0) / total if total > 0 else torch.ones(len(parts), dtype=torch.float64)
