"""Losses: against their formulas, one value per sample, right gradients, and what they refuse."""

from __future__ import annotations

import functools
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from leadline import losses
from leadline.errors import ArgumentError

NAMES = sorted(losses.LOSSES)
OF_CLASS_NUMBERS = ("cross_entropy", "perceptron")
WEIGHTS = torch.tensor([0.5, 1.0, 3.0], dtype=torch.float64)


def rows(name: str, seed: int = 0, count: int = 8) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    outputs = 3 * torch.randn(count, 3, generator=draw, dtype=torch.float64)
    if name in OF_CLASS_NUMBERS:
        return outputs, torch.randint(3, (count,), generator=draw)
    targets = torch.randn(count, 3, generator=draw, dtype=torch.float64)
    return outputs, (targets > 0).double() if name == "binary_cross_entropy" else targets


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([0.0, 0.1, 1.0]), st.booleans())
def test_cross_entropy_by_its_formula(seed: int, smoothing: float, weighted: bool) -> None:
    logits, targets = rows("cross_entropy", seed)
    weights = WEIGHTS if weighted else torch.ones(3, dtype=torch.float64)
    q = (1 - smoothing) * torch.eye(3, dtype=torch.float64)[targets] + smoothing / 3
    each = -(weights * q * torch.log_softmax(logits, 1)).sum(1)
    given_weights = WEIGHTS if weighted else None
    found = losses.cross_entropy(logits, targets, label_smoothing=smoothing, class_weights=given_weights, reduction="none")
    assert found.tolist() == pytest.approx(each.tolist())
    mean = losses.cross_entropy(logits, targets, label_smoothing=smoothing, class_weights=given_weights)
    assert mean.item() == pytest.approx((each.sum() / weights[targets].sum()).item())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([0.0, 0.2]), st.booleans())
def test_binary_cross_entropy_by_its_formula(seed: int, smoothing: float, weighted: bool) -> None:
    logits, targets = rows("binary_cross_entropy", seed)
    weights = WEIGHTS if weighted else torch.ones(3, dtype=torch.float64)
    q, p = targets * (1 - smoothing) + smoothing / 2, logits.sigmoid()
    each = -(weights * q * p.log() + (1 - q) * (1 - p).log()).mean(1)
    options: dict[str, Any] = {"label_smoothing": smoothing, "class_weights": WEIGHTS if weighted else None}
    assert losses.binary_cross_entropy(logits, targets, reduction="none", **options).tolist() == pytest.approx(each.tolist())
    assert losses.binary_cross_entropy(logits, targets, **options).item() == pytest.approx(each.mean().item())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([0.5, 1.0, 2.0]))
def test_distances_by_their_formulas(seed: int, delta: float) -> None:
    outputs, targets = rows("huber", seed)
    d = (outputs - targets).abs()
    bent = torch.where(d <= delta, d**2 / 2, delta * (d - delta / 2))
    assert losses.squared_error(outputs, targets, reduction="none").tolist() == pytest.approx((d**2).mean(1).tolist())
    assert losses.absolute_error(outputs, targets, reduction="none").tolist() == pytest.approx(d.mean(1).tolist())
    assert losses.huber(outputs, targets, delta=delta, reduction="none").tolist() == pytest.approx(bent.mean(1).tolist())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([0.1, 0.5, 0.9]))
def test_the_quantile_loss_by_its_formula(seed: int, tau: float) -> None:
    outputs, targets = rows("quantile", seed)
    d = targets - outputs
    each = torch.where(d >= 0, tau * d, (tau - 1) * d).mean(1)
    assert losses.quantile(outputs, targets, tau=tau, reduction="none").tolist() == pytest.approx(each.tolist())
    half = losses.quantile(outputs, targets).item()
    assert half == pytest.approx(losses.absolute_error(outputs, targets).item() / 2)


@pytest.mark.parametrize("tau", [0.1, 0.25, 0.9])
def test_the_quantile_loss_is_least_at_the_quantile(tau: float) -> None:
    targets = torch.arange(100.0)[:, None]
    guesses = torch.arange(0.5, 99.0)
    found = [losses.quantile(guess.expand(100, 1), targets, tau=tau).item() for guess in guesses]
    assert (targets < guesses[found.index(min(found))]).float().mean().item() == pytest.approx(tau, abs=0.011)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31))
def test_the_perceptron_loss_by_its_formula(seed: int) -> None:
    scores, targets = rows("perceptron", seed)
    each = [
        max(0.0, max(score - row[target] for j, score in enumerate(row) if j != target))
        for row, target in zip(scores.tolist(), targets.tolist(), strict=True)
    ]
    assert losses.perceptron(scores, targets, reduction="none").tolist() == pytest.approx(each)


