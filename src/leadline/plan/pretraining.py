"""Pre-training: layer after layer of a network learns the inputs, as a Boltzmann machine or an autoencoder, or its vectors of
words which of them stand together, before all of it learns the answers.
"""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from leadline.data.batches import Batches
from leadline.data.dataset import Dataset
from leadline.data.pictures.pictures import Pictures
from leadline.data.schema import Schema
from leadline.data.unlabelled.unit_inputs import UnitPictures, UnitVectors, value_range
from leadline.data.vectors import Vectors
from leadline.errors import ArgumentError, PlanError
from leadline.layers import OneHot
from leadline.models import (
    MODELS,
    DeepBeliefNet,
    GreedyDivergence,
    PretrainedLayer,
    load_pretrained,
    pretrain_autoencoders,
)
from leadline.models.autoencoders.output_distributions import BernoulliOutputs
from leadline.models.boltzmann.belief_nets import downward_weights, upward_weights
from leadline.optim import make_schedule
from leadline.plan.network_building import started
from leadline.plan.pretraining_texts import Pretraining, pretraining_of
from leadline.plan.record import Plan
from leadline.plan.training_rows import prepared_rows
from leadline.plan.word_pretraining import pretrain_words
from leadline.plan.word_starts import width_of
from leadline.spelling import parse_call
from leadline.training import choose_device, run_loop
from leadline.training.devices import settle

_ROWS = 20_000  # by whose means the first machine begins
_STACKED = ("mlp", "autoencoder")  # networks that are a stack of linear layers


class Pretrained(NamedTuple):
    """The weights to begin with, and a record for each layer: its number, units, epochs, first and last loss, and seconds.

    Example:
        >>> Pretrained({}, []).layers
        []
    """

    weights: dict[str, Tensor]
    layers: list[dict[str, float]]


def pretrained_arguments(text: str, why: dict[str, str]) -> dict[str, Any]:
    """What a perceptron is proposed to be where its layers are pre-trained.

    Args:
        text: `start.pretrain`.
        why: takes the reasons.

    Example:
        >>> pretrained_arguments("rbm", {})
        {'activation': 'sigmoid', 'batch_norm': False}
    """
    why["model.batch_norm"] = "the layers start from weights that know their inputs, and batch normalization would undo that"
    if pretraining_of(text).kind != "rbm":
        return {"batch_norm": False}
    why["model.activation"] = "the units of a Boltzmann machine are on with a probability, which is a sigmoid"
    return {"activation": "sigmoid", "batch_norm": False}


def check_pretraining(plan: Plan, schema: Schema) -> None:
    """Refuse a pre-training that the network does not allow, before the data are gone through.

    Args:
        plan: whole, for these data.
        schema: of the data.

    Errors: `PlanError` that says what to change.

    Example:
        >>> from leadline import data
        >>> check_pretraining(Plan().but({"start.pretrain": "autoencoder", "model": "mlp"}), data.load("digits").schema)
    """
    if not plan.start.pretrain:
        return
    how = pretraining_of(plan.start.pretrain)
    if how.kind == "word2vec":
        if plan.data.task != "tokens" or not width_of(plan.model.name) or plan.start.vectors:
            given = ", which begins with those of a file" if plan.start.vectors else ""
            raise PlanError(
                f"There are no vectors of words that could be pre-trained in {plan.model.name!r}{given}",
                expected="a language model by word, such as recurrent_language",
                do="Leave start.pretrain out.",
            )
    elif plan.model.name not in _STACKED:
        raise PlanError(
            f"The model {plan.model.name!r} is no stack of layers that could be pre-trained one by one",
            expected=f"model = {' or '.join(_STACKED)}",
        )
    if plan.start.weights or plan.start.initialize or plan.start.networks > 1:
        raise PlanError(
            "A pre-trained network starts from what its layers have learned, and there is one of it",
            do="Leave start.weights, start.initialize, start.restarts and start.search out.",
        )
    if how.kind == "rbm":
        acts = {
            _argument(plan, name)
            for name in ("activation", *(("code_activation",) if plan.model.name == "autoencoder" else ()))
        }
        if (
            acts != {"sigmoid"}
            or _argument(plan, "batch_norm")
            or (plan.model.name == "autoencoder" and _argument(plan, "tied"))
        ):
            raise PlanError(
                "The units of a Boltzmann machine are sigmoid units without batch normalization",
                got=f"activation = {', '.join(sorted(map(str, acts)))}, batch_norm = {_argument(plan, 'batch_norm')}",
                do="Set model.activation=sigmoid"
                + (", model.code_activation=sigmoid" if plan.model.name == "autoencoder" else "")
                + " and model.batch_norm=false, or take start.pretrain=autoencoder.",
            )
        if plan.model.name == "autoencoder" and isinstance(schema.inputs, UnitPictures | UnitVectors):
            _check_told_as_probabilities(str(_argument(plan, "output")))


