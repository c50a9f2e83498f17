"""What trains a recursive network, made from a Plan: batches of trees, the step, and what judges it after each epoch."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from leadline.data.dataset import Dataset
from leadline.data.trees.tree_batches import TreeBatches
from leadline.data.trees.trees import NO_CLASS
from leadline.errors import PlanError, unknown
from leadline.initialize import set_prior_bias
from leadline.models.recursive_networks import RecursiveNetwork
from leadline.models.tree_evaluation import TreeEvaluation
from leadline.optim import make_average, make_clip, make_optimizer, make_schedule
from leadline.plan.listening import listeners
from leadline.plan.loss_building import batch_accuracy, loss_of
from leadline.plan.record import Plan
from leadline.plan.trees import check_tree_plan
from leadline.training import Best, Supervised

_COLUMNS = ("valid_root_loss", "valid_loss", "valid_accuracy", "valid_node_accuracy", "loss")
_EVALUATED = 128  # trees at a time


class TreeParts(NamedTuple):
    """What `plan.build` puts together for trees."""

    step: Any
    batches: TreeBatches
    evaluate: Any
    best: Best


def tree_parts(plan: Plan, dataset: Dataset, model: nn.Module, device: torch.device, precision: torch.dtype) -> TreeParts:
    """The step, the batches, the evaluation and the keeper of the best weights.

    Args:
        plan: with a recursive network.
        dataset: of trees.
        model: on the device.
        device: where it trains.
        precision: of the arithmetic.

    Errors: `PlanError` for a choice that trees do not allow.
    """
    check_tree_plan(plan)
    training, loss = plan.training, loss_of(plan, dataset, device)
    schedule = make_schedule(training.schedule, warm_up_share=training.warm_up, epochs=training.epochs)
    optimizer = make_optimizer(
        training.optimizer,
        model,
        learning_rate=training.learning_rate,
        momentum=training.momentum,
        weight_decay=training.weight_decay,
    )
    words_apart(optimizer, model, by_rows=device.type == "cpu" and not training.clip and not training.penalties.active)
    # Only where a node has no label do outputs have to be picked out, which makes a GPU wait.
    whole = bool((dataset.train.targets.values != NO_CLASS).all())
    supervised = Supervised(
        model,
        loss if whole else _of_labelled(loss),
        optimizer,
        schedule=schedule,
        measures={"node_accuracy": batch_accuracy if whole else _of_labelled(batch_accuracy)},
        penalties=training.penalties if training.penalties.active else None,
        clip=make_clip(training.clip),
        precision=precision,
    )
    step = make_average(training.average, supervised)
    if training.monitor not in _COLUMNS:
        unknown("column of the history to monitor", training.monitor, _COLUMNS, PlanError)
    best = Best(
        training.monitor,
        higher_is_better="accuracy" in training.monitor,
        patience=training.patience or None,
        min_change=training.min_change,
    )
    batches = TreeBatches(dataset.train, dataset.schema, training.batch, device=device, seed=training.seed, shuffle=True)
    valid = TreeBatches(dataset.valid, dataset.schema, _EVALUATED, device=device)
    evaluate = TreeEvaluation(model, valid, loss, then=listeners(schedule, step, best, _COLUMNS))
    return TreeParts(step, batches, evaluate, best)


def words_apart(optimizer: Optimizer, model: nn.Module, *, by_rows: bool) -> bool:
    """Give the word vectors a group of their own in Adagrad, which keeps weight decay off them; whether there is one now.

    Decay is in Adagrad's gradient, so it would go on to pull at words that the batch does not have. Without it nothing moves
    those, and by rows they need not be gone through either: the weights come out the same.

    Args:
        optimizer: of the model's parameters.
        model: a recursive network.
        by_rows: whether only the vectors of the words of a batch are gone through, by sparse gradients.

    Example:
        >>> from leadline.models import recursive
        >>> network = recursive(20, 5, embedding=4, hidden=4)
        >>> words_apart(make_optimizer("adagrad", network, learning_rate=0.05), network, by_rows=True), network.words.sparse
        (True, True)
    """
    if not isinstance(optimizer, torch.optim.Adagrad) or not isinstance(model, RecursiveNetwork):
        return False
    vectors = model.words.weight
    if not vectors.requires_grad:
        return False
    for group in optimizer.param_groups:
        group["params"] = [parameter for parameter in group["params"] if parameter is not vectors]
    alone = {**optimizer.param_groups[0], "params": [vectors], "weight_decay": 0.0}
    if by_rows:
        with warnings.catch_warnings():  # torch says once, at the first sparse tensor, that nobody chose whether to check such
            warnings.simplefilter("ignore")
            torch.sparse_coo_tensor(torch.zeros(1, 1, dtype=torch.long), torch.zeros(1), (1,))
        model.words.sparse = True
        alone |= {"fused": False, "foreach": False}
    optimizer.param_groups.append(alone)
    return True


def start_of_trees(model: nn.Module, dataset: Dataset) -> None:
    """Begin with the shares of the labels as the answer everywhere.

    Args:
        model: a recursive network.
        dataset: of trees.
    """
    assert isinstance(model, RecursiveNetwork)
    targets = dataset.train.targets.values
    counts = np.bincount(targets[targets != NO_CLASS], minlength=dataset.schema.answers.outputs)
    set_prior_bias(model.head, torch.from_numpy(counts / counts.sum()), task="classes")


def _of_labelled(function: Callable[[Any, Any], Tensor]) -> Callable[[Any, Any], Tensor]:
    """The same of the nodes with a label alone."""

    def of_labelled(outputs: Tensor, targets: Tensor) -> Tensor:
        known = targets != NO_CLASS
        return function(outputs[known], targets[known])

    return of_labelled
