"""What a change gained over its twin, how sure that is, and which of several gained most."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch

from leadline.diagnose.readings import Branch
from leadline.diagnose.trials.copied_training import Outcome

SURE = 2.0  # standard errors, beyond which a gain is none of chance
# Half the width of a 95 % interval over that of a normal one, by degrees of freedom: Student's t.
_FEW = {1: 6.5, 2: 2.2, 3: 1.62, 4: 1.42, 5: 1.31, 6: 1.25, 7: 1.21}


def gain_of(twins: Sequence[Outcome], changed: Sequence[Outcome], *, scale: float | None = None) -> tuple[float, float]:
    """How much less wrong the changed copies are than their twins, and its standard error over seeds and held-out rows.

    g = mean over seeds s and rows i of d_si, d_si the twin's error minus the changed one's. se² = t² var_s(d̄_s) / S +
    var_i(d̄_i) / N, with t what Student's t for S seeds is wider than a normal at 95 %, so that two standard errors are 95 %
    with few seeds too. Where rows have no errors, losses of parts of them over `scale` stand for these.

    Args:
        twins: unchanged, one a seed.
        changed: with the same seeds.
        scale: a loss that counts as an error of 1, as that of the best constant answer; None is the twins' mean loss.

    Example:
        >>> twin = [Outcome(torch.tensor([1.0, 1.0, 0.0, 1.0]), 1.0, True)] * 2
        >>> changed = [Outcome(torch.tensor([0.0, 1.0, 0.0, 0.0]), 1.0, True)] * 2
        >>> gain_of(twin, changed)[0]
        0.5
    """
    before, after = (torch.stack([outcome.errors for outcome in each]).double() for each in (twins, changed))
    if not twins[0].per_row:
        finite = before[before.isfinite()]
        usual = scale or float(finite.mean().abs().clamp(min=1e-12) if len(finite) else 1.0)
        before, after = ((part / usual).nan_to_num(10.0, 10.0, -10.0).clamp(-10.0, 10.0) for part in (before, after))
    gains = before - after
    seeds, rows = gains.shape
    by_row = float(gains.mean(0).var(correction=1 if rows > 1 else 0)) / rows
    over_seeds = float(gains.mean(1).var()) / seeds * _FEW.get(seeds - 1, 1.15) ** 2 if seeds > 1 else 0.0
    return float(gains.mean()), math.sqrt(max(by_row, _floor(rows)) + over_seeds)


def _floor(rows: int) -> float:
    """The variance of a mean over rows that happened to agree: as if half a row had differed."""
    return 0.25 / rows**2


def is_sure(gain: float, gain_se: float) -> bool:
    """Whether a gain is larger than two standard errors.

    Example:
        >>> is_sure(0.1, 0.04), is_sure(0.1, 0.06)
        (True, False)
    """
    return gain > SURE * gain_se


def best_of(tried: Iterable[Branch]) -> Branch | None:
    """The branch with the largest gain beyond two standard errors, if any.

    Example:
        >>> best_of([Branch("rate", 0.1, 50, [], [], gain=0.1, gain_se=0.2)]) is None
        True
    """
    sure = [each for each in tried if is_sure(each.gain, each.gain_se)]
    return max(sure, key=lambda each: each.gain, default=None)