def _check_told_as_probabilities(output: str) -> None:
    """The way back of a machine whose units are on or off gives log odds, which would be no shades."""
    if parse_call(output, "output").name != "bernoulli":
        raise PlanError(
            "A Boltzmann machine of values from 0 to 1 tells each as a probability, and this network as a shade",
            expected="model.output = bernoulli",
            got=f"model.output = {output}",
            do="Set it so, or take start.pretrain=autoencoder.",
        )


def pretrained(plan: Plan, dataset: Dataset) -> Pretrained:
    """Train the layers one after the other on the training rows, and put them into a network as it would otherwise begin.

    Args:
        plan: resolved, with `start.pretrain`.
        dataset: whose training rows are gone through; their answers are not looked at.

    Errors: `PlanError` as `check_pretraining`; `TrainingError` where a layer's loss is no number.
    """
    check_pretraining(plan, dataset.schema)
    how, training = pretraining_of(plan.start.pretrain), plan.training
    device = choose_device(training.device)
    settle(device, seed=training.seed, threads=training.threads or None)
    model = started(dataclasses.replace(plan, start=dataclasses.replace(plan.start, pretrain="")), dataset)
    if how.kind == "word2vec":
        record = pretrain_words(model, dataset, epochs=how.epochs, learning_rate=how.learning_rate, seed=training.seed)
        return Pretrained({name: value.cpu() for name, value in model.state_dict().items()}, [record])
    linear = _stack(model)
    sizes = (linear[0].in_features, *(layer.out_features for layer in linear))
    batches = Batches(
        dataset.train, dataset.schema, training.batch or len(dataset.train), device=device, seed=training.seed, shuffle=True
    )
    scale, shift, bernoulli = _units(dataset)
    change = _change(model, scale, shift, device) if how.kind == "rbm" else _change(model, None, None, device)
    changed = ChangedBatches(batches, change)
    try:
        if how.kind == "rbm":
            layers, records = _machines(
                how, sizes, changed, change(prepared_rows(dataset, _ROWS).to(device)), bernoulli=bernoulli
            )
            if scale is not None and shift is not None:
                layers[0] = _folded(layers[0], scale, shift)
        else:
            found = pretrain_autoencoders(
                sizes,
                changed,
                epochs=how.epochs,
                activation=str(_argument(plan, "activation")),
                last_activation=str(_argument(plan, "code_activation")) if plan.model.name == "autoencoder" else None,
                corruption=how.corruption,
                output=_output_of_first(model),
                learning_rate=how.learning_rate,
                seed=training.seed,
            )
            layers, records = found.layers, found.records
        load_pretrained(model, layers)
    except ArgumentError as error:
        raise PlanError(str(error)) from error
    return Pretrained({name: value.cpu() for name, value in model.state_dict().items()}, _told(records, sizes))


class ChangedBatches:
    """Batches whose inputs go through a function first; an epoch of them can be entered anywhere.

    Example:
        >>> next(iter(ChangedBatches([(torch.ones(2, 3), torch.zeros(2))], lambda x: 2 * x))).sum().item()
        12.0
    """

    def __init__(self, batches: Any, change: Callable[[Tensor], Tensor]) -> None:
        self.batches, self.change = batches, change

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Tensor]:
        return (self.change(batch[0]) for batch in self.batches)

    def epoch(self, number: int, first: int = 0) -> Iterator[Tensor]:
        """The batches of one epoch from number `first` on."""
        return (self.change(batch[0]) for batch in self.batches.epoch(number, first))


def _stack(model: nn.Module) -> list[nn.Linear]:
    """The layers that are pre-trained: all linear ones but the head, of an autoencoder those of its encoder."""
    encoder = getattr(model, "encoder", None)
    within = encoder if isinstance(encoder, nn.Module) else model
    linear = [layer for layer in within.modules() if isinstance(layer, nn.Linear)]
    chosen = linear if within is encoder else linear[:-1]
    if not chosen:
        raise PlanError("The network has no hidden layer to pre-train", do="Set model.depth to at least 1.")
    if any(low.out_features != high.in_features for low, high in itertools.pairwise(chosen)):
        raise PlanError(
            "The layers of the network do not follow on each other",
            do="Take an activation that keeps its width, such as sigmoid.",
        )
    return chosen


