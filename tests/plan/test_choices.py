"""What a Plan can choose reaches the objects that train: losses, penalties, clipping, averages, first weights, batches."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from leadline import losses
from leadline.data import Dataset, load
from leadline.errors import ArgumentError, PlanError
from leadline.models import OF_INPUTS_ALONE
from leadline.optim import ClipPercentile, Lookahead, Penalties, Plateau
from leadline.plan import Built, Plan, build, propose
from leadline.plan.loss_building import balanced_weights
from leadline.training import Supervised, run_loop
from leadline.training.closures import ClosureStep
from leadline.training.recorded import Recorded

ALWAYS = {"model": "mlp", "model.width": 8, "model.dropout": 0.0, "training.device": "cpu", "training.threads": 1}


@pytest.fixture(scope="module")
def rows() -> Dataset:
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(120, 6)).astype(np.float32)
    return load(inputs, (inputs[:, 0] > 0.8).astype(np.int64))


def built(dataset: Dataset, **changes: Any) -> Built:
    keys = {key.replace("__", "."): value for key, value in changes.items()}
    return build(propose(dataset, {**ALWAYS, **keys}), dataset)


def one_epoch(made: Built) -> dict[str, Any]:
    history = run_loop(made.step, made.batches, epochs=1, evaluate=made.evaluate, best=made.best, callbacks=made.callbacks)
    return history.records[-1]


@pytest.mark.parametrize(
    "loss", ["cross_entropy", "kl_divergence", "weston_watkins(margin=2)", "crammer_singer(margin=0.5)", "perceptron"]
)
def test_every_loss_for_classes_trains(rows: Dataset, loss: str) -> None:
    record = one_epoch(built(rows, training__loss=loss))
    assert np.isfinite(record["loss"])
    assert np.isfinite(record["valid_loss"])


@pytest.mark.parametrize(
    "optimizer", ["sgd", "adam(beta2=0.99)", "rmsprop(alpha=0.9)", "adagrad", "muon", "lbfgs(iterations=5)"]
)
def test_every_optimizer_lowers_the_loss(rows: Dataset, optimizer: str) -> None:
    made = built(rows, training__optimizer=optimizer, training__epochs=8, training__average="")
    history = run_loop(made.step, made.batches, epochs=8)
    assert history["loss"][-1] < history["loss"][0]


def test_lbfgs_takes_all_rows_and_a_closure(rows: Dataset) -> None:
    made = built(rows, training__optimizer="lbfgs")
    assert isinstance(made.step, ClosureStep)
    assert len(made.batches) == 1
    assert made.batches.batch_size == len(rows.train)


def test_a_batch_of_0_is_all_rows(rows: Dataset) -> None:
    made = built(rows, training__batch=0)
    assert len(made.batches) == 1
    assert len(next(iter(made.batches))[0]) == len(rows.train)
    assert len(built(rows, training__batch=1, model__batch_norm=False).batches) == len(rows.train)


def test_clipping_average_and_penalties_are_as_spelled(rows: Dataset) -> None:
    made = built(rows, training__clip="percentile(75)", training__average="lookahead(3)", training__penalties__l1=0.01)
    assert isinstance(made.step, Lookahead)
    inner = made.step.step
    assert isinstance(inner, Supervised)
    assert isinstance(inner.clip, ClipPercentile)
    assert inner.penalties == Penalties(l1=0.01)
    record = one_epoch(made)
    assert record["penalty_l1"] > 0
    assert 0 <= record["clipped"] <= 1


def test_balanced_classes_weigh_the_same() -> None:
    targets = np.array([0] * 30 + [1] * 10)
    weights = balanced_weights(targets, 3, "classes")
    assert (weights[:2] * torch.tensor([30.0, 10.0])).tolist() == pytest.approx([20.0, 20.0], rel=1e-5)
    assert weights[2] == 1
    labels = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    assert balanced_weights(labels, 2, "labels").tolist() == [3.0, 3.0]


def test_class_weights_are_in_the_loss(rows: Dataset) -> None:
    made = built(rows, training__class_weights="balanced", model__depth=0)
    logits, targets = torch.randn(30, 2), torch.from_numpy(rows.train.targets[:30])
    step = getattr(made.step, "step", made.step)
    expected = losses.cross_entropy(logits, targets, class_weights=balanced_weights(rows.train.targets, 2, "classes"))
    torch.testing.assert_close(step.loss(logits, targets), expected)


@pytest.mark.parametrize("parts", [2, 3])
def test_class_weights_are_the_same_in_parts(rows: Dataset, parts: int) -> None:
    changes: dict[str, Any] = {"training__class_weights": "balanced", "model__batch_norm": False, "training__average": ""}
    whole, cut = (built(rows, training__accumulate=count, **changes) for count in (1, parts))
    for made in (whole, cut):
        made.step(next(iter(made.batches)), SimpleNamespace(step=0, fraction=0.5))
    for one, other in zip(whole.model.parameters(), cut.model.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-6)


def test_an_entropy_bonus_is_taken_off_the_loss(rows: Dataset) -> None:
    step = getattr(built(rows, training__entropy_bonus=0.5).step, "step", None)
    logits, targets = torch.randn(30, 2), torch.zeros(30, dtype=torch.long)
    expected = losses.cross_entropy(logits, targets) - 0.5 * losses.entropy(logits).mean()
    torch.testing.assert_close(step.loss(logits, targets), expected)  # type: ignore[union-attr]


def test_weights_start_as_asked(rows: Dataset) -> None:
    model = built(rows, start__initialize="orthogonal", model__batch_norm=False).model
    first = next(module for module in model.modules() if isinstance(module, nn.Linear))
    torch.testing.assert_close(first.weight.T @ first.weight, torch.eye(6), atol=1e-5, rtol=0)


def test_a_plateau_is_told_what_is_watched_and_resumes(rows: Dataset) -> None:
    made = built(
        rows, training__schedule="plateau(factor=0.5, patience=1)", training__learning_rate=1e-30, training__average=""
    )
    history = run_loop(made.step, made.batches, epochs=4, evaluate=made.evaluate, best=made.best)
    assert history["rate"][-1] == pytest.approx(1e-30 * 0.5**2, rel=0.6)
    assert history["rate"][-1] < history["rate"][0]
    step = made.step
    assert isinstance(step, Supervised)
    assert isinstance(step.schedule, Plateau)
    other = built(rows, training__schedule="plateau(factor=0.5, patience=1)", training__average="").step
    other.load(step.state())
    assert other.schedule(0.0) == step.schedule(0.0)  # type: ignore[attr-defined]


def test_a_plateau_of_the_training_loss_is_refused(rows: Dataset) -> None:
    with pytest.raises(PlanError, match="plateau is told by what is measured on validation rows.*valid_accuracy; got loss"):
        built(rows, training__schedule="plateau", training__monitor="loss")


def test_a_recorded_step_is_one_that_the_plan_can_ask_for(rows: Dataset) -> None:
    plain, recorded = (built(rows, training__step=kind, training__average="") for kind in ("plain", "recorded"))
    assert isinstance(recorded.step, Recorded)
    for made in (plain, recorded):
        run_loop(made.step, made.batches, epochs=3)
    for one, other in zip(plain.model.parameters(), recorded.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"training.class_weights": "balanced", "training.loss": "weston_watkins"}, "has no class weights"),
        ({"training.label_smoothing": 0.1, "training.loss": "crammer_singer"}, "has no label smoothing"),
        ({"training.label_smoothing": 0.1, "training.loss": "cross_entropy(label_smoothing=0.3)"}, "given twice"),
        ({"training.augment.flip": True}, "Only pictures can be augmented"),
        (
            {"training.augment.mixup": 0.2, "training.loss": "perceptron"},
            "'perceptron' cannot take the targets of mixed",
        ),
        (
            {"training.loss": "weston_watkins(margin=2)", "training.augment.cutmix": 1.0},
            "training.loss = cross_entropy or",
        ),
        ({"training.loss": "huber"}, "not for the task"),
        ({"training.optimizer": "muon", "model.depth": 0}, "nothing for Muon"),
    ],
)
def test_what_does_not_fit_together_is_refused(rows: Dataset, changes: dict[str, Any], words: str) -> None:
    with pytest.raises((PlanError, ArgumentError), match=words):
        build(propose(rows, {**ALWAYS, **changes}), rows)


@pytest.mark.parametrize("model", OF_INPUTS_ALONE)
def test_what_learns_from_inputs_alone_answers_nothing(rows: Dataset, model: str) -> None:
    with pytest.raises(PlanError, match=f"'{model}' learns from inputs alone, and is not for the task 'classes'.*such as mlp"):
        build(propose(rows, {"model": model}), rows)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"training.loss": "hubr"}, "Did you mean 'huber'"),
        ({"training.loss": "huber(delta=-1)"}, "delta above 0"),
        ({"training.schedule": "step_drops([99])"}, "99"),
        ({"training.schedule": "cosine *"}, "cannot be read"),
        ({"training.optimizer": "adam(beta2=2)"}, "averages over the past in"),
        ({"training.clip": "norm(0)"}, "limit above 0"),
        ({"training.clip": "-3"}, "limit above 0"),
        ({"training.average": "swa(2)"}, "swa|start|stochastic"),
        ({"training.penalties.l1": -1}, "penalty l1"),
        ({"training.learning_rate": -0.1}, "learning_rate is out of range"),
        ({"start.initialize": "he(mode='fan')"}, "fan"),
        ({"model.dropout": 1.0}, "dropout"),
    ],
)
def test_what_cannot_be_made_is_told_before_there_are_data(changes: dict[str, Any], words: str) -> None:
    def make() -> None:
        plan = Plan().but({"model": "mlp", **changes})
        build(plan, load(np.random.default_rng(0).normal(size=(40, 2)), np.arange(40) % 2))

    with pytest.raises((PlanError, ArgumentError), match=words):
        make()
