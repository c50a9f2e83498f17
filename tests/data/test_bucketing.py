"""The order of an epoch: every row once, rows of like length together, batches in no order of length."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from leadline.data.bucketing import bucketed_order, padding_share


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def like_reviews(count: int = 6400) -> torch.Tensor:
    """Lengths with the median and the long tail of film reviews."""
    return torch.from_numpy(np.random.default_rng(0).lognormal(5.2, 0.65, count).clip(10, 2500).astype(np.int64))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=80), st.integers(1, 7), st.integers(0, 3))
def test_every_row_comes_once_and_the_seed_decides(lengths: list[int], batch_size: int, seed: int) -> None:
    order = bucketed_order(torch.tensor(lengths), batch_size, generator(seed))
    assert sorted(order.tolist()) == list(range(len(lengths)))
    assert torch.equal(order, bucketed_order(torch.tensor(lengths), batch_size, generator(seed)))


def test_rows_of_one_length_are_shuffled_as_ever() -> None:
    order = bucketed_order(torch.full((100,), 7), 8, generator(5))
    assert torch.equal(order, torch.randperm(100, generator=generator(5)))


def test_padding_is_spared() -> None:
    lengths = like_reviews()
    plain = padding_share(lengths, torch.randperm(len(lengths), generator=generator()), 32)
    bucketed = padding_share(lengths, bucketed_order(lengths, 32, generator()), 32)
    whole = padding_share(lengths, lengths.argsort(), 32)
    assert plain > 0.6
    assert whole < bucketed < 0.08


def test_batches_are_in_no_order_of_length_and_the_rest_is_drawn_from_all() -> None:
    lengths = like_reviews(6410)
    order = bucketed_order(lengths, 32, generator())
    means = torch.stack([lengths[batch].double().mean() for batch in order[:6400].split(32)])
    place = torch.arange(200.0, dtype=torch.float64)
    assert abs(torch.corrcoef(torch.stack([means, place]))[0, 1]) < 0.2
    rest = {int(row) for seed in range(40) for row in bucketed_order(lengths, 32, generator(seed))[6400:]}
    assert len(rest) > 350
    assert 150 < lengths[list(rest)].double().mean() < 300


def test_small_sets_meet_other_rows_each_epoch() -> None:
    """Were all rows sorted together, each row would meet its neighbors in length again and again."""
    lengths = torch.arange(64)
    partners = set()
    for seed in range(20):
        for batch in bucketed_order(lengths, 4, generator(seed)).split(4):
            if 31 in batch:
                partners |= {*batch.tolist()}
    assert len(partners) > 15


def test_the_share_of_padding_is_that_of_the_padded_batches() -> None:
    lengths, order = torch.tensor([4, 1, 2, 6, 3]), torch.tensor([0, 2, 1, 3, 4])
    cells = 2 * 4 + 2 * 6 + 3
    assert padding_share(lengths, order, 2) == 1 - 16 / cells
