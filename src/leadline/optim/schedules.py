"""Learning-rate schedules by name: functions from progress in [0, 1] to a multiplier of the rate; they compose by product."""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable

from leadline.errors import ArgumentError, unknown
from leadline.optim.decays import constant, cosine, exponential, inverse_time, polynomial, step_drops
from leadline.optim.multiplier import Schedule, half_cosine
from leadline.optim.plateau import Plateau
from leadline.spelling import Call, bind, parse_product

__all__ = [
    "SCHEDULES",
    "Plateau",
    "Schedule",
    "constant",
    "cosine",
    "exponential",
    "inverse_time",
    "make_schedule",
    "one_cycle",
    "polynomial",
    "step_drops",
    "warm_up",
]


def one_cycle(rise: float = 0.3, *, start: float = 0.04, end: float = 1e-4) -> Schedule:
    """One rise and one fall, both along half a cosine.

    m goes from `start` at p = 0 up to 1 at p = rise, then down to `end` at p = 1.

    Args:
        rise: the share of the training in which the rate goes up, in (0, 1).
        start: the first multiplier, in [0, 1].
        end: the last one, in [0, 1].

    Errors: `ArgumentError` for a value out of range.

    Example:
        >>> [round(one_cycle()(p), 4) for p in (0.0, 0.3, 1.0)]
        [0.04, 1.0, 0.0001]

    Source: Smith and Topin (2018), Super-convergence: very fast training of neural networks using large learning rates.
    """
    if not 0 < rise < 1 or not 0 <= start <= 1 or not 0 <= end <= 1:
        raise ArgumentError(
            "The one-cycle schedule is out of range",
            expected="a rise in (0, 1), a start and an end in [0, 1]",
            got=(rise, start, end),
        )

    def multiplier(progress: float) -> float:
        if progress < rise:
            return start + (1 - start) * (1 - half_cosine(progress / rise))
        return end + (1 - end) * half_cosine((progress - rise) / (1 - rise))

    return Schedule(multiplier, f"one_cycle({rise!r}, start={start!r}, end={end!r})")


def warm_up(share: float = 0.05) -> Schedule:
    """A straight rise at the beginning; multiply any schedule with it.

    m(p) = p / share up to p = share, and 1 from there. A share of 0 is no warm-up. The very first step would have a rate of
    zero, so it gets the hundredth part of the way instead.

    Args:
        share: of the training, in [0, 1).

    Errors: `ArgumentError` for a share out of range.

    Example:
        >>> warm_up(0.1)(0.05)
        0.5
        >>> cosine() * warm_up(0.1)
        cosine(0.0) * warm_up(0.1)

    Source: Goyal et al. (2017), Accurate, large minibatch SGD, section 2.2.
    """
    if not 0 <= share < 1:
        raise ArgumentError("The warm-up is out of range", expected="a share of the training in [0, 1)", got=share)
    return Schedule(lambda progress: 1.0 if progress >= share else max(progress / share, 0.01), f"warm_up({share!r})")


SCHEDULES: dict[str, Callable[..., Schedule | Plateau]] = {
    "constant": constant,
    "step_drops": step_drops,
    "exponential": exponential,
    "inverse_time": inverse_time,
    "polynomial": polynomial,
    "cosine": cosine,
    "one_cycle": one_cycle,
    "warm_up": warm_up,
    "plateau": Plateau,
}


def make_schedule(text: str, *, warm_up_share: float = 0.0, epochs: int | None = None) -> Schedule | Plateau:
    """The schedule that a text spells, multiplied by a warm-up.

    Args:
        text: a name of `SCHEDULES`, with or without arguments, or a product of such: "step_drops([30, 60]) * warm_up(0.05)".
        warm_up_share: multiplies with `warm_up` of this share; 0 does not.
        epochs: how many the training has, for points in epochs.

    Returns:
        A `Plateau` where "plateau" is a factor, which must be told the monitored value; else a `Schedule`.

    Errors: `ArgumentError` for an unknown name, or arguments that do not fit or are out of range.

    Example:
        >>> make_schedule("cosine", warm_up_share=0.2)(0.1)
        0.4877641290737884
        >>> make_schedule("step_drops([30, 60]) * warm_up(0.05)", epochs=90)(0.5)
        0.1
    """
    factors = [_made(call, epochs) for call in parse_product(text, "schedule")]
    if warm_up_share:
        factors.append(warm_up(warm_up_share))
    return functools.reduce(operator.mul, factors)


def _made(call: Call, epochs: int | None) -> Schedule | Plateau:
    if call.name not in SCHEDULES:
        unknown("schedule", call.name, SCHEDULES)
    factory = SCHEDULES[call.name]
    arguments, keywords = bind(call, factory, "schedule")
    if epochs is not None and "epochs" in inspect.signature(factory).parameters:
        keywords = {"epochs": epochs, **keywords}
    try:
        return factory(*arguments, **keywords)
    except TypeError as error:  # a text where a number belongs
        raise ArgumentError(f"The schedule {call} cannot be made", got=str(error)) from error
