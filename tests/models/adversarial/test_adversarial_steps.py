"""The step of a GAN against a plain one written out, its readings, its average, and that resuming changes nothing."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.errors import ArgumentError
from leadline.metrics.sample_spreads import sample_spread
from leadline.models.adversarial.adversarial_evaluation import SampleEvaluation
from leadline.models.adversarial.adversarial_networks import AdversarialPair, dcgan
from leadline.models.adversarial.adversarial_readings import game_readings, game_told
from leadline.models.adversarial.adversarial_samples import drawn_pictures
from leadline.models.adversarial.adversarial_steps import AdversarialStep
from leadline.models.step_noise import step_generator
from leadline.optim import make_optimizer
from leadline.training import checkpoints, run_loop
from leadline.training.best import Best
from leadline.training.callbacks import Callback, Checkpoint

NOW = SimpleNamespace(fraction=0.0)


def pair_of(seed: int = 0, **changes: Any) -> AdversarialPair:
    torch.manual_seed(seed)
    return dcgan((1, 8, 8), **({"latent": 4, "width": 4} | changes))


def adam_of(pair: AdversarialPair, rate: float = 2e-3) -> tuple[Any, Any]:
    make = (make_optimizer("adam", part, learning_rate=rate, momentum=0.5) for part in (pair.generator, pair.discriminator))
    return tuple(make)  # type: ignore[return-value]


def step_of(pair: AdversarialPair, rate: float = 2e-3, **changes: Any) -> AdversarialStep:
    return AdversarialStep(pair, adam_of(pair, rate), **changes)


class Strokes:
    """A bright half, upright or lying, on either side, more or less bright: batches that can be entered anywhere."""

    def __init__(self, rows: int = 128, batch: int = 16) -> None:
        generator = torch.Generator().manual_seed(0)
        self.classes = torch.randint(2, (rows,), generator=generator)
        places = 4 * torch.randint(2, (rows,), generator=generator)
        brightness = 0.1 + 0.6 * torch.rand(rows, generator=generator)
        self.pictures = torch.full((rows, 1, 8, 8), -0.8) + 0.05 * torch.randn(rows, 1, 8, 8, generator=generator)
        for picture, lying, place, bright in zip(self.pictures, self.classes, places, brightness, strict=True):
            bar = picture[0, place : place + 4] if lying else picture[0, :, place : place + 4]
            bar += 0.8 + bright
        self.batch = batch

    def __len__(self) -> int:
        return len(self.pictures) // self.batch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self.epoch(0)

    def epoch(self, epoch: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self.pictures), generator=torch.Generator().manual_seed(epoch))
        for rows in order.split(self.batch)[first:]:
            yield self.pictures[rows], self.classes[rows]


BATCH = next(iter(Strokes()))


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_one_step_is_the_textbooks(norm: str) -> None:
    """Against the loop of the DCGAN example: D on real and on fake apart, then G through D, Adam in turn."""
    torch.manual_seed(0)
    pair = dcgan((1, 16, 16), latent=4, width=4, norm=norm)
    plain, real = copy.deepcopy(pair), F.interpolate(BATCH[0], scale_factor=2)
    step = step_of(pair, average=0.0, seed=3)
    generator_adam, discriminator_adam = adam_of(plain)
    ones, zeros = torch.ones(16), torch.zeros(16)
    for number in range(3):
        noise = torch.randn(16, 4, generator=step_generator(3, number))
        logs = step((real, BATCH[1]), NOW)
        fake = plain.generator(noise)
        discriminator_adam.zero_grad()
        real_loss = F.binary_cross_entropy_with_logits(plain.discriminator(real), ones)
        fake_loss = F.binary_cross_entropy_with_logits(plain.discriminator(fake.detach()), zeros)
        (real_loss + fake_loss).backward()
        discriminator_adam.step()
        generator_adam.zero_grad()
        generator_loss = F.binary_cross_entropy_with_logits(plain.discriminator(fake), ones)
        generator_loss.backward()
        generator_adam.step()
        assert logs["loss"].item() == pytest.approx((real_loss + fake_loss).item(), rel=1e-4), number
        assert logs["generator_loss"].item() == pytest.approx(generator_loss.item(), rel=1e-4)
    for (name, ours), theirs in zip(pair.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5, msg=name)


def test_the_generators_step_leaves_no_gradient_in_the_discriminator() -> None:
    pair = pair_of()
    step = step_of(pair, average=0.0)
    step(BATCH, NOW)
    kept = [p.grad.clone() for p in pair.discriminator.parameters()]
    fake = pair(torch.randn(16, 4))
    step._generate(fake, None)
    assert all(torch.equal(p.grad, before) for p, before in zip(pair.discriminator.parameters(), kept, strict=True))
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in pair.generator.parameters())


@pytest.mark.parametrize("classes", [0, 2])
def test_the_penalty_joins_the_critics_gradient(classes: int) -> None:
    pair = pair_of(norm="none", classes=classes)
    plain = copy.deepcopy(pair)
    step = AdversarialStep(
        pair, tuple(torch.optim.SGD(p.parameters(), lr=0.1) for p in (pair.generator, pair.discriminator)),
        loss="wasserstein(penalty=7)", critic_steps=2, average=0.0,
    )  # fmt: skip
    generator = step_generator(0, 0)
    noise, shares = torch.randn(16, 4, generator=generator), torch.rand(16, generator=generator)
    logs = step(BATCH, NOW)
    real, asked = BATCH[0], BATCH[1] if classes else None
    fake = plain(noise, asked).detach()
    between = (shares[:, None, None, None] * real + (1 - shares[:, None, None, None]) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(plain.judged(between, asked).sum(), between, create_graph=True)
    penalty = 7 * ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
    loss = plain.judged(fake, asked).mean() - plain.judged(real, asked).mean()
    assert logs["loss"].item() == pytest.approx(loss.item(), abs=1e-6)
    assert logs["penalty_gradient"].item() == pytest.approx(penalty.item(), rel=1e-5)
    (loss + penalty).backward()
    for ours, theirs in zip(pair.discriminator.parameters(), plain.discriminator.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs - 0.1 * theirs.grad, rtol=1e-4, atol=1e-6)


def test_the_generator_learns_at_every_nth_batch() -> None:
    pair = pair_of()
    step = step_of(pair, critic_steps=3, average=0.0)
    weight, moved = pair.generator.project.weight, []
    for _ in range(6):
        before = weight.detach().clone()
        logs = step(BATCH, NOW)
        moved.append(not torch.equal(before, weight))
        assert math.isfinite(logs["generator_loss"].item())
    assert moved == [False, False, True] * 2
    assert (step.steps, step.updates) == (6, 2)


def test_readings() -> None:
    pair = pair_of(norm="none")
    for parameter in pair.discriminator.parameters():
        nn.init.zeros_(parameter)
    nn.init.constant_(pair.discriminator.head.bias, 0.25)
    nn.init.zeros_(pair.generator.layers[-1].weight)
    logs = step_of(pair)(BATCH, NOW)
    assert (logs["real_right"].item(), logs["fake_right"].item()) == (1, 0)
    assert logs["real_logit"].item() == logs["fake_logit"].item() == 0.25
    assert logs["spread"].item() == 0, "a generator that draws one picture"
    fakes = torch.randn(16, 1, 8, 8)
    spread = game_readings(BATCH[0], fakes, torch.zeros(16), torch.zeros(16))["spread"].item()
    expected = fakes.var(dim=0).sum() / BATCH[0].var(dim=0).sum()
    assert spread == pytest.approx(math.sqrt(expected), rel=1e-5)


def test_what_the_readings_say() -> None:
    sound = {"real_right": 0.85, "fake_right": 0.9, "real_logit": 1.0, "fake_logit": -1.2, "spread": 0.95}
    assert game_told(sound) == ""
    # Only the variety of many drawings, on features, tells a collapse.
    assert game_told(sound | {"spread": 0.1}) == ""
    won = sound | {"real_right": 0.99, "fake_right": 1.0, "real_logit": 6.0, "fake_logit": -6.0}
    assert "has won: it tells 99.0 %" in game_told(won)
    assert game_told(won, loss="wasserstein(penalty=1)") == ""
    blind = sound | {"real_right": 0.5, "fake_right": 0.52, "real_logit": 0.01, "fake_logit": 0.0}
    assert "can tell nothing" in game_told(blind)
    # A strong generator misleads as many, but the scores still lie apart.
    assert game_told(blind | {"real_logit": 0.4}) == ""


def test_the_average_follows_the_generator_alone_and_stands_in_for_evaluation() -> None:
    pair = pair_of()
    step = step_of(pair, average=0.9)
    weight, judge = pair.generator.project.weight, pair.discriminator.head.bias
    average = weight.detach().clone()
    for number in range(1, 5):
        step(BATCH, NOW)
        decay = min(0.9, (1 + number) / (10 + number))
        average = decay * average + (1 - decay) * weight.detach()
    living, living_judge = weight.detach().clone(), judge.detach().clone()
    with step.evaluating():
        torch.testing.assert_close(weight.detach(), average)
        assert torch.equal(judge, living_judge)
        assert not pair.training
    assert torch.equal(weight, living)
    assert pair.training


class Pause(Callback):
    def batch_end(self, now: Any) -> str | None:
        return "enough" if now.step == 11 else None


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"loss": "hinge", "augment": "color, shift, cutout", "average": 0.0},
        {"loss": "wasserstein", "critic_steps": 3},
    ],
    ids=["plain", "augmented", "critic"],
)
def test_a_training_resumed_is_the_same_to_the_bit(changes: dict[str, Any], tmp_path: Path) -> None:
    def training(callbacks: list[Callback], state: Any = None) -> tuple[AdversarialPair, Any]:
        pair = pair_of(classes=2)
        history = run_loop(step_of(pair, seed=5, **changes), Strokes(), epochs=2, callbacks=callbacks, state=state)
        return pair, history

    whole, told = training([])
    path = tmp_path / "training.safetensors"
    training([Pause(), Checkpoint(path, every=1e9)])
    torch.manual_seed(99)
    torch.randn(7)
    resumed, told_again = training([], checkpoints.load(path))
    for (name, value), other in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(value, other), name
    for column in ("loss", "generator_loss", "spread"):
        assert told[column] == told_again[column]


def test_rates_follow_the_schedule_in_both() -> None:
    step = step_of(pair_of(), schedule=lambda fraction: 1 - fraction)
    step(BATCH, SimpleNamespace(fraction=0.25))
    assert step.rate == pytest.approx(1.5e-3)
    assert step.discriminator_optimizer.param_groups[0]["lr"] == pytest.approx(1.5e-3)


def test_rates_that_are_tensors_stay_the_same_tensors() -> None:
    """A captured graph reads them where they are."""
    pair, rates = pair_of(), [torch.tensor(0.1), torch.tensor(0.2)]
    parts = (pair.generator, pair.discriminator)
    optimizers: Any = tuple(torch.optim.SGD(part.parameters(), lr=rate) for part, rate in zip(parts, rates, strict=True))
    AdversarialStep(pair, optimizers, schedule=lambda fraction: 1 - fraction)(BATCH, SimpleNamespace(fraction=0.75))
    for optimizer, rate, expected in zip(optimizers, rates, (0.025, 0.05), strict=True):
        assert optimizer.param_groups[0]["lr"] is rate
        assert rate.item() == pytest.approx(expected)


def test_halves_are_learnt_with_their_classes() -> None:
    """After seconds of training the drawings are near the pictures, and most lie or stand as asked."""
    pair = pair_of(classes=2, latent=8, width=16)
    step = step_of(pair, 5e-3, loss="hinge", average=0.95)
    held_out = Strokes(200)
    evaluation = SampleEvaluation(pair, held_out.pictures, classes=held_out.classes)
    before = evaluation()
    history = run_loop(step, Strokes(512, 16), epochs=12)
    after = evaluation()
    assert after["valid_frechet"] < 0.1 * before["valid_frechet"]
    assert after["valid_kernel"] < 0.2 * before["valid_kernel"]
    assert before["valid_pairwise"] < 0.3 < 0.7 < after["valid_pairwise"] < 1.4
    assert 0.5 < history["spread"][-1] < 1.5
    classes = torch.arange(200) % 2
    drawn = drawn_pictures(pair, 200, seed=1, classes=classes)[:, 0]
    lying = (drawn.mean(dim=2).var(dim=1) > drawn.mean(dim=1).var(dim=1)).long()
    assert (lying == classes).float().mean() > 0.75


def test_the_loop_keeps_the_generator_that_was_nearest() -> None:
    pair = pair_of()
    evaluation = SampleEvaluation(pair, Strokes().pictures)
    history = run_loop(step_of(pair), Strokes(), epochs=3, evaluate=evaluation, best=Best("valid_frechet"))
    assert evaluation()["valid_frechet"] == pytest.approx(min(history["valid_frechet"]), rel=1e-6)


def test_a_collapsed_generator_is_told() -> None:
    pair = pair_of()
    for norm in pair.generator.norms:
        nn.init.zeros_(norm.weight)
    evaluation = SampleEvaluation(pair, Strokes().pictures)
    columns = evaluation()
    assert columns["valid_pairwise"] == 0
    assert evaluation.spread is not None
    assert "collapsed" in evaluation.spread.told
    one, other = Strokes(256).pictures.flatten(1).chunk(2)
    assert sample_spread(one, other).told == ""


def test_half_precision_trains() -> None:
    pair = pair_of()
    step = step_of(pair, precision=torch.bfloat16, loss="wasserstein", augment="shift")
    for _ in range(2):
        logs = step(BATCH, NOW)
    assert all(math.isfinite(value.item()) for value in logs.values())
    assert all(value.dtype == torch.float32 for value in logs.values())
    assert all(p.dtype == torch.float32 for p in pair.parameters())


def test_arguments_out_of_range_are_refused() -> None:
    with pytest.raises(ArgumentError, match="critic_steps"):
        step_of(pair_of(), critic_steps=0)
    with pytest.raises(ArgumentError, match="decay"):
        step_of(pair_of(), average=1.0)
    torch.manual_seed(0)
    mixing = dcgan((1, 16, 16), latent=4, width=4, norm="batch")
    with pytest.raises(ArgumentError, match="batch norm in the discriminator"):
        step_of(mixing, loss="wasserstein")
    step_of(mixing, loss="wasserstein(penalty=0)")
    with pytest.raises(ArgumentError, match="no generator"):
        AdversarialStep(nn.Linear(2, 2), adam_of(pair_of()))
    with pytest.raises(ArgumentError, match="held-out"):
        SampleEvaluation(pair_of(), torch.zeros(5, 1, 8, 8))
    with pytest.raises(ArgumentError, match="generator's kind"):
        SampleEvaluation(pair_of(), torch.zeros(50, 1, 9, 8))
    with pytest.raises(ArgumentError, match="no rows"):
        SampleEvaluation(pair_of(), torch.zeros(50, 1, 8, 8), features=lambda pictures: pictures)


def test_pictures_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"\[B, 1, 8, 8\] from −1 to 1; got float32 of shape \[4, 3, 8, 8\]"):
        step_of(pair_of())(torch.zeros(4, 3, 8, 8), NOW)
    with pytest.raises(ArgumentError, match=r"values from 0 to 255.*127.5"):
        step_of(pair_of())(torch.linspace(0, 255, 4 * 64).reshape(4, 1, 8, 8), NOW)
    with pytest.raises(ArgumentError, match="values from nan"):
        step_of(pair_of())(torch.full((4, 1, 8, 8), math.nan), NOW)
    with pytest.raises(ArgumentError, match="got none"):
        step_of(pair_of(classes=2))(BATCH[0], NOW)
    with pytest.raises(ArgumentError, match="from 0 to 1"):
        step_of(pair_of(classes=2))((BATCH[0], BATCH[1] + 1), NOW)
    step_of(pair_of())(BATCH[0], NOW)


def test_a_first_batch_of_equal_pictures_is_learned_from() -> None:
    """Of a set with many blank pages a small batch may hold nothing else, and that is no mistake."""
    pair = pair_of()
    before = pair.generator.project.weight.detach().clone()
    logs = step_of(pair)(torch.full((4, 1, 8, 8), -1.0), NOW)
    assert all(math.isfinite(value) for value in logs.values())
    assert not torch.equal(pair.generator.project.weight, before)
