"""Counterfactual trainings: a copy with one thing changed beside an unchanged twin, same rows, same seeds, same steps."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from leadline.diagnose.readings import Branch, Readings
from leadline.diagnose.subject import Rows, Subject, first_tensor, undisturbed
from leadline.diagnose.trials.changes import CHANGES, change_copy, parts_of, said
from leadline.diagnose.trials.copied_training import CopiedTraining, Outcome, copy_of
from leadline.diagnose.trials.habits import Habits, habits_of

SEEDS = 5  # at most
_LIKELY = 3  # after so many seeds most changes have gained clearly or not at all, and the others are not run
_MUCH_LONGER = 1.5  # times the steps, for a change that gained to be worth trying again
_COPIES = 1.5  # of a change, on average
_CLEAR = 4.0  # standard errors
LEAST_STEPS = 30  # in fewer, hardly any change shows
KEPT = 2000  # rows; as many are a part of the person's, gone through less often than they are
MOST_EPOCHS = 20  # of the kept rows, where the person's own epochs are not known
_MOST_HELD = 1024
_HOPELESS = 1.0  # standard errors to be gained for another seed to be worth its time
_TIMED_STEPS, _TIMED_SECONDS = 30, 0.2
_WHOLE = 0.9  # of the person's steps, for a copy to count as trained as long
# Half the width of a 95 % interval over that of a normal one, from so many seeds: Student's t.
_FEW = {1: 6.5, 2: 2.2, 3: 1.62, 4: 1.42, 5: 1.31, 6: 1.25, 7: 1.21}

Wanted = tuple[str, float | str | None]


class Trials:
    """Runs copies of a training with something changed; the unchanged twins are run once and serve all.

    Held-out rows are the person's where there are some, else a third of the kept rows. Seed 0 begins with the person's own
    first weights, the others with weights drawn again by the same law.

    Args:
        subject: what is copied; it must have a loss and an optimizer.
        readings: what was measured: habits of the program, its graph.
        steps: of each copy; None is as many as fit.
        seeds: copies of each kind.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> trials = Trials(a_subject(rate=1e-5), steps=60)
        >>> branch = trials.run("rate", 1000.0)
        >>> branch.gain > 2 * branch.gain_se
        True
    """

    def __init__(
        self, subject: Subject, readings: Readings | None = None, *, steps: int | None = None, seeds: int = SEEDS
    ) -> None:
        assert subject.loss is not None
        assert subject.optimizers
        self.subject, self.readings, self.seeds = subject, readings, seeds
        self.habits = habits_of(subject, readings)
        self.rows = _parted(subject)
        self.most = most_steps(subject, readings, len(self.rows[0]))
        self.steps = min(steps or self.most, self.most)
        self._twins: dict[tuple[str, bool, int, bool], Outcome | None] = {}
        self.refused: dict[str, str] = {}
        constant = readings.first.best_constant_loss if readings is not None else None
        self.scale = constant if constant is not None and 0 < constant < float("inf") else None

    def time_step(self) -> float:
        """Seconds of one step of the twin, measured; those of judging it are kept as `judging`."""
        self._copy(0, "initial").run(2)  # the first steps of all prepare what later ones use
        copied = self._copy(0, "initial")
        began = time.perf_counter()
        copied.judge()
        self.judging = time.perf_counter() - began
        steps, took = 0, 0.0
        while steps < _TIMED_STEPS and took < _TIMED_SECONDS:
            began = time.perf_counter()
            copied.run(5)
            took += time.perf_counter() - began - self.judging
            steps += 5
        return max(took / steps, 1e-5)

    def run(self, change: str, argument: float | str | None = None, *, deadline: float = float("inf")) -> Branch | None:
        """One branch; None where the change does not apply (`refused` says why) or the time was over."""
        began = time.perf_counter()
        changed: list[Outcome] = []
        twins: list[Outcome] = []
        made, own, start, stays = self._way(change, argument)
        for seed in range(self.seeds):
            copied = self._copy(seed, start)
            torch.manual_seed(seed)
            if told := change_copy(copied, made, own):
                self.refused[named(change, argument)] = told
                return None
            twin = self._twin(seed, start, stays=stays, judging=copied.judging, deadline=deadline)
            outcome = copied.run(self.steps, deadline) if twin is not None else None
            if twin is None or outcome is None:
                break
            changed.append(outcome)
            twins.append(twin)
            if _decided(twins, changed, self.scale):
                break
        if not changed:
            self.refused.setdefault(named(change, argument), "the time was over")
            return None
        gain, gain_se = gain_of(twins, changed, scale=self.scale)
        return Branch(
            change,
            argument,
            self.steps,
            [outcome.loss for outcome in changed],
            [outcome.loss for outcome in twins],
            self._errors(changed),
            self._errors(twins),
            gain,
            gain_se,
            time.perf_counter() - began,
        )

    def _errors(self, outcomes: Sequence[Outcome]) -> list[float]:
        """The error of each copy; where rows have none, its loss over that of the best constant answer."""
        if outcomes[0].per_row or self.scale:
            return [float(outcome.errors.mean()) / (1.0 if outcome.per_row else self.scale or 1.0) for outcome in outcomes]
        return []

    def _way(self, change: str, argument: float | str | None) -> tuple[str, float | str | None, str, bool]:
        """The change as it is made, where the copies start, and whether the twins stay as they are.

        In a training that is shorter than the person's, more steps always help. Whether they would have helped in the end is
        seen by going on from the end.
        """
        parts = parts_of(change, argument)
        name, own = parts[0]
        if len(parts) == 1 and name == "longer" and self.steps < _WHOLE * self.subject.steps and float(own or 3) > 1:
            factor = min((float(own or 3) - 1) * self.subject.steps / self.steps, float(own or 3))
            return "go_on", factor, "trained", True
        return change, argument, CHANGES[name].start, CHANGES[name].twin_stays

    def _copy(self, seed: int, start: str) -> CopiedTraining:
        return copy_of(self.subject, self.habits, self.rows, seed=seed, start=start, readings=self.readings)

    def _twin(self, seed: int, start: str, *, stays: bool, judging: Tensor | None, deadline: float) -> Outcome | None:
        key = start, stays, seed, judging is not None
        if self._twins.get(key) is None:
            copied = self._copy(seed, start)
            copied.judging = judging
            self._twins[key] = copied.run(0 if stays else self.steps, deadline)
        return self._twins[key]


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
        trials = Trials(subject, readings, steps=steps)
        step = trials.time_step()
        count = _set_steps(trials, wanted, step, seconds - (time.perf_counter() - began))
        left += [f"trial of {said(*each)}: there was no time" for each in wanted[count:]]
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
            trials.refused[named(change, argument)] = f"{type(error).__name__}: {said_first}"
            tried = None
        if tried is not None:
            done.append(tried)
    return done


def _longer(trials: Trials, done: list[Branch], step: float, end: float) -> list[Branch]:
    """The same branches, those that gained tried again for as long as there is time.

    In a short training whatever learns faster gains, also where it would have made no difference in the end.
    """
    gained = [each for each in done if each.gain > 2 * each.gain_se]
    copies = _LIKELY * (1 + sum(_cost(trials.habits, len(trials.rows[0]), (each.change, each.argument)) for each in gained))
    steps = int(min(trials.most, 0.9 * (end - time.perf_counter()) / (step * copies)))
    worth = steps >= _MUCH_LONGER * trials.steps or steps == trials.most > trials.steps
    if not gained or not worth:
        return done
    whole = Trials(trials.subject, trials.readings, steps=steps)
    again = _all_of(whole, [(each.change, each.argument) for each in gained], end)
    # A copy that was not finished in time has told nothing.
    better = {(each.change, each.argument): each for each in again if len(each.losses) > 1 or each.gain <= 0}
    return [better.get((each.change, each.argument), each) for each in done]


def _set_steps(trials: Trials, wanted: Sequence[Wanted], step: float, seconds: float) -> int:
    """Choose how many steps each copy takes, and say how many of the changes fit.

    Most changes are decided by their first copy; so what is planned for is one and a half of each, and three twins. In
    healthy trainings it takes less, and where more changes gain the last ones find no time.
    """
    for count in range(len(wanted), 0, -1):
        costs = [_cost(trials.habits, len(trials.rows[0]), each) for each in wanted[:count]]
        copies = _LIKELY + _COPIES * sum(costs)
        steps = (0.9 * seconds - (_LIKELY + _COPIES * count) * trials.judging) / (step * copies)
        if steps >= min(LEAST_STEPS * (2 if count > 2 else 1), trials.steps):
            trials.steps = int(min(steps, trials.steps))
            return count
    return 0


def _cost(habits: Habits, rows: int, wanted: Wanted) -> float:
    """Times that of the twin, roughly."""
    cost = 1.0
    for name, argument in parts_of(*wanted):
        if name == "batch":
            before = min(habits.batch, rows)
            cost *= min(max(before / float(argument or 32), 1.0), 10.0) * max(
                1.0, min(float(argument or 32) / before, 8.0) ** 0.3
            )
        elif name in ("longer", "wider"):
            cost *= float(argument or 2)
        elif name in ("activation", "head", "normalization", "regularize"):
            cost *= 1.3
    return cost


def most_steps(subject: Subject, readings: Readings | None, rows: int) -> int:
    """As many as the person's training took, but on the kept rows no more epochs than it went through its own."""
    taken = subject.steps or 200
    epochs = readings.program.epochs if readings is not None and len(subject.train) < KEPT else None
    limit = max(5.0, epochs or MOST_EPOCHS) * math.ceil(rows / max(1, min(subject.batch, rows)))
    return max(1, min(taken, int(limit)))


