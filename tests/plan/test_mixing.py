"""Mixed pictures in a whole training: losses, accuracy, recorded steps, many networks, and a training that was interrupted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from leadline import data, losses
from leadline.data import Dataset
from leadline.plan import build, propose
from leadline.plan.building import Built
from leadline.plan.loss_building import batch_accuracy
from leadline.plan.populations import build_population
from leadline.training import run_loop
from leadline.training.recorded import Recorded

QUICK = {
    "model": "convnet",
    "model.width": 8,
    "model.dropout": 0.0,
    "training.device": "cpu",
    "training.threads": 1,
    "training.batch": 16,
    "training.epochs": 3,
    "training.layout": "contiguous",
    "training.precision": "float32",
    "training.step": "plain",
    "training.augment.mixup": 0.4,
    "training.augment.cutmix": 1.0,
}


def pictures(task: str) -> Dataset:
    random = np.random.default_rng(0)
    inputs = random.integers(0, 256, (120, 8, 8, 1), dtype=np.uint8)
    halves = np.stack([inputs[:, :4].mean((1, 2, 3)), inputs[:, :, :4].mean((1, 2, 3))], axis=1) - 127
    targets = {"classes": halves.argmax(1), "labels": (halves > 0).astype(np.float32), "number": halves[:, 0] / 10}
    return data.load(inputs, targets[task], task=task)


def built(dataset: Dataset, **changes: Any) -> Built:
    return build(propose(dataset, QUICK | {f"training.{key}": value for key, value in changes.items()}), dataset)


@pytest.mark.parametrize(
    ("task", "changes"),
    [
        ("classes", {}),
        ("classes", {"label_smoothing": 0.1, "class_weights": "balanced"}),
        ("classes", {"loss": "kl_divergence", "accumulate": 3}),
        ("classes", {"precision": "bfloat16"}),
        ("classes", {"optimizer": "lbfgs", "batch": 0}),
        ("labels", {"class_weights": "balanced"}),
        ("number", {"loss": "huber"}),
    ],
)
def test_a_training_on_mixtures_learns(task: str, changes: dict[str, Any]) -> None:
    made = built(pictures(task), **changes)
    inputs, targets = next(iter(made.batches))
    assert targets.shape == (len(inputs), {"classes": 2, "labels": 2, "number": 1}[task])
    history = run_loop(made.step, made.batches, epochs=3, evaluate=made.evaluate, best=made.best)
    assert np.isfinite(history["loss"]).all()
    assert np.isfinite(history["valid_loss"]).all()


def test_the_larger_part_of_a_mixture_counts_as_right() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 2.0], [0.0, 3.0, 0.0], [1.0, 0.0, 0.0]])
    targets = torch.tensor([[0.7, 0.3, 0.0], [0.0, 0.6, 0.4], [0.0, 1.0, 0.0], [0.4, 0.6, 0.0]])
    assert batch_accuracy(logits, targets).item() == 0.5
    assert batch_accuracy(logits, torch.tensor([0, 2, 1, 0])).item() == 1


def test_the_gradient_is_that_of_the_mixture_of_two_losses() -> None:
    made = built(pictures("classes"))
    inputs, targets = next(iter(made.batches))
    outputs = made.model.eval()(inputs)
    (slope,) = torch.autograd.grad(losses.cross_entropy(outputs, targets), outputs)
    torch.testing.assert_close(slope, (outputs.softmax(1) - targets).detach() / len(targets))


def test_a_recorded_step_gives_the_weights_of_the_plain_one() -> None:
    plain, recorded = (built(pictures("classes"), step=kind, average="") for kind in ("plain", "recorded"))
    assert isinstance(recorded.step, Recorded)
    for made in (plain, recorded):
        run_loop(made.step, made.batches, epochs=3)
    for one, other in zip(plain.model.parameters(), recorded.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_many_networks_learn_what_each_would_alone() -> None:
    dataset = pictures("classes")
    plan = propose(dataset, QUICK | {"start.restarts": 3, "training.average": "", "training.optimizer": "sgd"})
    many = build_population(plan, dataset)
    run_loop(many.step, many.batches, epochs=2)
    for number in range(3):
        alone = build(plan.but({"start.restarts": 1, "training.seed": plan.training.seed + number}), dataset)
        run_loop(alone.step, alone.batches, epochs=2)
        ours = many.population.write(number, build(plan.but({"start.restarts": 1}), dataset).model)
        for one, other in zip(ours.parameters(), alone.model.parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_a_training_that_goes_on_in_the_middle_of_an_epoch_ends_at_the_same_bits() -> None:
    dataset = pictures("classes")
    whole, first = built(dataset), built(dataset)
    now = type("Now", (), {"step": 0, "fraction": 0.5})()
    for epoch in range(2):
        for batch in whole.batches.epoch(epoch):
            whole.step(batch, now)
    for number, batch in enumerate(first.batches.epoch(0)):
        if number == 2:
            break
        first.step(batch, now)
    again = built(dataset)
    again.step.load(first.step.state())
    for batch in [*again.batches.epoch(0, 2), *again.batches.epoch(1)]:
        again.step(batch, now)
    weights = zip(whole.model.parameters(), again.model.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in weights)