def test_a_tie_is_a_mistake_for_the_perceptron() -> None:
    scores = torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 0.9, 0.0]], requires_grad=True)
    loss = losses.perceptron(scores, torch.zeros(3, dtype=torch.long), reduction="none")
    assert loss.tolist() == [0, 0, 0]
    (slope,) = torch.autograd.grad(loss.sum(), scores)
    assert slope.tolist() == [[-1, 0.5, 0.5], [-1, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize("name", NAMES)
def test_members_are_judged_one_by_one(name: str) -> None:
    members, function = 4, losses.get(name)
    _, targets = rows(name)
    outputs = 3 * torch.randn(8, members, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = losses.per_member(function)(outputs, targets).item()
    assert found == pytest.approx(sum(function(outputs[:, m], targets).item() for m in range(members)) / members)
    plain = outputs[:, 0]
    assert losses.per_member(function)(plain, targets).item() == function(plain, targets).item()


def test_members_with_class_weights() -> None:
    _, targets = rows("cross_entropy")
    outputs = torch.randn(8, 4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weighted = functools.partial(losses.cross_entropy, class_weights=WEIGHTS, label_smoothing=0.1)
    each = [weighted(outputs[:, m], targets).item() for m in range(4)]
    assert losses.per_member(weighted)(outputs, targets).item() == pytest.approx(sum(each) / 4)


def test_members_must_fit_their_targets_too() -> None:
    with pytest.raises(ArgumentError, match="differ in shape"):
        losses.per_member(losses.squared_error)(torch.zeros(5, 4, 2), torch.zeros(5, 1))


@pytest.mark.parametrize("name", NAMES)
def test_the_mean_is_the_mean_over_the_samples(name: str) -> None:
    outputs, targets = rows(name)
    each = losses.get(name)(outputs, targets, reduction="none")
    assert each.shape == (8,)
    assert losses.get(name)(outputs, targets).item() == pytest.approx(each.mean().item())


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_is_the_slope(name: str) -> None:
    outputs, targets = rows(name)
    outputs.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: losses.get(name)(z, targets), outputs)


@pytest.mark.parametrize("name", ["cross_entropy", "binary_cross_entropy", "perceptron"])
def test_enormous_logits_do_not_overflow(name: str) -> None:
    outputs, targets = rows(name)
    outputs = (1e4 * outputs).float().requires_grad_()
    loss = losses.get(name)(outputs, targets if name in OF_CLASS_NUMBERS else targets.float())
    (slope,) = torch.autograd.grad(loss, outputs)
    assert loss.isfinite()
    assert slope.isfinite().all()


def test_the_loss_of_knowing_nothing() -> None:
    assert losses.cross_entropy(torch.zeros(4, 10), torch.arange(4)).item() == pytest.approx(math.log(10))
    assert losses.binary_cross_entropy(torch.zeros(4, 10), torch.ones(4, 10)).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("name", NAMES)
def test_misfits_are_refused(name: str) -> None:
    outputs, targets = rows(name)
    with pytest.raises(ArgumentError, match=r"got \[8, 3\] and \[7"):
        losses.get(name)(outputs, targets[:7])
    with pytest.raises(ArgumentError):
        losses.get(name)(outputs[:, 0], targets)
    with pytest.raises(ArgumentError, match=r"no reduction 'men'.*Did you mean 'mean'"):
        losses.get(name)(outputs, targets, reduction="men")


def test_the_huber_loss_needs_a_width() -> None:
    with pytest.raises(ArgumentError, match="no width"):
        losses.huber(torch.ones(1, 1), torch.ones(1, 1), delta=0)


@pytest.mark.parametrize("tau", [0.0, 1.0, -0.5, math.nan])
def test_there_are_quantiles_between_0_and_1_alone(tau: float) -> None:
    with pytest.raises(ArgumentError, match="no such quantile"):
        losses.quantile(torch.ones(1, 1), torch.ones(1, 1), tau=tau)


def test_the_perceptron_loss_needs_a_rival() -> None:
    with pytest.raises(ArgumentError, match="no rival"):
        losses.perceptron(torch.ones(2, 1), torch.zeros(2, dtype=torch.long))


def test_losses_by_name_and_task() -> None:
    assert losses.get("cross_entropy", task="classes") is losses.cross_entropy
    with pytest.raises(ArgumentError, match="Did you mean 'cross_entropy'"):
        losses.get("crossentropy")
    with pytest.raises(
        ArgumentError, match=r"not for the task 'number'\. Expected one of squared_error, absolute_error, huber, quantile"
    ):
        losses.get("cross_entropy", task="number")


@pytest.mark.parametrize("task", ["classes", "labels", "number"])
def test_each_task_has_a_loss(task: str) -> None:
    assert any(task in loss.tasks for loss in losses.LOSSES.values())