def _output_of_first(model: nn.Module) -> str | None:
    """How the lowest layer tells the inputs: as an autoencoder that ends with its way back will. A perceptron has none."""
    told_by = getattr(model, "distribution", None)
    if told_by is None:
        return None
    return "bernoulli" if isinstance(told_by, BernoulliOutputs) else "gaussian"


def _units(dataset: Dataset) -> tuple[Tensor | None, Tensor | None, bool]:
    """What makes prepared inputs values from 0 to 1, u = scale · x + shift, [D] each; and whether they are such."""
    inputs, train = dataset.schema.inputs, dataset.train.inputs
    if isinstance(inputs, UnitPictures | UnitVectors):
        return None, None, True
    if isinstance(inputs, Pictures):
        units = UnitPictures.learn(dataset.train.array)
        area = inputs.height * inputs.width
        scale, shift = [], []
        for mean, std, low, span in zip(inputs.mean, inputs.std, units.mean, units.std, strict=True):
            scale += [std / span] * area
            shift += [(mean - low) / span] * area
        return torch.tensor(scale), torch.tensor(shift), True
    if isinstance(inputs, Vectors) and 0 <= value_range(train)[0] <= value_range(train)[1] <= 1:  # type: ignore[arg-type]
        return torch.tensor(inputs.std), torch.tensor(inputs.mean), True
    return None, None, False


def _change(model: nn.Module, scale: Tensor | None, shift: Tensor | None, device: torch.device) -> Callable[[Tensor], Tensor]:
    """From what a network takes to what its first linear layer is pre-trained on."""
    one_hot = next((layer for layer in model.children() if isinstance(layer, OneHot)), None)
    one_hot = one_hot.to(device) if one_hot is not None else None
    if scale is None or shift is None:
        return lambda x: (x if one_hot is None else one_hot(x)).flatten(1)
    times, plus = scale.to(device), shift.to(device)
    return lambda x: (x.flatten(1) * times + plus).clamp(0, 1)


def _machines(
    how: Pretraining, sizes: tuple[int, ...], batches: ChangedBatches, rows: Tensor, *, bernoulli: bool
) -> tuple[list[PretrainedLayer], list[dict[str, float]]]:
    """A deep belief net, and what it makes of layers."""
    net = DeepBeliefNet((sizes[0],), sizes[1:], visible="bernoulli" if bernoulli else "gaussian").to(rows.device)
    net.start_from(rows)
    step = GreedyDivergence(net, how.learning_rate, schedule=make_schedule("polynomial"))
    began = time.perf_counter()
    history = run_loop(step, batches, epochs=how.epochs * len(net.machines))
    seconds = (time.perf_counter() - began) / max(1, len(history))
    records = [
        {"layer": round(row["layer"]), "epoch": row["epoch"], "loss": row["loss"], "seconds": seconds} for row in history
    ]
    return layers_of(net), records


def layers_of(net: DeepBeliefNet) -> list[PretrainedLayer]:
    """The machines as layers of a network and, turned round, as those of a decoder, from the inputs on.

    Args:
        net: trained.

    Example:
        >>> [tuple(layer.weight.shape) for layer in layers_of(DeepBeliefNet((4,), (3, 2)))]
        [(3, 4), (2, 3)]
    """
    return [PretrainedLayer(*upward_weights(each), *downward_weights(each)) for each in net.machines]


def _folded(layer: PretrainedLayer, scale: Tensor, shift: Tensor) -> PretrainedLayer:
    """The same layer for inputs as the network takes them: W (a x + c) + b = (W a) x + (W c + b)."""
    scale, shift = scale.to(layer.weight.device), shift.to(layer.weight.device)
    return layer._replace(weight=layer.weight * scale, bias=layer.bias + layer.weight @ shift)


def _told(records: list[dict[str, float]], sizes: tuple[int, ...]) -> list[dict[str, float]]:
    """A record for each layer."""
    told = []
    for layer in range(1, len(sizes)):
        own = [record for record in records if round(record["layer"]) == layer]
        if own:
            seconds = sum(record["seconds"] for record in own)
            ends = {"first_loss": own[0]["loss"], "last_loss": own[-1]["loss"]}
            told.append({"layer": layer, "units": sizes[layer], "epochs": len(own), **ends, "seconds": round(seconds, 2)})
    return told


def _argument(plan: Plan, name: str) -> Any:
    """An argument of the network, or what its builder takes where the Plan does not say it."""
    if name in plan.model.arguments:
        return plan.model.arguments[name]
    return inspect.signature(MODELS[plan.model.name]).parameters[name].default
