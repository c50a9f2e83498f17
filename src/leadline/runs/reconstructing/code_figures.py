"""Figures of a network that tells its inputs again: originals beside what is told, the codes as a map, walks, and filters."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leadline.data.dataset import Split
from leadline.data.pictures.pictures import Pictures
from leadline.data.unlabelled.reconstructions import Reconstructions
from leadline.errors import ArgumentError
from leadline.explain.filters import first_filters, largest_filters
from leadline.explain.labelled_sheets import Cell, sheet_png
from leadline.explain.overlays import Bytes, heat_picture, mosaic, weight_picture
from leadline.explain.plane_drawing import Group, plane_png
from leadline.explain.planes import feature_plane
from leadline.models import DeepBeliefNet, RestrictedBoltzmannMachine, belief_filters, hidden_filters, latent_grid, path_through
from leadline.models.autoencoders.variational_autoencoders import VariationalAutoencoder
from leadline.models.told_rows import rows_of_codes, rows_told_again
from leadline.runs.network_figures import Figure
from leadline.runs.predicting import Predictor

_SHOWN = 10  # rows beside what is told of them
_STATIONS, _STEPS = 5, 9  # of a walk: rows that it goes through, and pictures from one to the next
_UNITS, _PLACES = 8, 9  # numbers of the code that are swept, and values of each
_GRID = 12  # pictures a side of the sheet of two numbers
_ROWS = 1500  # of the map
_FILTERS = 64
_BATCH, _THUMBNAIL = 256, 64  # rows that are prepared at once for the map, and pixels of the longer side of each there
_CELL = 84


class CodeFigures:
    """The figures of a network, one after the other; what cannot be drawn is told in `notes`.

    Args:
        predictor: with the network and its Schema, the threshold chosen.
        split: rows to draw on.

    Example:
        >>> import tempfile
        >>> import leadline
        >>> quick = {"data.task": "reconstruct", "model.code": 4, "training.epochs": 1, "training.threads": 1}
        >>> run = leadline.train("digits", changes=quick, folder=tempfile.mkdtemp())
        >>> figures = CodeFigures(run.predictor, leadline.data.load("digits", task="reconstruct").test)
        >>> [figure.name.removeprefix("network-").removesuffix(".png") for figure in figures]
        ['told-again', 'oddest', 'codes', 'walk', 'numbers', 'filters']
    """

    def __init__(self, predictor: Predictor, split: Split) -> None:
        assert isinstance(predictor.schema.answers, Reconstructions)
        self.predictor, self.split, self.notes = predictor, split, list[str]()
        self.answers: Reconstructions = predictor.schema.answers
        self.model, self.pictures = predictor.model, isinstance(predictor.schema.inputs, Pictures)
        self.scores = predictor.all_values(split.inputs)[:, 0].astype(np.float64)
        self._codes: NDArray[np.float32] | None = None

    def names(self) -> list[str]:
        """The files that may be written."""
        kinds = ("told-again", "oddest", "codes", "walk", "numbers", "grid", "filters")
        return [f"network-{kind}.png" for kind in kinds]

    def __iter__(self) -> Iterator[Figure]:
        of_pictures: tuple[Callable[[], Figure | None], ...] = (self._told, self._oddest)
        walks = (self._walk, self._numbers, self._grid, self._filters)
        for draw in (*(of_pictures if self.pictures else ()), self._map, *(walks if self.pictures else ())):
            try:
                figure = draw()
            except ArgumentError as error:
                self.notes.append(str(error))
                continue
            if figure is not None:
                yield figure

    @property
    def codes(self) -> NDArray[np.float32]:
        """The codes of the rows that are mapped, float32 [M, D]."""
        if self._codes is None:
            self._codes = self.predictor.features(np.ascontiguousarray(self.split.array[self._mapped]))
        return self._codes

    @property
    def _mapped(self) -> NDArray[np.int64]:
        return np.sort(np.random.default_rng(0).permutation(len(self.split))[:_ROWS])

    def _told(self) -> Figure:
        rows = spread_over_classes(self.split.targets, _SHOWN)
        heading = "Above what the network saw, below what it tells of it from its code alone"
        return Figure("network-told-again.png", self._beside(rows, heading), heading)

    def _oddest(self) -> Figure:
        rows = np.argsort(-self.scores, kind="stable")[:_SHOWN]
        heading = "The oddest rows of those that it never saw: what it saw, what it tells, and where the two differ"
        return Figure("network-oddest.png", self._beside(rows, heading, errors=True), heading)

    def _beside(self, rows: NDArray[np.int64], heading: str, *, errors: bool = False) -> bytes:
        x = self._rows(rows)
        with torch.inference_mode():
            again = rows_told_again(self.model, x)
        maps = (again - x).square().mean(dim=1).cpu().numpy()
        peak = max(float(np.quantile(maps, 0.999)), 1e-12)
        names = [self._caption(int(row)) for row in rows]
        sheets = [
            [Cell(picture, name) for picture, name in zip(pictures_of_units(x), names, strict=True)],
            [Cell(picture) for picture in pictures_of_units(again)],
        ]
        titles = ["the original", "told again"]
        if errors:
            sheets.append([Cell(heat_picture(each, peak=peak)) for each in maps])
            titles.append("difference")
        note = "A caption says the class, where there is one, and the score." if any(names) else ""
        return sheet_png(sheets, titles=titles, heading=heading, note=note, cell=_CELL)

    def _caption(self, row: int) -> str:
        name = class_name(self.answers, int(self.split.targets[row]))
        return f"{name}, {self.scores[row]:.4g}" if name else f"{self.scores[row]:.4g}"

    def _map(self) -> Figure:
        rows = self._mapped
        codes = self.codes
        if codes.shape[1] == 2:
            points, how = codes.astype(np.float64), "by their two numbers"
        else:
            plane = feature_plane(codes, rows=_ROWS)
            points, how = plane.points, "alike lies close together (PCA, then t-SNE)"
        thumbnails = self._thumbnails(rows) if self.pictures else []
        group = self._group(rows)
        what = f"The codes of {len(rows):,} rows, {how}"
        return Figure("network-codes.png", plane_png(points, group, thumbnails, heading=what), what)

    def _thumbnails(self, rows: NDArray[np.int64]) -> list[Bytes]:
        """A small picture of each row, prepared a few at a time: as numbers all of the large ones would fill memory."""
        parts = (self._rows(rows[at : at + _BATCH]) for at in range(0, len(rows), _BATCH))
        return [picture for part in parts for picture in pictures_of_units(_small(part))]

    def _group(self, rows: NDArray[np.int64]) -> Group:
        """Classes where there are any; else what was called odd."""
        nothing, targets = np.zeros(0, np.int64), self.split.targets[rows]
        if self.answers.classes and (targets >= 0).any():
            known = (targets >= 0) & (targets < len(self.answers.classes))
            number = np.where(known, targets, len(self.answers.classes))
            names = (*self.answers.classes, *(() if known.all() else ("no class",)))
            return Group(names, number.astype(np.int64), nothing)
        limit = math.inf if self.answers.threshold is None else self.answers.threshold
        return Group(("told well", "odd"), (self.scores[rows] > limit).astype(np.int64), nothing)

    def _walk(self) -> Figure | None:
        if len(self.split) < 2:
            return None
        stations = spread_over_classes(self.split.targets, min(_STATIONS, len(self.split)))
        codes = torch.from_numpy(self.predictor.features(np.ascontiguousarray(self.split.array[stations])))
        variational = isinstance(self.model, VariationalAutoencoder)
        path = path_through(codes, _STEPS, spherical=variational)
        shown = self._of_codes(path)
        rows = [[Cell(each) for each in shown[at : at + _STEPS]] for at in range(0, len(shown) - 1, _STEPS - 1)]
        way = "along arcs, as its codes are normal" if variational else "straight"
        heading = f"A walk from code to code, {way}: what lies between two inputs"
        return Figure("network-walk.png", sheet_png(rows, heading=heading, cell=_CELL), heading)

    def _numbers(self) -> Figure | None:
        """The most used numbers of the code, each taken through its range, all others at their mean."""
        codes = torch.from_numpy(self.codes)
        mean, deviation, low, high = codes.mean(dim=0), codes.std(dim=0), codes.amin(dim=0), codes.amax(dim=0)
        chosen = deviation.argsort(descending=True)[:_UNITS].tolist()
        places = torch.linspace(-2.5, 2.5, _PLACES)
        rows, titles = [], []
        for unit in chosen:
            swept = mean.repeat(_PLACES, 1)
            swept[:, unit] = (mean[unit] + places * deviation[unit]).clamp(low[unit], high[unit])
            rows.append([Cell(each) for each in self._of_codes(swept)])
            titles.append(f"number {unit}")
        heading = f"What single numbers of the code say: the {len(chosen)} that vary most"
        note = "From 2.5 deviations below its mean to 2.5 above it, as far as it ever goes; all others at their means."
        return Figure("network-numbers.png", sheet_png(rows, titles=titles, heading=heading, note=note, cell=_CELL), heading)

    def _grid(self) -> Figure | None:
        """All that the two most used numbers can say, where codes have a distribution."""
        if not isinstance(self.model, VariationalAutoencoder) or self.codes.shape[1] < 2:
            return None
        used = torch.from_numpy(self.codes).std(dim=0).argsort(descending=True)[:2].tolist()
        codes = latent_grid(_GRID, units=used, width=self.codes.shape[1])
        shown = self._of_codes(codes)
        scale = max(1, 40 // min(shown[0].shape[:2]))
        sheet = mosaic(shown, columns=_GRID, gap=0, scale=scale)
        heading = f"All that numbers {used[0]} and {used[1]} of the code can say, equal shares of their distribution apart"
        return Figure("network-grid.png", sheet_png([[Cell(sheet)]], heading=heading, cell=max(sheet.shape[:2])), heading)

    def _filters(self) -> Figure | None:
        weights, what = looking_weights(self.model, self.predictor.schema.inputs.shape)
        if weights is None:
            return None
        pictures = [weight_picture(each) for each in largest_filters(weights, _FILTERS)]
        scale = max(1, 560 // (max(pictures[0].shape[:2]) * math.ceil(math.sqrt(len(pictures)))))
        sheet = mosaic(pictures, gap=3, scale=scale)
        few = f"the {len(pictures)} largest of " if len(pictures) < len(weights) else ""
        heading = f"What {what} look for: {few}{len(weights)} filters"
        note = "Red is above 0, blue below, white is 0; each has a scale of its own." if weights.shape[1] == 1 else ""
        return Figure(
            "network-filters.png", sheet_png([[Cell(sheet)]], heading=heading, note=note, cell=max(sheet.shape[:2])), heading
        )

    def _rows(self, rows: NDArray[np.int64]) -> Tensor:
        x: Tensor = self.predictor.prepared(self.split.array[rows])
        return x

    def _of_codes(self, codes: Tensor) -> list[Bytes]:
        with torch.inference_mode():
            return pictures_of_units(rows_of_codes(self.model, codes.to(self.predictor.device)))


def pictures_of_units(x: Tensor) -> list[Bytes]:
    """Pictures from 0 to 1 as bytes in three channels, all on one scale: [N, C, H, W] → N of uint8 [H, W, 3].

    Example:
        >>> pictures_of_units(torch.tensor([0.0, 0.5, 1.0, 2.0]).reshape(1, 1, 2, 2))[0][:, :, 0].tolist()
        [[0, 128], [255, 255]]
    """
    values = np.floor(x.detach().float().cpu().numpy().transpose(0, 2, 3, 1) * 255 + 0.5).clip(0, 255).astype(np.uint8)
    shown = []
    for picture in values:
        first = picture[:, :, :1] if picture.shape[2] in (1, 2) else picture[:, :, :3]
        shown.append(np.repeat(first, 3, axis=2) if first.shape[2] == 1 else np.ascontiguousarray(first))
    return shown


def _small(x: Tensor) -> Tensor:
    """Pictures as large as they are shown on the map, or up to twice that: [N, C, H, W]."""
    height, width = x.shape[2:]
    times = min(max(height, width) // _THUMBNAIL, height, width)
    return nn.functional.avg_pool2d(x, times) if times > 1 else x


def spread_over_classes(targets: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Rows that show every class in turn; the first rows where no class is known.

    Example:
        >>> spread_over_classes(np.array([0, 0, 1, 1, 2]), 4).tolist()
        [0, 2, 4, 1]
    """
    order = np.argsort(targets, kind="stable")
    starts = np.flatnonzero(np.diff(targets[order], prepend=-2))
    place = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    return np.asarray(order[np.lexsort((targets[order], place))][:count], np.int64)


