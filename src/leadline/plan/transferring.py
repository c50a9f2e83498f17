"""Transfer in a Plan: the situation is measured, and what follows from it is written down before the first step."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from leadline.data.dataset import Dataset
from leadline.data.pictures.pictures import Pictures
from leadline.data.vectors import Vectors
from leadline.errors import ArgumentError, PlanError
from leadline.plan.network_building import network
from leadline.plan.origins import Origin, load_known, origin_of
from leadline.plan.record import CHOSEN, GIVEN, Plan
from leadline.plan.transferred_networks import as_known, pictures_of
from leadline.training import choose_device
from leadline.training.devices import preserved
from leadline.transfer import Situation, cut, cut_depths, measure_situation, schema_for, with_new_head

Note = Callable[[str, str], None]
_RATE = 1e-3  # of Adam, for the head; with it the ways were compared
_RATE_BESIDE_ADAM = {"sgd": 10.0, "nesterov": 10.0, "adagrad": 5.0, "muon": 5.0}
_SOLVED = {"layout": "contiguous", "step": "plain", "precision": "float32", "accumulate": 1}
_OF_STEPS = ("loss", "optimizer", "learning_rate", "schedule", "clip", "average", "label_smoothing", "class_weights", "batch")


@dataclass(frozen=True)
class Resolved:
    """A Plan in which transfer is decided, the Dataset as its network takes it, and the weights to begin with.

    `first` is None where the Plan says by itself what they are. `record` is what was measured, as plain values.

    Example:
        >>> from leadline import data
        >>> digits = data.load("digits")
        >>> resolve(Plan(), digits).first is None
        True
    """

    plan: Plan
    dataset: Dataset
    first: dict[str, Tensor] | None = None
    record: dict[str, Any] = field(default_factory=dict)


def resolve(plan: Plan, dataset: Dataset, note: Note | None = None) -> Resolved:
    """Decide what becomes of the weights that a Plan starts from.

    For pictures the situation is measured (`transfer.measure_situation`), and the decision with its reason and the layer where
    the network is cut are written into the Plan; a way that was chosen is taken. For other inputs the weights are taken whole.

    Args:
        plan: whole, for these data.
        dataset: what is to be learnt.
        note: is told (label, text) of what is found.

    Errors: `PlanError` for a way that these weights or data do not allow; what reading the weights raises.
    """
    note = note or (lambda label, text: None)
    start, inputs = plan.start, dataset.schema.inputs
    if not start.weights:
        return _without_weights(plan, dataset)
    origin = origin_of(start.weights)
    goes_on = not isinstance(inputs, Pictures) or dataset.task == "reconstruct"
    if start.transfer == "whole" or (start.transfer == "auto" and goes_on):
        return Resolved(_whole(plan, origin, dataset), dataset)
    if not isinstance(inputs, Pictures) or (goes_on and start.transfer != "scratch"):
        raise PlanError(
            f"start.transfer = {start.transfer} is for networks on pictures",
            got=inputs.describe(),
            do="Set it to whole, where the weights are of the same network.",
        )
    _check_alone(plan)
    note("weights", origin.told)
    if start.transfer == "scratch":
        why = "chosen by you: fresh weights, for the network that the others are of"
        return Resolved(_but(plan, {"transfer": "scratch", "known": []}, {"start.transfer": why}), dataset)
    with preserved():
        return _measured(plan, dataset, origin, inputs, note)


def _without_weights(plan: Plan, dataset: Dataset) -> Resolved:
    """Features that somebody else has computed need a head and no weights; everything else needs them."""
    way, inputs = plan.start.transfer, dataset.schema.inputs
    if way in ("auto", "scratch"):
        return Resolved(plan, dataset)
    if way != "head" or not isinstance(inputs, Vectors):
        raise PlanError(
            f"start.transfer = {way} needs weights to start from",
            expected="start.weights: a Run folder, a file, or the name of published ones",
            do="Give them with --from.",
        )
    if plan.model.name != "linear":
        if plan.why.get("model.name") in (CHOSEN, GIVEN):
            raise PlanError("A head on features is linear", got=f"model = {plan.model.name}", do="Leave the model out.")
        plan = plan.but({"model": "linear"}, why=f"a head on {inputs.shape[0]:,} features that are computed already")
    _check_alone(plan)
    return Resolved(_settled(plan), dataset, network(plan, dataset.schema).state_dict(), {"decision": "head", "features": True})


def _whole(plan: Plan, origin: Origin, dataset: Dataset) -> Plan:
    if origin.schema is not None and origin.schema.task == "reconstruct" != dataset.task:
        raise PlanError(
            f"{origin.told[0].upper()}{origin.told[1:]} tells its inputs again, and its layers begin others only for pictures",
            do="Give its codes to another method (leadline predict RUN INPUT… --features), or train with "
            "start.pretrain=autoencoder.",
        )
    if origin.schema is not None and origin.schema.inputs.kind != dataset.schema.inputs.kind:
        raise PlanError(
            f"{origin.told[0].upper()}{origin.told[1:]} was trained on other inputs",
            expected=origin.schema.inputs.describe(),
            got=dataset.schema.inputs.describe(),
            do="Give a Run on data of this kind, or train without it.",
        )
    said = plan.start.transfer == "whole"
    why = plan.why.get("start.transfer", CHOSEN) if said else "the same network goes on: new heads are for pictures"
    return _but(plan, {"transfer": "whole", "known": [], "initialize": ""}, {"start.transfer": why})


def _check_alone(plan: Plan) -> None:
    start = plan.start
    if start.initialize and plan.why.get("start.initialize") in (CHOSEN, GIVEN):
        raise PlanError("start.initialize draws the weights that start.weights gives", do="Leave one of them out.")
    if start.networks > 1 and start.together == "stacked":
        raise PlanError("Networks that are made of another one are trained one by one", do="Leave start.together out.")
    if start.networks > 1 and start.solves:
        raise PlanError(f"A head is solved, so {start.networks} of them would be the same", do="Leave start.restarts out.")


def _measured(plan: Plan, dataset: Dataset, origin: Origin, inputs: Pictures, note: Note) -> Resolved:
    start, answers = plan.start, dataset.schema.answers
    model, known = load_known(origin, plan, inputs)
    last = pictures_of(known[-1])
    schema = schema_for(dataset.schema, last)
    dataset = dataclasses.replace(dataset, schema=schema)
    shape = inputs.shape
    _check_fits(model, (last.channels, *shape[1:]), origin, last, start.layer, start.transfer)
    model.to(choose_device(plan.training.device))
    augment = plan.training.augment if plan.training.augment.active else None
    note("transfer", "trying the ways to transfer on these data")
    situation = measure_situation(
        model,
        dataset,
        epochs=plan.training.epochs,
        batch=plan.training.batch or len(dataset.train),
        channels=last.channels,
        augment=dataclasses.replace(augment, mixup=0.0, cutmix=0.0) if augment is not None else None,
        force="" if start.transfer == "auto" else start.transfer,
        seed=plan.training.seed,
    )
    for skill in situation.skills:
        note("", skill.describe())
    note("transfer", f"{situation.words()}: {situation.decision}, as {_sentence(situation)}")
    record = {**situation.to_json(), "words": situation.words(), "weights": origin.told, "forced": start.transfer != "auto"}
    layer = start.layer or situation.layer
    grid = start.grid or (situation.grid if layer == situation.layer else 1)
    record |= {"layer": layer, "grid": grid}
    why = {"start.transfer": f"{situation.words()}; {_sentence(situation)}"}
    if situation.decision == "scratch":
        own = dataclasses.replace(dataset, schema=dataclasses.replace(schema, inputs=inputs))
        return Resolved(_but(plan, {"transfer": "scratch", "layer": "", "grid": 0, "known": []}, why), own, None, record)
    net = with_new_head(model, layer, shape, answers.outputs, grid=grid, frozen=False, channels=last.channels)
    width = int(net.get_submodule("head").in_features)  # type: ignore[arg-type]
    why["start.layer"] = plan.why.get("start.layer", f"the network is cut here, where it gives {width:,} features")
    chosen = {"transfer": situation.decision, "layer": layer, "grid": grid, "known": known, "initialize": ""}
    plan = _but(plan, chosen, {**plan.why, **why})
    _check_alone(plan)
    plan = _settled(plan) if plan.start.solves else _fine_tuned(plan)
    if plan.start.solves and (unused := [key for key in _OF_STEPS if plan.why.get(f"training.{key}") == CHOSEN]):
        note("note", f"a head is solved, not trained in steps: training.{', training.'.join(unused)} change nothing")
    first = {name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}
    return Resolved(plan, as_known(plan.start, dataset), first, {**record, "features": False, "width": width})


def _sentence(situation: Situation) -> str:
    return "it was chosen by you" if situation.reason == "chosen by you" else situation.reason


def _check_fits(model: nn.Module, shape: tuple[int, ...], origin: Origin, known: Pictures, layer: str, way: str) -> None:
    """Whether the network takes these pictures, has the layer that was asked for, and depths for the way."""
    try:
        depths = cut_depths(model, shape)
        if layer:
            cut(copy.deepcopy(model), layer, shape)
    except ArgumentError as error:
        if "cannot take inputs" not in str(error):
            raise PlanError(str(error)) from error
        raise PlanError(
            f"The network of {origin.told} cannot take pictures of {shape[1]} × {shape[2]}",
            expected=known.describe(),
            do=f"Give photos that size: --size {known.height}."
            if known.height == known.width
            else "Give pictures of that size.",
        ) from error
    if way == "early head" and not layer and len(depths) < 2:
        raise PlanError("The network has only one depth, so it has no early features", do="Take start.transfer = head.")


def _settled(plan: Plan) -> Plan:
    """The Plan of a head that is solved: nothing about steps is left open."""
    device = choose_device(plan.training.device)
    training = dataclasses.replace(
        plan.training,
        device=str(device),
        threads=plan.training.threads or torch.get_num_threads(),
        **_SOLVED,  # type: ignore[arg-type]
    )
    start = dataclasses.replace(plan.start, together="one by one")
    return dataclasses.replace(plan, training=training, start=start, why={**plan.why, "training.step": "a head is solved"})


def _fine_tuned(plan: Plan) -> Plan:
    """The Plan of a fine-tuning: the rate for a network that is trained already, and a step whose parts can be frozen."""
    if (step := plan.training.step) not in ("auto", "plain"):
        raise PlanError(
            f"A step in which layers thaw cannot be {step}", got=f"training.step = {step}", do="Leave training.step out."
        )
    changes: dict[str, Any] = {"step": "plain"}
    why = {"training.step": "layers thaw on the way, which a recorded step cannot follow"}
    if plan.why.get("training.learning_rate") not in (CHOSEN, GIVEN) and "training.learning_rate" not in plan.start.search:
        kind = plan.training.optimizer.split("(")[0]
        changes["learning_rate"] = _RATE * _RATE_BESIDE_ADAM.get(kind, 1.0)
        why["training.learning_rate"] = (
            "for the head; 0.6 of it from each stage to the one before, whose weights are good already"
        )
    start = dataclasses.replace(plan.start, together="one by one")
    if plan.start.networks > 1:
        why["start.together"] = "layers thaw on the way, which one program for all cannot follow"
    return dataclasses.replace(
        plan, training=dataclasses.replace(plan.training, **changes), start=start, why={**plan.why, **why}
    )


def _but(plan: Plan, start: dict[str, Any], why: dict[str, str]) -> Plan:
    return dataclasses.replace(plan, start=dataclasses.replace(plan.start, **start), why={**plan.why, **why})
