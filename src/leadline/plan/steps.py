"""What is proposed where each step of a row has an answer, and the loss, the headline and the shares of such answers.

Measured on one real task, one seed: capitals put back into 147,407 lower-cased words of Wikipedia (three classes), judged on
30,534 validation words by the loss and the share right after some of 17 planned epochs: 0.205 (92.5 %) after 2, 0.114 (96.4 %)
after 4, 0.105 (96.8 %) after 6, 0.121 (96.8 %) after 10, 0.144 (96.8 %) after 13. So about a million steps are seen, in at
least 6 epochs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from leadline.data.answers import Answers
from leadline.data.dataset import Dataset
from leadline.data.ragged import Ragged
from leadline.data.series.series import Series
from leadline.data.steps.step_answers import StepAnswers, StepClasses, StepNumbers
from leadline.data.trees.trees import NodeClasses
from leadline.losses.steps import step_accuracy, step_error
from leadline.plan.changes import numbers_chosen
from leadline.plan.record import CHOSEN, TrainingPlan
from leadline.spelling import counted

_STEPS_TO_SEE = 1_000_000
_RATE = 3e-3
_FEW, _MANY = 20_000, 200_000  # training steps from which on more hidden units find something to do
_SECOND_LAYER = 1_000_000
_NORM = 5.0


def has_steps(answers: object) -> bool:
    """Whether these are answers to each step of a row.

    Example:
        >>> has_steps(StepClasses(("a", "b"))), has_steps(None)
        (True, False)
    """
    return isinstance(answers, (StepClasses, StepNumbers))


def steps_facts(dataset: Dataset, why: dict[str, str]) -> dict[str, Any]:
    """The fields of `DataPlan` that need words of their own, each with its reason.

    Args:
        dataset: whose steps have answers.
        why: takes the reasons.
    """
    answers, options = dataset.schema.answers, dataset.origin.options
    what = f"one of {answers.outputs:,} classes" if isinstance(answers, StepClasses) else counted(answers.outputs, "number")
    many = {part: _steps(getattr(dataset, part)) for part in ("train", "valid", "test")}
    why["data.task"] = f"each of {sum(many.values()):,} steps has {what}"
    rows = len(dataset.valid), len(dataset.test)
    why["data.valid"] = f"{rows[0]:,} rows with {many['valid']:,} steps to choose the best weights by"
    why["data.test"] = f"{rows[1]:,} rows with {many['test']:,} steps that nothing sees before the end, for the score"
    for name in options.get("columns") or {}:
        why[f"data.columns.{name}"] = CHOSEN
    return {"header": {None: "", True: "yes", False: "no"}[options.get("header")]}


def steps_network(dataset: Dataset) -> tuple[str, str]:
    """The name of the network, and why it is that.

    Args:
        dataset: whose steps have answers.
    """
    return "recurrent", f"an answer for each step of {dataset.schema.inputs.describe()}, by what stands before and behind it"


def steps_arguments(name: str, dataset: Dataset, why: dict[str, str]) -> dict[str, Any]:
    """The arguments of `models.recurrent` for these rows.

    Args:
        name: of the network.
        dataset: whose steps have answers.
        why: takes the reasons.
    """
    if name != "recurrent":
        return {}
    steps = _steps(dataset.train)
    hidden = 64 if steps < _FEW else 128 if steps < _MANY else 256
    layers = 2 if steps >= _SECOND_LAYER else 1
    why["model.cell"] = f"gates carry what counts over the {dataset.schema.inputs.shape[0]:,} steps of the longest row"
    why["model.hidden"] = f"{steps:,} steps to learn from, {_FEW:,} of which repay 128 and {_MANY:,} repay 256"
    why["model.layers"] = f"{steps:,} steps are {'enough' if layers > 1 else 'too few'} for a second one"
    why["model.bidirectional"] = (
        "an answer may depend on what comes behind its step; false where steps are answered as they come"
    )
    dropout = 0.2 if isinstance(dataset.schema.inputs, Series) else 0.4
    why["model.dropout"] = f"{len(dataset.train):,} rows to learn from"
    proposed = {"cell": "lstm", "hidden": hidden, "layers": layers, "bidirectional": True, "dropout": dropout}
    if not isinstance(dataset.schema.inputs, Series):
        why["model.embedding"] = f"of each of {len(_vocabulary(dataset)):,} words and looks of words"
        proposed["embedding"] = 50 if steps < _FEW else 100
    return proposed


def steps_training(
    dataset: Dataset, changes: Mapping[str, Any], why: dict[str, str], *, rate_beside_adam: float = 1.0
) -> TrainingPlan:
    """How such a network is trained, in the batches and epochs of the person's own `changes` where these say so.

    Args:
        dataset: whose steps have answers.
        changes: of the person.
        why: takes the reasons.
        rate_beside_adam: how much higher the rate of another optimizer is.
    """
    rows, steps, answers = len(dataset.train), _steps(dataset.train), dataset.schema.answers
    mine = numbers_chosen(changes, "batch", "epochs", least=0)
    batch = mine.get("batch", int(2 ** np.clip(round(math.log2(max(rows, 2) / 60)), 3, 5))) or rows
    updates = math.ceil(rows / batch)
    epochs = mine.get("epochs", 0) or int(np.clip(round(_STEPS_TO_SEE / steps), 6, 60))
    patience = min(max(5, epochs // 2), epochs)
    decay = round(min(1 - 1 / max(10.0, 2 * updates), 0.999), 4)
    loss = "cross_entropy" if isinstance(answers, StepClasses) else "squared_error"
    what = f"one of {answers.outputs:,} classes is right" if isinstance(answers, StepClasses) else "in units of the deviation"
    why["training.loss"] = f"{what}, at each step; the mean over the steps of a batch, padding left out"
    why["training.batch"] = f"{rows:,} rows make {updates:,} batches an epoch, about {steps // updates:,} steps in each"
    why["training.epochs"] = f"{epochs} times {steps:,} steps are {epochs * steps:,} to learn from"
    why["training.learning_rate"] = f"usual for recurrent with batches of {batch}, as the peak of the schedule"
    why["training.schedule"] = f"one rise and fall over {epochs * updates:,} batches needs no tuning of its length"
    why["training.optimizer"] = f"adapts the rate to each weight, so {epochs} epochs need no search for it"
    why["training.clip"] = (
        f"gradients through {dataset.schema.inputs.shape[0]:,} steps can explode; longer ones are cut to {_NORM:g}"
    )
    why["training.accumulate"] = "0: a batch is cut into as many parts as memory asks for, tried before the first step"
    why["training.weight_decay"] = f"{rows:,} rows; decay works on weights, not on biases or scales"
    why["training.monitor"] = f"the loss on {len(dataset.valid):,} validation rows is steadier than a share of right answers"
    why["training.patience"] = f"a schedule over {epochs} epochs may rest for {patience} of them before it gets better"
    why["training.average"] = f"looks back over about {1 / (1 - decay):,.0f} batches; an epoch has {updates:,}"
    return TrainingPlan(
        loss=loss,
        batch=batch,
        epochs=epochs,
        learning_rate=_RATE * rate_beside_adam,
        weight_decay=0.01,
        patience=patience,
        clip=f"{_NORM:g}",
        average=f"ema({decay})",
    )


def task_of_rows(answers: Answers) -> str:
    """The task whose losses fit these answers: of steps and of nodes the task that each of them is, "classes" or "number".

    Example:
        >>> task_of_rows(StepClasses(("a", "b")))
        'classes'
    """
    if isinstance(answers, (StepClasses, NodeClasses)):
        return "classes"
    return "number" if isinstance(answers, StepNumbers) else answers.task


def step_headline(answers: StepAnswers) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """The first metric as a function of outputs and prepared targets, by its name.

    Args:
        answers: classes or numbers.
    """
    if isinstance(answers, StepClasses):
        return {"accuracy": step_accuracy}
    numbers = answers
    return {"mae": lambda outputs, targets: step_error(numbers.values(outputs), numbers.values(targets))}


def class_numbers(dataset: Dataset) -> Tensor:
    """The class of each training row, or of each training step that has one: int64 [N]; of labels their rows [N, L].

    Args:
        dataset: of classes, labels, or classes of steps or nodes.
    """
    targets = dataset.train.targets
    numbers: Tensor = torch.from_numpy(targets.values if isinstance(targets, Ragged) else targets)
    return numbers[numbers >= 0] if isinstance(targets, Ragged) else numbers


def _steps(split: Any) -> int:
    return int(split.inputs.lengths.sum())


def _vocabulary(dataset: Dataset) -> tuple[str, ...]:
    inputs: Any = dataset.schema.inputs
    words: tuple[str, ...] = inputs.vocabulary
    return words
