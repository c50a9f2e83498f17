"""The loss of a Plan, and by which number the best weights are told."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from leadline import losses, metrics
from leadline.data.answers import Numbers
from leadline.data.dataset import Dataset
from leadline.data.forecasts.forecast_answers import Forecasts
from leadline.data.pictures.drawn_answers import Drawings
from leadline.data.pictures.enlarging import LargePictures
from leadline.data.schema import Schema
from leadline.data.steps.step_answers import StepClasses, StepNumbers
from leadline.errors import PlanError
from leadline.metrics.forecasts import forecast_absolute_error
from leadline.plan.record import Plan
from leadline.plan.steps import class_numbers, has_steps, step_headline, task_of_rows


def loss_of(plan: Plan, dataset: Dataset, device: torch.device) -> Callable[..., Tensor]:
    """The loss of the Plan with everything that it is given: smoothing, weights of the classes, a bonus for entropy."""
    training, answers = plan.training, dataset.schema.answers
    task = task_of_rows(answers)
    function = losses.get(training.loss, task=task)
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
        given["class_weights"] = balanced_weights(class_numbers(dataset).numpy(), answers.outputs, task).to(device)
    for name in given:
        if name not in takes:
            told = name.replace("_", " ")
            raise PlanError(f"The loss {training.loss!r} has no {told}", do=f"Leave training.{name} out.")
    chosen = functools.partial(function, **given) if given else function
    if training.entropy_bonus and task != "classes":
        raise PlanError("An entropy bonus is for one class of several", got=f"the task {answers.task!r}")
    chosen = less_sure(chosen, training.entropy_bonus) if training.entropy_bonus else chosen
    return losses.each_step(chosen) if has_steps(answers) else chosen


def less_sure(loss: Callable[..., Tensor], bonus: float) -> Callable[..., Tensor]:
    """The loss less a share of the entropy of what is said, so that a network does not become too sure.

    Args:
        loss: of logits [N, K].
        bonus: the share.

    Example:
        >>> halved = less_sure(losses.cross_entropy, 0.5)
        >>> round(halved(torch.zeros(1, 2), torch.tensor([0])).item(), 4)  # log 2 − log 2 / 2
        0.3466
    """

    def rewarded(outputs: Tensor, targets: Tensor, *, reduction: str = "mean") -> Tensor:
        return loss(outputs, targets, reduction=reduction) - bonus * losses.entropy(outputs, reduction=reduction)

    return rewarded


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


def headline(schema: Schema) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """The first metric of the task as a function of outputs and prepared targets, by its name."""
    answers = schema.answers
    if isinstance(answers, Forecasts):  # each series on the scale on which it is learned, so that all count alike
        return {"scaled_error": forecast_absolute_error}
    if isinstance(answers, (StepClasses, StepNumbers)):
        return step_headline(answers)
    assert not isinstance(answers, Drawings)  # which have an evaluation of their own
    name, metric = next(iter(metrics.for_task(schema.task, answers.outputs).items()))
    if isinstance(answers, LargePictures):
        shades = answers.shades
        return {name: lambda outputs, targets: metric.function(shades(outputs), shades(targets))}
    if isinstance(answers, Numbers):
        return {name: lambda outputs, targets: metric.function(answers.values(outputs), answers.values(targets))}
    return {name: lambda outputs, targets: metric.function(answers.probabilities(outputs), targets.long())}


def batch_accuracy(logits: Tensor, targets: Tensor) -> Tensor:
    """The share of right classes in a batch, float32, on the device; of a mixture the larger part is the right one."""
    right = targets.argmax(1) if targets.ndim == 2 else targets
    return (logits.argmax(1) == right).float().mean()


def higher_is_better(monitor: str, schema: Schema) -> bool:
    """Whether more of this column of the history is better."""
    if isinstance(schema.answers, (Forecasts, StepNumbers)):
        return False
    if isinstance(schema.answers, StepClasses):
        return monitor == "valid_accuracy"
    metric = metrics.for_task(schema.task, schema.answers.outputs).get(monitor.removeprefix("valid_"))
    return metric.higher_is_better if metric is not None else False
