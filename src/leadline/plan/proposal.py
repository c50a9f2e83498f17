"""Proposing: from a Dataset to a Plan in which every choice quotes the number of this data set behind it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from leadline.data.dataset import Dataset
from leadline.data.pictures.augment import Augment
from leadline.data.pictures.pictures import Pictures
from leadline.data.series.series import Series
from leadline.data.tables.table import Table
from leadline.data.texts.texts import Texts
from leadline.plan.changes import spelled_out
from leadline.plan.mirror import mirrored_agreement
from leadline.plan.network_costs import NetworkCost, cost_of_network
from leadline.plan.pretraining import pretrained_arguments
from leadline.plan.record import DataPlan, ModelPlan, Plan, TrainingPlan
from leadline.plan.sequences import sequence_arguments, sequence_network, sequence_training, texts_facts
from leadline.plan.small_pictures import FAST, fast_epochs, fast_network, fast_reason, fast_start, fast_suits, fast_training
from leadline.plan.tables import table_arguments, table_facts, table_training
from leadline.plan.task_proposals import DECAY_IN_GRADIENT, TASKS, ChosenOptimizer
from leadline.plan.trees import start_of_trees_plan
from leadline.plan.word_starts import check_vector_start, with_vector_width

_SMALL_SIDE = 64  # pictures up to this side go through a small network at full size; larger ones through ResNet-18
_ROWS_TO_SEE = 500_000  # rows of training that small pictures and tables repay, in at least 10 epochs
_MOST_EPOCHS = {"convnet": 36}  # 60 for the others; measured on digits, where more epochs gained nothing
_ROWS_OF_LARGE = 20_000  # the same for ResNet-18, which takes a hundred times longer for each, and for larger ones
_TRIED = ("linear", "perceptron", "mlp", "tabular", "convnet", FAST)  # networks whose numbers below were tried
_RATE_OF_DEEP = 2e-4  # for deep networks without normalization
# Rates that do as well as Adam's, as multiples of its own.
_RATE_BESIDE_ADAM = {"sgd": 10.0, "nesterov": 10.0, "adagrad": 5.0, "muon": 5.0}
_RATE_ON_TABLES = {**_RATE_BESIDE_ADAM, "sgd": 50.0, "nesterov": 50.0}  # with 10 it had hardly begun on 125 rows of wine
_DECOUPLED = ("adamw", "muon")
_SMOOTHED = ("cross_entropy", "kl_divergence")  # losses for classes that take label smoothing
_ROWS_OF_PERCEPTRON = 200_000
_MANY = 20_000  # rows; so many pictures, seen ten times each, need no variation beyond the mirror


def propose(dataset: Dataset, changes: Mapping[str, Any] | None = None) -> Plan:
    """A Plan for this data set, with a reason for each choice; `changes` are the person's own and are not proposed over.

    Errors: `PlanError` when a change has an unknown key or a value of the wrong kind.

    Example:
        >>> from leadline import data
        >>> plan = propose(data.load("digits"), {"training.epochs": 5})
        >>> plan.why["data.task"], plan.why["training.epochs"]
        ('each row has one of 10 classes', 'chosen by you')
    """
    changes = spelled_out(changes or {})
    why: dict[str, str] = {}
    data = _data(dataset, why)
    model = _model(dataset, changes, why)
    training = _training(dataset, model, changes, why)
    start = fast_start(dataset, why) if model.name == FAST else start_of_trees_plan(dataset, why)
    plan = Plan(data=data, model=model, training=training, start=start, why=why).but(changes)
    if plan.start.vectors:
        check_vector_start(dataset.schema)
        plan = with_vector_width(plan, set(changes))
    return dataclasses.replace(plan, data=data)  # what was loaded is a fact, whatever was wished for


def _data(dataset: Dataset, why: dict[str, str]) -> DataPlan:
    options = {key: value for key, value in dataset.origin.options.items() if value is not None}
    names = {item.name for item in dataclasses.fields(DataPlan)}
    train, valid, test = len(dataset.train), len(dataset.valid), len(dataset.test)
    outputs = dataset.schema.answers.outputs
    of_rows = {
        "classes": f"each row has one of {outputs} classes",
        "labels": f"each row may have any of {outputs} labels",
        "number": f"each row has {outputs} number(s) to predict",
    }
    if dataset.task in of_rows:
        why["data.task"] = of_rows[dataset.task]
    why["data.valid"] = f"{valid:,} rows to choose the best weights by, beside {train:,} to learn from"
    why["data.test"] = f"{test:,} rows that nothing sees before the end, for the score"
    if isinstance(dataset.schema.inputs, Pictures):
        pictures = dataset.schema.inputs
        why["data.size"] = f"pictures are kept as {pictures.height} × {pictures.width} × {pictures.channels}"
    fields: dict[str, Any] = {key: value for key, value in options.items() if key in names}
    if dataset.task in TASKS:
        fields |= TASKS[dataset.task].facts(dataset, why)
    if isinstance(inputs := dataset.schema.inputs, Texts):
        fields |= texts_facts(inputs, fields, why)
    if isinstance(inputs, Table):
        fields |= table_facts(inputs, dataset.schema.answers, options, why)
    return DataPlan(**fields | {"source": dataset.origin.source, "hash": dataset.fingerprint(), "task": dataset.task})


def _model(dataset: Dataset, changes: Mapping[str, Any], why: dict[str, str]) -> ModelPlan:
    inputs, rows = dataset.schema.inputs, len(dataset.train)
    if dataset.task in TASKS:
        name, reason = TASKS[dataset.task].network(dataset)
    elif changes.get("start.pretrain"):
        name, reason = "mlp", f"a stack of layers, each of which can learn {rows:,} rows before all of them learn the answers"
    elif isinstance(inputs, Pictures):
        side = min(inputs.height, inputs.width)
        small = f"{inputs.height} × {inputs.width} pixels"
        if side < 4:
            name, reason = "mlp", f"{small} are too few to convolve"
        elif side <= _SMALL_SIDE and fast_suits(dataset):
            name, reason = FAST, fast_reason(dataset)
        elif side <= _SMALL_SIDE:
            name, reason = "convnet", f"{small} fit a small convolutional network (up to {_SMALL_SIDE})"
        else:
            name, reason = "resnet18", f"{small} are more than the {_SMALL_SIDE} that a small network suits"
    elif isinstance(inputs, (Texts, Series)):
        name, reason = sequence_network(dataset)
    elif isinstance(inputs, Table):
        name, reason = "tabular", f"{rows:,} rows of {len(inputs.used)} columns, each embedded by itself"
    else:
        features = inputs.shape[0]
        if rows < 2 * features:
            name, reason = "linear", f"{rows:,} rows are too few for {features:,} features to learn more than one weight each"
        else:
            name, reason = "mlp", f"{rows:,} rows of {features:,} features"
    why["model.name"] = reason
    name = changes.get("model.name") or name
    return ModelPlan(name, _arguments(name, dataset, changes, why))


def _arguments(name: str, dataset: Dataset, changes: Mapping[str, Any], why: dict[str, str]) -> dict[str, Any]:
    shape, rows = dataset.schema.inputs.shape, len(dataset.train)
    if name == "tabular" and isinstance(dataset.schema.inputs, Table):
        return table_arguments(dataset, why)
    if isinstance(dataset.schema.inputs, (Texts, Series)) and dataset.task not in TASKS:
        return sequence_arguments(name, dataset, why)
    if dataset.task in TASKS and (given := TASKS[dataset.task].arguments(name, dataset, changes, why)):
        return given
    if name == "mlp":
        width = int(2 ** np.clip(round(math.log2(math.sqrt(rows * 4))), 5, 9))
        dropout = 0.2 if rows < 50_000 else 0.1
        why["model.width"] = f"about √(4 · {rows:,} rows), a power of two between 32 and 512"
        why["model.depth"] = f"two hidden layers, as {rows:,} rows seldom repay more"
        why["model.dropout"] = f"{rows:,} rows are {'fewer' if rows < 50_000 else 'no fewer'} than 50,000"
        stack = pretrained_arguments(str(changes["start.pretrain"]), why) if changes.get("start.pretrain") else {}
        return {"width": width, "depth": 2, "dropout": dropout, **stack}
    if name == FAST and len(shape) == 3:
        return fast_network(dataset, why)
    if name == "convnet" and len(shape) == 3:
        side = min(shape[1:])
        stages = int(np.clip(math.floor(math.log2(side / 2)) + 1, 1, 5))
        width = 32 if side <= 10 else 24
        why["model.stages"] = f"{stages} stages leave a map of {side // 2 ** (stages - 1)} pixels a side from {side}"
        why["model.width"] = f"pictures of {side} pixels a side leave time for {width} filters at full size"
        why["model.dropout"] = f"{rows:,} training pictures"
        why["model.convolutions"] = f"{rows:,} pictures of {side} pixels a side: a second one a stage would double the time"
        return {"width": width, "stages": stages, "convolutions": 1, "dropout": 0.2 if rows < 20_000 else 0.1}
    return {}


def _training(dataset: Dataset, network: ModelPlan, changes: Mapping[str, Any], why: dict[str, str]) -> TrainingPlan:
    rows, task, model = len(dataset.train), dataset.task, network.name
    if model == "perceptron" and task == "classes":
        return _rosenblatt(rows, why)
    optimizer = str(changes.get("training.optimizer", "adamw"))
    kind = optimizer.split("(")[0]
    if task in TASKS:
        chosen = ChosenOptimizer(kind, _RATE_BESIDE_ADAM.get(kind, 1.0), kind in _DECOUPLED)
        return TASKS[task].training(dataset, network, changes, why, chosen)
    if task == "number":
        loss, smoothing = "squared_error", 0.0
        why["training.loss"] = (
            f"the usual one for {dataset.schema.answers.outputs} number(s), in units of the deviation in training"
        )
    elif task == "labels":
        loss, smoothing = "binary_cross_entropy", 0.0
        why["training.loss"] = f"{dataset.schema.answers.outputs} labels may hold together, so each has its own logistic unit"
    else:
        wanted = str(changes.get("training.loss", "cross_entropy"))
        # A loss of the person's own may have no smoothing, or say itself how much.
        smooths = wanted.split("(")[0] in _SMOOTHED and "label_smoothing" not in wanted
        loss, smoothing = "cross_entropy", 0.1 if smooths and isinstance(dataset.schema.inputs, Pictures) else 0.0
        why["training.loss"] = f"exactly one of {dataset.schema.answers.outputs} classes is right"
    if smoothing:
        why["training.label_smoothing"] = f"{rows:,} pictures can be learnt by heart; a target of 0.9 keeps the network from it"
    cost = _cost(dataset, network, changes)
    large = model == "resnet18" if cost is None else cost.large
    seen = _ROWS_OF_LARGE if large else _ROWS_TO_SEE
    if cost is not None:
        seen = cost.rows_to_see(_ROWS_OF_LARGE, _ROWS_TO_SEE)
    batch = int(2 ** np.clip(round(math.log2(max(rows, 2) / 40)), 3, 6 if large else 7))
    epochs = int(np.clip(round(seen / rows), 10, _MOST_EPOCHS.get(model, 60)))
    epochs = (fast_epochs(dataset) if model == FAST else None) or epochs
    averaged = True
    deep = cost is not None and cost.unnormalized
    usual = _RATE_OF_DEEP if deep else 1e-3
    weight_decay, rate = 0.05, {"linear": 0.01, "mlp": 3e-3, "convnet": 5e-3, FAST: 5e-3}.get(model, usual)
    if model == "tabular":
        of_tables = table_training(rows)
        batch, epochs, rate, weight_decay = (of_tables[key] for key in ("batch", "epochs", "learning_rate", "weight_decay"))
        averaged = of_tables["averaged"]
    if isinstance(dataset.schema.inputs, (Texts, Series)):
        batch, epochs, rate, weight_decay, averaged = sequence_training(model, rows)
    schedule = str(changes.get("training.schedule", "one_cycle"))
    rate *= (_RATE_ON_TABLES if model == "tabular" else _RATE_BESIDE_ADAM).get(kind, 1.0)
    if kind not in _DECOUPLED:
        weight_decay = DECAY_IN_GRADIENT
    if kind == "lbfgs":
        batch, rate, schedule, averaged = rows, 1.0, str(changes.get("training.schedule", "constant")), False
    # Reasons that speak of the batch or the epochs speak of the person's own where there are any.
    batch, epochs = (
        value if isinstance(value := changes.get(f"training.{key}"), int) and value > 0 else usual_value
        for key, usual_value in (("batch", rows if changes.get("training.batch") == 0 else batch), ("epochs", epochs))
    )
    steps = math.ceil(rows / batch)
    why["training.batch"] = f"{rows:,} rows make {steps} steps an epoch"
    why["training.epochs"] = f"{epochs} times {rows:,} rows are {epochs * rows:,} to learn from"
    why["training.learning_rate"] = f"usual for {model} with {optimizer} in batches of {batch}, as the peak of the schedule"
    if cost is not None:
        why["training.epochs"] += f", at {cost}"
        if deep:
            why["training.learning_rate"] += "; low, as no layer normalizes what so many others multiply"
    why["training.schedule"] = f"one rise and fall over {epochs * steps:,} steps needs no tuning of its length"
    if kind == "lbfgs":
        why["training.learning_rate"] = "a line search finds the length of each step, beginning with 1"
        why["training.schedule"] = "the line search needs none"
    why["training.optimizer"] = f"adapts the rate to each weight, so {epochs} epochs need no search for it"
    why["training.accumulate"] = "0: a batch is cut into as many parts as memory asks for, tried before the first step"
    on = "on biases of members as well, as was measured" if model == "tabular" else "not on biases or scales"
    in_gradient = "" if kind in _DECOUPLED else f", and with {kind} as part of the gradient, where less does as much"
    why["training.weight_decay"] = f"{rows:,} rows; decay works on weights, {on}{in_gradient}"
    why["training.monitor"] = f"the loss on {len(dataset.valid):,} validation rows is steadier than a share of right answers"
    patience = min(max(5, epochs // 2), epochs)
    why["training.patience"] = (
        f"a {schedule} schedule over {epochs} epochs may rest for {patience} of them before it gets better"
    )
    decay = round(min(1 - 1 / max(10.0, 2 * steps), 0.999), 4)
    why["training.average"] = (
        f"looks back over about {1 / (1 - decay):,.0f} steps; an epoch has {steps:,}"
        if averaged
        else "the line search needs all rows and no average"
        if kind == "lbfgs"
        else f"with {rows:,} rows the fall of the rate smooths the weights as well"
    )
    training = TrainingPlan(
        loss=loss,
        label_smoothing=smoothing,
        batch=batch,
        epochs=epochs,
        learning_rate=rate,
        schedule=schedule,
        weight_decay=weight_decay,
        patience=patience,
        monitor="valid_loss",
        average=f"ema({decay})" if averaged else "",
        augment=_augment(dataset, why),
    )
    # Muon is for filters that have everything to learn; a new head alone has none.
    return fast_training(training, changes, why) if model == FAST and not changes.get("start.weights") else training


def _cost(dataset: Dataset, network: ModelPlan, changes: Mapping[str, Any]) -> NetworkCost | None:
    """What a network costs a row, where its numbers were not tried: those of ResNet-18 were, on photos."""
    inputs = dataset.schema.inputs
    on_photos = isinstance(inputs, Pictures) and min(inputs.height, inputs.width) > _SMALL_SIDE
    if network.name in _TRIED or (network.name == "resnet18" and on_photos) or isinstance(inputs, (Texts, Series)):
        return None
    return cost_of_network(network, dataset.schema, changes)


def _rosenblatt(rows: int, why: dict[str, str]) -> TrainingPlan:
    """The perceptron's own learning rule: a step of gradient descent for each row that is wrong."""
    epochs = int(np.clip(round(_ROWS_OF_PERCEPTRON / rows), 3, 50))
    why["training.loss"] = "with it the perceptron learns by Rosenblatt's rule, from its mistakes alone"
    why["training.batch"] = f"the rule takes the {rows:,} rows one after another, whatever the batch"
    why["training.epochs"] = f"{epochs} times {rows:,} rows, or fewer: an epoch without a mistake is the last"
    why["training.learning_rate"] = "from weights of 0 it changes their length and no decision"
    why["training.monitor"] = "the best weights are kept: on classes that a plane cannot part the rule never settles"
    plain = {"momentum": 0.0, "weight_decay": 0.0, "schedule": "constant", "learning_rate": 1.0, "optimizer": "sgd"}
    return TrainingPlan(
        loss="perceptron",
        batch=128,
        epochs=epochs,
        monitor="valid_accuracy",
        patience=epochs,
        **plain,  # type: ignore[arg-type]
    )


