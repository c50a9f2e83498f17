"""Building: from a Plan and its Dataset to the objects that train."""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leadline import losses, metrics
from leadline.data.answers import Numbers
from leadline.data.batches import Batches
from leadline.data.dataset import Dataset
from leadline.data.enlarging import LargePictures, SmallPictures
from leadline.data.padding import RaggedRows
from leadline.data.pictures import Pictures
from leadline.data.schema import Schema
from leadline.data.series import Series
from leadline.data.tables.table import Table
from leadline.data.texts import Texts
from leadline.errors import ArgumentError, PlanError, unknown
from leadline.initialize import set_prior_bias
from leadline.layers import MemberHeads, OneHot
from leadline.models import MODELS, OF_ANY_LENGTH, load_weights
from leadline.models.enlarging import BesideBicubic
from leadline.models.rosenblatt import PerceptronRule
from leadline.models.tfidf_networks import learn_frequencies
from leadline.optim import Plateau, Schedule, make_average, make_clip, make_optimizer, make_schedule
from leadline.plan.first_weights import set_first_weights
from leadline.plan.record import Plan
from leadline.plan.starts import StartPlan
from leadline.plan.transferred_networks import transferred_network
from leadline.spelling import parse_call
from leadline.training import Best, Callback, Evaluation, Step, Supervised, Training, choose_device
from leadline.training.closures import ClosureStep, needs_closure
from leadline.training.devices import has_bfloat16, settle
from leadline.training.recorded import Recorded
from leadline.transfer import GradualUnfreezing, frozen, stages_of, with_depth_rates

_COUNTED_ROWS = 256  # texts at a time whose words are counted for tf-idf
_DECAY, _UNTIL = 0.6, 0.3  # of the rates from a stage to the one before; the share of the training after which all of it trains
_OF_LOG_PROBABILITIES = ("cross_entropy", "kl_divergence", "binary_cross_entropy")  # losses whose outputs are such


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
    loss = losses.per_member(loss_of(plan, dataset, device))
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
    step = make_average(training.average, _step(plan, model, loss, schedule, batches, schema.inputs.shape))
    best = Best(
        training.monitor,
        higher_is_better=_higher_is_better(training.monitor, schema),
        patience=training.patience or None,
        min_change=training.min_change,
    )
    evaluate = Evaluation(model, valid, loss, headline(schema))
    columns = ["valid_loss", *(f"valid_{name}" for name in evaluate.measures), "loss"]
    if training.monitor not in columns:
        unknown("column of the history to monitor", training.monitor, columns, PlanError)
    if isinstance(schedule, Plateau):
        if training.monitor == "loss":
            raise PlanError(
                "A plateau is told by what is measured on validation rows",
                expected="training.monitor = " + " or ".join(columns[:-1]),
                got=training.monitor,
            )
        evaluate.then = functools.partial(_tell_plateau, schedule, best)
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


def _tell_plateau(schedule: Plateau, best: Best, columns: dict[str, float]) -> None:
    schedule.update(columns[best.monitor], higher_is_better=best.higher_is_better)


