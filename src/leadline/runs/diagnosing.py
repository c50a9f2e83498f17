"""The diagnosis of a training: a probe in it, and the verdict at its end."""

from __future__ import annotations

import dataclasses

from leadline.data.dataset import Dataset
from leadline.diagnose.before_training import SECONDS, check_subject
from leadline.diagnose.checklists import Checklist
from leadline.diagnose.findings import Finding, Verdict
from leadline.diagnose.probing import Probe
from leadline.diagnose.readings import Beside, Readings
from leadline.diagnose.rules.judging import judge_readings
from leadline.diagnose.watched_steps import WatchedStep
from leadline.plan import Built, Plan
from leadline.runs.diagnoses import ROWLESS, Diagnosis, held_out_course, rows_of_both, steps_of, subject_of, supervised_of
from leadline.runs.diagnosing_afterwards import diagnose_built
from leadline.runs.observer import Observer
from leadline.training import History

_WORTH_A_DRILL = 60.0  # seconds of training: one batch by heart takes up to 1.5
_SHORT = 136  # letters: two lines of 80 columns beside their label


class Watching:
    """One training of a Run, watched from inside.

    Args:
        plan: resolved.
        dataset: its data.
        built: what trains. Train `watching.built` in its place: the same, but that its step is listened to.
    """

    def __init__(self, plan: Plan, dataset: Dataset, built: Built) -> None:
        self.plan, self.dataset = plan, dataset
        self._step = step = supervised_of(built.step)
        assert step is not None
        self.train, self.valid = rows_of_both(plan, dataset, built.device)
        self.probe = Probe(
            step.model,
            (step.optimizer,),
            loss=step.loss,
            train=self.train.rows,
            valid=self.valid.rows,
            rows=len(dataset.train),
        )
        self.built = dataclasses.replace(built, step=WatchedStep(built.step, self.probe))

    def check(self, *, expected: float = 0.0) -> Verdict:
        """What is wrong before the first step; what was looked at then is not looked at again at the end.

        Whether a copy can learn one batch by heart is tried where the training will be long enough for that to be worth it;
        otherwise the end tells, and tries it where nothing was learned.

        Args:
            expected: seconds of the training; 0 where it is not known.
        """
        checks = Checklist(self.probe.readings, seconds=SECONDS)
        subject = subject_of(self.plan, self.dataset, self._step, self.train, self.valid)
        verdict = check_subject(subject, checks, simple=False, drill=expected >= _WORTH_A_DRILL, plan=self.plan)
        self.probe.checks = checks
        return verdict

    def conclude(self, history: History, *, confirm: float = 0.0, beside: Beside | None = None) -> Diagnosis:
        """The verdict on the training that this was, with its best weights back in the network.

        Args:
            history: of the training.
            confirm: seconds for trials on copies.
            beside: what simple methods reach on the same rows, where it is known.
        """
        self.probe.end()
        readings = self.probe.readings
        if self.probe.checks is not None and beside is not None and beside.task == readings.program.task:
            readings.beside = beside
            self.probe.checks.done.add("simple methods")
        readings.steps.valid = held_out_course(history) or readings.steps.valid
        self.probe.findings(confirm=confirm)
        verdict = judge_readings(readings, self.plan)
        missed = steps_of(history) - len(self.probe.losses()) * self.probe.stride
        if missed >= self.probe.stride:
            told = f"the first {missed:,} steps: the training was interrupted after them"
            verdict = dataclasses.replace(verdict, unchecked=(*verdict.unchecked, told))
        return Diagnosis(verdict, readings, self.train, self.valid)


def watched(plan: Plan, dataset: Dataset, built: Built) -> Watching | None:
    """A training that is watched from inside, or None where its step or its rows do not allow it."""
    if dataset.task in ROWLESS or supervised_of(built.step) is None:
        return None
    return Watching(plan, dataset, built)


def tell_before(watching: Watching, observer: Observer, *, expected: float = 0.0) -> None:
    """Say what is severe before anybody waits for it. A check that fails does not keep the training from beginning.

    Args:
        watching: the training that is to begin.
        observer: is told of each severe finding in a line or two.
        expected: seconds of the training; 0 where it is not known.
    """
    try:
        verdict = watching.check(expected=expected)
    except Exception as error:  # whatever it is, it is no reason not to train
        watching.probe.readings = Readings()
        watching.probe.missed.append(f"what is seen before the first step: {type(error).__name__}: {error}"[:200])
        return
    for finding in verdict:
        if finding.severity == "severe":
            observer.note("before", in_short(finding))


def in_short(finding: Finding) -> str:
    """A finding for two lines of 80 columns: its title, and as much of its cause as there is room for.

    Example:
        >>> in_short(Finding("split_mismatch", "severe", 0.9, (), "Held-out rows are in the training rows too: " + 30 * "so "))
        'Leakage or unlike splits: Held-out rows are in the training rows too.'
    """
    told = f"{finding.title}: {finding.cause}"
    if len(told) > _SHORT:
        told = told[:_SHORT]
        end = max(told.rfind(mark) for mark in (". ", ": ", "; ", ", "))
        told = f"{told[:end]}." if end > len(finding.title) + 1 else f"{told[: told.rfind(' ')]} …"
    return told


def concluded(
    plan: Plan,
    dataset: Dataset,
    built: Built,
    history: History,
    watching: Watching | None,
    *,
    confirm: float = 0.0,
    beside: Beside | None = None,
) -> Diagnosis:
    """The diagnosis of a training that has ended, from what was watched of it, or else from what is left of it.

    A diagnosis that fails does not take the training with it: its verdict says so.

    Args:
        plan: resolved.
        dataset: its data.
        built: with the trained weights in its model.
        history: of the training.
        watching: what watched it, if anything did.
        confirm: seconds for trials on copies.
        beside: what simple methods reach on the same rows, where it is known.
    """
    try:
        if watching is not None and watching.probe.readings.steps.samples:
            return watching.conclude(history, confirm=confirm, beside=beside)
        return diagnose_built(plan, dataset, built, history, confirm=confirm, beside=beside)
    except Exception as error:  # whatever it is, the network is trained, and its Run is to be finished
        reason = f"everything: the diagnosis failed with {type(error).__name__}: {error}"
        return Diagnosis(Verdict(unchecked=(reason,)), Readings(), afterwards=watching is None)
