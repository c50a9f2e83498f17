"""Schedules that never rise: constant, drops, exponential, inverse time, polynomial, cosine.

p is the progress in [0, 1], and m(p) what the learning rate is multiplied with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from leadline.errors import ArgumentError
from leadline.optim.multiplier import Schedule, half_cosine


def constant() -> Schedule:
    """m(p) = 1.

    Example:
        >>> constant()(0.7)
        1.0
    """
    return Schedule(lambda progress: 1.0, "constant")


def step_drops(at: Sequence[float] = (0.5, 0.75), *, factor: float = 0.1, epochs: int | None = None) -> Schedule:
    """The rate drops by a factor at given points.

    m(p) = factorᵏ, where k of the points lie at or before p. Points up to 1 are shares of the training. If any is above 1, all
    are numbers of epochs, and the point is reached when so many are done.

    Args:
        at: the points, in any order.
        factor: in (0, 1].
        epochs: how many the training has; needed for points in epochs, and given by a Plan.

    Errors: `ArgumentError` for a factor or point out of range, shares and epochs in one list, or epochs of unknown number.

    Example:
        >>> [round(step_drops([0.5, 0.75])(p), 2) for p in (0.2, 0.5, 0.9)]
        [1.0, 0.1, 0.01]
        >>> step_drops([30, 60], factor=0.5, epochs=90)(60 / 90)
        0.25
    """
    points, text = list(at), f"step_drops({list(at)}, factor={factor!r})"
    if not 0 < factor <= 1 or not all(0 <= point < math.inf for point in points):
        raise ArgumentError(
            "The step schedule is out of range",
            expected="points of 0 or more and a factor in (0, 1]",
            got=text,
        )
    if any(point > 1 for point in points):
        points = _shares(points, epochs, text)
    return Schedule(lambda progress: factor ** sum(point <= progress for point in points), text)


def _shares(points: list[float], epochs: int | None, text: str) -> list[float]:
    if any(0 < point < 1 for point in points):
        raise ArgumentError(f"{text} mixes shares of the training with numbers of epochs", expected="all of one kind")
    if epochs is None:
        raise ArgumentError(
            f"{text} has points in epochs, and how many there are is unknown",
            expected="epochs=… beside them, or shares of the training in [0, 1]",
        )
    if max(points) > epochs:
        raise ArgumentError(f"A drop of {text} comes after the end", expected=f"points up to {epochs} epochs", got=max(points))
    return [point / epochs for point in points]


def exponential(end: float = 0.01) -> Schedule:
    """The rate falls by the same factor in equal times.

    m(p) = endᵖ: from 1 to `end`. A factor γ each epoch for E epochs is end = γᴱ.

    Args:
        end: the last multiplier, in (0, 1].

    Errors: `ArgumentError` for an end out of range.

    Example:
        >>> round(exponential(0.01)(0.5), 4)
        0.1
    """
    if not 0 < end <= 1:
        raise ArgumentError("The exponential schedule is out of range", expected="an end in (0, 1]", got=end)
    return Schedule(lambda progress: end**progress, f"exponential({end!r})")


def inverse_time(decay: float = 9.0) -> Schedule:
    """The rate falls as one over time: fast at first, then ever more slowly.

    m(p) = 1 / (1 + decay · p): from 1 to 1 / (1 + decay). This is η / (1 + k·t/T) for step t of T.

    Args:
        decay: k, 0 or more.

    Errors: `ArgumentError` for a negative decay.

    Example:
        >>> inverse_time(9.0)(1.0)
        0.1

    Source: Robbins and Monro (1951), A stochastic approximation method: rates whose sum diverges and whose squares' does not.
    """
    if not 0 <= decay < math.inf:
        raise ArgumentError("The inverse-time schedule is out of range", expected="a decay of 0 or more", got=decay)
    return Schedule(lambda progress: 1 / (1 + decay * progress), f"inverse_time({decay!r})")


def polynomial(power: float = 1.0, *, end: float = 0.0) -> Schedule:
    """The rate falls along a power of what is left; power 1 is a straight line.

    m(p) = end + (1 − end) · (1 − p)^power.

    Args:
        power: above 0.
        end: the last multiplier, in [0, 1].

    Errors: `ArgumentError` for a value out of range.

    Example:
        >>> polynomial()(0.25), polynomial(2)(0.5)
        (0.75, 0.25)
    """
    if not 0 < power < math.inf or not 0 <= end <= 1:
        raise ArgumentError(
            "The polynomial schedule is out of range", expected="a power above 0 and an end in [0, 1]", got=(power, end)
        )
    return Schedule(lambda progress: end + (1 - end) * (1 - progress) ** power, f"polynomial({power!r}, end={end!r})")


def cosine(end: float = 0.0) -> Schedule:
    """The rate falls along half a cosine: slowly, fast in the middle, and slowly again.

    m(p) = end + (1 − end) · (1 + cos πp) / 2.

    Args:
        end: the last multiplier, in [0, 1].

    Errors: `ArgumentError` for an end out of range.

    Example:
        >>> cosine()(0.5)
        0.5

    Source: Loshchilov and Hutter (2017), SGDR: stochastic gradient descent with warm restarts; here without restarts.
    """
    if not 0 <= end <= 1:
        raise ArgumentError("The cosine schedule is out of range", expected="an end in [0, 1]", got=end)
    return Schedule(lambda progress: end + (1 - end) * half_cosine(progress), f"cosine({end!r})")
