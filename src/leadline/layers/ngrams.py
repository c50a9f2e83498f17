"""Word n-grams as numbers of buckets, and how often each feature stands in its row.

B batch, T tokens, n the longest n-gram, L = n·T − n(n−1)/2 features a row at most.
"""

from __future__ import annotations

import torch
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.layers.arguments import refuse

_MIX = (-7046029254386353131, -4265267296055464877)  # odd 64-bit numbers without a pattern; their products overflow on purpose
_WORD = 64  # bits


def hashed_ngrams(ids: Tensor, order: int, *, first: int, buckets: int) -> Tensor:
    """The tokens of each row and, behind them, the buckets of its n-grams of 2 … `order` tokens.

    The bucket of (t₁ … t_k) is first + the upper bits of h_k with h_j = (h_{j−1} ⊕ t_j) · m, so it does not depend on what else
    is in the row or the batch. Two n-grams may share a bucket.

    Shapes: int64 [B, T] → int64 [B, L]; 0 is no feature, as it is no token.

    Args:
        ids: of tokens from 1 on, 0 behind the end of a row.
        order: length of the longest n-gram; 1 gives the tokens alone.
        first: number of the first bucket, above every token.
        buckets: a power of two.

    Errors: `ArgumentError` for ids of another shape or type, an order below 1, or buckets that are no power of two.

    Example:
        >>> hashed_ngrams(torch.tensor([[4, 7, 0]]), 2, first=10, buckets=8)[0, :3].tolist()
        [4, 7, 0]
        >>> one, other = hashed_ngrams(torch.tensor([[4, 7, 0], [7, 4, 7]]), 2, first=10, buckets=1024)[:, 3:]
        >>> bool(one[0] == other[1]), int(one[1])
        (True, 0)

    Source: Weinberger et al. (2009), Feature hashing for large scale multitask learning.
    """
    if ids.ndim != 2 or ids.is_floating_point():
        refuse("hashed_ngrams", ids, "whole numbers of shape [B, T]")
    if order < 1 or buckets < 1 or buckets & (buckets - 1):
        raise ArgumentError(
            "The n-grams cannot be hashed", expected="an order ≥ 1 and a power of two of buckets", got=(order, buckets)
        )
    parts, state = [ids], ids * _MIX[0]
    shift = _WORD - max(1, buckets.bit_length() - 1)
    for length in range(2, order + 1):
        if ids.shape[1] < length:
            break
        state = (state[:, :-1] ^ ids[:, length - 1 :]) * _MIX[length % 2]
        mixed = (state ^ (state >> 29)) * _MIX[0]
        bucket = first + ((mixed >> shift) & (buckets - 1))
        parts.append(bucket.where(ids[:, length - 1 :] != 0, 0))
    return torch.cat(parts, 1)


def repeats(features: Tensor) -> Tensor:
    """How often the feature at each place stands in its row.

    Shapes: int64 [B, L] → int64 [B, L].

    Args:
        features: numbers; 0 is counted like the others.

    Example:
        >>> repeats(torch.tensor([[5, 2, 5, 0]])).tolist()
        [[2, 1, 2, 1]]
    """
    features = features.contiguous()
    ordered = features.sort(1).values
    return torch.searchsorted(ordered, features, right=True) - torch.searchsorted(ordered, features)
