"""Hashed n-grams: the same n-gram gets the same bucket wherever it stands, and buckets are used evenly."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from leadline.errors import ArgumentError
from leadline.layers.ngrams import hashed_ngrams, repeats

TEXTS = st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=9), min_size=1, max_size=4)


def padded(rows: list[list[int]], more: int = 0) -> torch.Tensor:
    longest = max(map(len, rows)) + more
    return torch.tensor([row + [0] * (longest - len(row)) for row in rows])


@given(TEXTS, st.integers(1, 4), st.integers(0, 3))
def test_rows_have_the_features_of_their_ngrams_and_nothing_else(rows: list[list[int]], order: int, more: int) -> None:
    features = hashed_ngrams(padded(rows, more), order, first=10, buckets=2**40)
    names: dict[int, tuple[int, ...]] = {}
    for row, found in zip(rows, features.tolist(), strict=True):
        right = Counter(tuple(row[at : at + n]) for n in range(1, order + 1) for at in range(len(row) - n + 1))
        given_back = Counter(each for each in found if each)
        assert sorted(given_back.values()) == sorted(right.values())
        alone = [each for each in hashed_ngrams(torch.tensor([row]), order, first=10, buckets=2**40)[0].tolist() if each]
        assert Counter(alone) == given_back
        for n in range(1, order + 1):
            for at in range(len(row) - n + 1):
                gram = tuple(row[at : at + n])
                own = hashed_ngrams(torch.tensor([gram]), n, first=10, buckets=2**40)[0, -1].item()
                assert names.setdefault(int(own), gram) == gram


def test_buckets_are_used_evenly() -> None:
    pairs = torch.cartesian_prod(torch.arange(1, 301), torch.arange(1, 301))
    buckets = hashed_ngrams(pairs, 2, first=1000, buckets=1024)[:, 2] - 1000
    counts = torch.bincount(buckets, minlength=1024).double()
    expected = len(pairs) / 1024
    assert int(buckets.min()) >= 0
    assert len(counts) == 1024
    assert float(((counts - expected) ** 2 / expected).sum()) < 1023 + 5 * (2 * 1023) ** 0.5


@given(TEXTS)
def test_repeats_are_counts(rows: list[list[int]]) -> None:
    ids = padded(rows)
    assert repeats(ids).tolist() == [[row.count(each) for each in row] for row in ids.tolist()]


@pytest.mark.parametrize(
    ("ids", "order", "buckets"), [(torch.zeros(2, 3), 2, 8), (torch.ones(2, 3).long(), 0, 8), (torch.ones(2, 3).long(), 2, 12)]
)
def test_what_cannot_be_hashed_is_refused(ids: torch.Tensor, order: int, buckets: int) -> None:
    with pytest.raises(ArgumentError):
        hashed_ngrams(ids, order, first=10, buckets=buckets)
