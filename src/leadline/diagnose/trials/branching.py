"""Counterfactual trainings: several changes, each beside the same unchanged twins, within a time."""

from __future__ import annotations

import time
from collections.abc import Sequence

from leadline.diagnose.readings import Branch, Readings
from leadline.diagnose.subject import Subject, undisturbed
from leadline.diagnose.trials.changes import parts_of, said
from leadline.diagnose.trials.gains import is_sure
from leadline.diagnose.trials.together import Together
from leadline.diagnose.trials.twins import LEAST_STEPS, LIKELY_SEEDS, SEEDS, Trials, Wanted, written

_COPIES = 1.5  # of a change, on average
_TOGETHER = 1.2  # of the time of a copy alone, for the copies of a change that are trained with others
_MUCH_LONGER = 1.5  # times the steps, for a change that gained to be worth trying again


def branch(
    subject: Subject,
    change: str,
    argument: float | str | None = None,
    *,
    steps: int | None = None,
    seeds: int = SEEDS,
    seconds: float = float("inf"),
    readings: Readings | None = None,
) -> Branch | None:
    """One change beside an unchanged twin; None where it does not apply, or the time was over.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> tried = branch(a_subject(rate=1e-5), "rate", 1000.0, steps=60)
        >>> tried.gain > 2 * tried.gain_se, len(tried.errors)
        (True, 3)
    """
    deadline = time.perf_counter() + seconds
    with undisturbed(subject):
        return Trials(subject, readings, steps=steps, seeds=seeds).run(change, argument, deadline=deadline)


def branches(
    subject: Subject,
    wanted: Sequence[Wanted],
    *,
    seconds: float,
    readings: Readings | None = None,
    steps: int | None = None,
    unchecked: list[str] | None = None,
    beside: str = "",
) -> list[Branch]:
    """Several changes, each beside the same unchanged twins, within so many seconds.

    Copies train as long as the time allows, at most as long as the person's training. Where not all changes fit, the last are
    left out. A change that does not gain with the person's own first weights is not tried with others.

    Args:
        subject: what is copied.
        wanted: (change, argument) by rank; a change is a name of `CHANGES` or several: "standardize & rate(0.1)".
        seconds: for all.
        readings: what was measured.
        steps: of each copy, at most.
        unchecked: gets what could not be tried, and why.
        beside: changes that all copies get, the unchanged ones too: "head(auto)".

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> tried = branches(a_subject(rate=1e-5), [("rate", 1000.0), ("clip", 1.0), ("no_dropout", None)], seconds=5)
        >>> [(each.change, each.gain > 2 * each.gain_se) for each in tried]
        [('rate', True), ('clip', False)]
    """
    began = time.perf_counter()
    left: list[str] = [] if unchecked is None else unchecked
    if subject.loss is None or not subject.optimizers:
        left.append("trials: the loss or the optimizer is not known")
        return []
    wanted = list(dict.fromkeys((change, argument) for change, argument in wanted))
    with undisturbed(subject):
        trials = Trials(subject, readings, steps=steps, beside=beside)
        step = trials.time_step()
        together = Together(trials, wanted)
        count = _set_steps(trials, wanted, set(together.found), step, seconds - (time.perf_counter() - began))
        left += [f"trial of {said(*each)}: there was no time" for each in wanted[count:]]
        together.run(wanted[:count], began + seconds)
        done = _all_of(trials, wanted[:count], began + seconds)
        left += [f"trial of {name}: {told}" for name, told in trials.refused.items()]
        return _longer(trials, done, step, began + seconds)


def _all_of(trials: Trials, wanted: Sequence[Wanted], end: float) -> list[Branch]:
    done: list[Branch] = []
    for place, (change, argument) in enumerate(wanted):
        # Each may take what is left for it and half of that again: what is refused or hopeless leaves time to others.
        rest = end - time.perf_counter()
        deadline = time.perf_counter() + min(rest, 1.5 * rest / (len(wanted) - place) if place else rest)
        try:
            tried = trials.run(change, argument, deadline=deadline)
        except Exception as error:  # of a network that cannot be changed so: the other trials are to go on
            said_first = str(error).splitlines()[0] if str(error) else ""
            trials.refused[written(change, argument)] = f"{type(error).__name__}: {said_first}"
            tried = None
        if tried is not None:
            done.append(tried)
    return done


def _longer(trials: Trials, done: list[Branch], step: float, end: float) -> list[Branch]:
    """The same branches, those that gained tried again for as long as there is time.

    In a short training whatever learns faster gains, also where it would have made no difference in the end.
    """
    gained = [each for each in done if is_sure(each.gain, each.gain_se)]
    copies = LIKELY_SEEDS * (1 + sum(_cost(trials, (each.change, each.argument)) for each in gained))
    steps = int(min(trials.most, 0.9 * (end - time.perf_counter()) / (step * copies)))
    worth = steps >= _MUCH_LONGER * trials.steps or steps == trials.most > trials.steps
    if not gained or not worth:
        return done
    whole = Trials(trials.subject, trials.readings, steps=steps, beside=trials.beside)
    wanted = [(each.change, each.argument) for each in gained]
    Together(whole, wanted).run(deadline=end)
    again = _all_of(whole, wanted, end)
    # A copy that was not finished in time has told nothing.
    better = {(each.change, each.argument): each for each in again if len(each.losses) > 1 or each.gain <= 0}
    return [better.get((each.change, each.argument), each) for each in done]


def _set_steps(trials: Trials, wanted: Sequence[Wanted], together: set[Wanted], step: float, seconds: float) -> int:
    """Choose how many steps each copy takes, and say how many of the changes fit.

    Most changes are decided by their first copy; so what is planned for is one and a half of each, and three twins; those that
    are trained together take less. In healthy trainings it takes less, and where more changes gain the last ones find no time.
    """
    for count in range(len(wanted), 0, -1):
        alone = [_cost(trials, each) for each in wanted[:count] if each not in together]
        copies = LIKELY_SEEDS + _COPIES * sum(alone) + _TOGETHER * (count - len(alone))
        judged = LIKELY_SEEDS * (1 + count - len(alone)) + _COPIES * len(alone)
        steps = (0.9 * seconds - judged * trials.judging) / (step * copies)
        if steps >= min(LEAST_STEPS * (2 if count > 2 else 1), trials.steps):
            trials.steps = int(min(steps, trials.steps))
            return count
    return 0


def _cost(trials: Trials, wanted: Wanted) -> float:
    """Times that of the twin, roughly."""
    cost, rows = 1.0, len(trials.rows[0])
    for name, argument in parts_of(*wanted):
        if name == "batch":
            before = min(trials.habits.batch, rows)
            cost *= min(max(before / float(argument or 32), 1.0), 10.0) * max(
                1.0, min(float(argument or 32) / before, 8.0) ** 0.3
            )
        elif name == "longer" or (name == "go_on" and float(argument or 1) > 1):
            cost *= float(argument or 2)
        elif name == "wider":
            cost *= min(float(argument or 2), 2.0)  # much wider is tried of narrow layers only
        elif name in ("activation", "normalization", "regularize"):
            cost *= 2.5 if trials.played else 1.3  # these have no tape
        elif name == "head":
            cost *= 1.3
    return cost