def _step(
    plan: Plan,
    model: nn.Module,
    loss: Callable[[Any, Any], Tensor],
    schedule: Schedule | Plateau,
    batches: Batches,
    shape: tuple[int, ...],
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
    stages = stages_of(model, shape) if plan.start.transfers and not plan.start.solves else []
    if stages:
        optimizer = with_depth_rates(optimizer, model, stages, decay=_DECAY)
    measures = {"accuracy": losses.per_member(batch_accuracy)} if plan.data.task == "classes" else {}
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
    return _recorded(step, batches) if training.step == "recorded" else step


def _all_rows(batches: Batches) -> tuple[Tensor, Tensor]:
    """Every training row as evaluation would see it, in the order of the split, for a rule that counts how many are right."""
    plain = copy.copy(batches)
    plain.shuffle, plain.augment = False, None
    parts = list(plain)
    return torch.cat([inputs for inputs, _ in parts]), torch.cat([targets for _, targets in parts])


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


def network(plan: Plan, schema: Schema) -> nn.Module:
    """The network of a Plan for inputs and answers of this Schema, freshly initialized, on the CPU."""
    if plan.start.transfers:
        return transferred_network(plan.start, schema, functools.partial(network, dataclasses.replace(plan, start=StartPlan())))
    builder = MODELS[plan.model.name]
    inputs, outputs = schema.inputs, schema.answers.outputs
    wanted = inspect.signature(builder).parameters
    given = {"outputs": outputs, "classes": outputs, "task": schema.task}
    one_hot = None
    if isinstance(inputs, Table):
        # A network that knows nothing of categories gets them one-hot.
        one_hot = OneHot(inputs.numbers, inputs.categories) if inputs.categories and "edges" not in wanted else None
        shape = (one_hot.width,) if one_hot is not None else inputs.shape
        given |= {"edges": inputs.edges, "categories": inputs.categories}
    else:
        shape = inputs.shape
    given |= {"shape": shape, "channels": shape[0]}
    if isinstance(inputs, SmallPictures):
        given["upscale"] = inputs.upscale
    if isinstance(inputs, Texts):
        given["vocabulary"] = len(inputs.vocabulary)
    if ("upscale" in wanted) != isinstance(inputs, SmallPictures):
        enlarges, others = ("does", "does not") if "upscale" in wanted else ("does not", "does")
        fitting = [name for name, each in MODELS.items() if "upscale" in inspect.signature(each).parameters]
        raise PlanError(
            f"The model {plan.model.name!r} {enlarges} enlarge pictures, which the task {schema.task!r} {others}",
            do=f"Take model={fitting[0]} for pairs, and for nothing else.",
        )
    vocabulary = wanted.get("vocabulary")
    for needed, what, fits in (
        ("channels" in wanted, "pictures", len(shape) == 3),
        ("edges" in wanted, "a table", isinstance(inputs, Table)),
        (vocabulary is not None and vocabulary.default is vocabulary.empty, "texts", isinstance(inputs, Texts)),
        (plan.model.name in OF_ANY_LENGTH, "texts or series", isinstance(inputs, (Texts, Series))),
    ):
        if needed and not fits:
            raise PlanError(f"The model {plan.model.name!r} needs {what}", got=inputs.describe())
    differing = isinstance(inputs, Texts) or (isinstance(inputs, Series) and not inputs.fixed)
    if differing and plan.model.name not in OF_ANY_LENGTH:
        raise PlanError(
            f"The model {plan.model.name!r} cannot take rows of different lengths",
            got=inputs.describe(),
            do=f"Take one of {', '.join(OF_ANY_LENGTH)}.",
        )
    if plan.model.name == "perceptron" and schema.task != "classes":
        raise PlanError("The perceptron parts classes", got=f"the task {schema.task!r}", do="Take model=linear for it.")
    model = builder(**{name: value for name, value in given.items() if name in wanted}, **plan.model.arguments)
    if isinstance(inputs, SmallPictures):
        return BesideBicubic(model, inputs.upscale)
    return model if one_hot is None else nn.Sequential(one_hot, model)


def head_of(model: nn.Module) -> nn.Module | None:
    """The last layer of a network: its `head`, or the last of its linear layers."""
    head = getattr(model, "head", None)
    if isinstance(head, nn.Module):
        return head
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    return linear[-1] if linear else None


def evaluation_batch(batch: int) -> int:
    """Rows a batch when nothing has to be kept for gradients."""
    return max(256, 2 * batch)


def batch_accuracy(logits: Tensor, targets: Tensor) -> Tensor:
    """The share of right classes in a batch, float32, on the device; of a mixture the larger part is the right one."""
    right = targets.argmax(1) if targets.ndim == 2 else targets
    return (logits.argmax(1) == right).float().mean()


def headline(schema: Schema) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """The first metric of the task as a function of outputs and prepared targets, by its name."""
    name, metric = next(iter(metrics.for_task(schema.task, schema.answers.outputs).items()))
    answers = schema.answers
    if isinstance(answers, LargePictures):
        shades = answers.shades
        return {name: lambda outputs, targets: metric.function(shades(outputs), shades(targets))}
    if isinstance(answers, Numbers):
        return {name: lambda outputs, targets: metric.function(answers.values(outputs), answers.values(targets))}
    return {name: lambda outputs, targets: metric.function(answers.probabilities(outputs), targets.long())}


def loss_of(plan: Plan, dataset: Dataset, device: torch.device) -> Callable[..., Tensor]:
    """The loss of the Plan with everything that it is given: smoothing, weights of the classes, a bonus for entropy."""
    training, answers = plan.training, dataset.schema.answers
    function = losses.get(training.loss, task=answers.task)
    takes = inspect.signature(function).parameters
    given: dict[str, Any] = {}
    if training.label_smoothing:
        if "label_smoothing" in getattr(function, "keywords", {}):
            raise PlanError(
                "The label smoothing is given twice",
                got=f"training.loss = {training.loss} and training.label_smoothing = {training.label_smoothing:g}",
                do="Set training.label_smoothing to 0, or leave it out of the loss.",
            )
        given["label_smoothing"] = training.label_smoothing
    if training.class_weights == "balanced":
        given["class_weights"] = balanced_weights(dataset.train.targets, answers.outputs, answers.task).to(device)
    for name in given:
        if name not in takes:
            told = name.replace("_", " ")
            raise PlanError(f"The loss {training.loss!r} has no {told}", do=f"Leave training.{name} out.")
    chosen = functools.partial(function, **given) if given else function
    if not training.entropy_bonus:
        return chosen
    if answers.task != "classes":
        raise PlanError("An entropy bonus is for one class of several", got=f"the task {answers.task!r}")

    def less_sure(outputs: Tensor, targets: Tensor) -> Tensor:
        return chosen(outputs, targets) - training.entropy_bonus * losses.entropy(outputs, reduction="mean")

    return less_sure


def balanced_weights(targets: NDArray[Any], outputs: int, task: str) -> Tensor:
    """Weights that make rare classes count as much as frequent ones, float32 [K].

    wₖ = N / (K nₖ) for the K classes that there are rows of, so that the mean over the rows is 1; (N − nₗ) / nₗ for `labels`,
    which is for the rows that have the label. What no row has gets 1.

    Example:
        >>> import numpy as np
        >>> balanced_weights(np.array([0, 0, 0, 1]), 2, "classes")
        tensor([0.6667, 2.0000])
    """
    rows = torch.from_numpy(targets)
    counts = (torch.bincount(rows, minlength=outputs) if task == "classes" else rows.sum(0)).float()
    weights = len(rows) / ((counts > 0).sum() * counts) if task == "classes" else (len(rows) - counts) / counts
    return torch.where(counts > 0, weights, 1.0)


def precision_of(name: str, device: torch.device) -> torch.dtype:
    """The arithmetic of this name; "auto" is bfloat16 where the hardware itself has it."""
    if name == "bfloat16" or (name == "auto" and has_bfloat16(device)):
        return torch.bfloat16
    return torch.float32


def _higher_is_better(monitor: str, schema: Schema) -> bool:
    metric = metrics.for_task(schema.task, schema.answers.outputs).get(monitor.removeprefix("valid_"))
    return metric.higher_is_better if metric is not None else False


def started(plan: Plan, dataset: Dataset, *, first: Mapping[str, Tensor] | None = None) -> nn.Module:
    """The network with the weights to begin with: those given, those of a file, or drawn, its head's bias the log prior."""
    model, schema = network(plan, dataset.schema), dataset.schema
    if first is not None:
        model.load_state_dict(first)
        return model
    if plan.start.transfers:
        if plan.start.weights:
            raise PlanError(
                "A network that is made of another one starts from weights that a Plan does not hold",
                do="Give the `first` of plan.resolve(…) to plan.build.",
            )
        return model
    if plan.start.weights and plan.start.transfer != "scratch":
        try:
            load_weights(model, plan.start.weights)
        except ArgumentError as error:
            raise PlanError(str(error)) from error
        return model
    if plan.start.initialize:
        set_first_weights(model, plan.start.initialize, dataset)
    learn_frequencies(model, Batches(dataset.train, dataset.schema, batch_size=_COUNTED_ROWS))
    head = head_of(model)
    gives_answers = isinstance(head, MemberHeads) or getattr(head, "out_features", 0) == schema.answers.outputs
    if head is not None and gives_answers and parse_call(plan.training.loss, "loss").name in _OF_LOG_PROBABILITIES:
        targets = torch.from_numpy(dataset.train.targets)
        shares = (
            torch.bincount(targets, minlength=schema.answers.outputs) / len(targets)
            if schema.task == "classes"
            else targets.mean(0)
        )
        set_prior_bias(head, shares, task=schema.task)  # type: ignore[arg-type]
    return model
