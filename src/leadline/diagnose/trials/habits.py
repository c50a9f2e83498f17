"""How a program trains beyond what its objects say: what a twin of it must repeat to fare as it does."""

from __future__ import annotations

import bisect
import math
import statistics
from dataclasses import dataclass

from leadline.diagnose.readings import Readings, Sample
from leadline.diagnose.subject import Subject

_NEVER = 0.99  # share of steps before which gradients were not zeroed; less is a batch in parts
_SORTED = 0.5


@dataclass(frozen=True)
class Habits:
    """What was seen of a training's steps.

    Args:
        batch: rows a step.
        rate: the largest learning rate of the first group of parameters; 0 where it is not known.
        zeroes: whether gradients are zeroed before a step.
        training_mode: whether the network is in training mode while it trains.
        shuffled: whether rows come in a new order each epoch.
        by_target: whether rows come sorted by their targets.
        rates: (share of the training, multiplier of the learning rate) in order; empty where the rate stays.
        clip: the largest norm of the gradient; None is no bound.
        learns: whether any weight got a gradient: where the loss was cut off from the network, none did.

    Example:
        >>> Habits(32, 0.1, rates=((0.0, 1.0), (1.0, 0.0))).multiplier(0.25)
        0.75
    """

    batch: int
    rate: float = 0.0
    zeroes: bool = True
    training_mode: bool = True
    shuffled: bool = True
    by_target: bool = False
    rates: tuple[tuple[float, float], ...] = ()
    clip: float | None = None
    learns: bool = True

    def multiplier(self, progress: float) -> float:
        """Of the learning rate, at a share of the training."""
        if not self.rates:
            return 1.0
        place = bisect.bisect_left(self.rates, (progress,))
        if place in (0, len(self.rates)):
            return self.rates[min(place, len(self.rates) - 1)][1]
        (before, low), (after, high) = self.rates[place - 1], self.rates[place]
        return low + (high - low) * (progress - before) / max(after - before, 1e-12)


def habits_of(subject: Subject, readings: Readings | None = None) -> Habits:
    """What the readings tell of a training; without them a usual one is assumed.

    Example:
        >>> import torch
        >>> from leadline.diagnose.subject import Rows
        >>> rows = Rows(torch.zeros(8, 2), torch.zeros(8))
        >>> subject = Subject(torch.nn.Linear(2, 1), None, (), rows, batch=4)
        >>> readings = Readings()
        >>> readings.steps.not_zeroed = 1.0
        >>> habits_of(subject, readings).zeroes
        False
    """
    own = own_rates(subject)
    first = own[0] if own else 0.0
    if readings is None:
        return Habits(subject.batch, first)
    steps = readings.steps
    rate = max((sample.rate for sample in steps.samples), default=0.0) or first
    sorted_rows = (steps.rows_a_batch_sorted or 0.0) >= _SORTED
    return Habits(
        subject.batch,
        rate,
        zeroes=(steps.not_zeroed or 0.0) < _NEVER,
        training_mode=steps.evaluation_mode < 0.5,
        shuffled=not sorted_rows and (steps.repeated_batches or 0.0) < 0.5,
        by_target=sorted_rows,
        rates=_rates(steps.samples, readings.program.steps or subject.steps, rate),
        clip=_limit(steps.samples) if (steps.clipped or 0.0) > 0 else None,
        learns=not is_cut_off(readings),
    )


def is_cut_off(readings: Readings) -> bool:
    """Whether no weight got a gradient at any step that was looked at, while the loss was a number.

    Example:
        >>> is_cut_off(Readings())
        False
    """
    broken = readings.steps.non_finite_step
    sound = [
        each for each in readings.steps.samples[1:] if math.isfinite(each.loss) and (broken is None or each.step < broken - 1)
    ]
    heard = [norm for sample in sound for norm in sample.gradient]
    return bool(heard) and all(map(math.isnan, heard))


def own_rates(subject: Subject) -> list[float]:
    """The first learning rate of each group of parameters, as far as its schedule has written it down."""
    groups = [group for optimizer in subject.optimizers for group in optimizer.param_groups]
    return [float(group.get("initial_lr", group["lr"])) for group in groups]


def _rates(samples: list[Sample], steps: int, largest: float) -> tuple[tuple[float, float], ...]:
    seen = [(sample.step / max(steps, 1), sample.rate / largest) for sample in samples if largest and sample.rate]
    if not seen or max(abs(multiplier - 1) for _, multiplier in seen) < 0.01:
        return ()
    return tuple(sorted(seen))


def _limit(samples: list[Sample]) -> float | None:
    """Clipped gradients are as long as the clip lets them be."""
    clipped = [sample.gradient for sample in samples if sample.clipped_to is not None and sample.clipped_to < 1]
    norms = [math.hypot(*(part for part in gradient if not math.isnan(part))) for gradient in clipped]
    finite = [norm for norm in norms if 0 < norm < math.inf]
    return statistics.median(finite) if finite else None
