"""Where weights come from: a Run, a file, or published ones; the network that they are of, and what it knows of its inputs."""

from __future__ import annotations

import dataclasses
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from leadline import files
from leadline.data.pictures.pictures import Pictures
from leadline.data.schema import Schema
from leadline.errors import ArgumentError, PlanError, RunError, SourceNotFoundError, nearest
from leadline.models import IMAGENET_MEAN, IMAGENET_STD, PUBLISHED, last_layer, load_weights, read_weights
from leadline.models.published_weights import check_published
from leadline.models.timm_backbones import PREFIX
from leadline.plan.network_building import layers_to_code, network
from leadline.plan.record import ModelPlan, Plan
from leadline.plan.starts import StartPlan
from leadline.plan.transferred_networks import known_row, schema_of
from leadline.transfer import unfreeze

_HDF5 = (".h5", ".hdf5")


@dataclass(frozen=True)
class Origin:
    """Weights that can be had: `place` as `load_weights` takes it, the network that they are of where that is known, and, of a
    Run, its Plan and Schema. `told` names them in a sentence.

    Example:
        >>> origin_of("resnet18").model.name
        'resnet18'
    """

    place: Path | str
    told: str
    model: ModelPlan | None = None
    plan: Plan | None = None
    schema: Schema | None = None

    @property
    def side(self) -> int:
        """The height and width of the pictures that a Run was trained on; 0 where that is unknown or they are not square."""
        inputs = self.schema.inputs if self.schema is not None else None
        return inputs.height if isinstance(inputs, Pictures) and inputs.height == inputs.width else 0


def origin_of(weights: str) -> Origin:
    """What is known of weights before they are read, so that a mistake is told before the data are.

    Args:
        weights: the folder of a Run, a file of weights, a key of `models.PUBLISHED`, or `timm:NAME`.

    Errors: `SourceNotFoundError` where there is nothing of the kind; `RunError` for a Run that is unfinished or damaged;
    `PlanError` for one that has no single network of its own.

    Example:
        >>> origin_of("resnet81")
        Traceback (most recent call last):
        ...
        leadline.errors.SourceNotFoundError: There are no weights 'resnet81'. ... Did you mean 'resnet18'?
    """
    path = Path(weights)
    if path.name == "model.safetensors" and (path.parent / "run.json").exists():
        path = path.parent
    if path.is_dir() and (path / "run.json").exists():
        return _of_run(path)
    if path.is_dir() and not (path / "model.safetensors").exists():
        raise SourceNotFoundError(
            f"{path} is not a Run folder",
            expected="a folder that leadline train has written, a file of weights, or the name of published ones",
        )
    if path.exists():
        return _of_file(path)
    if weights in PUBLISHED:
        known = PUBLISHED[weights]
        model = ModelPlan(known.builder, dict(known.arguments))
        return Origin(weights, f"the published {weights} ({known.trained_on}, {known.megabytes:g} MB)", model)
    if weights.startswith(PREFIX):
        return Origin(weights, f"the published {weights}", ModelPlan(weights))
    close = nearest(weights, PUBLISHED)
    raise SourceNotFoundError(
        f"There are no weights {weights!r}",
        expected="a Run folder, a file of weights, timm:NAME, or one of " + ", ".join(PUBLISHED),
        do=f"Did you mean {close!r}?" if close else None,
    )


def _of_run(path: Path) -> Origin:
    if not (path / "model.safetensors").exists():
        raise RunError(
            f"The training in {path} is not finished, so it has no weights yet", do=f"Go on with it: leadline resume {path}"
        )
    try:
        plan = Plan.from_json(files.read_json(path / "plan.json"))
        schema = Schema.from_json(files.read_json(path / "schema.json"))
    except (FileNotFoundError, ValueError, AttributeError) as error:
        raise RunError(f"The Run in {path} is damaged", got=str(error), do="Restore it from a copy, or train anew.") from error
    if plan.start.ensemble:
        raise PlanError(f"The Run in {path} is an ensemble, and no single network of it", do="Give a Run of one network.")
    return Origin(path, f"the Run {path} ({plan.model.name}, {schema.inputs.describe()})", plan.model, plan, schema)


def _of_file(path: Path) -> Origin:
    """Published files are known by their names, whatever folder they lie in."""
    model = next((ModelPlan(each.builder, dict(each.arguments)) for each in PUBLISHED.values() if each.file == path.name), None)
    if model is None and path.suffix.lower() in _HDF5:
        model = ModelPlan("squeezenet")
    return Origin(path, f"the weights in {path}", model)


