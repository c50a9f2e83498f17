"""Published weights for few photos: proposed where they are on this machine, named with their price where they are not."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leadline.data.dataset import Dataset
from leadline.data.pictures.pictures import Pictures
from leadline.models import PUBLISHED
from leadline.models.published_weights import places_of
from leadline.plan.record import Plan

_FEW = 20_000  # photos; from more of them a network of its own learns filters as good as those that are published
_SMALL_SIDE = 64  # pictures up to this side are not photos, and networks for photos see little in them
_WITHOUT_ANSWERS = ("reconstruct", "generate")  # tasks whose networks no published weights are of
_PREFERRED = ("resnet18", "resnet50", "resnet34", "squeezenet")  # what they give for their time, on a processor
# One core: 470 photos of 64 pixels through fast_convnet for 16 epochs, 157 validation photos, mean of two divisions; beside it
# a head on the features of SqueezeNet for 516 photos of 96 pixels, by 110 test photos.
_COST = "from 470 photos of flowers 71 % right in 98 s, where published features and a new head gave 77 % in 31 s"
OF_KERAS = "squeezenet_weights_th_dim_ordering_th_kernels_notop.h5"


def proposed_weights(plan: Plan, dataset: Dataset, changes: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Changes that make a Plan start from published weights, and a reason; or no changes and what to do to have some.

    Args:
        plan: as proposed without them.
        dataset: of photos; for anything else nothing is proposed.
        changes: of the person, spelled out. Where they say how the network starts, or name one without published weights,
            nothing is proposed.

    Example:
        >>> from leadline import data
        >>> proposed_weights(Plan(), data.load("digits"), {})
        ({}, '')
    """
    inputs, rows = dataset.schema.inputs, len(dataset.train)
    photos = isinstance(inputs, Pictures) and inputs.dtype == "uint8" and min(inputs.height, inputs.width) > _SMALL_SIDE
    if dataset.task in _WITHOUT_ANSWERS:
        return {}, ""
    if not photos or rows >= _FEW or any(key.startswith("start.") for key in changes) or plan.start.networks > 1:
        return {}, ""
    wanted = _fitting(changes)
    if not wanted:
        return {}, ""
    for name in wanted:
        if (file := at_hand(name)) is not None:
            known = PUBLISHED[name]
            model = {"model.name": known.builder, **{f"model.{key}": value for key, value in known.arguments}}
            why = f"{rows:,} photos are fewer than {_FEW:,}, and weights that {known.trained_on} taught {name} are at hand"
            return {"start.weights": str(file), **model}, why
    best = PUBLISHED[wanted[0]]
    return {}, (
        f"{rows:,} photos are few to learn to see from. Weights that {best.trained_on} taught {wanted[0]} are not on this "
        f"machine; --from {wanted[0]} fetches them ({best.megabytes:g} MB) and measures how much of them serves. Without them "
        f"everything is learned from scratch: {_COST}."
    )


def _fitting(changes: Mapping[str, Any]) -> tuple[str, ...]:
    """Published weights for the network that the person wants, or the usual ones."""
    own = {key.removeprefix("model."): value for key, value in changes.items() if key.startswith("model.")}
    if not own:
        return _PREFERRED
    name = own.pop("name", None)
    return tuple(each for each, known in PUBLISHED.items() if known.builder == name and dict(known.arguments) == own)


def at_hand(name: str) -> Path | None:
    """The file of published weights, where it is on this machine; nothing is fetched.

    It is looked for where `models.published_file` looks.

    Args:
        name: a key of `models.PUBLISHED`.

    Example:
        >>> import os, tempfile, unittest.mock
        >>> (file := Path(tempfile.mkdtemp()) / PUBLISHED["vgg19"].file).touch()
        >>> with unittest.mock.patch.dict(os.environ, LEADLINE_WEIGHTS=str(file.parent)):
        ...     at_hand("vgg19") == file
        True
    """
    places = list(places_of(PUBLISHED[name]))
    if name == "squeezenet" and importlib.util.find_spec("h5py") is not None:
        places += [place.with_name(OF_KERAS) for place in places]
    return next((place for place in places if place.is_file()), None)
