"""What is proposed for pictures to draw from: the sizes of the two networks, and how they are trained against each other.

What was measured for it stands in docs/generating.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from leadline.data.dataset import Dataset
from leadline.data.pictures.drawing_loading import check_drawable
from leadline.data.pictures.drawn_answers import Drawings
from leadline.data.pictures.pictures import Pictures
from leadline.errors import ArgumentError, PlanError
from leadline.losses.adversarial import ADVERSARIAL_LOSSES, adversarial_loss
from leadline.models import OF_DRAWINGS, OF_INPUTS_ALONE
from leadline.models.adversarial.adversarial_sizes import doubled_map
from leadline.optim import Plateau, make_schedule
from leadline.plan.changes import numbers_chosen
from leadline.plan.record import Plan, TrainingPlan
from leadline.spelling import parse_call

_LOSS = "non_saturating"
_RATE = 2e-4  # of Adam, as published
_BATCH = 64
_TO_SEE = 600_000  # pictures: about 10,000 steps
_FEWEST, _MOST = 8, 400  # epochs
_FEW = 20_000  # pictures, below which the discriminator would learn them by heart
_WIDE = 28  # pixels of the longer side up to which 64 filters are quick on a CPU
_PER_CLASS = 20  # pictures of each class, so that there is something to learn of it
_CRITIC = 5  # batches for a step of the generator where the critic should be near its optimum
_LOOK_BACK = 20  # the average looks back over this part of all steps, one of so many


def generate_facts(dataset: Dataset, why: dict[str, str]) -> dict[str, Any]:
    """The reasons of `DataPlan`.

    Errors: `DataError` for too few pictures, or pictures that are all the same.
    """
    inputs, answers = _inputs(dataset), dataset.schema.answers
    check_drawable(dataset.train.array)
    size, train = f"{inputs.height} × {inputs.width} × {inputs.channels}", len(dataset.train)
    of = f", of {answers.outputs} classes" if answers.outputs else ", of no class"
    why["data.task"] = f"pictures of {size}{of}, are learned to be drawn from noise"
    why["data.size"] = f"pictures are kept as {size}"
    if dataset.origin.options.get("size"):
        why["data.size"] += (
            f"; {train:,} photos of 64 pixels a side would take four times as long as of 32, of 128 sixteen times"
        )
    why["data.valid"] = f"{len(dataset.valid):,} pictures to choose the best weights by, beside {train:,} to learn from"
    why["data.test"] = f"{len(dataset.test):,} pictures that nothing sees before the end, to judge the drawings by"
    return {}


def generate_network(dataset: Dataset) -> tuple[str, str]:
    """The name of the network, and why it is that.

    Args:
        dataset: of pictures.
    """
    (height, width), doublings = doubled_map("dcgan", _inputs(dataset).shape)
    whole = f"{_inputs(dataset).height} × {_inputs(dataset).width} pixels"
    return "dcgan", f"a map of {height} × {width}, doubled {doublings} time{'s' * (doublings > 1)}, makes the {whole}"


def generate_arguments(name: str, dataset: Dataset, changes: Mapping[str, Any], why: dict[str, str]) -> dict[str, Any]:
    """The arguments of `models.dcgan`, with reasons.

    Args:
        name: of the network.
        dataset: of pictures.
        changes: of the person, of which the loss decides how the discriminator is normalized.
        why: takes the reasons.
    """
    if name not in OF_DRAWINGS:
        return {}
    inputs, answers, train = _inputs(dataset), dataset.schema.answers, len(dataset.train)
    side = max(inputs.height, inputs.width)
    width, latent = (64 if side <= _WIDE else 32), (100 if side >= _WIDE else 32)
    penalized = _penalized(str(changes.get("training.loss", _LOSS)))
    why["model.width"] = (
        f"64 filters in the largest hidden maps, as published: {side} pixels a side leave time for them"
        if width == 64
        else f"32 filters in the largest hidden maps: at {side} pixels a side the published 64 take nearly four times as long"
    )
    why["model.latent"] = f"{latent} numbers of noise are more than what {train:,} pictures of {side} pixels differ in"
    why["model.norm"] = (
        "the penalty asks for each picture's own slope, which batch norm would mix"
        if penalized
        else f"as published: after equal time drawings came nearer than with spectral norm; {train:,} pictures fill its batches"
    )
    found: dict[str, Any] = {"width": width, "latent": latent, "norm": "layer" if penalized else "batch"}
    if answers.outputs:
        fewest = int(np.bincount(dataset.train.targets, minlength=answers.outputs).min())
        found["conditional"] = fewest >= _PER_CLASS
        why["model.conditional"] = (
            f"each of {answers.outputs} classes has {fewest:,} pictures or more, so that one can be asked for"
            if found["conditional"]
            else f"the smallest of {answers.outputs} classes has only {fewest}, too few to learn what is its own"
        )
    return found


def generate_training(
    dataset: Dataset, changes: Mapping[str, Any], why: dict[str, str], *, rate_beside_adam: float
) -> TrainingPlan:
    """How the two are trained, in the batches and epochs of the person's own `changes` where these say so.

    Args:
        dataset: of pictures.
        changes: of the person.
        why: takes the reasons.
        rate_beside_adam: what suits the chosen optimizer, as a multiple of what suits Adam.
    """
    train, colors = len(dataset.train), _inputs(dataset).channels == 3
    mine = numbers_chosen(changes, "batch", "epochs", least=1)
    batch = mine.get("batch", int(2 ** np.clip(round(math.log2(max(train, 2) / 20)), 3, math.log2(_BATCH))))
    epochs = mine.get("epochs", int(np.clip(round(_TO_SEE / train), _FEWEST, _MOST)))
    steps = math.ceil(train / batch)
    penalized = _penalized(str(changes.get("training.loss", _LOSS)))
    critic = _CRITIC if penalized else 1
    patience = min(max(10, epochs // 2), epochs)
    decay = round(min(1 - 1 / max(10.0, epochs * steps / critic / _LOOK_BACK), 0.999), 4)
    altered = ("color, shift, cutout" if colors else "shift, cutout") if train < _FEW else ""
    why["training.loss"] = f"the generator is pulled hardest where its drawings are told easily from the {train:,} pictures"
    why["training.batch"] = f"{train:,} pictures make {steps:,} steps an epoch"
    why["training.epochs"] = f"{epochs} times {train:,} pictures are {epochs * train:,} to learn from, {epochs * steps:,} steps"
    why["training.learning_rate"] = f"as published for both networks, for {steps:,} steps of {batch} pictures an epoch"
    why["training.momentum"] = (
        "none: with the penalty a critic that rolls on overshoots, as published"
        if penalized
        else f"0.5, as published: with 0.9 the two swing about each other over {epochs * steps:,} steps"
    )
    why["training.optimizer"] = f"adapts the rate to each weight of the two networks, so {epochs} epochs need no search for it"
    why["training.schedule"] = f"a game has no minimum to come to rest in: the average over steps does it, {epochs} epochs long"
    why["training.average"] = f"drawings are those of the generator's weights over about {1 / (1 - decay):,.0f} of its steps"
    why["training.critic_steps"] = (
        f"{critic} batches for a step of the generator, so that the critic is near its optimum when it is asked"
        if penalized
        else f"both learn from each of {steps:,} batches an epoch"
    )
    why["training.changes"] = (
        f"{train:,} pictures are fewer than {_FEW:,} and could be learned by heart: real and drawn ones are changed alike"
        if altered
        else f"{train:,} pictures are varied enough by themselves"
    )
    why["training.accumulate"] = f"1: {batch} pictures are one step of both networks"
    why["training.weight_decay"] = (
        f"0: the penalty bounds the discriminator, and {train:,} pictures the generator"
        if penalized
        else f"0, as published: on {train:,} pictures each of the two is held back by the other"
    )
    why["training.monitor"] = f"how far drawings are from {len(dataset.valid):,} pictures that are not learned from"
    why["training.patience"] = (
        f"the distance goes up and down; after {patience} of {epochs} epochs without a better one it ends"
    )
    return TrainingPlan(
        loss=_LOSS,
        optimizer="adam",
        learning_rate=_RATE * rate_beside_adam,
        momentum=0.0 if penalized else 0.5,
        weight_decay=0.0,
        schedule="constant",
        batch=batch,
        accumulate=1,
        epochs=epochs,
        patience=patience,
        monitor="valid_frechet",
        average=f"ema({decay})",
        critic_steps=critic,
        changes=altered,
    )


def check_generate_plan(plan: Plan) -> None:
    """Refuse what two networks that play against each other cannot be trained with, before the first step.

    Errors: `PlanError` that says what to leave out.

    Example:
        >>> mine = {"model": "dcgan", "training.loss": "hinge", "training.accumulate": 1, "training.schedule": "constant"}
        >>> check_generate_plan(Plan().but(mine))
    """
    training, start, kind = plan.training, plan.start, plan.training.optimizer.split("(")[0]
    if plan.model.name not in OF_DRAWINGS:
        alone = plan.model.name in OF_INPUTS_ALONE
        raise PlanError(
            f"The model {plan.model.name!r} draws no pictures from noise",
            expected=f"model = {' or '.join(OF_DRAWINGS)}",
            do="Train it for the task reconstruct; variational autoencoders and machines make pictures up then, too."
            if alone
            else None,
        )
    refused = {
        "training.accumulate": training.accumulate > 1,
        "training.step": training.step not in ("auto", "plain"),
        "training.clip": bool(training.clip),
        "training.label_smoothing": training.label_smoothing > 0,
        "training.class_weights": training.class_weights != "none",
        "training.entropy_bonus": training.entropy_bonus > 0,
        "training.penalties": training.penalties.active or training.penalties.of_outputs,
        "training.augment (training.changes is for drawings)": training.augment.active,
        "training.optimizer": kind in ("lbfgs", "muon"),
        "training.schedule": isinstance(make_schedule(training.schedule, epochs=training.epochs), Plateau),
        "start.weights": bool(start.weights),
        "start.initialize": bool(start.initialize),
        "start.restarts, start.search or start.ensemble": start.networks > 1 or start.ensemble,
    }
    if wrong := [key for key, is_so in refused.items() if is_so]:
        raise PlanError(
            f"Networks that learn to draw cannot be trained with this {' and '.join(wrong)}",
            expected="two networks that learn from each other",
            do=f"Leave {' and '.join(wrong)} out.",
        )
    if training.batch == 1:
        raise PlanError(
            "A batch of one picture has no variance to be normalized", expected="training.batch of at least 2", got=1
        )
    average_of(plan)
    try:
        adversarial_loss(training.loss)
    except ArgumentError as error:
        raise PlanError(str(error)) from error


def average_of(plan: Plan) -> float:
    """The decay of the generator's average that a Plan asks for; 0 for none.

    Errors: `PlanError` for an average of another kind.

    Example:
        >>> average_of(Plan().but({"training.average": "ema(0.99)"})), average_of(Plan())
        (0.99, 0.0)
    """
    text = plan.training.average.strip()
    if not text:
        return 0.0
    try:
        return float(text)
    except ValueError:
        call = parse_call(text, "average")
    if call.name != "ema":
        raise PlanError(
            "The generator's weights are averaged exponentially", expected='training.average = "ema(0.999)", or ""', got=text
        )
    return float(call.arguments[0] if call.arguments else call.keywords.get("decay", 0.999))


def check_only_drawing(plan: Plan) -> None:
    """Refuse what is for the task generate alone in a Plan of another task.

    Errors: `PlanError`.

    Example:
        >>> check_only_drawing(Plan())
    """
    training = plan.training
    for key, given in (("critic_steps", training.critic_steps != 1), ("changes", bool(training.changes))):
        if given:
            raise PlanError(
                f"training.{key} is for the task generate", got=f"the task {plan.data.task!r}", do=f"Leave training.{key} out."
            )


def _penalized(loss: str) -> bool:
    """Whether a loss has a gradient penalty; a text that is none is refused elsewhere."""
    try:
        return parse_call(loss, "loss").name in ADVERSARIAL_LOSSES and adversarial_loss(loss).penalty > 0
    except ArgumentError:
        return False


def _inputs(dataset: Dataset) -> Pictures:
    inputs = dataset.schema.inputs
    assert isinstance(inputs, Pictures)
    assert isinstance(dataset.schema.answers, Drawings)
    return inputs
