"""The perceptron loss and both multiclass hinges against their formulas, written out row by row."""

from __future__ import annotations

import pytest
import torch
from drawn_rows import rows
from hypothesis import given, settings
from hypothesis import strategies as st

from leadline import losses
from leadline.errors import ArgumentError

seeds = st.integers(0, 2**31)
HINGES = [losses.perceptron, losses.weston_watkins, losses.crammer_singer]


def leads(seed: int, classes: int) -> list[list[float]]:
    """How far each wrong class stands above the right one, row by row."""
    scores, targets = rows("perceptron", seed, 8, classes)
    return [
        [score - row[own] for j, score in enumerate(row) if j != own]
        for row, own in zip(scores.tolist(), targets.tolist(), strict=True)
    ]


@settings(max_examples=40)
@given(seeds, st.integers(2, 6), st.sampled_from([0.0, 0.5, 1.0, 4.0]))
def test_the_hinges_by_their_formulas(seed: int, classes: int, margin: float) -> None:
    scores, targets = rows("perceptron", seed, 8, classes)
    ahead = leads(seed, classes)
    all_rivals = [sum(max(0.0, lead + margin) for lead in row) for row in ahead]
    strongest = [max(0.0, max(row) + margin) for row in ahead]
    assert losses.weston_watkins(scores, targets, margin=margin, reduction="none").tolist() == pytest.approx(all_rivals)
    assert losses.crammer_singer(scores, targets, margin=margin, reduction="none").tolist() == pytest.approx(strongest)
    assert losses.perceptron(scores, targets, reduction="none").tolist() == pytest.approx([max(0.0, *row) for row in ahead])


@settings(max_examples=40)
@given(seeds, st.sampled_from([0.5, 1.0]))
def test_the_strongest_rival_is_torchs_margin_loss_for_two_classes(seed: int, margin: float) -> None:
    scores, targets = rows("perceptron", seed, 8, 2)
    expected = 2 * torch.nn.functional.multi_margin_loss(scores, targets, margin=margin, reduction="none")  # torch divides by K
    for loss in (losses.weston_watkins, losses.crammer_singer):
        assert loss(scores, targets, margin=margin, reduction="none").tolist() == pytest.approx(expected.tolist())


@settings(max_examples=40)
@given(seeds, st.integers(2, 6))
def test_all_rivals_are_torchs_margin_loss(seed: int, classes: int) -> None:
    scores, targets = rows("perceptron", seed, 8, classes)
    expected = classes * torch.nn.functional.multi_margin_loss(scores, targets, reduction="none")
    found = losses.weston_watkins(scores, targets, reduction="none")
    assert found.tolist() == pytest.approx(expected.tolist())
    one = losses.crammer_singer(scores, targets, reduction="none")
    assert bool((one <= found + 1e-12).all())
    assert bool((found <= (classes - 1) * one + 1e-12).all())


def test_a_tie_is_a_mistake_for_the_perceptron() -> None:
    scores = torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 0.9, 0.0]], requires_grad=True)
    loss = losses.perceptron(scores, torch.zeros(3, dtype=torch.long), reduction="none")
    assert loss.tolist() == [0, 0, 0]
    (slope,) = torch.autograd.grad(loss.sum(), scores)
    assert slope.tolist() == [[-1, 0.5, 0.5], [-1, 1, 0], [0, 0, 0]]


def test_who_pushes_in_a_hinge() -> None:
    scores = torch.tensor([[2.0, 1.5, 1.25, 0.0]], requires_grad=True)
    own = torch.tensor([0])
    (of_all,) = torch.autograd.grad(losses.weston_watkins(scores, own), scores)
    (of_one,) = torch.autograd.grad(losses.crammer_singer(scores, own), scores)
    assert of_all.tolist() == [[-2, 1, 1, 0]]
    assert of_one.tolist() == [[-1, 1, 0, 0]]


@pytest.mark.parametrize("loss", HINGES)
def test_a_lead_needs_a_rival(loss: object) -> None:
    with pytest.raises(ArgumentError, match="no rival"):
        loss(torch.ones(2, 1), torch.zeros(2, dtype=torch.long))  # type: ignore[operator]
