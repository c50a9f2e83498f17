"""Whether a fault hurts, and how sure a rate is: the statistics of the harness."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CHANCE, EFFECT = 0.05, 0.5
MATERIAL = 0.03  # of the healthy skill above chance, and at least a hundredth
DRAWS = 2000


@dataclass(frozen=True)
class Harm:
    """A fault in one program against the healthy seeds of the same configuration.

    `verdict` is "hurts", "harmless" (not significant, or no effect to speak of), or "between": significant, but so small that
    nobody would look for it; it counts neither way.
    """

    verdict: str
    loss: float
    effect: float
    chance: float


def harm_of(healthy: Sequence[float], faulty: Sequence[float], chance_score: float) -> Harm:
    """Lower scores with p < 0.05, one-sided, an effect of half a standard deviation or more, and a loss that matters.

    Example:
        >>> harm_of([0.95, 0.96, 0.955, 0.95, 0.96], [0.5, 0.6, 0.55], 0.1).verdict
        'hurts'
        >>> harm_of([0.95, 0.96, 0.955, 0.95, 0.96], [0.96, 0.955, 0.95], 0.1).verdict
        'harmless'
    """
    loss = float(np.mean(healthy) - np.mean(faulty))
    spread = math.sqrt((np.var(healthy, ddof=1) + np.var(faulty, ddof=1)) / 2)
    effect = loss / max(spread, 1e-3)
    p = permutation(healthy, faulty)
    if p >= CHANCE or effect < EFFECT:
        return Harm("harmless", loss, effect, p)
    matters = loss >= max(0.01, MATERIAL * (float(np.mean(healthy)) - chance_score))
    return Harm("hurts" if matters else "between", loss, effect, p)


def permutation(healthy: Sequence[float], faulty: Sequence[float]) -> float:
    """The share of all ways to part the scores in two that differ more, and half of those that differ as much.

    It is exact, so few are they; with ties counted half (the mid-p value), since of three seeds against three not even scores
    that lie wholly apart would come below 0.05 otherwise.
    """
    scores = np.array([*healthy, *faulty])
    observed = scores[: len(healthy)].mean() - scores[len(healthy) :].mean()
    total, count = scores.sum(), len(faulty)
    sums = [scores[list(chosen)].sum() for chosen in itertools.combinations(range(len(scores)), count)]
    differences = np.array([(total - each) / len(healthy) - each / count for each in sums])
    more, as_much = differences > observed + 1e-12, np.abs(differences - observed) <= 1e-12
    return float(np.mean(more) + np.mean(as_much) / 2)


@dataclass(frozen=True)
class Rate:
    """A share with its 95 % interval over families."""

    value: float
    low: float
    high: float
    n: int
    families: int

    def __str__(self) -> str:
        if not self.n:
            return "—"
        return f"{self.value:.1%} [{self.low:.1%}, {self.high:.1%}] (n {self.n})"

    def record(self) -> dict[str, float]:
        names = ("value", "low", "high", "n", "families")
        return {name: round(getattr(self, name), 4) for name in names}


def rate_of(hits: Sequence[tuple[str, bool]], draws: int = DRAWS) -> Rate:
    """The share of hits among (family, hit), with whole families drawn again: programs of one family stand or fall together.

    Example:
        >>> rate = rate_of([("a", True), ("a", True), ("b", False), ("c", False)])
        >>> rate.value, rate.low, rate.high
        (0.5, 0.0, 1.0)
    """
    if not hits:
        return Rate(math.nan, math.nan, math.nan, 0, 0)
    names = sorted({family for family, _ in hits})
    right = np.array([sum(hit for family, hit in hits if family == name) for name in names], dtype=float)
    count = np.array([sum(family == name for family, _ in hits) for name in names], dtype=float)
    chosen = np.random.default_rng(0).integers(0, len(names), (draws, len(names)))
    shares = right[chosen].sum(1) / count[chosen].sum(1)
    low, high = np.quantile(shares, [0.025, 0.975])
    return Rate(float(right.sum() / count.sum()), float(low), float(high), len(hits), len(names))
