"""Figures of a trained network itself: its filters or templates, its maps, what excites it, and how it parts the data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file as load_arrays
from torch import Tensor

from leadline import data
from leadline.data.answers import Classes
from leadline.data.dataset import Split
from leadline.errors import ArgumentError, LeadlineError
from leadline.explain.fields import receptive_field
from leadline.explain.filters import class_templates, first_filters, largest_filters
from leadline.explain.labelled_sheets import Cell, sheet_png
from leadline.explain.overlays import heat_picture, mosaic, shown_picture, weight_picture
from leadline.explain.passes import MapLayer, feature_maps, map_layer, map_layers
from leadline.explain.patches import Patch, exciting_patches
from leadline.explain.plane_drawing import Group, plane_png
from leadline.explain.planes import feature_plane
from leadline.runs.explaining import members_of, pictures_of
from leadline.runs.reloading import load_for
from leadline.runs.run import Run

_BATCH = 128
_FILTERS, _CHANNELS, _SHOWN, _PATCHES = 64, 10, 48, 8  # filters; maps a layer of several, of one; patches a filter
_ROWS = 2000  # of the map of features, and pictures looked through for patches


@dataclass(frozen=True)
class Figure:
    """One figure: the name of its file, the PNG, and what it shows in a sentence.

    Example:
        >>> Figure("network-filters.png", b"", "The filters.").name
        'network-filters.png'
    """

    name: str
    png: bytes
    says: str


class NetworkFigures:
    """The figures of a Run's network, one after the other; what cannot be drawn is told in `notes`.

    Args:
        run: trained on pictures.
        source: labelled pictures to draw on; the test split of the training when left out.
        layer: whose maps and patches are drawn; several for the maps, and for the patches the last that does not see the whole
            picture, when left out.

    Errors: `ArgumentError` for a Run without pictures or an unknown layer; a `LeadlineError` for a source that cannot be read.

    Example:
        >>> import tempfile
        >>> import leadline
        >>> quick = {"model": "linear", "training.epochs": 1, "training.threads": 1}
        >>> run = leadline.train("digits", changes=quick, folder=tempfile.mkdtemp())
        >>> [figure.name for figure in NetworkFigures(run)]
        ['network-templates.png', 'network-features-by-class.png', 'network-features-by-error.png']
    """

    def __init__(self, run: Run, *, source: Any = None, layer: str | None = None) -> None:
        self.run, self.inputs, self.notes = run, pictures_of(run), list[str]()
        # Of an ensemble the first member is drawn: the others have filters of their own.
        self.network, *others = members_of(run.model)
        if others:
            self.notes.append(f"Of the {1 + len(others)} networks that answer together the first is drawn.")
        self._prepare = self.inputs.preparer(run.device)
        probe = torch.zeros(1, *self.inputs.shape)
        self.layers = map_layers(self.network, probe)
        self.layer = map_layer(self.network, probe, layer) if layer is not None else None
        self.split = self._read(source)

    def names(self) -> list[str]:
        """The files that may be written."""
        return [
            "network-filters.png",
            "network-templates.png",
            "network-feature-maps.png",
            "network-patches.png",
            "network-features-by-class.png",
            "network-features-by-error.png",
        ]

    def __iter__(self) -> Iterator[Figure]:
        for draw in (self._weights, self._maps, self._patches):
            if (figure := self._tried(draw)) is not None:
                yield figure
        yield from self._planes()

    def _read(self, source: Any) -> Split | None:
        if source is not None:
            return data.read(source, self.run.schema)
        try:
            dataset = load_for(self.run.plan)
        except LeadlineError as error:
            self.notes.append(f"Without the data of the training there are no patches and no map of features. {error}")
            return None
        if dataset.fingerprint() != self.run.plan.data.hash:
            self.notes.append("The data have changed since the training, so what is drawn as its test split may be another.")
        return (
            dataset.test
            if dataset.schema.inputs.shape == self.inputs.shape
            else data.read(self.run.plan.data.source, self.run.schema)
        )

    def _tried(self, draw: Callable[[], Figure | None]) -> Figure | None:
        try:
            return draw()
        except ArgumentError as error:
            self.notes.append(str(error))
            return None

    def _weights(self) -> Figure | None:
        if not self.layers:
            try:
                return self._templates(class_templates(self.network, self.inputs.shape))
            except ArgumentError:
                pass  # not linear: its first layer is drawn as that of any other
        weights = first_filters(self.network, self.inputs.shape)
        pictures = [weight_picture(each) for each in largest_filters(weights, _FILTERS)]
        scale = max(1, 560 // (max(pictures[0].shape[:2]) * math.ceil(math.sqrt(len(pictures)))))
        sheet = mosaic(pictures, gap=3, scale=scale)
        how = "In colour around grey, which is 0" if weights.shape[1] == 3 else "Red is above 0, blue below, white is 0"
        few = f"the {len(pictures)} largest of " if len(pictures) < len(weights) else ""
        heading = f"What the first layer looks for: {few}{len(weights)} filters"
        png = sheet_png(
            [[Cell(sheet)]], heading=heading, note=f"{how}; each has a scale of its own.", cell=max(sheet.shape[:2])
        )
        return Figure("network-filters.png", png, heading)

    def _templates(self, templates: NDArray[np.float32]) -> Figure:
        names = self.run.schema.answers.names
        cells = [Cell(weight_picture(each), name) for each, name in zip(templates, names, strict=True)][:100]
        wide = min(5 if len(cells) <= 20 else 10, len(cells))
        rows = [cells[at : at + wide] for at in range(0, len(cells), wide)]
        how = "Colours around grey" if templates.shape[1] == 3 else "Red speaks for the class, blue against it"
        heading = "What the linear model takes each class to look like"
        png = sheet_png(rows, heading=heading, note=f"{how}; each has a scale of its own.", cell=150 if wide <= 5 else 90)
        return Figure("network-templates.png", png, heading)

    def _maps(self) -> Figure | None:
        if not self.layers:
            return None
        stored, name = self._example()
        x = self._prepare(torch.from_numpy(stored[None]).to(self.run.device))
        shown = [self.layer] if self.layer else [each.name for each in self._spread()]
        most = _SHOWN if self.layer else _CHANNELS
        rows: list[list[Cell]] = []
        titles: list[str] = []
        kinds = {each.name: each for each in self.layers}
        for layer in shown:
            maps = feature_maps(self.network, x, layer=layer)[0]
            strongest = np.argsort(-np.abs(maps - maps.mean(axis=(1, 2), keepdims=True)).max(axis=(1, 2)), kind="stable")[:most]
            peak = float(np.quantile(maps[strongest], 0.999))
            cells = [Cell(heat_picture(maps[at], peak=max(peak, 1e-12)), f"channel {at}") for at in strongest.tolist()]
            parts = [cells[at : at + _CHANNELS] for at in range(0, len(cells), _CHANNELS)]
            rows += parts
            height, width = kinds[layer].shape[1:]
            titles += [f"{layer}\n{kinds[layer].kind}\n{height} × {width}", *[""] * (len(parts) - 1)]
        rows = [[Cell(shown_picture(stored), "the picture") if row is rows[0] else Cell(None), *row] for row in rows]
        heading = f"What the layers make of {Path(name).name}"
        note = "The strongest channels of each layer, light where they are high, black where they are 0 or less."
        return Figure("network-feature-maps.png", sheet_png(rows, titles=titles, heading=heading, note=note, cell=96), heading)

    def _patches(self) -> Figure | None:
        if not self.layers or self.split is None:
            return None
        layer = self.layer or self._local_layer()
        count = min(_ROWS, len(self.split))
        batches = (self._batch(slice(at, min(at + _BATCH, count))) for at in range(0, count, _BATCH))
        found = exciting_patches(self.network, batches, layer=layer, top=_PATCHES)
        # A filter whose best patches excite it much more than its others do is the easiest to read.
        loud = [at for at in range(len(found)) if found[at]]
        loud.sort(key=lambda at: (-len(found[at]), -found[at][0].value / (found[at][-1].value + 1e-6)))
        rows = [[self._patch(patch) for patch in found[at]] for at in sorted(loud[:12])]
        if not rows:
            raise ArgumentError(f"No filter of the layer {layer!r} is excited by any picture")
        heading = f"What excites the filters of layer {layer} most, in {count:,} pictures"
        note = "Each patch is what the unit sees of its picture; below it stands how strongly it fires."
        titles = [f"filter {at}" for at in sorted(loud[:12])]
        return Figure("network-patches.png", sheet_png(rows, titles=titles, heading=heading, note=note, cell=88), heading)

    def _patch(self, patch: Patch) -> Cell:
        assert self.split is not None
        picture = shown_picture(np.asarray(self.split.inputs[patch.picture]))
        top, left, bottom, right = (int(each) for each in patch.box)
        return Cell(picture[top:bottom, left:right], f"{patch.value:.3g}")

    def _planes(self) -> Iterator[Figure]:
        answers = self.run.schema.answers
        if self.split is None:
            return
        if not isinstance(answers, Classes):
            self.notes.append(f"A map of features by class needs classes, and the task is {answers.task!r}.")
            return
        rows = np.sort(np.random.default_rng(0).permutation(len(self.split))[:_ROWS])
        stored = np.asarray(self.split.inputs[rows])
        try:
            plane = feature_plane(self.run.predictor.features(stored))
        except ArgumentError as error:
            self.notes.append(f"There is no map of features. {error}")
            return
        said = self.run.predictor.all_values(stored).argmax(axis=1)
        group = Group(answers.names, self.split.targets[rows].astype(np.int64), said.astype(np.int64))
        thumbnails = [shown_picture(each) for each in stored]
        wrong = int(group.wrong.sum())
        what = f"{len(rows):,} pictures as the last layer sees them: alike lies close together (PCA, then t-SNE)"
        yield Figure("network-features-by-class.png", plane_png(plane.points, group, thumbnails, heading=what), what)
        errors = f"The same map with the {wrong:,} wrong answers of {len(rows):,}"
        yield Figure(
            "network-features-by-error.png", plane_png(plane.points, group, thumbnails, by="error", heading=errors), errors
        )

    def _example(self) -> tuple[NDArray[Any], str]:
        """A picture that the network is sure of, or one of those that are kept with the Run."""
        if self.split is None:
            return load_arrays(self.run.folder / "golden.safetensors")["inputs"][0], "a picture of the training's test split"
        values = self.run.predictor.all_values(np.ascontiguousarray(self.split.inputs[:_BATCH]))
        at = int(values.max(axis=1).argmax())
        return np.ascontiguousarray(self.split.inputs[at]), str(self.split.ids[at])

    def _batch(self, rows: slice) -> Tensor:
        assert self.split is not None
        stored = np.ascontiguousarray(self.split.inputs[rows])
        return self._prepare(torch.from_numpy(stored).to(self.run.device))

    def _spread(self) -> list[MapLayer]:
        """The last layer of each size of map, at most four of them."""
        last = {each.shape[1:]: each for each in self.layers}
        chosen = list(last.values())
        return chosen if len(chosen) <= 4 else [chosen[round(at * (len(chosen) - 1) / 3)] for at in range(4)]

    def _local_layer(self) -> str:
        """The last layer whose units see at most half of the picture each way; where there is none, the first."""
        fields = {row.name: row.field for row in receptive_field(self.network, self.inputs.shape)}
        half = [size / 2 for size in self.inputs.shape[1:]]
        local = [
            each.name
            for each in self.layers
            if (field := fields.get(each.name)) is not None and all(a <= b for a, b in zip(field.size, half, strict=True))
        ]
        return local[-1] if local else self.layers[0].name
