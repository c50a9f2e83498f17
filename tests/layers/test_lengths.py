"""Rows of different lengths: every function against the row taken by itself, whatever stands in the padding."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.layers.lengths import (
    AttentionPooling,
    last_step,
    masked_max,
    masked_mean,
    reversed_rows,
    series_lengths,
    token_lengths,
    within,
    without_padding,
)

NAN = float("nan")
LENGTHS = st.lists(st.integers(0, 6), min_size=1, max_size=5)


def rows(lengths: list[int], seed: int = 0, features: int = 3) -> list[Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(length, features, generator=draw, dtype=torch.float64) for length in lengths]


def padded(each: list[Tensor], more: int, fill: float) -> Tensor:
    steps = max(1, max(len(row) for row in each) + more)
    together = torch.full((len(each), steps, each[0].shape[1]), fill, dtype=torch.float64)
    for number, row in enumerate(each):
        together[number, : len(row)] = row
    return together


def learned_pool() -> AttentionPooling:
    torch.manual_seed(0)
    pool = AttentionPooling(3, 4).double()
    torch.nn.init.normal_(pool.score.weight)
    return pool


def by_attention(row: Tensor) -> Tensor:
    pool = learned_pool()
    scores = pool.score((row @ pool.see.weight.T + pool.see.bias).tanh())
    return (scores.softmax(0) * row).sum(0)


@given(LENGTHS, st.integers(0, 3), st.sampled_from([NAN, 0.0, 1e9, float("inf")]), st.integers(0, 99))
def test_each_row_is_read_as_if_it_were_alone(lengths: list[int], more: int, fill: float, seed: int) -> None:
    each = rows(lengths, seed)
    x, known = padded(each, more, fill), torch.tensor(lengths)
    zero = torch.zeros(3, dtype=torch.float64)
    expected = {
        masked_mean: [row.mean(0) if len(row) else zero for row in each],
        masked_max: [row.amax(0) if len(row) else zero for row in each],
        last_step: [row[-1] if len(row) else zero for row in each],
        learned_pool(): [by_attention(row) if len(row) else zero for row in each],
    }
    for function, answers in expected.items():
        assert torch.allclose(function(x, known), torch.stack(answers), atol=1e-12), function
    back = reversed_rows(x, known)
    for number, row in enumerate(each):
        assert torch.equal(back[number, : len(row)], row.flip(0))
        assert torch.equal(back[number, len(row) :].nan_to_num(7.0), x[number, len(row) :].nan_to_num(7.0))
    assert torch.equal(reversed_rows(back, known).nan_to_num(7.0), x.nan_to_num(7.0))
    assert torch.equal(without_padding(x, known), padded(each, more, 0.0))
    assert within(known, x.shape[1]).sum(1).tolist() == lengths


@given(LENGTHS, st.integers(0, 3))
def test_lengths_are_found(lengths: list[int], more: int) -> None:
    assert series_lengths(padded(rows(lengths), more, NAN)).tolist() == lengths
    ids = torch.zeros(len(lengths), max(lengths) + more, dtype=torch.long)
    for number, length in enumerate(lengths):
        ids[number, :length] = torch.randint(1, 9, (length,))
    assert token_lengths(ids).tolist() == lengths


def test_no_gradient_comes_from_the_padding_not_even_a_nan() -> None:
    known = torch.tensor([2, 0, 3])
    for function in (masked_mean, masked_max, last_step, without_padding, learned_pool()):
        x = padded(rows([2, 0, 3]), 1, NAN).requires_grad_()
        function(x, known).sum().backward()
        assert x.grad is not None
        assert bool(x.grad.isfinite().all()), function
        assert bool((x.grad[~within(known, x.shape[1])] == 0).all()), function
        assert bool((x.grad[0, :2] != 0).any()), function


def test_gradients_match_differences() -> None:
    known = torch.tensor([2, 1, 3])
    for function in (masked_mean, masked_max, last_step, reversed_rows, without_padding, learned_pool()):
        x = padded(rows([2, 1, 3]), 1, 0.5).requires_grad_()
        assert torch.autograd.gradcheck(lambda x, function=function: function(x, known), x)


def test_attention_starts_as_the_mean_and_its_weights_sum_to_one() -> None:
    x, known = padded(rows([2, 0, 3]), 1, NAN), torch.tensor([2, 0, 3])
    pool = AttentionPooling(3).double()
    assert torch.allclose(pool(x, known), masked_mean(x, known))
    weights = learned_pool().weights(x, known)
    assert torch.allclose(weights.sum(1), torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64))
    assert bool((weights[~within(known, 4)] == 0).all())
    assert weights[2, :3].std() > 0.01


def test_what_does_not_fit() -> None:
    with pytest.raises(ArgumentError, match=r"token_lengths cannot take.*whole numbers of shape \[B, T\]; got float32"):
        token_lengths(torch.zeros(2, 3))
    with pytest.raises(ArgumentError, match=r"series_lengths cannot take.*shape \[B, T, C\]; got int64 of shape \[2, 3\]"):
        series_lengths(torch.zeros(2, 3, dtype=torch.long))
    with pytest.raises(ArgumentError, match=r"last_step cannot take.*a length for each row, which are \[3\]"):
        last_step(torch.zeros(2, 3, 4), torch.tensor([1, 2, 3]))
    with pytest.raises(ArgumentError, match=r"AttentionPooling cannot take.*shape \[B, T, 3\]"):
        AttentionPooling(3)(torch.zeros(2, 3, 4), torch.tensor([1, 2]))
