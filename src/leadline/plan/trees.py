"""What is proposed for trees with a label at each node: the layer by how many children nodes have, and its training.

Measured on the validation part of the Stanford Sentiment Treebank, by `benchmarks/trees.py`: the mean of the weights lowers
the best root loss from 1.216 to 1.205; and the accuracy at the roots still rises when that loss no longer falls, from 45.1 %
in epoch 3 to 47.5 % in epoch 6.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from leadline.data.dataset import Dataset
from leadline.data.ragged import Ragged
from leadline.data.trees.trees import Trees
from leadline.data.words.vector_sources import vector_width
from leadline.errors import PlanError
from leadline.models import OF_TREES
from leadline.plan.changes import numbers_chosen
from leadline.plan.record import ModelPlan, Plan, StartPlan, TrainingPlan

_MOST_PLACES = 3  # children with a matrix each; with more of them the matrices outgrow what trees can teach
_RATES = {"adagrad": 0.05, "adam": 1e-3, "adamw": 1e-3, "rmsprop": 1e-3, "sgd": 0.1, "nesterov": 0.1, "muon": 0.01}
_NODES_TO_SEE = 4_000_000
_MANY = 500  # validation trees, of which a share has a standard error of 2 %
_BATCH = 25  # of Tai, Socher and Manning, who also give the rate of Adagrad and the decay


def trees_facts(dataset: Dataset, why: dict[str, str]) -> dict[str, Any]:
    """The fields of `DataPlan` that say how trees are read, each with its reason.

    Args:
        dataset: of trees.
        why: takes the reasons.
    """
    trees, labels = _trees(dataset), dataset.schema.answers.outputs
    train, valid, test = len(dataset.train), len(dataset.valid), len(dataset.test)
    why["data.task"] = f"each of {_nodes(dataset):,} nodes of {train:,} trees has one of {labels} labels"
    why["data.vocabulary"] = f"0: all words of the training trees; {len(trees.vocabulary) - 2:,} are known"
    why["data.valid"] = f"{valid:,} trees to choose the best weights by, beside {train:,} to learn from"
    why["data.test"] = f"{test:,} trees that nothing sees before the end, for the score"
    return {"vocabulary": int(dataset.origin.options.get("vocabulary") or 0)}


def trees_reason(dataset: Dataset) -> str:
    """Why it is a recursive network.

    Args:
        dataset: of trees.
    """
    return f"it goes up the {len(dataset.train):,} trees, from {_leaves(dataset):,} words to what they mean together"


def start_of_trees_plan(dataset: Dataset, why: dict[str, str]) -> StartPlan:
    """What the weights start from: the word vectors that the data were loaded with, if they were; nothing for other data.

    Args:
        dataset: any.
        why: takes the reason.
    """
    if not isinstance(dataset.schema.inputs, Trees) or not (vectors := dataset.origin.options.get("vectors")):
        return StartPlan()
    why["start.vectors"] = f"{len(dataset.schema.inputs.vocabulary) - 2:,} words are known by them and by the trees"
    return StartPlan(vectors=str(vectors))


def trees_arguments(name: str, dataset: Dataset, changes: Mapping[str, Any], why: dict[str, str]) -> dict[str, Any]:
    """The arguments of the network, with reasons; none for others.

    Args:
        name: of the network.
        dataset: of trees.
        changes: of the person, where they say from which word vectors it starts.
        why: takes the reasons.
    """
    if name not in OF_TREES:
        return {}
    trees, nodes = _trees(dataset), _nodes(dataset)
    by_place = trees.arity <= _MOST_PLACES
    width = int(2 ** np.clip(np.round(np.log2(np.sqrt(nodes) / 4)), 4, 7)) if nodes < 200_000 else 150
    embedding = 2 * width
    many = f"{nodes:,} nodes to learn from"
    why["model.cell"] = (
        f"nodes have at most {trees.arity} children, so each place can have a matrix of its own"
        if by_place
        else f"nodes have up to {trees.arity} children: too many for a matrix for each place"
    )
    why["model.hidden"] = many
    why["model.embedding"] = f"a vector for each of {len(trees.vocabulary) - 2:,} words; {many}"
    why["model.dropout"] = f"{_leaves(dataset):,} words are seen several times"
    why["model.word_dropout"] = "so that there is a vector for words that training does not have"
    if vectors := changes.get("start.vectors") or dataset.origin.options.get("vectors"):
        embedding = vector_width(str(vectors))
        why["model.embedding"] = f"as many numbers as the vectors in {vectors} have"
    return {
        "cell": "lstm" if by_place else "child_sum",
        "embedding": embedding,
        "hidden": width,
        "dropout": 0.5,
        "word_dropout": 0.05,
    }


def trees_training(dataset: Dataset, network: ModelPlan, changes: Mapping[str, Any], why: dict[str, str]) -> TrainingPlan:
    """How a recursive network is trained, with the person's own `changes` where they speak of batch or epochs."""
    rows, nodes, valid = len(dataset.train), _nodes(dataset), len(dataset.valid)
    mine = numbers_chosen(changes, "batch", "epochs", least=1)
    batch = mine.get("batch", int(np.clip(rows // 40, 4, _BATCH)))
    epochs = mine.get("epochs", int(np.clip(round(_NODES_TO_SEE / max(nodes, 1)), 8, 60)))
    steps = -(-rows // batch)
    patience = min(max(4, epochs // 2), epochs)
    optimizer = str(changes.get("training.optimizer", "adagrad"))
    kind = optimizer.split("(")[0]
    by_words = kind == "adagrad"
    decay, every = round(min(1 - 1 / max(10.0, steps), 0.999), 4), max(1, steps // 4)
    why["training.loss"] = f"exactly one of {dataset.schema.answers.outputs} labels is right at each of {nodes:,} nodes"
    why["training.batch"] = (
        f"{rows:,} trees make {steps:,} steps an epoch, of about {nodes * batch // max(rows, 1):,} nodes each"
    )
    why["training.epochs"] = f"{epochs} times {nodes:,} nodes are {epochs * nodes:,} to learn from"
    why["training.learning_rate"] = f"usual for {network.name} with {kind} in batches of {batch} trees"
    why["training.schedule"] = (
        f"adagrad's rates fall by themselves over {epochs * steps:,} steps"
        if by_words
        else f"one rise and fall over {epochs * steps:,} steps needs no tuning of its length"
    )
    why["training.optimizer"] = (
        f"rare ones of {len(_trees(dataset).vocabulary) - 2:,} words keep large steps, however often others come; and only the "
        "words of a batch have to be gone through"
        if by_words
        else f"adapts the rate to each weight, so {epochs} epochs need no search for it"
    )
    why["training.accumulate"] = f"1: {batch} trees are one step"
    why["training.weight_decay"] = f"{nodes:,} nodes; decay works on weights, not on biases"
    why["training.clip"] = (
        f"with {kind} a long gradient makes no long step"
        if by_words
        else "gradients through a deep tree can explode: a longer one is cut to length 5"
    )
    many = valid >= _MANY
    why["training.monitor"] = (
        f"what is right of {valid:,} roots, which answer for whole sentences; their loss rises while they still get better"
        if many
        else f"the loss at the roots of {valid:,} trees, which answer for whole sentences: too few to count right ones"
    )
    why["training.patience"] = f"a schedule over {epochs} epochs may rest for {patience} of them before it gets better"
    why["training.average"] = (
        f"the mean of the weights every {every:,} steps after the first epoch, of {epochs}: nearly free, and steadier"
        if by_words
        else f"looks back over about {1 / (1 - decay):,.0f} steps; an epoch has {steps:,}"
    )
    return TrainingPlan(
        batch=batch,
        epochs=epochs,
        optimizer="adagrad",
        learning_rate=_RATES.get(kind, 1e-3),
        schedule="constant" if by_words else "one_cycle",
        weight_decay=0.01 if kind in ("adamw", "muon") else 1e-4,
        accumulate=1,
        clip="" if by_words else "5",
        patience=patience,
        monitor="valid_accuracy" if many else "valid_root_loss",
        average=f"swa({min(0.5, round(1 / epochs, 3))}, every={every})" if by_words else f"ema({decay})",
    )


def check_tree_plan(plan: Plan) -> None:
    """Refuse what a training on trees cannot do, before the first step.

    Errors: `PlanError` that says what to leave out.

    Example:
        >>> check_tree_plan(Plan().but({"model": "recursive", "training.accumulate": 1}))
    """
    training, start = plan.training, plan.start
    refused = {
        "training.batch": training.batch < 1,
        "training.accumulate": training.accumulate > 1,
        "training.step": training.step not in ("auto", "plain"),
        "training.layout": training.layout == "channels_last",
        "training.augment": training.augment.active,
        "training.truncation": training.truncation > 0,
        "training.penalties of outputs": training.penalties.of_outputs,
        "training.optimizer": training.optimizer.split("(")[0] == "lbfgs",
        "start.ensemble": start.ensemble,
        "start.initialize": bool(start.initialize),
    }
    if wrong := [key for key, is_so in refused.items() if is_so]:
        raise PlanError(
            f"A network over trees cannot be trained with this {' and '.join(wrong)}",
            expected="batches of whole trees",
            do=f"Leave {' and '.join(wrong)} out.",
        )
    if plan.model.name not in OF_TREES:
        raise PlanError(f"The model {plan.model.name!r} does not read trees", expected=f"one of {', '.join(OF_TREES)}")


def _trees(dataset: Dataset) -> Trees:
    inputs = dataset.schema.inputs
    assert isinstance(inputs, Trees)
    return inputs


def _nodes(dataset: Dataset) -> int:
    assert isinstance(dataset.train.inputs, Ragged)
    return len(dataset.train.inputs.values)


def _leaves(dataset: Dataset) -> int:
    assert isinstance(dataset.train.inputs, Ragged)
    return int(np.count_nonzero(dataset.train.inputs.values[:, 0]))
