"""Building many networks at once: from a Plan with restarts and its Dataset to a population that trains."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from itertools import islice
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from leadline import losses
from leadline.data.batches import Batches
from leadline.data.dataset import Dataset
from leadline.errors import ArgumentError, PlanError
from leadline.optim import ExponentialAverage, Plateau, make_average, make_clip, make_schedule
from leadline.plan.building import build, evaluation_batch, precision_of
from leadline.plan.loss_building import batch_accuracy, headline, loss_of
from leadline.plan.network_building import network, started
from leadline.plan.record import Plan
from leadline.plan.restarts import candidates
from leadline.plan.stacked_convolutions import ways_by_layer
from leadline.spelling import parse_call
from leadline.training import (
    Candidate,
    Population,
    PopulationBatches,
    PopulationBest,
    PopulationEvaluation,
    choose_device,
    stackable,
)
from leadline.training.devices import settle
from leadline.training.population.one_network import check_candidates
from leadline.training.population.updates import UPDATES


@dataclass
class BuiltPopulation:
    """A population with all that `training.run_loop` needs for it.

    Example:
        >>> from leadline import data, plan
        >>> digits = data.load("digits")
        >>> mine = {"model": "linear", "training.device": "cpu", "start.restarts": 3}
        >>> build_population(plan.propose(digits, mine), digits).population.count
        3
    """

    population: Population
    batches: PopulationBatches
    evaluate: PopulationEvaluation
    best: PopulationBest
    device: torch.device

    @property
    def step(self) -> Population:
        """The step of the loop."""
        return self.population

    @property
    def callbacks(self) -> list[Any]:
        """None of its own."""
        return []


def build_population(plan: Plan, dataset: Dataset) -> BuiltPopulation:
    """Every network of the Plan with its own first weights, rates, dropout and order of data, in one stacked program.

    Errors: `PlanError` for a choice that is not written for many networks; `ArgumentError` for networks that differ in shape.
    """
    if reason := _not_written(plan):
        raise PlanError(f"These networks cannot be trained in one program: {reason}", do="Leave start.together at auto.")
    plans, training, schema = candidates(plan), plan.training, dataset.schema
    device = choose_device(training.device)
    loss = losses.per_member(loss_of(plan, dataset, device))
    measures = {"accuracy": losses.per_member(batch_accuracy)} if schema.task == "classes" else {}
    population = Population(
        [_candidate(each, dataset, device) for each in plans],
        loss,
        optimizer=training.optimizer,
        schedule=make_schedule(training.schedule, warm_up_share=training.warm_up, epochs=training.epochs),
        measures=measures,
        penalties=training.penalties if training.penalties.active else None,
        clip=make_clip(training.clip),
        average=_decay(training.average),
    )
    population.ways.update(ways_by_layer(plan.start.convolutions, population.convolutions))
    batch = training.batch or len(dataset.train)
    make = functools.partial(
        Batches, dataset.train, schema, batch, device=device, shuffle=True, channels_last=training.layout == "channels_last"
    )
    augment = training.augment if training.augment.active else None
    batches = PopulationBatches([make(seed=each.training.seed, augment=augment) for each in plans], population)
    valid = Batches(dataset.valid, schema, evaluation_batch(batch), device=device)
    judged = build(plans[0], dataset).best
    evaluate = PopulationEvaluation(
        population,
        valid,
        loss,
        headline(schema),
        monitor=training.monitor,
        higher_is_better=judged.higher_is_better,
    )
    best = PopulationBest(evaluate, patience=training.patience or None, min_change=training.min_change)
    return BuiltPopulation(population, batches, evaluate, best, device)


def reason_not_to_stack(plan: Plan, dataset: Dataset) -> str:
    """Why the networks of this Plan are trained one after another; an empty string where one stacked program pays.

    Example:
        >>> from leadline import data, plan
        >>> digits = data.load("digits")
        >>> mine = {"model": "linear", "training.device": "cpu", "start.restarts": 3, "training.optimizer": "muon(head=True)"}
        >>> reason_not_to_stack(plan.propose(digits, mine), digits)
        'the optimizer muon(head=True) is not written for many networks'
    """
    if reason := _not_written(plan):
        return reason
    plans = candidates(plan)
    different = {str(each.model): each for each in plans}
    try:
        check_candidates([Candidate(network(each, dataset.schema)) for each in different.values()])
    except ArgumentError as error:
        return str(error)
    built = build(plans[0], dataset)
    inputs, _ = next(islice(built.batches, 1))
    return stackable(built.model, inputs)


def _not_written(plan: Plan) -> str:
    """The choice of the Plan that is made for one network alone; an empty string where there is none."""
    training = plan.training
    if plan.data.task == "pairs":
        return "networks that enlarge pictures are trained one after another"
    if plan.data.task == "generate":
        return "networks that learn to draw are trained one after another"
    if plan.data.task == "forecast":
        return "networks that forecast are trained one after another"
    if plan.data.task == "sequence":
        return "networks that answer each step are trained one after another"
    if plan.data.task == "tokens":
        return "language models are trained one after another"
    if plan.data.task == "reconstruct":
        return "networks that tell their inputs again are trained one after another"
    if plan.data.task == "trees":
        return "networks over trees are trained one after another"
    if plan.model.name == "perceptron":
        return "the perceptron has its own rule"
    if parse_call(training.optimizer, "optimizer").name not in UPDATES:
        return f"the optimizer {training.optimizer} is not written for many networks"
    if isinstance(make_schedule(training.schedule, epochs=training.epochs), Plateau):
        return "each network would wait for a plateau of its own"
    if training.average and _decay(training.average) is None:
        return f"the average {training.average} is not written for many networks"
    if training.accumulate > 1:
        return "batches are cut into micro-batches"
    if training.monitor == "loss":
        return "the loss on training rows is watched"
    if precision_of(training.precision, choose_device(training.device)) != torch.float32:
        return f"it computes in {training.precision}"
    return f"a {training.step} step is that of one network" if training.step not in ("auto", "plain") else ""


def weights_of(built: BuiltPopulation, plan: Plan, dataset: Dataset) -> list[dict[str, Tensor]]:
    """The best weights of every network, after the loop has put them back."""
    model = network(plan, dataset.schema).to(built.device)
    found = []
    for number in range(built.population.count):
        built.population.write(number, model)
        found.append({name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()})
    return found


def _candidate(plan: Plan, dataset: Dataset, device: torch.device) -> Candidate:
    training = plan.training
    settle(device, seed=training.seed, threads=training.threads or None)
    model: nn.Module = started(plan, dataset).to(device)
    random = torch.get_rng_state()
    return Candidate(model, training.learning_rate, training.momentum, training.weight_decay, random)


def _decay(average: str) -> float | None:
    """The decay of an exponential average; None for no average or another one."""
    made = make_average(average, SimpleNamespace(modules=dict))
    return made.decay if isinstance(made, ExponentialAverage) else None
