"""A sample of the vocabulary in place of all: exact where it is all, right on average where it is not."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from leadline.errors import ArgumentError
from leadline.losses.sampled_words import sampled_cross_entropy

DRAW = torch.Generator().manual_seed(0)
HIDDEN = torch.randn(6, 4, generator=DRAW, dtype=torch.float64)
WEIGHT = torch.randn(40, 4, generator=DRAW, dtype=torch.float64)
BIAS = torch.randn(40, generator=DRAW, dtype=torch.float64)
TARGETS = torch.tensor([3, 7, 7, 0, 39, 3])


@settings(max_examples=20)
@given(st.integers(36, 100), st.booleans())
def test_with_all_words_in_the_sample_it_is_the_loss_itself(samples: int, biased: bool) -> None:
    bias = BIAS if biased else None
    expected = F.cross_entropy(F.linear(HIDDEN, WEIGHT, bias), TARGETS)
    assert sampled_cross_entropy(HIDDEN, WEIGHT, bias, TARGETS, samples=samples).item() == pytest.approx(expected.item())


def test_the_sum_over_the_vocabulary_is_right_on_average() -> None:
    logits = F.linear(HIDDEN, WEIGHT, BIAS)
    expected = logits[0].exp().sum().item()
    torch.manual_seed(0)
    one = slice(0, 1)
    # exp(loss + s of the target) is the estimated sum; only the one target's word is always in it.
    found = [
        (sampled_cross_entropy(HIDDEN[one], WEIGHT, BIAS, TARGETS[one], samples=8) + logits[0, 3]).exp().item()
        for _ in range(4000)
    ]
    sums = torch.tensor(found)
    assert abs(sums.mean().item() - expected) < 4 * sums.std().item() / 4000**0.5
    assert sums.std() > 0.01 * expected, "else nothing was sampled"


def test_padding_does_not_count() -> None:
    targets = torch.where(TARGETS == 7, 0, TARGETS)
    counted = targets != 0
    expected = F.cross_entropy(F.linear(HIDDEN, WEIGHT)[counted], targets[counted])
    found = sampled_cross_entropy(HIDDEN, WEIGHT, None, targets, samples=40, ignored=0)
    assert found.item() == pytest.approx(expected.item())


def test_its_slope_reaches_the_words_of_the_batch_and_of_the_sample_alone() -> None:
    torch.manual_seed(0)
    weight = WEIGHT.clone().requires_grad_()
    sampled_cross_entropy(HIDDEN, weight, None, TARGETS, samples=5).backward()
    assert weight.grad is not None
    reached = weight.grad.abs().sum(1) > 0
    assert reached[TARGETS].all()
    assert reached.sum() == len(set(TARGETS.tolist())) + 5


def test_no_samples_are_refused() -> None:
    with pytest.raises(ArgumentError, match="No words are sampled"):
        sampled_cross_entropy(HIDDEN, WEIGHT, None, TARGETS, samples=0)
