"""The diagnosis of a training: a probe in it, and the verdict at its end."""

from __future__ import annotations

import dataclasses

from leadline.data.dataset import Dataset
from leadline.diagnose.findings import Verdict
from leadline.diagnose.probing import Probe
from leadline.diagnose.readings import Readings
from leadline.diagnose.rules.judging import judge_readings
from leadline.diagnose.watched_steps import WatchedStep
from leadline.plan import Built, Plan
from leadline.runs.diagnoses import ROWLESS, Diagnosis, held_out_course, rows_of_both, steps_of, supervised_of
from leadline.runs.diagnosing_afterwards import diagnose_built
from leadline.training import History


class Watching:
    """One training of a Run, watched from inside.

    Args:
        plan: resolved.
        dataset: its data.
        built: what trains. Train `watching.built` in its place: the same, but that its step is listened to.
    """

    def __init__(self, plan: Plan, dataset: Dataset, built: Built) -> None:
        self.plan = plan
        step = supervised_of(built.step)
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

    def conclude(self, history: History, *, confirm: float = 0.0) -> Diagnosis:
        """The verdict on the training that this was, with its best weights back in the network.

        Args:
            history: of the training.
            confirm: seconds for trials on copies.
        """
        self.probe.end()
        readings = self.probe.readings
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


def concluded(
    plan: Plan, dataset: Dataset, built: Built, history: History, watching: Watching | None, *, confirm: float = 0.0
) -> Diagnosis:
    """The diagnosis of a training that has ended, from what was watched of it, or else from what is left of it.

    A diagnosis that fails does not take the training with it: its verdict says so.
    """
    try:
        if watching is not None and watching.probe.readings.steps.samples:
            return watching.conclude(history, confirm=confirm)
        return diagnose_built(plan, dataset, built, history, confirm=confirm)
    except Exception as error:  # whatever it is, the network is trained, and its Run is to be finished
        reason = f"everything: the diagnosis failed with {type(error).__name__}: {error}"
        return Diagnosis(Verdict(unchecked=(reason,)), Readings(), afterwards=watching is None)
