"""Whether the test rows of a Run are among those that the weights it started from have learned from already."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from leadline.data.dataset import Dataset, Split
from leadline.data.near_copies import find_near_copies
from leadline.data.pictures import Pictures
from leadline.errors import LeadlineError
from leadline.plan.origins import Origin, origin_of
from leadline.plan.starts import StartPlan
from leadline.runs.reloading import load_for

_MOST = 10_000  # rows of a split that are compared


def about_seen_rows(start: StartPlan, dataset: Dataset) -> list[str]:
    """A sentence where test rows were among those that the weights of another Run were trained on or chosen by.

    Rows are the same where all their values are, pictures also where one is the other resized, recompressed or mirrored. Of
    weights that are not of a Run it is not known what they have seen.

    Args:
        start: of the Plan.
        dataset: that is to be learnt.

    Example:
        >>> from leadline import data
        >>> about_seen_rows(StartPlan(), data.load("digits"))
        []
    """
    if not start.weights:
        return []
    try:
        origin = origin_of(start.weights)
        before = None if origin.plan is None else load_for(origin.plan)
    except LeadlineError:
        return []  # without the data of that Run, arrays or gone, there is nothing to compare with
    if before is None:
        return []
    learned = [before.train, before.valid]
    seen = np.zeros(len(dataset.test), dtype=bool)
    for split in learned:
        seen |= _among(dataset.test, split, pictures=isinstance(dataset.schema.inputs, Pictures))
    count = int(seen.sum())
    return [_sentence(count, len(seen), origin, dataset)] if count else []


def _among(test: Split, learned: Split, *, pictures: bool) -> NDArray[np.bool_]:
    """Which test rows stand in another split."""
    seen = np.zeros(len(test), dtype=bool)
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
