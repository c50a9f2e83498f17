"""Building: from a Plan and its Dataset to the objects that train."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from leadline import losses
from leadline.data.batches import Batches
from leadline.data.dataset import Dataset
from leadline.data.padding import RaggedRows
from leadline.data.pictures.drawn_answers import Drawings
from leadline.data.pictures.enlarging import SmallPictures
from leadline.data.pictures.pictures import Pictures
from leadline.data.schema import Schema
from leadline.data.steps.step_answers import StepClasses
from leadline.data.tokens.tokens import Tokens
from leadline.data.trees.trees import Trees
from leadline.errors import PlanError, unknown
from leadline.models.rosenblatt import PerceptronRule
from leadline.optim import Plateau, Schedule, make_average, make_clip, make_optimizer, make_schedule
from leadline.plan.generate_building import drawing_parts
from leadline.plan.generating import check_only_drawing
from leadline.plan.listening import listeners
from leadline.plan.loss_building import batch_accuracy, headline, higher_is_better, loss_of
from leadline.plan.network_building import started
from leadline.plan.reconstruct_building import reconstruct_parts
from leadline.plan.record import Plan
from leadline.plan.steps import has_steps, step_headline
from leadline.plan.token_building import language_parts
from leadline.plan.tree_building import tree_parts
from leadline.training import Best, Callback, Captured, Evaluation, Step, Supervised, Training, choose_device
from leadline.training.closures import ClosureStep, needs_closure
from leadline.training.devices import has_bfloat16, settle
from leadline.training.recorded import Recorded
from leadline.transfer import GradualUnfreezing, frozen, stages_of, with_depth_rates

_DECAY, _UNTIL = 0.6, 0.3  # of the rates from a stage to the one before; the share of the training after which all of it trains


@dataclass
class Built:
    """What `training.run_loop` needs, made from a Plan.

    Example:
        >>> from leadline import data, plan
        >>> digits = data.load("digits")
        >>> built = plan.build(plan.propose(digits, {"model": "linear", "training.device": "cpu"}), digits)
        >>> built.best.monitor, built.device
        ('valid_loss', device(type='cpu'))
    """

    model: nn.Module
    step: Step
    batches: Batches
    evaluate: Evaluation
    best: Best
    device: torch.device
    callbacks: list[Callback] = field(default_factory=list)


def build(plan: Plan, dataset: Dataset, *, first: Mapping[str, Tensor] | None = None) -> Built:
    """Seed, then make the network, its loss, optimizer, schedule and batches, as the Plan says, on its device.

    Args:
        plan: as the data were proposed or given it.
        dataset: to learn from; prepared as the network knows it (`resolve`) where one is transferred.
        first: the weights to begin with, where the Plan transfers: those of `resolve`.

    Errors: `PlanError` or `ArgumentError` for a choice that this data set or machine does not allow.

    Example:
        >>> from leadline import data, plan
        >>> digits = data.load("digits")
        >>> built = build(plan.propose(digits, {"model": "linear", "training.device": "cpu"}), digits)
        >>> built.model(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 10])
    """
    training, schema = plan.training, dataset.schema
    device = choose_device(training.device)
    settle(device, seed=training.seed, threads=training.threads or None)
    channels_last = training.layout == "channels_last"
    model = started(plan, dataset, first=first).to(
        device, memory_format=torch.channels_last if channels_last else torch.contiguous_format
    )  # type: ignore[call-overload]
    if isinstance(schema.answers, Drawings):
        parts: Any = drawing_parts(plan, dataset, model, device, precision_of(training.precision, device))
        return Built(model, parts.step, parts.batches, parts.evaluate, parts.best, device)
    check_only_drawing(plan)
    if isinstance(schema.inputs, Tokens):
        parts = language_parts(plan, dataset, model, device, precision_of(training.precision, device))
        return Built(model, parts.step, parts.batches, parts.evaluate, parts.best, device)
    if isinstance(schema.inputs, Trees):
        parts = tree_parts(plan, dataset, model, device, precision_of(training.precision, device))
        return Built(model, parts.step, parts.batches, parts.evaluate, parts.best, device)
    if schema.task == "reconstruct":
        parts = reconstruct_parts(plan, dataset, model, device, precision_of(training.precision, device))
        return Built(model, parts.step, parts.batches, parts.evaluate, parts.best, device)
    loss = loss_of(plan, dataset, device)
    loss = loss if has_steps(schema.answers) else losses.per_member(loss)
    schedule = make_schedule(training.schedule, warm_up_share=training.warm_up, epochs=training.epochs)
    make = functools.partial(Batches, schema=schema, device=device, channels_last=channels_last)
    augment = training.augment if training.augment.active else None
    if augment is not None and isinstance(schema.inputs, SmallPictures):
        raise PlanError(
            "Pairs are not augmented: both pictures of a pair would have to change alike", do="Leave training.augment out."
        )
    if augment is not None and not isinstance(schema.inputs, Pictures):
        raise PlanError("Only pictures can be augmented", got=schema.inputs.describe(), do="Leave training.augment out.")
    batch = training.batch or len(dataset.train)
    batches = make(dataset.train, batch_size=batch, seed=training.seed, shuffle=True, augment=augment)
    valid = make(dataset.valid, batch_size=evaluation_batch(batch))
    normalizes = (module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm))
    if batches.batch_size == 1 and not all(map(frozen, normalizes)):
        raise PlanError(
            "A batch of one row has no variance for batch normalization", expected="training.batch of at least 2", got=1
        )
    step = make_average(training.average, _step(plan, model, loss, schedule, batches, schema))
    best = Best(
        training.monitor,
        higher_is_better=higher_is_better(training.monitor, schema),
        patience=training.patience or None,
        min_change=training.min_change,
    )
    evaluate = Evaluation(model, valid, loss, headline(schema))
    columns = ["valid_loss", *(f"valid_{name}" for name in evaluate.measures), "loss"]
    if training.monitor not in columns:
        unknown("column of the history to monitor", training.monitor, columns, PlanError)
    evaluate.then = listeners(schedule, step, best, columns)
    callbacks: list[Callback] = [Settled(step)] if isinstance(step, PerceptronRule) else []
    return Built(model, step, batches, evaluate, best, device, callbacks)


class Settled(Callback):
    """Ends the training of a perceptron after an epoch without a mistake, and says where there was none."""

    def __init__(self, step: PerceptronRule) -> None:
        self.step = step

    def evaluated(self, now: Training) -> str | None:
        return self.step.finished()

    def fit_end(self, now: Training) -> None:
        if now.epoch == now.epochs and not self.step.finished():
            now.history.notes.append(
                f"After {now.epochs} epochs some training rows were still mistakes: it may be that no plane parts the classes. "
                "The weights that had the most rows right were kept."
            )


def _step(
    plan: Plan,
    model: nn.Module,
    loss: Callable[[Any, Any], Tensor],
    schedule: Schedule | Plateau,
    batches: Batches,
    schema: Schema,
) -> Step:
    """The step of the Plan, without its average."""
    if plan.model.name == "perceptron" and plan.training.loss == "perceptron":
        return PerceptronRule(model, rate=plan.training.learning_rate, rows=_all_rows(batches))
    training, precision = plan.training, precision_of(plan.training.precision, batches.device)
    optimizer = make_optimizer(
        training.optimizer,
        model,
        learning_rate=training.learning_rate,
        momentum=training.momentum,
        weight_decay=training.weight_decay,
    )
    stages = stages_of(model, schema.inputs.shape) if plan.start.transfers and not plan.start.solves else []
    if stages:
        optimizer = with_depth_rates(optimizer, model, stages, decay=_DECAY)
    measures = {"accuracy": losses.per_member(batch_accuracy)} if schema.task == "classes" else {}
    if isinstance(schema.answers, StepClasses):
        measures = step_headline(schema.answers)
    if training.penalties.of_outputs:
        raise PlanError(
            "Penalties of activations are for language models",
            got=f"the task {plan.data.task!r}",
            do="Leave training.penalties.activation and training.penalties.temporal out.",
        )
    penalties = training.penalties if training.penalties.active else None
    if needs_closure(optimizer):
        return ClosureStep(
            model,
            loss,
            optimizer,
            schedule=schedule,
            measures=measures,
            penalties=penalties,
            accumulate=max(1, training.accumulate),
        )
    step = Supervised(
        model,
        loss,
        optimizer,
        schedule=schedule,
        measures=measures,
        penalties=penalties,
        clip=make_clip(training.clip),
        accumulate=max(1, training.accumulate),
        precision=precision,
    )
    if stages and plan.start.weights:  # where there are none, a step is only measured, and what counts is a step of everything
        return GradualUnfreezing(step, model, stages, until=_UNTIL)
    if training.step in ("captured", "compiled"):
        return _captured(step, batches, compiled=training.step == "compiled")
    return _recorded(step, batches) if training.step == "recorded" else step


def _all_rows(batches: Batches) -> tuple[Tensor, Tensor]:
    """Every training row as evaluation would see it, in the order of the split, for a rule that counts how many are right."""
    plain = copy.copy(batches)
    plain.shuffle, plain.augment = False, None
    parts = list(plain)
    return torch.cat([inputs for inputs, _ in parts]), torch.cat([targets for _, targets in parts])


def _captured(step: Supervised, batches: Batches, *, compiled: bool) -> Captured:
    """The step, captured for the shape of a whole batch; a shorter one at the end of an epoch runs plain."""
    reason = "its rows differ in length" if isinstance(batches.stored, RaggedRows) else ""
    if not reason and batches.device.type != "cuda":
        reason = f"that is for a CUDA device, and it runs on {batches.device}"
    if not reason:
        captured = Captured(step, compiled=compiled)
        reason = captured.record(next(iter(batches)))
    if reason:
        raise PlanError(f"This training cannot be captured: {reason}", do="Set training.step to plain.")
    return captured


def _recorded(step: Supervised, batches: Batches) -> Recorded:
    """The step, recorded for the shapes of a whole batch and of the shorter one at the end of an epoch."""
    if isinstance(batches.stored, RaggedRows):
        raise PlanError("This training cannot be recorded: its rows differ in length", do="Set training.step to plain.")
    recorded = Recorded(step)
    whole = next(iter(batches))
    if reason := recorded.record(whole):
        raise PlanError(f"This training cannot be recorded: {reason}", do="Set training.step to plain.")
    rest = batches.rows % batches.batch_size
    if rest > 1 and len(batches) > 1:
        inputs, targets = whole
        recorded.record((inputs[:rest], targets[:rest]))
    return recorded


def evaluation_batch(batch: int) -> int:
    """Rows a batch when nothing has to be kept for gradients."""
    return max(256, 2 * batch)


def precision_of(name: str, device: torch.device) -> torch.dtype:
    """The arithmetic of this name; "auto" is bfloat16 where the hardware itself has it."""
    if name == "bfloat16" or (name == "auto" and has_bfloat16(device)):
        return torch.bfloat16
    return torch.float32
