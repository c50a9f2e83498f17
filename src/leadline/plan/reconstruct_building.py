"""What trains a network that tells its inputs again, made from a Plan: batches, step, and what judges it after each epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from leadline.data.batches import Batches
from leadline.data.dataset import Dataset, Split
from leadline.data.tables.table import Table
from leadline.data.unlabelled.reconstructions import Reconstructions
from leadline.errors import ArgumentError, PlanError, unknown
from leadline.models import (
    OF_UNITS,
    BeliefNetEvaluation,
    BinarizedRows,
    BoltzmannEvaluation,
    ContrastiveDivergence,
    DeepBeliefNet,
    GreedyDivergence,
    ReconstructionEvaluation,
    ReconstructionStep,
    RestrictedBoltzmannMachine,
    objective_of,
    start_at_means,
)
from leadline.models.boltzmann.divergence_texts import divergence_of
from leadline.optim import Plateau, make_average, make_clip, make_optimizer, make_schedule
from leadline.plan.listening import listeners
from leadline.plan.reconstructions import check_reconstruct_plan
from leadline.plan.record import Plan
from leadline.plan.training_rows import prepared_rows
from leadline.training import Best, LastWeights

_BEGINNING = 20_000  # rows whose means a network begins with
_BESIDE = 500  # training rows whose free energy stands beside that of the validation rows


class ReconstructParts(NamedTuple):
    """What `plan.build` puts together where inputs are told again."""

    step: Any
    batches: Any
    evaluate: Any
    best: Any


def reconstruct_parts(
    plan: Plan, dataset: Dataset, model: nn.Module, device: torch.device, precision: torch.dtype
) -> ReconstructParts:
    """The step, the batches, the evaluation and the keeper of the best weights.

    Args:
        plan: with an autoencoder or a Boltzmann machine.
        dataset: of the task reconstruct.
        model: on the device.
        device: where it trains.
        precision: of the arithmetic.

    Errors: `PlanError` for a choice that does not go with it.
    """
    check_reconstruct_plan(plan, dataset)
    training, schema = plan.training, dataset.schema
    layout = training.layout == "channels_last"
    batch = training.batch or len(dataset.train)
    batches: Any = Batches(dataset.train, schema, batch, device=device, seed=training.seed, shuffle=True, channels_last=layout)
    if batches.batch_size == 1 and any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules()):
        raise PlanError(
            "A batch of one row has no variance for batch normalization", expected="training.batch of at least 2", got=1
        )
    valid = Batches(usual_rows(dataset.valid, schema.answers), schema, max(256, 2 * batch), device=device, channels_last=layout)
    schedule = make_schedule(training.schedule, warm_up_share=training.warm_up, epochs=training.epochs)
    make = _machine_step if plan.model.name in OF_UNITS else _autoencoder_step
    try:
        step, evaluate, columns, batches = make(plan, dataset, model, schedule, precision, batches, valid)
    except ArgumentError as error:
        raise PlanError(str(error)) from error
    if training.monitor not in columns:
        unknown("column of the history to monitor", training.monitor, columns, PlanError)
    best: Any = LastWeights(training.monitor)
    if not isinstance(model, DeepBeliefNet):
        best = Best(
            training.monitor,
            higher_is_better="likelihood" in training.monitor,
            patience=training.patience or None,
            min_change=training.min_change,
        )
    told = listeners(schedule, step, best, columns)
    if told is not None:
        evaluate = Told(evaluate, told)
    return ReconstructParts(step, batches, evaluate, best)


class Told:
    """An evaluation whose columns somebody hears of, such as a schedule that waits for a plateau.

    Example:
        >>> heard = []
        >>> Told(lambda: {"valid_loss": 0.5}, heard.append)(), heard
        ({'valid_loss': 0.5}, [{'valid_loss': 0.5}])
    """

    def __init__(self, evaluate: Callable[[], dict[str, float]], then: Callable[[dict[str, float]], object]) -> None:
        self.evaluate, self.then = evaluate, then

    def __call__(self) -> dict[str, float]:
        columns = self.evaluate()
        self.then(columns)
        return columns


def usual_rows(split: Split, answers: Any) -> Split:
    """The rows of a split that are not odd: what a network that never saw odd ones is chosen by.

    Args:
        split: of the task reconstruct.
        answers: that say which rows are odd.

    Errors: `PlanError` where none is left.
    """
    assert isinstance(answers, Reconstructions)
    odd = answers.is_odd(split.targets)
    if odd.all():
        raise PlanError("All validation rows are odd, so no weights can be chosen by them", do="Keep some usual ones there.")
    return split.take(np.flatnonzero(~odd)) if odd.any() else split


def start_of_reconstruct(model: nn.Module, dataset: Dataset) -> None:
    """Let a network begin with what need not be learned: the mean of the training rows, and of numbers their scale.

    Args:
        model: on the CPU, changed in place.
        dataset: of the task reconstruct.
    """
    if isinstance(dataset.schema.inputs, Table) and not isinstance(model, RestrictedBoltzmannMachine | DeepBeliefNet):
        return  # numbers are standardized already, and a category has no mean
    rows = prepared_rows(dataset, _BEGINNING)
    try:
        if isinstance(model, RestrictedBoltzmannMachine | DeepBeliefNet):
            model.start_from(rows)
        else:
            start_at_means(model, rows.mean(dim=0))
    except ArgumentError as error:
        raise PlanError(str(error)) from error


def _autoencoder_step(
    plan: Plan,
    dataset: Dataset,
    model: nn.Module,
    schedule: Any,
    precision: torch.dtype,
    batches: Any,
    valid: Batches,
) -> tuple[Any, Any, tuple[str, ...], Any]:
    training = plan.training
    objective = objective_of(training.loss, seed=training.seed)
    optimizer = make_optimizer(
        training.optimizer,
        model,
        learning_rate=training.learning_rate,
        momentum=training.momentum,
        weight_decay=training.weight_decay,
    )
    step = ReconstructionStep(
        model,
        objective,
        optimizer,
        schedule=schedule,
        penalties=training.penalties if training.penalties.active else None,
        clip=make_clip(training.clip),
        accumulate=max(1, training.accumulate),
        precision=precision,
    )
    columns = ("valid_loss", "valid_error", *(("valid_kl",) if hasattr(model, "posterior") else ()), "loss")
    return make_average(training.average, step), ReconstructionEvaluation(model, valid, objective), columns, batches


def _machine_step(
    plan: Plan,
    dataset: Dataset,
    model: nn.Module,
    schedule: Any,
    precision: torch.dtype,
    batches: Any,
    valid: Batches,
) -> tuple[Any, Any, tuple[str, ...], Any]:
    training = plan.training
    if isinstance(schedule, Plateau):
        raise PlanError("A Boltzmann machine waits for no plateau", got=f"training.schedule = {training.schedule}")
    chosen = divergence_of(training.loss)
    options: dict[str, Any] = {
        "steps": chosen.steps,
        "particles": chosen.particles,
        "momentum": training.momentum,
        "weight_decay": training.weight_decay,
        "schedule": schedule,
        "precision": precision,
    }
    if chosen.binarize:
        batches = BinarizedRows(batches, training.seed)
    if isinstance(model, DeepBeliefNet):
        if training.epochs < len(model.machines):
            raise PlanError(
                "There are fewer epochs than machines, and each has a share of them",
                expected=f"training.epochs of at least {len(model.machines)}",
                got=training.epochs,
            )
        greedy = GreedyDivergence(model, training.learning_rate, **options)
        return greedy, BeliefNetEvaluation(greedy, valid), ("valid_reconstruction", "loss"), batches
    step = ContrastiveDivergence(model, training.learning_rate, **options)
    beside = prepared_rows(dataset, _BESIDE).to(batches.batches.device if chosen.binarize else batches.device)
    evaluate = BoltzmannEvaluation(model, valid, beside=beside)
    columns = ["valid_loss", "valid_reconstruction", "valid_free_energy_gap", "loss"]
    if model.visible == "bernoulli":
        columns.insert(1, "valid_pseudo_likelihood")
    return step, evaluate, tuple(columns), batches
