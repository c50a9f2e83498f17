"""Steps of networks that learn from inputs alone, evaluated in the middle of a training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from leadline.models import (
    AdversarialStep,
    ContrastiveDivergence,
    GreedyDivergence,
    ReconstructionStep,
    autoencoder,
    dcgan,
    deep_belief_net,
    objective_of,
    rbm,
)


def _sgd(module: torch.nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(module.parameters(), lr=0.1)


def _reconstruction() -> ReconstructionStep:
    model = autoencoder((4,), hidden="3", code=2, batch_norm=True)
    return ReconstructionStep(model, objective_of("reconstruct"), _sgd(model))


def _adversarial() -> AdversarialStep:
    pair = dcgan((1, 8, 8), latent=4, width=4, norm="batch")
    return AdversarialStep(pair, (_sgd(pair.generator), _sgd(pair.discriminator)))


STEPS: dict[str, Callable[[], Any]] = {
    "reconstruction": _reconstruction,
    "adversarial": _adversarial,
    "divergence": lambda: ContrastiveDivergence(rbm((4,), hidden=3)),
    "greedy": lambda: GreedyDivergence(deep_belief_net((4,), hidden="3-2")),
}


@pytest.mark.parametrize("name", STEPS)
def test_after_evaluation_each_part_is_in_the_mode_in_which_it_was(name: str) -> None:
    """A part whose statistics are frozen by `eval()` is not set free by the first evaluation."""
    model = (step := STEPS[name]()).modules()["model"]
    list(model.modules())[-1].eval()
    before = [each.training for each in model.modules()]
    with step.evaluating():
        assert not any(each.training for each in model.modules())
    assert [each.training for each in model.modules()] == before
    if name != "divergence":  # which is of one part
        assert True in before
        assert False in before
