"""Building: from a Plan and its Dataset to the objects that train."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from leadline import losses, metrics
from leadline.data.answers import Numbers
from leadline.data.batches import Batches
from leadline.data.dataset import Dataset, Split
from leadline.data.schema import Schema
from leadline.data.tables.table import Table
from leadline.errors import PlanError, SourceNotFoundError, unknown
from leadline.initialize import set_prior_bias
from leadline.layers import MemberHeads, OneHot
from leadline.models import MODELS
from leadline.optim import ExponentialAverage, make_optimizer, make_schedule
from leadline.plan.record import Plan
from leadline.training import Best, Evaluation, Step, Supervised, choose_device
from leadline.training.devices import has_bfloat16, settle


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


def build(plan: Plan, dataset: Dataset) -> Built:
    """Seed, then make the network, its loss, optimizer, schedule and batches, as the Plan says, on its device.

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
    model = network(plan, schema)
    _start(model, plan, dataset.train, schema)
    model = model.to(device, memory_format=torch.channels_last if channels_last else torch.contiguous_format)  # type: ignore[call-overload]
    loss = losses.per_member(_loss(plan, schema))
    optimizer = make_optimizer(
        training.optimizer,
        model,
        learning_rate=training.learning_rate,
        momentum=training.momentum,
        weight_decay=training.weight_decay,
    )
    step: Step = Supervised(
        model,
        loss,
        optimizer,
        schedule=make_schedule(training.schedule, warm_up_share=training.warm_up),
        measures={"accuracy": losses.per_member(batch_accuracy)} if schema.task == "classes" else {},
        clip=training.clip or None,
        accumulate=training.accumulate,
        precision=precision_of(training.precision, device),
    )
    if training.average:
        step = ExponentialAverage(step, decay=training.average)
    make = functools.partial(Batches, schema=schema, device=device, channels_last=channels_last)
    augment = training.augment if training.augment.active else None
    batches = make(dataset.train, batch_size=training.batch, seed=training.seed, shuffle=True, augment=augment)
    valid = make(dataset.valid, batch_size=evaluation_batch(training.batch))
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
    if batches.batch_size == 1 and any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules()):
        raise PlanError(
            "A batch of one row has no variance for batch normalization", expected="training.batch of at least 2", got=1
        )
    return Built(model, step, batches, evaluate, best, device)


def network(plan: Plan, schema: Schema) -> nn.Module:
    """The network of a Plan for inputs and answers of this Schema, freshly initialized, on the CPU."""
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
    for needed, what, fits in (
        ("channels", "pictures", len(shape) == 3),
        ("edges", "a table", isinstance(inputs, Table)),
    ):
        if needed in wanted and not fits:
            raise PlanError(f"The model {plan.model.name!r} needs {what}", got=inputs.describe())
    if plan.model.name == "perceptron" and schema.task != "classes":
        raise PlanError("The perceptron parts classes", got=f"the task {schema.task!r}", do="Take model=linear for it.")
    model = builder(**{name: value for name, value in given.items() if name in wanted}, **plan.model.arguments)
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
    """The share of right classes in a batch, float32, on the device."""
    return (logits.argmax(1) == targets).float().mean()


def headline(schema: Schema) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """The first metric of the task as a function of outputs and prepared targets, by its name."""
    name, metric = next(iter(metrics.for_task(schema.task, schema.answers.outputs).items()))
    answers = schema.answers
    if isinstance(answers, Numbers):
        return {name: lambda outputs, targets: metric.function(answers.values(outputs), answers.values(targets))}
    return {name: lambda outputs, targets: metric.function(answers.probabilities(outputs), targets.long())}


def _loss(plan: Plan, schema: Schema) -> Callable[..., Tensor]:
    function = losses.get(plan.training.loss, task=schema.task)
    if plan.training.loss == "quantile":
        return functools.partial(function, tau=plan.training.quantile)
    smoothing = plan.training.label_smoothing
    if not smoothing:
        return function
    if "label_smoothing" not in inspect.signature(function).parameters:
        raise PlanError(
            f"The loss {plan.training.loss!r} has no label smoothing", expected="training.label_smoothing = 0", got=smoothing
        )
    return functools.partial(function, label_smoothing=smoothing)


def precision_of(name: str, device: torch.device) -> torch.dtype:
    """The arithmetic of this name; "auto" is bfloat16 where the hardware itself has it."""
    if name == "bfloat16" or (name == "auto" and has_bfloat16(device)):
        return torch.bfloat16
    return torch.float32


def _higher_is_better(monitor: str, schema: Schema) -> bool:
    metric = metrics.for_task(schema.task, schema.answers.outputs).get(monitor.removeprefix("valid_"))
    return metric.higher_is_better if metric is not None else False


def _start(model: nn.Module, plan: Plan, train: Split, schema: Schema) -> None:
    """The weights to begin with: those of a file, or a head whose bias is the log prior of the training targets."""
    if plan.start.weights:
        _load_weights(model, Path(plan.start.weights))
        return
    head = head_of(model)
    if isinstance(head, (nn.Linear, MemberHeads)) and schema.task != "number" and plan.training.loss != "perceptron":
        targets = torch.from_numpy(train.targets)
        shares = (
            torch.bincount(targets, minlength=schema.answers.outputs) / len(targets)
            if schema.task == "classes"
            else targets.mean(0)
        )
        set_prior_bias(head, shares, task=schema.task)


def _load_weights(model: nn.Module, path: Path) -> None:
    file = path / "model.safetensors" if path.is_dir() else path
    if not file.exists():
        raise SourceNotFoundError(
            f"There are no weights at {path}", expected="a Run folder or a .safetensors file", do="Mend start.weights."
        )
    try:
        model.load_state_dict(load_file(file))
    except RuntimeError as error:
        raise PlanError(
            f"The weights of {path} do not fit this network",
            got=str(error).splitlines()[-1].strip(),
            do="Give the same model and classes.",
        ) from error
