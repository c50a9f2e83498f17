"""What is proposed for each task that has a network and a way of training of its own: one row a task, read by `proposal`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from leadline.data.dataset import Dataset
from leadline.plan.corpus_plans import words_arguments, words_facts, words_network, words_training
from leadline.plan.forecasts import forecast_facts, forecast_network, forecast_training
from leadline.plan.generating import generate_arguments, generate_facts, generate_network, generate_training
from leadline.plan.ngrams import counted_arguments, counted_model, counted_training
from leadline.plan.pairs import pairs_facts, pairs_network, pairs_training
from leadline.plan.reconstructions import (
    reconstruct_arguments,
    reconstruct_facts,
    reconstruct_network,
    reconstruct_training,
)
from leadline.plan.record import ModelPlan, TrainingPlan
from leadline.plan.steps import steps_arguments, steps_facts, steps_network, steps_training
from leadline.plan.tokens import tokens_arguments, tokens_facts, tokens_network, tokens_training
from leadline.plan.trees import trees_arguments, trees_facts, trees_reason, trees_training

# Where λw is part of the gradient: with AdamW's 0.03 no other optimizer taught the network for tables anything (wine, diabetes,
# breast-cancer, which it learns with this as well as with AdamW), and other networks lose nothing by less than their 0.05.
DECAY_IN_GRADIENT = 1e-3
Changes = Mapping[str, Any]
Reasons = dict[str, str]


class ChosenOptimizer(NamedTuple):
    """What a proposal must know of the optimizer: its rate beside that of Adam, and whether decay is apart from the gradient.

    Example:
        >>> ChosenOptimizer("sgd", rate=10.0, decoupled=False).rate
        10.0
    """

    kind: str
    rate: float
    decoupled: bool


@dataclass(frozen=True)
class TaskProposal:
    """What a task proposes, each part with its reasons.

    Args:
        facts: the fields of `DataPlan` that need words of their own.
        network: the name of the network, and why it is that.
        arguments: of the network that was chosen.
        training: how it is trained.

    Example:
        >>> sorted(TASKS)
        ['forecast', 'generate', 'ngram', 'pairs', 'reconstruct', 'sequence', 'tokens', 'trees', 'words']
    """

    facts: Callable[[Dataset, Reasons], dict[str, Any]]
    network: Callable[[Dataset], tuple[str, str]]
    arguments: Callable[[str, Dataset, Changes, Reasons], dict[str, Any]]
    training: Callable[[Dataset, ModelPlan, Changes, Reasons, ChosenOptimizer], TrainingPlan]


def _enlarging(dataset: Dataset) -> tuple[str, str]:
    height = dataset.schema.inputs.shape[1]
    return "espcn", f"it works on the small pictures, of {height} pixels a side, and so costs little"


def _forecaster(dataset: Dataset) -> tuple[str, str]:
    windows: Any = dataset.schema.inputs
    from_where = f"what was {windows.season:,} steps before" if windows.season > 1 else "the last value"
    return "forecaster", f"all {windows.horizon:,} steps at once, from {from_where} and what is learned beside it"


def _with_decay(training: TrainingPlan, chosen: ChosenOptimizer) -> TrainingPlan:
    return training if chosen.decoupled else dataclasses.replace(training, weight_decay=DECAY_IN_GRADIENT)


TASKS: dict[str, TaskProposal] = {
    "pairs": TaskProposal(
        pairs_facts,
        _enlarging,
        lambda name, dataset, _, why: pairs_network(dataset, why) if name == "espcn" else {},
        lambda dataset, _, changes, why, chosen: pairs_training(dataset, changes, why, rate_beside_adam=chosen.rate),
    ),
    "generate": TaskProposal(
        generate_facts,
        generate_network,
        generate_arguments,
        lambda dataset, _, changes, why, chosen: generate_training(dataset, changes, why, rate_beside_adam=chosen.rate),
    ),
    "forecast": TaskProposal(
        forecast_facts,
        _forecaster,
        lambda name, dataset, _, why: forecast_network(dataset, why) if name == "forecaster" else {},
        lambda dataset, _, changes, why, chosen: _with_decay(
            forecast_training(dataset, changes, why, rate_beside_adam=chosen.rate), chosen
        ),
    ),
    "tokens": TaskProposal(
        tokens_facts,
        tokens_network,
        lambda name, dataset, _, why: tokens_arguments(name, dataset, why),
        lambda dataset, network, changes, why, chosen: tokens_training(
            dataset, network, changes, why, rate_beside_adam=chosen.rate, decoupled=chosen.decoupled
        ),
    ),
    "ngram": TaskProposal(
        tokens_facts,
        counted_model,
        lambda name, dataset, _, why: counted_arguments(name, dataset, why),
        lambda dataset, _network, _changes, why, _chosen: counted_training(dataset, why),
    ),
    "words": TaskProposal(
        words_facts,
        words_network,
        lambda name, dataset, _, why: words_arguments(name, dataset, why),
        lambda dataset, network, changes, why, _: words_training(dataset, network, changes, why),
    ),
    "sequence": TaskProposal(
        steps_facts,
        steps_network,
        lambda name, dataset, _, why: steps_arguments(name, dataset, why),
        lambda dataset, _, changes, why, chosen: _with_decay(
            steps_training(dataset, changes, why, rate_beside_adam=chosen.rate), chosen
        ),
    ),
    "reconstruct": TaskProposal(
        reconstruct_facts,
        reconstruct_network,
        reconstruct_arguments,
        lambda dataset, network, changes, why, chosen: reconstruct_training(
            dataset, network, changes, why, rate_beside_adam=chosen.rate, decoupled=chosen.decoupled
        ),
    ),
    "trees": TaskProposal(
        trees_facts,
        lambda dataset: ("recursive", trees_reason(dataset)),
        trees_arguments,
        lambda dataset, network, changes, why, _: trees_training(dataset, network, changes, why),
    ),
}
