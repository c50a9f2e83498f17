"""Losses of the game: their formulas in float64, their fixed points, gradients where needed, and the critic's slope."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.losses.adversarial import (
    ADVERSARIAL_LOSSES,
    adversarial_loss,
    gradient_penalty,
    hinge_discriminator_loss,
    logistic_discriminator_loss,
    minimax_generator_loss,
    non_saturating_generator_loss,
    raised_score_loss,
    wasserstein_critic_loss,
)

REAL = torch.tensor([2.0, -0.5, 0.3], dtype=torch.float64)
FAKE = torch.tensor([-1.5, 0.7], dtype=torch.float64)


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_each_loss_is_its_formula() -> None:
    real, fake = REAL.tolist(), FAKE.tolist()
    expected = {
        logistic_discriminator_loss: mean([-math.log(sigmoid(s)) for s in real])
        + mean([-math.log(1 - sigmoid(f)) for f in fake]),
        hinge_discriminator_loss: mean([max(0, 1 - s) for s in real]) + mean([max(0, 1 + f) for f in fake]),
        wasserstein_critic_loss: mean(fake) - mean(real),
    }
    for loss, value in expected.items():
        assert loss(REAL, FAKE).item() == pytest.approx(value, rel=1e-12)
    assert minimax_generator_loss(FAKE).item() == pytest.approx(mean([math.log(1 - sigmoid(f)) for f in fake]), rel=1e-12)
    assert non_saturating_generator_loss(FAKE).item() == pytest.approx(mean([-math.log(sigmoid(f)) for f in fake]), rel=1e-12)
    assert raised_score_loss(FAKE).item() == pytest.approx(-mean(fake), rel=1e-12)


def test_the_minimax_game_has_one_sum() -> None:
    """What the generator goes down is what the discriminator's loss has of fake pictures, with the other sign."""
    loss = adversarial_loss("minimax")
    without_real = loss.discriminator(torch.full((2,), 1e4), FAKE)
    assert without_real.item() == pytest.approx(-loss.generator(FAKE).item(), rel=1e-12)


@pytest.mark.parametrize("name", ["minimax", "non_saturating"])
@given(share=st.floats(0.05, 0.95))
def test_the_best_discriminator_tells_the_ratio_of_densities(name: str, share: float) -> None:
    """At one point with real mass p and fake mass q the loss is least at s = log(p / q)."""
    best = math.log(share / (1 - share))
    logit = torch.tensor([best], dtype=torch.float64, requires_grad=True)
    loss = adversarial_loss(name)
    zero = torch.zeros(1, dtype=torch.float64)
    half = loss.discriminator(zero, zero) / 2
    total = share * (loss.discriminator(logit, zero) - half) + (1 - share) * (loss.discriminator(zero, logit) - half)
    (gradient,) = torch.autograd.grad(total, logit)
    assert abs(gradient.item()) < 1e-9


def test_only_the_minimax_generator_is_left_without_a_gradient() -> None:
    sizes = {}
    for name in ADVERSARIAL_LOSSES:
        sure = torch.tensor([-30.0], requires_grad=True)
        adversarial_loss(name).generator(sure).backward()
        assert sure.grad is not None
        assert sure.grad.item() <= 0, "each generator raises the score"
        sizes[name] = abs(sure.grad.item())
    assert sizes.pop("minimax") < 1e-12
    assert min(sizes.values()) > 0.99


@pytest.mark.parametrize("name", ADVERSARIAL_LOSSES)
def test_no_loss_overflows_and_half_precision_is_reckoned_in_single(name: str) -> None:
    loss = adversarial_loss(name)
    for value in (1e4, -1e4):
        scores = torch.tensor([value], dtype=torch.bfloat16)
        for found in (loss.discriminator(scores, scores), loss.discriminator(scores, -scores), loss.generator(scores)):
            assert found.dtype == torch.float32
            assert math.isfinite(found.item())


def test_a_loss_is_spelled_with_its_penalty() -> None:
    assert adversarial_loss("wasserstein").penalty == 10
    assert adversarial_loss("hinge(penalty=0.5)").penalty == 0.5
    assert adversarial_loss("wasserstein(penalty=0)").penalty == 0
    with pytest.raises(ArgumentError, match="Did you mean 'wasserstein'"):
        adversarial_loss("waserstein")
    with pytest.raises(ArgumentError, match="Did you mean 'penalty'"):
        adversarial_loss("hinge(penality=1)")
    for wrong in ("-1", "'much'"):
        with pytest.raises(ArgumentError, match="penalty"):
            adversarial_loss(f"hinge(penalty={wrong})")


def test_an_empty_batch_and_whole_numbers_are_refused() -> None:
    with pytest.raises(ArgumentError, match="no logits"):
        hinge_discriminator_loss(torch.zeros(0), torch.zeros(2))
    with pytest.raises(ArgumentError, match="no real numbers"):
        raised_score_loss(torch.zeros(2, dtype=torch.int64))


def test_the_slope_of_a_quadratic_critic() -> None:
    """D(x) = ½ ‖x‖² has the slope x, so the penalty is the mean of (‖x̂‖ − 1)²."""
    generator = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(6, 2, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    shares = torch.rand(6, generator=generator, dtype=torch.float64)
    between = shares[:, None, None] * real + (1 - shares[:, None, None]) * fake
    expected = (between.flatten(1).norm(dim=1) - 1).square().mean()
    found = gradient_penalty(lambda x: x.square().sum((1, 2)) / 2, real, fake, shares)
    assert found.item() == pytest.approx(expected.item(), rel=1e-12)


def test_the_penalty_reaches_the_critic_and_no_drawing() -> None:
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1), nn.Flatten(0)).double()
    real, fake = torch.randn(5, 3).double(), torch.randn(5, 3).double().requires_grad_()
    shares = torch.rand(5).double()

    def penalty() -> Tensor:
        return gradient_penalty(critic, real, fake, shares)

    penalty().backward()
    assert fake.grad is None
    weight = critic[0].weight
    found = weight.grad.clone()
    step = 1e-6
    for row, column in ((0, 0), (3, 2)):
        with torch.no_grad():
            weight[row, column] += step
        above = penalty().item()
        with torch.no_grad():
            weight[row, column] -= 2 * step
        below = penalty().item()
        with torch.no_grad():
            weight[row, column] += step
        assert found[row, column].item() == pytest.approx((above - below) / (2 * step), rel=1e-5)


def test_a_flat_critic_has_a_finite_penalty_and_gradient() -> None:
    critic = nn.Sequential(nn.Linear(3, 1), nn.Flatten(0))
    nn.init.zeros_(critic[0].weight)
    found = gradient_penalty(critic, torch.randn(4, 3), torch.randn(4, 3), torch.rand(4))
    found.backward()
    assert found.item() == 1
    assert bool(torch.isfinite(critic[0].weight.grad).all())


def test_the_penalty_refuses_what_does_not_fit() -> None:
    with pytest.raises(ArgumentError, match="one shape"):
        gradient_penalty(lambda x: x.sum(1), torch.zeros(3, 2), torch.zeros(2, 2), torch.zeros(3))
    with pytest.raises(ArgumentError, match="shares"):
        gradient_penalty(lambda x: x.sum(1), torch.zeros(3, 2), torch.zeros(3, 2), torch.zeros(2))
