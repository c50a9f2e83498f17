"""What can be said of a training after it: from its data, its trained network, its loss and its course."""

from __future__ import annotations

import time

from torch import nn

from leadline.data.dataset import Dataset
from leadline.diagnose.before_training import RATES
from leadline.diagnose.checklists import Checklist
from leadline.diagnose.checks.rate_sweeps import read_rates
from leadline.diagnose.examining import examine_subject, judge_with_trials
from leadline.diagnose.findings import COURSE, Verdict
from leadline.diagnose.readings import Beside, Readings
from leadline.diagnose.rules.judging import judge_readings
from leadline.diagnose.subject import Subject, undisturbed
from leadline.models import Ensemble
from leadline.plan import Built, Plan
from leadline.runs.diagnoses import (
    ROWLESS,
    Diagnosis,
    held_out_course,
    rows_of_both,
    steps_of,
    subject_of,
    supervised_of,
    training_course,
)
from leadline.training import History


def diagnose_built(
    plan: Plan,
    dataset: Dataset,
    built: Built,
    history: History,
    *,
    confirm: float = 0.0,
    initial: bool = False,
    beside: Beside | None = None,
    rates: bool = False,
) -> Diagnosis:
    """The diagnosis of a training to which nothing listened.

    Args:
        plan: resolved.
        dataset: its data.
        built: with the trained weights in its model.
        history: of the training.
        confirm: seconds for trials on copies.
        initial: whether the network of its step, which is then another one, has the weights from before the first step.
        beside: what simple methods reach on the same rows, where it is known.
        rates: whether to run a learning-rate range test; it begins with the weights from before the first step.
    """
    step = supervised_of(built.step)
    if dataset.task in ROWLESS or step is None:
        return diagnose_course(dataset, history)
    readings = Readings()
    readings.steps.losses, readings.steps.valid = training_course(history), held_out_course(history)
    model = built.model.networks[0] if isinstance(built.model, Ensemble) else built.model
    assert isinstance(model, nn.Module)
    first = {name: tensor.detach().clone() for name, tensor in step.model.state_dict().items()} if initial else {}
    step.model.load_state_dict(model.state_dict())
    train, valid = rows_of_both(plan, dataset, built.device)
    subject = subject_of(plan, dataset, step, train, valid, initial=first, steps=steps_of(history))
    began = time.perf_counter()
    with undisturbed(subject):
        examine_subject(subject, Checklist(readings), beside=beside)
        readings.unchecked.append("gradients, updates and activations while it trained: nothing listened")
        if not initial:
            readings.unchecked.append("the network before its first step: its weights then are not known")
        if isinstance(built.model, Ensemble):
            readings.unchecked.append("the networks of the ensemble but for the first")
        if rates:
            _test_rates(subject, readings, known=initial)
        verdict = judge_with_trials(subject, readings, seconds=confirm, plan=plan)
    readings.seconds["whole"] = time.perf_counter() - began
    return Diagnosis(verdict, readings, train, valid, afterwards=True)


def diagnose_again(
    plan: Plan,
    dataset: Dataset,
    built: Built,
    readings: Readings,
    *,
    confirm: float,
    afterwards: bool,
    rates: bool = False,
) -> Diagnosis:
    """The same readings, and now trials on copies that begin as the training began.

    Args:
        plan: resolved.
        dataset: its data.
        built: as the Plan builds it, but for the trained weights in `model`, which is another network than that of its step.
        readings: that are kept.
        confirm: seconds for trials.
        afterwards: whether the readings come from after the training.
        rates: whether to run a learning-rate range test.
    """
    step = supervised_of(built.step)
    if step is None or isinstance(built.model, Ensemble):
        reason = "its step has no loss and optimizer of its own" if step is None else "it is an ensemble"
        readings.unchecked = [*readings.unchecked, f"trials: {reason}"]
        return Diagnosis(judge_readings(readings, plan), readings, afterwards=afterwards)
    initial = {name: tensor.detach().clone() for name, tensor in step.model.state_dict().items()}
    step.model.load_state_dict(built.model.state_dict())
    train, valid = rows_of_both(plan, dataset, built.device)
    subject = subject_of(plan, dataset, step, train, valid, initial=initial, steps=readings.program.steps)
    subject.task, subject.classes = readings.program.task, readings.program.classes
    with undisturbed(subject):
        if rates:
            _test_rates(subject, readings, known=True)
        verdict = judge_with_trials(subject, readings, seconds=confirm, plan=plan)
    return Diagnosis(verdict, readings, train, valid, afterwards)


def _test_rates(subject: Subject, readings: Readings, *, known: bool) -> None:
    """A range test, where the first weights are known."""
    if known:
        readings.rates = Checklist(readings).run("rates", lambda: read_rates(subject, seconds=RATES)) or readings.rates
    else:
        readings.unchecked.append("learning-rate range test: the weights before the first step are not known")


def diagnose_course(dataset: Dataset, history: History) -> Diagnosis:
    """Where rows are not tensors side by side: what the losses say, and what nothing could be said of."""
    readings = Readings()
    readings.steps.losses, readings.steps.valid = training_course(history), held_out_course(history)
    what = ROWLESS.get(dataset.task)
    reason = f"what it learns from is {what}" if what else "its step has no loss and optimizer of its own"
    readings.unchecked = [f"inputs, labels, gradients and activations: {reason}"]
    held_out = [loss for _, loss, _ in readings.steps.valid]
    curve = held_out or [loss for _, loss in readings.steps.losses]
    verdict = Verdict(unchecked=tuple(readings.unchecked))
    if curve:
        which = "held-out loss" if held_out else "training loss"
        outcome = f"The {which} went from {curve[0]:.4g} to {min(curve):.4g} at its lowest."
        verdict = Verdict((), (), outcome, (COURSE,), tuple(readings.unchecked))
    return Diagnosis(verdict, readings, afterwards=True)