def _parted(subject: Subject) -> tuple[Rows, Rows]:
    """Rows to learn from and rows to be judged on."""
    random, device = Generator().manual_seed(0), first_tensor(subject.train.targets).device
    if subject.valid is not None and len(subject.valid) >= 20:
        if len(subject.valid) <= _MOST_HELD:
            return subject.train, subject.valid
        return subject.train, subject.valid.take(torch.randperm(len(subject.valid), generator=random)[:_MOST_HELD].to(device))
    order = torch.randperm(len(subject.train), generator=random)
    if len(order) < 12:
        return subject.train, subject.train
    cut = len(order) // 3
    # In the order in which they came, for programs that do not shuffle.
    return subject.train.take(order[cut:].sort()[0].to(device)), subject.train.take(order[:cut].to(device))


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


def _decided(twins: Sequence[Outcome], changed: Sequence[Outcome], scale: float | None) -> bool:
    """Whether more seeds are not worth their time: without a gain at all, or with a clear one."""
    gain, gain_se = gain_of(twins, changed, scale=scale)
    # Two seeds are too few to tell how far they are apart.
    if len(changed) == 2:
        return False
    return gain <= _HOPELESS * gain_se or (len(changed) >= _LIKELY and gain > _CLEAR * gain_se)


def named(change: str, argument: Any = None) -> str:
    """A change as it is written, with its argument.

    Example:
        >>> named("rate", 0.1), named("standardize & rate(0.1)")
        ('rate(0.1)', 'standardize & rate(0.1)')
    """
    return (
        change
        if argument is None
        else f"{change}({argument:g})"
        if isinstance(argument, (int, float))
        else f"{change}({argument})"
    )
