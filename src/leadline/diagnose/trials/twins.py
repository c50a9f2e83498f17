"""Copies beside unchanged twins: same rows, same seeds, same steps."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from leadline.diagnose.readings import Branch, Readings
from leadline.diagnose.subject import Rows, Subject, first_tensor
from leadline.diagnose.trials.changes import CHANGES, TOGETHER, change_copy, parts_of
from leadline.diagnose.trials.copied_training import CopiedTraining, Outcome, copy_of
from leadline.diagnose.trials.gains import gain_of, is_sure
from leadline.diagnose.trials.habits import habits_of
from leadline.diagnose.trials.tapes import Tapes

SEEDS = 5  # at most
LIKELY_SEEDS = 3  # after so many, most changes have gained clearly or not at all, and the others are not run
LEAST_STEPS = 30  # in fewer, hardly any change shows
_CLEAR = 4.0  # standard errors
_HOPELESS = 1.0  # standard errors to be gained for another seed to be worth its time
_KEPT = 2000  # rows; as many are a part of the person's, gone through less often than they are
_MOST_EPOCHS = 20  # of the kept rows, where the person's own epochs are not known
_MOST_HELD = 1024  # rows
_TIMED_STEPS, _TIMED_SECONDS = 30, 0.2
_WHOLE = 0.9  # of the person's steps, for a copy to count as trained as long

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
        beside: changes that the twins get as well, as text.

    Example:
        >>> from leadline.diagnose.trials.samples import a_subject
        >>> trials = Trials(a_subject(rate=1e-5), steps=60)
        >>> branch = trials.run("rate", 1000.0)
        >>> branch.gain > 2 * branch.gain_se
        True
    """

    def __init__(
        self,
        subject: Subject,
        readings: Readings | None = None,
        *,
        steps: int | None = None,
        seeds: int = SEEDS,
        beside: str = "",
    ) -> None:
        assert subject.loss is not None
        assert subject.optimizers
        self.subject, self.readings, self.seeds, self.beside = subject, readings, seeds, beside
        self.habits = habits_of(subject, readings)
        self.rows = _parted(subject)
        self.most = most_steps(subject, readings, len(self.rows[0]))
        self.steps = min(steps or self.most, self.most)
        self.twins: dict[tuple[str, bool, int, bool], Outcome | None] = {}
        self.done: dict[Wanted, list[Outcome]] = {}
        self.tapes = Tapes()
        self.refused: dict[str, str] = {}
        self._own: Outcome | None = None
        constant = readings.first.best_constant_loss if readings is not None else None
        self.scale = constant if constant is not None and 0 < constant < float("inf") else None

    def time_step(self) -> float:
        """Seconds of one step of the twin, measured; those of judging it are kept as `judging`, and `played` is set."""
        self.copy(0, "initial").run(2)  # the first steps of all prepare what later ones use
        copied = self.copy(0, "initial")
        copied.play = self.tapes.player(copied, self.steps)
        self.played = copied.play is not None
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
        made, own, start, stays = self.way(change, argument)
        judging = None
        for seed in range(self.seeds):
            outcome = None
            if seed < len(done := self.done.get((change, argument), [])):
                twin, outcome = self.twins["initial", False, seed, False], done[seed]
            elif isinstance(copied := self.changed(made, own, start, seed), str):
                self.refused[written(change, argument)] = copied
                return None
            else:
                judging = copied.judging
                twin = self._twin(seed, start, stays=stays, judging=judging, deadline=deadline)
                outcome = self._run(copied, self.steps, deadline) if twin is not None else None
            if twin is None or outcome is None:
                break
            changed.append(outcome)
            twins.append(twin)
            if is_decided(twins, changed, self.scale):
                break
        if not changed:
            self.refused.setdefault(written(change, argument), "the time was over")
            return None
        gain, gain_se = self._corrected(*gain_of(twins, changed, scale=self.scale), start, twins[0], judging)
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

    def changed(self, change: str, argument: float | str | None, start: str, seed: int) -> CopiedTraining | str:
        """A copy with the change as `way` says that it is made, or why it does not apply."""
        copied = self._bare(seed, start)
        torch.manual_seed(seed)
        return change_copy(copied, change, argument) or copied

    def _corrected(self, gain: float, gain_se: float, start: str, twin: Outcome, judging: Tensor | None) -> tuple[float, float]:
        """The gain as far as it is one over the person's own network, which no shorter or unlike twin stands for.

        A twin that trained as long, from the same weights, should fare as that did. Where it fares worse, something of the
        program was not repeated, and mending that is no gain. And nobody can gain more than the error that was left.
        """
        if start != "initial" or judging is not None or self.subject.valid is None or self.beside:
            return gain, gain_se
        if self._own is None:
            self._own = self.copy(0, "trained").judge()
        if self.steps >= _WHOLE * self.subject.steps:
            lost, lost_se = gain_of([twin], [self._own], scale=self.scale)
            if is_sure(lost, lost_se):
                gain, gain_se = gain - lost, math.hypot(gain_se, lost_se)
        most = self._errors([self._own])[0] if self._own.per_row or self.scale else math.inf
        if gain > most >= 0:
            gain, gain_se = most, gain_se * most / gain
        return gain, gain_se

    def _errors(self, outcomes: Sequence[Outcome]) -> list[float]:
        """The error of each copy; where rows have none, its loss over that of the best constant answer."""
        if outcomes[0].per_row or self.scale:
            return [float(outcome.errors.mean()) / (1.0 if outcome.per_row else self.scale or 1.0) for outcome in outcomes]
        return []

    def way(self, change: str, argument: float | str | None) -> tuple[str, float | str | None, str, bool]:
        """The change as it is made, where the copies start, and whether the twins stay as they are.

        In a training that is shorter than the person's, more steps always help. Whether they would have helped in the end is
        seen by going on from the end.
        """
        if self.beside:
            return TOGETHER.join((self.beside, written(change, argument))), None, "initial", False
        parts = parts_of(change, argument)
        name, own = parts[0]
        if len(parts) == 1 and name == "longer" and self.steps < _WHOLE * self.subject.steps and float(own or 3) > 1:
            factor = min((float(own or 3) - 1) * self.subject.steps / self.steps, float(own or 3))
            return "go_on", factor, "trained", True
        return change, argument, CHANGES[name].start, CHANGES[name].twin_stays

    def copy(self, seed: int, start: str) -> CopiedTraining:
        copied = self._bare(seed, start)
        if self.beside:
            torch.manual_seed(seed)
            change_copy(copied, self.beside)
        return copied

    def _bare(self, seed: int, start: str) -> CopiedTraining:
        return copy_of(self.subject, self.habits, self.rows, seed=seed, start=start, readings=self.readings)

    def _twin(self, seed: int, start: str, *, stays: bool, judging: Tensor | None, deadline: float) -> Outcome | None:
        key = start, stays, seed, judging is not None
        if self.twins.get(key) is None:
            copied = self.copy(seed, start)
            copied.judging = judging
            self.twins[key] = self._run(copied, 0 if stays else self.steps, deadline)
        return self.twins[key]

    def _run(self, copied: CopiedTraining, steps: int, deadline: float) -> Outcome | None:
        copied.play = self.tapes.player(copied, round(steps * copied.length))
        return copied.run(steps, deadline)


