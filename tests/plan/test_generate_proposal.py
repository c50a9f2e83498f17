"""What is proposed for pictures to draw from, with reasons of these pictures; and what is refused before the first step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from leadline import data
from leadline.errors import ArgumentError, DataError, PlanError
from leadline.models import AdversarialPair
from leadline.plan import Plan, build, measure, propose, save_script
from leadline.plan.generating import average_of, check_generate_plan

QUIET = {"training.device": "cpu", "training.threads": 1, "training.layout": "contiguous"}


def pictures(rows: int, side: int = 8, channels: int = 1, classes: int = 0) -> data.Dataset:
    random = np.random.default_rng(0)
    stored = random.integers(0, 256, (rows, side, side, channels), dtype=np.uint8)
    return data.load(stored, np.arange(rows) % classes if classes else None, task="generate")


def digits(changes: dict[str, Any] | None = None) -> Plan:
    return propose(data.load("digits", task="generate"), changes)


def test_every_choice_has_a_reason_with_a_number_of_these_pictures() -> None:
    plan = digits()
    assert plan.data.task == "generate"
    assert plan.model.name == "dcgan"
    assert plan.model.arguments == {"width": 64, "latent": 32, "norm": "batch", "conditional": True}
    training = plan.training
    assert (training.loss, training.optimizer) == ("non_saturating", "adam")
    assert (training.learning_rate, training.momentum) == (2e-4, 0.5)
    assert (training.batch, training.epochs, training.monitor) == (64, 400, "valid_frechet")
    assert training.changes == "shift, cutout"
    for key in (
        "data.task", "data.size", "data.valid", "data.test", "model.name", "model.width", "model.latent", "model.norm",
        "model.conditional", "training.loss", "training.optimizer", "training.learning_rate", "training.momentum",
        "training.weight_decay", "training.schedule", "training.batch", "training.accumulate", "training.epochs",
        "training.monitor", "training.patience", "training.average", "training.critic_steps", "training.changes",
    ):  # fmt: skip
        assert any(letter.isdigit() for letter in plan.why[key]), (key, plan.why[key])
    assert "a map of 4 × 4, doubled 1 time, makes the 8 × 8 pixels" in plan.why["model.name"]
    assert Plan.from_toml(plan.to_toml()).training == plan.training
    assert Plan.from_json(plan.to_json()) == plan


def test_it_follows_the_pictures() -> None:
    colored = propose(pictures(400, side=32, channels=3))
    assert colored.model.arguments == {"width": 32, "latent": 100, "norm": "batch"}
    assert colored.training.changes == "color, shift, cutout"
    assert colored.training.batch == 16
    few_of_each = propose(pictures(400, classes=30))
    assert few_of_each.model.arguments["conditional"] is False
    assert "too few to learn what is its own" in few_of_each.why["model.conditional"]
    many = propose(pictures(30_000))
    assert many.training.changes == ""
    assert many.training.epochs < digits().training.epochs


def test_it_follows_the_persons_own_choices() -> None:
    plan = digits({"training.loss": "wasserstein", "training.epochs": 7, "training.batch": 32})
    assert plan.model.arguments["norm"] == "layer"
    assert (plan.training.critic_steps, plan.training.momentum, plan.training.epochs) == (5, 0.0, 7)
    assert "the penalty bounds the discriminator" in plan.why["training.weight_decay"]
    assert "7 times 1,257" in plan.why["training.epochs"] or plan.why["training.epochs"] == "chosen by you"
    assert digits({"training.loss": "hinge"}).model.arguments["norm"] == "batch"
    assert digits({"training.optimizer": "sgd"}).training.learning_rate == pytest.approx(2e-3)
    assert digits({"model.conditional": False}).model.arguments["conditional"] is False


def test_it_is_built_as_it_says() -> None:
    dataset = data.load("digits", task="generate")
    plan = propose(dataset, QUIET | {"model.width": 8, "training.changes": "shift", "training.average": "ema(0.9)"})
    built = build(plan, dataset)
    step: Any = built.step
    assert isinstance(built.model, AdversarialPair)
    assert (built.model.classes, built.model.latent, built.model.shape) == (10, 32, (1, 8, 8))
    assert (step.average, step.changes, step.critic_steps, step.schedule) == (0.9, ("shift",), 1, None)
    assert step.generator_optimizer.param_groups[0]["betas"][0] == 0.5
    logs = step(next(iter(built.batches)), None)
    assert torch.isfinite(logs["loss"])
    assert set(built.evaluate()) >= {"valid_frechet", "valid_kernel", "valid_coverage"}
    assert built.best.monitor == "valid_frechet"
    alone = build(propose(dataset, QUIET | {"model.width": 8, "model.conditional": False}), dataset)
    assert alone.model.classes == 0
    falling = build(propose(dataset, QUIET | {"model.width": 8, "training.schedule": "cosine"}), dataset)
    assert falling.step.schedule is not None  # type: ignore[attr-defined]


def test_it_is_measured_and_resolved() -> None:
    dataset = pictures(150)
    found = measure(propose(dataset, QUIET | {"model.width": 4, "training.epochs": 2}), dataset)
    assert found.plan.training.accumulate == 1
    assert found.plan.training.step == "plain"
    assert found.seconds > 0


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"training.accumulate": 2}, "training.accumulate"),
        ({"training.step": "recorded"}, "training.step"),
        ({"training.clip": "1"}, "training.clip"),
        ({"training.penalties.l2": 0.1}, "training.penalties"),
        ({"training.augment.flip": True}, "training.augment"),
        ({"training.optimizer": "lbfgs"}, "training.optimizer"),
        ({"training.schedule": "plateau"}, "training.schedule"),
        ({"start.restarts": 2}, "start.restarts"),
        ({"start.initialize": "he"}, "start.initialize"),
        ({"training.label_smoothing": 0.1}, "label_smoothing"),
        ({"training.batch": 1}, "no variance"),
        ({"training.average": "swa(0.75)"}, "averaged exponentially"),
        ({"training.loss": "cross_entropy"}, "adversarial loss 'cross_entropy'. Expected one of hinge, minimax"),
        ({"training.loss": "hing"}, "adversarial loss 'hing'. Expected one of hinge, minimax.* Did you mean 'hinge'"),
        ({"training.loss": "reconstruct"}, "adversarial loss 'reconstruct'. Expected one of hinge, minimax"),
        ({"training.monitor": "valid_loss"}, "column of the history"),
        ({"model": "mlp"}, "not draw pictures"),
        ({"model": "rbm"}, "not draw pictures"),
        ({"training.loss": "wasserstein", "model.norm": "batch"}, "batch norm"),
        ({"model.norm": "spectrum"}, "spectral"),
    ],
)
def test_what_such_a_training_cannot_take(changes: dict[str, Any], told: str) -> None:
    dataset = pictures(150, side=16)  # of 8 pixels the discriminator has one layer, and none to be normalized
    with pytest.raises((PlanError, ArgumentError), match=told):
        build(propose(dataset, QUIET | {"training.epochs": 2} | changes), dataset)


@pytest.mark.parametrize(
    "changes", [{"training.changes": "blur"}, {"training.critic_steps": 0}, {"training.loss": "wasserstein(penalty=-1)"}]
)
def test_slips_in_a_plan_are_told_at_once(changes: dict[str, Any]) -> None:
    with pytest.raises(PlanError):
        Plan().but(changes)


def test_what_is_for_drawings_alone_is_refused_elsewhere() -> None:
    dataset = data.load("digits")
    for changes, told in (
        ({"training.changes": "shift"}, "training.changes is for the task generate"),
        ({"training.critic_steps": 2}, "training.critic_steps is for the task generate"),
        ({"training.loss": "hinge"}, "hinge"),
        ({"model": "dcgan"}, "dcgan"),
    ):
        with pytest.raises((PlanError, ArgumentError), match=told):
            build(propose(dataset, QUIET | {"model": "linear"} | changes), dataset)


def test_sizes_that_cannot_be_made_are_told_with_those_that_can() -> None:
    with pytest.raises(ArgumentError, match=r"30 × 30 pixels cannot be made.*8, 10, 12.*data\.size = 28"):
        propose(pictures(150, side=30))
    with pytest.raises(ArgumentError, match=r"5 × 5 pixels cannot be made"):
        propose(pictures(150, side=5))


def test_pictures_that_teach_nothing_are_told() -> None:
    flat = np.repeat(np.arange(150, dtype=np.uint8), 64).reshape(150, 8, 8, 1)
    with pytest.raises(DataError, match="one flat colour"):
        propose(data.load(flat, task="generate"))


def test_the_average_is_read_as_it_is_spelled() -> None:
    spelled = {"": 0.0, "0.9": 0.9, "ema(0.95)": 0.95, "ema": 0.999, "ema(decay=0.5)": 0.5}
    for text, decay in spelled.items():
        assert average_of(Plan().but({"training.average": text})) == decay
    check_generate_plan(digits())


def test_it_is_not_written_as_a_script(tmp_path: Any) -> None:
    dataset = pictures(150)
    with pytest.raises(PlanError, match="not written as a script"):
        save_script(propose(dataset), dataset, tmp_path / "gan.py")


def test_networks_that_make_pictures_up_in_another_way_are_told_how() -> None:
    with pytest.raises(PlanError, match="for the task reconstruct"):
        check_generate_plan(propose(pictures(150), QUIET | {"model": "variational_autoencoder"}))
    with pytest.raises(PlanError, match="dcgan") as found:
        check_generate_plan(propose(pictures(150), QUIET | {"model": "convnet"}))
    assert "reconstruct" not in str(found.value)
