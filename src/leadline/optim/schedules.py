"""Learning-rate schedules: pure functions from progress in [0, 1] to a multiplier of the rate; they compose by product."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from leadline.errors import ArgumentError, unknown

Schedule = Callable[[float], float]


def constant(progress: float) -> float:
    """m(p) = 1.

    Example:
        >>> constant(0.7)
        1.0
    """
    return 1.0


def cosine(progress: float) -> float:
    """m(p) = (1 + cos πp) / 2: from 1 to 0 (Loshchilov and Hutter 2017, without restarts).

    Example:
        >>> cosine(0.5)
        0.5
    """
    return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def step_drops(at: Sequence[float] = (0.5, 0.75), *, factor: float = 0.1) -> Schedule:
    """m(p) = factorᵏ, where k of the points `at` lie at or before p.

    Example:
        >>> [round(step_drops((0.5, 0.75))(p), 2) for p in (0.2, 0.5, 0.9)]
        [1.0, 0.1, 0.01]
    """
    if not 0 < factor <= 1 or any(not 0 <= point <= 1 for point in at):
        raise ArgumentError(
            "The step schedule is out of range", expected="points in [0, 1] and a factor in (0, 1]", got=(tuple(at), factor)
        )
    return lambda progress: factor ** sum(point <= progress for point in at)


def one_cycle(*, rise: float = 0.3, start: float = 0.04, end: float = 1e-4) -> Schedule:
    """Up from `start` to 1 during the first share `rise`, then down to `end`, both along half a cosine (Smith and Topin 2018).

    Example:
        >>> [round(one_cycle()(p), 4) for p in (0.0, 0.3, 1.0)]
        [0.04, 1.0, 0.0001]
    """
    if not 0 < rise < 1:
        raise ArgumentError("The rise of a one-cycle schedule is out of range", expected="a share in (0, 1)", got=rise)

    def schedule(progress: float) -> float:
        progress = min(progress, 1.0)
        if progress < rise:
            return start + (1 - start) * (1 - cosine(progress / rise))
        return end + (1 - end) * cosine((progress - rise) / (1 - rise))

    return schedule


def warm_up(share: float) -> Schedule:
    """m(p) = p / share up to 1: multiply any schedule with it. A share of 0 is no warm-up.

    The very first step would have a rate of zero, so it gets the hundredth part of the way instead.

    Example:
        >>> warm_up(0.1)(0.05)
        0.5
    """
    if not 0 <= share < 1:
        raise ArgumentError("The warm-up is out of range", expected="a share of the training in [0, 1)", got=share)
    return lambda progress: 1.0 if progress >= share else max(progress / share, 0.01)


SCHEDULES: dict[str, Callable[[], Schedule]] = {
    "constant": lambda: constant,
    "step": step_drops,
    "cosine": lambda: cosine,
    "one_cycle": one_cycle,
}


def make_schedule(name: str, *, warm_up_share: float = 0.0) -> Schedule:
    """A schedule by name with its default shape, multiplied by a warm-up.

    Errors: `ArgumentError` for an unknown name or a share outside [0, 1).

    Example:
        >>> make_schedule("cosine", warm_up_share=0.2)(0.1)
        0.4877641290737884
    """
    if name not in SCHEDULES:
        unknown("schedule", name, SCHEDULES)
    schedule = SCHEDULES[name]()
    if warm_up_share == 0:
        return schedule
    rising = warm_up(warm_up_share)
    return lambda progress: schedule(progress) * rising(progress)
