"""Look-alikes: rows of features nearest to a query, and groups of rows that hang together."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from leadline.errors import ArgumentError

_SLACK = 1.6e-3  # twice what half precision of query (2⁻¹¹) and result (2⁻¹²) can change: no true neighbour is passed over
_MORE = 64  # rows beyond those asked for whose exact cosines are looked at; four times as many where that is not enough
_PAIRS = 512  # compared at a time
_BATCH = 1 << 26  # numbers of a part of the features in full precision


def unit_rows(features: Any, *, dtype: torch.dtype = torch.float16) -> Tensor:
    """Rows of length 1, x / ‖x‖, so that a dot product of two is their cosine; rows of zeros stay zeros.

    Shapes: [N, D] → [N, D].

    Args:
        features: finite numbers.
        dtype: half precision is enough for an index and takes half the time to search.

    Errors: `ArgumentError` for what is no matrix of finite numbers.

    Example:
        >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]]))
        tensor([[0.6001, 0.7998], [0.0000, 0.0000]], dtype=torch.float16)
    """
    values = _tensor_of(features)
    if values.ndim != 2 or not bool(torch.isfinite(values).all()):
        got = f"shape {tuple(values.shape)}" if values.ndim != 2 else "NaN or infinity"
        raise ArgumentError("The features are not a matrix of finite numbers", expected="[N, D]", got=got)
    return F.normalize(values.double(), dim=1).to(dtype)


def nearest_by_features(features: Any, queries: Any, count: int = 12) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The rows of `features` with the largest cosine to each query, and these cosines, both falling.

    cos(x, q) = x·q / (‖x‖‖q‖). Every row is compared, in one product of the matrix with the query. A product in half precision
    is followed by exact cosines of all rows that could still be among the nearest.

    Shapes: features [N, D], queries [Q, D] or [D] → rows [Q, count] and cosines [Q, count], or [count] each.

    Args:
        features: rows of length 1, as `unit_rows` makes them; may be memory-mapped.
        queries: of any length.
        count: how many of each; all rows when there are fewer.

    Errors: `ArgumentError` where the widths differ, or there are no rows.

    Example:
        >>> rows, cosines = nearest_by_features(unit_rows(np.eye(3)), np.array([0.0, 0.8, 0.6]), count=2)
        >>> rows, cosines.round(3)
        (array([1, 2]), array([0.8, 0.6], dtype=float32))
    """
    among, asked = _tensor_of(features), _tensor_of(queries)
    if among.ndim != 2 or not len(among) or asked.ndim not in (1, 2) or among.shape[1] != asked.shape[-1]:
        raise ArgumentError(
            "The queries do not fit the features",
            expected="rows [N, D] with N ≥ 1, and queries [Q, D] or [D]",
            got=f"{tuple(among.shape)} and {tuple(asked.shape)}",
        )
    single, asked = asked.ndim == 1, asked.reshape(-1, among.shape[1])
    if count < 1:
        raise ArgumentError("There is nothing to look for", expected="a count of at least 1", got=count)
    asked = unit_rows(asked, dtype=torch.float32)
    count = min(count, len(among))
    few = len(asked) <= 4 and among.dtype == torch.float16
    found = [_nearest_one(among, each, count) for each in asked] if few else _nearest_many(among, asked, count)
    rows = torch.stack([row for row, _ in found]) if found else torch.zeros(0, count, dtype=torch.int64)
    cosines = torch.stack([cosine for _, cosine in found]) if found else torch.zeros(0, count)
    return (rows[0].numpy(), cosines[0].numpy()) if single else (rows.numpy(), cosines.numpy())


class PairCosines(NamedTuple):
    """How alike pairs of rows are that have nothing to do with each other: the cosine that half of them reach, and the ones
    between which eight of ten lie.

    Example:
        >>> PairCosines(0.4, 0.2, 0.7).median
        0.4
    """

    median: float
    low: float
    high: float


