"""Examples to look at: some of the data, before and after augmentation, the most wrong and the least certain answers."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from leadline.data.answers import Answers, Numbers
from leadline.data.dataset import Dataset, Split
from leadline.data.pictures.augment_views import View, augmented_views, rows_of_each_class
from leadline.data.schema import Schema
from leadline.data.series.series import Series
from leadline.data.texts.texts import Texts
from leadline.plan.record import TrainingPlan

_SHOWN = 24
_VARIED = 6  # pictures before and after augmentation, and epochs of each
_WORDS = 60  # of a text
_LINES, _INKS = 6, ("#2a6fb0", "#c2571a", "#3f8f4f", "#8a5aa8", "#a08318", "#5a5a5a")  # channels of a series that are drawn
_SIDE = 96  # pixels: enough to recognise, small enough for a page with a hundred of them


def find_examples(dataset: Dataset, values: NDArray[Any], training: TrainingPlan) -> dict[str, list[dict[str, Any]]]:
    """Rows to look at, with pictures where the data are pictures.

    Args:
        dataset: whose training rows are shown, and whose test rows were answered.
        values: what the network said of the test rows: probabilities [N, K] or numbers [N, M].
        training: of the Plan; what its augmentation makes of pictures in its first epochs is shown, to the pixel.
    """
    schema, answers, test = dataset.schema, dataset.schema.answers, dataset.test
    shown = rows_of_each_class(dataset, _SHOWN)
    found = {"data": [_row(dataset.train, at, schema) for at in shown]}
    wrong, uncertain = _ranked(answers, values, test.targets)
    found["wrong"] = [_row(test, at, schema) | _said(answers, values[at], test.targets[at]) for at in wrong]
    found["uncertain"] = [_row(test, at, schema) | _said(answers, values[at], test.targets[at]) for at in uncertain]
    if training.augment.active:
        found["augmented"] = _augmented(dataset, training)
    return found


def _ranked(answers: Answers, values: NDArray[Any], targets: NDArray[Any]) -> tuple[list[int], list[int]]:
    """Test rows, most wrong first (of classes those that are surest of a wrong one), and least certain first."""
    if isinstance(answers, Numbers):
        errors = (np.abs(values - targets) / np.array(answers.std)).max(axis=1)  # several numbers may have several units
        return [int(at) for at in np.argsort(-errors)[:_SHOWN]], []
    if answers.task == "labels":
        errors = np.abs(values - targets).max(axis=1)
        doubt = np.abs(values - 0.5).min(axis=1)
        wrong = [int(at) for at in np.argsort(-errors)[:_SHOWN] if errors[at] > 0.5]
        return wrong, [int(at) for at in np.argsort(doubt)[:_SHOWN]]
    two = np.sort(values, axis=1)[:, -2:]
    wrong = [int(at) for at in np.argsort(-two[:, 1], kind="stable") if values[at].argmax() != targets[at]][:_SHOWN]
    return wrong, [int(at) for at in np.argsort(two[:, 1] - two[:, 0], kind="stable")[:_SHOWN]]


def _row(split: Split, at: int, schema: Schema) -> dict[str, Any]:
    row: dict[str, Any] = {"id": str(split.ids[at]), "truth": answer_words(schema.answers, split.targets[at])}
    stored = split.inputs[at]
    if isinstance(schema.inputs, Texts):
        row["values"] = {"text": schema.inputs.decode(stored[:_WORDS]) + (" …" if len(stored) > _WORDS else "")}
    elif isinstance(schema.inputs, Series):
        row["picture"] = series_uri(stored)
    elif stored.ndim == 3:
        row["picture"] = picture_uri(np.asarray(stored))
    return row


def _said(answers: Answers, values: NDArray[Any], target: Any) -> dict[str, Any]:
    if answers.task == "classes":
        return {
            "answer": answers.names[int(values.argmax())],
            "probability": float(values.max()),
            "truth_probability": float(values[target]),
        }
    if answers.task == "labels":
        return {"answer": answer_words(answers, values >= 0.5), "probability": float(np.maximum(values, 1 - values).min())}
    return {"answer": answer_words(answers, values)}


def answer_words(answers: Answers, target: Any) -> str | float:
    """What a stored target says: a class, the labels that hold, or numbers."""
    if answers.task == "classes":
        return answers.names[int(target)]
    if answers.task == "labels":
        return ", ".join(name for name, holds in zip(answers.names, target, strict=True) if holds) or "none"
    numbers = np.ravel(target)
    return float(f"{numbers[0]:.6g}") if len(numbers) == 1 else ", ".join(f"{value:.4g}" for value in numbers)


def _augmented(dataset: Dataset, plan: TrainingPlan) -> list[dict[str, Any]]:
    """What the first epochs made of some training pictures."""
    views = augmented_views(
        dataset,
        plan.augment,
        rows=rows_of_each_class(dataset, _VARIED),
        epochs=min(_VARIED, plan.epochs),
        batch_size=plan.batch,
        seed=plan.seed,
    )
    return [
        {
            "id": str(dataset.train.ids[view.row]),
            "truth": answer_words(dataset.schema.answers, dataset.train.targets[view.row]),
            "before": picture_uri(view.shades[0], (0.0, 255.0)),
            "after": [picture_uri(shades, (0.0, 255.0)) for shades in view.shades[1:]],
            "mixed": mixture_notes(dataset, view),
        }
        for view in views
    ]


def mixture_notes(dataset: Dataset, view: View) -> list[str]:
    """How much of which other picture each epoch mixed in: "30 % 8"; empty texts where that is less than half a percent."""
    shares = [(round(100 * (1 - own)), other) for other, own in zip(view.partner, view.own, strict=True)]
    return [
        f"{share} % {answer_words(dataset.schema.answers, dataset.train.targets[at])}" if share else "" for share, at in shares
    ]


def png_uri(picture: NDArray[np.uint8], side: int | None = None) -> str:
    """Bytes [H, W, C] as a data URI without loss, for a JPEG may take away what is to be seen; no side is above `side`."""
    image = Image.fromarray(picture if picture.shape[2] == 3 else picture[:, :, 0])
    if side is not None:
        image.thumbnail((side, side))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def series_uri(series: NDArray[Any]) -> str:
    """A stored series [T, C] as a small picture of its course: each channel a line between its own smallest and largest value.

    Example:
        >>> series_uri(np.sin(np.arange(30.0))[:, None]).startswith("data:image/png")
        True
    """
    width, height = 2 * _SIDE, _SIDE
    image = Image.new("RGB", (width, height), "white")
    pen, steps = ImageDraw.Draw(image), len(series)
    for channel, values in enumerate(np.asarray(series, np.float64).T[:_LINES]):
        low, high = float(values.min()), float(values.max())
        rows = (height - 5) * (1 - (values - low) / max(high - low, 1e-12)) + 2
        columns = np.linspace(2, width - 3, steps) if steps > 1 else np.array([width / 2])
        points = list(zip(columns.tolist(), rows.tolist(), strict=True))
        pen.line(points if steps > 1 else points * 2, fill=_INKS[channel % len(_INKS)], width=2)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def picture_uri(picture: NDArray[Any], scale: tuple[float, float] | None = None) -> str:
    """A stored picture [H, W, C] as a data URI: PNG for small ones, JPEG for photos.

    Values are stretched to the full range, unless they fill it already: digits, say, have 17 shades only.
    """
    values = np.asarray(picture, dtype=np.float32)
    low, high = scale or (
        (0.0, 255.0) if picture.dtype == np.uint8 and picture.max() > 32 else (float(values.min()), float(values.max()))
    )
    shades = np.rint((values - low) / max(high - low, 1e-12) * 255).clip(0, 255).astype(np.uint8)
    channels = shades.shape[2]
    image = Image.fromarray(shades[:, :, 0] if channels in (1, 2) else shades[:, :, :3])
    image.thumbnail((_SIDE, _SIDE))
    kind = "PNG" if max(image.size) <= 40 else "JPEG"
    buffer = io.BytesIO()
    image.save(buffer, kind, **({"quality": 85} if kind == "JPEG" else {}))
    return f"data:image/{kind.lower()};base64," + base64.b64encode(buffer.getvalue()).decode()
