"""What is proposed where inputs are told again: the network by what they are, its code by what PCA needs, and its training.

The code has as many numbers as principal components need for 80 % of the variance, so that the network has to be better than
these to be worth its time; both are judged on the same test rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from leadline.data.dataset import Dataset
from leadline.data.pictures.pictures import Pictures
from leadline.data.schema import Schema
from leadline.data.tables.table import Table
from leadline.data.unlabelled.reconstructions import Reconstructions
from leadline.data.unlabelled.unit_inputs import UnitPictures, UnitVectors
from leadline.errors import PlanError
from leadline.models import MODELS, OF_CODES, OF_UNITS
from leadline.plan.changes import numbers_chosen, settable
from leadline.plan.objective_texts import check_objective, check_objective_suits, penalizes_shares
from leadline.plan.pretraining_texts import pretraining_of
from leadline.plan.record import ModelPlan, Plan, TrainingPlan
from leadline.plan.training_rows import compared_sample, component_shares
from leadline.spelling import parse_call

_SMALL = 32  # pixels a side up to which pictures go through linear layers, which are as good there and faster
_LOOKED_AT = 2000  # rows
_TOLD = 0.8  # of the variance, by as many components as the code has numbers
_EXTREME, _MOSTLY = 0.1, 0.6  # a pixel so near to 0 or 1 is black or white; a share of such pixels that makes drawings
_VARIATIONAL = ("variational_autoencoder", "conv_variational_autoencoder")
_CONVOLUTIONAL = ("conv_autoencoder", "conv_variational_autoencoder")
_WITHIN = ("sigmoid", "softmax")  # activations whose units are from 0 to 1
_ROWS_TO_SEE = {"dense": 1_500_000, "convolutional": 300_000, "machine": 1_500_000}
_MOST_EPOCHS = {"dense": 200, "convolutional": 100, "machine": 200}


def reconstruct_facts(dataset: Dataset, why: dict[str, str]) -> dict[str, Any]:
    """The fields of `DataPlan` that need words of their own.

    Args:
        dataset: of the task reconstruct.
        why: takes the reasons.
    """
    answers, inputs = _answers(dataset), dataset.schema.inputs
    train, valid, test = len(dataset.train), len(dataset.valid), len(dataset.test)
    odd = {part: int(answers.is_odd(getattr(dataset, part).targets).sum()) for part in ("valid", "test")}
    why["data.task"] = f"{train:,} rows are told again, each from a short code of its own"
    why["data.valid"] = f"{valid - odd['valid']:,} rows to choose the best weights and the threshold by"
    why["data.test"] = f"{test:,} rows that nothing sees before the end, for the score"
    if answers.odd:
        why["data.valid"] += (
            f", beside {odd['valid']:,} odd ones for the threshold" if odd["valid"] else "; none of them is odd"
        )
        why["data.test"] += f"; {odd['test']:,} of them are odd"
    if isinstance(inputs, UnitPictures):
        why["data.size"] = (
            f"pictures are kept as {inputs.height} × {inputs.width} × {inputs.channels}, their values from 0 to 1"
        )
    return {"usual": str(dataset.origin.options.get("usual") or "")}


def reconstruct_network(dataset: Dataset) -> tuple[str, str]:
    """The name of the network, and why it is that."""
    inputs, rows = dataset.schema.inputs, len(dataset.train)
    if isinstance(inputs, Table):
        return "table_autoencoder", f"{rows:,} rows of {len(inputs.used)} columns, each told in its own way"
    if isinstance(inputs, Pictures) and max(inputs.height, inputs.width) > _SMALL:
        return "conv_autoencoder", f"{inputs.height} × {inputs.width} pixels are too many for a weight to each (up to {_SMALL})"
    what = f"{inputs.height} × {inputs.width} pixels" if isinstance(inputs, Pictures) else f"{inputs.shape[0]:,} numbers"
    return "autoencoder", f"{what} are few enough for linear layers"


def reconstruct_arguments(name: str, dataset: Dataset, changes: Mapping[str, Any], why: dict[str, str]) -> dict[str, Any]:
    """The arguments of the network, with reasons; none for a network that tells nothing again.

    Args:
        name: of the network.
        dataset: of the task reconstruct.
        changes: of the person.
        why: takes the reasons.
    """
    if name not in (*OF_CODES, *OF_UNITS):
        return {}
    inputs, rows = dataset.schema.inputs, len(dataset.train)
    within = isinstance(inputs, UnitPictures | UnitVectors)
    if name in OF_UNITS:
        return _machine(name, dataset, why, within=within)
    sample = compared_sample(dataset, _LOOKED_AT)
    given: dict[str, Any] = {"code": _code(dataset, sample, why)}
    if name in _CONVOLUTIONAL:
        if not isinstance(inputs, Pictures):
            return given  # refused where it is built, with what it got
        side = min(inputs.height, inputs.width)
        given["stages"] = int(np.clip(math.floor(math.log2(max(side, 2) / 4)), 1, 4))
        why["model.stages"] = f"{side} pixels are halved {given['stages']} times, to {math.ceil(side / 2 ** given['stages'])}"
    else:
        widest = int(2 ** np.clip(round(math.log2(max(sample.shape[1], 2))), 7, 9))
        given["hidden"] = f"{widest}-{widest // 2}"
        why["model.hidden"] = f"from {sample.shape[1]:,} values to {given['code']} in steps"
    if name != "table_autoencoder":
        given["output"] = _output(name, sample, why, within=within)
    elif rows < 20_000:
        given["dropout"] = 0.0
        why["model.dropout"] = f"cells of {rows:,} rows are swapped instead, which teaches what belongs together"
    return given | _units_of_code(name, changes, why, within=within)


def reconstruct_training(
    dataset: Dataset,
    network: ModelPlan,
    changes: Mapping[str, Any],
    why: dict[str, str],
    *,
    rate_beside_adam: float,
    decoupled: bool,
) -> TrainingPlan:
    """How a network is trained to tell its inputs again, in the batches and epochs of the person's own `changes`."""
    rows = len(dataset.train)
    kind = "machine" if network.name in OF_UNITS else "convolutional" if network.name in _CONVOLUTIONAL else "dense"
    mine = numbers_chosen(changes, "batch", "epochs", least=1)
    batch = mine.get("batch", int(2 ** np.clip(round(math.log2(max(rows, 2) / 40)), 3, 6 if kind == "machine" else 7)))
    epochs = mine.get("epochs", int(np.clip(round(_ROWS_TO_SEE[kind] / rows), 10, _MOST_EPOCHS[kind])))
    steps = math.ceil(rows / batch)
    why["training.batch"] = f"{rows:,} rows make {steps:,} steps an epoch"
    why["training.epochs"] = f"{epochs} times {rows:,} rows are {epochs * rows:,} to learn from"
    why["training.accumulate"] = "0: a batch is cut into as many parts as memory asks for, tried before the first step"
    if kind == "machine":
        return _machine_training(dataset, network, changes, why, batch, epochs)
    variational = is_variational(network.name, {**network.arguments, **_own(changes)})
    patience, decay = min(max(10, epochs // 3), epochs), round(min(1 - 1 / max(10.0, steps), 0.999), 4)
    noun = "cells" if isinstance(dataset.schema.inputs, Table) else "values"
    why["training.optimizer"] = f"adapts the rate to each weight, so {epochs} epochs need no search for it"
    why["training.learning_rate"] = f"usual for {network.name} in batches of {batch}, as the peak of the schedule"
    why["training.schedule"] = f"one rise and fall over {epochs * steps:,} steps needs no tuning of its length"
    why["training.weight_decay"] = f"{rows:,} rows; the code keeps the network from learning them by heart"
    why["training.monitor"] = f"how surprising {_usual_valid(dataset):,} validation rows are, whole and without noise"
    why["training.patience"] = f"a schedule over {epochs} epochs may rest for {patience} of them before it gets better"
    why["training.average"] = f"looks back over about {1 / (1 - decay):,.0f} steps; an epoch has {steps:,}"
    return TrainingPlan(
        loss=_bound(epochs, why) if variational else _reconstruct(dataset, noun, why),
        batch=batch,
        epochs=epochs,
        learning_rate=1e-3 * rate_beside_adam,
        weight_decay=0.01 if decoupled else 1e-5,
        patience=patience,
        monitor="valid_loss",
        average=f"ema({decay})",
    )


def is_variational(name: str, arguments: Mapping[str, Any]) -> bool:
    """Whether the codes of a network have a distribution.

    Example:
        >>> is_variational("table_autoencoder", {"variational": True}), is_variational("autoencoder", {})
        (True, False)
    """
    return name in _VARIATIONAL or bool(name == "table_autoencoder" and arguments.get("variational"))


def check_reconstruct_plan(plan: Plan, dataset: Dataset) -> None:
    """Refuse what a training on inputs alone cannot do, before the first step.

    Errors: `PlanError` that says what to leave out.
    """
    training, start, name = plan.training, plan.start, plan.model.name
    check_tells_again(name, dataset.schema)
    machine = name in OF_UNITS
    refused = {
        "training.step": training.step not in ("auto", "plain"),
        "training.label_smoothing": training.label_smoothing > 0,
        "training.class_weights": training.class_weights != "none",
        "training.entropy_bonus": training.entropy_bonus > 0,
        "training.penalties of outputs": training.penalties.of_outputs,
        "training.augment": training.augment.active,
        "training.optimizer": training.optimizer.split("(")[0] == "lbfgs" or (machine and training.optimizer != "sgd"),
        "training.accumulate": machine and training.accumulate > 1,
        "training.clip": machine and bool(training.clip),
        "training.penalties": machine and training.penalties.active,
        "training.average": machine and bool(training.average),
        "start.ensemble": start.ensemble,
        "start.initialize": machine and bool(start.initialize),
        "start.pretrain": bool(start.pretrain) and machine,
    }
    if wrong := [key for key, is_so in refused.items() if is_so]:
        raise PlanError(
            f"{'A machine' if machine else 'A network'} that tells its inputs again cannot be trained with this "
            + " and ".join(wrong),
            expected="what is learned from inputs alone",
            do=f"Leave {' and '.join(wrong)} out.",
        )
    check_objective_suits(training.loss, name, variational=is_variational(name, plan.model.arguments))
    _check_values_suit(plan, dataset)


def check_tells_again(name: str, schema: Schema) -> None:
    """Refuse a network that cannot tell these inputs again.

    Args:
        name: of the network.
        schema: of the task reconstruct.

    Errors: `PlanError` that says which can.
    """
    known, inputs = [each for each in MODELS if each in (*OF_CODES, *OF_UNITS)], schema.inputs
    if name not in known:
        raise PlanError(f"The model {name!r} does not tell its inputs again", expected=f"one of {', '.join(known)}")
    if isinstance(inputs, Table) and inputs.categories and name != "table_autoencoder":
        raise PlanError(
            f"The model {name!r} tells numbers, and {len(inputs.categories)} columns of the table are categories",
            do="Take model = table_autoencoder.",
        )


def _check_values_suit(plan: Plan, dataset: Dataset) -> None:
    """What takes values for probabilities must get such: unseen on a device, a training on others would learn nonsense."""
    name, arguments, loss, inputs = plan.model.name, plan.model.arguments, plan.training.loss, dataset.schema.inputs
    code, within = str(arguments.get("code_activation", "identity")), isinstance(inputs, UnitPictures | UnitVectors)
    if penalizes_shares(loss) and parse_call(code, "activation").name not in _WITHIN:
        can = "code_activation" in settable(name)
        raise PlanError(
            "The sparsity kl is of units from 0 to 1",
            got=f"code_activation = {code}" if can else f"model = {name}, whose code has no activation",
            do="Set model.code_activation=sigmoid, or take sparsity='l1'." if can else "Take sparsity='l1'.",
        )
    if not within and parse_call(str(arguments.get("output", "gaussian")), "output").name == "bernoulli":
        raise PlanError(
            "Only values from 0 to 1 can be told as probabilities", got=inputs.describe(), do="Set model.output=gaussian."
        )
    visible = arguments.get("visible", "bernoulli")
    if getattr(check_objective(loss), "binarize", False) and not (within and visible == "bernoulli"):
        raise PlanError(
            "Only values from 0 to 1 can be drawn to be on or off, for units that are so",
            got=f"model.visible = {visible}" if within else inputs.describe(),
            do="Leave binarize out.",
        )


def _code(dataset: Dataset, sample: Tensor, why: dict[str, str]) -> int:
    """As many numbers as principal components need, to a power of two, and fewer than half of the values."""
    shares = component_shares(sample)
    needed = int((shares < _TOLD).sum()) + 1
    most = 128 if isinstance(dataset.schema.inputs, Pictures) else 64
    code = int(min(2 ** np.clip(round(math.log2(needed)), 1, int(math.log2(most))), max(1, sample.shape[1] // 2)))
    told = float(shares[min(code, len(shares)) - 1])
    why["model.code"] = f"{code} numbers; so many principal components tell {100 * told:.0f} % of the variance of training rows"
    return code


def _output(name: str, sample: Tensor, why: dict[str, str], *, within: bool) -> str:
    variational = name in _VARIATIONAL
    if not within:
        why["model.output"] = "values are standardized, so each is normal around what is told"
        return "gaussian(learned=True)" if variational else "gaussian"
    extreme = float(((sample < _EXTREME) | (sample > 1 - _EXTREME)).float().mean())
    shown = f"{100 * extreme:.0f} % of the values are nearly 0 or 1"
    if extreme >= _MOSTLY:
        why["model.output"] = f"{shown}, so each is told as the probability of being on"
        return "bernoulli"
    why["model.output"] = f"only {shown}, so each is told as a shade, by its squared error"
    return "gaussian(learned=True)" if variational else "gaussian"


def _units_of_code(name: str, changes: Mapping[str, Any], why: dict[str, str], *, within: bool) -> dict[str, Any]:
    """Activations and outputs that machines which learn the layers first, or a sparse code, ask for."""
    if name == "autoencoder" and changes.get("start.pretrain") and pretraining_of(changes["start.pretrain"]).kind == "rbm":
        reason = "the units of a Boltzmann machine are on with a probability, which is a sigmoid"
        why["model.activation"] = why["model.code_activation"] = reason
        if within:
            why["model.output"] = "a machine of values from 0 to 1 tells each as the probability of being on"
        return {"activation": "sigmoid", "code_activation": "sigmoid", **({"output": "bernoulli"} if within else {})}
    if name in ("autoencoder", "conv_autoencoder") and penalizes_shares(str(changes.get("training.loss", "reconstruct"))):
        why["model.code_activation"] = "the sparsity kl is of units from 0 to 1"
        return {"code_activation": "sigmoid"}
    return {}


def _reconstruct(dataset: Dataset, noun: str, why: dict[str, str]) -> str:
    rows = len(dataset.train)
    if isinstance(dataset.schema.inputs, Table):
        why["training.loss"] = (
            "15 % of the cells are those of other rows: so it learns what belongs together, and finds what does not"
        )
        return "reconstruct(corruption='swap(0.15)')"
    if rows < 20_000:
        why["training.loss"] = f"a tenth of the {noun} is hidden each time, as {rows:,} rows could be learned by heart"
        return "reconstruct(corruption='masking(0.1)')"
    why["training.loss"] = f"{rows:,} rows cannot be learned by heart in so short a code, so they are told as they are"
    return "reconstruct"


def _bound(epochs: int, why: dict[str, str]) -> str:
    why["training.loss"] = (
        "the variational bound; codes are left free at first, and held to their distribution from epoch "
        f"{max(1, round(0.2 * epochs))} on"
    )
    return "variational_bound(warm_up=0.2)"


def _machine(name: str, dataset: Dataset, why: dict[str, str], *, within: bool) -> dict[str, Any]:
    rows = len(dataset.train)
    units = int(2 ** np.clip(round(math.log2(8 * math.sqrt(rows))), 5, 9))
    why["model.hidden"] = f"about 8 · √{rows:,} rows, a power of two from 32 to 512"
    why["model.visible"] = (
        "values are from 0 to 1: the probabilities of units that are on or off"
        if within
        else "values are standardized numbers, normal around what the hidden units say"
    )
    hidden: Any = units if name == "rbm" else f"{units}-{units}"
    return {"hidden": hidden, "visible": "bernoulli" if within else "gaussian"}


def _machine_training(
    dataset: Dataset, network: ModelPlan, changes: Mapping[str, Any], why: dict[str, str], batch: int, epochs: int
) -> TrainingPlan:
    loss = str(changes.get("training.loss", "contrastive_divergence"))
    persistent = loss.startswith("persistent")
    gaussian = changes.get("model.visible", network.arguments.get("visible")) == "gaussian"
    rate = 0.001 if gaussian and network.name == "rbm" else 0.05  # a belief net lowers that of its first machine by itself
    why["training.loss"] = f"one step of the chains for each of {len(dataset.train):,} rows: enough for features"
    why["training.learning_rate"] = f"usual for units that are on or off, in batches of {batch}"
    if gaussian and network.name == "rbm":
        why["training.learning_rate"] = (
            "a fiftieth of what units that are on or off take, as Hinton's guide asks for where they are numbers"
        )
    elif gaussian:
        why["training.learning_rate"] += "; the first machine, whose units are numbers, takes a fiftieth of it"
    why["training.schedule"] = (
        "chains that never begin anew must be followed ever more slowly"
        if persistent
        else f"{epochs} epochs end at a rate of 0"
    )
    why["training.optimizer"] = "a machine has its own rule: momentum, at most one half in the first twentieth"
    why["training.weight_decay"] = f"0.0002 as in Hinton's guide; {len(dataset.train):,} rows"
    deep = network.name == "deep_belief_net"
    why["training.monitor"] = (
        "the last weights are kept: machine after machine learns, and their errors cannot be compared"
        if deep
        else f"how well {_usual_valid(dataset):,} validation rows foretell each unit from the others"
        if not gaussian
        else f"the error of reconstruction on {_usual_valid(dataset):,} validation rows"
    )
    why["training.patience"] = "0: the rate falls to the end"
    why["training.accumulate"] = "1: a batch is one step"
    return TrainingPlan(
        loss="contrastive_divergence",
        optimizer="sgd",
        momentum=0.9,
        weight_decay=2e-4,
        batch=batch,
        accumulate=1,
        epochs=epochs,
        learning_rate=rate,
        schedule="polynomial",
        patience=0,
        monitor="valid_reconstruction" if deep else "valid_loss",
    )


def _own(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The person's own arguments of the network."""
    return {key.removeprefix("model."): value for key, value in changes.items() if key.startswith("model.")}


def _usual_valid(dataset: Dataset) -> int:
    return len(dataset.valid) - int(_answers(dataset).is_odd(dataset.valid.targets).sum())


def _answers(dataset: Dataset) -> Reconstructions:
    answers = dataset.schema.answers
    assert isinstance(answers, Reconstructions)
    return answers
