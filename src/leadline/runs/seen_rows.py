"""Whether the test rows of a Run are among those that the weights it started from have learned from already."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from leadline.data.dataset import Dataset, Split
from leadline.data.pictures.near_copies import find_near_copies
from leadline.data.pictures.pictures import Pictures
from leadline.data.ragged import Ragged
from leadline.errors import LeadlineError, SourceNotFoundError
from leadline.models import PUBLISHED
from leadline.models.timm_backbones import PREFIX
from leadline.plan.origins import Origin, origin_of
from leadline.plan.published_proposal import OF_KERAS
from leadline.plan.starts import StartPlan
from leadline.runs.reloading import load_for

_MOST = 10_000  # rows of a split that are compared


def about_seen_rows(start: StartPlan, dataset: Dataset) -> list[str]:
    """A sentence where test rows were among those that the weights of another Run learned from or were chosen by, or may be.

    Rows are the same where all their values are, pictures also where one is the other resized, recompressed or mirrored. The
    weights of that Run may be from another one, and those from a third: each of them is asked. Where one cannot be asked the
    sentence says why. Of published weights it is known what they have learned from, and nothing is said.

    Args:
        start: of the Plan. With fresh weights nothing was seen.
        dataset: that is to be learnt.

    Example:
        >>> from leadline import data
        >>> about_seen_rows(StartPlan(), data.load("digits"))
        []
    """
    notes: list[str] = []
    asked: set[str] = set()
    while start.weights and start.transfer != "scratch" and _name(start.weights) not in asked:
        asked.add(_name(start.weights))
        try:
            origin = origin_of(start.weights)
        except LeadlineError as error:
            return [*notes, _unchecked(f"the weights in {start.weights}", _told(error))]
        notes += _about(origin, dataset)
        if origin.plan is None:
            break
        start = origin.plan.start
    return notes


def _about(origin: Origin, dataset: Dataset) -> list[str]:
    """What is to be said of one training whose weights are in these."""
    if origin.plan is None:
        return [] if _published(origin) else [_unchecked(origin.told, "a file of weights does not say it")]
    if origin.plan.data.hash == dataset.fingerprint():
        return []  # the same rows in the same splits, so that nothing has seen the test rows
    if origin.plan.data.source == "arrays":
        return [_unchecked(origin.told, "its data were arrays, which no name leads to")]
    try:
        before = load_for(origin.plan)
    except SourceNotFoundError:
        return [_unchecked(origin.told, f"its data, {_named(origin)}, are gone")]
    except (LeadlineError, OSError) as error:
        return [_unchecked(origin.told, _told(error))]
    if before.fingerprint() != origin.plan.data.hash:
        return [_unchecked(origin.told, f"its data, {_named(origin)}, have changed since")]
    seen = np.zeros(len(dataset.test), dtype=bool)
    for split in (before.train, before.valid):
        seen |= _among(dataset.test, split, pictures=isinstance(dataset.schema.inputs, Pictures))
    count = int(seen.sum())
    return [_sentence(count, len(seen), origin, dataset)] if count else []


def _unchecked(told: str, why: str) -> str:
    return (
        f"Whether test rows are among those that {told} learned from could not be checked, because {why}. "
        "If they are, the score is too good."
    )


def _told(error: Exception) -> str:
    """What an error says, in the middle of a sentence."""
    said = error.what if isinstance(error, LeadlineError) else str(error)
    return f"of this: {said.rstrip('.')}"


def _named(origin: Origin) -> str:
    assert origin.plan is not None
    return ", ".join(origin.plan.data.source.splitlines())


def _name(weights: str) -> str:
    return str(Path(weights).resolve()) if Path(weights).exists() else weights


def _published(origin: Origin) -> bool:
    place, files = str(origin.place), {OF_KERAS, *(each.file for each in PUBLISHED.values())}
    return place in PUBLISHED or place.startswith(PREFIX) or Path(place).name in files


def _among(test: Split, learned: Split, *, pictures: bool) -> NDArray[np.bool_]:
    """Which test rows stand in another split."""
    seen = np.zeros(len(test), dtype=bool)
    if isinstance(test.inputs, Ragged) or isinstance(learned.inputs, Ragged):
        if isinstance(test.inputs, Ragged) and isinstance(learned.inputs, Ragged):
            known = {learned.inputs.row(row).tobytes() for row in range(len(learned))}
            seen |= np.array([test.inputs.row(row).tobytes() in known for row in range(len(test))], dtype=bool)
        return seen
    if test.inputs.shape[1:] == learned.inputs.shape[1:] and test.inputs.dtype == learned.inputs.dtype:
        known = {row.tobytes() for row in np.asarray(learned.inputs)}
        seen |= np.array([row.tobytes() in known for row in np.asarray(test.inputs)], dtype=bool)
    if pictures and learned.inputs.ndim == 4 and learned.inputs.shape[3] == test.inputs.shape[3]:
        among = np.asarray(learned.inputs[:_MOST])
        seen[find_near_copies(_resized(np.asarray(test.inputs[:_MOST]), among.shape[1:3]), among).rows] = True
    return seen


def _resized(pictures: NDArray[np.generic], size: tuple[int, ...]) -> NDArray[np.generic]:
    """Pictures [N, H, W, C] in another height and width, as bytes."""
    if pictures.shape[1:3] == size:
        return pictures
    shades = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
    shades = F.interpolate(shades, size=list(size), mode="bicubic", antialias=True, align_corners=False)
    return shades.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()


def _sentence(count: int, total: int, origin: Origin, dataset: Dataset) -> str:
    assert origin.plan is not None
    said = f"{count:,} of {total:,} test rows are among those that {origin.told} was trained on, so the score is too good."
    theirs, ours = origin.plan.data, dataset.origin
    same_seed = theirs.seed == ours.options.get("seed", theirs.seed)
    if theirs.source == ours.source and not same_seed:
        return f"{said} Split the data as there: --set data.seed={theirs.seed}."
    return f"{said} Judge it on other data: leadline evaluate."
