"""The network of a Plan for what the data are, and the weights that it begins with."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from leadline.data.batches import Batches
from leadline.data.dataset import Dataset
from leadline.data.forecasts.windows import Windows
from leadline.data.pictures.enlarging import SmallPictures
from leadline.data.schema import Schema
from leadline.data.series.series import Series
from leadline.data.steps.step_answers import StepClasses
from leadline.data.steps.tagged_sentences import Sentences
from leadline.data.tables.table import Table
from leadline.data.texts.texts import Texts
from leadline.data.tokens.tokens import Tokens
from leadline.data.trees.trees import Trees
from leadline.data.unlabelled.reconstructions import Reconstructions
from leadline.data.words.word_answers import CorpusWords
from leadline.errors import ArgumentError, PlanError
from leadline.initialize import set_prior_bias
from leadline.layers import MemberHeads, OneHot
from leadline.models import (
    MODELS,
    OF_ANY_LENGTH,
    OF_CODES,
    OF_DRAWINGS,
    OF_INPUTS_ALONE,
    OF_STREAMS,
    OF_TREES,
    OF_UNITS,
    OF_WORDS,
    DeepBeliefNet,
    RestrictedBoltzmannMachine,
    load_weights,
    missing_indicators,
)
from leadline.models.enlarging import BesideBicubic
from leadline.models.tfidf_networks import learn_frequencies
from leadline.models.told_rows import encoding_layers
from leadline.plan.counted_models import COUNTED, no_network
from leadline.plan.first_weights import set_first_weights
from leadline.plan.reconstruct_building import start_of_reconstruct
from leadline.plan.reconstructions import check_tells_again
from leadline.plan.record import Plan
from leadline.plan.starts import StartPlan
from leadline.plan.steps import class_numbers, has_steps
from leadline.plan.token_building import set_frequencies
from leadline.plan.transferred_networks import transferred_network
from leadline.plan.tree_building import start_of_trees
from leadline.plan.word_starts import set_word_vectors
from leadline.spelling import parse_call

_COUNTED_ROWS = 256  # texts at a time whose words are counted for tf-idf
_WITHOUT_ANSWERS = ("reconstruct", "generate")  # tasks
_OF_LOG_PROBABILITIES = ("cross_entropy", "kl_divergence", "binary_cross_entropy")  # losses whose outputs are such


def network(plan: Plan, schema: Schema) -> nn.Module:
    """The network of a Plan for inputs and answers of this Schema, freshly initialized, on the CPU."""
    if plan.start.transfers:
        return transferred_network(
            plan.start, schema, functools.partial(known_network, dataclasses.replace(plan, start=StartPlan()))
        )
    inputs, name = schema.inputs, plan.model.name
    if plan.start.transfer == "scratch" and name in (*OF_CODES, *OF_UNITS) and schema.task != "reconstruct":
        return _with_fresh_head(plan, schema)
    if name in COUNTED:
        raise no_network(name)
    builder = MODELS[name]
    wanted = inspect.signature(builder).parameters
    _check_task(name, wanted, schema)
    # A network that knows nothing of categories gets them one-hot.
    one_hot = None
    if isinstance(inputs, Table) and inputs.categories and "edges" not in wanted:
        one_hot = OneHot(inputs.numbers, inputs.categories)
    given = _given(schema, one_hot)
    _check_inputs(name, wanted, schema, given)
    model = builder(**{each: value for each, value in given.items() if each in wanted}, **plan.model.arguments)
    if isinstance(inputs, SmallPictures):
        return BesideBicubic(model, inputs.upscale)
    return model if one_hot is None else nn.Sequential(one_hot, model)


def known_network(plan: Plan, schema: Schema) -> nn.Module:
    """The network that weights are of, as another one is made of it: of one that tells its inputs again the way to the code.

    Args:
        plan: with its name and arguments.
        schema: of what it was trained on, as far as `start.known` tells.
    """
    if plan.model.name not in (*OF_CODES, *OF_UNITS):
        return network(plan, schema)
    return layers_to_code(network(plan, Schema(schema.inputs, Reconstructions())))


def layers_to_code(model: nn.Module) -> nn.Module:
    """The way from inputs to code, which can be cut like any other network.

    Of a machine the code comes as maps of one pixel: else its only layer would be taken for the head.

    Example:
        >>> from leadline.models import rbm
        >>> layers_to_code(rbm((1, 4, 4), hidden=3))(torch.rand(2, 1, 4, 4)).shape
        torch.Size([2, 3, 1, 1])
    """
    layers = encoding_layers(model)
    if isinstance(model, RestrictedBoltzmannMachine | DeepBeliefNet):
        linear = [layer for layer in layers.modules() if isinstance(layer, nn.Linear)]
        return nn.Sequential(*layers.children(), nn.Unflatten(1, (linear[-1].out_features, 1, 1)))
    return layers


def _with_fresh_head(plan: Plan, schema: Schema) -> nn.Module:
    """The way to the code and a linear head, both with fresh weights: what the same layers learn from nothing."""
    alone = dataclasses.replace(plan, start=StartPlan())
    layers = encoding_layers(network(alone, Schema(schema.inputs, Reconstructions())))
    width = [layer for layer in layers.modules() if isinstance(layer, nn.Linear)][-1].out_features
    return nn.Sequential(OrderedDict(backbone=layers, head=nn.Linear(width, schema.answers.outputs)))


def _given(schema: Schema, one_hot: OneHot | None) -> dict[str, Any]:
    """What the data decide of a network, by the names under which builders ask for it."""
    inputs, outputs = schema.inputs, schema.answers.outputs
    if isinstance(inputs, (Tokens, CorpusWords)):
        return {"vocabulary": len(inputs.vocabulary)}
    if isinstance(inputs, Trees):
        return {"vocabulary": len(inputs.vocabulary), "outputs": outputs, "arity": inputs.arity}
    shape = (one_hot.width,) if one_hot is not None else inputs.shape
    given: dict[str, Any] = {"outputs": outputs, "classes": outputs, "task": schema.task, "shape": shape, "channels": shape[0]}
    if isinstance(inputs, Table):
        given |= {"edges": inputs.edges, "categories": inputs.categories, "indicators": missing_indicators(inputs)}
    if isinstance(inputs, SmallPictures):
        given["upscale"] = inputs.upscale
    if isinstance(inputs, (Texts, Sentences)):
        given["vocabulary"] = len(inputs.vocabulary)
    if has_steps(schema.answers):
        given["every_step"] = True
    if isinstance(inputs, Windows):
        given |= {"horizon": inputs.horizon, "known": inputs.known, "season": inputs.season}
    return given


def _check_task(name: str, wanted: Mapping[str, Any], schema: Schema) -> None:
    """Language models, forecasters and networks that enlarge are each for one task, and a perceptron parts classes."""
    for suits, task, does, kind in (
        (name in OF_STREAMS, "tokens", "foretell tokens", Tokens),
        (name in OF_TREES, "trees", "read trees", Trees),
        (name in OF_WORDS, "words", "learn words by their neighbours", CorpusWords),
        ("horizon" in wanted, "forecast", "forecast", Windows),
        ("upscale" in wanted, "pairs", "enlarge pictures", SmallPictures),
    ):
        if suits == isinstance(schema.inputs, kind):
            continue
        fitting = {
            "tokens": OF_STREAMS,
            "trees": OF_TREES,
            "words": OF_WORDS,
            "forecast": ("forecaster",),
            "pairs": ("espcn",),
        }[task]
        whether = "does" if suits else "does not"
        raise PlanError(
            f"The model {name!r} {whether} {does}, and is not for the task {schema.task!r}",
            do=f"Take model={' or '.join(fitting)} for the task {task}, and for nothing else.",
        )
    if schema.task == "reconstruct":
        check_tells_again(name, schema)
    if name in OF_INPUTS_ALONE and schema.task not in _WITHOUT_ANSWERS:
        raise PlanError(
            f"The model {name!r} learns from inputs alone, and is not for the task {schema.task!r}",
            do="Take a model that gives answers, such as mlp; it can start from this one's Run: --from RUN.",
        )
    if (name in OF_DRAWINGS) != (schema.task == "generate"):
        whether = "draws" if name in OF_DRAWINGS else "does not draw"
        raise PlanError(
            f"The model {name!r} {whether} pictures from noise, and is not for the task {schema.task!r}",
            do=f"Take model={' or '.join(OF_DRAWINGS)} for the task generate, and for nothing else.",
        )
    if has_steps(schema.answers) and "every_step" not in wanted:
        raise PlanError(
            f"The model {name!r} gives one answer for a whole row, not one for each of its steps", do="Take model=recurrent."
        )
    if name == "perceptron" and schema.task != "classes":
        raise PlanError("The perceptron parts classes", got=f"the task {schema.task!r}", do="Take model=linear for it.")


def _check_inputs(name: str, wanted: Mapping[str, Any], schema: Schema, given: Mapping[str, Any]) -> None:
    """A network for pictures needs pictures, and so on."""
    inputs, vocabulary = schema.inputs, wanted.get("vocabulary")
    if isinstance(inputs, (Tokens, CorpusWords, Trees)):
        return
    for needed, what, fits in (
        ("channels" in wanted, "pictures", len(given["shape"]) == 3),
        ("edges" in wanted, "a table", isinstance(inputs, Table)),
        (vocabulary is not None and vocabulary.default is vocabulary.empty, "texts", isinstance(inputs, (Texts, Sentences))),
        (name in OF_ANY_LENGTH, "texts or series", isinstance(inputs, (Texts, Series, Sentences))),
    ):
        if needed and not fits:
            raise PlanError(f"The model {name!r} needs {what}", got=inputs.describe())
    differing = isinstance(inputs, Texts) or (isinstance(inputs, Series) and not inputs.fixed)
    if differing and name not in OF_ANY_LENGTH:
        raise PlanError(
            f"The model {name!r} cannot take rows of different lengths",
            got=inputs.describe(),
            do=f"Take one of {', '.join(OF_ANY_LENGTH)}.",
        )


def head_of(model: nn.Module) -> nn.Module | None:
    """The last layer of a network: its `head`, or the last of its linear layers."""
    head = getattr(model, "head", None)
    if isinstance(head, nn.Module):
        return head
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    return linear[-1] if linear else None


def started(plan: Plan, dataset: Dataset, *, first: Mapping[str, Tensor] | None = None) -> nn.Module:
    """The network with the weights to begin with: those given, those of a file, or drawn, its head's bias the log prior."""
    model, schema = network(plan, dataset.schema), dataset.schema
    if first is not None:
        model.load_state_dict(first)
        return model
    if plan.start.transfers:
        if plan.start.weights:
            raise PlanError(
                "A network that is made of another one starts from weights that a Plan does not hold",
                do="Give the `first` of plan.resolve(…) to plan.build.",
            )
        return model
    if plan.start.weights and plan.start.transfer != "scratch":
        try:
            load_weights(model, plan.start.weights)
        except ArgumentError as error:
            raise PlanError(str(error)) from error
        return model
    if plan.start.initialize:
        set_first_weights(model, plan.start.initialize, dataset)
    if plan.start.vectors:
        set_word_vectors(model, plan, schema)
    if isinstance(schema.inputs, Tokens):
        set_frequencies(model, dataset)
        return model
    if isinstance(schema.inputs, Trees):
        start_of_trees(model, dataset)
        return model
    if schema.task == "reconstruct":
        start_of_reconstruct(model, dataset)
        return model
    learn_frequencies(model, Batches(dataset.train, dataset.schema, batch_size=_COUNTED_ROWS))
    head = head_of(model)
    gives_answers = isinstance(head, MemberHeads) or getattr(head, "out_features", 0) == schema.answers.outputs
    has_prior = schema.task in ("classes", "labels") or isinstance(schema.answers, StepClasses)
    if (
        head is not None
        and gives_answers
        and has_prior
        and parse_call(plan.training.loss, "loss").name in _OF_LOG_PROBABILITIES
    ):
        targets = class_numbers(dataset)
        exclusive = schema.task != "labels"
        shares = torch.bincount(targets, minlength=schema.answers.outputs) / len(targets) if exclusive else targets.mean(0)
        set_prior_bias(head, shares, task="classes" if exclusive else "labels")  # type: ignore[arg-type]
    return model
