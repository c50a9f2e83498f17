"""What was seen in a picture as a sheet: a row for each method, a column for each class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leadline.explain.boxes import Box, box_of
from leadline.explain.labelled_sheets import Cell, sheet_png
from leadline.explain.overlays import Bytes, framed, heat_picture, overlay
from leadline.runs.explaining import CELL, MAPPED, METHODS, SHARE, Seen
from leadline.runs.predicting import Prediction

_NOTES = {
    "gradcam": "Grad-CAM: places of the layer's map that raise the class.",
    "cam": "CAM: what each place adds to the class, exactly.",
    "occlusion": "Occlusion: places without which the class is less likely.",
    "saliency": "Saliency: pixels whose change would change the class most.",
}


def seen_png(seen: Seen) -> bytes:
    """A sheet as PNG: the picture, and beside it each method's map for each class, with a box around the place.

    The classes of one method share their colours, so that a class with little to show stays grey.

    Args:
        seen: as `explain_picture` gives it.

    Example:
        >>> picture, heat = np.zeros((8, 8, 3), np.uint8), np.ones((1, 8, 8), np.float32)
        >>> said = Prediction("a.png", "rose", {"rose": 0.9})
        >>> seen_png(Seen("a.png", said, ("rose",), (0.9,), picture, {"gradcam": heat}, "14", None, None))[1:4]
        b'PNG'
    """
    rows: list[list[Cell]] = []
    titles: list[str] = []
    said = [f"{name}\n{_said(seen.prediction, value)}" for name, value in zip(seen.classes, seen.values, strict=True)]
    for method, maps in seen.maps.items():
        # Single pixels of a saliency map would darken all others.
        peak = float(np.quantile(maps, 0.995) if method == "saliency" else maps.max())
        captions = said if not rows else [""] * len(said)
        first = Cell(None) if rows else Cell(_sized(seen.picture), Path(seen.id).name)
        drawn = [_drawn(seen.picture, method, heat, peak) for heat in maps]
        rows.append([first, *(Cell(each, caption) for each, caption in zip(drawn, captions, strict=True))])
        titles.append(f"{METHODS[method]}\nlayer {seen.layer}" if method in MAPPED else METHODS[method].capitalize())
    note = " ".join(_NOTES[method] for method in seen.maps)
    return sheet_png(
        rows, titles=titles, heading=_heading(seen), note=f"{note} Colours can be compared along a row.", cell=CELL
    )


def _drawn(picture: Bytes, method: str, heat: NDArray[np.float32], peak: float) -> Bytes:
    if method == "saliency":
        return heat_picture(heat, peak=peak or None)
    shown = overlay(_sized(picture), heat, peak=peak)
    box = box_of(heat, share=SHARE) if heat.max() > 0.1 * peak else None
    if box is None:
        return shown
    down, across = shown.shape[0] / heat.shape[0], shown.shape[1] / heat.shape[1]
    return framed(shown, Box(box.top * down, box.left * across, box.bottom * down, box.right * across))


def _sized(picture: Bytes) -> Bytes:
    """As large as it is drawn, so that a map over it is smooth: photos are smoothed, small pictures keep sharp pixels."""
    longest = max(picture.shape[:2])
    if longest < 48:
        times = CELL // longest
        return picture.repeat(times, axis=0).repeat(times, axis=1)
    size = (max(1, picture.shape[1] * CELL // longest), max(1, picture.shape[0] * CELL // longest))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))


def _heading(seen: Seen) -> str:
    said = seen.prediction.answer
    if isinstance(said, (float, dict)):
        return Path(seen.id).name
    words = " + ".join(said) or "none" if isinstance(said, list) else said
    return f"{Path(seen.id).name}: {words}"


def _said(found: Prediction, value: float) -> str:
    return f"{100 * value:.1f} %" if found.probabilities else f"{value:.5g}"