def _augment(dataset: Dataset, why: dict[str, str]) -> Augment:
    inputs = dataset.schema.inputs
    if not isinstance(inputs, Pictures) or min(inputs.height, inputs.width) < 4:
        return Augment()
    side = min(inputs.height, inputs.width)
    if dataset.task == "number":
        why["training.augment.flip"] = f"a mirrored picture of {side} pixels may have another number"
        return Augment()
    mirrors, why["training.augment.flip"] = mirrored_agreement(dataset)
    if mirrors:
        why["training.augment.flip"] += ", and sides that alternate from epoch to epoch show both in any two"
    flip = "alternating" if mirrors else False
    if (rows := len(dataset.train)) > _MANY:
        why["training.augment.shift"] = f"{rows:,} pictures are varied enough by themselves"
        return Augment(flip=flip)
    shift, rotate, zoom = (0.08, 10.0, 0.1) if side <= 10 else (0.1, 5.0, 0.1)
    why["training.augment.shift"] = f"{rows:,} pictures are few; up to {shift * side:.1f} of {side} pixels"
    why["training.augment.rotate"] = (
        f"up to {rotate:g}° moves the edge of {side} pixels by {math.radians(rotate) * side / 2:.1f}"
    )
    why["training.augment.zoom"] = f"a side of {side} pixels becomes {side * (1 - zoom):.1f} to {side * (1 + zoom):.1f}"
    return Augment(flip=flip, shift=shift, rotate=rotate, zoom=zoom)
