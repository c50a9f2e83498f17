"""What is proposed for a text of which each token is foretold: the network by how many tokens there are, and its training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from leadline.data.dataset import Dataset
from leadline.data.tokens.token_loading import stream_of
from leadline.data.tokens.tokens import Tokens
from leadline.errors import ArgumentError, PlanError
from leadline.losses.sampled_words import samples_of
from leadline.models import OF_STREAMS
from leadline.plan.changes import numbers_chosen
from leadline.plan.counted_models import COUNTED, no_network
from leadline.plan.record import ModelPlan, Plan, TrainingPlan

_STEPS = {"characters": 64, "words": 35}  # of a window
_TOKENS_TO_SEE = {"characters": 8_000_000, "words": 6_000_000}
_RATES = {"recurrent_language": 3e-3, "window_language": 2e-3, "small_transformer": 1e-3}
_WORTH_STEPS = 200  # an epoch: fewer streams are read side by side where there would be less
_WIDTHS = ((50_000, 64), (500_000, 128), (5_000_000, 256))  # of the network, for fewer tokens than these
_ROOM = 32  # tokens that a window may be longer than its usual length, where lengths vary


def tokens_facts(dataset: Dataset, why: dict[str, str]) -> dict[str, Any]:
    """The fields of `DataPlan` that say how a text is read, each with its reason."""
    tokens, train, valid, test = _tokens(dataset), *_counts(dataset)
    known = len(tokens.vocabulary) - 2
    why["data.task"] = f"each of {train + valid + test:,} {tokens.unit} of a text is foretold from those before it"
    why["data.unit"] = next((note for note in dataset.notes if note.startswith("The text is read by")), f"{tokens.by} as asked")
    why["data.vocabulary"] = f"0: as many as suit the text; {known:,} {tokens.unit} are known"
    why["data.valid"] = f"{valid:,} {tokens.unit} to choose the best weights by, beside {train:,} to learn from"
    why["data.test"] = f"{test:,} {tokens.unit} that nothing sees before the end, for the score"
    return {"unit": tokens.by, "vocabulary": int(dataset.origin.options.get("vocabulary") or 0)}


def tokens_network(dataset: Dataset) -> tuple[str, str]:
    """The name of the network, and why it is that.

    Args:
        dataset: of a text.
    """
    tokens, train = _tokens(dataset), _counts(dataset)[0]
    return (
        "recurrent_language",
        f"it carries what it has read through all of {train:,} {tokens.unit}, at the cost of one step each",
    )


def tokens_arguments(name: str, dataset: Dataset, why: dict[str, str]) -> dict[str, Any]:
    """The arguments of the networks for texts, with reasons.

    Args:
        name: of the network.
        dataset: of a text.
        why: takes the reasons.
    """
    tokens, train = _tokens(dataset), _counts(dataset)[0]
    many = f"{train:,} {tokens.unit} to learn from"
    width = next((size for most, size in _WIDTHS if train < most), 512)
    if tokens.by_characters:
        embedding, tied, dropout = 64, False, 0.3 if train < 500_000 else 0.1
    else:
        embedding, tied, dropout = width, True, 0.5 if train < 2_000_000 else 0.3
    if name == "recurrent_language":
        known = len(tokens.vocabulary)
        why["model.hidden"] = many
        why["model.dropout"] = f"{many} are read several times"
        why["model.embedding"] = f"a vector for each of {known:,} {tokens.unit}"
        why["model.tied"] = (
            f"one table of {known:,} words serves both ends, which has half as many weights to learn"
            if tied
            else f"a last layer for {known:,} {tokens.unit} is small"
        )
        return {"hidden": width, "embedding": embedding, "tied": tied, "dropout": dropout}
    if name == "window_language":
        window = 8 if tokens.by_characters else 4
        why["model.window"] = f"{window} {tokens.unit} are looked at; {many}"
        why["model.hidden"] = many
        return {"window": window, "hidden": 2 * width, "embedding": 32 if tokens.by_characters else 64}
    if name == "small_transformer":
        why["model.width"] = many
        return {"width": width, "heads": max(2, width // 64), "dropout": 0.1}
    return {}


def tokens_training(
    dataset: Dataset,
    network: ModelPlan,
    changes: Mapping[str, Any],
    why: dict[str, str],
    *,
    rate_beside_adam: float,
    decoupled: bool,
) -> TrainingPlan:
    """How a language model is trained, with the person's own `changes` where they speak of streams, windows or epochs."""
    tokens, (train, valid, _) = _tokens(dataset), _counts(dataset)
    mine = numbers_chosen(changes, "batch", "epochs", "truncation", least=1)
    length = mine.get("truncation", _STEPS[tokens.unit])
    batch = mine.get("batch", int(2 ** np.clip(np.floor(np.log2(max(train / (length * _WORTH_STEPS), 1))), 2, 5)))
    steps = max(1, round(train / (batch * length)))
    epochs = mine.get("epochs", int(np.clip(round(_TOKENS_TO_SEE[tokens.unit] / train), 2, 40)))
    patience = min(max(3, epochs // 2), epochs)
    decay = round(min(1 - 1 / max(10.0, steps / 2), 0.999), 4)
    why["training.loss"] = f"the surprise at each of {train:,} {tokens.unit}, whose mean is what is judged"
    why["training.batch"] = f"{batch} parts of {train // batch:,} {tokens.unit} are read side by side, each from end to end"
    why["training.truncation"] = (
        f"gradients go back {length} {tokens.unit} at most, the state goes on; an epoch has {steps:,} such steps"
    )
    why["training.epochs"] = f"{epochs} times {train:,} {tokens.unit} are {epochs * train:,} to learn from"
    why["training.learning_rate"] = f"usual for {network.name} in {batch} streams, as the peak of the schedule"
    why["training.schedule"] = f"one rise and fall over {epochs * steps:,} steps needs no tuning of its length"
    why["training.optimizer"] = f"adapts the rate to each weight, so {epochs} epochs need no search for it"
    why["training.accumulate"] = f"1: {batch} streams of {length} {tokens.unit} are one step"
    why["training.weight_decay"] = f"{train:,} {tokens.unit}; dropout does most of what decay would"
    why["training.clip"] = f"gradients through {length} steps can explode: a longer one is cut to length 1"
    why["training.monitor"] = f"the surprise at {valid:,} {tokens.unit} that are not learned from"
    why["training.patience"] = f"a schedule over {epochs} epochs may rest for {patience} of them before it gets better"
    why["training.average"] = f"looks back over about {1 / (1 - decay):,.0f} steps; an epoch has {steps:,}"
    return TrainingPlan(
        batch=batch,
        truncation=length,
        epochs=epochs,
        learning_rate=_RATES.get(network.name, 1e-3) * rate_beside_adam,
        weight_decay=0.01 if decoupled else 1e-6,
        accumulate=1,
        clip="1",
        patience=patience,
        monitor="valid_loss",
        average=f"ema({decay})",
    )


def check_language_plan(plan: Plan) -> None:
    """Refuse what a training on a text cannot do, before the first step.

    Errors: `PlanError` that says what to leave out.

    Example:
        >>> check_language_plan(Plan().but({"model": "recurrent_language", "training.accumulate": 1}))
    """
    training, start, kind = plan.training, plan.start, plan.training.optimizer.split("(")[0]
    refused = {
        "training.batch": training.batch < 1,
        "training.accumulate": training.accumulate > 1,
        "training.step": training.step not in ("auto", "plain"),
        "training.layout": training.layout == "channels_last",
        "training.label_smoothing": training.label_smoothing > 0,
        "training.class_weights": training.class_weights != "none",
        "training.entropy_bonus": training.entropy_bonus > 0,
        "training.penalties of weights": training.penalties.of_weight_sizes,
        "training.augment": training.augment.active,
        "training.optimizer": kind == "lbfgs",
        "start.ensemble": start.ensemble,
        "start.initialize": bool(start.initialize),
    }
    if wrong := [key for key, is_so in refused.items() if is_so]:
        raise PlanError(
            f"A language model cannot be trained with this {' and '.join(wrong)}",
            expected="a stream of tokens, each foretold from those before it",
            do=f"Leave {' and '.join(wrong)} out.",
        )
    try:
        samples_of(training.loss)
    except ArgumentError as error:
        raise PlanError(str(error)) from error
    if plan.model.name in COUNTED:
        raise no_network(plan.model.name)
    if plan.model.name not in OF_STREAMS:
        raise PlanError(f"The model {plan.model.name!r} does not foretell tokens", expected=f"one of {', '.join(OF_STREAMS)}")


def varying_length(length: int, *, carries: bool) -> bool:
    """Whether windows differ in length from epoch to epoch: where a state is carried on, and there is room for it.

    Example:
        >>> varying_length(64, carries=True), varying_length(8, carries=True)
        (True, False)
    """
    return carries and length >= _ROOM // 2


def _tokens(dataset: Dataset) -> Tokens:
    inputs = dataset.schema.inputs
    assert isinstance(inputs, Tokens)
    return inputs


def _counts(dataset: Dataset) -> tuple[int, int, int]:
    return len(stream_of(dataset.train)), len(stream_of(dataset.valid)), len(stream_of(dataset.test))
