"""How drawings are judged in a Run: their features beside those of pictures, a part at a time, and what these come to."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leadline.data.dataset import Split
from leadline.data.schema import Schema
from leadline.metrics import frechet_distance, kernel_distance, sample_spread
from leadline.metrics.sample_spreads import SampleSpread
from leadline.models.adversarial.adversarial_samples import drawn_parts
from leadline.plan.generate_building import spread_out

_COMPARED = 100_000  # training pictures among which the nearest are looked for
_AT_ONCE = 1024  # pictures that are prepared or drawn together
_SHOWN = 8  # drawings that are kept, to be shown beside training pictures
_SEED = 2  # of the drawings that are judged, another than those of the sheets and of the validation
_SURE = 1.96

TITLES = {
    "frechet": ("Fréchet distance", False),
    "kernel": ("Kernel distance", False),
    "coverage": ("Pictures with a drawing near", True),
    "nearest": ("Variety from one to the next", True),
    "pairwise": ("Variety among all", True),
}
"""Title of each score, and whether more is better."""


class Judged(NamedTuple):
    """Scores of some drawings beside pictures, and how various they are."""

    scores: dict[str, dict[str, Any]]
    spread: SampleSpread


def judged(drawn: Tensor, real: Tensor) -> Judged:
    """Distances of drawings and pictures, and the variety of the drawings, on rows of features.

    Args:
        drawn: of as many drawings as there are pictures [N, D].
        real: of the pictures [N, D].

    Example:
        >>> rows = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
        >>> found = judged(rows[:100], rows[100:])
        >>> found.scores["kernel"]["low"] < 0 < found.scores["kernel"]["high"], found.spread.collapsed
        (True, False)
    """
    kernel = kernel_distance(drawn, real)
    spread = sample_spread(drawn, real)
    value, error = float(kernel.value), float(kernel.standard_error)
    found: dict[str, tuple[float, float | None, float | None]] = {
        "frechet": (float(frechet_distance(drawn, real)), None, None),
        "kernel": (value, value - _SURE * error, value + _SURE * error),
        **{name: (getattr(spread, name), None, None) for name in ("coverage", "nearest", "pairwise")},
    }
    scores = {
        name: {
            "value": number if math.isfinite(number) else None,
            "low": low,
            "high": high,
            "title": TITLES[name][0],
            "higher_is_better": TITLES[name][1],
        }
        for name, (number, low, high) in found.items()
    }
    return Judged(scores, spread)


class Drawn(NamedTuple):
    """Features of drawings, and a few of the drawings themselves, with their places among all."""

    rows: Tensor
    shown: Tensor
    places: NDArray[np.int64]


def drawn_rows(model: nn.Module, number: int, classes: Tensor | None, features: Callable[[Tensor], Tensor]) -> Drawn:
    """Features of what a network draws to be judged; of the drawings, which may be more than memory holds, a few are kept.

    Args:
        model: that draws.
        number: of drawings.
        classes: of each, for a network that knows classes.
        features: pictures [N, C, H, W] → rows [N, D].
    """
    asked = classes if getattr(model, "classes", 0) else None
    places, rows, kept, done = spread_out(number, _SHOWN), [], [], 0
    for part in drawn_parts(model, number, seed=_SEED, classes=asked):
        here = places[(places >= done) & (places < done + len(part))] - done
        rows.append(features(part))
        kept.append(part[torch.from_numpy(here)])
        done += len(part)
    return Drawn(torch.cat(rows), torch.cat(kept), places)


def compared_with(count: int) -> NDArray[np.int64]:
    """The training pictures among which the nearest to a drawing are looked for: all of them, up to 100,000.

    Args:
        count: how many there are.

    Example:
        >>> compared_with(5).tolist()
        [0, 1, 2, 3, 4]
    """
    return spread_out(count, _COMPARED)


def feature_rows(split: Split, schema: Schema, features: Callable[[Tensor], Tensor], rows: NDArray[np.int64]) -> Tensor:
    """Features of stored pictures, prepared a part at a time: all of them at once may be larger than memory.

    Args:
        split: of pictures.
        schema: that prepares them.
        features: pictures [N, C, H, W] → rows [N, D].
        rows: which of the split.
    """
    prepare = schema.inputs.preparer(torch.device("cpu"))
    parts = (rows[start : start + _AT_ONCE] for start in range(0, len(rows), _AT_ONCE))
    return torch.cat([features(prepare(torch.from_numpy(np.ascontiguousarray(split.array[part])))) for part in parts])


def normal_of_pixels(learned: Tensor, number: int, *, seed: int = 0) -> Iterator[Tensor]:
    """Draws from the normal distribution with the mean and covariance of some pictures' pixels, in parts [P, C, H, W].

    x = μ + (X − μ)ᵀ w / √N with w ~ N(0, I): weights of the pictures themselves, so that no covariance is ever computed. What
    leaves [−1, 1] is cut off.

    Args:
        learned: X, pictures [N, C, H, W].
        number: of draws.
        seed: of them.

    Example:
        >>> [part.unique().tolist() for part in normal_of_pixels(torch.full((5, 1, 2, 2), 0.5), 3)]
        [[0.5]]
    """
    generator = torch.Generator().manual_seed(seed)
    mean = learned.flatten(1).mean(dim=0)
    centred = learned.flatten(1) - mean
    for start in range(0, number, _AT_ONCE):
        count = min(_AT_ONCE, number - start)
        weights = torch.randn(count, len(centred), generator=generator) / math.sqrt(len(centred))
        yield torch.addmm(mean, weights, centred).clamp_(-1, 1).view(count, *learned.shape[1:])
