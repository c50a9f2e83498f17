"""What a trained network looks at in a picture: maps for its likeliest classes, a box, and a sheet to look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor, nn

from leadline.data.pictures import decoding
from leadline.data.pictures.pictures import Pictures
from leadline.data.tables.table import Table
from leadline.errors import ArgumentError, unknown
from leadline.explain.activation_maps import class_activation, grad_cam
from leadline.explain.boxes import Box, box_of, enlarged
from leadline.explain.occluding import edge_color, occlusion
from leadline.explain.overlays import Bytes, shown_picture
from leadline.explain.passes import map_layer, map_layers
from leadline.explain.saliencies import saliency
from leadline.models import Ensemble
from leadline.runs.explaining_answers import Asked, answers_each_step, score_of
from leadline.runs.predicting import Prediction, prediction
from leadline.runs.run import Run

METHODS = {
    "gradcam": "Grad-CAM",
    "cam": "CAM",
    "occlusion": "occlusion",
    "saliency": "saliency",
}
MAPPED = ("gradcam", "cam")  # these need a layer with a map
CELL = 224  # pixels of what is drawn
BOXED = ("gradcam", "cam", "occlusion")  # a saliency map is too speckled for a box
# Of its peak that a map reaches inside the box. At the 0.2 of Zhou et al. 54 % of the boxes on 110 photos of flowers, from maps
# of 8 × 8, took in more than nine tenths of the photo; at 0.5 16 %.
SHARE = 0.5


@dataclass(frozen=True)
class Seen:
    """What a network made of one picture, and where it looked.

    `classes` are the T outputs that were explained, the likeliest first, with their `values` (probabilities, or numbers);
    `picture` is what the network saw, uint8 [h, w, 3], as sharp as the file has it;
    `maps` holds for each method the maps [T, H, W] in pixels of what the network saw; `layer` is the one behind Grad-CAM and
    CAM; `box` is the place of the first class in pixels of that, and `box_in_file` in those of the whole upright picture, as it
    was given.

    Example:
        >>> picture = np.zeros((1, 1, 3), np.uint8)
        >>> Seen("a.png", Prediction("a.png", "rose", {"rose": 0.9}), ("rose",), (0.9,), picture, {}, "", None, None).classes
        ('rose',)
    """

    id: str
    prediction: Prediction
    classes: tuple[str, ...]
    values: tuple[float, ...]
    picture: Bytes
    maps: dict[str, NDArray[np.float32]]
    layer: str
    box: Box | None
    box_in_file: Box | None

    def to_json(self) -> dict[str, Any]:
        """All but the maps, as JSON values."""
        box = self.box_in_file
        return {
            **self.prediction.to_json(),
            "explained": dict(zip(self.classes, self.values, strict=True)),
            "layer": self.layer or None,
            "box": None if box is None else {name: round(value, 1) for name, value in box._asdict().items()},
        }


class Explainer:
    """Looks at pictures through the network of a Run.

    Args:
        run: a Run that was trained on pictures, and answers with classes, labels or numbers.
        methods: some of "gradcam", "cam", "occlusion" and "saliency"; those that the network allows when left out.
        layer: whose map Grad-CAM and CAM take; the last one when left out.
        classes: which outputs to explain, by name; the `top` likeliest when left out.
        top: how many.

    Errors: `ArgumentError` for a Run without pictures, an unknown method, layer or class, with the nearest right word, and for
        a method that the network does not allow.

    Example:
        >>> import tempfile
        >>> import leadline
        >>> changes = {"training.epochs": 1, "model": "convnet", "model.width": 4, "training.threads": 1}
        >>> run = leadline.train("digits", changes=changes, folder=tempfile.mkdtemp())
        >>> seen = Explainer(run, methods=["gradcam"])(leadline.data.load("digits").test.inputs[0], "a digit")
        >>> seen.maps["gradcam"].shape, len(seen.classes)
        ((3, 8, 8), 3)
    """

    def __init__(
        self,
        run: Run,
        *,
        methods: Sequence[str] | None = None,
        layer: str | None = None,
        classes: Sequence[str] | None = None,
        top: int = 3,
    ) -> None:
        self.run, self.inputs, self.answers = run, pictures_of(run), run.schema.answers
        self._prepare = self.inputs.preparer(run.device)
        for method in methods or ():
            if method not in METHODS:
                unknown("method", method, METHODS)
        self.asked = Asked.of(self.answers, classes=classes, top=top)
        self.members = members_of(run.model)
        probe = torch.zeros(1, *self.inputs.shape)
        has_map = bool(map_layers(self.members[0], probe))
        self.methods = list(methods or [each for each in ("gradcam", "occlusion", "saliency") if has_map or each not in MAPPED])
        needs_map = layer is not None or any(each in MAPPED for each in self.methods)
        self.layer = map_layer(self.members[0], probe, layer) if needs_map else ""
        if "cam" in self.methods:
            drawn = torch.randn(probe.shape, generator=torch.Generator().manual_seed(0))
            for member in self.members:
                class_activation(member, drawn, [0], layer=self.layer)

    def __call__(self, raw: Any, name: str) -> Seen:
        """Look at one picture.

        Errors: a `LeadlineError` for what is no picture.
        """
        stored = self.inputs.encode(raw)
        values = self.run.predictor.values(stored[None])[0]
        chosen = self.asked.outputs(values)
        x = self._prepare(torch.from_numpy(np.ascontiguousarray(stored[None])).to(self.run.device))
        maps = {method: self.maps(method, x, [chosen])[0] for method in self.methods}
        box = next((box for each in self.methods if (box := self._box(each, maps[each][0])) is not None), None)
        view, to_file = self._view(raw, stored)
        return Seen(
            id=name,
            prediction=prediction(name, values, self.answers),
            classes=tuple(self.answers.names[at] for at in chosen),
            values=tuple(float(values[at]) for at in chosen),
            picture=view,
            maps=maps,
            layer=self.layer if any(each in MAPPED for each in self.methods) else "",
            box=box,
            box_in_file=None if box is None else to_file(box),
        )

    def maps(self, method: str, x: Tensor, chosen: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """The maps of one method for prepared pictures [B, C, H, W] and outputs [B, T]: [B, T, H, W]; of members their mean.

        Args:
            method: one of `METHODS`.
            x: prepared.
            chosen: numbers of outputs.
        """
        height, width = x.shape[2:]
        if method == "occlusion":
            return occlusion(self.run.model, x, chosen, finish=score_of(self.answers), fill=edge_color(x))
        if method == "saliency":
            return saliency(self.run.model, x, chosen)
        return np.mean([enlarged(self._member(method, each, x, chosen), height, width) for each in self.members], axis=0)  # type: ignore[no-any-return]

    def _member(self, method: str, member: nn.Module, x: Tensor, chosen: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        if method == "cam":
            return class_activation(member, x, chosen, layer=self.layer).maps
        return grad_cam(member, x, chosen, layer=self.layer)

    def _box(self, method: str, heat: NDArray[np.float32]) -> Box | None:
        return box_of(heat, share=SHARE) if method in BOXED else None

    def _view(self, raw: Any, stored: NDArray[Any]) -> tuple[Bytes, Callable[[Box], Box]]:
        """What the network saw, as sharp as the file has it, and the way from its pixels to those of the file."""
        height, width = stored.shape[:2]
        given = _size_and_drawer(raw, stored.shape)
        if given is None:
            return shown_picture(stored), lambda box: box
        full, drawn = given
        scale = min(full[0] / height, full[1] / width)
        times = int(min(max(1.0, scale), max(1, CELL // min(height, width))))
        view = stored if times == 1 else drawn(times * height, times * width, self.inputs.channels)
        top, left = (full[0] - scale * height) / 2, (full[1] - scale * width) / 2

        def to_file(box: Box) -> Box:
            return Box(top + scale * box.top, left + scale * box.left, top + scale * box.bottom, left + scale * box.right)

        return shown_picture(view), to_file


def explain_picture(
    run: Run,
    picture: Any,
    *,
    methods: Sequence[str] | None = None,
    layer: str | None = None,
    classes: Sequence[str] | None = None,
    top: int = 3,
) -> Seen:
    """Where the network of a Run looks in one picture, for its likeliest classes.

    Args:
        run: trained on pictures.
        picture: as `run.predict` takes one.
        methods: some of "gradcam", "cam", "occlusion" and "saliency"; all that say something of their own when left out.
        layer: whose map Grad-CAM and CAM take; the last one when left out.
        classes: which outputs, by name; the `top` likeliest when left out.
        top: how many.

    Errors: as `Explainer`; a `LeadlineError` for what is no picture.

    Example:
        >>> import tempfile
        >>> import leadline
        >>> quick = {"model": "linear", "training.epochs": 1, "training.threads": 1}
        >>> run = leadline.train("digits", changes=quick, folder=tempfile.mkdtemp())
        >>> seen = explain_picture(run, leadline.data.load("digits").test.inputs[0])
        >>> sorted(seen.maps), seen.maps["occlusion"].shape
        (['occlusion', 'saliency'], (3, 8, 8))
    """
    return Explainer(run, methods=methods, layer=layer, classes=classes, top=top)(
        picture, str(picture) if isinstance(picture, (str, Path)) else "0"
    )


def _size_and_drawer(raw: Any, stored: tuple[int, ...]) -> tuple[tuple[int, int], Callable[..., NDArray[np.uint8]]] | None:
    """Height and width of a picture as it was given, upright, and what draws it at another size.

    None for an array that is as the network takes it.
    """
    if isinstance(raw, (str, Path, bytes)):
        source = raw if isinstance(raw, bytes) else Path(raw)
        size = decoding.measure(source)
        # One that cannot be measured was decoded a moment ago, and is gone since.
        return None if isinstance(size, str) else ((size[0], size[1]), partial(decoding.decode, source))
    if isinstance(raw, Image.Image):
        image = ImageOps.exif_transpose(raw)
    else:
        array = raw.numpy(force=True) if isinstance(raw, Tensor) else np.asarray(raw)
        array = array[:, :, None] if array.ndim == 2 else array
        if array.shape in (stored, (stored[2], *stored[:2])):
            return None
        image = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
    return (image.height, image.width), partial(decoding.fit, image)


def members_of(model: nn.Module) -> list[nn.Module]:
    """The networks that answer together, or the only one."""
    return list(model.networks) if isinstance(model, Ensemble) else [model]


def pictures_of(run: Run) -> Pictures:
    """How the Run reads pictures.

    Errors: `ArgumentError` for a Run on anything else, or one that makes pictures.
    """
    inputs = run.schema.inputs
    if run.schema.task == "pairs":
        raise ArgumentError(
            f"The network in {run.folder} makes pictures, and has no classes whose places could be shown",
            do=f"See what it makes of one: leadline predict {run.folder} PICTURE.",
        )
    if run.schema.task == "generate":
        raise ArgumentError(
            f"The network in {run.folder} draws pictures, and decides nothing that could be explained",
            do=f"See what it draws: leadline generate {run.folder}.",
        )
    if run.schema.task == "sequence":
        raise answers_each_step(run)
    if not isinstance(inputs, Pictures):
        raise ArgumentError(
            f"The network in {run.folder} was not trained on pictures, so there are no places to show",
            expected="a Run on pictures (or on texts or series, whose words or stretches can be explained)",
            got=inputs.describe(),
            do=f"Which columns matter stands in {run.folder / 'report.html'}." if isinstance(inputs, Table) else None,
        )
    return inputs
