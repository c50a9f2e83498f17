"""Losses for several labels at once, against their formulas; labels are 0 and 1."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from drawn_rows import rows
from hypothesis import given, settings
from hypothesis import strategies as st

from leadline import losses
from leadline.errors import ArgumentError

WEIGHTS = torch.tensor([0.5, 1.0, 3.0], dtype=torch.float64)
seeds = st.integers(0, 2**31)


@settings(max_examples=25)
@given(seeds, st.sampled_from([0.0, 0.2]), st.booleans())
def test_binary_cross_entropy_by_its_formula(seed: int, smoothing: float, weighted: bool) -> None:
    logits, targets = rows("binary_cross_entropy", seed)
    weights = WEIGHTS if weighted else torch.ones(3, dtype=torch.float64)
    q, p = targets * (1 - smoothing) + smoothing / 2, logits.sigmoid()
    each = -(weights * q * p.log() + (1 - q) * (1 - p).log()).mean(1)
    options: dict[str, Any] = {"label_smoothing": smoothing, "class_weights": WEIGHTS if weighted else None}
    assert losses.binary_cross_entropy(logits, targets, reduction="none", **options).tolist() == pytest.approx(each.tolist())
    assert losses.binary_cross_entropy(logits, targets, **options).item() == pytest.approx(each.mean().item())


@settings(max_examples=25)
@given(seeds, st.sampled_from([0.0, 0.5, 1.0, 4.0]))
def test_the_binary_hinge_by_its_formula(seed: int, margin: float) -> None:
    scores, targets = rows("binary_hinge", seed)
    each = [
        sum(max(0.0, margin - (score if present else -score)) for score, present in zip(*row, strict=True)) / 3
        for row in zip(scores.tolist(), targets.tolist(), strict=True)
    ]
    assert losses.binary_hinge(scores, targets, margin=margin, reduction="none").tolist() == pytest.approx(each)


@settings(max_examples=25)
@given(seeds)
def test_one_label_is_two_classes(seed: int) -> None:
    scores, targets = rows("binary_hinge", seed, 8, 1)
    pair = torch.cat([torch.zeros_like(scores), scores], dim=1)
    own = targets[:, 0].long()
    assert losses.binary_cross_entropy(scores, targets).item() == pytest.approx(losses.cross_entropy(pair, own).item())
    assert losses.binary_hinge(scores, targets).item() == pytest.approx(losses.crammer_singer(pair, own).item())


@pytest.mark.parametrize("value", [-1.0, 2.0, 0.5, math.nan])
def test_hinge_labels_are_0_and_1(value: float) -> None:
    targets = torch.tensor([[0.0, 1.0], [1.0, value]])
    with pytest.raises(ArgumentError, match=r"no label. Expected 0 \(absent\) or 1 \(present\)"):
        losses.binary_hinge(torch.zeros(2, 2), targets)


@pytest.mark.parametrize("value", [-1.0, 1.5, math.nan])
def test_shares_of_labels_are_between_0_and_1(value: float) -> None:
    with pytest.raises(ArgumentError, match="no label"):
        losses.binary_cross_entropy(torch.zeros(1, 2), torch.tensor([[1.0, value]]))
    assert losses.binary_cross_entropy(torch.zeros(1, 1), torch.tensor([[0.25]])).item() == pytest.approx(math.log(2))


def test_label_weights_that_do_not_fit_are_refused() -> None:
    scores, targets = rows("binary_cross_entropy")
    with pytest.raises(ArgumentError, match=r"shape \[3\]; got \[8\]"):
        losses.binary_cross_entropy(scores, targets, class_weights=torch.ones(8))
