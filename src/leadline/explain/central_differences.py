"""One entry of a gradient against central differences: right, wrong, or at a kink where there is no derivative."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

STEP = 6e-6  # the cube root of float64's precision: the errors of truncation and of rounding are about alike
_STEPS = (1.0, 16.0, 1 / 8, 1 / 64)  # others are tried before an entry is called wrong
_ROUNDING = 64 * 2.0**-52  # of a loss of size 1: what a sum of many numbers may lose


class Verdict(Enum):
    """What became of an entry."""

    RIGHT = "right"
    WRONG = "wrong"
    KINK = "kink"


class Judged(NamedTuple):
    """The central difference of one entry, its relative error, and the verdict."""

    numeric: float
    error: float
    verdict: Verdict


def judge(loss: Callable[[float], float], here: float, analytic: float, *, size: float, tolerance: float) -> Judged:
    """Compare a derivative with (L(+h) − L(−h)) / 2h, at several h if it takes them.

    A right derivative agrees at some step. Where none agrees, the loss may have a kink within the step: then the difference to
    the right and the one to the left disagree, by as much at a smaller step (a smooth loss: by less), and the analytic value is
    that of one side or between them.

    Args:
        loss: as a function of what is added to the entry.
        here: the loss at 0.
        analytic: the derivative that is doubted.
        size: of the entry; steps are relative to it where it is above 1.
        tolerance: of the relative error.
    """
    step = STEP * max(1.0, abs(size))
    best = Judged(0.0, float("inf"), Verdict.WRONG)
    sides: list[tuple[float, float, float]] = []
    for factor in _STEPS:
        h = step * factor
        above, below = loss(h), loss(-h)
        numeric = (above - below) / (2 * h)
        noise = _ROUNDING * max(1.0, abs(here)) / h
        error = relative_error(analytic, numeric, noise=noise, tolerance=tolerance)
        if error < best.error:
            best = Judged(numeric, error, Verdict.WRONG)
        if error <= tolerance:
            # Only at a smaller step: at the first one there was a kink if one of its sides was right.
            kink = factor < 1 and _one_is_right(*sides[0], analytic, tolerance=tolerance)
            return Judged(numeric, error, Verdict.KINK if kink else Verdict.RIGHT)
        sides.append((noise, (here - below) / h, (above - here) / h))
    (noise, left, right), (_, near_left, near_right) = sides[0], sides[2]
    if not _disagree(left, right, noise=noise, tolerance=tolerance):
        return best
    if abs(near_right - near_left) > 0.5 * abs(right - left):
        # The entry is at a kink, where every value between the two sides is a subgradient.
        slack = _slack(left, right, noise)
        kink = min(left, right) - slack <= analytic <= max(left, right) + slack
    else:
        kink = _one_is_right(noise, left, right, analytic, tolerance=tolerance)
    if kink:
        return Judged(best.numeric, best.error, Verdict.KINK)
    return best


def relative_error(analytic: float, numeric: float, *, noise: float, tolerance: float) -> float:
    """|a − n| / max(|a|, |n|), where a difference that rounding alone explains is within the tolerance.

    Example:
        >>> relative_error(1.0, 1.1, noise=1e-9, tolerance=1e-5) > 0.09
        True
        >>> relative_error(1e-12, 0.0, noise=1e-9, tolerance=1e-5) < 1e-5
        True
    """
    if analytic != analytic or numeric != numeric:
        return float("inf")
    return abs(analytic - numeric) / max(abs(analytic), abs(numeric), noise / tolerance)


def _one_is_right(noise: float, left: float, right: float, analytic: float, *, tolerance: float) -> bool:
    """Whether there is a kink beside an entry, on one side of it, and the other side gives the derivative."""
    near = min(abs(analytic - left), abs(analytic - right)) <= _slack(left, right, noise)
    return near and _disagree(left, right, noise=noise, tolerance=tolerance)


def _slack(left: float, right: float, noise: float) -> float:
    """What one-sided differences may be off: they are less exact than central ones."""
    return 1e-4 * max(abs(left), abs(right)) + 4 * noise


def _disagree(left: float, right: float, *, noise: float, tolerance: float) -> bool:
    return abs(right - left) > max(10 * tolerance * max(abs(left), abs(right)), 20 * noise)
