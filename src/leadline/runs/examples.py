"""Examples to look at: some of the data, before and after augmentation, the most wrong and the least certain answers."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from leadline.data.answers import Answers, Numbers
from leadline.data.augment import Augment
from leadline.data.dataset import Dataset, Split
from leadline.data.pictures import Pictures

_SHOWN = 24
_SIDE = 96  # pixels: enough to recognise, small enough for a page with a hundred of them


def find_examples(dataset: Dataset, values: NDArray[Any], augment: Augment, seed: int) -> dict[str, list[dict[str, Any]]]:
    """Rows to look at, with pictures where the data are pictures.

    Args:
        dataset: whose training rows are shown, and whose test rows were answered.
        values: what the network said of the test rows: probabilities [N, K] or numbers [N, M].
        augment: of the Plan; shown before and after when it changes anything.
        seed: of the training, so that what is shown is what happens.
    """
    answers, test = dataset.schema.answers, dataset.test
    shown = _spread(dataset.train.targets, dataset.task)
    found = {"data": [_row(dataset.train, at, answers) for at in shown]}
    wrong, uncertain = _ranked(answers, values, test.targets)
    found["wrong"] = [_row(test, at, answers) | _said(answers, values[at], test.targets[at]) for at in wrong]
    found["uncertain"] = [_row(test, at, answers) | _said(answers, values[at], test.targets[at]) for at in uncertain]
    if augment.active and isinstance(dataset.schema.inputs, Pictures):
        found["augmented"] = _augmented(dataset, dataset.schema.inputs, augment, seed, shown[:8])
    return found


def _spread(targets: NDArray[Any], task: str) -> list[int]:
    """Row numbers that show every class in turn, as far as the room goes."""
    if task != "classes":
        return list(range(min(_SHOWN, len(targets))))
    order = np.argsort(targets, kind="stable")
    starts = np.flatnonzero(np.diff(targets[order], prepend=-1))
    place = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))  # the how-many-th of its class
    return [int(row) for row in order[np.lexsort((targets[order], place))][:_SHOWN]]


def _ranked(answers: Answers, values: NDArray[Any], targets: NDArray[Any]) -> tuple[list[int], list[int]]:
    """Test rows, most wrong first, and least certain first."""
    if isinstance(answers, Numbers):
        errors = (np.abs(values - targets) / np.array(answers.std)).max(axis=1)  # several numbers may have several units
        return [int(at) for at in np.argsort(-errors)[:_SHOWN]], []
    if answers.task == "labels":
        errors = np.abs(values - targets).max(axis=1)
        doubt = np.abs(values - 0.5).min(axis=1)
        wrong = [int(at) for at in np.argsort(-errors)[:_SHOWN] if errors[at] > 0.5]
        return wrong, [int(at) for at in np.argsort(doubt)[:_SHOWN]]
    truth = values[np.arange(len(targets)), targets]
    two = np.sort(values, axis=1)[:, -2:]
    wrong = [int(at) for at in np.argsort(truth, kind="stable") if values[at].argmax() != targets[at]][:_SHOWN]
    return wrong, [int(at) for at in np.argsort(two[:, 1] - two[:, 0], kind="stable")[:_SHOWN]]


def _row(split: Split, at: int, answers: Answers) -> dict[str, Any]:
    row: dict[str, Any] = {"id": str(split.ids[at]), "truth": _words(answers, split.targets[at])}
    if split.inputs.ndim == 4:
        row["picture"] = picture_uri(np.asarray(split.inputs[at]))
    return row


def _said(answers: Answers, values: NDArray[Any], target: Any) -> dict[str, Any]:
    if answers.task == "classes":
        return {
            "answer": answers.names[int(values.argmax())],
            "probability": float(values.max()),
            "truth_probability": float(values[target]),
        }
    if answers.task == "labels":
        return {"answer": _words(answers, values >= 0.5), "probability": float(np.maximum(values, 1 - values).min())}
    return {"answer": _words(answers, values)}


def _words(answers: Answers, target: Any) -> str | float:
    if answers.task == "classes":
        return answers.names[int(target)]
    if answers.task == "labels":
        return ", ".join(name for name, holds in zip(answers.names, target, strict=True) if holds) or "none"
    numbers = np.ravel(target)
    return float(f"{numbers[0]:.6g}") if len(numbers) == 1 else ", ".join(f"{value:.4g}" for value in numbers)


def _augmented(dataset: Dataset, inputs: Pictures, augment: Augment, seed: int, rows: list[int]) -> list[dict[str, Any]]:
    """What the first epoch makes of some training pictures, back in the units of the stored ones."""
    stored = np.asarray(dataset.train.inputs[rows])
    prepared = inputs.preparer(torch.device("cpu"))(torch.from_numpy(stored))
    changed = augment(prepared, seed, 0, torch.tensor(rows)).permute(0, 2, 3, 1).numpy() * inputs.std + inputs.mean
    scale = (0.0, 255.0) if stored.dtype == np.uint8 and stored.max() > 32 else (float(stored.min()), float(stored.max()))
    pairs = zip(rows, stored, changed, strict=True)
    return [
        {
            "id": str(dataset.train.ids[at]),
            "before": picture_uri(before, scale),
            "after": picture_uri(after.clip(*scale), scale),
        }
        for at, before, after in pairs
    ]


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