def class_name(answers: Reconstructions, number: int) -> str:
    """The class of a target; empty where none is known.

    Example:
        >>> class_name(Reconstructions(("good",)), 0), class_name(Reconstructions(), -1)
        ('good', '')
    """
    return answers.classes[number] if 0 <= number < len(answers.classes) else ""


def looking_weights(model: nn.Module, shape: tuple[int, ...]) -> tuple[NDArray[np.float32] | None, str]:
    """The weights that look at a whole picture, float32 [H, C, h, w], and whose they are; None for a network without such.

    Args:
        model: as `as_coder` takes it.
        shape: (C, h, w) of one picture.

    Example:
        >>> from leadline.models import rbm
        >>> looking_weights(rbm((1, 2, 2), hidden=3), (1, 2, 2))[0].shape
        (3, 1, 2, 2)
    """
    if isinstance(model, RestrictedBoltzmannMachine):
        return hidden_filters(model), "its hidden units"
    if isinstance(model, DeepBeliefNet):
        last = len(model.machines) - 1
        return belief_filters(model, last), "the units of its topmost machine, as far as weights alone tell,"
    try:
        return first_filters(model, shape), "the units of its first layer"
    except ArgumentError:
        return None, ""


def told_sheet(predictor: Predictor, stored: NDArray[Any], name: str, score: float) -> bytes:
    """One picture, what is told of it, and where the two differ, as PNG.

    Args:
        predictor: with the network and its Schema.
        stored: the picture as the Schema stores it.
        name: of the picture.
        score: of it.
    """
    x = predictor.prepared(stored[None])
    with torch.inference_mode():
        again = rows_told_again(predictor.model, x)
    difference = (again - x).square().mean(dim=1)[0].cpu().numpy()
    cells = [Cell(pictures_of_units(x)[0]), Cell(pictures_of_units(again)[0]), Cell(heat_picture(difference))]
    answers = predictor.schema.answers
    assert isinstance(answers, Reconstructions)
    odd = answers.threshold is not None and score > answers.threshold
    heading = f"{name}: {'odd' if odd else 'usual'}, {score:.4g}"
    columns = ("the original", "told again", "difference")
    return sheet_png([cells], columns=columns, heading=heading, cell=220)
