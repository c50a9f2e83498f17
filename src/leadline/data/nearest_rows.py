"""For each row of one array the row of another with the largest dot product: each with each, or in buckets."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_BLOCK = 1024  # rows of a product: its result stays in the cache of a large core
_LEAF = 256  # rows of a bucket
_TOGETHER = 64  # buckets multiplied at a time
_TREES = 8  # a pair that is cut apart in one is together in another


def best_rows(queries: Tensor, among: Tensor, own: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The largest q·a of each query, float [Q], and which row of `among` it is, int64 [Q]; each is compared with each.

    Args:
        queries: [Q, D].
        among: [A, D], at least one row.
        own: for each query the row of `among` that does not count, int64 [Q].

    Example:
        >>> best_rows(torch.eye(2), torch.tensor([[0.0, 1.0], [0.6, 0.8]]))
        (tensor([0.6000, 1.0000]), tensor([1, 0]))
    """
    values, rows = [], []
    for start in range(0, len(queries), _BLOCK):
        product = queries[start : start + _BLOCK] @ among.T
        if own is not None:
            product[torch.arange(len(product)), own[start : start + _BLOCK]] = -math.inf
        value, row = product.max(1)
        values.append(value)
        rows.append(row)
    return torch.cat(values), torch.cat(rows)


def best_in_buckets(queries: Tensor, among: Tensor, own: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """As `best_rows`, but only rows that fall into one bucket with the query are compared, so that a distant best is missed.

    Each of 8 trees cuts all rows again and again at the median of a random projection, until a bucket holds about 256 of them.
    Close rows are seldom cut apart by all the trees. A query that met no row at all gets −∞.

    Example:
        >>> among = torch.nn.functional.normalize(torch.randn(2000, 16, generator=torch.Generator().manual_seed(0)), dim=1)
        >>> values, rows = best_in_buckets(among[:50], among)
        >>> bool((rows == torch.arange(50)).all())
        True

    Source: Dasgupta and Freund (2008), Random projection trees and low dimensional manifolds.
    """
    count = len(queries)
    points = torch.cat([queries, among])
    identity = torch.cat([torch.full((count,), -1) if own is None else own, torch.arange(len(among))])
    values, rows = torch.full((count,), -math.inf), torch.zeros(count, dtype=torch.int64)
    generator = torch.Generator().manual_seed(0)
    for _ in range(_TREES):
        buckets = _buckets(points, count, generator)
        for start in range(0, len(buckets), _TOGETHER):
            bucket = buckets[start : start + _TOGETHER]
            members = points[bucket]  # L buckets, M members, D
            product = members @ members.mT
            product.masked_fill_((bucket < count)[:, None, :], -math.inf)  # only rows of `among` are answers
            if own is not None:
                product.masked_fill_(identity[bucket][:, :, None] == identity[bucket][:, None, :], -math.inf)
            value, at = product.max(2)
            asked = bucket < count
            query, value, row = bucket[asked], value[asked], bucket.gather(1, at)[asked] - count
            better = value > values[query]
            values[query[better]], rows[query[better]] = value[better], row[better]
    return values, rows


def _buckets(points: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """All rows in buckets of one size, int64 [L, M]; some rows of `among`, the ones after `count`, stand there twice."""
    levels = max(0, math.ceil(math.log2(len(points) / _LEAF)))
    projected = points @ torch.randn(points.shape[1], max(1, levels), generator=generator)
    spare = -len(points) % 2**levels
    again = torch.randint(count, len(points), (spare,), generator=generator)
    order = torch.cat([torch.arange(len(points)), again])[None]
    for level in range(levels):
        order = order.gather(1, projected[order, level].argsort(1)).reshape(2 ** (level + 1), -1)
    return order
