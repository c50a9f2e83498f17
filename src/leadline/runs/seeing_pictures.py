"""What the report shows of a network's sight: where it looked in test pictures, and its first filters."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from leadline.data.answers import Classes
from leadline.data.dataset import Dataset
from leadline.data.pictures.pictures import Pictures
from leadline.errors import ArgumentError
from leadline.explain.filters import class_templates, first_filters, largest_filters
from leadline.explain.overlays import Bytes, mosaic, overlay, shown_picture, weight_picture
from leadline.runs.examples import picture_uri, png_uri
from leadline.runs.explaining import METHODS, Explainer, members_of
from leadline.runs.run import Run

_SHOWN, _AT_ONCE = 8, 4  # pictures of each kind; in one pass, so that a slow network overruns its time by one pass at most
_SIDE, _FILTERS = 96, 64


def find_seeing(run: Run, dataset: Dataset, values: NDArray[Any], *, seconds: float) -> dict[str, Any]:
    """Maps over the most wrong and the most certain test pictures, and the filters or templates; empty for other data.

    Args:
        run: as it stands at the end of its training.
        dataset: whose test pictures are shown.
        values: what the network said of them: probabilities [N, K].
        seconds: the time that this may take; what does not fit is left out.
    """
    if not isinstance(dataset.schema.inputs, Pictures) or not isinstance(dataset.schema.answers, Classes):
        return {}
    until = time.perf_counter() + seconds
    found: dict[str, Any] = {"weights": _weights(run, dataset.schema.inputs, dataset.schema.answers.names)}
    try:
        explainer = Explainer(run, methods=["gradcam"])
    except ArgumentError:  # no layer with a map
        explainer = Explainer(run, methods=["saliency"])
    found |= {"method": METHODS[explainer.methods[0]], "layer": explainer.layer, "wrong": [], "certain": []}
    said = values.argmax(axis=1)
    right = said == dataset.test.targets
    surest = np.argsort(-values.max(axis=1), kind="stable")
    for kind, rows in (("wrong", surest[~right[surest]]), ("certain", _of_each_class(surest[right[surest]], said))):
        for at in range(0, min(_SHOWN, len(rows)), _AT_ONCE):
            if time.perf_counter() > until:
                break
            found[kind] += _looked_at(explainer, dataset, values, rows[at : min(at + _AT_ONCE, _SHOWN)])
    return found


def _of_each_class(rows: NDArray[np.int64], said: NDArray[np.int64]) -> NDArray[np.int64]:
    """The surest row of each class, then the second of each, and so on: otherwise one easy class would fill the place."""
    count: dict[int, int] = {}
    turn = []
    for row in rows.tolist():
        turn.append(count.get(int(said[row]), 0))
        count[int(said[row])] = turn[-1] + 1
    return rows[np.argsort(turn, kind="stable")]


def _looked_at(explainer: Explainer, dataset: Dataset, values: NDArray[Any], rows: NDArray[np.int64]) -> list[dict[str, Any]]:
    """A record for each row: what it is, what was said, and where in the picture the network saw both."""
    names = dataset.schema.answers.names
    stored = np.ascontiguousarray(dataset.test.inputs[np.asarray(rows)])
    said, truth = values[rows].argmax(axis=1), dataset.test.targets[rows].astype(np.int64)
    prepare = dataset.schema.inputs.preparer(explainer.run.device)
    x = prepare(torch.from_numpy(stored).to(explainer.run.device))
    maps = explainer.maps(explainer.methods[0], x, np.stack([said, truth], axis=1).tolist())
    found = []
    for at, row in enumerate(rows.tolist()):
        picture = _enlarged(shown_picture(stored[at]))
        record = {
            "id": str(dataset.test.ids[row]),
            "truth": names[truth[at]],
            "answer": names[said[at]],
            "probability": float(values[row, said[at]]),
            "picture": picture_uri(picture),
            "overlay": picture_uri(overlay(picture, maps[at, 0])),
        }
        if said[at] != truth[at]:
            # On the scale of the other, so that it shows how little spoke for the truth.
            record["truth_overlay"] = picture_uri(overlay(picture, maps[at, 1], peak=float(maps[at].max())))
        found.append(record)
    return found


def _weights(run: Run, inputs: Pictures, names: tuple[str, ...]) -> dict[str, Any] | None:
    """The first filters, or the templates of a linear model, as one picture or one a class."""
    network = members_of(run.model)[0]
    try:
        templates = class_templates(network, inputs.shape)
        shown = [
            {"name": name, "picture": png_uri(weight_picture(each), _SIDE)} for name, each in zip(names, templates, strict=True)
        ]
        return {"kind": "templates", "count": len(templates), "pictures": shown[:_FILTERS]}
    except ArgumentError:
        pass  # not linear
    try:
        weights = first_filters(network, inputs.shape)
    except ArgumentError:
        return None
    pictures = [weight_picture(each) for each in largest_filters(weights, _FILTERS)]
    scale = max(1, 24 // max(pictures[0].shape[:2]))
    sheet = mosaic(pictures, columns=16 if scale > 1 else 8, gap=2, scale=scale)
    return {"kind": "filters", "count": len(weights), "pictures": [{"name": "", "picture": png_uri(sheet, 900)}]}


def _enlarged(picture: Bytes) -> Bytes:
    times = max(1, _SIDE // max(picture.shape[:2]))
    return picture.repeat(times, axis=0).repeat(times, axis=1)