def with_model_of(plan: Plan, origin: Origin, chosen: set[str]) -> Plan:
    """The Plan with the network of the weights.

    Args:
        plan: as far as it is known.
        origin: of its weights.
        chosen: keys of the Plan that a person gave, which must not say otherwise.

    Errors: `PlanError` where they do, or where nobody says which network the weights are of.

    Example:
        >>> with_model_of(Plan(), origin_of("resnet18"), set()).model.name
        'resnet18'
    """
    if origin.model is None:
        if "model.name" not in chosen:
            raise PlanError(
                f"Which network are {origin.told} of?",
                expected="model = one of " + ", ".join(sorted({known.builder for known in PUBLISHED.values()})) + " …",
                do="Give it beside them: --set model=resnet20.",
            )
        return plan
    own = {"model.name": origin.model.name, **{f"model.{name}": value for name, value in origin.model.arguments.items()}}
    given = {row["key"]: row["value"] for row in plan.rows() if row["key"] in chosen}
    for key, value in given.items():
        if key.startswith("model.") and own.get(key, value) != value:
            raise PlanError(
                f"{origin.told[0].upper()}{origin.told[1:]} do not fit this network",
                expected=f"{key} = {own[key]}",
                got=value,
                do=f"Leave {key} out: the network is that of the weights.",
            )
    plan = dataclasses.replace(plan, model=origin.model)
    later = {key: value for key, value in given.items() if key.startswith("model.") and key not in own}
    why = dict.fromkeys(own, f"that of {origin.told}")
    return dataclasses.replace(plan.but(later), why={**plan.why, **why})


def load_known(origin: Origin, plan: Plan, data: Pictures) -> tuple[nn.Module, list[dict[str, Any]]]:
    """The network with its weights, and the rows of `start.known` that say how it is made and what it knows.

    Args:
        origin: of the weights.
        plan: whose network they are of.
        data: the pictures now, whose size a network from a file is made for.

    Errors: `PlanError` for a Run of other inputs than pictures, or weights that do not fit; whatever `load_weights` raises.
    """
    if origin.plan is not None and origin.schema is not None:
        if not isinstance(known := origin.schema.inputs, Pictures):
            raise PlanError(
                f"{origin.told[0].upper()}{origin.told[1:]} knows no pictures",
                expected=f"a Run on {data.describe()} or others",
                do="Give another Run, or train without it.",
            )
        model = network(origin.plan, origin.schema)
        _load(model, origin, head="same")
        model = layers_to_code(model) if origin.schema.task == "reconstruct" else model
        rows = [dict(row) for row in origin.plan.start.known] if origin.plan.start.transfers else []
        made = {"layer": origin.plan.start.layer, "grid": origin.plan.start.grid} if rows else {}
        return unfreeze(model, training=False), [*rows, {**known_row(known, origin.schema.answers.outputs), **made}]
    if isinstance(origin.place, Path) and origin.place.is_file():
        check_published(origin.place)
    state = read_weights(Path(origin.place)) if isinstance(origin.place, Path) else None
    channels = _channels(state) if state is not None else 3
    inputs = dataclasses.replace(_prepared(origin, plan, data, channels), channels=channels)
    model = _base(plan, known_row(inputs, 2))
    head = last_layer(model)
    outputs = len(state[f"{head}.weight"]) if state is not None and f"{head}.weight" in state else 0
    row = known_row(inputs, outputs or 2)
    if outputs:
        model = _base(plan, row)
    _load(model, origin, head="same" if outputs else "new")
    return model.eval(), [row]


def _base(plan: Plan, row: dict[str, Any]) -> nn.Module:
    return network(dataclasses.replace(plan, start=StartPlan()), schema_of(row))


def _load(model: nn.Module, origin: Origin, *, head: str) -> None:
    try:
        load_weights(model, origin.place, head=head)
    except ArgumentError as error:
        raise PlanError(str(error)) from error


def _channels(state: dict[str, Tensor]) -> int:
    """The channels that the first convolution of a state dict takes; 3 where there is none."""
    return next((int(weight.shape[1]) for weight in state.values() if weight.ndim == 4), 3)


def _prepared(origin: Origin, plan: Plan, data: Pictures, channels: int) -> Pictures:
    """The preparation that the network was trained with: a file does not say, but the published ones have one in common."""
    mean, std = IMAGENET_MEAN, IMAGENET_STD
    if plan.model.name.startswith(PREFIX):
        config = importlib.import_module("timm").get_pretrained_cfg(plan.model.name.removeprefix(PREFIX))
        mean, std = (tuple(config.mean), tuple(config.std)) if config is not None else (mean, std)
    elif plan.model.name not in {known.builder for known in PUBLISHED.values()} or channels != 3 or data.dtype != "uint8":
        # Nothing is known, so the pictures of now have to stand for those of then.
        own = [np.asarray(each) for each in (data.mean, data.std)]
        mean, std = (tuple(each if len(each) == channels else np.full(channels, each.mean())) for each in own)
        return dataclasses.replace(data, mean=tuple(map(float, mean)), std=tuple(map(float, std)))
    return dataclasses.replace(data, mean=tuple(255 * each for each in mean), std=tuple(255 * each for each in std))