def pair_cosines(features: Any, *, pairs: int = 5000, seed: int = 0) -> PairCosines | None:
    """The cosines of pairs of rows drawn at random: what a search must rise above to have found something.

    Features that are never negative, as behind a ReLU, have high cosines even for pictures of different things, so a cosine
    says little until it is held against these.

    Shapes: [N, D] → median, 10 % and 90 % quantile of cos(x, y) over pairs of different rows; None for fewer than three rows.

    Args:
        features: rows of length 1, as `unit_rows` makes them; may be memory-mapped.
        pairs: how many at most; where there are no more in all, each is taken once.
        seed: of the draw.

    Errors: `ArgumentError` for what is no matrix, or fewer than 1 pair.

    Example:
        >>> pair_cosines(unit_rows(np.eye(4)))
        PairCosines(median=0.0, low=0.0, high=0.0)
    """
    among = _tensor_of(features)
    if among.ndim != 2 or pairs < 1:
        raise ArgumentError("There are no pairs of rows", expected="[N, D] and at least 1 pair", got=tuple(among.shape))
    count = len(among)
    if count < 3:
        return None
    if count * (count - 1) // 2 <= pairs:
        one, other = (torch.from_numpy(each) for each in np.triu_indices(count, 1))
    else:
        random = np.random.default_rng(seed)
        first = random.integers(count, size=pairs)
        # A second one among the others, each as likely.
        second = (first + random.integers(1, count, size=pairs)) % count
        one, other = torch.from_numpy(first), torch.from_numpy(second)
    # A part at a time: rows may be as wide as a map.
    parts = [slice(start, start + _PAIRS) for start in range(0, len(one), _PAIRS)]
    cosines = torch.cat([(among[one[part]].float() * among[other[part]].float()).sum(dim=1) for part in parts]).clamp(-1, 1)
    low, median, high = torch.quantile(cosines, torch.tensor([0.1, 0.5, 0.9])).tolist()
    return PairCosines(median, low, high)


def _tensor_of(values: Any) -> Tensor:
    """A tensor over the same memory; nothing here writes to it, so a read-only map of a file will do."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.as_tensor(values)


def _nearest_one(among: Tensor, query: Tensor, count: int) -> tuple[Tensor, Tensor]:
    rough = among @ query.half()
    taken = min(len(among), count + _MORE)
    values, likely = rough.topk(taken)
    while taken < len(among) and float(values[-1]) >= float(values[count - 1]) - _SLACK:
        taken = min(len(among), 4 * taken)
        values, likely = rough.topk(taken)
    # Without a matrix product: waking the other threads for so little takes longer.
    cosines = torch.from_numpy(np.einsum("nd,d->n", among[likely].numpy().astype(np.float32), query.numpy()).clip(-1, 1))
    at = cosines.argsort(descending=True, stable=True)[:count]
    return likely[at], cosines[at]


def _nearest_many(among: Tensor, queries: Tensor, count: int) -> list[tuple[Tensor, Tensor]]:
    """A part of the features at a time, for all queries at once."""
    step = max(count, _BATCH // among.shape[1])
    rows, cosines = torch.zeros(len(queries), 0, dtype=torch.int64), torch.zeros(len(queries), 0)
    for start in range(0, len(among), step):
        product = queries @ among[start : start + step].float().T
        value, at = product.topk(min(count, product.shape[1]), dim=1)
        cosines, rows = torch.cat([cosines, value], 1), torch.cat([rows, at + start], 1)
        cosines, at = cosines.topk(min(count, cosines.shape[1]), dim=1)
        rows = rows.gather(1, at)
    return list(zip(rows, cosines.clamp(-1, 1), strict=True))


def joined_groups(pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Numbers that hang together through pairs, each group rising, the largest group first.

    Example:
        >>> joined_groups([(4, 1), (2, 3), (1, 7)])
        [[1, 4, 7], [2, 3]]
    """
    above: dict[int, int] = {}

    def top(number: int) -> int:
        while (over := above.setdefault(number, number)) != number:
            above[number] = number = above[over]  # shorten the way for the next one who asks
        return number

    for one, other in pairs:
        first, second = sorted((top(one), top(other)))
        above[second] = first
    groups: dict[int, list[int]] = {}
    for number in sorted(above):
        groups.setdefault(top(number), []).append(number)
    return sorted(groups.values(), key=lambda group: (-len(group), group[0]))