def most_steps(subject: Subject, readings: Readings | None, rows: int) -> int:
    """As many as the person's training took, but on the kept rows no more epochs than it went through its own."""
    taken = subject.steps or 200
    epochs = readings.program.epochs if readings is not None and len(subject.train) < _KEPT else None
    limit = max(5.0, epochs or _MOST_EPOCHS) * math.ceil(rows / max(1, min(subject.batch, rows)))
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


def is_decided(twins: Sequence[Outcome], changed: Sequence[Outcome], scale: float | None) -> bool:
    """Whether more seeds are not worth their time: without a gain at all, or with a clear one."""
    gain, gain_se = gain_of(twins, changed, scale=scale)
    # Two seeds are too few to tell how far they are apart.
    if len(changed) == 2:
        return False
    return gain <= _HOPELESS * gain_se or (len(changed) >= LIKELY_SEEDS and gain > _CLEAR * gain_se)


def written(change: str, argument: Any = None) -> str:
    """A change as it is written, with its argument.

    Example:
        >>> written("rate", 0.1), written("standardize & rate(0.1)")
        ('rate(0.1)', 'standardize & rate(0.1)')
    """
    return (
        change
        if argument is None
        else f"{change}({argument:g})"
        if isinstance(argument, (int, float))
        else f"{change}({argument})"
    )
