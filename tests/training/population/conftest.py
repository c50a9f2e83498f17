"""Networks trained one by one, to which a population is compared."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from leadline.losses import cross_entropy, per_member
from leadline.optim import ExponentialAverage, make_optimizer
from leadline.training import Supervised
from leadline.training.population import Candidate, Population


class Now:
    """A training of `steps` steps, as far as a step may know of it."""

    def __init__(self, step: int, steps: int) -> None:
        self.step, self.fraction = step, step / steps


@dataclass
class Alone:
    """A network with its own step and its own random numbers."""

    step: Any
    model: nn.Module
    random: Tensor

    def __call__(self, inputs: Tensor, targets: Tensor, now: Now) -> dict[str, Tensor]:
        torch.set_rng_state(self.random)
        logs: dict[str, Tensor] = self.step((inputs, targets), now)
        self.random = torch.get_rng_state()
        return logs


@dataclass
class Pair:
    """The same networks one by one and as a population, and the batches of both."""

    alone: list[Alone]
    population: Population
    batches: list[tuple[Tensor, Tensor]]

    def train(self) -> tuple[list[list[dict[str, Tensor]]], list[dict[str, Tensor]]]:
        """Every step of both; the logs of each network by itself, and those of the population."""
        singly, together = [], []
        for step, (inputs, targets) in enumerate(self.batches):
            now = Now(step, len(self.batches))
            singly.append([one(*rows, now) for one, *rows in zip(self.alone, inputs, targets, strict=True)])
            together.append(self.population((inputs, targets), now))
        return singly, together

    def differences(self) -> dict[str, float]:
        """For each tensor of the networks the largest difference, relative to the tensor's largest value."""
        worst: dict[str, float] = {}
        for number, one in enumerate(self.alone):
            with one.step.evaluating():
                expected = {name: tensor.clone() for name, tensor in one.model.state_dict().items()}
            ours = self.population.write(number, one.model).state_dict()
            for name, tensor in expected.items():
                gap = (ours[name] - tensor).abs().max() / tensor.abs().max().clamp_min(1e-3)
                worst[name] = max(worst.get(name, 0.0), float(gap))
            one.model.load_state_dict(expected)
        return worst


RATES = ((0.01, 0.9, 0.0), (0.003, 0.8, 0.1), (0.02, 0.0, 0.01))


@pytest.fixture
def paired() -> Callable[..., Pair]:
    """Build a `Pair` of three networks that differ in seed, rate, momentum, decay and whatever `build(number)` varies."""

    def make(
        build: Callable[[int], nn.Module],
        shape: Sequence[int],
        *,
        steps: int,
        dtype: torch.dtype,
        optimizer: str = "adamw",
        loss: Callable[..., Tensor] = cross_entropy,
        targets: Callable[..., Tensor] | None = None,
        batch: Sequence[int] = (6,),
        average: float | None = None,
        draw: Callable[..., Tensor] = torch.randn,
        clips: Any = None,
        **options: Any,
    ) -> Pair:
        alone, candidates = [], []
        for number, (rate, momentum, decay) in enumerate(RATES):
            torch.manual_seed(number)
            model = build(number).to(dtype)
            twin = build(number).to(dtype)
            twin.load_state_dict(model.state_dict())
            random = torch.get_rng_state()
            made = make_optimizer(optimizer, model, learning_rate=rate, momentum=momentum, weight_decay=decay)
            step: Any = Supervised(model, per_member(loss), made, clip=copy.deepcopy(clips), **options)
            alone.append(Alone(step if average is None else ExponentialAverage(step, decay=average), model, random))
            candidates.append(Candidate(twin, rate, momentum, decay, random))
        population = Population(candidates, per_member(loss), optimizer=optimizer, average=average, clip=clips, **options)
        generator = torch.Generator().manual_seed(0)
        batches = []
        for step_number in range(steps):
            rows = batch[step_number % len(batch)]
            inputs = draw(len(RATES), rows, *shape, generator=generator, dtype=dtype)
            wanted = (
                torch.randint(0, 3, (len(RATES), rows), generator=generator)
                if targets is None
                else targets(len(RATES), rows, generator=generator, dtype=dtype)
            )
            batches.append((inputs, wanted))
        return Pair(alone, population, batches)

    return make
